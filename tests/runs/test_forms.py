"""Where XLA compiles the training: the same bits in every process, and seconds without those of compiling."""

from __future__ import annotations

import time
from pathlib import Path

import guests
import numpy as np
import processes
import pytest

from kit.machine import xla
from kit.runs.population import run_population
from kit.runs.run import unlearn
from kit.toolbox import costs
from kit.types import PARTS, Challenge, Outputs

WORKERS = {"serial": None, "processes": 1}
BY_THE_TOOLBOX = """
from kit.toolbox.training import fit
from kit.types import Recipe


def unlearning(net, retain, forget, validation):
    return fit(net, retain, Recipe(epochs=2, learning_rate=0.05), seed=0)
"""


def assert_same_bits(here: Outputs, there: Outputs) -> None:
    for part in PARTS:
        np.testing.assert_array_equal(here.confidences[part], there.confidences[part])


@pytest.mark.slow
def test_workers_and_a_contained_file_make_the_bits_of_this_process(
    small_challenge: Challenge, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def outputs(method: object, engine: str = "serial") -> Outputs:
        return run_population(method, small_challenge, num_models=2, engine=engine, workers=WORKERS[engine])

    guests.fork_them(monkeypatch)
    processes.fork_workers(monkeypatch)

    path, namespace = tmp_path / "unlearning.py", {}  # runs of a function and of a file of one name have the same seeds
    path.write_text(BY_THE_TOOLBOX)
    exec(BY_THE_TOOLBOX, namespace)
    by_operations, of_function = outputs("finetune"), outputs(namespace["unlearning"])
    monkeypatch.setenv(xla.VARIABLE, "auto")
    by_xla = outputs("finetune")
    assert (by_xla.confidences["retain"] != by_operations.confidences["retain"]).any()  # it is another form
    np.testing.assert_allclose(by_xla.confidences["retain"], by_operations.confidences["retain"], atol=1e-3)
    assert_same_bits(by_xla, outputs("finetune", "processes"))
    # Of a user's call every second counts: nothing is compiled by XLA there.
    assert_same_bits(of_function, outputs(namespace["unlearning"]))
    assert_same_bits(of_function, outputs(path))


def test_seconds_of_the_kits_methods_are_without_those_of_compiling(
    small_challenge: Challenge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(xla.VARIABLE, "auto")
    start = time.perf_counter()
    with costs.counted() as counter:
        seconds = unlearn("finetune", small_challenge).seconds
    assert 0 < counter.compiling < time.perf_counter() - start
    assert 0 < seconds < time.perf_counter() - start - counter.compiling

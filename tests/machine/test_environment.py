"""What records say of the machine, found out without TensorFlow."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from kit.engines.worker import worker_variables
from kit.machine import environment
from kit.submission import handover


def test_without_cards_there_are_none(tmp_path: Path) -> None:
    assert environment.gpus(tmp_path) == []


@pytest.mark.parametrize(
    ("visible", "cards"),
    [(None, 3), ("", 0), ("-1", 0), ("0", 1), ("2,0", 2), ("0, 1,2", 3), ("0,7,1", 1), ("-1,0", 0), ("GPU-8f2a", 1)],
)
def test_cards_are_those_that_the_process_may_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: str | None, cards: int
) -> None:
    for name in ("nvidia0", "nvidia1", "nvidia2", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert environment.gpus(tmp_path) == [f"/physical_device:GPU:{number}" for number in range(cards)]


def test_they_are_those_that_tensorflow_finds() -> None:
    devices = ", ".join(device.name for device in tf.config.list_physical_devices("GPU")) or "none"
    assert environment.machine()["gpus"] == devices


def test_instructions_that_a_user_chooses_are_those_of_every_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they decide the last bits, which are to be the same in each, and nothing stored is taken for theirs."""
    for name in environment.instructions():
        monkeypatch.delenv(name)
    before = environment.machine()
    assert "instructions" not in before
    chosen = {"TF_ENABLE_ONEDNN_OPTS": "0", "OPENBLAS_CORETYPE": "Sandybridge"}
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    assert environment.instructions() == chosen
    for variables in (handover.environment(tmp_path), worker_variables()):
        assert chosen.items() <= variables.items()
    machine = environment.machine()
    assert machine.pop("instructions") == '{"TF_ENABLE_ONEDNN_OPTS": "0", "OPENBLAS_CORETYPE": "Sandybridge"}'
    assert machine == before

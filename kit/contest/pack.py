"""Packs: the zip that a competition accepts, one checkpoint a model and a manifest; interrupted, it goes on.

The public name is `kit.pack`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kit.contest.growing import GrowingZip, Packed, checkpoint_name
from kit.contest.mock import MANIFEST, is_mock_run, write_mock
from kit.engines import Engine
from kit.machine import environment
from kit.machine.bars import progress
from kit.models.weights import expected_like, weights_to_bytes
from kit.rules import SCORE_VERSION
from kit.runs.choice import bits_of, engine_for, preferred, require_precision, require_stackable
from kit.runs.contained import Containment
from kit.runs.originals import Pretrained
from kit.runs.packing import models_in_order
from kit.runs.population import Request, at_hand, order_of, started
from kit.runs.pretraining import original_of
from kit.runs.worker import Worker
from kit.storage import locks
from kit.submission.entry import Entry, Identifier, resolve
from kit.submission.returned import checked_weights
from kit.types import Challenge, FailedRun, InputError

__all__ = ["MANIFEST", "Packed", "checkpoint_name", "is_mock_run", "pack", "write_mock"]


def pack(
    method: Identifier,
    challenge: Challenge,
    *,
    num_models: int,
    output: str | Path,
    seed: int = 0,
    half: bool = False,
    engine: str | Engine | None = None,
    workers: int | None = None,
    worker: Worker | None = None,
    containment: Containment | None = None,
) -> Packed:
    """Runs a method `num_models` times, with the seeds of `run_population`, and zips the unlearned weights.

    Models are put into the zip in their order, each as soon as those before it are there. Interrupted, the same call
    goes on where it stopped, on any engine but `stacked`, whose bits are its own: finished models lie in `output` +
    `.partial`. On the engine `serial`, no more than one model is kept beside the zip; on others, those that were
    finished before their turn.

    Args:
        method, challenge, seed, engine, workers, worker, containment: as in `run_population`.
        num_models: the competition took 512.
        output: the zip to write.
        half: store float16, half the size; scores then differ in the last digits.

    Raises:
        FailedRun: the method broke its contract, or its weights do not fit in float16.
        InputError: what lies in `output` + `.partial` is of another method, challenge or kind; a function that cannot
            be handed to another process; an engine that there is not.
    """
    output, entry = Path(output), resolve(method)
    if num_models < 1 or output.is_dir():
        what = f"'{output}', which is a folder" if output.is_dir() else f"'{output}'"
        raise InputError(
            f"{num_models} models cannot be packed into {what}. Expected one model or more and the name of a zip. Try "
            "num_models=512, output='submission.zip'."
        )
    require_stackable([entry], engine)
    chosen = engine_for([entry], preferred(entry, engine, workers), workers, num_models)
    require_precision(challenge, chosen)
    get_worker, original = at_hand(entry, worker)
    original = original or original_of(challenge, entry.pretraining)
    description = _description(entry, challenge, original, seed=seed, half=half, bits=bits_of(chosen))
    with _alone(output):
        growing = GrowingZip(output, description)
        if len(growing) < num_models:
            request = Request(num_models, seed, containment=containment)
            missing, expected = range(len(growing), num_models), expected_like(original.weights)
            bar = progress(total=num_models, done=len(growing), label=entry.name, unit="model")
            with bar, started(chosen, workers) as running:
                order = order_of(entry, challenge, original, request, running)
                with contextlib.closing(models_in_order(order, missing, running, get_worker)) as models:
                    for number, model in zip(missing, models, strict=True):
                        sound = checked_weights(entry.name, model.weights, expected)
                        stored = [_halved(array, entry.name) if half else array for array in sound]
                        content = weights_to_bytes(stored)
                        growing.append(checkpoint_name(number), content, order.seed_of(number), model.cost.seconds)
                        bar.update()
        return growing.finish(num_models)


@contextlib.contextmanager
def _alone(output: Path) -> Iterator[None]:
    """Keeps other processes from adding to the same zip.

    Raises:
        InputError: one of them does.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locks.held(output.with_name(f".{output.name}.lock"), on_wait=None))
        except locks.Busy as busy:
            raise InputError(
                f"Another 'kit pack' is writing '{output}'. Expected one at a time, because both would add models to "
                "one file. Wait until it has ended, or choose another --output."
            ) from busy
        yield


def _description(
    entry: Entry, challenge: Challenge, original: Pretrained, *, seed: int, half: bool, bits: dict[str, str]
) -> dict[str, Any]:
    """Returns what the manifest says besides seeds and seconds; what differs in it cannot go on with another's pack."""
    return {
        "kit": environment.versions()["kit"],
        "score_version": SCORE_VERSION,
        "challenge": challenge.name,
        "method": entry.name,
        "method_sha256": entry.as_source().sha256,
        "split": challenge.split.name,
        "split_seed": challenge.split.seed,
        "split_sha256": challenge.split.sha256,
        "data_sha256": challenge.data_sha256,
        "original_sha256": original.sha256,
        "seed": seed,
        "dtype": "float16" if half else "float32",
        "versions": environment.versions(bits.get("backend")),
        "machine": environment.machine() | {"precision": challenge.precision} | bits,
    }


def _halved(array: np.ndarray, name: str) -> np.ndarray:
    if array.dtype.kind != "f":
        return array
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    if not np.isfinite(half).all():
        raise FailedRun(
            f"A weight of '{name}' is {float(np.abs(array).max()):.3g}, and float16 ends at 65504. Expected smaller "
            "weights. Pack without --float16, or lower the method's learning rate."
        )
    return half

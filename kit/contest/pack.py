"""Writes the zip that a competition accepts: one checkpoint a model and a manifest; interrupted, it goes on."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from kit import seals
from kit.contest.mock import MANIFEST, is_mock_run, write_mock
from kit.engines import Engine
from kit.machine import environment
from kit.models.weights import expected_like, weights_to_bytes
from kit.rules import SCORE_VERSION
from kit.runs.choice import bits_of, engine_for, preferred, require_precision, require_stackable
from kit.runs.contained import Containment
from kit.runs.originals import Pretrained
from kit.runs.packing import models_in_order
from kit.runs.population import Request, at_hand, order_of, started
from kit.runs.pretraining import original_of
from kit.runs.worker import Worker
from kit.submission.entry import Entry, Identifier, resolve
from kit.submission.returned import checked_weights
from kit.types import Challenge, FailedRun, InputError

_PLACE = "pack"  # which, its description says

__all__ = ["MANIFEST", "Packed", "checkpoint_name", "is_mock_run", "pack", "write_mock"]


@dataclass(frozen=True)
class Packed:
    """A pack that was written: where, how many models of how many bytes, and seconds of all calls together."""

    path: Path
    num_models: int
    num_bytes: int
    seconds: float


def checkpoint_name(number: int) -> str:
    """Returns the name of a model within the zip.

    Example:
        >>> checkpoint_name(7)
        'checkpoints/0007.npz'
    """
    return f"checkpoints/{number:04d}.npz"


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
    growing = _GrowingZip(output, _description(entry, challenge, original, seed=seed, half=half, bits=bits_of(chosen)))
    if len(growing) < num_models:
        request = Request(num_models, seed, containment=containment)
        missing, expected = range(len(growing), num_models), expected_like(original.weights)
        bar = tqdm(total=num_models, initial=len(growing), desc=entry.name, unit="model", delay=2, leave=False)
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


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class _GrowingZip:
    """A zip to which one file at a time is added, and which survives being killed at any moment.

    Adding writes over the archive's directory, which is at its end. A journal beside it keeps the directory as it was
    after the last file, so that it can be put back.
    """

    def __init__(self, output: Path, description: dict[str, Any]) -> None:
        self._output = output
        self._partial, self._journal = (output.with_name(output.name + end) for end in (".partial", ".journal"))
        self._description = description
        self._seeds: list[int] = []
        self._seconds: list[float] = []
        self._digests: list[str] = []
        if self._journal.is_file() and self._partial.is_file():
            self._resume()
        else:
            output.parent.mkdir(parents=True, exist_ok=True)
            self._journal.unlink(missing_ok=True)  # first: a journal alone would be believed the next time
            self._partial.unlink(missing_ok=True)

    def __len__(self) -> int:
        return len(self._seeds)

    def _resume(self) -> None:
        kept = seals.read_results(self._journal, _PLACE)
        if kept is None:
            raise InputError(
                f"'{self._journal}' is damaged. Expected what an interrupted 'kit pack' left there. Delete it and "
                f"'{self._partial}' to begin anew."
            )
        start, directory = kept["start"], base64.b64decode(kept["directory"])
        seeds, seconds, description = kept["seeds"], kept["seconds"], kept["description"]
        if description != json.loads(json.dumps(self._description)):
            changed = [key for key, value in self._description.items() if description.get(key) != value]
            raise InputError(
                f"'{self._partial}' holds {len(seeds)} models of another {' and '.join(changed)}. Expected the method, "
                "challenge and options with which it was begun. Repeat the first command, choose another --output, or "
                f"delete it and '{self._journal}'."
            )
        if self._partial.stat().st_size < start:
            raise self._damaged(f"has {self._partial.stat().st_size:,} bytes where {start:,} were written")
        with self._partial.open("r+b") as stream:
            stream.seek(start)
            stream.write(directory)
            stream.truncate()
        self._seeds, self._seconds, self._digests = seeds, seconds, kept["sha256"]
        self._check_models()

    def _check_models(self) -> None:
        """Checks that the models are those that were written: they are the work of hours, and not looked at again."""
        try:
            with zipfile.ZipFile(self._partial) as archive:
                digests = [_sha256(archive.read(checkpoint_name(number))) for number in range(len(self))]
        except Exception as error:  # zipfile and zlib raise errors of many kinds for a damaged file
            raise self._damaged(f"cannot be read ({type(error).__name__})") from error
        if digests != self._digests:
            changed = [number for number in range(len(self)) if digests[number] != self._digests[number]]
            raise self._damaged(f"holds another '{checkpoint_name(changed[0])}' than was written")

    def _damaged(self, what: str) -> InputError:
        return InputError(
            f"'{self._partial}' {what}. Expected the file as it was left. Restore it, or delete it and "
            f"'{self._journal}' to begin anew."
        )

    def append(self, name: str, content: bytes, seed: int, seconds: float) -> None:
        """Adds a file; once this returns, it stays."""
        start = self._write(name, content)
        self._seeds.append(seed)
        self._seconds.append(seconds)
        self._digests.append(_sha256(content))
        with self._partial.open("rb") as stream:
            stream.seek(start)
            directory = base64.b64encode(stream.read()).decode()
        seals.write_json(
            self._journal,
            _PLACE,
            {
                "start": start,
                "directory": directory,
                "seeds": self._seeds,
                "seconds": self._seconds,
                "sha256": self._digests,
                "description": self._description,
            },
        )

    def _write(self, name: str, content: bytes) -> int:
        with zipfile.ZipFile(self._partial, "a", zipfile.ZIP_STORED) as archive:
            archive.writestr(zipfile.ZipInfo(name), content)
        with zipfile.ZipFile(self._partial) as archive:
            return archive.start_dir

    def finish(self, num_models: int) -> Packed:
        """Adds the manifest and gives the zip its name."""
        manifest = self._description | {
            "num_models": num_models,
            "seeds": self._seeds[:num_models],
            "seconds": self._seconds[:num_models],
        }
        if len(self) != num_models:
            raise InputError(
                f"'{self._partial}' holds {len(self)} models already. Expected {num_models} at most. Ask for "
                f"--num-models {len(self)}, or delete it and '{self._journal}'."
            )
        self._write(MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())
        os.replace(self._partial, self._output)
        self._journal.unlink()
        for leftover in self._output.parent.glob(f".{self._journal.name}.*"):  # of a process that was killed
            leftover.unlink(missing_ok=True)
        return Packed(self._output, num_models, self._output.stat().st_size, float(sum(self._seconds)))

"""The folder of a population: each finished run in a folder of its own, whole or not there at all."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from kit import methods
from kit.machine import environment
from kit.runs import originals
from kit.runs.originals import Pretrained
from kit.runs.outputs import load_outputs, save_outputs
from kit.runs.settings import hyperparameters
from kit.storage import files, locks, seals
from kit.storage.digests import digest_of
from kit.submission.entry import Entry
from kit.types import Challenge, Cost, ModelOutputs

_CHECKPOINT = "training.npz"


@dataclass(frozen=True)
class Run:
    """A finished run: what its model says, what the call has cost, its seed, and the method's facts."""

    outputs: ModelOutputs
    cost: Cost
    seed: int
    facts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Store:
    """Where the runs of one population are kept.

    Args:
        folder: see `population_folder`.
        method: name of the method, for the records.
        prefix: of the folders of runs: runs of another seed, or models that were not made here, have another one.
    """

    folder: Path
    method: str
    prefix: str

    def folder_of(self, number: int) -> Path:
        """Returns the folder of one run.

        Args:
            number: of the run, from 0.
        """
        return self.folder / f"{self.prefix}-run-{number:04d}"

    def checkpoint(self, number: int) -> Path:
        """Returns the file for the state of a run that is not finished.

        Args:
            number: of the run, from 0.
        """
        return self.folder_of(number) / _CHECKPOINT

    @contextlib.contextmanager
    def alone(self, on_wait: Callable[[], object]) -> Iterator[None]:
        """Keeps other processes from making the same runs meanwhile.

        Args:
            on_wait: is called once if another process does so now, which is then waited for.

        Raises:
            CannotWrite: the folder cannot be made.
        """
        with contextlib.ExitStack() as stack:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locks.held(self.folder / f".{self.prefix}.lock", on_wait=on_wait))
            except OSError as error:
                raise files.cannot_write(self.folder, error) from error
            yield

    def write(self, number: int, run: Run) -> None:
        """Writes a finished run, its record last: a run with a record is complete.

        Args:
            number: of the run, from 0.
            run: to write; its checkpoint is removed.

        Raises:
            CannotWrite: the disk is full, or the folder cannot be written to.
        """
        folder = self.folder_of(number)
        save_outputs(folder / "outputs.npz", run.outputs)
        record = {
            "method": self.method,
            "seed": run.seed,
            "cost": {name: value for name, value in asdict(run.cost).items() if not math.isnan(value)},
            "facts": dict(run.facts),
            "outputs_sha256": files.sha256_of(folder / "outputs.npz"),
            "versions": environment.versions(),
        }
        seals.write_json(folder / "done.json", self._place(number), record)
        self.checkpoint(number).unlink(missing_ok=True)

    def read(self, number: int, *, with_logits: bool) -> Run | None:
        """Returns a finished run.

        Args:
            number: of the run, from 0.
            with_logits: whether its logits are needed as well.

        Returns:
            None where it has to be made (again): it is not finished, was damaged since, or has no logits.

        Raises:
            InputError: it was made in another home.
        """
        folder = self.folder_of(number)
        files.remove_leftovers(folder)
        record = seals.read_results(folder / "done.json", self._place(number))
        if record is None:
            return None
        try:
            outputs = load_outputs(folder / "outputs.npz", record["outputs_sha256"])
        except (OSError, ValueError):  # it is not there, or was damaged
            return None
        if with_logits and not outputs.logits:
            return None
        cost = Cost(**({"seconds": math.nan} | record["cost"]))
        return Run(outputs, cost, record["seed"], record["facts"])

    def _place(self, number: int) -> str:
        """Returns what a run's record is sealed for: folders of results can be moved, their runs not exchanged."""
        return "/".join(self.folder_of(number).parts[-3:])


def population_folder(root: Path, entry: Entry, challenge: Challenge, original: Pretrained) -> Path:
    """Returns `<root>/<challenge>/<method>-<hash>`, the hash covering all that the runs depend on but their seeds.

    Args:
        root: of all results.
        entry: the method, with its hyper-parameters and, of a file, its source.
        challenge: on which it runs.
        original: from which it starts.
    """
    arguments = hyperparameters(entry, challenge)
    # A file's source, or that of an installed package's method, which is no part of the kit's own.
    source = methods.source_sha256(entry.name) if entry.source is None else entry.source.sha256
    settings = arguments | {"source": source} if source else arguments
    described = [
        entry.name,
        settings,
        originals.fingerprint(challenge),
        challenge.data_sha256,
        challenge.precision,
        original.sha256,
        challenge.split.sha256,
        environment.source_sha256(),
        environment.versions(),
        environment.machine(),
    ]
    return root / challenge.name / f"{entry.name}-{digest_of(described)[:12]}"

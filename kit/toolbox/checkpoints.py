"""The state of a long training on disk, so that a killed process goes on at the last epoch, to the same bits."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from kit.models.weights import in_order, numbered
from kit.storage import files, seals
from kit.toolbox import _backend

# Shorter trainings are done again. Of longer ones the state is written after each epoch, as long as that takes no more
# than a twentieth of the time: of a network of 90 MB, whose epochs take a minute on a CPU, after each one too.
_EVERY_SECONDS = 1.0
_LARGEST_SHARE = 1 / 20
_PLACE = "training"  # which, `Checkpoint.identity` says


class Observer(Protocol):
    """Follows a training: it may begin in the middle, and is told when the state is that of the end of an epoch.

    Looking at the state changes nothing: the bits of a training are the same with and without one.
    """

    @property
    def epochs(self) -> int:
        """How many epochs are done when the training begins: the observer has put the state there."""

    @property
    def every(self) -> int:
        """After each multiple of so many epochs it wants to be told; 0: whenever it costs nothing."""

    def keep(self, epochs: int, *, last: bool) -> None:
        """Is called after an epoch.

        Args:
            epochs: done so far, of all phases together.
            last: whether the training is finished.
        """


@dataclass(frozen=True)
class Checkpoint:
    """A training after some epochs.

    Args:
        identity: digest of all that the training depends on: another training's state is not taken up.
        epochs: done so far.
        seconds: that they took, of all processes that worked on them.
        earlier: those of them that were spent before the process that wrote this.
        arrays: variables and momenta, in the order of the training loop.
    """

    identity: str
    epochs: int
    seconds: float
    earlier: float
    arrays: Sequence[np.ndarray]


class Keeper:
    """Takes up a training's state from a file, and keeps it there from time to time; without a file it does nothing."""

    every = 0

    def __init__(
        self, path: Path | None, identity: str, variables: Sequence[Any], *, after: Keeper | None = None
    ) -> None:
        """Takes all variables that the training changes; reads the file, if there is one of this training.

        Args:
            path, identity: of the file, and of what has to be in it.
            variables: in the order of the training loop.
            after: of the phase before this one, whose seconds count; its state stays until this one's is written.
        """
        self._path, self._identity, self._variables = path, identity, variables
        self._start = self._kept = time.perf_counter()
        self._writing = 0.0
        self.epochs, self._earlier = 0, 0.0
        if after is not None:
            self._start, self._earlier = after._start, after._earlier
            return
        if path is None:
            return
        files.remove_leftovers(path.parent, path.name)
        stored = _read(path)
        shapes = [tuple(variable.shape) for variable in variables]
        if stored is None or stored.identity != identity or shapes != [array.shape for array in stored.arrays]:
            path.unlink(missing_ok=True)  # the seconds in it are another training's too
            return
        for variable, array in zip(variables, stored.arrays, strict=True):
            variable.assign(array)
        self.epochs, self._earlier = stored.epochs, stored.seconds
        save(
            path, replace(stored, earlier=stored.seconds)
        )  # this process may end before it has to write a state itself

    def keep(self, epochs: int, *, last: bool) -> None:
        """Writes the state of the training, unless that was done a moment ago.

        Args:
            epochs: done so far.
            last: whether the training is finished.
        """
        now = time.perf_counter()
        waited = now - (self._start if last else self._kept)
        due = waited >= _EVERY_SECONDS and (last or waited >= self._writing / _LARGEST_SHARE)
        if self._path is None or not due:
            return
        arrays = [variable.numpy() for variable in self._variables]
        seconds = self._earlier + now - self._start
        save(self._path, Checkpoint(self._identity, epochs, seconds, self._earlier, arrays))
        self._kept = time.perf_counter()
        self._writing = self._kept - now


def arrays_of(variables: Sequence[Any]) -> list[np.ndarray]:
    """Returns what the variables of a training hold now, as copies, in their order.

    Args:
        variables: of Keras, as `kit.toolbox.training.Descent.state` has them.

    Example:
        >>> import keras
        >>> [array.tolist() for array in arrays_of([keras.Variable([1.0, 2.0])])]
        [[1.0, 2.0]]
    """
    return _backend.vectors.arrays_of(variables)


def identity_of(settings: Sequence[object], arrays: Iterable[np.ndarray]) -> str:
    """Returns the sha256 of all that a training depends on but the weights that it starts from, in hexadecimal.

    Args:
        settings: values whose `repr` says all there is to them, and functions, which count by their qualified names.
        arrays: the examples, in the order in which they are trained on.
    """
    names = [getattr(setting, "__qualname__", repr(setting)) for setting in settings]
    digest = hashlib.sha256(repr(names).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint, atomically, in place of the one before.

    Args:
        path: of the file; its folder is made.
        checkpoint: to write.

    Raises:
        CannotWrite: the disk is full, or the folder cannot be written to.
    """
    numbers = {name: np.array(getattr(checkpoint, name)) for name in ("identity", "epochs", "seconds", "earlier")}
    seals.write_arrays(path, _PLACE, numbered(checkpoint.arrays) | numbers)


def earlier_seconds(path: Path) -> float:
    """Returns how long other processes had worked on a training before the last one took it up.

    Args:
        path: of the checkpoint.

    Returns:
        Seconds by the clock; 0.0 where there is no file, or it is damaged.
    """
    checkpoint = _read(path)
    return 0.0 if checkpoint is None else checkpoint.earlier


def identity_in(path: Path) -> str:
    """Returns the identity of the training whose state a file holds.

    Args:
        path: of the checkpoint.

    Returns:
        See `identity_of`; "" where there is no file, or it is damaged.
    """
    checkpoint = _read(path)
    return "" if checkpoint is None else checkpoint.identity


def _read(path: Path) -> Checkpoint | None:
    """Returns what is there, or None where that is nothing, or damaged."""
    stored = seals.read_arrays(path, _PLACE)
    if stored is None:
        return None
    numbers = {name: stored.pop(name).item() for name in ("identity", "epochs", "seconds", "earlier")}
    return Checkpoint(**numbers, arrays=in_order(stored))

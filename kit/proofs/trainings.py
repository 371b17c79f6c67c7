"""The trainings that are certified, by the method whose they are: what is read of them, and how they are executed.

- `retrain`: segments of some epochs (`execution`), for the kit's plain training.
- `sisa`: a segment for each slice of each shard, as a deletion leaves most of them as they are.
- any other method: its weights, and nothing that could be executed without the forgotten records.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np

from kit.methods import sisa
from kit.proofs.classes import SISA
from kit.proofs.execution import Retraining
from kit.proofs.networks import Networks
from kit.proofs.states import Trained
from kit.runs.settings import of_pretraining
from kit.storage.scratch import Scratch
from kit.toolbox import seeding
from kit.toolbox.examples import Selection
from kit.types import Arrays, Challenge, Split


@dataclass(frozen=True)
class Segments:
    """What a training has left for who checks it.

    Args:
        names: of the states, in their order.
        origins: the line of the log of the training that has computed each; None for this one.
        settings: whole numbers that it depends on.
        trained: states, and the weights of the model.
    """

    names: tuple[str, ...]
    origins: tuple[int | None, ...]
    settings: Mapping[str, int]
    trained: Trained = field(repr=False)


class Execution(Protocol):
    """A training that can be executed again, segment by segment."""

    def __len__(self) -> int:
        """Returns how many segments there are."""

    def execute(self, number: int, before: bytes) -> bytes:
        """Returns the state at the end of a segment, from the one before.

        Args:
            number: of the segment, from 0.
            before: the state before it; of a first one, anything.
        """

    def weights(self, states: Sequence[bytes]) -> list[np.ndarray]:
        """Returns the model's weights.

        Args:
            states: of all segments, in their order.
        """

    def numbers(self, state: bytes) -> np.ndarray:
        """Returns a state's weights as one vector, float64 (n,), to compare where bits are not.

        Args:
            state: at the end of a segment.
        """


class Plain:
    """The segments of `retrain`, see `Retraining`."""

    def __init__(self, challenge: Challenge, records: Arrays, seed: int, settings: Mapping[str, int]) -> None:
        """Builds the model."""
        self._settings = settings
        self._retraining = Retraining(challenge, records, seed, settings["every"])

    def __len__(self) -> int:
        """Returns how many segments there are."""
        return len(self._retraining)

    def train(self) -> Segments:
        """Trains from the beginning to the end."""
        names = tuple(map(str, self._retraining.epochs))
        return Segments(names, (None,) * len(names), self._settings, self._retraining.train())

    def execute(self, number: int, before: bytes) -> bytes:
        """See `Execution.execute`."""
        return self._retraining.execute(number, before)

    def weights(self, states: Sequence[bytes]) -> list[np.ndarray]:
        """See `Execution.weights`: those of the last state."""
        return self._retraining.weights(states[-1])

    def numbers(self, state: bytes) -> np.ndarray:
        """See `Execution.numbers`."""
        return self._retraining.numbers(state)


class Sharded:
    """The segments of `sisa`: the weights of a member after each slice."""

    def __init__(
        self, challenge: Challenge, records: Arrays, settings: Mapping[str, int], networks: Networks | None = None
    ) -> None:
        """Builds a member, or takes one that was built before; nothing is trained."""
        self._networks = networks or Networks()
        self._challenge = alone(challenge, records)
        self._shape = settings["shards"], settings["slices"]
        self._settings = settings
        self._base = self._networks.base(challenge)
        self._like = self._base.get_weights()
        self.names = tuple(_name(shard, number) for shard in range(self._shape[0]) for number in range(self._shape[1]))

    def __len__(self) -> int:
        """Returns how many segments there are."""
        return len(self.names)

    def train(self, seed: int, folder: Path) -> Segments:
        """Trains all members, and keeps what `sisa` keeps in the folder.

        Args:
            seed: of the training.
            folder: an empty one.
        """
        states: dict[str, bytes] = {}
        shards, slices = self._shape
        net = sisa.pretraining(
            self._challenge, seed, folder, self._base, shards=shards, slices=slices, on_slice=_into(states)
        )
        return self._segments(states, {}, net)

    def remove(
        self,
        seed: int,
        folder: Path,
        forget: Arrays,
        earlier: Mapping[str, bytes],
        origins: Mapping[str, int],
        *,
        constant: bool = False,
    ) -> Segments:
        """Retrains what has seen the forgotten records; `self` is of the others.

        Args:
            seed: of the call.
            folder: what `sisa` has kept, which is changed.
            forget: the records.
            earlier: the states before, by name.
            origins: theirs.
            constant: see `kit.methods.sisa`.
        """
        states: dict[str, bytes] = {}
        shards, slices = self._shape
        last = [earlier[_name(shard, slices - 1)] for shard in range(shards)]
        net = self._networks.ensemble([self._arrays(state) for state in last], self._challenge)
        parts = (self._challenge.train, forget, self._challenge.validation)
        retain, gone, validation = (
            Selection(part, np.arange(len(part))).batches(self._challenge.batch_size) for part in parts
        )
        seeding.set_random_seed(seed, keep_compiled=True)
        net = sisa.unlearning(net, retain, gone, validation, folder=folder, constant=constant, on_slice=_into(states))
        kept = {name: origin for name, origin in origins.items() if name not in states}
        return self._segments({**earlier, **states}, kept, net)

    def of(self, seeds: Sequence[int], first_seed: int) -> SlicesAgain:
        """Returns the execution of segments whose seeds are known.

        Args:
            seeds: of each segment's training.
            first_seed: of the training that has placed the records.
        """
        return SlicesAgain(self, tuple(seeds), first_seed)

    def again(self, number: int, before: bytes, seeds: tuple[int, int]) -> bytes:
        """Returns the state at the end of a segment.

        Args:
            number: of the segment: `shard * slices + slice`.
            before: the member's state before it; of a first slice, anything.
            seeds: of the first training, and of the one that has made this segment.

        Raises:
            ValueError: `before` is the state of another model.
        """
        place = divmod(number, self._shape[1])
        with Scratch("kit-slice-") as folder:
            arrays = self._arrays(before) if place[1] else self._like
            weights = sisa.slice_again(
                self._base,
                self._challenge,
                seeds=seeds,
                place=place,
                shape=self._shape,
                before=arrays,
                folder=folder.path,
            )
        return _joined(weights)

    def weights(self, states: Sequence[bytes]) -> list[np.ndarray]:
        """See `Execution.weights`: the ensemble's."""
        last = [self._arrays(state) for state in states[self._shape[1] - 1 :: self._shape[1]]]
        weights: list[np.ndarray] = sisa.ensemble_of(self._base, last, self._challenge).get_weights()
        return weights

    def numbers(self, state: bytes) -> np.ndarray:
        """See `Execution.numbers`: of a member."""
        return np.concatenate([np.ravel(array) for array in self._arrays(state)]).astype(np.float64)

    def _segments(self, states: Mapping[str, bytes], origins: Mapping[str, int], net: keras.Model) -> Segments:
        rows = np.frombuffer(b"".join(states[name] for name in self.names), np.uint8).reshape(len(self.names), -1)
        return Segments(
            self.names, tuple(map(origins.get, self.names)), self._settings, Trained(rows, net.get_weights())
        )

    def _arrays(self, state: bytes) -> list[np.ndarray]:
        if len(state) != sum(array.nbytes for array in self._like):
            raise ValueError("a state of another number of bytes than the model's")
        places = np.cumsum([0, *(array.nbytes for array in self._like)])
        return [
            np.frombuffer(state[start:stop], array.dtype).reshape(array.shape)
            for start, stop, array in zip(places, places[1:], self._like, strict=False)
        ]


@dataclass(frozen=True)
class SlicesAgain:
    """`Sharded` with the seeds of its segments, see `Execution`."""

    sharded: Sharded
    seeds: tuple[int, ...]
    first_seed: int

    def __len__(self) -> int:
        """Returns how many segments there are."""
        return len(self.sharded)

    def execute(self, number: int, before: bytes) -> bytes:
        """See `Execution.execute`."""
        return self.sharded.again(number, before, (self.first_seed, self.seeds[number]))

    def weights(self, states: Sequence[bytes]) -> list[np.ndarray]:
        """See `Execution.weights`: the ensemble's."""
        return self.sharded.weights(states)

    def numbers(self, state: bytes) -> np.ndarray:
        """See `Execution.numbers`: of a member."""
        return self.sharded.numbers(state)


def shape_of(challenge: Challenge) -> dict[str, int]:
    """Returns the numbers of shards and slices of a challenge, its own or those that `sisa` has by default.

    Args:
        challenge: with its hyper-parameters.

    Returns:
        `shards` and `slices`.
    """
    given = of_pretraining(SISA, challenge)
    defaults = inspect.signature(sisa.pretraining).parameters
    return {name: int(given.get(name, defaults[name].default)) for name in ("shards", "slices")}


def alone(challenge: Challenge, records: Arrays) -> Challenge:
    """Returns a challenge whose training set is these records; nobody looks at its split.

    Args:
        challenge: its model and recipe.
        records: what is learnt.
    """
    return replace(challenge, train=records, split=Split("unused", 0, np.arange(1), np.arange(1, len(records))))


def _into(states: dict[str, bytes]) -> Any:
    def keep(shard: int, number: int, weights: Sequence[np.ndarray]) -> None:
        states[_name(shard, number)] = _joined(weights)

    return keep


def _joined(weights: Sequence[np.ndarray]) -> bytes:
    return b"".join(np.ascontiguousarray(array).tobytes() for array in weights)


def _name(shard: int, number: int) -> str:
    return f"shard-{shard}-slice-{number}"

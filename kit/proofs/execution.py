"""A training that can be executed again: committed records in the order of their leaves, a seed that nobody chose.

It is the kit's own `retrain` on these records: weights drawn from the seed, then the recipe. After every so many epochs
the whole state (weights, what the optimiser remembers, seed generators) is read. Between two states lies a segment,
which can be executed alone; before the first lies the drawing of the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kit.proofs.states import Trained, epochs_read
from kit.runs import originals
from kit.toolbox import blocks, checkpoints, clipping, optimizers, seeding
from kit.toolbox.augmentation import AUGMENTATIONS
from kit.toolbox.examples import Examples, Selection
from kit.toolbox.losses import TaskLoss
from kit.toolbox.training import Descent
from kit.types import Arrays, Challenge, InputError


class _Reader:
    """Reads the state of a training where it is complete; see `kit.toolbox.checkpoints.Observer`."""

    def __init__(self, descent: Descent, epochs: int, every: int) -> None:
        self.epochs, self.every = epochs, every
        self._variables = descent.state
        self.states: list[bytes] = []

    def keep(self, epochs: int, *, last: bool) -> None:
        if last or epochs % self.every == 0:
            self.states.append(_read(self._variables))


class Retraining:
    """The training of a challenge's model on committed records."""

    def __init__(self, challenge: Challenge, records: Arrays, seed: int, every: int) -> None:
        """Builds the model; nothing is trained.

        Args:
            challenge: its model, recipe, batch size and task.
            records: what is learnt, in the order of their leaves.
            seed: see `terms.seed_of`.
            every: after how many epochs the state is read.

        Raises:
            InputError: the recipe has several phases, or names layers that it trains.
        """
        _require_one_phase(challenge)
        self._challenge, self._seed, self._every = challenge, seed, every
        self.epochs = epochs_read(challenge.recipe.epochs, every)
        self._net = new_net(challenge)
        self._frozen = checkpoints.arrays_of(self._net.weights)
        x, y = Selection(records, np.arange(len(records))).tensors
        self._examples = Examples(x, y, min(challenge.batch_size, len(records)))

    def __len__(self) -> int:
        """Returns how many segments there are, the drawing of weights included."""
        return len(self.epochs)

    def train(self) -> Trained:
        """Trains from the beginning to the end."""
        descent = self._begun()
        states = [_read(descent.state), *self._descend(descent, 0, self.epochs[-1])]
        weights = checkpoints.arrays_of(self._net.weights)
        return Trained(np.frombuffer(b"".join(states), np.uint8).reshape(len(states), -1), weights)

    def execute(self, number: int, before: bytes) -> bytes:
        """Returns the state at the end of a segment from the one at its beginning; the first begins with none.

        Args:
            number: of the segment, from 0.
            before: the state that it begins with; of the first, anything.

        Returns:
            The state as bytes: all variables one behind another.

        Raises:
            ValueError: `before` is the state of another model.
        """
        descent = self._begun()
        if number == 0:
            return _read(descent.state)
        _assign(descent.state, before)
        return self._descend(descent, self.epochs[number - 1], self.epochs[number])[-1]

    def weights(self, state: bytes) -> list[np.ndarray]:
        """Returns the model's weights in a state.

        Args:
            state: of the model.

        Raises:
            ValueError: it is that of another model.
        """
        _assign(self._begun().state, state)
        weights: list[np.ndarray] = self._net.get_weights()
        return weights

    def numbers(self, state: bytes) -> np.ndarray:
        """Returns the weights in a state as one vector, float64 (n,), for a comparison that is not one of bits.

        Args:
            state: of the model.

        Raises:
            ValueError: it is that of another model.
        """
        return np.concatenate([np.ravel(array) for array in self.weights(state)]).astype(np.float64)

    def _begun(self) -> Descent:
        """Returns the training at its beginning: what `retrain` does with this seed."""
        seeding.set_random_seed(self._seed, keep_compiled=True)
        self._net.set_weights(self._frozen)
        seeding.seed_generators_reset(self._net, self._seed)
        self._net.set_weights(blocks.redrawn(self._net))
        recipe = self._challenge.recipe
        clip = clipping.clip_of(recipe)
        return Descent(self._net, optimizers.of(recipe), clip=clip, seed=seeding.draw_seed())

    def _descend(self, descent: Descent, start: int, stop: int) -> list[bytes]:
        recipe, reader = self._challenge.recipe, _Reader(descent, start, self._every)
        loss, augment = TaskLoss(self._challenge.task), AUGMENTATIONS[recipe.augmentation]
        descent.train(self._examples, recipe.learning_rates()[:stop], loss, augment=augment, observer=reader)
        return reader.states


def _require_one_phase(challenge: Challenge) -> None:
    recipe = challenge.recipe
    if recipe.earlier or recipe.trainable is not None or recipe.frozen is not None:
        raise InputError(
            f"The recipe of '{challenge.name}' has several phases, or names layers that it trains. Expected one phase "
            "for all layers, whose states a certificate follows. Use another recipe, or a report instead (kit run)."
        )


def new_net(challenge: Challenge) -> keras.Model:
    """Returns the model that is trained, whatever its weights are.

    Args:
        challenge: says which model.
    """
    return originals.build(challenge)


def _read(variables: Sequence[Any]) -> bytes:
    return b"".join([array.tobytes() for array in checkpoints.arrays_of(variables)])


def _assign(variables: Sequence[Any], state: bytes) -> None:
    """Puts a state into variables; `ValueError` where it is that of another model."""
    place = 0
    for variable in variables:
        now = keras.ops.convert_to_numpy(variable)
        if place + now.nbytes > len(state):
            raise ValueError("a state of fewer bytes than the model's")
        variable.assign(np.frombuffer(state, now.dtype, now.size, place).reshape(now.shape))
        place += now.nbytes
    if place != len(state):
        raise ValueError("a state of more bytes than the model's")

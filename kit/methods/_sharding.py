"""Shards and slices: a model whose members each know a part of the data, learnt piece by piece, so that a piece can go.

Which shard and slice an example belongs to follows from its content and a secret alone, and so does its place among the
others: deleting one moves no other, and training without it is the training that would have been, had it never been
there. Without the secret, whoever knows an example would know its shard and slice, and could choose requests that are
slow to serve, or read from the time of one where its example was (Gupta et al., Adaptive machine unlearning, NeurIPS
2021).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import keras
import numpy as np

from kit.toolbox import blocks, clipping, optimizers, seeding
from kit.toolbox.augmentation import AUGMENTATIONS
from kit.toolbox.examples import Examples
from kit.toolbox.state import read_values, read_weights, write_values, write_weights
from kit.toolbox.training import Descent
from kit.types import Recipe

# Is told shard, slice and the member's weights after it.
OnSlice = Callable[[int, int, Sequence[np.ndarray]], None]


@dataclass(frozen=True)
class Plan:
    """How many shards there are, of how many slices each, and how a shard's member is trained in all.

    Args:
        shards, slices: of each shard so many slices.
        recipe: of a training on everything.
        key: the secret by which examples are placed, which lies beside the members. It is drawn with the seed of the
            training, and so as secret as that is; a full retraining, with another seed, draws another.

    Example:
        >>> plan = Plan(shards=2, slices=4, recipe=Recipe(epochs=50), key=b"secret")
        >>> [plan.epochs(number) for number in range(4)]  # each over all slices up to this one
        [20, 20, 20, 20]
        >>> shard, piece = plan.places(np.array([13], np.uint64))
        >>> int(shard[0]), int(piece[0])
        (1, 2)
    """

    shards: int
    slices: int
    recipe: Recipe
    key: bytes = field(repr=False)

    def places(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns shard and slice of each example from its number under the plan's key, int64 (n,)."""
        shards, rest = ids % np.uint64(self.shards), ids // np.uint64(self.shards)
        return shards.astype(np.int64), (rest % np.uint64(self.slices)).astype(np.int64)

    def epochs(self, slice_: int) -> int:
        """Returns the epochs once this slice is added: in all about as many steps as `recipe.epochs` of the shard.

        Epochs being whole, it is an eighth more at most. The last slice has one at least, or its examples would never
        be shown.
        """
        until = [2 * self.recipe.epochs * number // (self.slices + 1) for number in range(self.slices + 1)]
        if until[-1] == until[-2]:  # too few for a pass with every slice
            return self.recipe.epochs if slice_ == self.slices - 1 else 0
        return until[slice_ + 1] - until[slice_]

    def write_shown(self, folder: Path, examples_shown: int) -> None:
        """Keeps how many examples the first training has shown, which `constant` work never differs from."""
        write_values(folder, "shown", {"examples": examples_shown})

    def shown(self, folder: Path) -> int:
        """Returns what `write_shown` has kept."""
        return int(read_values(folder, "shown")["examples"])

    def write(self, folder: Path) -> None:
        """Keeps the plan beside the members."""
        write_values(folder, "plan", asdict(self) | {"key": self.key.hex()})

    @staticmethod
    def read(folder: Path) -> Plan:
        """Returns the plan that `write` has kept."""
        plan = read_values(folder, "plan")
        return Plan(plan["shards"], plan["slices"], Recipe(**plan["recipe"]), bytes.fromhex(plan["key"]))


def train_member(
    net: keras.Model,
    plan: Plan,
    shard: int,
    examples: Examples,
    ids: np.ndarray,
    *,
    first: int,
    seed: int,
    folder: Path,
    last: int | None = None,
    on_slice: OnSlice | None = None,
) -> int:
    """Trains the member of a shard from its first changed slice on, and returns how many examples it was shown.

    Args:
        net: gets the member's weights.
        plan: which examples are of this shard.
        shard: number of the member.
        examples: all that there are, of any shard.
        ids: theirs, which say what is of this shard.
        first: the first slice that is not as it was; training goes on from the weights that were kept before it.
        seed: of new initial weights, orders and augmentations.
        folder: where weights are kept, slice by slice.
        last: the last slice; by default the plan's.
        on_slice: is told the weights after each slice.
    """
    shards, slices = plan.places(ids)
    order = np.argsort(ids, kind="stable")
    examples_shown = 0
    if first:
        net.set_weights(read_weights(folder, name(shard, first - 1)))
    else:
        seeding.set_random_seed(_sub_seed(seed, shard, 0), keep_compiled=True)
        net.set_weights(blocks.redrawn(net))
    for number in range(first, plan.slices if last is None else last + 1):
        recipe = replace(plan.recipe, epochs=plan.epochs(number))
        positions = order[(shards[order] == shard) & (slices[order] <= number)]
        seed_here = _sub_seed(seed, shard, number + 1)
        seeding.seed_generators_reset(net, seed_here)
        if len(positions) and recipe.epochs:
            descent = Descent(net, optimizers.of(recipe), clip=clipping.clip_of(recipe), seed=seed_here)
            augment = AUGMENTATIONS[recipe.augmentation]
            descent.train(examples.at(positions), recipe.learning_rates(), augment=augment)
        examples_shown += recipe.epochs * len(positions)
        weights = net.get_weights()
        write_weights(folder, name(shard, number), weights)
        if on_slice is not None:
            on_slice(shard, number, weights)
    return examples_shown


def show(net: keras.Model, plan: Plan, examples: Examples, number: int) -> int:
    """Trains `net` on so many examples, for the time that it takes: the caller throws the weights away.

    Returns:
        `number`, or 0 where that is less.
    """
    left = max(number, 0)
    if left:
        descent = Descent(net, optimizers.of(plan.recipe), seed=0)
        augment, rate = AUGMENTATIONS[plan.recipe.augmentation], plan.recipe.learning_rates()[:1]
        epochs, rest = divmod(left, len(examples))
        for count, positions in ((epochs, np.arange(len(examples))), (min(rest, 1), np.arange(rest))):
            if count:
                descent.train(examples.at(positions), np.repeat(rate, count), augment=augment)
    return left


def name(shard: int, slice_: int) -> str:
    """Returns what a member's weights after a slice are kept as."""
    return f"shard-{shard}-slice-{slice_}"


def _sub_seed(seed: int, shard: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, shard, number]).generate_state(1)[0]) % seeding.MAX_SEED

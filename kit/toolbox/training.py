"""The training loop: data in memory, whole epochs inside one compiled function, bits that can be repeated."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np

from kit.machine import threads
from kit.machine.bars import progress
from kit.toolbox import _backend, blocks, checkpoints, compiled, costs, rows
from kit.toolbox.augmentation import AUGMENTATIONS
from kit.toolbox.checkpoints import Keeper, Observer, identity_of
from kit.toolbox.clipping import Clip, clip_of
from kit.toolbox.examples import Examples, as_needed
from kit.toolbox.losses import Loss, TaskLoss, WeightedLoss, cross_entropy
from kit.toolbox.minibatches import Batches
from kit.toolbox.optimizers import Optimizer, Sgd, State, of
from kit.toolbox.rows import Rows
from kit.toolbox.seeding import MAX_SEED, draw_seed
from kit.toolbox.tensors import Augment
from kit.types import Recipe

if TYPE_CHECKING:  # the contract's own type, which no code here has to load
    import tensorflow as tf

# A call of a compiled function costs about 1 ms beside its steps, as much as two steps of a small network. Small data
# sets are therefore trained on for several epochs a call, large ones for part of an epoch, a second or so; between
# calls the progress bar moves and Ctrl-C is heard. The bits do not depend on it.
_FIRST_CALL, _LONGEST_CALL = 2_000, 20_000


def fit(
    net: keras.Model,
    dataset: tf.data.Dataset,
    recipe: Recipe,
    *,
    loss: Loss = cross_entropy,
    seed: int | None = None,
    augment: Augment | None = None,
    checkpoint: Path | None = None,
) -> keras.Model:
    """Trains `net` in place by the recipe's optimiser on a loss, by default the mean cross-entropy, and returns it.

    Args:
        net: returns logits; what it has been compiled with plays no part and is left alone.
        dataset: batches (x, y) of equal size, the last one possibly short; read once, then kept in memory, 8-bit
            images in 8 bits; large ones of the kit's own are read as they are needed (`kit.toolbox.rows`).
        recipe: epochs, learning rate and so on; the batch size is the dataset's. Of several phases, each begins with
            moments of 0, trains its own layers, and has an order of the examples of its own.
        loss: see `kit.toolbox.losses`; a task's is multiplied by the weights of the examples, where they have some.
        seed: of the order of the examples and of the augmentation; by default drawn from NumPy's global state.
        augment: changes a batch of float32 images, instead of the recipe's augmentation; it is given a fresh seed for
            each step and must use `tf.random.stateless_*` only: a stateful operation in a compiled function draws the
            same numbers each run.
        checkpoint: where the state of a training of more than a second is kept, epoch by epoch. The same training,
            started again with this file in place, goes on where it stopped and gives the same bits.

    Example:
        >>> from kit.models import mlp
        >>> from kit.toolbox.examples import batches
        >>> from kit.types import Arrays
        >>> data = batches(Arrays(np.eye(4, dtype="float32"), np.arange(4)), np.arange(4), 2)
        >>> net = fit(mlp((4,), 4), data, Recipe(epochs=40), seed=0)
        >>> int(net(np.eye(4))[2].numpy().argmax())
        2
    """
    seed = draw_seed() if seed is None else seed
    examples, loss = _weighted(dataset, as_needed(dataset), loss)
    several = len(recipe.phases) > 1
    settings = [recipe, loss, augment or AUGMENTATIONS[recipe.augmentation], seed, examples.batch_size]
    phases = [
        _Phase(
            phase,
            _seed_of_phase(seed, number),
            ""
            if checkpoint is None
            else identity_of([*settings, threads.number(), *[number] * several], examples.blocks()),
        )
        for number, phase in enumerate(recipe.phases)
        if phase.epochs
    ]
    keeper = None
    for phase in phases[_kept_phase(phases, checkpoint) :]:
        with blocks.of_phase(net, phase.recipe.trainable, phase.recipe.frozen):
            descent = Descent(net, of(phase.recipe), clip=clip_of(phase.recipe), seed=phase.seed)
            if checkpoint is not None:
                keeper = Keeper(checkpoint, phase.identity, descent.state, after=keeper)
            changed = augment or AUGMENTATIONS[phase.recipe.augmentation]
            descent.train(examples, phase.recipe.learning_rates(), loss, augment=changed, observer=keeper)
    return net


class _Phase(NamedTuple):
    """A phase of a training: its recipe, the seed of its orders, and the digest of all that its state depends on."""

    recipe: Recipe
    seed: int
    identity: str


def _kept_phase(phases: Sequence[_Phase], checkpoint: Path | None) -> int:
    """Returns the number of the phase whose state a file holds; those before it are done."""
    kept = None if checkpoint is None else checkpoints.identity_in(checkpoint)
    return next((number for number, phase in enumerate(phases) if phase.identity == kept), 0)


def _seed_of_phase(seed: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0] % MAX_SEED) if number else seed


def _weighted(dataset: Any, examples: Examples, loss: Loss) -> tuple[Examples, Loss]:
    """Returns examples with their weights as targets, and a loss that asks for these, where there are any."""
    weights = dataset.selection.arrays.sample_weight if isinstance(dataset, Batches) else None
    if weights is None or not isinstance(loss, TaskLoss):
        return examples, loss
    return examples.with_targets(weights[dataset.selection.indices]), WeightedLoss(loss.task)


class Descent:
    """Goes down a loss step by step; momentum and the order of the examples go on from one `train` to the next.

    Example:
        >>> from kit.toolbox.losses import negated_cross_entropy
        >>> from kit.models import mlp
        >>> net, eye = mlp((4,), 4), keras.ops.eye(4)
        >>> descent = Descent(net, Sgd(momentum=0.0), seed=0)
        >>> descent.train(Examples(eye, keras.ops.arange(4), 2), [0.1] * 40)
        >>> descent.train(Examples(eye[:1], keras.ops.arange(1), 1), [0.1] * 9, negated_cross_entropy)
        >>> int(net(eye)[2].numpy().argmax())
        2
    """

    def __init__(
        self,
        net: keras.Model,
        optimizer: Optimizer = Sgd(),
        *,
        clip: Clip | None = None,
        scale: Sequence[np.ndarray] | None = None,
        seed: int | None = None,
    ) -> None:
        """Begins with moments of 0.

        Args:
            net: returns logits. Its trainable variables are changed, in place; layers that are frozen now stay as they
                are, and so do their batch statistics.
            optimizer: which steps are taken, see `kit.toolbox.optimizers`.
            clip: how gradients are clipped before a step; None for not at all.
            scale: for each trainable variable an array of its shape, which what moves it (gradient and weight decay) is
                multiplied by: where it is 0, the weight keeps its bits.
            seed: of the order of the examples and of augmentations; by default drawn from NumPy's global state.
        """
        self._net, self._optimizer, self._clip = net, optimizer, clip
        self._seed = draw_seed() if seed is None else seed
        self._shuffle = np.random.default_rng(self._seed)
        self._shuffle_paired = np.random.default_rng([self._seed, 1])
        self._epoch = 0
        weights = tuple(id(variable) for variable in net.trainable_variables)
        flags = tuple(layer.trainable for layer in blocks.leaves(net))  # of statistics without weights, too
        self._key = (type(optimizer), scale is not None, weights, flags)
        self._state = compiled.once(
            net, ("state", *self._key), lambda: State.of(net, type(optimizer), scaled=scale is not None)
        )
        self._state.begin(scale or ())

    @property
    def state(self) -> list[Any]:
        """All that training changes: the model's variables, then what steps remember."""
        return [*self._net.variables, *self._state.memory]

    def train(
        self,
        examples: Examples,
        rates: Sequence[float] | np.ndarray,
        loss: Loss = cross_entropy,
        *,
        paired: Examples | None = None,
        l1: Sequence[float] | np.ndarray | None = None,
        augment: Augment | None = None,
        observer: Observer | None = None,
    ) -> None:
        """Goes over the examples once for each learning rate.

        Args:
            examples: in a new order at each pass.
            rates: learning rate of each epoch.
            loss: see `kit.toolbox.losses`.
            paired: each step takes a batch of these too, and the loss both; they begin anew when they are used up.
            l1: of each epoch, times the sum of the absolute weights, which is added to the loss.
            augment: changes a batch of images, see `fit`.
            observer: is told after which epochs the state is that of the end of one.
        """
        streams = [examples] if paired is None else [examples, paired]
        steps = self._compiled(streams, loss, augment, with_l1=l1 is not None)
        settings = np.stack([rates, np.zeros(len(rates)) if l1 is None else l1], axis=1).astype(np.float32)
        done, at_once = observer.epochs if observer else 0, _FIRST_CALL
        every = (observer.every if observer else 0) or len(rates)
        for _ in range(done):  # to the place where the state was kept
            self._orders(streams)
        self._epoch += done
        label, total = f"training, {len(rates)} epochs" if len(rates) > 1 else "training", len(rates) * len(examples)
        with progress(label=label, total=total, done=done * len(examples), unit=" examples", scaled=True) as bar:
            while done < len(rates):
                at_once = _backend.steps.examples_a_call(at_once, len(examples), len(examples) * len(rates))
                at_once = min(at_once, _most_at_once(examples))
                some = settings[done : done + _evenly(every - done % every, at_once // len(examples))]
                orders = [self._orders(streams) for _ in some]
                first = 0
                while first < len(examples):
                    last = min(first + max(1, at_once // examples.batch_size) * examples.batch_size, len(examples))
                    start = time.perf_counter()
                    self._call(steps, streams, orders, slice(first, last), some)
                    fast = _examples_a_second(len(some) * (last - first), time.perf_counter() - start)
                    at_once = min(fast, _most_at_once(examples))
                    bar.update(len(some) * (last - first))
                    first = last
                done += len(some)
                self._epoch += len(some)
                if observer:
                    observer.keep(done, last=done == len(rates))

    def _orders(self, streams: Sequence[Examples]) -> list[np.ndarray]:
        """Returns an epoch's order of each stream; that of the second goes on until the first is through."""
        examples = streams[0]
        orders = [self._shuffle.permutation(len(examples))]
        for paired in streams[1:]:
            needed = -(-len(examples) // examples.batch_size) * _batch_size(paired)
            rounds = [self._shuffle_paired.permutation(len(paired)) for _ in range(-(-needed // len(paired)))]
            orders.append(np.concatenate(rounds)[:needed])
        return orders

    def _call(
        self,
        steps: Callable[..., None],
        streams: Sequence[Examples],
        orders: Sequence[list[np.ndarray]],
        part: slice,
        settings: np.ndarray,
    ) -> None:
        """Takes the steps of some epochs, or of a part of one: that of the examples `part` in its order."""
        sizes = [_batch_size(stream) for stream in streams]
        first_step, last_step = part.start // sizes[0], -(-part.stop // sizes[0])
        parts = [part, *(slice(first_step * size, last_step * size) for size in sizes[1:])]
        chosen = [
            np.stack([of_epoch[number][part] for of_epoch in orders]).astype(np.int32)
            for number, part in enumerate(parts)
        ]
        costs.add(backward=sum(indices.size for indices in chosen))
        arrays = [stream.arrays for stream in streams]
        if isinstance(streams[0].x, Rows):
            arrays[0], chosen[0] = rows.gathered(arrays[0], chosen[0], _most_at_once(streams[0]))
        steps(
            arrays,
            chosen,
            np.array(sizes, np.int32),
            np.array([self._seed % MAX_SEED, self._epoch], np.int32),
            np.int32(first_step),
            settings,
            _backend.steps.settings_of(self._optimizer),
        )

    def _compiled(
        self, streams: Sequence[Examples], loss: Loss, augment: Augment | None, *, with_l1: bool
    ) -> Callable[..., None]:
        """Returns the function that `_call` calls, traced once for all that it depends on."""
        arrays = [stream.arrays for stream in streams]
        kinds = tuple(tuple((tuple(array.shape[1:]), str(array.dtype)) for array in stream) for stream in arrays)
        key = ("steps", *self._key, loss, augment, with_l1, self._clip, kinds)
        arguments = (self._net, self._state, type(self._optimizer), arrays, loss)

        def build() -> Callable[..., None]:
            return _backend.steps.compile_steps(*arguments, augment=augment, with_l1=with_l1, clip=self._clip)

        steps: Callable[..., None] = compiled.once(self._net, key, build)
        return steps


def _evenly(left: int, most: int) -> int:
    """Returns how many of the epochs that are left one call takes, so that all take about as many, `most` at most."""
    return -(-left // -(-left // max(1, most)))


def _most_at_once(examples: Examples) -> int:
    """Returns how many examples a call may take: as many as are read at once, where they are read as needed."""
    return rows.at_most(examples.x, examples.batch_size) if isinstance(examples.x, Rows) else sys.maxsize


def _batch_size(stream: Examples) -> int:
    return min(stream.batch_size, len(stream))


def _examples_a_second(examples: int, seconds: float) -> int:
    return int(min(_LONGEST_CALL, examples / seconds))

"""A retraining in plain Keras, timed: what `kit.runs.timing` measures where nothing is stored yet."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import keras

from kit.machine import yardstick
from kit.machine.bars import progress
from kit.runs import originals, process
from kit.toolbox import blocks, examples, setup, tracing
from kit.toolbox.augmentation import AUGMENTATIONS
from kit.types import Challenge, Recipe, Retraining, Task

# Seconds after which the rest of a retraining is extrapolated.
_LONGEST_MEASUREMENT = 20.0


def time_retraining(challenge: Challenge) -> tuple[Retraining, float]:
    """Measures what a retraining by the recipe costs in plain Keras.

    Args:
        challenge: whose retain set is trained on.

    Returns:
        The cost, and the share of the steps that was measured (0 to 1): the rest is extrapolated.
    """
    process.prepare()
    setup.warm_up()
    keras.utils.set_random_seed(0)
    net, recipe = originals.build(challenge), challenge.recipe
    selection = examples.Selection(challenge.train, challenge.split.retain)
    retain = selection.for_fit(challenge.batch_size, shuffle_seed=0)
    before = yardstick.seconds()
    watch = _Watch(recipe.total_epochs * len(retain))
    with watch.bar, setup.compiled_anew(), tracing.watched() as traces:  # an earlier command may have compiled it
        for phase in recipe.phases:
            if not watch.is_enough:
                _fit(net, retain, phase, challenge.task, watch)
    whole, a_step = watch.elapsed(), watch.a_step()
    by_the_clock = setup.has_accelerator()
    # Of a single step nobody can tell what of it was tracing.
    first = max(traces.seconds - a_step.cpu, traces.making) if watch.done > 1 else 0.0
    retraining = Retraining(
        seconds=whole.clock,
        work=(whole.clock if by_the_clock else whole.cpu) - first,
        tracing=first,
        operations=traces.operations,
        passes=float(recipe.total_epochs * len(challenge.split.retain)),
        by_the_clock=by_the_clock,
        yardstick=(before + yardstick.seconds()) / 2,
    )
    return retraining, watch.done / max(watch.steps, 1)


def _fit(net: keras.Model, retain: Any, phase: Recipe, task: Task, watch: _Watch) -> None:
    """Trains a phase of a recipe as its owner does: `trainable` set, then `compile`, then `fit`."""
    augment = AUGMENTATIONS[phase.augmentation]
    data = retain if augment is None else examples.augmented(retain, augment)
    rates = [float(rate) for rate in phase.learning_rates()]
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, _rate: rates[epoch])
    with blocks.of_phase(net, phase.trainable, phase.frozen):
        net.compile(
            _optimizer(phase),
            lambda labels, outputs: task.loss(outputs, labels),
            jit_compile=keras.backend.backend() != "tensorflow",  # there XLA makes convolutions slower on a processor
        )
        net.fit(data, epochs=phase.epochs, callbacks=[schedule, watch], shuffle=False, verbose=0)


def _optimizer(recipe: Recipe) -> keras.optimizers.Optimizer:
    """Returns Keras's own optimiser of a recipe."""
    rate, decay = recipe.learning_rate, recipe.weight_decay
    clips = {name: getattr(recipe, name) for name in ("clipnorm", "clipvalue", "global_clipnorm")}
    if recipe.optimizer == "adam":
        return keras.optimizers.Adam(rate, weight_decay=decay, **clips)
    if recipe.optimizer == "adamw":
        return keras.optimizers.AdamW(rate, weight_decay=decay, **clips)
    if recipe.optimizer == "rmsprop":
        return keras.optimizers.RMSprop(rate, momentum=recipe.momentum, weight_decay=decay, **clips)
    return keras.optimizers.SGD(rate, momentum=recipe.momentum, weight_decay=decay, **clips)


@dataclass(frozen=True)
class _Moment:
    """Seconds by the clock and of the processor."""

    clock: float
    cpu: float

    @classmethod
    def now(cls) -> _Moment:
        return cls(time.perf_counter(), time.process_time())

    def since(self, other: _Moment, times: float = 1.0) -> _Moment:
        return _Moment((self.clock - other.clock) * times, (self.cpu - other.cpu) * times)


class _Watch(keras.callbacks.Callback):
    """Follows `fit`, and ends it when enough has been measured to tell how long the rest would take."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps, self.done, self.is_enough = steps, 0, False
        self.start = self.first = self.last = _Moment.now()
        self.bar = progress(total=steps, label="timing a retrain in plain Keras", unit="step")

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 (Keras's)
        self.done, self.last = self.done + 1, _Moment.now()
        self.first = self.last if self.done == 1 else self.first  # the first step is traced before it is taken
        self.bar.update()
        self.is_enough = self.last.clock - self.start.clock > _LONGEST_MEASUREMENT and self.done > 1
        if self.is_enough:
            self.model.stop_training = True

    def a_step(self) -> _Moment:
        """Returns what a step takes that is not the first one."""
        return self.last.since(self.first, 1 / max(self.done - 1, 1))

    def elapsed(self) -> _Moment:
        """Returns what all steps take, those that were not taken included."""
        so_far, a_step, left = _Moment.now().since(self.start), self.a_step(), self.steps - self.done
        return _Moment(so_far.clock + left * a_step.clock, so_far.cpu + left * a_step.cpu)

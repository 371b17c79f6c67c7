"""A retraining in plain Keras, timed: what `kit.runs.timing` measures where nothing is stored yet."""

from __future__ import annotations

import time

import keras
from tqdm import tqdm

from kit.runs import originals, process
from kit.toolbox import examples, setup
from kit.toolbox.augmentation import AUGMENTATIONS
from kit.types import Challenge

# Seconds after which the rest of a retraining is extrapolated.
_LONGEST_MEASUREMENT = 20.0


def time_retraining(challenge: Challenge) -> tuple[float, float]:
    """Returns the seconds of a retraining, and which share of its steps was measured."""
    process.prepare()
    setup.warm_up()
    keras.utils.set_random_seed(0)
    net, recipe = originals.build(challenge), challenge.recipe
    selection = examples.Selection(challenge.train, challenge.split.retain)
    retain = selection.for_fit(challenge.batch_size, shuffle_seed=0)
    augment = AUGMENTATIONS[recipe.augmentation]
    if augment is not None:
        retain = examples.augmented(retain, augment)
    rates = [float(rate) for rate in recipe.learning_rates()]
    steps = recipe.epochs * len(retain)
    start = time.perf_counter()
    net.compile(
        keras.optimizers.SGD(recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay),
        lambda labels, outputs: challenge.task.loss(outputs, labels),
        jit_compile=keras.backend.backend() != "tensorflow",  # there XLA makes convolutions slower on a processor
    )
    watch = _Watch(start, steps)
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, _rate: rates[epoch])
    with watch.bar, setup.compiled_anew():  # what an earlier command has compiled would make it quicker
        net.fit(retain, epochs=recipe.epochs, callbacks=[schedule, watch], shuffle=False, verbose=0)
    elapsed = time.perf_counter() - start
    return elapsed + watch.seconds_left(), watch.done / max(steps, 1)


class _Watch(keras.callbacks.Callback):
    """Follows `fit`, and ends it when enough has been measured to tell how long the rest would take."""

    def __init__(self, start: float, steps: int) -> None:
        super().__init__()
        self.start, self.steps, self.done = start, steps, 0
        self.first = self.last = start
        self.bar = tqdm(total=steps, desc="timing a retrain in plain Keras", unit="step", delay=2, leave=False)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 (Keras's)
        self.done, self.last = self.done + 1, time.perf_counter()
        self.first = self.last if self.done == 1 else self.first  # the first step is traced before it is taken
        self.bar.update()
        if self.last - self.start > _LONGEST_MEASUREMENT and self.done > 1:
            self.model.stop_training = True

    def seconds_left(self) -> float:
        """Returns how long the steps that were not taken would last."""
        return (self.steps - self.done) * (self.last - self.first) / (self.done - 1) if self.done > 1 else 0.0

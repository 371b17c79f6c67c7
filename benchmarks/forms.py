"""Where does one XLA computation beat TensorFlow's operations? One step of 64 in either form, on one thread.

    python -m benchmarks.forms [--rounds 4]

The rule of `kit.toolbox._tensorflow.form` was read off this table: "patches" is what it looks at. Milliseconds are of
the processor, the least of the rounds, which alternate; "first" is the first epoch, all compiling included, in seconds.
"""

import argparse
import os
import time
from collections.abc import Iterator

import numpy as np

from kit.machine import xla  # first: the kit asks TensorFlow for one thread

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from kit.models import convnet, mlp
from kit.toolbox import examples, setup, training
from kit.toolbox._tensorflow import form
from kit.types import Arrays, Recipe

EXAMPLES, BATCH_SIZE, CLASSES, SECONDS = 640, 64, 10, 0.4


def networks() -> Iterator[tuple[str, keras.Model]]:
    """The kit's own, and pairs of convolutions that grow in image and channels."""
    for features in (8, 64, 784, 3072):
        yield f"mlp of {features}", mlp((features,), CLASSES)
    for pixels, channels in ((8, 1), (28, 1), (32, 3), (64, 3)):
        yield f"convnet of {pixels}x{pixels}x{channels}", convnet((pixels, pixels, channels), CLASSES)
    for pixels, channels, filters in (
        (8, 1, 16),
        (8, 16, 16),
        (8, 16, 32),
        (8, 64, 64),
        (14, 8, 16),
        (28, 1, 16),
        (32, 3, 16),
    ):
        images = keras.Input((pixels, pixels, channels))
        features = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(images)
        features = keras.layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu")(features)
        logits = keras.layers.Dense(CLASSES)(keras.layers.GlobalAveragePooling2D()(features))
        yield f"3x3 of {pixels}x{pixels}x{channels} to {filters}", keras.Model(images, logits)


def epoch_seconds(net: keras.Model, data: object, epochs: int) -> float:
    start = time.process_time()
    training.fit(net, data, Recipe(epochs=epochs), seed=0)
    return (time.process_time() - start) / epochs


def compare(name: str, net: keras.Model, rounds: int) -> None:
    draw = np.random.default_rng(0)
    arrays = Arrays(
        draw.normal(size=(EXAMPLES, *net.input_shape[1:])).astype("float32"), draw.integers(0, CLASSES, EXAMPLES)
    )
    data = examples.batches(arrays, np.arange(EXAMPLES), BATCH_SIZE)
    nets, first = {}, {}
    for wish in ("never", "auto"):
        os.environ[xla.VARIABLE] = wish
        nets[wish] = keras.models.clone_model(net)
        first[wish] = epoch_seconds(nets[wish], data, 1)
    epochs = int(np.clip(SECONDS / epoch_seconds(nets["never"], data, 2), 1, 200))
    times = {wish: min(epoch_seconds(nets[wish], data, epochs) for _ in range(rounds)) for wish in nets}
    operations, fused = (1e3 * times[wish] * BATCH_SIZE / EXAMPLES for wish in ("never", "auto"))
    print(
        f"{name:24s}{form.patches(net):10,d}{operations:12.3f}{fused:10.3f}{operations / fused:8.2f}"
        f"{first['never']:10.2f}{first['auto']:8.2f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=4)
    rounds = parser.parse_args().rounds
    limit, form.MOST_PATCHES = form.MOST_PATCHES, 2**62  # all of them are tried
    setup.prepare()
    print(f"{'':24s}{'patches':>10s}{'operations':>12s}{'XLA':>10s}{'ratio':>8s}{'first':>10s}{'first':>8s}")
    for name, net in networks():
        compare(name, net, rounds)
    print(f"The rule: XLA up to {limit:,} numbers in an example's patches.")


if __name__ == "__main__":
    main()

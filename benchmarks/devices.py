"""How long 512 retrainings take on which device: on this machine's processor as measured, on others by arithmetic.

    python -m benchmarks.devices [--challenge NAME ...]

Two cores of this processor: some epochs of one training, as the kit trains it, in CPU seconds of one thread; twice the
models in the time. Other devices, on which nothing was measured: at best, by their vendors' figures. Each product takes
as long as its operations (three times those of the forward pass) at the peak of the precision, or as its numbers take
to be read and written at the bandwidth of the memory, whichever is longer; convolutions are products of patches, as
under `--engine stacked`, and each step reads and writes weights, gradients and momentum. Nothing is counted for
compiling, for handing over, or for what is not a product. `python -m benchmarks.accelerator` measures a device.

Random images take the place of data that are not on this machine: the times are the same.
"""

import argparse
import math
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["TQDM_DISABLE"] = "1"

import kit  # first: it asks TensorFlow for one thread
from kit.challenges import catalogue
from kit.runs import originals
from kit.runs.trial import Trial
from kit.toolbox import blocks

import keras  # isort: skip
import numpy as np  # isort: skip

MODELS, CORES = 512, 2
# Name, precision, tera-operations a second of dense products, gigabytes a second of memory: data sheets of NVIDIA, and
# Google's pages on TPUs. Float32 of a TPU is six products in bfloat16 (JAX's precision "highest").
DEVICES = (
    ("T4", "float32", 8.1, 320),
    ("T4", "float16", 65.0, 320),
    ("TPU v5e, one chip", "float32", 197.0 / 6, 819),
    ("TPU v5e, one chip", "bfloat16", 197.0, 819),
    ("H100 SXM", "float32", 67.0, 3350),
    ("H100 SXM", "tf32", 494.0, 3350),
    ("H100 SXM", "bfloat16", 989.0, 3350),
)
HALVES = {"float16", "bfloat16"}
# Name, number of retained examples, shape of an image.
CHALLENGES = {
    "noisy-digits": (1132, (8, 8, 1)),
    "fashion-mnist": (54_000, (28, 28, 1)),
    "cifar10": (45_000, (32, 32, 3)),
}


def challenge_of(name: str) -> kit.Challenge:
    """The challenge with random images, as many as its retained ones."""
    preset, (count, shape) = catalogue.CHALLENGES[name], CHALLENGES[name]
    images = np.random.default_rng(0).integers(0, 256, (count + 100, *shape), dtype=np.uint8)
    return kit.make_challenge(
        name,
        kit.Arrays(images, np.arange(len(images)) % preset.num_classes),
        partition=np.repeat([0, 1, 2], [count, 50, 50]),
        forget=np.arange(10),
        model=preset.model,
        recipe=preset.recipe,
        batch_size=preset.batch_size,
    )


def cpu_seconds_of_a_training(challenge: kit.Challenge) -> float:
    """Of the whole recipe, by a trial: what the clock says, times the share of it that this process had."""
    start, start_cpu = time.perf_counter(), time.process_time()
    seconds = Trial(challenge, 1).run(0)
    return seconds * min(1.0, (time.process_time() - start_cpu) / (time.perf_counter() - start))


def seconds_at_best(net: keras.Model, challenge: kit.Challenge, precision: str, tera: float, giga: float) -> float:
    """Of one training among many at once, on a device that does nothing else."""
    size = 2 if precision in HALVES else 4
    batch, rows = challenge.batch_size, len(challenge.split.retain)
    steps = challenge.recipe.epochs * math.ceil(rows / batch)
    parameters = sum(math.prod(variable.shape) for variable in net.trainable_variables)
    # Gradient: written, read; weight: read by both passes and the update, written; momentum: read, written.
    seconds = 8 * 4 * parameters / (giga * 1e9)
    for layer in blocks.leaves(net):
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            pixels, kernel = math.prod(layer.output.shape[1:-1]), math.prod(layer.kernel.shape)
            taps = kernel // layer.kernel.shape[-1]
            patches = 2 * pixels * taps if isinstance(layer, keras.layers.Conv2D) else 0  # written, read
            numbers = batch * (patches + math.prod(layer.input.shape[1:]) + math.prod(layer.output.shape[1:]))
            operations = 2 * batch * kernel * pixels
            seconds += 3 * max(operations / (tera * 1e12), size * numbers / (giga * 1e9))
    return steps * seconds


def in_words(seconds: float) -> str:
    unit, size = next((unit, size) for unit, size, least in UNITS if seconds >= least)
    return f"{float(f'{seconds / size:.2g}'):g} {unit}"


UNITS = (("d", 86_400.0, 172_800.0), ("h", 3600.0, 7200.0), ("min", 60.0, 120.0), ("s", 1.0, 0.0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--challenge", nargs="+", choices=CHALLENGES, default=list(CHALLENGES))
    names = parser.parse_args().challenge
    challenges = {name: challenge_of(name) for name in names}
    nets = {name: originals.build(challenge) for name, challenge in challenges.items()}
    heads = [f"{name} ({challenges[name].model})" for name in names]
    print(f"| {MODELS} retrainings on | precision | {' | '.join(heads)} | |\n|{'---|' * (len(names) + 3)}")
    measured = [in_words(cpu_seconds_of_a_training(challenges[name]) * MODELS / CORES) for name in names]
    print(f"| {CORES} cores of a processor | float32 | {' | '.join(measured)} | measured |")
    for device, precision, tera, giga in DEVICES:
        times = [
            in_words(MODELS * seconds_at_best(nets[name], challenges[name], precision, tera, giga)) for name in names
        ]
        print(f"| {device} | {precision} | {' | '.join(times)} | estimated from FLOPs and bandwidth, at best |")


if __name__ == "__main__":
    main()

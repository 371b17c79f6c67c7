"""Many models at once on whatever device JAX finds: how quick, which share of the device's peak, and are they right?

    python -m benchmarks.accelerator [--challenge NAME ...] [--methods NAME ...] [--models N] [--epochs 5]
        [--precision float32] [--small] [--json FILE]

Needs JAX, Keras, NumPy, SciPy, scikit-learn and the kit, and no TensorFlow. Trainings (`retrain`) and methods are run
by the kit's own lockstep, twice: the first compiles, of which JAX tells the seconds, and the second is measured.
Trainings take `--epochs` epochs, and a large challenge has its first examples only: seconds a model are
those of the whole challenge, by the passes that a method states. Images a second count each image as often as it passes
forward and backward (a forward pass alone is a third). The share of the peak is that of the network's multiplications
and additions, three times those of a forward pass for each image, and of nothing else.

Where a data set is not on this machine (`kit data NAME` brings it), random images of its shape take its place: for
speed only. Originals are networks with freshly drawn weights, which take as long.

Before that, results are checked: two models are made at once on the device, on a few images, and each of them alone by
another process on the processor. Their logits may differ by a share of the largest one that depends on the precision.
Trainings are checked on each challenge, the other methods on the first one. Ends with 1 where a model differs by more.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

os.environ |= {"KERAS_BACKEND": "jax", "TQDM_DISABLE": "1"}

import jax
import keras
import numpy as np

import kit
from benchmarks import device
from kit import methods
from kit.challenges import catalogue, hyperparameters, splits
from kit.datasets import loading, registry
from kit.machine import environment
from kit.methods import _facts
from kit.runs import originals
from kit.runs.run import Made, weights_of_runs
from kit.runs.seeds import run_seed
from kit.runs.together import Together
from kit.runs.worker import Worker
from kit.submission.entry import resolve
from kit.toolbox import costs

# Share of the largest logit by which a model may differ from the processor's, after training on a few batches.
TOLERANCE = {"float32": 2e-3, "tf32": 2e-2, "bfloat16": 1e-1, "float16": 2e-2}


@dataclasses.dataclass(frozen=True)
class Case:
    """How many models of a challenge at once, on how many of its examples; shape and number of a data set's images."""

    models: int
    examples: int
    shape: tuple[int, ...] = ()
    train: int = 0


CASES = {
    "noisy-digits": Case(512, 1258),
    "fashion-mnist": Case(256, 12_800, (28, 28, 1), 60_000),
    "cifar10-small": Case(64, 6_400, (32, 32, 3), 50_000),
    "cifar10": Case(8, 6_400, (32, 32, 3), 50_000),
}
TEST_IMAGES = 10_000
# Of a check: examples (90 % of them are trained on), batch size and epochs, of three steps.
FEW, FEW_A_BATCH, FEW_EPOCHS = 107, 32, 2


@dataclasses.dataclass(frozen=True)
class Row:
    """What was measured of a method on a challenge."""

    challenge: str
    method: str
    models_at_once: int
    seconds: float
    models_a_second: float
    images_a_second: float
    operations_a_second: float
    share_of_peak: float | None
    compile_seconds: float
    memory_gib: float


@dataclasses.dataclass(frozen=True)
class Check:
    """By what share of the largest logit models made on the device differ from those of the processor."""

    challenge: str
    method: str
    deviation: float
    tolerance: float


def is_here(name: str) -> bool:
    """Whether the data of a challenge are on this machine."""
    title = catalogue.CHALLENGES[name].published
    data_sets = [data_set for data_set in registry.DATA_SETS.values() if data_set.title == title]
    return not title or any(loading.nearest(data_set) is not None for data_set in data_sets)


def whole_challenge(name: str, precision: str) -> kit.Challenge:
    """The challenge, or random images in its place."""
    if is_here(name):
        return kit.load_challenge(name, precision=precision)
    case, preset, generator = CASES[name], catalogue.CHALLENGES[name], np.random.default_rng(0)
    images = generator.integers(0, 256, (case.train + TEST_IMAGES, *case.shape), dtype=np.uint8)
    return kit.make_challenge(
        name,
        kit.Arrays(images, np.arange(len(images)) % preset.num_classes),
        partition=np.repeat([0, 1, 2], [case.train, TEST_IMAGES // 2, TEST_IMAGES // 2]),
        model=preset.model,
        recipe=preset.recipe,
        batch_size=preset.batch_size,
        hyperparameters=hyperparameters.of_challenge(name),
        precision=precision,
    )


def part_of(challenge: kit.Challenge, examples: int, epochs: int, batch_size: int) -> kit.Challenge:
    """The first examples, fewer epochs, and an original with freshly drawn weights."""
    parts = [
        part.take(np.arange(min(examples, len(part))))
        for part in (challenge.train, challenge.validation, challenge.test)
    ]
    keras.utils.set_random_seed(0)
    return dataclasses.replace(
        challenge,
        train=parts[0],
        validation=parts[1],
        test=parts[2],
        split=splits.make_split(parts[0]),
        recipe=dataclasses.replace(challenge.recipe, epochs=min(epochs, challenge.recipe.epochs)),
        batch_size=min(batch_size, challenge.batch_size),
        published="",
        original=tuple(originals.build(challenge, "float32").get_weights()),
    )


def maker(method: str, run_once: Callable[..., Made]) -> Callable[[int], Made]:
    return lambda number: run_once(run_seed(0, method, number), None)


def measure(
    whole: kit.Challenge,
    challenge: kit.Challenge,
    method: str,
    *,
    at_once: int,
    clock: device.CompileClock,
    most: float | None,
) -> Row:
    """Makes so many models at once, twice; see the top of this file."""
    entry, before = resolve(method), clock.seconds
    worker = Worker(challenge, pretraining=entry.pretraining)
    together = Together(worker, at_once)
    with weights_of_runs(entry, worker, None) as run_once:
        together.run(maker(method, run_once), range(at_once))
        compiling, start = clock.seconds - before, time.perf_counter()
        with costs.counted() as counter:
            together.run(maker(method, run_once), range(at_once, 2 * at_once))
        seconds = time.perf_counter() - start
    settings = _facts.hyperparameters(method) | entry.settings(challenge)
    times_larger = _facts.passes(method, whole, settings) / _facts.passes(method, challenge, settings)
    operations = 3 * device.forward_operations(worker.net_with(worker.original.weights)) * counter.passes / seconds
    return Row(
        challenge=whole.name,
        method=method,
        models_at_once=together.at_once,
        seconds=seconds,
        models_a_second=at_once / seconds / times_larger,
        images_a_second=counter.passes / seconds,
        operations_a_second=operations,
        share_of_peak=None if most is None else operations / most,
        compile_seconds=compiling,
        memory_gib=device.memory_gib(),
    )


def few_logits(challenge: kit.Challenge, method: str, *, alone: bool) -> np.ndarray:
    """Logits of two models that were trained on a few images, (2, examples, classes)."""
    entry, few = resolve(method), part_of(challenge, FEW, FEW_EPOCHS, FEW_A_BATCH)
    worker = Worker(few, pretraining=entry.pretraining)
    with weights_of_runs(entry, worker, None) as run_once:
        make = maker(method, run_once)
        models = [make(0), make(1)] if alone else Together(worker, 2).run(make, [0, 1])
    return np.stack([worker.outputs(model.weights, method).logits["test"] for model in models])


def checked(challenges: Mapping[str, kit.Challenge], names: Sequence[str]) -> list[tuple[str, str]]:
    """What is checked: the methods on the first challenge, trainings on each."""
    first = next(iter(challenges))
    return [(first, method) for method in names] + [(name, "retrain") for name in challenges if name != first]


def check(challenges: Mapping[str, kit.Challenge], names: Sequence[str], precision: str) -> list[Check]:
    """Makes the same models here and on the processor."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "logits.npz"
        command = [sys.executable, "-m", "benchmarks.accelerator", "--reference", path, "--precision", precision]
        command += ["--challenge", *challenges, "--methods", *names]
        subprocess.run([*map(str, command)], env=os.environ | {"JAX_PLATFORMS": "cpu"}, check=True)
        references = dict(np.load(path))
    checks = []
    for name, method in checked(challenges, names):
        expected, logits = references[f"{name}/{method}"], few_logits(challenges[name], method, alone=False)
        deviation = float(abs(logits - expected).max() / max(1.0, abs(expected).max()))
        checks.append(Check(name, method, deviation, TOLERANCE[precision]))
    return checks


def show(rows: Sequence[Row], checks: Sequence[Check]) -> None:
    print(f"\n{'challenge':<16}{'method':<27}{'at once':>8}{'models/s':>10}{'images/s':>11}", end="")
    print(f"{'of peak':>9}{'compiling':>11}{'memory':>10}")
    for row in rows:
        share = "unknown" if row.share_of_peak is None else f"{row.share_of_peak:.1%}"
        print(f"{row.challenge:<16}{row.method:<27}{row.models_at_once:>8}{row.models_a_second:>10.3g}", end="")
        print(f"{row.images_a_second:>11,.0f}{share:>9}{row.compile_seconds:>9.1f} s{row.memory_gib:>6.1f} GiB")
    print("\nAgainst models made alone on the processor, the largest difference of logits, as a share of the largest:")
    for result in checks:
        verdict = "" if result.deviation <= result.tolerance else ": TOO MUCH"
        print(
            f"{result.challenge:<16}{result.method:<27}{result.deviation:.1e} (at most {result.tolerance:.0e}){verdict}"
        )


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    trained = [name for name in methods.names() if name not in ("original", "retrain")]
    parser.add_argument("--challenge", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--methods", nargs="+", choices=["retrain", *trained], default=["retrain", *trained])
    parser.add_argument("--models", type=int, help="at once; by default what suits the challenge")
    parser.add_argument("--epochs", type=int, default=5, help="of trainings")
    parser.add_argument("--precision", choices=list(TOLERANCE), default="float32")
    parser.add_argument("--small", action="store_true", help="two models on a few images: does it run?")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--reference", type=Path, help=argparse.SUPPRESS)  # of the process on the processor
    return parser.parse_args()


def main() -> None:
    options, clock = parsed(), device.CompileClock()
    challenges = {name: whole_challenge(name, options.precision) for name in options.challenge}
    with tempfile.TemporaryDirectory() as home:
        os.environ["KIT_HOME"] = home  # nothing is compiled or trained before, and nothing is left behind
        if options.reference:
            pairs = checked(challenges, options.methods)
            logits = {f"{name}/{method}": few_logits(challenges[name], method, alone=True) for name, method in pairs}
            np.savez(options.reference, **logits)
            return
        report(options, challenges, clock)


def report(options: argparse.Namespace, challenges: Mapping[str, kit.Challenge], clock: device.CompileClock) -> None:
    first, (most, known) = jax.devices()[0], device.peak(options.precision)
    shown = "" if most is None else f"{most / 1e12:.3g} tera-operations a second, "
    print(f"device: {first.device_kind} ({first.platform}, {jax.device_count()} of them); peak: {shown}{known}")
    print(", ".join(f"{library} {version}" for library, version in environment.versions("jax").items()))
    for name in challenges:
        if not is_here(name):
            print(f"{name}: the data are not here ('kit data' says how to get them); random images, for speed only.")
    checks, rows = check(challenges, options.methods, options.precision), []
    for name, whole in challenges.items():
        case = CASES[name]
        examples, epochs, models = (
            (FEW, FEW_EPOCHS, 2) if options.small else (case.examples, options.epochs, case.models)
        )
        challenge = part_of(whole, examples, epochs, whole.batch_size)
        rows += [
            measure(whole, challenge, method, at_once=options.models or models, clock=clock, most=most)
            for method in options.methods
        ]
    show(rows, checks)
    if options.json:
        content = {"device": first.device_kind, "platform": first.platform, "devices": jax.device_count()}
        content |= {"precision": options.precision, "peak": most, "peak_known": known}
        content |= {"versions": environment.versions("jax"), "data": {name: is_here(name) for name in challenges}}
        content |= {"rows": [dataclasses.asdict(row) for row in rows]}
        content |= {"checks": [dataclasses.asdict(result) for result in checks]}
        options.json.write_text(json.dumps(content, indent=1) + "\n")
    if any(not result.deviation <= result.tolerance for result in checks):
        sys.exit(1)


if __name__ == "__main__":
    main()

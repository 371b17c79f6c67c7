"""What numbers depend on besides seeds: versions, the machine, and how long a retraining takes on it."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import platform
import time
from pathlib import Path

import keras
import tensorflow as tf
from tqdm import tqdm

import kit
from kit import datasets, files, pretrained, training
from kit.types import Challenge

_LIBRARIES = ("tensorflow", "keras", "numpy", "scipy", "scikit-learn")


@functools.cache
def _versions() -> tuple[tuple[str, str], ...]:
    found = {library: importlib.metadata.version(library) for library in _LIBRARIES}
    return tuple(({"kit": kit.__version__, "python": platform.python_version()} | found).items())


def versions() -> dict[str, str]:
    """Returns the versions of the kit, Python and the libraries that numbers depend on."""
    return dict(_versions())


def machine() -> dict[str, str]:
    """Returns what the bits of a trained model depend on besides versions: system, processor, threads."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        models = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        processor = models[0] if models else processor
    gpus = ", ".join(device.name for device in tf.config.list_physical_devices("GPU")) or "none"
    system = {"system": platform.system(), "processor": processor, "gpus": gpus}
    return system | {"threads": "1", "op_determinism": "on"}


def reference_seconds(challenge: Challenge) -> float:
    """Returns the duration of one retraining in plain Keras on this machine: `compile` and `fit`, tracing included.

    Measured once and cached under `$KIT_HOME`; the competition's time budget of 0.2 is a share of it.
    """
    key = json.dumps([pretrained.fingerprint(challenge), len(challenge.split.retain), versions(), machine()])
    path = files.cache_folder() / "reference" / f"{challenge.name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"
    if path.is_file():
        return float(json.loads(path.read_text())["seconds"])
    seconds = _time_plain_keras(challenge)
    files.write_json(path, {"seconds": seconds, "challenge": challenge.name})
    return seconds


def _time_plain_keras(challenge: Challenge) -> float:
    training.prepare_tensorflow()
    training.warm_up()
    keras.utils.set_random_seed(0)
    net, recipe = pretrained.build(challenge), challenge.recipe
    retain = datasets.batches(challenge.train, challenge.split.retain, challenge.batch_size, shuffle_seed=0)
    rates = [float(rate) for rate in recipe.learning_rates()]
    start = time.perf_counter()
    net.compile(
        keras.optimizers.SGD(recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    bar = tqdm(total=recipe.epochs, desc="timing a retrain in plain Keras", unit="epoch", delay=2, leave=False)
    follow = keras.callbacks.LambdaCallback(on_epoch_end=lambda _epoch, _logs: bar.update())
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, _rate: rates[epoch])
    with bar:
        net.fit(retain, epochs=recipe.epochs, callbacks=[schedule, follow], shuffle=False, verbose=0)
    return time.perf_counter() - start


@functools.cache
def source_sha256() -> str:
    """Digest of the code that makes models: editing it makes new populations, as it must.

    Read once, for the code that this process runs is that of its start.
    """
    digest = hashlib.sha256()
    for path in sorted(Path(kit.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()

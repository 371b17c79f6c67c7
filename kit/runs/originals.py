"""The original models: shipped weights, and weights that the kit trains and caches. Weights only, never a pickle.

What is stored is found and read without TensorFlow, which is imported when a model has to be made.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from kit import models
from kit.machine import quiet, threads
from kit.models.weights import read_checked_file, write_file
from kit.storage import digests, files, seals, strict_json
from kit.tasks import CLASSIFICATION
from kit.types import Challenge, FailedRun

if TYPE_CHECKING:
    import keras

# How far the accuracies of a rebuilt model may lie from the recorded ones: other processors round differently, and
# training amplifies that to another, equally good model.
TOLERANCE = {"train": 0.01, "validation": 0.05, "test": 0.05}


@dataclass(frozen=True)
class Pretrained:
    """Weights of a trained model, in the order of `keras.Model.weights`.

    Args:
        weights: read-only.
        sha256: of their file.
        path: of their file.
        model: name of the architecture.
        description: of an original that a method has trained in its own way: its architecture as plain data.
        state: of such an original: the folder with what the method has kept.
        advice: what to do where the weights do not fit the architecture.
    """

    weights: tuple[np.ndarray, ...]
    sha256: str
    path: Path
    model: str
    description: str = ""
    state: Path = Path()
    advice: str = ""


@dataclass(frozen=True)
class Rebuilt:
    """A model that was trained anew: accuracies, seconds, and how it compares with the recorded one."""

    path: Path
    accuracies: dict[str, float]
    seconds: float
    matches: bool
    verdict: str


def build(challenge: Challenge, precision: str | None = None) -> keras.Model:
    """Returns the challenge's architecture with the weights of before a training: drawn, or those to start from.

    Frozen layers of a user's model have theirs.

    Args:
        challenge: names the architecture, or describes it.
        precision: of its computations, by default the challenge's. For scoring `float32`: in bfloat16 logits have two
            digits, and losses of examples coincide.
    """
    from kit.toolbox import blocks, setup

    precision = precision or challenge.precision
    if challenge.model_description:
        net = models.build_described(challenge.model_description, precision)
        if challenge.original is not None:
            _set_frozen(net, challenge.original, blocks.frozen_weights(net))
    else:
        net = models.build(challenge.model, challenge.input_shape, challenge.num_classes, precision)
    blocks.start_from(net, challenge.start or ())
    if precision == "tf32":
        setup.multiply_in_tf32(net)
    return net


def _set_frozen(net: keras.Model, original: Sequence[np.ndarray], frozen: Sequence[bool]) -> None:
    if any(frozen):
        weights = zip(frozen, original, net.get_weights(), strict=True)
        net.set_weights([kept if is_frozen else drawn for is_frozen, kept, drawn in weights])


def fingerprint(challenge: Challenge) -> str:
    """Returns the sha256 of what a `challenge`'s original depends on: data, model, recipe, seed, no forget set."""
    data = [challenge.published, challenge.labels_sha256] if challenge.published else challenge.data_sha256
    model = challenge.model_description or challenge.model
    described = [model, challenge.num_classes, challenge.batch_size, challenge.training_seed, challenge.recipe]
    if challenge.task != CLASSIFICATION:  # shipped weights were recorded when there was no other task
        described.append(repr(challenge.task))
    return digests.digest_of([data, *described])


def registry() -> dict[str, dict[str, Any]]:
    """Returns what `data/registry.json` says of each challenge that has shipped weights."""
    path = files.data_folder() / "registry.json"
    if not path.is_file():
        return {}
    advice = "the registry of shipped weights, as it came with the kit"
    content: dict[str, dict[str, Any]] = files.checked(
        lambda: dict(seals.without_digest(strict_json.loads(path.read_bytes()), required=True)), path, advice
    )
    return content


def register(entries: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes `entries`, by name, into the registry of shipped files, beside the others (for maintainers)."""
    content = dict(sorted({**registry(), **entries}.items()))
    files.write_json(files.data_folder() / "registry.json", seals.with_digest(content))


def load(challenge: Challenge) -> Pretrained:
    """Returns the original of `challenge`: its own weights, else shipped, else cached, else trained now and cached.

    Raises:
        FailedRun: the file's digest is not the recorded one.
    """
    if challenge.original is not None:
        return Pretrained(challenge.original, digests.digest_of_arrays(challenge.original), Path(), challenge.model)
    entry = registry().get(challenge.name)
    if entry is not None and entry["fingerprint"] == fingerprint(challenge):
        advice = (
            "Restore it with 'git checkout data/pretrained', or install the kit again with "
            "'pip install --force-reinstall --no-deps .'."
        )
        return read(challenge, files.data_folder() / entry["file"], entry["sha256"], advice)
    path = cached_path(challenge)
    record = path.with_suffix(".json")
    if not record.is_file():
        _train_and_store(challenge, path)
    advice = f"Delete '{record}', and the kit trains the model again."
    return read(challenge, path, read_record(path, advice)["sha256"], advice)


def read_record(path: Path, advice: str) -> dict[str, Any]:
    """Returns the record beside the weights at `path`; FailedRun, with `advice`, where it cannot be believed."""
    record: dict[str, Any] | None = seals.read_json(path.with_suffix(".json"), _place(path))
    if record is None:
        raise FailedRun(
            f"The record '{path.with_suffix('.json')}' of trained weights is damaged, or an older kit or one with "
            f"another KIT_HOME wrote it. Expected it as this one writes it. {advice}"
        )
    return record


def _place(path: Path) -> str:
    return f"pretrained/{path.name}"


def rebuild(challenge: Challenge, *, update_registry: bool = False) -> Rebuilt:
    """Trains the original from scratch and says whether it matches the recorded one.

    Args:
        challenge: its recipe and training seed are used.
        update_registry: write the result to `data/pretrained/` and `data/registry.json` (for maintainers).

    Returns:
        `Rebuilt`; `matches` is true where nothing was recorded, and where every accuracy lies within its tolerance.
    """
    shipped = files.data_folder() / "pretrained" / f"{challenge.name}.npz"
    path = shipped if update_registry else cached_path(challenge)
    record = _train_and_store(challenge, path)
    return compared(challenge.name, path, record, update_registry=update_registry)


def compared(key: str, path: Path, record: dict[str, Any], *, update_registry: bool) -> Rebuilt:
    """Returns how the `record` of the model at `path` compares with `key`'s; with `update_registry` it becomes that."""
    entry = registry().get(key)
    if update_registry:
        entry = record | {"file": f"pretrained/{path.name}", "tolerance": TOLERANCE}
        register({key: entry})
        matches, verdict = True, "recorded in data/registry.json"
    elif entry is None or entry["fingerprint"] != record["fingerprint"]:
        matches, verdict = True, "nothing is recorded for this challenge to compare it with"
    elif entry["sha256"] == record["sha256"]:
        matches, verdict = True, "matches the recorded model bit for bit"
    else:
        recorded, tolerance = entry["accuracies"], entry["tolerance"]
        away = [part for part, value in record["accuracies"].items() if abs(value - recorded[part]) > tolerance[part]]
        matches = not away
        verdict = (
            "matches the recorded accuracies within the tolerance (not bit-identical: another processor or version)"
        )
        if away:
            pairs = ", ".join(f"{part} {record['accuracies'][part]:.3f} against {recorded[part]:.3f}" for part in away)
            verdict = f"DOES NOT MATCH the recorded accuracies: {pairs}"
    return Rebuilt(path, record["accuracies"], record["seconds"], matches, verdict)


def accuracies(net: keras.Model, challenge: Challenge) -> dict[str, float]:
    """Returns the accuracy, 0 to 1, of `net` on train, validation and test of `challenge`."""
    from kit.toolbox.inference import predict_logits

    parts = {"train": challenge.train, "validation": challenge.validation, "test": challenge.test}
    correct = {name: challenge.task.correct(predict_logits(net, part.x), part.y) for name, part in parts.items()}
    return {name: float(right.mean()) for name, right in correct.items()}


def cached_path(challenge: Challenge, kind: str = "") -> Path:
    """Returns where a model for `challenge` that the kit trained is kept; `kind` is "" for the original."""
    kind += "" if challenge.precision == "float32" else f"-{challenge.precision}"
    return files.cache_folder() / "pretrained" / f"{challenge.name}{kind}-{fingerprint(challenge)[:16]}.npz"


def _train_and_store(challenge: Challenge, path: Path) -> dict[str, Any]:
    """Trains, writes `path` and beside it, last, a record of its digest and accuracies; returns the record."""
    files.require_cache()
    quiet.load_tensorflow()
    import keras

    from kit.runs import process
    from kit.toolbox import checkpoints, examples, training
    from kit.toolbox.losses import TaskLoss

    process.prepare()
    keras.utils.set_random_seed(challenge.training_seed)
    net = build(challenge)
    dataset = examples.batches(challenge.train, np.arange(len(challenge.train)), challenge.batch_size)
    checkpoint = cached_path(challenge, "-training")
    start = time.perf_counter()
    training.fit(net, dataset, challenge.recipe, loss=TaskLoss(challenge.task), checkpoint=checkpoint)
    seconds = time.perf_counter() - start + checkpoints.earlier_seconds(checkpoint)
    record = store(challenge, net.get_weights(), path, seconds, seed=challenge.training_seed)
    checkpoint.unlink(missing_ok=True)
    return record


def store(
    challenge: Challenge,
    weights: Sequence[np.ndarray],
    path: Path,
    seconds: float,
    *,
    seed: int,
    facts: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Writes `challenge`'s `weights` to `path`. Returns their record, with `seconds`, `seed` and `facts`."""
    write_file(path, weights)
    net = build(challenge, "float32")
    net.set_weights(weights)
    record = {
        "sha256": files.sha256_of(path),
        "bytes": path.stat().st_size,
        "fingerprint": fingerprint(challenge),
        "data_sha256": challenge.data_sha256,
        "model": challenge.model,
        "accuracies": accuracies(net, challenge),
        "recipe": challenge.recipe.settings() | {"batch_size": challenge.batch_size, "seed": seed},
        "seconds": round(seconds, 2),
        "machine": f"{platform.machine()}, threads: {threads.number()}, {challenge.precision}",
        **facts,
    }
    if path.parent != files.data_folder() / "pretrained":
        seals.write_json(path.with_suffix(".json"), _place(path), record)
    return record


def read(challenge: Challenge, path: Path, sha256: str, advice: str) -> Pretrained:
    """Returns `challenge`'s weights at `path`; FailedRun, with `advice`, where `sha256` is not its digest."""
    if not path.is_file():
        raise FailedRun(f"The weights '{path}' are missing. Expected the file that was recorded. {advice}")
    try:
        weights = read_checked_file(path, sha256)
    except (OSError, ValueError) as error:
        raise FailedRun(
            f"The weights '{path}' are damaged: {error}. Expected the file as it was written, whose sha256 is "
            f"{sha256[:16]}.... {advice}"
        ) from error
    return Pretrained(weights, sha256, path, challenge.model, advice=advice)


def require_fitting(pretrained: Pretrained, net: keras.Model) -> None:
    """Checks that `pretrained` has weights of the shapes of `net`: a digest says only that they are those recorded.

    Raises:
        FailedRun: they have not.
    """
    shapes = [array.shape for array in pretrained.weights]
    expected = [tuple(array.shape) for array in net.weights]
    if shapes != expected:
        raise FailedRun(
            f"The weights '{pretrained.path}' do not fit the model '{pretrained.model}': {len(shapes)} arrays of "
            f"shapes {shapes[:3]}..., expected {len(expected)} of shapes {expected[:3]}.... {pretrained.advice}"
        )

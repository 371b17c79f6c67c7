"""Reads a pack with distrust: checks it, and computes its models' logits for the scorers."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kit.contest.outcomes import PackCheck
from kit.contest.pack import MANIFEST, checkpoint_name
from kit.contest.rerun import Rerun, chosen
from kit.contest.rerun import check as check_again
from kit.contest.suspicions import check_against, check_diversity
from kit.machine.bars import progress
from kit.models.weights import Expected, expected_like, largest_file, read_weights
from kit.rules import SCORE_VERSION
from kit.runs import oracles
from kit.runs.worker import Worker
from kit.storage import files, strict_json
from kit.submission.diagnosis import printable
from kit.types import NUM_WITH_LOGITS, PARTS, Challenge, FailedRun, Outputs

EXPECTED = "Expected a zip that 'kit pack' wrote."
_LARGEST_MANIFEST, _LONGEST_MESSAGE, _MOST_SECONDS = 1 << 20, 700, 1e9
_FIELDS = {
    "kit": str, "score_version": str, "challenge": str, "method": str, "method_sha256": str, "split": str,
    "split_seed": int, "split_sha256": str, "data_sha256": str, "original_sha256": str, "seed": int,
    "num_models": int, "dtype": str, "seeds": list, "seconds": list, "versions": dict, "machine": dict,
}  # fmt: skip


@dataclass(frozen=True)
class CheckedPack:
    """What `kit.check_pack` returns.

    Seconds of the outputs are those that were measured here, NaN where nothing was: what a manifest says of them is
    shown as reported, and never ranked.

    Args:
        checks: `name`, `status` (`PASS`, `WARN` or `FAIL`) and `message` of each check that was made, in their order.
        outputs: of the pack's models; None where they could not be read.
        seed: of the population, as the manifest says.
    """

    checks: tuple[PackCheck, ...]
    outputs: Outputs | None
    seed: int = 0

    @property
    def sound(self) -> bool:
        """Whether no check failed."""
        return all(check.status != "FAIL" for check in self.checks)


class _Refused(Exception):
    """A check of a pack failed, so that the rest cannot be looked at."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


def check_pack(
    path: str | Path,
    challenge: Challenge,
    *,
    num_models: int | None = None,
    retrained: Outputs | None = None,
    rerun: Rerun | None = None,
    worker: Worker | None = None,
    announce: Callable[[PackCheck], None] | None = None,
) -> CheckedPack:
    """Checks a pack and computes its models' logits. Nothing is unpacked to disk, unpickled or executed.

    Args:
        path: the zip.
        challenge: the one that it is for.
        num_models: how many models there must be; by default as many as the manifest says.
        retrained: outputs of three retrained models or more, to look for copies of them and for diversity; by default
            those that come with the kit for this split, if any do.
        rerun: has models made again and timed.
        worker: models to reuse.
        announce: is called with each check as soon as its outcome is known.

    Returns:
        `CheckedPack`: `sound` where no check failed. What is wrong with a pack is in its checks, not raised.

    Raises:
        InputError: there is no such file.

    Example:
        >>> import kit
        >>> check_pack("nowhere.zip", kit.load_challenge())  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        kit.types.errors.InputError: ...nowhere.zip...
    """
    path = Path(path)
    files.require_file(path, EXPECTED)
    checks: list[PackCheck] = []

    def record(name: str, message: str, status: str = "PASS") -> None:
        checks.append(PackCheck(name, status, printable(message, _LONGEST_MESSAGE)))
        if announce is not None:
            announce(checks[-1])

    def record_all(outcomes: Iterable[PackCheck]) -> None:
        for outcome in outcomes:
            record(outcome.name, outcome.message, outcome.status)

    worker, outputs, manifest = worker or Worker(challenge), None, dict[str, Any]()
    try:
        with _opened(path) as archive:
            record("zip", f"{path.stat().st_size / 1e6:.1f} MB")
            manifest = _read_manifest(archive, challenge, worker.original.sha256)
            record("manifest", _described(manifest))
            count = _check_names(archive, manifest, num_models)
            record("names", f"{count} checkpoints")
            again = [] if rerun is None else chosen(rerun.num_models, count, files.sha256_of(path))
            outputs, models = _read_models(archive, manifest, challenge, worker, again)
            record("checkpoints", f"shapes, {manifest['dtype']} and finite values of {count} models")
            retrained = retrained or oracles.load(challenge)
            record_all([check_diversity(outputs)] if retrained is None else check_against(outputs, retrained))
            if rerun is not None:
                remade, seconds = check_again(rerun, manifest, models, Worker.for_entry(rerun.entry, challenge, worker))
                record_all(remade)
                outputs = replace(outputs, seconds=np.full(count, np.nan if seconds is None else seconds))
    except _Refused as refused:
        record(refused.name, str(refused), "FAIL")
    return CheckedPack(tuple(checks), outputs, int(manifest.get("seed", 0)))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # zipfile raises errors of many kinds for a forged file
        raise _Refused(
            "zip",
            f"It is no sound zip archive ({type(error).__name__}). Expected what 'kit pack' wrote. Copy it again.",
        ) from error
    with archive:
        yield archive


def _read_entry(archive: zipfile.ZipFile, name: str, most: int, check: str) -> bytes:
    try:
        entry = archive.getinfo(name)
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError("an unusual compression")
        with archive.open(entry) as stream:
            content = stream.read(most + 1)  # bounded, whatever size the archive states
    except Exception as error:  # as above
        raise _Refused(check, f"'{name}' cannot be read ({error}). Expected what 'kit pack' wrote.") from error
    if len(content) > most:
        raise _Refused(
            check, f"'{name}' has more than {most:,} bytes. Expected at most as many, as 'kit pack' writes. Pack again."
        )
    return content


def _read_manifest(archive: zipfile.ZipFile, challenge: Challenge, original_sha256: str) -> dict[str, Any]:
    content = _read_entry(archive, MANIFEST, _LARGEST_MANIFEST, "manifest")
    try:
        manifest = strict_json.loads(content)
    except ValueError as error:
        raise _Refused(
            "manifest", f"'{MANIFEST}' is no JSON ({error}). Expected what 'kit pack' wrote. Pack again."
        ) from error
    if isinstance(manifest, dict) and manifest.get("mock") is True:
        raise _Refused("manifest", "This is the mock that a run without data leaves. Expected checkpoints. Run again.")
    bad_keys = [
        key
        for key, kind in _FIELDS.items()
        if not isinstance(manifest, dict) or not isinstance(manifest.get(key), kind) or manifest[key] is True
    ]
    if bad_keys:
        raise _Refused("manifest", f"The manifest lacks {', '.join(bad_keys)}. Expected what 'kit pack' writes.")
    if manifest["dtype"] not in ("float32", "float16") or not _sound_lists(manifest):
        raise _Refused("manifest", "Its dtype, seeds or seconds are not valid. Expected what 'kit pack' wrote.")
    expected = {
        "score_version": SCORE_VERSION,
        "data_sha256": challenge.data_sha256,
        "split_sha256": challenge.split.sha256,
        "original_sha256": original_sha256,
    }
    for key, value in expected.items():
        if manifest[key] != value:
            raise _Refused(
                "manifest",
                f"It was made with another {key}: {manifest[key][:16]}, here {value[:16]}. It was packed for "
                f"{manifest['challenge']}, forget set {manifest['split']} (split seed {manifest['split_seed']}). "
                f"Expected {challenge.name}, {challenge.split.name} (split seed {challenge.split.seed}). Give the "
                "--challenge, --forget and --split-seed with which it was packed, or pack again.",
            )
    checked: dict[str, Any] = manifest
    return checked


def _described(manifest: dict[str, Any]) -> str:
    """Returns what a pack says of itself; how long its models took, its maker alone knows."""
    seconds = sum(manifest["seconds"]) / len(manifest["seconds"])
    seconds_reported = f"reported, not measured: {seconds:.3g} s a model (--rerun measures)"
    return f"{manifest['method']} on {manifest['challenge']}, split {manifest['split']}; {seconds_reported}"


def _sound_lists(manifest: dict[str, Any]) -> bool:
    seeds, seconds, count = manifest["seeds"], manifest["seconds"], manifest["num_models"]
    sound = all(isinstance(value, int | float) and 0 <= value < _MOST_SECONDS for value in seconds)
    sound = sound and all(isinstance(value, int) and 0 <= value < 2**32 for value in seeds) and manifest["seed"] >= 0
    return sound and len(seeds) == len(seconds) == count > 0


def _check_names(archive: zipfile.ZipFile, manifest: dict[str, Any], num_models: int | None) -> int:
    count: int = manifest["num_models"]
    if num_models is not None and count != num_models:
        raise _Refused(
            "names", f"There are {count} models. Expected {num_models}. Pack again with --num-models {num_models}."
        )
    names = [entry.filename for entry in archive.infolist()]
    expected = {MANIFEST, *map(checkpoint_name, range(min(count, len(names))))}
    if len(names) != count + 1 or set(names) != expected:
        odd = sorted(set(names) - expected)[:3] or sorted(expected - set(names))[:3] or ["a name that appears twice"]
        raise _Refused(
            "names",
            f"It holds {len(names)} files where {count + 1} belong, among them or missing {', '.join(odd)[:200]}. "
            f"Expected {MANIFEST} and {checkpoint_name(0)} to {checkpoint_name(count - 1)}. Pack again.",
        )
    return count


def _read_models(
    archive: zipfile.ZipFile, manifest: dict[str, Any], challenge: Challenge, worker: Worker, wanted: Sequence[int]
) -> tuple[Outputs, dict[int, Sequence[np.ndarray]]]:
    """Returns the outputs of all models, read one at a time, and the weights of those that are wanted."""
    original, name = worker.original.weights, printable(manifest["method"], 80)
    half = manifest["dtype"] == "float16"
    expected: Sequence[Expected] = expected_like(original)
    if half:
        expected = [replace(e, dtype=np.dtype(np.float16)) if e.dtype.kind == "f" else e for e in expected]
    kept: dict[int, Sequence[np.ndarray]] = {}
    runs = []
    for number in progress(range(manifest["num_models"]), label="reading", unit="model"):
        entry = checkpoint_name(number)
        content = _read_entry(archive, entry, largest_file(expected), "checkpoints")
        try:
            weights = read_weights(content, expected)
            if number in wanted:
                kept[number] = weights
            restored = [array.astype(like.dtype) for array, like in zip(weights, original, strict=True)]
            model_outputs = worker.outputs(restored, f"{name}, {entry}")
            runs.append(model_outputs if number < NUM_WITH_LOGITS else replace(model_outputs, logits={}))
        except (ValueError, FailedRun) as error:
            raise _Refused(
                "checkpoints", f"'{entry}': {str(error).rstrip('.')}. Expected weights like the original's."
            ) from error
    labels, unknown = {part: challenge.strata(part) for part in PARTS}, [np.nan] * len(runs)
    outputs = Outputs.of_models(name, runs, labels, seconds=unknown, seeds=manifest["seeds"])
    return outputs, kept

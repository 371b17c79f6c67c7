"""Of which methods the models of both backends cannot be told apart: what `benchmarks.same_truth` found, on record.

Only there may models that one backend made be held against retrained models of the other: with fewer models a side a
difference that matters would not be seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kit.machine import environment
from kit.rules import ORIGINAL, RETRAIN
from kit.runs import originals
from kit.storage import files, seals, strict_json
from kit.types import Challenge

FEWEST_MODELS = 128


def models_a_side(challenge: Challenge, methods: Sequence[str]) -> int:
    """Returns by how many models a side methods and retraining were tested on a challenge.

    0 where one was not, or by fewer than 128. The original is the same weights on either backend.

    Args:
        challenge: on which they were tested.
        methods: names, besides `retrain`.

    Raises:
        InputError: the record is damaged.

    Example:
        >>> import kit
        >>> models_a_side(kit.load_challenge("noisy-digits"), ["a_method_of_mine"])
        0
    """
    record = _recorded().get(challenge.name)
    if record is None or record["fingerprint"] != originals.fingerprint(challenge):
        return 0
    tested = all(method in record["methods"] for method in (RETRAIN, *methods) if method != ORIGINAL)
    return int(record["num_models"]) if tested and record["num_models"] >= FEWEST_MODELS else 0


def record(challenge: Challenge, methods: Sequence[str], num_models: int) -> None:
    """Records that methods were tested on a challenge, and did not differ (for maintainers).

    Args:
        challenge: on which they were tested.
        methods: names.
        num_models: of each method on either side, >= 1.
    """
    entry = {
        "fingerprint": originals.fingerprint(challenge),
        "methods": sorted(methods),
        "num_models": num_models,
        "versions": environment.versions(environment.TENSORFLOW) | environment.versions(environment.JAX),
    }
    content = dict(sorted({**_recorded(), challenge.name: entry}.items()))
    files.write_json(_path(), seals.with_digest(content))


def _recorded() -> dict[str, dict[str, Any]]:
    path = _path()
    if not path.is_file():
        return {}
    content: dict[str, dict[str, Any]] = files.checked(
        lambda: dict(seals.without_digest(strict_json.loads(path.read_bytes()), required=True)),
        path,
        "the record of tested methods, as it came with the kit",
    )
    return content


def _path() -> Path:
    return files.data_folder() / "backends.json"

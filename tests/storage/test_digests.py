"""What results depend on, as digests: their values are recorded beside shipped data and must never change."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pytest

import kit
from kit.runs import originals
from kit.storage import digests
from kit.types import Recipe


@dataclass(frozen=True)
class Settings:
    rate: float = 0.1
    epochs: int = 3


# Value -> the JSON that is hashed.
WRITTEN = [
    ([], "[]"),
    (["a", 1, 0.1, True, None, "é"], '["a", 1, 0.1, true, null, "\\u00e9"]'),
    ({"b": 1, "a": (2, 3)}, '{"a": [2, 3], "b": 1}'),
    (Settings(), '{"rate": 0.1, "epochs": 3}'),
    ([{"z": Settings(), "a": {}}], '[{"a": {}, "z": {"rate": 0.1, "epochs": 3}}]'),
]


@pytest.mark.parametrize(("value", "text"), WRITTEN, ids=[text for _, text in WRITTEN])
def test_the_digest_is_that_of_json_written_in_one_way(value: Any, text: str) -> None:
    assert digests.digest_of(value) == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("value", [np.zeros(2), {1: np.float32(1)}, [b"x"], Settings])
def test_what_has_no_one_way_of_writing_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        digests.digest_of([value])


def test_a_digest_of_arrays_is_that_of_their_bytes() -> None:
    arrays = [np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros((), np.int32), np.zeros(0)]
    expected = hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()
    assert digests.digest_of_arrays(arrays) == expected
    turned = np.arange(6).reshape(2, 3).T
    assert digests.digest_of_arrays([turned]) == hashlib.sha256(turned.tobytes()).hexdigest()


@pytest.mark.parametrize("name", ["digits", "noisy-digits"])
def test_fingerprints_and_splits_are_those_that_shipped_data_are_recorded_under(name: str) -> None:
    registry, challenge = originals.registry(), kit.load_challenge(name)
    for key in (name, f"oracles/{name}"):
        assert registry[key]["fingerprint"] == originals.fingerprint(challenge)
    assert registry[f"oracles/{name}"]["split_sha256"] == challenge.split.sha256


OLDEST_FIELDS = ("epochs", "learning_rate", "momentum", "weight_decay", "schedule", "augmentation")


def test_a_fingerprint_is_what_it_always_was(small_challenge: kit.Challenge) -> None:
    text = json.dumps(
        [
            small_challenge.data_sha256,
            small_challenge.model,
            small_challenge.num_classes,
            small_challenge.batch_size,
            small_challenge.training_seed,
            {name: value for name, value in asdict(small_challenge.recipe).items() if name in OLDEST_FIELDS},
        ]
    )
    assert isinstance(small_challenge.recipe, Recipe)
    assert originals.fingerprint(small_challenge) == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        {"rows": np.array([0, 2])},
        {"rows": np.array([0, 1], np.int32)},
        {"rows": np.array([[0, 1]])},
        {"more": np.zeros(1)},
        {"sha256": np.array("0" * 64)},
    ],
)
def test_arrays_that_were_changed_do_not_have_their_digest(change: dict[str, np.ndarray]) -> None:
    stated = digests.with_digest_of_arrays({"rows": np.array([0, 1])})
    assert list(digests.without_digest_of_arrays(stated)) == ["rows"]
    with pytest.raises(ValueError, match="do not have the sha256"):
        digests.without_digest_of_arrays(stated | change)

"""JSON that two readers could read in two ways is none."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.storage import strict_json

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64) + 1, 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(PLAIN)
def test_what_python_writes_is_read_as_python_reads_it(content: object) -> None:
    text = json.dumps(content)
    assert strict_json.loads(text) == json.loads(text) == strict_json.loads(text.encode())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1, "a": 2}', "it says 'a' twice"),
        ('[{"b": {"a": 1, "\\u0061": 1}}]', "it says 'a' twice"),
        ("NaN", "it holds NaN"),
        ('{"value": -Infinity}', "it holds -Infinity"),
        ("1e999", "it holds the number 1e999, which is too large"),
        (str(2**64), "which is too large"),
        ("1" * 400, "which is too large"),
        ("1" * 5000, "Exceeds the limit"),
        ("[" * 100_000, "it is nested too deeply"),
        ("", "Expecting value"),
        ("\ufeff1", "BOM"),
    ],
)
def test_the_rest_is_refused_in_half_a_sentence(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        strict_json.loads(text)
    assert math.isfinite(strict_json.loads(str(2**63)))

"""A corpus of bad submissions: each fails the check that its header names, in bounded time, and leaves nothing behind.

The header of a file in tests/bad_submissions/ says which check reports it, at which level, and a part of the message.
Here are those whose text or result is at fault; those that misbehave are in test_bad_behaviour.py.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from bad_corpus import BAD, CORPUS, MISBEHAVING, Bad

from kit.contest import validate

QUICK = {  # without a process, or one of each kind: the rest is marked slow
    "parses", "defines_unlearning", "signature", "forgot_to_return", "raises", "segmentation_fault",
}  # fmt: skip


def marked(corpus: list[Bad]) -> list[object]:
    quick = [bool({bad.path.stem, bad.check} & QUICK) for bad in corpus]
    return [
        pytest.param(bad, id=bad.path.stem, marks=[] if is_quick else [pytest.mark.slow])
        for bad, is_quick in zip(corpus, quick, strict=True)
    ]


@pytest.mark.parametrize("bad", marked([bad for bad in BAD if bad not in MISBEHAVING]))
def test_a_bad_submission_fails_the_check_that_names_its_fault(
    bad: Bad, fails_as_it_says: Callable[[Bad], None]
) -> None:
    fails_as_it_says(bad)


def test_every_kind_of_fault_is_in_the_corpus() -> None:
    assert len(CORPUS) >= 40
    assert {bad.check for bad in BAD} == set(validate.CHECKS)
    assert {bad.level for bad in BAD} == {"WARN", "FAIL"}

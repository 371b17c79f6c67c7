"""The checks of `kit validate` for pytest, in the manner of scikit-learn's `parametrize_with_checks`.

A file beside a method, which `kit new my_method.py --with-test` writes::

    from kit.testing import parametrize_with_checks

    @parametrize_with_checks(["my_method.py"])
    def test_my_method(method, check):
        check(method)

`pytest -v` then prints a line for each check, in less than a minute: a method is examined once, when the first of its
checks is called, in processes of its own. In a notebook, `kit.testing.check_unlearning(unlearning)` does the same.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kit import challenges
from kit.contest import validate
from kit.contest.validate import CHECKS, Checked
from kit.submission.entry import Identifier, resolve
from kit.types import BrokenSubmission, Challenge, InputError

if TYPE_CHECKING:
    import pytest

__all__ = ["CHECKS", "Check", "CheckWarning", "check_unlearning", "parametrize_with_checks"]


class CheckWarning(UserWarning):
    """A check of `kit validate` warns: the submission can be scored, but something deserves a look."""


def check_unlearning(method: Identifier, *, challenge: str | Challenge = "noisy-digits") -> None:
    """Passes in silence if a method passes all checks of `kit validate`; warns of what deserves a look.

    Args:
        method: a function (one that is defined in a notebook too), the path of a file, or a built-in name.
        challenge: a name, the path of an `.npz` file, or a `kit.Challenge`.

    Raises:
        BrokenSubmission: checks fail; its message has a paragraph for each, its `check` names the first.

    Example:
        >>> try:
        ...     check_unlearning(lambda net, retain, forget: net)
        ... except BrokenSubmission as broken:
        ...     print(broken.check)
        signature
    """
    problems = validate.validate(method, challenge=challenge)
    for problem in problems:
        if problem.level == "WARN":
            warnings.warn(f"{problem.check}: {problem.message}", CheckWarning, stacklevel=2)
    failures = [problem for problem in problems if problem.level == "FAIL"]
    if failures:
        paragraphs = "\n".join(f"{failure.check}: {failure.message}" for failure in failures)
        raise BrokenSubmission(failures[0].check, paragraphs)


def parametrize_with_checks(
    methods: Sequence[Identifier], *, challenge: str | Challenge = "noisy-digits"
) -> pytest.MarkDecorator:
    """Returns a decorator that turns a test into one for each method and check of `kit validate`.

    The test has the parameters `method` and `check`, and calls `check(method)`: that passes, fails with a paragraph for
    the method's author, warns (`CheckWarning`), or skips where an earlier failure left nothing to check.

    Args:
        methods: as in `check_unlearning`. A path is relative to the working folder.
        challenge: as in `check_unlearning`.

    Returns:
        `pytest.mark.parametrize` of both parameters, with ids such as `my_method-signature`.

    Raises:
        InputError: pytest is not installed; there is no such method or file.

    Example:
        >>> mark = parametrize_with_checks(["finetune"])
        >>> mark.name, mark.kwargs["ids"][:2]
        ('parametrize', ['finetune-parses', 'finetune-defines_unlearning'])
    """
    try:
        import pytest
    except ImportError as error:
        raise InputError(
            "parametrize_with_checks was called, and pytest is not installed. Expected it, since it runs the tests. "
            "Install it with 'python -m pip install pytest', or call kit.testing.check_unlearning."
        ) from error
    names, examined = [resolve(method).name for method in methods], _Examined(challenge)
    cases = [(method, Check(name, examined)) for method in methods for name in CHECKS]
    return pytest.mark.parametrize(
        ("method", "check"), cases, ids=[f"{name}-{check}" for name in names for check in CHECKS]
    )


@dataclass(frozen=True)
class _Examined:
    """What the checks of each method have found; a method is examined when that is asked for the first time."""

    challenge: str | Challenge
    outcomes: dict[Identifier, list[Checked]] = field(default_factory=dict)

    def outcome(self, method: Identifier, name: str) -> Checked:
        if method not in self.outcomes:
            of = self.challenge
            loaded = challenges.load_challenge(of) if isinstance(of, str | Path) else of
            self.outcomes[method] = validate.examine(method, loaded)
        return next(outcome for outcome in self.outcomes[method] if outcome.name == name)


@dataclass(frozen=True)
class Check:
    """One check of `kit validate`, to be called with the method that it is of.

    Args:
        name: one of `kit.testing.CHECKS`, which says of each what it is about.
        examined: what the checks of the same test share.
    """

    name: str
    examined: _Examined = field(repr=False)

    def __call__(self, method: Identifier) -> None:
        """Passes, fails, skips or warns, in the test that calls it."""
        import pytest

        __tracebackhide__ = True  # a paragraph for the author of the method, no lines of the kit
        outcome = self.examined.outcome(method, self.name)
        if outcome.status == "FAIL":
            pytest.fail(f"{self.name}: {outcome.message}", pytrace=False)
        if outcome.status == "SKIP":
            pytest.skip(outcome.message)
        if outcome.status == "WARN":
            warnings.warn(f"{self.name}: {outcome.message}", CheckWarning, stacklevel=2)

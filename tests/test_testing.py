"""`kit.testing`: the checks of `kit validate` as tests of a participant's own, a line each."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import guests
import pytest
from cli_helpers import call, one_paragraph
from retrainings import taking

import kit
from kit import challenges, testing
from kit.contest import validate
from kit.contest.validate import CHECKS, Checked
from kit.runs import timing
from kit.types import BrokenSubmission, Challenge, InputError

pytest_plugins = "pytester"

FOUND = {"runs": "FAIL", "imports": "WARN", "weights": "SKIP"}


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The methods that were examined, of which all checks pass but `FOUND`; nothing is run."""
    methods: list[Any] = []

    def examine(method: Any, challenge: Challenge) -> list[Checked]:
        methods.append(method)
        return [Checked(name, FOUND.get(name, "PASS"), f"About {name}.") for name in CHECKS]

    monkeypatch.setattr(validate, "examine", examine)
    return methods


def test_a_written_test_has_a_line_for_each_check_of_one_examination(
    pytester: pytest.Pytester, examined: list[Any]
) -> None:
    written = call("new", "mine.py", "--with-test")
    assert "Written: mine.py and test_mine.py. Next: 'pytest -v test_mine.py', then 'kit run mine.py'." in written.out
    result = pytester.runpytest_inprocess("-v", "-W", "default", "-p", "no:cacheprovider", "test_mine.py")
    result.assert_outcomes(passed=len(CHECKS) - 2, failed=1, skipped=1, warnings=1)
    messages = {"FAIL": "FAILED", "SKIP": "SKIPPED (About weights.)"}
    lines = [f"*::test_mine?mine-{name}? {messages.get(FOUND.get(name, ''), 'PASSED')} *" for name in CHECKS]
    result.stdout.fnmatch_lines(lines, consecutive=True)
    result.stdout.fnmatch_lines(["runs: About runs.", "*CheckWarning: imports: About imports."])
    result.stdout.no_fnmatch_line("*kit/testing.py*")
    assert examined == [pytester.path / "mine.py"]


def test_each_method_is_examined_once_and_on_the_challenge_that_was_named(
    pytester: pytest.Pytester, examined: list[Any]
) -> None:
    pytester.makepyfile(
        """
        from kit.testing import parametrize_with_checks

        def own(net, retain, forget, validation):
            return net

        @parametrize_with_checks([own, "finetune"], challenge="digits")
        def test_both(method, check):
            check(method)
        """
    )
    result = pytester.runpytest_inprocess(
        "-p", "no:cacheprovider", "-k", "own-parses or own-signature or finetune-runs"
    )
    result.assert_outcomes(passed=2, failed=1, deselected=2 * len(CHECKS) - 3)
    assert [getattr(method, "__name__", method) for method in examined] == ["own", "finetune"]


def test_a_file_that_is_not_there_is_told_once() -> None:
    with pytest.raises(InputError, match=r"There is no file 'missing.py'"):
        testing.parametrize_with_checks(["missing.py"])


def test_without_pytest_there_is_another_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytest", None)
    with pytest.raises(InputError, match=r"pytest is not installed. Expected .*check_unlearning"):
        testing.parametrize_with_checks(["finetune"])


def test_check_unlearning_raises_what_fails_and_warns_of_the_rest(examined: list[Any]) -> None:
    with (
        pytest.warns(kit.testing.CheckWarning, match=r"imports: About imports"),
        pytest.raises(BrokenSubmission, match=r"^runs: About runs.$") as caught,
    ):
        testing.check_unlearning("finetune")
    assert caught.value.check == "runs"


@pytest.mark.slow
def test_what_new_writes_passes_its_own_test(
    pytester: pytest.Pytester, small_challenge: Challenge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "reference", lambda challenge, **_: taking(1000.0))
    monkeypatch.setattr(challenges, "load_challenge", lambda _: small_challenge)
    guests.fork_them(monkeypatch)
    call("new", "mine.py", "--with-test")
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=len(CHECKS))


def test_neither_file_is_written_where_one_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "test_mine.py").write_text("mine")
    assert "'test_mine.py' exists already" in one_paragraph(call("new", "mine.py", "--with-test"))
    assert [path.name for path in tmp_path.iterdir()] == ["test_mine.py"]

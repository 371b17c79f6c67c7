"""RULES.md and kit/rules.py state the same numbers."""

from __future__ import annotations

import re
from pathlib import Path

from kit import rules

PAGE = (Path(__file__).resolve().parents[1] / "RULES.md").read_text(encoding="utf-8")


def row(title: str) -> str:
    (line,) = re.findall(rf"^\| {title}[^|]*\|(.*)$", PAGE, re.MULTILINE)
    return str(line)


def test_the_time_budget_is_that_of_the_page() -> None:
    text = row("time of one call")
    assert f" {rules.TIME_BUDGET} of a retraining" in text
    assert f"fails it from {rules.TIME_BUDGET * rules.TIMING_NOISE:.1f} on" in text


def test_what_is_taken_out_for_tracing_is_that_of_the_page() -> None:
    text = " ".join(PAGE.split())
    assert f"no more than {rules.TIMING_NOISE} times what the kit itself has measured" in text
    assert f"for {rules.MOST_TRACES} whole first steps in all" in text
    assert f"{rules.MOST_TRACES} first steps are the most that it gains by a lie" in text
    assert f"warns of more than {rules.MANY_TRACES}: there a host reads the file" in text


def test_the_patience_is_that_of_the_page() -> None:
    words = {2: "two", 10: "ten"}
    text = row("patience")
    assert f" {rules.PATIENCE_SECONDS} s and {words[rules.PATIENCE_RETRAININGS]} such retrainings" in text
    assert f"{words[rules.VALIDATION_RETRAININGS]}, {rules.VALIDATION_SECONDS:.0f} s at least" in text


def test_the_limits_of_an_import_are_those_of_the_page() -> None:
    text = row("importing the file")
    assert f" {rules.SLOW_IMPORT_SECONDS:.0f} s;" in text
    assert f"after {rules.IMPORT_SECONDS:.0f} s it is ended" in text


def test_the_limit_of_memory_is_that_of_the_page() -> None:
    assert rules.MEMORY_SHARE == 0.5
    assert f"half of the machine's, {rules.MEMORY_BYTES >> 30} GiB at most" in row("memory of all its processes")


def test_the_limits_of_output_are_those_of_the_page() -> None:
    text = row("output")
    assert f"{rules.WARN_OUTPUT // 1000} kB" in text
    assert f"from {rules.MAX_OUTPUT // 1_000_000} MB on" in text


def test_what_is_ranked_is_that_of_the_page() -> None:
    text = " ".join(PAGE.split())
    assert f"Losing {rules.HARM} of it, beyond the noise of retraining, counts as much as one variance" in text
    assert f"a probability of {rules.SIGNIFICANCE:.0%}".replace("%", " %") + " for any mistake in a table" in text
    assert f"has lost more than {rules.HARM} of its accuracy" in text

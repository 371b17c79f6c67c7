"""The help of every command: in groups, in whole sentences, with examples that work; and what the Tab key offers."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from cli_helpers import call, environment

from kit import __main__ as command_line
from kit.commands import grouped_help
from kit.commands.options import OWN_MODEL, PLACES, PROBLEM

APP: Any = typer.main.get_command(command_line.app)
GROUPS = {name: group for name, group in APP.commands.items() if isinstance(group, grouped_help.Group)}
COMMANDS: dict[str, Any] = {name: command for name, command in APP.commands.items() if name not in GROUPS} | {
    f"{group} {name}": command for group in GROUPS for name, command in GROUPS[group].commands.items()
}


def sections(command: str, out: str = "") -> dict[str, list[str]]:
    """Heading -> lines below it, of a command's help."""
    headings: dict[str, list[str]] = {}
    for line in (out or call(*command.split(), "--help").out).splitlines():
        if re.fullmatch(r"\S.*:", line):
            headings[line[:-1]] = []
        elif headings and line:
            headings[list(headings)[-1]].append(line)
    return headings


def options_of(command: str) -> dict[str, Any]:
    return {parameter.opts[0]: parameter for parameter in COMMANDS[command].params}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_whole_and_fits(command: str) -> None:
    out = call(*command.split(), "--help").out
    summary = out.split("\n\n")[1].strip()
    assert summary[0].isupper()
    assert summary.endswith(".")
    before_examples = out.split("\nExamples:")[0]
    assert max(map(len, before_examples.splitlines())) <= 80
    assert re.findall(r"<[a-z][^>]*>|…", before_examples) == []  # types of Python, texts that were cut
    assert re.findall(r"--?[\w-]*-$", before_examples, re.MULTILINE) == []  # names of options that were broken
    for name in ("--quiet", "--debug", "--help"):
        assert any(name in line for line in sections(command, out)["Output"])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_example_is_understood(command: str) -> None:
    lines = grouped_help.examples(COMMANDS[command])
    assert lines
    assert sections(command)["Examples"] == [f"  {line}" for line in lines]
    for line in lines:
        words = shlex.split(line)
        assert words[: 1 + len(command.split())] == ["kit", *command.split()]
        COMMANDS[command].make_context(command, words[1 + len(command.split()) :])
    with pytest.raises(Exception, match="nonsense"):
        COMMANDS[command].make_context(command, ["--nonsense"])


def test_the_first_page_has_every_command_in_a_group_by_workflow() -> None:
    shown = sections("")
    names = [line.split()[0] for lines in shown.values() for line in lines if re.match(r"  [a-z]", line)]
    assert sorted(name for name in names if name != "kit") == sorted(APP.commands)
    assert next(iter(shown)) == "Compare methods"
    assert shown["Compare methods"][0].startswith("  run ")


def test_options_stand_below_their_groups() -> None:
    shown = sections("run")
    groups = {
        heading: re.findall(r"^  (?:-q, )?(--[\w-]+)", "\n".join(lines), re.MULTILINE)
        for heading, lines in shown.items()
    }
    assert groups["What is forgotten"] == ["--challenge", "--forget", "--split-seed"]
    assert groups["The models that are made"][:2] == ["--num-models", "--originals"]
    assert groups["Where they are made"][0] == "--workers"
    assert list(shown)[-2:] == ["Output", "Examples"]


def test_commands_that_take_a_problem_take_all_of_it() -> None:
    shared = {
        command: {
            name
            for name, option in options_of(command).items()
            if getattr(option, "rich_help_panel", None) in (PROBLEM, OWN_MODEL)
        }
        for command in ("run", "evaluate", "validate", "pack", "check-pack")
    }
    assert "--model" in shared["run"]
    assert all(names == shared["run"] for names in shared.values())
    places = {
        command: {
            name for name, option in options_of(command).items() if getattr(option, "rich_help_panel", None) == PLACES
        }
        for command in ("run", "pack")
    }
    assert places["pack"] == places["run"] >= {"--workers", "--engine"}


def test_evaluate_is_run_for_many_models() -> None:
    run, evaluate = options_of("run"), options_of("evaluate")
    assert list(run) == list(evaluate)
    others = [name for name in run if run[name].default != evaluate[name].default]
    assert others == ["--num-models"]
    assert (run["--num-models"].default, evaluate["--num-models"].default) == (1, 8)


COMPLETED = {
    "kit leade": ["leaderboard"],
    "kit run fine": ["finetune"],
    "kit evaluate finetune scr": ["scrub"],
    "kit explain random_m": ["random_mask"],
    "kit run --challenge noisy": ["noisy-digits"],
    "kit pack finetune --engine st": ["stacked"],
    "kit data fash": ["fashion-mnist"],
    "kit challenge n": ["new"],
    "kit list sc": ["scorers"],
    "kit run --num": ["--num-models"],
    "kit run my_meth": [],  # a file: the shell's own completion goes on
}


@pytest.mark.parametrize("typed", COMPLETED)
def test_the_tab_key_offers_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str
) -> None:
    monkeypatch.setenv("_KIT_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split()) - 1))
    with pytest.raises(SystemExit):
        APP.main(args=[], prog_name="kit")
    assert capsys.readouterr().out.split() == COMPLETED[typed]


_NAMING_MODULES = """
import sys
from kit import __main__
sys.argv = ["kit"]
try:
    __main__.main()
finally:
    print(*sys.modules, file=sys.stderr)
"""


def test_completion_needs_neither_numpy_nor_tensorflow() -> None:
    surroundings = environment(_KIT_COMPLETE="complete_bash", COMP_WORDS="kit run --challenge dig", COMP_CWORD="3")
    command = [sys.executable, "-c", _NAMING_MODULES]
    done = subprocess.run(command, capture_output=True, text=True, env=surroundings, check=True)
    assert done.stdout.split() == ["digits"]
    assert {"numpy", "tensorflow", "keras"}.isdisjoint(done.stderr.split())


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_with_the_script_that_the_kit_prints() -> None:
    program = Path(sys.executable).with_name("kit")
    if not program.exists():
        pytest.skip("the kit is not installed as a command")
    script = (
        'eval "$(_KIT_COMPLETE=source_bash kit)"; COMP_WORDS=(kit run fine); COMP_CWORD=2; '
        '_kit_completion kit; echo "${COMPREPLY[@]}"'
    )
    surroundings = environment()
    surroundings["PATH"] = f"{program.parent}:{surroundings['PATH']}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=surroundings, check=True)
    assert done.stdout == "finetune\n"

"""How `--help` looks: options and commands in groups, whole sentences, examples at the end.

typer shows its groups in boxes of three columns, in which eighty characters leave twenty for what an option does. Here
the same `rich_help_panel` is the heading of a plain list, which needs no rich and reads in a log, too.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import Any

import typer.core

OTHERS, OUTPUT = "Options", "Output"
_EXAMPLES = "Examples:"
_INDENT, _FIRST_COLUMN = 2, 30


class Command(typer.core.TyperCommand):
    """A command whose options stand in groups; in its docstring, what follows `Examples:` are its examples."""

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Writes the docstring's sentences."""
        _write_paragraphs(formatter, _split(self.help)[0])

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Writes arguments, then options by group."""
        _write_options(self, ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Writes the examples."""
        _write_examples(formatter, examples(self))


class Group(typer.core.TyperGroup):
    """A command of several commands, which stand in groups."""

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Writes what the commands have in common."""
        _write_paragraphs(formatter, _split(self.help)[0])

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Writes the commands, then the options that stand before one."""
        self.format_commands(ctx, formatter)
        _write_options(self, ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Writes a list of commands for each group, in the order in which they were added."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command: Any = self.get_command(ctx, name)
            rows = groups.setdefault(command.rich_help_panel or "Commands", [])
            rows.append((name, " ".join(_split(command.help)[0].split("\n\n")[0].split())))
        _write_lists(formatter, groups)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Writes the examples."""
        _write_examples(formatter, examples(self))


def examples(command: Any) -> list[str]:
    """Returns the lines below `Examples:` in a command's docstring.

    Example:
        >>> examples(Command("new", help="Write a file.\\n\\nExamples:\\n    kit new my_method.py"))
        ['kit new my_method.py']
    """
    return [line.strip() for line in _split(command.help)[1].splitlines() if line.strip()]


def _split(text: str | None) -> tuple[str, str]:
    """Returns a docstring's sentences, and what follows `Examples:`."""
    sentences, _, commands = inspect.cleandoc(text or "").partition(_EXAMPLES)
    return sentences.strip(), commands


def _write_paragraphs(formatter: Any, text: str) -> None:
    for paragraph in text.split("\n\n"):
        lines = _wrapped(paragraph, formatter.width - _INDENT)
        formatter.write("".join(f"\n{'':{_INDENT}}{line}" for line in lines) + "\n")


def _write_options(command: Any, ctx: Any, formatter: Any) -> None:
    """Writes a list for each group of options; those without a group stand first, the output's and `--help` last."""
    groups: dict[str, list[tuple[str, str]]] = {"Arguments": [], OTHERS: []}
    rest = []
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is None:
            continue
        if parameter.name == "help":
            rest.append(record)
        elif parameter.param_type_name == "argument":
            # typer writes the type of an argument behind its name, which says it already.
            groups["Arguments"].append((re.sub(r" <[^>]*>$", "", record[0]), record[1]))
        else:
            groups.setdefault(getattr(parameter, "rich_help_panel", None) or OTHERS, []).append(record)
    output = groups.pop(OUTPUT, None)
    if output is None:
        groups[OTHERS] += rest
    else:
        groups[OUTPUT] = output + rest
    _write_lists(formatter, groups)


def _write_lists(formatter: Any, groups: dict[str, list[tuple[str, str]]]) -> None:
    """Writes a heading and a list of two columns for each group that is not empty; all begin in one column."""
    names = [name for rows in groups.values() for name, _ in rows]
    column = max((len(name) for name in names if len(name) <= _FIRST_COLUMN), default=0) + 2
    for group, rows in groups.items():
        if rows:
            formatter.write(f"\n{group}:\n")
        for name, text in rows:
            first, *others = _wrapped(text, formatter.width - _INDENT - column) or [""]
            start = f"{name:{column}}" if len(name) < column - 1 else f"{name}\n{'':{_INDENT + column}}"
            lines = [f"{start}{first}", *(f"{'':{column}}{line}" for line in others)]
            formatter.write("".join(f"{'':{_INDENT}}{line}".rstrip() + "\n" for line in lines))


def _write_examples(formatter: Any, lines: list[str]) -> None:
    """Writes each command on a line of its own, however long: it is there to be copied."""
    if lines:
        formatter.write("\nExamples:\n" + "".join(f"{'':{_INDENT}}{line}\n" for line in lines))


def _wrapped(text: str, width: int) -> list[str]:
    """Returns lines that break at spaces, never within the name of an option."""
    return textwrap.wrap(" ".join(text.split()), max(width, 20), break_on_hyphens=False, break_long_words=False)

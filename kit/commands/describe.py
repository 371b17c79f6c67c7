"""`kit list methods` and `kit explain`: what the methods are, from their own docstrings, without TensorFlow."""

from __future__ import annotations

import ast
import re
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from kit import methods
from kit.commands import options
from kit.commands.options import DebugOption, JsonOption
from kit.methods import _facts
from kit.types import InputError
from kit.types.errors import did_you_mean


def list_methods(json_file: Path | None) -> None:
    """Prints a table of all methods: what each does, what it costs, what it touches, where it is from."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = {name: _facts.of_method(name) for name in methods.names()}
    if str(json_file) != "-":
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        table.add_column(no_wrap=True, style="bold")
        table.add_column(overflow="fold")
        for name, row in rows.items():
            facts = f"passes: {row.cost}\ndata: {row.data}\nsource: {row.source}"
            table.add_row(name, Text.assemble(f"{row.summary}\n", (facts, "dim")))
        console = Console(highlight=False)
        console.print(table)
        console.print("\nkit explain METHOD: the formula, what differs from the source, and the hyper-parameters")
    options.write_json(json_file, {name: asdict(row) for name, row in rows.items()})


def explain(
    method: Annotated[str, typer.Argument(metavar="METHOD", help="One of 'kit list methods'.")],
    json_file: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Say what a method does, what it costs, where it is from, and what its hyper-parameters are."""
    from rich.console import Console

    if method not in methods.names():
        hint = did_you_mean(method, methods.names(), f"The methods are {', '.join(methods.names())}.")
        raise InputError(f"There is no method '{method}'. Expected one of 'kit list methods'. {hint}")
    defaults = hyperparameters(method)
    if str(json_file) != "-":
        console = Console(highlight=False)
        console.print(f"[bold]{method}[/bold]  (kit/methods/{method}.py)\n")
        console.print(_reflowed(methods.docstring(method)), markup=False)
        if defaults:
            console.print("\nHyper-parameters and their defaults:", markup=False)
            console.print("\n".join(f"    {name} = {value}" for name, value in defaults.items()), markup=False)
            console.print("\nThose that differ on a challenge are in data/hyperparameters.toml.", markup=False)
    options.write_json(json_file, asdict(_facts.of_method(method)) | {"hyperparameters": defaults})


def _reflowed(docstring: str) -> str:
    """Returns a docstring with a line for each paragraph and section, for a terminal of any width."""
    text = re.sub(rf"\n(?!\n|({'|'.join(_facts.SECTIONS)}):)", " ", docstring)
    return re.sub(r"\n +", "\n\n", text)


def hyperparameters(method: str) -> dict[str, Any]:
    """Returns the hyper-parameters of a built-in method that are plain numbers, with their defaults.

    Example:
        >>> hyperparameters("gradient_ascent")
        {'epochs': 3, 'learning_rate': 0.01, 'momentum': 0.9}
    """
    found: dict[str, Any] = {}
    for function in ("unlearning", "pretraining"):
        node = methods.function(method, function)
        for argument, value in zip(*((node.args.kwonlyargs, node.args.kw_defaults) if node else ((), ())), strict=True):
            if isinstance(value, ast.Constant) and value.value is not None:
                found[argument.arg] = value.value
    return found

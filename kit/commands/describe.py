"""`kit list methods` and `kit explain`: what the methods are, from their own docstrings, without TensorFlow."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from kit import methods
from kit.commands import completion, options
from kit.commands.options import DebugOption, JsonOption, QuietOption
from kit.methods import _facts
from kit.types import InputError


def list_methods(json_file: Path | None, *, in_full: bool) -> None:
    """Prints all methods and what each does; in full, also kind, cost, which data it touches, and where it is from."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows, refused = {}, list(methods.refused())
    for name in methods.names():
        try:
            rows[name] = _facts.of_method(name)
        except InputError as error:  # of an installed package
            refused.append(str(error))
    if str(json_file) != "-":
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        table.add_column(no_wrap=True, style="bold")
        table.add_column(overflow="fold")
        for name, row in rows.items():
            facts = f"kind: {row.kind}\npasses: {row.cost}\ndata: {row.data}\nsource: {row.source}"
            table.add_row(Text(name), Text.assemble(row.summary, (f"\n{facts}" if in_full else "", "dim")))
        console = Console(highlight=False)
        console.print(table)
        hint = "" if in_full else "kit list methods --long: what they cost and where they are from\n"
        console.print(
            f"\n{hint}kit explain METHOD: the formula, what differs from the source, and the hyper-parameters"
        )
    options.write_json(json_file, {name: asdict(row) for name, row in rows.items()})
    options.tell(refused)


def explain(
    method: Annotated[
        str, typer.Argument(metavar="METHOD", help="One of 'kit list methods'.", autocompletion=completion.method_names)
    ],
    json_file: JsonOption = None,
    quietly: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Say what a method does, what it costs, where it is from, and what its hyper-parameters are.

    Examples:
        kit explain scrub
    """
    options.require_method(method)
    from rich.console import Console
    from rich.text import Text

    defaults = _facts.hyperparameters(method)
    if str(json_file) != "-":
        console = Console(highlight=False)
        path = methods.path(method)
        built_in = method in methods.built_in()
        place = f"kit/methods/{path.name}" if built_in else str(path)
        console.print(Text.assemble((method, "bold"), f"  ({place})\n"))
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

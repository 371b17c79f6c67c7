"""What the commands say to people while they work: what is being done, what a check found, what Ctrl-C leaves."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import typer

from kit.commands import options
from kit.machine import interrupts

if TYPE_CHECKING:
    from rich.console import Console

_STYLES_OF_CHECKS = {"PASS": "green", "WARN": "yellow", "FAIL": "bold red", "SKIP": "dim"}


def announcer() -> Callable[[str], None]:
    """Returns a function that tells people, not machines, what is being done; nobody with `--quiet`.

    It heeds a lost Ctrl-C first: what is announced is not begun.
    """

    def announce(line: str) -> None:
        interrupts.heed()
        if os.environ.get(options.WITHOUT_BARS):
            return
        from rich.console import Console

        Console(stderr=True, highlight=False).print(f"· {line}", style="dim", markup=False)

    return announce


@contextlib.contextmanager
def resumable(kept: str = "Finished models are kept") -> Iterator[None]:
    """Says after Ctrl-C that nothing is lost, and what is kept."""
    try:
        with interrupts.watched():
            yield
    except KeyboardInterrupt:
        typer.echo(f"\nInterrupted. {kept}: the same command goes on where it stopped.", err=True)
        raise typer.Exit(130) from None


def print_check(console: Console, name: str, status: str, message: str) -> None:
    """Prints the outcome of a check: PASS, WARN, FAIL or SKIP, its name, and what was found."""
    from rich.table import Table
    from rich.text import Text

    row = Table.grid(padding=(0, 1))
    row.add_column(width=4)
    row.add_column(width=19)
    row.add_column(overflow="fold")
    row.add_row(Text(status, _STYLES_OF_CHECKS[status]), Text(name), Text(message))
    console.print(row)

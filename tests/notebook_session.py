"""Runs a notebook's source in IPython, cell by cell as a kernel does, without its sockets: a script for `processes`.

What a cell shows is formatted and figures are drawn; an error there, which a kernel only prints, is one too.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import guests
import processes
import pytest


def fail(error: tuple[object, BaseException, TracebackType] | None = None, *_: object, **__: object) -> NoReturn:
    """Stands where IPython prints an error and goes on."""
    raise error[1] if error else sys.exc_info()[1] or AssertionError("an error without one")


def fork_what_it_starts(patch: pytest.MonkeyPatch) -> None:
    """Has contained runs forked, and the commands of the kit that a notebook types, while the patch is there."""
    guests.fork_them(patch)
    start = subprocess.run

    def run(words: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        if [*words[:3]] != [sys.executable, "-m", "kit"]:
            return start(words, **options)
        finished = processes.run("kit", *words[3:], folder=Path(options["cwd"]), env=options["env"])
        return subprocess.CompletedProcess(words, finished.returncode, finished.stdout, finished.stderr)

    patch.setattr(subprocess, "run", run)


def run(source: str) -> None:
    import jupytext
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell.instance(config=config)
    shell.showtraceback = fail
    for cell in jupytext.read(source).cells:
        if cell.cell_type == "code":
            shell.run_cell(cell.source).raise_error()


if __name__ == "__main__":
    with pytest.MonkeyPatch.context() as patch:
        fork_what_it_starts(patch)
        run(sys.argv[1])

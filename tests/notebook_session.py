"""Runs a notebook's source in IPython, cell by cell as a kernel does, without its sockets: a script for `processes`.

What a cell shows is formatted and figures are drawn; an error there, which a kernel only prints, is one too.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import NoReturn


def fail(error: tuple[object, BaseException, TracebackType] | None = None, *_: object, **__: object) -> NoReturn:
    """Stands where IPython prints an error and goes on."""
    raise error[1] if error else sys.exc_info()[1] or AssertionError("an error without one")


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
    run(sys.argv[1])

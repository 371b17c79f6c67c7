"""Runs the command line within a test, and looks at its errors."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit import __main__ as command_line


@dataclass(frozen=True)
class Result:
    """What a command leaves: its exit code and what it printed."""

    code: int
    out: str
    err: str


class Strings(io.StringIO):
    """A text stream in memory that also has a name and an encoding, as a terminal's has."""

    encoding = "utf-8"


def environment(**changes: str) -> dict[str, str]:
    """The surroundings of a newcomer's shell: nothing set for TensorFlow, Python's warnings or the terminal."""
    prefixes = ("TF_", "KERAS_", "PYTHON", "PYTEST", "COV_", "FORCE_COLOR", "NO_COLOR", "COLUMNS", "LINES")
    kept = {name: value for name, value in os.environ.items() if name == "PYTHONPATH" or not name.startswith(prefixes)}
    return kept | changes


def call(*arguments: str | Path) -> Result:
    """Runs the command line in this process, as `kit ARGUMENTS` would."""
    out, err, argv, environment = Strings(), Strings(), sys.argv, dict(os.environ)
    sys.argv = ["kit", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            command_line.main()
        code: Any = 0
    except SystemExit as error:
        code = error.code
    finally:
        sys.argv = argv
        if "TQDM_DISABLE" not in environment:  # what --quiet sets, for the processes of one command
            os.environ.pop("TQDM_DISABLE", None)
    return Result({None: 0}.get(code, code), out.getvalue(), err.getvalue())


def one_paragraph(result: Result, code: int = 2) -> str:
    """Checks that an error is one paragraph, without a traceback and without output; returns it on one line."""
    assert result.code == code, result.err
    assert result.out == ""
    error = result.err[result.err.index("Error: ") :].strip()
    assert "Traceback" not in result.err
    assert 'File "' not in result.err
    assert "\n" not in error
    return error

"""Importing a submission's file, as 'python FILE' would, and leaving no trace of its helpers."""

from __future__ import annotations

import importlib.util
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kit.types import InputError

ADVICE = "Expected a Python file that defines 'def unlearning(net, retain, forget, validation)'."


def import_file(path: Path) -> Callable[..., Any]:
    """Imports, hence executes, a file and returns its function `unlearning`.

    Helpers beside the file are found, and forgotten again: the next file may have others of the same name.

    Raises:
        InputError: it fails, or defines no function of that name.
    """
    name = f"kit_submission_{zlib.crc32(str(path.resolve()).encode()):08x}"
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise InputError(f"'{path}' cannot be imported. {ADVICE} Give it the ending .py.")
    module = importlib.util.module_from_spec(specification)
    path_before, modules_before = list(sys.path), set(sys.modules)
    sys.modules[name] = module  # dataclasses and pickles look their module up there
    sys.path.insert(0, str(path.resolve().parent))  # as 'python file.py' does, for helpers beside the file
    try:
        specification.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a stranger's file can raise anything
        del sys.modules[name]
        reason = "".join(f": {line}" for line in str(error).strip().splitlines()[:1])
        raise InputError(
            f"Importing '{path}' failed with {type(error).__name__}{reason}. {ADVICE} Run 'python {path}' to see "
            "where it fails."
        ) from error
    finally:
        sys.path[:] = path_before
        _forget_helpers(path.resolve().parent, set(sys.modules) - modules_before - {name})
    function = getattr(module, "unlearning", None)
    if not callable(function):
        raise InputError(f"'{path}' defines no function 'unlearning'. {ADVICE} Rename your function to 'unlearning'.")
    unlearning: Callable[..., Any] = function
    return unlearning


def _forget_helpers(folder: Path, loaded: set[str]) -> None:
    """Drops modules that a submission imported from its own folder."""
    for name in loaded:
        file = getattr(sys.modules[name], "__file__", None)
        if file is not None and Path(file).resolve().is_relative_to(folder) and "site-packages" not in file:
            del sys.modules[name]

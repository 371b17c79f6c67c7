"""From a name, a function or a file to a method."""

from __future__ import annotations

import difflib
import importlib.util
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kit import methods
from kit.types import InputError

Method = Callable[..., Any]
_ADVICE = "Expected a Python file that defines 'def unlearning(net, retain, forget, validation)'."


def load_method(identifier: str | Path | Method) -> Method:
    """Returns the function `unlearning(net, retain, forget, validation, *, ...)`.

    Args:
        identifier: a built-in name (`kit.methods.names()`), a function with that signature, or the path of a Python
            file that defines `unlearning`. A file is imported, hence executed: it must be one that you trust.

    Raises:
        InputError: an unknown name (near matches are shown), a missing file, a file that fails or defines nothing.

    Example:
        >>> load_method("finetune").__module__
        'kit.methods.finetune'
    """
    if callable(identifier):
        return identifier
    check_identifier(identifier)
    if str(identifier) in methods.names():
        return methods.get(str(identifier))
    return _import_file(Path(identifier))


def check_identifier(identifier: str | Path) -> None:
    """Checks that a name is a built-in method's or the path of a Python file that exists; nothing is imported.

    Raises:
        InputError: it is neither; near matches are shown.
    """
    if str(identifier) in methods.names():
        return
    if Path(identifier).suffix != ".py":
        near = difflib.get_close_matches(str(identifier), methods.names(), n=3, cutoff=0.6)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"The methods are {', '.join(methods.names())}."
        raise InputError(f"There is no method '{identifier}'. Expected a name or the path of a Python file. {hint}")
    if not Path(identifier).is_file():
        raise InputError(f"There is no file '{identifier}'. {_ADVICE} Check the path and the working folder.")


def method_name(identifier: str | Path | Method) -> str:
    """Returns the name under which a method's results appear.

    Example:
        >>> method_name("retrain"), method_name("folder/my_method.py")
        ('retrain', 'my_method')
    """
    if callable(identifier):
        return getattr(identifier, "__name__", type(identifier).__name__).strip("<>")
    return Path(identifier).stem if str(identifier) not in methods.names() else str(identifier)


def _import_file(path: Path) -> Method:
    name = f"kit_submission_{zlib.crc32(str(path.resolve()).encode()):08x}"
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise InputError(f"'{path}' cannot be imported. {_ADVICE} Give it the ending .py.")
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
            f"Importing '{path}' failed with {type(error).__name__}{reason}. {_ADVICE} Run 'python {path}' to see "
            "where it fails."
        ) from error
    finally:
        sys.path[:] = path_before
        _forget_helpers(path.resolve().parent, set(sys.modules) - modules_before - {name})
    function = getattr(module, "unlearning", None)
    if not callable(function):
        raise InputError(f"'{path}' defines no function 'unlearning'. {_ADVICE} Rename your function to 'unlearning'.")
    loaded: Method = function
    return loaded


def _forget_helpers(folder: Path, loaded: set[str]) -> None:
    """Drops modules that a submission imported from its own folder: the next one may have others of the same name."""
    for name in loaded:
        file = getattr(sys.modules[name], "__file__", None)
        if file is not None and Path(file).resolve().is_relative_to(folder) and "site-packages" not in file:
            del sys.modules[name]

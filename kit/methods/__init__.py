"""Unlearning methods, one file each: the folder is the registry, and installed packages can add to it.

A file defines `unlearning(net, retain, forget, validation, *, ...)`; its name is the method's name, and the function's
docstring says what it does (see `kit.methods._facts`). `SEARCH_SPACE`, if there is one, says where `kit tune` looks for
better hyper-parameters (see `kit.tuning`). Files are parsed rather than imported wherever that is enough, because an
import would load TensorFlow.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from kit import extensions
from kit.extensions import Extension
from kit.types import InputError


def built_in() -> tuple[str, ...]:
    """Returns the names of the kit's own methods, sorted.

    Example:
        >>> "finetune" in built_in()
        True
    """
    return tuple(sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_")))


def names() -> tuple[str, ...]:
    """Returns the names of all methods: the kit's own, then those of installed packages.

    Example:
        >>> "finetune" in names()
        True
    """
    return (*built_in(), *_installed())


def refused() -> tuple[str, ...]:
    """Returns a paragraph for each method of an installed package that is left out, because its name is taken."""
    return extensions.installed("kit.methods", built_in()).refused


def _installed() -> Mapping[str, Extension]:
    return extensions.installed("kit.methods", built_in()).extensions


def check(name: str) -> None:
    """Checks that a method can be read, and defines the function `unlearning`; nothing is imported.

    Raises:
        InputError: that of an installed package cannot, or does not.
    """
    if function(name, "unlearning") is None:
        raise _installed()[name].broken("defines no function 'unlearning'")


def path(name: str) -> Path:
    """Returns a method's file.

    Raises:
        InputError: a method of an installed package has none.
    """
    extension = _installed().get(name)
    return Path(__file__).parent / f"{name}.py" if extension is None else extension.file()


def source_sha256(name: str) -> str:
    """Returns the hex digest of the file of an installed package's method; "" for the kit's own methods.

    Stored results depend on it as they depend on the kit's source, of which the kit's own methods are a part.
    """
    return hashlib.sha256(path(name).read_bytes()).hexdigest() if name in _installed() else ""


def summary(name: str) -> str:
    """Returns the first line of a method's docstring.

    Example:
        >>> summary("original")
        'Nothing is done: the model as it was trained, forget set included.'
    """
    return docstring(name).partition("\n")[0]


def docstring(name: str) -> str:
    """Returns a method's docstring."""
    node = function(name, "unlearning")
    return "" if node is None else ast.get_docstring(node) or ""


def function(method: str, name: str) -> ast.FunctionDef | None:
    """Returns a function of a method's file as parsed, None where there is none of that name.

    Raises:
        InputError: a method of an installed package cannot be parsed.
    """
    functions = (node for node in _parsed(method).body if isinstance(node, ast.FunctionDef) and node.name == name)
    return next(functions, None)


def search_space(method: str) -> Mapping[str, tuple[Any, ...]]:
    """Returns where `kit tune` looks for a method's hyper-parameters: name -> kind and ends; empty where it does not.

    Raises:
        InputError: `SEARCH_SPACE` in the method's file is no dictionary of plain values.

    Example:
        >>> search_space("random_labels")
        {'epochs': ('int', 1, 15), 'learning_rate': ('log', 0.001, 0.3)}
        >>> search_space("retrain")
        {}
    """
    for node in _parsed(method).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["SEARCH_SPACE"]:
            try:
                return {str(name): tuple(bounds) for name, bounds in ast.literal_eval(node.value).items()}
            except (ValueError, TypeError, AttributeError) as error:
                raise InputError(
                    f"SEARCH_SPACE of the method '{method}' is '{ast.unparse(node.value)[:40]}'. Expected a dictionary "
                    'of plain values, such as {"epochs": ("int", 1, 15)}, for it is read without importing the file. '
                    f"Correct {path(method)}."
                ) from error
    return {}


def require_search_space(method: str) -> None:
    """Checks that the file of a method says where `kit tune` looks.

    Raises:
        InputError: it does not.
    """
    if not search_space(method):
        searched = [name for name in built_in() if search_space(name)]
        raise InputError(
            f"The method '{method}' has no search space. Expected one of {', '.join(searched)}, or a dictionary "
            "SEARCH_SPACE in the method's file. Add one; 'kit/tuning/__init__.py' says what it looks like."
        )


def _parsed(method: str) -> ast.Module:
    extension = _installed().get(method)
    try:
        file = path(method)
        return _tree(file, file.stat().st_mtime_ns)
    except (OSError, SyntaxError, ValueError) as error:
        if extension is None or isinstance(error, InputError):
            raise
        raise extension.broken(f"cannot be read ({type(error).__name__}: {error})") from error


@functools.lru_cache(maxsize=64)
def _tree(file: Path, _changed: int) -> ast.Module:
    """Parses a file once, until it is changed: docstring, settings and search space are asked for one by one."""
    return ast.parse(file.read_text(encoding="utf-8"))


def get(name: str) -> Callable[..., Any]:
    """Returns the function `unlearning` of a method.

    Raises:
        InputError: the module of an installed package cannot be imported, or defines no such function.
    """
    check(name)
    unlearning: Callable[..., Any] = module(name).unlearning
    return unlearning


def module(name: str) -> ModuleType:
    """Returns the module of a method.

    Raises:
        InputError: that of an installed package cannot be imported.
    """
    extension = _installed().get(name)
    loaded: ModuleType = importlib.import_module(f"kit.methods.{name}") if extension is None else extension.load()
    return loaded


def trains_its_own(name: str) -> bool:
    """Returns whether a method has a training of the original of its own.

    Example:
        >>> trains_its_own("sisa"), trains_its_own("finetune")
        (True, False)
    """
    return name in names() and function(name, "pretraining") is not None


def takes(name: str, parameter: str, function_name: str = "unlearning") -> bool:
    """Returns whether a function of a method's file has a parameter of this name, without importing it.

    Example:
        >>> takes("finetune", "loss"), takes("sisa", "shards", "pretraining")
        (True, True)
    """
    node = function(name, function_name)
    return node is not None and parameter in [argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)]

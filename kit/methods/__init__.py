"""Unlearning methods, one file each: the folder is the registry.

A file defines `unlearning(net, retain, forget, validation, *, ...)`; its name is the method's name, and the first line
of the function's docstring says what it does.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any


def names() -> tuple[str, ...]:
    """Returns the names of the built-in methods, sorted.

    Example:
        >>> "finetune" in names()
        True
    """
    return tuple(sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_")))


def summary(name: str) -> str:
    """Returns the first line of a method's docstring without importing it (that would load TensorFlow).

    Example:
        >>> summary("original")
        'Nothing is done: the model as it was trained, forget set included.'
    """
    return docstring(name).partition("\n")[0]


def docstring(name: str) -> str:
    """Returns a method's docstring without importing it."""
    found = function(name, "unlearning")
    return "" if found is None else ast.get_docstring(found) or ""


def function(method: str, name: str) -> ast.FunctionDef | None:
    """Returns a function of a method's file as parsed, None where there is none of that name."""
    tree = ast.parse((Path(__file__).parent / f"{method}.py").read_text(encoding="utf-8"))
    found = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)
    return next(found, None)


def get(name: str) -> Callable[..., Any]:
    """Returns the function `unlearning` of a built-in method."""
    found: Callable[..., Any] = module(name).unlearning
    return found


def module(name: str) -> ModuleType:
    """Returns the module of a built-in method."""
    return importlib.import_module(f"kit.methods.{name}")


def trains_its_own(name: str) -> bool:
    """Returns whether a method has a training of the original of its own, without importing it.

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

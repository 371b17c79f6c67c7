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
        >>> names()
        ('finetune', 'original', 'retrain')
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
    found = _function(name, "unlearning")
    return "" if found is None else ast.get_docstring(found) or ""


def _function(name: str, function: str) -> ast.FunctionDef | None:
    tree = ast.parse((Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8"))
    found = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function)
    return next(found, None)


def get(name: str) -> Callable[..., Any]:
    """Returns the function `unlearning` of a built-in method."""
    function: Callable[..., Any] = module(name).unlearning
    return function


def module(name: str) -> ModuleType:
    """Returns the module of a built-in method."""
    return importlib.import_module(f"kit.methods.{name}")


def trains_its_own(name: str) -> bool:
    """Returns whether a method has a training of the original of its own, without importing it.

    Example:
        >>> trains_its_own("sisa"), trains_its_own("finetune")
        (True, False)
    """
    return name in names() and _function(name, "pretraining") is not None

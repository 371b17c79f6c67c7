"""Unlearning methods, one file each: the folder is the registry.

A file defines `unlearning(net, retain, forget, validation, *, ...)`; its name is the method's name, and the first line
of the function's docstring says what it does.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable
from pathlib import Path
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
    tree = ast.parse((Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8"))
    found = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "unlearning")
    return (ast.get_docstring(found) or "").partition("\n")[0]


def get(name: str) -> Callable[..., Any]:
    """Returns the function `unlearning` of a built-in method."""
    function: Callable[..., Any] = importlib.import_module(f"kit.methods.{name}").unlearning
    return function

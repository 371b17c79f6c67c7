"""Whoever calls a public function reads in its docstring that it raises `InputError`, if it does."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import kit

PACKAGE = Path(kit.__file__).resolve().parent
# Commands and what a process says of itself speak to a terminal: their errors are an exit code and a paragraph.
ROOMS = sorted({path.parent for path in PACKAGE.rglob("*.py")} - {PACKAGE / "commands", PACKAGE / "machine"})
STATED = re.compile(r"^ *Raises:\n(.*\n)*? +([\w, ]+, )?InputError\b|\berrors,? as ", re.MULTILINE)
# Where a class says what its making raises.
MAKING = ("__init__", "__post_init__")


def functions(tree: ast.Module) -> dict[str, tuple[ast.FunctionDef, str]]:
    """All functions and methods of a file by name, `Class.method` for methods, with what says what they raise."""
    result = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            result[node.name] = (node, ast.get_docstring(node) or "")
        elif isinstance(node, ast.ClassDef):
            for method in node.body:
                if isinstance(method, ast.FunctionDef):
                    texts = [method, node] if method.name in MAKING else [method]
                    text = "\n".join(ast.get_docstring(documented) or "" for documented in texts)
                    result[f"{node.name}.{method.name}"] = (method, text)
    return result


def raises(function: ast.FunctionDef) -> bool:
    """Whether `raise InputError(...)` stands in a function."""
    raised = [
        node.exc.func for node in ast.walk(function) if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
    ]
    return any(ast.unparse(error).split(".")[-1] == "InputError" for error in raised)


def calls(function: ast.FunctionDef, name: str) -> Iterator[str]:
    """Yields what a function calls of its own file, and of its own object, under the names of `functions`."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            own = ast.unparse(node.func.value) in ("self", "cls")
            yield f"{name.partition('.')[0]}.{node.func.attr}" if own else ""


def is_public(name: str) -> bool:
    return all(part[0] != "_" or part in MAKING for part in name.split("."))


def silent(text: str) -> list[str]:
    """The public functions of a file that raise `InputError`, or call one of it that does, and do not say so."""
    every = functions(ast.parse(text))
    direct = {name for name, (function, _) in every.items() if raises(function)}
    return [
        name
        for name, (function, documentation) in every.items()
        if is_public(name) and not STATED.search(documentation)
        if name in direct or direct.intersection(calls(function, name))
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def f():\n    RAISE", ["f"]),
        ("def f():\n    if True:\n        raise types.InputError() from None", ["f"]),
        ("def f():\n    '''F.\n\n    Raises:\n        OSError: a.\n        InputError: b.\n    '''\n    RAISE", []),
        ("def f():\n    '''Raises InputError.\n\n    Raises:\n        OSError: a.\n    '''\n    RAISE", ["f"]),
        ("def f():\n    '''Arguments and errors as for `g`.'''\n    RAISE", []),
        ("def f():\n    _g()\ndef _g():\n    RAISE", ["f"]),
        ("def f():\n    other._g()\ndef _g():\n    RAISE", []),
        ("class A:\n    def f(self):\n        self._g()\n    def _g(self):\n        RAISE", ["A.f"]),
        (
            "class A:\n    '''A\n\n    Raises:\n        InputError: a\n    '''\n    def __init__(self):\n        RAISE",
            [],
        ),
        ("class A:\n    '''A.'''\n    def __post_init__(self):\n        RAISE", ["A.__post_init__"]),
        ("class _A:\n    def f(self):\n        RAISE", []),
        ("def f():\n    raise ValueError()", []),
    ],
)
def test_what_is_silent(text: str, expected: list[str]) -> None:
    assert silent(text.replace("RAISE", "raise InputError()")) == expected


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.relative_to(PACKAGE).as_posix())
def test_public_functions_say_that_they_raise_input_errors(room: Path) -> None:
    files = [path for path in sorted(room.glob("*.py")) if path.name[0] != "_" or path.name == "__init__.py"]
    missing = {path.name: silent(path.read_text(encoding="utf-8")) for path in files}
    assert {name: names for name, names in missing.items() if names} == {}

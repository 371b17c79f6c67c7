"""What CONTRIBUTING.md says of files, functions, variables and rooms, counted in the sources."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import kit

PACKAGE = Path(kit.__file__).resolve().parent
CHECKOUT = PACKAGE.parent
SOURCES = [path for folder in ("kit", "benchmarks") for path in sorted((CHECKOUT / folder).rglob("*.py"))]
LONGEST_FILE, LONGEST_FUNCTION = 300, 45
# Names that say of a variable what became of it, not what it is.
NO_NOUNS = {"one", "found", "told", "said", "held", "made", "got", "them", "it"}
# Rooms whose public functions say what each parameter is, and what they return.
DOCUMENTED = ("engines", "evaluation", "leaks", "machine", "requests", "runs", "storage", "toolbox")
# Elsewhere the same arguments are described: in a protocol, or in the function that hands them on.
ELSEWHERE = re.compile(r"[Ss]ee `|\b[Aa]s (for )?`|[Aa]rguments and errors as")


def relative(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function, its docstring not counted."""
    documentation = ast.get_docstring(function, clean=False)
    lines = (function.end_lineno or 0) - function.lineno + 1
    return lines - (documentation.count("\n") + 1 if documentation else 0)


def variables(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yields every name that is assigned or is a parameter, and its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno


def is_documented(function: ast.FunctionDef) -> bool:
    """Whether a docstring names each parameter, in backticks or under `Args:`, and says what is returned."""
    text = ast.get_docstring(function) or ""
    if ELSEWHERE.search(text):
        return True
    every = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    names = [parameter.arg for parameter in every if parameter.arg not in ("self", "cls")]
    named = all(re.search(rf"`{name}`|^ +(\w+, )*{name}(, \w+)*: ", text, re.MULTILINE) for name in names)
    result = "None" if function.decorator_list or function.returns is None else ast.unparse(function.returns)
    return bool(text) and named and (result in ("None", "NoReturn") or re.search("Returns|Yields", text) is not None)


def test_the_counts_are_right() -> None:
    source = 'def f(one, /):\n    """Two\n    lines."""\n    for found in one:\n        pass\n    return one\n'
    tree = ast.parse(source)
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    assert length(function) == 4
    assert sorted(variables(tree)) == [("found", 4), ("one", 1)]


@pytest.mark.slow
def test_variables_of_tests_and_notebooks_are_nouns() -> None:
    paths = [path for folder in ("tests", "notebooks") for path in sorted((CHECKOUT / folder).rglob("*.py"))]
    trees = {path: ast.parse(path.read_bytes()) for path in paths if path.parent.name != "bad_submissions"}
    names = [(path.name, name, line) for path, tree in trees.items() for name, line in variables(tree)]
    assert [use for use in names if use[1] in NO_NOUNS] == []


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_files_and_functions_are_short_and_variables_nouns(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert path.parts[-2] == "benchmarks" or text.count("\n") <= LONGEST_FILE
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert [f"{node.name}: {length(node)} lines" for node in functions if length(node) > LONGEST_FUNCTION] == []
    assert [f"{name}, line {line}" for name, line in variables(tree) if name in NO_NOUNS] == []


@pytest.mark.parametrize(
    ("documentation", "is_complete"),
    [
        ("Returns `x` as text.", True),
        ("Makes a text.\n\n    Args:\n        x: any.\n\n    Returns:\n        It.\n    ", True),
        ("As `str`.", True),
        ("Returns it as text.", False),
        ("Makes a text.\n\n    Args:\n        x: any.\n    ", False),
        ("Makes a text.\n\n    Args:\n        xs: any.\n\n    Returns:\n        It.\n    ", False),
    ],
)
def test_what_a_docstring_has_to_say(documentation: str, is_complete: bool) -> None:
    (function,) = ast.parse(f'def f(x) -> str:\n    """{documentation}"""\n').body
    assert isinstance(function, ast.FunctionDef)
    assert is_documented(function) is is_complete


@pytest.mark.parametrize("room", DOCUMENTED)
def test_public_functions_say_what_each_parameter_is(room: str) -> None:
    bodies: list[tuple[Path, list[ast.stmt]]] = []
    for path in [PACKAGE / room / "__init__.py", *sorted((PACKAGE / room).glob("[!_]*.py"))]:
        body = ast.parse(path.read_bytes()).body
        bodies += [(path, body)]
        bodies += [(path, node.body) for node in body if isinstance(node, ast.ClassDef) and node.name[0] != "_"]
    functions = [
        (path, node)
        for path, body in bodies
        for node in body
        if isinstance(node, ast.FunctionDef) and node.name[0] != "_"
    ]
    assert [f"{relative(path)}: {node.name}" for path, node in functions if not is_documented(node)] == []


def test_every_room_has_its_floor() -> None:
    """A room that the contract of the floors does not name could import whatever it wants."""
    settings = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (floors,) = [contract["layers"] for contract in settings["contracts"] if contract["type"] == "layers"]
    named = [room for floor in floors for room in floor.split(" | ")]
    files = {f"kit.{path.stem}" for path in PACKAGE.glob("*.py")} - {"kit.__init__"}
    folders = {f"kit.{path.parent.name}" for path in PACKAGE.glob("*/__init__.py")}
    assert sorted(named) == sorted(files | folders)

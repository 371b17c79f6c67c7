"""Checks of a submission's text, before anything of it is executed. A check returns "" or what is wrong."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import textwrap
import warnings
from collections.abc import Callable
from typing import Any

from kit.submission.contract import Unlearning
from kit.submission.source import Source
from kit.types import BrokenSubmission

PARAMETERS = ("net", "retain", "forget", "validation")
_CONTRACT = "Expected 'def unlearning(net, retain, forget, validation):' at the top level."


def text_of(method: Unlearning | Source) -> str | None:
    """Returns the source text of a submission, or None for a function whose source is not to be had."""
    if isinstance(method, Source):
        content = method.files[method.entry]
        return content.decode(errors="replace") if encoding_problem(content) else importlib.util.decode_source(content)
    # Made by 'exec': there, Python 3.13 finds the program that 'python -c' was given.
    code = getattr(inspect.unwrap(method), "__code__", None)
    if code is not None and code.co_filename == "<string>":
        return None
    try:
        return textwrap.dedent(inspect.getsource(method))
    except (OSError, TypeError):
        return None


def require(source: Source) -> None:
    """Checks what must hold before a file is worth starting a process for.

    Raises:
        BrokenSubmission: it does not parse, or defines no function `unlearning` with the contract's parameters.
    """
    problem, text = encoding_problem(source.files[source.entry]), text_of(source) or ""
    if problem:
        raise BrokenSubmission("parses", f"'{source.entry}': {problem}")
    checks = {"parses": parse_problem, "defines_unlearning": definition_problem, "signature": signature_problem}
    for name, check in checks.items():
        problem = check(text)
        if problem:
            raise BrokenSubmission(name, f"'{source.entry}': {problem}")


def parsed(text: str) -> ast.Module:
    """Parses without a word about invalid escapes and the like: Python will say that when it imports the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


def encoding_problem(content: bytes) -> str:
    """Returns why Python cannot read these bytes as text.

    Example:
        >>> encoding_problem("name = 'é'".encode("latin-1"))[:40]
        'Python cannot read the file as text: inv'
    """
    try:
        importlib.util.decode_source(content)
    except (UnicodeDecodeError, SyntaxError, LookupError) as error:
        return f"Python cannot read the file as text: {error}. Expected a Python file. Save it as UTF-8."
    return ""


def parse_problem(text: str) -> str:
    """Returns why `text` is not Python.

    Example:
        >>> parse_problem("def f(:")[:35]
        'Line 1 is not Python: invalid synta'
    """
    try:
        parsed(text)
    except SyntaxError as error:
        if error.lineno is None:
            return f"The file is not Python: {error.msg}. Expected a Python file. Save it as plain UTF-8 text."
        return f"Line {error.lineno} is not Python: {error.msg}. Expected a Python file. Look there and just above."
    except (ValueError, RecursionError, MemoryError) as error:
        reason = str(error) or f"{type(error).__name__}, it is nested too deeply"
        return f"The file is not Python: {reason}. Expected a Python file. Write shorter expressions."
    return ""


def definition_problem(text: str) -> str:
    """Returns why no function `unlearning` is defined at the top level of `text`, which must parse.

    Example:
        >>> definition_problem("unlearning = lambda net, retain, forget, validation: net")[:38]
        "'unlearning' is a variable, not a 'def"
    """
    tree = parsed(text)
    definition = _top_level(tree)
    if isinstance(definition, ast.FunctionDef):
        return ""
    if definition is not None:
        return f"'unlearning' is {_KINDS[type(definition)]}, not a 'def'. {_CONTRACT} Write it as a plain function."
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    nested = [node for node in ast.walk(tree) if isinstance(node, kinds) and node.name == "unlearning"]
    if nested:
        return f"'unlearning' is defined inside another block (line {nested[0].lineno}). {_CONTRACT} Move it out."
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    hint = f" Rename '{functions[0]}'." if len(functions) == 1 else " 'kit new FILE' writes a file to start from."
    return f"No function 'unlearning' is defined. {_CONTRACT}{hint}"


_KINDS: dict[type[ast.stmt], str] = {
    ast.AsyncFunctionDef: "an 'async def'",
    ast.ClassDef: "a class",
    ast.Assign: "a variable",
    ast.AnnAssign: "a variable",
    ast.Import: "imported",
    ast.ImportFrom: "imported",
    ast.Delete: "deleted again",
}


def _top_level(tree: ast.Module) -> ast.stmt | None:
    """Returns the last statement at the top level that gives 'unlearning' a meaning."""
    definition: ast.stmt | None = None
    for node in tree.body:
        names: list[str] = []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.asname or alias.name for alias in node.names]
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.Delete):
            targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
            names = [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]
        definition = node if "unlearning" in names else definition
    return definition


def signature_problem(method: Callable[..., Any] | str) -> str:
    """Returns what is wrong with the parameters of a function, or of the top-level `unlearning` in a text.

    Example:
        >>> signature_problem("def unlearning(model, retain, forget, validation): ...")[:31]
        'Its parameters are model, retai'
    """
    if isinstance(method, str):
        definition = _top_level(parsed(method))
        assert isinstance(definition, ast.FunctionDef)
        arguments = definition.args
        positional = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
        variable = [argument.arg for argument in (arguments.vararg, arguments.kwarg) if argument is not None]
        required = [
            argument.arg
            for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
            if default is None
        ]
    else:
        try:
            parameters = list(inspect.signature(method).parameters.values())
        except (ValueError, TypeError):
            return f"{method!r} has no signature. Expected a function with the four parameters. Pass a 'def' of yours."
        kinds = inspect.Parameter
        positional = [p.name for p in parameters if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
        variable = [p.name for p in parameters if p.kind in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)]
        required = [p.name for p in parameters if p.kind is kinds.KEYWORD_ONLY and p.default is kinds.empty]
    listing = ", ".join([*positional, *(f"*{name}" for name in variable)]) or "none"
    if tuple(positional[:4]) != PARAMETERS:
        return (
            f"Its parameters are {listing}. Expected net, retain, forget, validation, in this "
            "order and under these names. Rename or reorder them."
        )
    if positional[4:] or variable:
        extra = ", ".join(positional[4:] + [f"*{name}" for name in variable])
        return (
            f"It has the further parameters {extra}. Expected further ones to be keyword-only. Put a '*' before them, "
            "as in (net, retain, forget, validation, *, epochs=3)."
        )
    if required:
        return (
            f"The parameter{'s' * (len(required) > 1)} {', '.join(required)} ha{'ve' if len(required) > 1 else 's'} no "
            "default. Expected one for each further parameter, because the harness passes four arguments. Give it one."
        )
    return ""

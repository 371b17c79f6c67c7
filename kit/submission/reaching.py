"""Where a submission's text seems to reach for the evaluation's data, or for the kit's retrained models."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Sequence, Set
from pathlib import Path

from kit.submission.allowed import DATA_SETS, PACKAGES, ROOMS, is_allowed
from kit.submission.source import Source
from kit.submission.text_checks import encoding_problem, parse_problem, parsed

# Names by which a submission could reach the evaluation's data, or results of retraining; of the kit, see `allowed`.
_FORBIDDEN_MODULES = (*DATA_SETS, "tensorflow.keras.datasets", "tf.keras.datasets", *PACKAGES)
# What 'importlib.import_module' would take.
_IMPORTABLE = re.compile(r"kit(\.[A-Za-z_]\w*)+")
_FORBIDDEN_NAMES = (
    "load_challenge", "load_digits", "load_data", "evaluate_all", "run_population", "data_folder", "cache_folder",
)  # fmt: skip
_FORBIDDEN_TEXTS = (
    "oracle",
    "data/pretrained",
    "KIT_HOME",
    "KERAS_HOME",
    "/proc/",
    "outputs.npz",
    "runs/",
    "/kaggle/input",
)


def evaluation_data_problem(text: str, beside: Sequence[str] = ()) -> str:
    """Returns where a text seems to reach for the evaluation's data or for the kit's retrained models.

    Args:
        text: that parses.
        beside: modules that come with the submission: its helpers, or of a built-in method those of its own.

    Example:
        >>> evaluation_data_problem("from sklearn.datasets import load_digits")[:40]
        "Line 1 uses 'sklearn.datasets', which ca"
        >>> evaluation_data_problem("from kit.toolbox import training")
        ''
    """
    tree = parsed(text)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    aliases, bare = _names_of_the_kit(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) in docstrings:
            continue
        used = _forbidden_in(node, beside) or ("kit" if id(node) in bare else _part_of_the_kit(node, aliases, beside))
        if used:
            return (
                f"Line {node.lineno} uses '{used}', which can lead to test data or retrained models. Expected a "  # type: ignore[attr-defined]
                f"function that works with its four arguments and, of the kit, with {' and '.join(ROOMS)} alone "
                "(RULES.md). Remove it; if it is harmless, tell the host."
            )
    return ""


def reaching_problem(source: Source) -> str:
    """Returns what `evaluation_data_problem` finds in a submission's file or in one of its helpers, which it names."""
    helpers = {Path(name).parts[0].removesuffix(".py") for name in source.files if name != source.entry}
    for name in sorted(source.files, key=lambda name: (name != source.entry, name)):
        content = source.files[name]
        text = "" if encoding_problem(content) else importlib.util.decode_source(content)
        problem = "" if parse_problem(text) else evaluation_data_problem(text, [*source.modules, *helpers])
        if problem:
            return problem if name == source.entry else f"'{name}': {problem}"
    return ""


def _forbidden_in(node: ast.AST, beside: Sequence[str]) -> str:
    """Returns the forbidden module, name or text that a node of the syntax tree uses, or ""."""
    names = [name for name in _names_in(node) if name.partition(".")[0] not in beside]
    if isinstance(node, ast.Constant) and names:
        value = names[0]
        text = "runs/" if value.startswith("runs/") else next((part for part in _FORBIDDEN_TEXTS if part in value), "")
        if text:
            return text
    return next((name for name in names if name in _FORBIDDEN_NAMES or _is_forbidden(name)), "")


def _names_in(node: ast.AST) -> list[str]:
    """Returns the names, dotted or not, that a node of the syntax tree imports or uses; of a constant, its text."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        dotted = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        return [*dotted, *(alias.name for alias in node.names if alias.name not in PACKAGES)]
    if isinstance(node, ast.Attribute | ast.Name):  # 'datasets' alone is any variable
        names = [node.attr, _dotted(node)] if isinstance(node, ast.Attribute) else [node.id]
        return [name for name in names if name.partition(".")[0] not in PACKAGES]
    if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and node.value not in PACKAGES:
        return [node.value if isinstance(node.value, str) else node.value.decode(errors="replace")]
    return []


def _names_of_the_kit(tree: ast.Module) -> tuple[Set[str], Set[int]]:
    """Returns the names under which a text has the kit, and the ids of nodes that use it whole, as in `vars(kit)`."""
    imports = [alias for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    imported = {alias.asname or "kit" for alias in imports if alias.name == "kit"}
    of_attributes = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    loads = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
    whole = {id(node) for node in loads if node.id in imported and id(node) not in of_attributes}
    return imported | {"kit"}, whole


def _part_of_the_kit(node: ast.AST, aliases: Set[str], beside: Sequence[str]) -> str:
    """Returns the part of the kit that a node uses and a submission may not use, or ""."""
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names if alias.name != "kit"]
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        names = [f"{node.module}.{alias.name}" for alias in node.names]
    elif isinstance(node, ast.Attribute):
        first, _, rest = _dotted(node).partition(".")
        names = [f"kit.{rest}"] if first in aliases else []
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        names = [node.value] if _IMPORTABLE.fullmatch(node.value) else []
    return next((name for name in names if not is_allowed(name, beside)), "")


def _dotted(node: ast.expr) -> str:
    """Returns `a.b.c` for such an expression, and nothing for any other."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def _is_forbidden(name: str) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in _FORBIDDEN_MODULES)

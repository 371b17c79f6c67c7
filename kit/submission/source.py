"""From a name, a function or a file to a method."""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import stat
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from kit import methods
from kit.storage import files
from kit.storage.near_paths import files_beside
from kit.submission.contract import Unlearning
from kit.submission.importing import ADVICE, import_file
from kit.types import InputError
from kit.types.errors import did_you_mean

# Bytes of all files of a submission: their text is parsed here, in the kit's own process.
LARGEST_SOURCE = 16 << 20


def load_method(identifier: str | Path | Unlearning) -> Unlearning:
    """Loads a method as a function.

    Args:
        identifier: a built-in name (`kit.methods.names()`), a function with that signature, or the path of a Python
            file that defines `unlearning`. A file is imported, hence executed: it must be one that you trust.

    Returns:
        The function `unlearning(net, retain, forget, validation, *, ...)`.

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
        function: Unlearning = methods.get(str(identifier))
        return function
    return import_file(Path(identifier))


def check_identifier(identifier: str | Path) -> None:
    """Checks that a name is a built-in method's or the path of a Python file that exists; nothing is imported.

    Raises:
        InputError: it is neither; near matches are shown.
    """
    if str(identifier) in methods.names():
        methods.check(str(identifier))
        return
    if Path(identifier).suffix != ".py":
        names = methods.names()
        known = [*names, *files_beside(Path(identifier), (".py",))]
        hint = did_you_mean(str(identifier), known, f"The methods are {', '.join(names)}.", likeness=0.6)
        raise InputError(f"There is no method '{identifier}'. Expected a name or the path of a Python file. {hint}")
    files.require_file(Path(identifier), ADVICE)


def method_name(identifier: str | Path | Unlearning) -> str:
    """Returns the name under which a method's results appear.

    Example:
        >>> method_name("retrain"), method_name("folder/my_method.py")
        ('retrain', 'my_method')
    """
    if callable(identifier):
        return getattr(identifier, "__name__", type(identifier).__name__).strip("<>")
    return Path(identifier).stem if str(identifier) not in methods.names() else str(identifier)


@dataclass(frozen=True)
class Source:
    """A submission as bytes, so that it can be hashed and handed to another process.

    Args:
        name: under which its results appear.
        entry: the file to import.
        files: path relative to the submission's folder -> content; the entry and the modules beside it that it imports.
        function_sha256: of a function, the digest of its code.
        package: of which the files are modules: that of the built-in methods, for one of them.
    """

    name: str
    entry: str
    files: Mapping[str, bytes]
    function_sha256: str = ""
    package: str = ""

    @property
    def modules(self) -> tuple[str, ...]:
        """Dotted names of its files, where they are modules of a package."""
        return tuple(f"{self.package}.{Path(name).stem}" for name in self.files) if self.package else ()

    @property
    def sha256(self) -> str:
        """Hex digest of all files and their names; of a function, that of its code."""
        if self.function_sha256:
            return self.function_sha256
        digest = hashlib.sha256(f"{self.entry} ".encode())
        for name, content in sorted(self.files.items()):
            digest.update(f"{name} {len(content)} ".encode() + content)
        return digest.hexdigest()


def read_source(path: Path, *, package: str = "") -> Source:
    """Reads a submission and the modules beside it that it imports (found in its text: nothing is executed).

    Args:
        path: of the file.
        package: of which it is a module, by whose name it imports what lies beside it.

    Raises:
        InputError: the file is missing or cannot be read.
    """
    if not path.is_file():
        check_identifier(path)
    folder, contents, waiting = path.parent, dict[str, bytes](), [Path(path.name)]
    while waiting:
        relative = waiting.pop()
        if str(relative) in contents:
            continue
        if str(relative) != path.name:
            _require_inside(folder, relative)
        room = LARGEST_SOURCE - sum(map(len, contents.values()))
        contents[str(relative)] = _content(folder / relative, room)
        waiting.extend(_beside(folder, relative, contents[str(relative)], package))
    return Source(path.stem, path.name, contents, package=package)


def _content(path: Path, most: int) -> bytes:
    """Returns the content of a file that belongs to a submission.

    Raises:
        InputError: it cannot be read, is none (who opens a pipe waits for ever), or has more than `most` bytes.
    """
    try:
        is_file = stat.S_ISREG(path.stat().st_mode)
        with path.open("rb") if is_file else contextlib.nullcontext() as stream:
            content = stream.read(most + 1) if stream else b""
    except OSError as error:
        raise InputError(
            f"'{path}' cannot be read ({error.strerror}). {ADVICE} Check the path and its permissions."
        ) from error
    if not is_file:
        raise InputError(
            f"'{path}', which the submission imports, is no file but a pipe or device. {ADVICE} Remove it."
        )
    if len(content) > most:
        raise InputError(
            f"With '{path}' the submission has more than {LARGEST_SOURCE >> 20} MiB of text. {ADVICE} Leave out what "
            "is data rather than code, and what the method does not need."
        )
    return content


def _require_inside(folder: Path, relative: Path) -> None:
    """Checks that a module beside a submission is no link to elsewhere: what is read here, a stranger's code is handed.

    Raises:
        InputError: it is.
    """
    try:
        inside = (folder / relative).resolve(strict=True).is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a link that leads nowhere, or to itself
        inside = False
    if not inside:
        raise InputError(
            f"'{folder / relative}', which the submission imports, is a link that leads out of its folder. Expected "
            "the files themselves, since whoever runs a submission hands it what lies beside it. Copy the file there."
        )


def source_of_function(function: Unlearning) -> Source:
    """Returns a function as bytes for another process, with what it refers to: made by this process, run only there.

    Raises:
        InputError: it refers to something that cannot be copied, such as a lock or a file that it writes to.

    A function whose module imports other modules of the user's, which are not installed, cannot find them there.
    """
    import cloudpickle

    inner = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    module = _unknown_elsewhere(inner)
    by_value = module is not None and module.__name__ not in cloudpickle.list_registry_pickle_by_value()
    if by_value:
        cloudpickle.register_pickle_by_value(module)
    try:
        content = cloudpickle.dumps(function)
    except Exception as error:  # whatever an object raises that does not want to be copied
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"'{method_name(function)}' cannot be handed to another process ({reason}). Expected a "
            "function that uses its arguments, modules and plain values. Build models inside the function."
        ) from error
    finally:
        if by_value:
            cloudpickle.unregister_pickle_by_value(module)
    return Source(method_name(function), "function.pickle", {"function.pickle": content}, _code_sha256(inner))


def _code_sha256(function: Any) -> str:
    """Hex digest of a function's code, defaults and plain closed-over values, but not of where it was defined.

    Its pickle names the notebook's cell and line: it would differ after each restart of the session.
    """
    plain = (bool, int, float, str, bytes, tuple, list, dict, type(None))

    def described(code: CodeType) -> list[Any]:
        constants = [described(part) if isinstance(part, CodeType) else repr(part) for part in code.co_consts]
        return [code.co_code.hex(), code.co_names, code.co_varnames, constants]

    code = getattr(function, "__code__", None)
    if code is None:  # an object with __call__
        return hashlib.sha256(repr(type(function)).encode()).hexdigest()
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    values = [repr(value) for value in cells if isinstance(value, plain)]
    defaults = [repr(function.__defaults__), repr(sorted((function.__kwdefaults__ or {}).items()))]
    return hashlib.sha256(repr([described(code), values, defaults]).encode()).hexdigest()


def _unknown_elsewhere(function: Unlearning) -> ModuleType | None:
    """Returns the module of a function, or its package, if another process might not find it.

    That is what is neither installed, nor Python's own, nor the session itself; and the kit's methods, which do not lie
    beside a contained process.
    """
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    if module is None:
        return None
    if module.__name__.startswith(f"{methods.__name__}."):
        return methods
    top = module.__name__.partition(".")[0]
    installed = "site-packages" in (getattr(module, "__file__", None) or "")
    known = top == "__main__" or top in sys.stdlib_module_names or installed
    return None if known else module


def _beside(folder: Path, importer: Path, content: bytes, package: str) -> list[Path]:
    """Returns the files in `folder` that a module imports: modules, or all of a package."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the user's text, which is not ours to judge here
            tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []  # the import will say so
    names: list[tuple[Path, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [(Path(), alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start, name = importer.parent if node.level else Path(), node.module or ""
            if package and f"{name}.".startswith(f"{package}."):
                name = name.removeprefix(package).removeprefix(".")
            names += [(start, name)] if name else [(start, alias.name) for alias in node.names]
    paths: list[Path] = []
    for start, name in names:
        first = start / name.partition(".")[0]
        within = sorted((folder / first).rglob("*.py")) if name and (folder / first).is_dir() else []
        module = first.with_suffix(".py") if name else first
        if (folder / first / "__init__.py") in within or not (folder / module).is_file():
            paths += [file.relative_to(folder) for file in within]  # a package, with or without an __init__.py
        else:
            paths.append(module)
    return paths

"""From a name, a function or a file to a method."""

from __future__ import annotations

import ast
import difflib
import functools
import hashlib
import importlib.util
import sys
import warnings
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from kit import methods
from kit.types import InputError

Method = Callable[..., Any]
ADVICE = "Expected a Python file that defines 'def unlearning(net, retain, forget, validation)'."


def is_file(method: str | Path | Method) -> bool:
    """Returns whether a method is given by the path of a file, rather than by a name or as a function."""
    return not callable(method) and str(method) not in methods.names()


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
        methods.check(str(identifier))
        return
    if Path(identifier).suffix != ".py":
        near = difflib.get_close_matches(str(identifier), methods.names(), n=3, cutoff=0.6)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"The methods are {', '.join(methods.names())}."
        raise InputError(f"There is no method '{identifier}'. Expected a name or the path of a Python file. {hint}")
    if not Path(identifier).is_file():
        raise InputError(f"There is no file '{identifier}'. {ADVICE} Check the path and the working folder.")


def method_name(identifier: str | Path | Method) -> str:
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
    """

    name: str
    entry: str
    files: Mapping[str, bytes]
    function_sha256: str = ""

    @property
    def sha256(self) -> str:
        """Hex digest of all files and their names; of a function, that of its code."""
        if self.function_sha256:
            return self.function_sha256
        digest = hashlib.sha256(f"{self.entry} ".encode())
        for name, content in sorted(self.files.items()):
            digest.update(f"{name} {len(content)} ".encode() + content)
        return digest.hexdigest()


def source_of(identifier: str | Path | Method) -> Source:
    """Returns a built-in method, a file or a function as a `Source`.

    Raises:
        InputError: there is no such method or file, or the function cannot be copied.
    """
    if callable(identifier):
        return source_of_function(identifier)
    check_identifier(identifier)
    if str(identifier) in methods.names():
        return read_source(methods.path(str(identifier)))
    return read_source(Path(identifier))


def read_source(path: Path) -> Source:
    """Reads a submission and the modules beside it that it imports (found in its text: nothing is executed).

    Raises:
        InputError: the file is missing or cannot be read.
    """
    if not path.is_file():
        check_identifier(path)
    folder, found, waiting = path.parent, dict[str, bytes](), [Path(path.name)]
    while waiting:
        relative = waiting.pop()
        if str(relative) in found:
            continue
        try:
            found[str(relative)] = (folder / relative).read_bytes()
        except OSError as error:
            raise InputError(
                f"'{folder / relative}' cannot be read ({error.strerror}). {ADVICE} Check the path and its permissions."
            ) from error
        waiting.extend(_beside(folder, relative, found[str(relative)]))
    return Source(path.stem, path.name, found)


def source_of_function(function: Method) -> Source:
    """Returns a function as bytes for another process, with what it refers to: made by this process, run only there.

    Raises:
        InputError: it refers to something that cannot be copied, such as a lock or a file that it writes to.

    A function whose module imports other modules of the user's, which are not installed, cannot find them there.
    """
    import cloudpickle

    inner = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    module = sys.modules.get(getattr(inner, "__module__", None) or "")
    by_value = (
        module is not None and _is_users(module) and module.__name__ not in cloudpickle.list_registry_pickle_by_value()
    )
    if by_value:  # a module that the other process might not find
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


def _code_sha256(function: Method) -> str:
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


def _is_users(module: ModuleType) -> bool:
    """Returns whether a module is neither installed, nor Python's own, nor the session itself."""
    top = module.__name__.partition(".")[0]
    installed = "site-packages" in (getattr(module, "__file__", None) or "")
    return top != "__main__" and top not in sys.stdlib_module_names and not installed


def _beside(folder: Path, importer: Path, content: bytes) -> list[Path]:
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
            start = importer.parent if node.level else Path()
            names += [(start, node.module or "")] if node.module else [(start, alias.name) for alias in node.names]
    paths: list[Path] = []
    for start, name in names:
        first = start / name.partition(".")[0]
        package = sorted((folder / first).rglob("*.py")) if name and (folder / first).is_dir() else []
        module = first.with_suffix(".py") if name else first
        if (folder / first / "__init__.py") in package or not (folder / module).is_file():
            paths += [file.relative_to(folder) for file in package]  # with or without an __init__.py
        else:
            paths.append(module)
    return paths


def _import_file(path: Path) -> Method:
    name = f"kit_submission_{zlib.crc32(str(path.resolve()).encode()):08x}"
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise InputError(f"'{path}' cannot be imported. {ADVICE} Give it the ending .py.")
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
            f"Importing '{path}' failed with {type(error).__name__}{reason}. {ADVICE} Run 'python {path}' to see "
            "where it fails."
        ) from error
    finally:
        sys.path[:] = path_before
        _forget_helpers(path.resolve().parent, set(sys.modules) - modules_before - {name})
    function = getattr(module, "unlearning", None)
    if not callable(function):
        raise InputError(f"'{path}' defines no function 'unlearning'. {ADVICE} Rename your function to 'unlearning'.")
    loaded: Method = function
    return loaded


def _forget_helpers(folder: Path, loaded: set[str]) -> None:
    """Drops modules that a submission imported from its own folder: the next one may have others of the same name."""
    for name in loaded:
        file = getattr(sys.modules[name], "__file__", None)
        if file is not None and Path(file).resolve().is_relative_to(folder) and "site-packages" not in file:
            del sys.modules[name]

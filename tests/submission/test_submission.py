"""From a name, a function or a file to a method, and refusals that say what to do."""

from __future__ import annotations

import functools
import importlib
import json
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

import kit
from kit import methods
from kit.submission import source as submission
from kit.submission.entry import resolve
from kit.types import InputError

Refused = Callable[..., str]

SOUND = "def unlearning(net, retain, forget, validation):\n    return net\n"


def written(folder: Path, text: str, name: str = "mine.py") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


class Method:
    """A method with a state."""

    def __call__(self, net: Any, retain: Any, forget: Any, validation: Any) -> Any:
        return net


def function(net: Any, retain: Any, forget: Any, validation: Any) -> Any:
    return net


# Names and functions


@pytest.mark.parametrize("name", methods.names())
def test_a_name_gives_the_function_of_the_file_of_that_name(name: str) -> None:
    assert kit.load_method(name) is importlib.import_module(f"kit.methods.{name}").unlearning


def test_the_baselines_are_built_in() -> None:
    assert {"finetune", "original", "retrain"} <= set(methods.names())


@pytest.mark.parametrize("method", [function, Method(), functools.partial(function), lambda *parts: parts[0]])
def test_a_function_is_taken_as_it_is(method: Callable[..., Any]) -> None:
    assert kit.load_method(method) is method


@pytest.mark.parametrize(
    ("name", "near"),
    [("finetun", "finetune"), ("fine-tune", "finetune"), ("Finetune", "finetune"), ("retrian", "retrain")],
)
def test_unknown_names_are_refused_with_near_matches(name: str, near: str, refused: Refused) -> None:
    message = refused(lambda: kit.load_method(name), f"no method '{name}'", "path of a Python file", "Did you mean")
    assert near in message.partition("Did you mean")[2]


@pytest.mark.parametrize("name", ["zzz", "", "_0", "x/y", "retired"])
def test_names_unlike_any_are_refused_with_the_whole_list(name: str, refused: Refused) -> None:
    refused(lambda: kit.load_method(name), f"no method '{name}'", ", ".join(methods.names()))


@pytest.mark.parametrize(
    ("identifier", "name"),
    [
        ("finetune", "finetune"),
        ("folder/mine.py", "mine"),
        (Path("folder/mine.py"), "mine"),
        (function, "function"),
        (lambda net: net, "lambda"),
        (Method(), "Method"),
    ],
)
def test_results_appear_under_the_name_of_method_function_or_file(identifier: Any, name: str) -> None:
    assert submission.method_name(identifier) == name


# Files


@pytest.mark.parametrize("as_path", [str, Path])
def test_a_path_gives_the_function_unlearning_of_the_file(tmp_path: Path, as_path: Callable[[Path], Any]) -> None:
    method = kit.load_method(as_path(written(tmp_path, SOUND)))
    assert method("net", None, None, None) == "net"


def test_a_path_relative_to_the_working_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, SOUND)
    monkeypatch.chdir(tmp_path)
    assert kit.load_method("mine.py")("net", None, None, None) == "net"


def test_a_file_may_be_called_like_a_library_or_a_method(tmp_path: Path) -> None:
    """It stands in for neither: `json` and `finetune` stay what they were."""
    for name in ("json", "finetune"):
        method = kit.load_method(written(tmp_path, SOUND, f"{name}.py"))
        assert method("net", None, None, None) == "net"
    assert sys.modules["json"] is json
    assert json.dumps([1]) == "[1]"
    assert kit.load_method("finetune").__module__ == "kit.methods.finetune"


def test_a_file_may_define_dataclasses_with_postponed_annotations(tmp_path: Path) -> None:
    """`dataclasses` looks the module of such a class up in `sys.modules`."""
    text = """
        from __future__ import annotations
        from dataclasses import dataclass

        @dataclass
        class Settings:
            rate: float = 0.5

        def unlearning(net, retain, forget, validation):
            return Settings().rate
    """
    assert kit.load_method(written(tmp_path, textwrap.dedent(text)))(None, None, None, None) == 0.5


def test_a_module_beside_the_file_can_be_imported_and_sys_path_is_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = list(sys.path)
    written(tmp_path, "ANSWER = 42\n", "kit_test_neighbour.py")
    path = written(
        tmp_path, "import kit_test_neighbour\n\ndef unlearning(*parts):\n    return kit_test_neighbour.ANSWER\n"
    )
    monkeypatch.chdir(tmp_path)
    assert kit.load_method(path.name)() == 42
    assert sys.path == before
    sys.modules.pop("kit_test_neighbour", None)


def test_sys_path_is_as_before_after_a_file_that_fails(tmp_path: Path, refused: Refused) -> None:
    before = list(sys.path)
    refused(lambda: kit.load_method(written(tmp_path, "1 / 0\n")))
    assert sys.path == before


def test_two_files_of_one_name_are_two_methods(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        written(tmp_path / folder, f"def unlearning(*parts):\n    return {folder!r}\n")
    loaded = [kit.load_method(tmp_path / folder / "mine.py") for folder in ("one", "two")]
    assert [method() for method in loaded] == ["one", "two"]


def test_checking_a_path_runs_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, "import pathlib\npathlib.Path(__file__).with_suffix('.ran').touch()\n" + SOUND)
    submission.check_identifier(path)
    assert not (tmp_path / "mine.ran").exists()
    kit.load_method(path)
    assert (tmp_path / "mine.ran").exists()


@pytest.mark.parametrize("check", [kit.load_method, submission.check_identifier])
@pytest.mark.parametrize("kind", ["absent", "a folder"])
def test_missing_files_are_refused(tmp_path: Path, check: Callable[[Any], Any], kind: str, refused: Refused) -> None:
    path = tmp_path / "mine.py"
    if kind == "a folder":
        path.mkdir()
    refused(lambda: check(str(path)), f"no file '{path}'", "def unlearning(net, retain", "Check the path")


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        ("def unlearning(net:\n", ["SyntaxError", "line 1"]),
        ("x = 1\n  y = 2\n", ["IndentationError", "line 2"]),
        ("import no_such_library\n" + SOUND, ["ModuleNotFoundError", "no_such_library"]),
        ("raise RuntimeError('no luck today')\n" + SOUND, ["RuntimeError", "no luck today"]),
        ("1 / 0\n" + SOUND, ["ZeroDivisionError"]),
        ("assert False\n" + SOUND, ["AssertionError"]),
        ("import sys\nsys.exit(3)\n" + SOUND, ["SystemExit", "3"]),
        ("raise ValueError('\\nfirst line\\nsecond line')\n" + SOUND, ["ValueError: first line."]),
    ],
)
def test_files_that_cannot_be_imported_are_refused_with_the_reason(
    tmp_path: Path, text: str, fragments: list[str], refused: Refused
) -> None:
    path = written(tmp_path, text)
    refused(lambda: kit.load_method(path), f"Importing '{path}' failed", *fragments, f"Run 'python {path}'")


def test_the_users_own_error_stays_attached(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        kit.load_method(written(tmp_path, "raise KeyError('mine')"))
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize("text", ["", "x = 1\n", SOUND.replace("unlearning", "unlearn"), "unlearning = 3\n"])
def test_files_without_a_function_unlearning_are_refused(tmp_path: Path, text: str, refused: Refused) -> None:
    path = written(tmp_path, text)
    refused(lambda: kit.load_method(path), f"'{path}' defines no function 'unlearning'", "Rename your function")


# A submission as bytes

LEAVES_A_TRACE = "import pathlib\npathlib.Path(__file__).with_suffix('.ran').touch()\n"


def tree(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder / "mine.py"


def found(folder: Path, files: dict[str, str]) -> set[str]:
    return set(submission.read_source(tree(folder, files)).files)


def test_a_file_is_read_as_it_is(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbf# caf\xe9\r\n\x00 no Python"
    (tmp_path / "my method.py").write_bytes(content)
    source = submission.read_source(tmp_path / "my method.py")
    assert (source.name, source.entry, source.files) == ("my method", "my method.py", {"my method.py": content})


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("import helper\n", id="import"),
        pytest.param("import numpy, helper as h\n", id="import as"),
        pytest.param("from helper import x as y\n", id="from"),
        pytest.param("from helper import *\n", id="star"),
        pytest.param("import helper.part\n", id="dotted"),
        pytest.param("from . import helper\n", id="relative"),
        pytest.param("from .helper import x\n", id="from relative"),
        pytest.param("def unlearning(*parts):\n    import helper\n", id="inside a function"),
        pytest.param("try:\n    import missing\nexcept ImportError:\n    import helper\n", id="after an error"),
        pytest.param("if False:\n    import helper\n", id="under a condition"),
        pytest.param("async def f():\n    class C:\n        import helper\n", id="deep inside"),
    ],
)
def test_a_helper_beside_the_file_belongs_to_it(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, {"mine.py": text, "helper.py": "", "stranger.py": ""}) == {"mine.py", "helper.py"}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("# import helper\n", id="comment"),
        pytest.param("'''\nimport helper\n'''\n", id="docstring"),
        pytest.param("helper = 3\nhelper.x\n", id="name"),
        pytest.param("import helpers, help, json\n", id="other names"),
        pytest.param("import folder.helper\n", id="of another folder"),
        pytest.param("from json import helper\n", id="of a library"),
        pytest.param("import helper(\n", id="a file that does not parse"),
        pytest.param("import helper\n\0", id="a file with a null byte"),
    ],
)
def test_other_files_beside_it_do_not(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, {"mine.py": text, "helper.py": "", "data.npz": ""}) == {"mine.py"}


def test_helpers_of_helpers_are_found_and_circles_end(tmp_path: Path) -> None:
    files = {
        "mine.py": "import one\n",
        "one.py": "import two, mine\n",
        "two.py": "from three import x\nimport one\n",
        "three.py": "def f(:  # does not parse\nimport four\n",
        "four.py": "",
    }
    assert found(tmp_path, files) == {"mine.py", "one.py", "two.py", "three.py"}


PACKAGE = {
    "mine.py": "",
    "pack/__init__.py": "from . import part\n",
    "pack/part.py": "from .deep.inner import x\nfrom helper import y\n",
    "pack/unused.py": "",
    "pack/notes.txt": "",
    "pack/deep/__init__.py": "",
    "pack/deep/inner.py": "from .. import part\nfrom ..unused import z\n",
    "helper.py": "import mine\n",
    "part.py": "",
    "unused.py": "",
}


@pytest.mark.parametrize(
    "text", ["import pack", "import pack.part", "from pack import part", "from pack.deep.inner import x"]
)
def test_a_package_belongs_to_it_as_a_whole_and_what_its_modules_import(tmp_path: Path, text: str) -> None:
    """Python files only; `part` and `unused` are imported from the package, not from beside it."""
    inside = {name for name in PACKAGE if name.startswith("pack/") and name.endswith(".py")}
    assert {name.replace("\\", "/") for name in found(tmp_path, {**PACKAGE, "mine.py": text})} == {
        "mine.py",
        "helper.py",
        *inside,
    }


def test_reading_executes_nothing(tmp_path: Path) -> None:
    before = set(sys.modules)
    path = tree(tmp_path, {"mine.py": LEAVES_A_TRACE + "import kit_test_other\n", "kit_test_other.py": LEAVES_A_TRACE})
    assert set(resolve(path).as_source().files) == {"mine.py", "kit_test_other.py"}
    assert not list(tmp_path.glob("*.ran"))
    assert "kit_test_other" not in set(sys.modules) - before


def test_a_relative_path_is_read_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, {"mine.py": "import helper\n", "helper.py": "x = 1\n"})
    monkeypatch.chdir(tmp_path)
    assert resolve("mine.py").as_source() == resolve(tmp_path / "mine.py").as_source()


@pytest.mark.parametrize("name", methods.names())
def test_a_built_in_method_is_a_file_too(name: str) -> None:
    source = resolve(name).as_source()
    assert (source.name, source.entry) == (name, f"{name}.py")
    assert source.files[source.entry] == (Path(methods.__file__).parent / f"{name}.py").read_bytes()


@pytest.mark.parametrize("read", [submission.read_source, lambda path: resolve(path).as_source()])
@pytest.mark.parametrize("kind", ["absent", "a folder"])
def test_what_is_no_file_cannot_be_read(
    tmp_path: Path, read: Callable[[Path], Any], kind: str, refused: Refused
) -> None:
    path = tmp_path / "mine.py"
    if kind == "a folder":
        path.mkdir()
    refused(lambda: read(path), f"no file '{path}'", "Check the path")


def test_a_file_that_may_not_be_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    path = written(tmp_path, SOUND)

    def forbidden(self: Path, mode: str) -> NoReturn:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", forbidden)
    refused(lambda: submission.read_source(path), f"'{path}' cannot be read (Permission denied)", "permissions")


# The hash


def test_the_hash_changes_with_what_the_submission_consists_of(tmp_path: Path) -> None:
    path = tree(tmp_path, {"mine.py": "import helper\n", "helper.py": "x = 1\n"})
    digests = [submission.read_source(path).sha256]
    for name, text in [("helper.py", "x = 2\n"), ("mine.py", "import helper \n"), ("helper.py", "x = 2")]:
        (tmp_path / name).write_text(text)
        digests.append(submission.read_source(path).sha256)
    assert len(set(digests)) == 4
    assert all(len(digest) == 64 and set(digest) <= set("0123456789abcdef") for digest in digests)


def test_the_hash_stays_with_unrelated_files_times_and_folders(tmp_path: Path) -> None:
    files = {"mine.py": "import helper\n", "helper.py": "x = 1\n"}
    digest = submission.read_source(tree(tmp_path / "one", files)).sha256
    path = tree(tmp_path / "two", {**files, "stranger.py": "y = 1\n", "data.csv": "1\n", "pack/__init__.py": ""})
    assert submission.read_source(path).sha256 == digest
    path.touch()
    assert submission.read_source(path).sha256 == digest


@pytest.mark.parametrize(
    ("files", "other"),
    [
        pytest.param({"a.py": b"1", "b.py": b"2"}, {"a.py": b"2", "b.py": b"1"}, id="contents exchanged"),
        pytest.param({"a.py": b"1"}, {"b.py": b"1"}, id="another name"),
        pytest.param({"a.py": b"12", "b.py": b""}, {"a.py": b"1", "b.py": b"2"}, id="another cut"),
        pytest.param({"a.py": b"1"}, {"a.py": b"1", "b.py": b""}, id="an empty file more"),
    ],
)
def test_other_files_have_another_hash(files: dict[str, bytes], other: dict[str, bytes]) -> None:
    assert submission.Source("a", "a.py", files).sha256 != submission.Source("a", "a.py", other).sha256


def test_the_order_of_the_files_does_not_matter() -> None:
    files = {"a.py": b"1", "b.py": b"2"}
    turned = dict(reversed(files.items()))
    assert submission.Source("a", "a.py", files).sha256 == submission.Source("a", "a.py", turned).sha256


# A function as bytes

OFFSET = 5


def uses_a_global(net: Any, retain: Any, forget: Any, validation: Any, *, epochs: int = 2) -> Any:
    return twice(net) + OFFSET + epochs


def twice(number: int) -> int:
    return 2 * number


def with_a_closure(rate: int) -> Callable[..., Any]:
    inner = [rate]

    def method(net: Any, retain: Any, forget: Any, validation: Any) -> Any:
        return net + inner[0]

    return method


class Adder:
    def __init__(self, number: int) -> None:
        self.number = number

    def __call__(self, net: Any, retain: Any, forget: Any, validation: Any) -> Any:
        return twice(net) + self.number

    def run(self, net: Any, retain: Any, forget: Any, validation: Any) -> Any:
        return net - self.number


def rebuilt_and_called(source: submission.Source, folder: Path) -> str:
    """Calls it with 10 in an interpreter that knows neither this file nor the kit's checkout."""
    assert (source.entry, set(source.files)) == ("function.pickle", {"function.pickle"})
    (folder / "function.pickle").write_bytes(source.files[source.entry])
    program = "import pickle\nwith open('function.pickle', 'rb') as f:\n    print(pickle.load(f)(10, 0, 0, 0))"
    command = [sys.executable, "-I", "-c", program]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("method", "name", "answer"),
    [
        pytest.param(uses_a_global, "uses_a_global", "27", id="globals and a keyword"),
        pytest.param(with_a_closure(7), "method", "17", id="closure"),
        pytest.param(lambda net, *parts: net * OFFSET, "lambda", "50", id="lambda"),
        pytest.param(Adder(3), "Adder", "23", id="instance"),
        pytest.param(Adder(3).run, "run", "7", id="bound method"),
    ],
)
def test_a_function_can_be_rebuilt_in_a_fresh_interpreter(
    tmp_path: Path, method: Callable[..., Any], name: str, answer: str
) -> None:
    source = resolve(method).as_source()
    assert source.name == name
    assert rebuilt_and_called(source, tmp_path) == answer


def test_copying_a_function_calls_nothing_and_changes_nothing() -> None:
    import cloudpickle

    before = dict(cloudpickle.list_registry_pickle_by_value())

    def method(*parts: Any) -> None:
        raise AssertionError

    assert submission.source_of_function(method).name == "method"
    assert dict(cloudpickle.list_registry_pickle_by_value()) == before


def test_a_closures_value_is_part_of_the_hash() -> None:
    digests = [resolve(with_a_closure(rate)).as_source().sha256 for rate in (1, 1, 2)]
    assert digests[0] == digests[1] != digests[2]


def test_a_function_that_refers_to_an_open_file_is_refused(tmp_path: Path, refused: Refused) -> None:
    with (tmp_path / "log.txt").open("w") as log:

        def method(net: Any, retain: Any, forget: Any, validation: Any) -> Any:
            log.write("hello")
            return net

        message = refused(lambda: resolve(method).as_source(), "'method' cannot be handed to another process")
    assert message.endswith("Build models inside the function.")


def test_a_function_that_refers_to_a_lock_is_refused(refused: Refused) -> None:
    lock = threading.Lock()

    def method(net: Any, retain: Any, forget: Any, validation: Any) -> Any:
        with lock:
            return net

    refused(lambda: resolve(method).as_source(), "cannot pickle", "lock", "plain values")


def test_what_an_object_says_on_several_lines_is_cut_to_one(refused: Refused) -> None:
    class Odd:
        def __reduce__(self) -> Any:
            raise RuntimeError("first line\nsecond line")

    odd = Odd()
    refused(lambda: resolve(lambda *parts: odd).as_source(), "'lambda' cannot", "(first line)")

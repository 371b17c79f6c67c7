"""From a name, a function or a file to a method, and refusals that say what to do."""

from __future__ import annotations

import functools
import importlib
import json
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kit
from kit import methods, submission
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

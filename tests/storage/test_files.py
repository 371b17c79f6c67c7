"""Where files live, and that nobody ever sees half of one."""

from __future__ import annotations

import gc
import hashlib
import json
import math
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from limits import files_of_at_most

import kit
from kit.machine import quiet
from kit.runs import originals, timing
from kit.storage import files, seals
from kit.types import InputError

ODD_NAMES = ["plain.bin", "with space.bin", "mémoire ✓.bin", "[bold]brackets.bin", "-", "~", "no_suffix"]


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def one_paragraph(error: pytest.ExceptionInfo[InputError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    assert "Expected" in message
    assert message.endswith((".", "?"))
    return message


# Folders


def test_the_cache_is_where_kit_home_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIT_HOME", str(tmp_path / "my cache"))
    assert files.cache_folder() == tmp_path / "my cache"
    assert names(tmp_path) == []


@pytest.mark.parametrize("value", [None, ""])
def test_without_kit_home_the_cache_is_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.delenv("KIT_HOME") if value is None else monkeypatch.setenv("KIT_HOME", value)
    assert files.cache_folder() == tmp_path / ".cache" / "unlearning-kit"


def test_the_data_folder_holds_each_file_of_its_registry_and_its_digest() -> None:
    registry = seals.without_digest(json.loads((files.data_folder() / "registry.json").read_text()))
    assert {"digits", "noisy-digits"} <= set(registry)
    for entry in registry.values():
        path = files.data_folder() / entry["file"]
        assert files.sha256_of(path) == entry["sha256"]
        assert path.stat().st_size == entry["bytes"]


@pytest.mark.parametrize("inside", [True, False], ids=["wheel", "checkout"])
def test_data_lie_inside_an_installed_package_and_beside_one_in_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: bool
) -> None:
    folder = tmp_path / "kit" / "data" if inside else tmp_path / "data"
    folder.mkdir(parents=True)
    monkeypatch.setattr(files, "__file__", str(tmp_path / "kit" / "storage" / "files.py"))
    assert files.data_folder() == folder


# Writing


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_written_file_has_its_content_and_no_companion(tmp_path: Path, name: str) -> None:
    with files.atomic_write(tmp_path / name) as stream:
        stream.write(b"one\r\ntwo\n\x00")
    assert (tmp_path / name).read_bytes() == b"one\r\ntwo\n\x00"
    assert names(tmp_path) == [name]


def test_missing_folders_are_made(tmp_path: Path) -> None:
    with files.atomic_write(tmp_path / "new" / "deep" / "file") as stream:
        stream.write(b"x")
    assert (tmp_path / "new" / "deep" / "file").read_bytes() == b"x"


def test_a_written_file_can_be_read_by_others(tmp_path: Path) -> None:
    files.write_json(tmp_path / "file", {})
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


def test_nothing_is_seen_under_the_name_before_the_end(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with files.atomic_write(path) as stream:
        stream.write(b"new and longer")
        stream.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new and longer"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("before", [None, "old"])
def test_an_error_while_writing_leaves_everything_as_it_was(
    tmp_path: Path, error: type[BaseException], before: str | None
) -> None:
    path = tmp_path / "file"
    if before is not None:
        path.write_text(before)
    kept = names(tmp_path)

    def write() -> None:
        with files.atomic_write(path) as stream:
            stream.write(b"half of ")
            raise error

    with pytest.raises(error):
        write()
    assert names(tmp_path) == kept
    assert before is None or path.read_text() == before


def write_json(path: Path) -> None:
    files.write_json(path, list(range(5000)))


def write_npz(path: Path) -> None:
    files.write_npz(path, {"a": np.arange(5000), "b": np.arange(5000)})


@pytest.mark.parametrize("write", [write_json, write_npz])
@pytest.mark.parametrize("size", [0, 1000, 45_000])
def test_a_full_disk_is_a_paragraph_and_leaves_everything_as_it_was(
    tmp_path: Path, write: Callable[[Path], None], size: int
) -> None:
    """In the middle of an array, or between two: Python has no traceback of its own to print either."""
    path = tmp_path / "file"
    path.write_text("old")
    if write is write_json:
        size //= 2
    with files_of_at_most(size), pytest.raises(files.CannotWrite) as error:
        write(path)
    gc.collect()
    message = one_paragraph(error)
    assert f"'{path}' cannot be written (File too large)" in message
    assert "KIT_HOME" not in message
    assert names(tmp_path) == ["file"]
    assert path.read_text() == "old"


def test_a_file_of_the_cache_that_cannot_be_written_leads_to_the_variable_that_moves_it(kit_home: Path) -> None:
    (kit_home / "a file").write_text("")
    with pytest.raises(files.CannotWrite) as error:
        write_json(kit_home / "a file" / "below.json")
    assert "KIT_HOME" in one_paragraph(error)
    (kit_home / "a file").unlink()


def test_arrays_have_the_bytes_that_numpy_would_write(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6).reshape(2, 3), "b": np.array("text"), "c": np.asfortranarray(np.eye(3))}
    files.write_npz(tmp_path / "ours.npz", arrays)
    np.savez(tmp_path / "theirs.npz", **arrays)
    assert (tmp_path / "ours.npz").read_bytes() == (tmp_path / "theirs.npz").read_bytes()


def test_writers_at_the_same_time_leave_one_whole_file(tmp_path: Path) -> None:
    path, contents = tmp_path / "file.json", [[number] * 5000 for number in range(8)]
    files.write_json(path, contents[0])
    stop = threading.Event()
    seen: list[Any] = []
    failures: list[BaseException] = []

    def read() -> None:
        try:
            while not stop.is_set():
                seen.append(json.loads(path.read_text()))
        except BaseException as error:  # handed to the test below
            failures.append(error)

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=files.write_json, args=(path, content)) for content in contents]
    reader.start()
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    stop.set()
    reader.join()
    assert not failures
    assert all(content in contents for content in seen)
    assert json.loads(path.read_text()) in contents
    assert names(tmp_path) == ["file.json"]


def test_json_is_what_was_given_and_ends_with_a_newline(tmp_path: Path) -> None:
    content = {"é": [1, 2.5, None, True, "a\nb"], "empty": {}}
    files.write_json(tmp_path / "file.json", content)
    text = (tmp_path / "file.json").read_bytes()
    assert json.loads(text) == content
    assert text.endswith(b"\n")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, object(), {1: {2, 3}}])
def test_what_json_cannot_hold_is_refused_and_leaves_no_file(tmp_path: Path, bad: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        files.write_json(tmp_path / "file.json", {"a": [1, bad]})
    assert names(tmp_path) == []


def test_arrays_are_read_back_as_they_were_without_pickle(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6, dtype=np.uint8).reshape(2, 3), "b": np.array("text"), "c": np.zeros((0, 2), np.float32)}
    files.write_npz(tmp_path / "file", arrays)
    assert names(tmp_path) == ["file"]  # NumPy adds .npz to a name, not to a stream
    with np.load(tmp_path / "file", allow_pickle=False) as stored:
        assert sorted(stored.files) == ["a", "b", "c"]
        for name, array in arrays.items():
            np.testing.assert_array_equal(stored[name], array)
            assert stored[name].dtype == array.dtype


def test_the_same_arrays_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        files.write_npz(tmp_path / name, {"a": np.arange(1000), "b": np.eye(3)})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_digest_of_a_file_of_any_size_is_that_of_its_content(tmp_path: Path, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    (tmp_path / "file").write_bytes(content[:size])
    assert files.sha256_of(tmp_path / "file") == hashlib.sha256(content[:size]).hexdigest()


# Is a folder fit for results?


@pytest.mark.parametrize("name", [".", "new", "new/and/deep", "with space/é", "existing", "existing/new"])
def test_folders_that_can_be_written_pass_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "existing").mkdir()
    monkeypatch.chdir(tmp_path)
    for folder in (Path(name), tmp_path / name):
        files.require_writable(folder)
    assert names(tmp_path) == ["existing"]


@pytest.mark.parametrize("name", ["file", "file/runs", "file/a/b/c"])
def test_folders_below_a_file_are_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / "file").write_text("a file, not a folder")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as error:
        files.require_writable(Path(name))
    message = one_paragraph(error)
    assert f"'{name}'" in message
    assert str(tmp_path / "file") in message
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("name", ["n" * 256, "n" * 256 + "/below"])
def test_a_folder_whose_name_is_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as error:
        files.require_writable(Path(name))
    assert "cannot be written to (File name too long" in one_paragraph(error)


def test_a_working_folder_that_is_gone_is_no_place_to_write_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(InputError) as error:
        files.require_writable(Path("runs"))
    assert "'runs' cannot be written to (No such file or directory" in one_paragraph(error)


@pytest.mark.parametrize("home", ["a file", "a file/below"])
def test_a_cache_that_cannot_be_made_is_refused_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("KIT_HOME", str(tmp_path / home))
    monkeypatch.setattr(quiet, "load_tensorflow", lambda: pytest.fail("a model was about to be trained"))
    challenge = kit.load_challenge("digits", model="mlp")
    for make in (lambda: originals.load(challenge), lambda: timing.reference(challenge)):
        with pytest.raises(InputError) as error:
            make()
        assert "KIT_HOME" in one_paragraph(error)


def test_without_a_home_folder_the_cache_needs_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a number of a user that the system does not know, in a container."""

    def unknown() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", unknown)
    monkeypatch.delenv("KIT_HOME")
    with pytest.raises(InputError) as error:
        files.cache_folder()
    assert "Set the environment variable KIT_HOME" in one_paragraph(error)


# Reading what a user gave


def test_what_was_loaded_is_returned(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("42")
    assert files.checked(lambda: int((tmp_path / "file").read_text()), tmp_path / "file", "a number") == 42


@pytest.mark.parametrize("kind", ["missing", "folder", "below a file"])
def test_what_is_no_file_is_refused_before_it_is_loaded(tmp_path: Path, kind: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    path = tmp_path / {"missing": "nothing", "folder": "folder", "below a file": "file/x"}[kind]
    loads: list[None] = []
    with pytest.raises(InputError) as error:
        files.checked(lambda: loads.append(None), path, "a thing of beauty")
    message = one_paragraph(error)
    assert str(path) in message
    assert "a thing of beauty" in message
    assert not loads


def refuse() -> None:
    raise InputError("What happened. Expected something else. Do this.")


def test_a_users_mistake_keeps_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"^What happened\. Expected something else\. Do this\.$"):
        files.checked(refuse, tmp_path / "file", "a thing")


def fail_with(error: Exception) -> Callable[[], None]:
    def load() -> None:
        raise error

    return load


@pytest.mark.parametrize(
    "error",
    [
        OSError(5, "Input/output error"),
        zipfile.BadZipFile("File is not a zip file"),
        ValueError("first line\nsecond line\n\nthird"),
        EOFError(),
        KeyError("x"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        MemoryError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_strange_file_raises_becomes_one_paragraph_with_its_cause(tmp_path: Path, error: Exception) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError) as refused:
        files.checked(fail_with(error), tmp_path / "file", "a thing of beauty")
    message = one_paragraph(refused)
    assert str(tmp_path / "file") in message
    assert "a thing of beauty" in message
    assert "second line" not in message
    assert refused.value.__cause__ is error


def test_an_interruption_is_not_mistaken_for_a_bad_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.checked(interrupt, tmp_path / "file", "a thing")


def test_a_folder_is_removed_with_what_nobody_may_look_into(tmp_path: Path) -> None:
    (tmp_path / "kept" / "inner").mkdir(parents=True)
    (tmp_path / "kept").chmod(0o755)
    (tmp_path / "gone" / "locked" / "deep").mkdir(parents=True)
    (tmp_path / "gone" / "locked" / "deep" / "file").touch()
    (tmp_path / "gone" / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "gone" / "locked" / "deep").chmod(0)
    (tmp_path / "gone" / "locked").chmod(0)
    (tmp_path / "gone").chmod(0)
    files.remove(tmp_path / "gone")
    assert not (tmp_path / "gone").exists()
    assert (tmp_path / "kept" / "inner").is_dir()
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o755
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    files.remove(tmp_path / "link")
    assert (tmp_path / "kept").is_dir()
    files.remove(tmp_path / "missing")

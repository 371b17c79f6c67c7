"""Where data sets are looked for, by names alone."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import data_helpers
import pytest

from kit.datasets import places
from kit.datasets.registry import ARCHIVE, BATCHES, CIFAR10, DATA_SETS, FASHION_MNIST, IDX, MNIST, NPZ, DataSet
from kit.storage import files

Refused = Callable[..., str]
BATCH_NAMES = [names[0] for names in BATCHES.names]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any data: all that is looked at lies in the test's own folder."""
    for name in ("KERAS_HOME", "KIT_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("KIT_DATA", raising=False)
    monkeypatch.setattr(places, "KAGGLE_INPUT", tmp_path / "kaggle" / "input")
    return tmp_path


def touch(folder: Path, names: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def found(data_set: DataSet, folder: Path | None = None) -> list[tuple[str, str]]:
    return [(candidate.place, str(candidate.path)) for candidate in places.candidates(data_set, folder)]


def test_a_machine_without_data_has_none(home: Path) -> None:
    for data_set in DATA_SETS.values():
        assert found(data_set) == []
    assert list(home.iterdir()) == []  # looking makes no folders


@pytest.mark.parametrize(
    "name", ["cifar-10-python.tar.gz", "cifar-10-batches-py-target_archive", "cifar-10-batches-py.tar.gz"]
)
def test_keras_archive_of_any_release_is_found(home: Path, name: str) -> None:
    folder = touch(home / "KERAS_HOME" / "datasets", [name])
    assert found(CIFAR10) == [("Keras's cache", str(folder / name))]


@pytest.mark.parametrize(
    "below", ["cifar-10-batches-py-target/cifar-10-batches-py", "cifar-10-batches-py-target", "cifar-10-batches-py"]
)
def test_keras_extracted_folder_of_any_release_is_found(home: Path, below: str) -> None:
    folder = touch(home / "KERAS_HOME" / "datasets" / below, [*BATCH_NAMES, "batches.meta", "readme.html"])
    assert found(CIFAR10) == [("Keras's cache", str(folder))]
    (candidate,) = places.candidates(CIFAR10)
    assert candidate.form is BATCHES
    assert [path.name for path in candidate.paths] == BATCH_NAMES


def test_keras_files_of_mnist_and_fashion_mnist_are_not_mistaken_for_each_other(home: Path) -> None:
    folder = touch(home / "KERAS_HOME" / "datasets", ["mnist.npz"])
    fashion = touch(folder / "fashion-mnist", data_helpers.IDX_NAMES)
    assert found(MNIST) == [("Keras's cache", str(folder / "mnist.npz"))]
    assert found(FASHION_MNIST) == [("Keras's cache", str(fashion))]


@pytest.mark.parametrize("missing", BATCH_NAMES)
def test_a_folder_that_lacks_a_file_is_not_the_data_set(home: Path, missing: str) -> None:
    folder = touch(home / "KERAS_HOME" / "datasets" / "cifar-10-batches-py", BATCH_NAMES)
    (folder / missing).unlink()
    assert found(CIFAR10) == []
    (folder / missing).mkdir()
    assert found(CIFAR10) == []


def test_the_places_come_in_their_order_and_the_surest_form_first(home: Path) -> None:
    keras = touch(home / "KERAS_HOME" / "datasets", ["cifar-10-batches-py-target_archive"])
    extracted = touch(keras / "cifar-10-batches-py-target" / "cifar-10-batches-py", BATCH_NAMES)
    cache = touch(home / "KIT_HOME" / "datasets" / "cifar10", [*BATCH_NAMES, "cifar-10-python.tar.gz"])
    named = touch(home / "named", BATCH_NAMES)
    attached = touch(home / "kaggle" / "input" / "cifar10", BATCH_NAMES)
    assert found(CIFAR10, named) == [
        ("Keras's cache", str(keras / "cifar-10-batches-py-target_archive")),
        ("Keras's cache", str(extracted)),
        ("the kit's cache", str(cache / "cifar-10-python.tar.gz")),
        ("the kit's cache", str(cache)),
        ("the folder that you named", str(named)),
        ("Kaggle's input", str(attached)),
    ]
    assert [candidate.cached for candidate in places.candidates(CIFAR10, named)] == [
        False,
        False,
        True,
        True,
        False,
        False,
    ]


# Keras's home, by Keras's rules


def test_keras_home_is_where_its_variable_says_with_a_tilde_or_without(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("KERAS_HOME", "~/keras")
    assert places.keras_folders() == [home / "keras" / "datasets"]


def test_without_its_variable_it_is_in_the_home_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("KERAS_HOME")
    assert places.keras_folders() == [home / ".keras" / "datasets"]


@pytest.mark.parametrize("value", [None, "", "/closed"])
def test_where_it_cannot_write_keras_goes_to_the_folder_for_temporary_files(
    home: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("KERAS_HOME") if value is None else monkeypatch.setenv("KERAS_HOME", value)
    monkeypatch.setenv("HOME", "/closed")
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).startswith("/closed"))
    monkeypatch.setattr(os.path, "isdir", lambda path: str(path) in {"/closed", "/tmp"})
    instead = Path("/tmp/.keras/datasets")
    assert places.keras_folders() == {"/closed": [Path("/closed/datasets"), instead]}.get(str(value), [instead])


@pytest.mark.parametrize("value", [None, "~/a folder", "relative", "/absolute"])
def test_the_rules_are_keras_own(home: Path, monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    """Runs those lines of Keras's own configuration: to import it whole takes seconds."""
    spec = importlib.util.find_spec("keras")
    assert spec is not None
    assert spec.origin is not None
    text = (Path(spec.origin).parent / "src" / "backend" / "config.py").read_text(encoding="utf-8")
    lines = text[text.index('if "KERAS_HOME" in os.environ') : text.index("def keras_home()")]
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("KERAS_HOME") if value is None else monkeypatch.setenv("KERAS_HOME", value)
    variables: dict[str, Any] = {"os": os}
    exec(lines, variables)
    assert places.keras_folders() == [Path(os.path.expanduser(variables["_KERAS_DIR"])) / "datasets"]


# A user's folder, and Kaggle's


@pytest.mark.parametrize(
    ("below", "names"),
    [
        (".", ["mnist.npz"]),
        ("mnist-numpy", ["mnist.npz"]),
        ("datasets/vikramtiwari/mnist-numpy/versions/1", ["mnist.npz"]),
        ("mnist-dataset", [name.removesuffix(".gz").replace("s-idx", "s.idx") for name in data_helpers.IDX_NAMES]),
        ("fashionmnist", [name.removesuffix(".gz") for name in data_helpers.IDX_NAMES]),
    ],
)
@pytest.mark.parametrize("kaggle", [True, False])
def test_folders_are_searched_as_deep_as_people_put_things(
    home: Path, below: str, names: list[str], kaggle: bool
) -> None:
    root = home / "kaggle" / "input" if kaggle else home / "named"
    folder = touch(root / below, names)
    (candidate,) = places.candidates(MNIST, None if kaggle else root)
    assert candidate.form is (NPZ if "mnist.npz" in names else IDX)
    assert candidate.paths[0].parent == folder


def test_what_is_higher_comes_first_and_what_is_too_deep_not_at_all(home: Path) -> None:
    high = touch(home / "named" / "z", ["mnist.npz"])
    low = touch(home / "named" / "a" / "b", ["mnist.npz"])
    touch(home / "named" / "1" / "2" / "3" / "4" / "5" / "6", ["mnist.npz"])
    assert [path for _, path in found(MNIST, home / "named")] == [str(high / "mnist.npz"), str(low / "mnist.npz")]


def test_a_folder_with_very_many_entries_is_searched_for_a_while_only(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        (home / "named" / str(number) / "below").mkdir(parents=True)
    looks: list[object] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: looks.append(folder) or scandir(folder))  # type: ignore[func-returns-value]
    monkeypatch.setattr(places, "MAX_ENTRIES", 10)
    touch(home / "named", ["mnist.npz"])
    assert len(found(MNIST, home / "named")) == 1
    assert len(looks) <= 11


def test_links_in_a_circle_end(home: Path) -> None:
    folder = touch(home / "named", ["mnist.npz"])
    (folder / "again").symlink_to(folder)
    assert 1 <= len(found(MNIST, folder)) <= places.MAX_DEPTH + 1


def test_a_folder_that_may_not_be_looked_into_is_left_out(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = touch(home / "named" / "b", ["mnist.npz"])
    closed = touch(home / "named" / "a", [])
    scandir = os.scandir

    def look(path: Path) -> object:
        if path == closed:
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", look)
    assert found(MNIST, home / "named") == [("the folder that you named", str(folder / "mnist.npz"))]


def test_the_variable_names_a_folder_too_and_the_argument_goes_before_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (touch(home / name, ["mnist.npz"]) for name in ("one", "other"))
    monkeypatch.setenv("KIT_DATA", str(first))
    assert found(MNIST) == [("the folder that you named", str(first / "mnist.npz"))]
    assert found(MNIST, second) == [("the folder that you named", str(second / "mnist.npz"))]
    monkeypatch.setenv("KIT_DATA", "")
    assert found(MNIST) == []
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("KIT_DATA", "~/one")
    assert found(MNIST) == [("the folder that you named", str(first / "mnist.npz"))]


@pytest.mark.parametrize("missing", BATCH_NAMES)
def test_a_folder_with_a_part_says_what_is_missing(home: Path, missing: str) -> None:
    folder = touch(home / "named" / "below", BATCH_NAMES)
    (folder / missing).unlink()
    touch(home / "named", ["test_batch"])  # much less
    assert places.in_part(CIFAR10, home / "named") == (folder, (missing,))
    assert places.in_part(MNIST, home / "named") is None
    (folder / missing).touch()
    touch(home / "other", [])
    assert places.in_part(CIFAR10, home / "other") is None


def test_a_file_in_place_of_its_folder_is_answered_with_the_folder(
    home: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    folder = touch(home / "named", BATCH_NAMES)
    fragments = [f"'{folder / 'test_batch'}'", "is a file", f"the folder that the file is in, '{folder}'"]
    assert "does not exist" not in refused(lambda: places.existing(folder / "test_batch"), *fragments)
    monkeypatch.setenv("KIT_DATA", str(folder / "test_batch"))
    refused(places.user_folder, *fragments, "KIT_DATA")
    monkeypatch.chdir(folder)
    refused(lambda: places.existing(Path("test_batch")), "the folder that the file is in, '.'")


@pytest.mark.parametrize("name", ["missing", "file", "~nobody_of_this_name/x"])
def test_a_folder_that_is_none_is_a_users_mistake(
    home: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused, name: str
) -> None:
    touch(home / "KERAS_HOME" / "datasets", ["mnist.npz"])  # even where the data are found elsewhere
    (home / "file").touch()
    monkeypatch.chdir(home)
    refused(lambda: places.candidates(MNIST, Path(name)), f"'{name}'")
    monkeypatch.setenv("KIT_DATA", name)
    refused(lambda: places.candidates(MNIST), f"'{name}'", "KIT_DATA")


def test_the_places_are_listed_for_people(home: Path) -> None:
    (home / "named").mkdir()
    (home / "kaggle" / "input").mkdir(parents=True)
    text = "; ".join(places.looked_at(home / "named"))
    for place in (home / "KERAS_HOME" / "datasets", files.cache_folder() / "datasets", home / "named"):
        assert f"'{place}'" in text
    assert "Kaggle" in text


def test_a_form_says_what_to_look_for() -> None:
    for form in (ARCHIVE, NPZ):
        assert form.description == form.names[0][0]
    assert all(name.removesuffix(".gz") in IDX.description for name in data_helpers.IDX_NAMES)

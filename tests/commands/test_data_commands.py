"""`kit data`: what it prints, what it writes, and what it says when something is wrong."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import data_helpers
import numpy as np
import pytest
from cli_helpers import call, one_paragraph
from data_helpers import Server, archive, batches, examples, idx_files, npz, sha256, stand_in, write

from kit.datasets import places, registry
from kit.datasets.registry import CIFAR10, FASHION_MNIST, MNIST, DataSet, RemoteFile

GREY_X, GREY_Y = examples((4, 5, 1))
CONTENTS = {
    "cifar10": {"cifar-10-python.tar.gz": archive(batches(*examples((4, 5, 3))))},
    "mnist": {"mnist.npz": npz(GREY_X, GREY_Y)},
    "fashion-mnist": idx_files(GREY_X, GREY_Y),
}


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server) -> Path:
    """A machine without data, on which the data sets are tiny and their mirrors this test's."""
    for name in ("KERAS_HOME", "KIT_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("COLUMNS", "1000")  # announcements are wrapped at the width of the terminal
    monkeypatch.delenv("KIT_DATA", raising=False)
    monkeypatch.setattr(places, "KAGGLE_INPUT", tmp_path / "kaggle")
    for data_set in (CIFAR10, MNIST, FASHION_MNIST):
        monkeypatch.setitem(registry.DATA_SETS, data_set.name, tiny(data_set, server))
    return tmp_path


def tiny(data_set: DataSet, server: Server, behaviour: data_helpers.Behaviour = data_helpers.good) -> DataSet:
    shape = (4, 5, data_set.image_shape[2])
    files = (
        RemoteFile(name, sha256(content), len(content), (server.url(f"/{name}", behaviour, content),))
        for name, content in CONTENTS[data_set.name].items()
    )
    return stand_in(data_set, shape, *files)


def test_without_a_name_it_lists_where_each_lies(home: Path, server: Server) -> None:
    folder = write(home / "KERAS_HOME" / "datasets", {"mnist.npz": b"not looked into"})
    result = call("data")
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[0] == "cifar10        not here; 'kit data cifar10' downloads it (0 MB)"
    assert lines[1] == f"mnist          Keras's cache, {folder / 'mnist.npz'} (0 MB)"
    assert lines[2].startswith("fashion-mnist  not here")
    assert len(lines) == 3
    assert result.err == ""
    assert server.requests == []


def test_the_list_as_json(home: Path) -> None:
    write(home / "KIT_HOME" / "datasets" / "cifar10", CONTENTS["cifar10"])
    result = call("data", "--json", "-")
    path = str(home / "KIT_HOME" / "datasets" / "cifar10" / "cifar-10-python.tar.gz")
    nothing = {"here": False, "place": None, "path": None}
    assert json.loads(result.out) == {
        "cifar10": {"here": True, "place": "the kit's cache", "path": path},
        "mnist": nothing,
        "fashion-mnist": nothing,
    }


def test_with_names_it_downloads_and_tells(home: Path, server: Server) -> None:
    result = call("data", "cifar10", "mnist", "--json", home / "told.json")
    assert result.code == 0, result.err
    first, second = result.out.splitlines()
    path = home / "KIT_HOME" / "datasets" / "cifar10" / "cifar-10-python.tar.gz"
    assert first == (
        f"CIFAR-10: 30 training and 10 test images of 4x5x3, from the kit's cache, {path}, checked by the published "
        f"sha256. sha256: {sha256(CONTENTS['cifar10']['cifar-10-python.tar.gz'])}"
    )
    assert second.startswith("MNIST: 30 training and 10 test images of 4x5x1")
    content = json.loads((home / "told.json").read_text())
    assert list(content) == ["cifar10", "mnist"]
    assert content["cifar10"] == {
        "num_train": 30,
        "num_test": 10,
        "image_shape": [4, 5, 3],
        "source": f"the kit's cache, {path}, checked by the published sha256",
        "sha256": sha256(CONTENTS["cifar10"]["cifar-10-python.tar.gz"]),
    }
    assert server.requests == ["/cifar-10-python.tar.gz", "/mnist.npz"]
    assert call("data", "mnist").code == 0
    assert len(server.requests) == 2


def test_with_json_on_the_output_nothing_else_is_there() -> None:
    result = call("data", "mnist", "mnist", "--json", "-")
    assert list(json.loads(result.out)) == ["mnist"]
    assert "MNIST: 30 training" in result.err


def test_a_folder_is_copied_into_the_cache(home: Path, server: Server) -> None:
    write(home / "named" / "a", CONTENTS["mnist"])
    write(home / "named" / "b", batches(*examples((4, 5, 3))))
    result = call("data", "--folder", home / "named", "--json", home / "told.json")
    assert result.code == 0, result.err
    assert [line.partition(":")[0] for line in result.out.splitlines()] == ["CIFAR-10", "MNIST"]
    assert list(json.loads((home / "told.json").read_text())) == ["cifar10", "mnist"]
    listed = call("data").out.splitlines()
    assert listed[0].startswith(f"cifar10        the kit's cache, {home / 'KIT_HOME'}")
    assert listed[1].startswith(f"mnist          the kit's cache, {home / 'KIT_HOME'}")
    assert server.requests == []


@pytest.fixture
def fashion_alone(home: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with Fashion-MNIST only, whose files have the names of MNIST's."""
    y = np.concatenate([np.repeat(np.arange(3), 10), GREY_Y[30:]])
    fashion = dataclasses.replace(tiny(FASHION_MNIST, server), train_counts=(10, 10, 10))
    monkeypatch.setitem(registry.DATA_SETS, "fashion-mnist", fashion)
    return write(home / "named", idx_files(GREY_X, y))


def test_without_names_a_folder_with_one_of_two_alike_is_enough(home: Path, fashion_alone: Path) -> None:
    """MNIST is tried first."""
    folder = fashion_alone
    result = call("data", "--folder", folder, "--json", home / "told.json")
    assert (result.code, result.err) == (0, "")
    assert [line.partition(":")[0] for line in result.out.splitlines()] == ["Fashion-MNIST"]
    assert list(json.loads((home / "told.json").read_text())) == ["fashion-mnist"]
    error = one_paragraph(call("data", "mnist", "--folder", folder))
    assert "is not MNIST" in error
    assert "as Fashion-MNIST" in error


def test_the_list_tells_data_sets_with_the_same_names_apart(
    fashion_alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fashion_alone
    monkeypatch.setenv("KIT_DATA", str(folder))
    content = json.loads(call("data", "--json", "-").out)
    assert content["mnist"] == {"here": False, "place": None, "path": None}
    assert content["fashion-mnist"] == {"here": True, "place": "the folder that you named", "path": str(folder)}
    lines = call("data").out.splitlines()
    assert lines[1].startswith("mnist          not here; 'kit data mnist' downloads it")
    assert lines[2].startswith(f"fashion-mnist  the folder that you named, {folder}")


def test_a_folder_with_a_part_is_told_what_is_missing(home: Path) -> None:
    some = batches(*examples((4, 5, 3)))
    del some["test_batch"]
    folder = write(home / "named", some)
    for names in (["cifar10"], []):
        error = one_paragraph(call("data", *names, "--folder", folder))
        assert f"only a part of CIFAR-10: '{folder}' lacks test_batch" in error
        assert "no files" not in error
    error = one_paragraph(call("data", "cifar10", "--folder", folder / "data_batch_1"))
    assert "is a file" in error
    assert "does not exist" not in error


@pytest.mark.parametrize("names", [[], ["mnist"], ["mnist", "cifar10"]])
def test_a_folder_without_the_files_is_a_users_mistake(home: Path, names: list[str]) -> None:
    (home / "named").mkdir()
    error = one_paragraph(call("data", *names, "--folder", home / "named"))
    assert f"'{home / 'named'}' holds no files of " in error
    assert "mnist.npz" in error or "data_batch_1" in error


def test_a_folder_that_lacks_one_of_the_names_is_refused_before_anything_is_copied(home: Path) -> None:
    write(home / "named", CONTENTS["mnist"])
    error = one_paragraph(call("data", "mnist", "cifar10", "--folder", home / "named"))
    assert "holds no files of CIFAR-10, at most" in error
    assert not (home / "KIT_HOME").exists()


def test_a_folder_with_damaged_files_is_a_users_mistake(home: Path) -> None:
    write(home / "named", {"mnist.npz": b"damaged"})
    error = one_paragraph(call("data", "mnist", "--folder", home / "named"))
    assert str(home / "named" / "mnist.npz") in error


def test_a_folder_that_is_none_is_a_users_mistake(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(home / "missing") in one_paragraph(call("data", "mnist", "--folder", home / "missing"))
    monkeypatch.setenv("KIT_DATA", str(home / "missing"))
    for arguments in (["data"], ["data", "mnist"]):
        assert "KIT_DATA" in one_paragraph(call(*arguments))


@pytest.mark.parametrize(("name", "hint"), [("cifar", "Did you mean cifar10?"), ("imagenet21k", "Leave the name out")])
def test_an_unknown_name_is_answered_with_the_known_ones(name: str, hint: str) -> None:
    error = one_paragraph(call("data", "mnist", name))
    assert f"'{name}'" in error
    assert "cifar10, mnist, fashion-mnist" in error
    assert hint in error


def test_a_failed_download_is_work_that_failed(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.setitem(registry.DATA_SETS, "mnist", tiny(MNIST, server, data_helpers.page))
    result = call("data", "mnist")
    error = one_paragraph(result, code=1)
    assert f"{server.host}: an HTML page came instead of the file" in error
    assert "kit data mnist --folder DIR" in error
    assert f"· mnist.npz from {server.host}: an HTML page" in result.err  # said at once


def test_a_damaged_cache_of_keras_is_announced_and_skipped(home: Path) -> None:
    write(home / "KERAS_HOME" / "datasets", {"mnist.npz": b"damaged"})
    result = call("data", "mnist")
    assert result.code == 0
    assert "· MNIST in Keras's cache" in result.err
    assert "is skipped" in result.err


def test_the_json_file_is_checked_before_anything_is_downloaded(home: Path, server: Server) -> None:
    assert "--json" in one_paragraph(call("data", "mnist", "--json", home))
    assert server.requests == []


def test_the_list_loads_nothing_heavy(home: Path) -> None:
    code = (
        "import sys; sys.argv = ['kit', 'data']\n"
        "from kit import __main__ as command_line\n"
        "command_line.app(standalone_mode=False)\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["cifar10", "mnist", "fashion-mnist"]
    assert set(lines[3].split()).isdisjoint({"tensorflow", "keras", "pooch", "requests", "scipy", "sklearn"})

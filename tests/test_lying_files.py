"""Files that say one thing and are another: each is refused in one paragraph, before it has cost anything."""

from __future__ import annotations

import io
import json
import os
import warnings
import zipfile
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from kit import challenges, reports
from kit.challenges import recipes, tables
from kit.storage import files, seals
from kit.submission import source
from kit.types import Challenge, DataColumns, InputError

Refused = Callable[..., str]


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def archive(path: Path, *members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", method) as stream:
        warnings.simplefilter("ignore")  # names that appear twice
        for name, content in members:
            stream.writestr(name, content)
    return path


X, Y = npy(np.zeros((40, 3), np.float32)), npy(np.arange(40) % 2)


def claiming(shape: str) -> bytes:
    """An array of four numbers, whose header says otherwise."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00v\x00" + header.encode() + bytes(16)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([("x.npy", X), ("y.npy", Y), ("y.npy", npy(1 - np.arange(40) % 2))], "two of its arrays have one name"),
        ([("x.npy", X), ("y.npy", Y), ("y", Y)], "two of its arrays have one name"),
        ([("x.npy", b"no array"), ("y.npy", Y)], "'x' in it is no array"),
        ([("x.npy", X), ("y.npy", Y), ("read me.txt", b"text")], "'read me.txt' in it is no array"),
        ([("x.npy", claiming("(10**15,)")), ("y.npy", Y)], "cannot be read"),
        ([("x.npy", claiming("(1000000000000000, 3)")), ("y.npy", Y)], "cannot be read"),
        ([("x.npy", claiming("(-4, -1)")), ("y.npy", Y)], "cannot be read"),
        ([("x.npy", npy(np.array([print], object))), ("y.npy", Y)], "cannot be read"),
        ([("x.npy", X), ("y.npy", Y), ("sha256.npy", npy(np.array("0" * 64)))], "do not have the sha256"),
    ],
)
def test_arrays_that_are_none_or_two(
    members: list[tuple[str, bytes]], words: str, tmp_path: Path, refused: Refused
) -> None:
    path = archive(tmp_path / "data.npz", *members)
    refused(lambda: challenges.load_challenge(path), words)


def test_what_does_not_fit_in_memory_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    """A thousandth of it lies in the file."""
    path = archive(
        tmp_path / "data.npz", ("x.npy", npy(np.zeros((4000, 500)))), ("y.npy", Y), method=zipfile.ZIP_DEFLATED
    )
    assert path.stat().st_size < 40_000
    memory = psutil.virtual_memory()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory._replace(available=15_000_000))
    monkeypatch.setattr(np.lib.format, "read_array", lambda *_, **__: pytest.fail("it is read"))
    refused(lambda: challenges.load_challenge(path), "its arrays take 0.0 GB, and 0.0 GB of memory are free")


@pytest.mark.parametrize("kind", ["c16", "M8[D]", "m8[s]", "V4", "i4,f4"])
def test_numbers_of_another_kind(kind: str, tmp_path: Path, refused: Refused) -> None:
    path = archive(tmp_path / "data.npz", ("x.npy", npy(np.zeros((40, 3), kind))), ("y.npy", Y))
    refused(lambda: challenges.load_challenge(path), "Expected")
    path = archive(tmp_path / "data.npz", ("x.npy", X), ("y.npy", npy(np.zeros(40, kind))))
    refused(lambda: challenges.load_challenge(path), "Expected")


@pytest.mark.parametrize(
    "text",
    [
        '{"score_version": "1.0", "reports": [], "failures": [], "reports": []}',
        '{"score_version": "1.0", "reports": NaN, "failures": []}',
        '{"score_version": "1.0", "reports": [], "failures": [], "more": 1e999}',
        f'{{"score_version": "1.0", "reports": [], "failures": [], "more": {10**400}}}',
    ],
)
def test_reports_that_read_in_two_ways(text: str, tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "report.json"
    path.write_text(text)
    refused(lambda: reports.read_json(path), "cannot be read")


def test_a_sealed_file_that_says_something_twice_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "seconds.json"
    seals.write_json(path, "seconds", {"seconds": 6.0})
    text = path.read_text()
    assert seals.read_json(path, "seconds") == {"seconds": 6.0}
    path.write_text(text.replace('{\n "content"', '{\n "content": {"seconds": 0.1},\n "content"'))
    assert json.loads(path.read_text())["content"] == {"seconds": 6.0}
    assert seals.read_json(path, "seconds") is None


def test_a_shipped_file_without_a_digest_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    from kit.runs import originals

    monkeypatch.setattr(files, "data_folder", lambda: tmp_path)
    (tmp_path / "registry.json").write_text('{"noisy-digits": {}}')
    refused(originals.registry, "it states no sha256")


# Recipes, tables and requests


@pytest.mark.parametrize(
    "line",
    [
        "epochs = 2026-01-01",
        "epochs = true",
        "epochs = 1e30",
        f"epochs = {10**30}",
        "learning_rate = nan",
        "learning_rate = 07:00:00",
        f"learning_rate = {10**400}",
        f"weight_decay = {10**400}",
        "momentum = [1]",
        "schedule = ['cosine']",
        "optimizer = {name = 'sgd'}",
        f"batch_size = {10**30}",
        "batch_size = 2026-01-01",
        "[data]\nlabel = 2026-01-01",
        "[data]\nfeatures = [1]",
        "[[data]]\nlabel = 'y'",
        "epochs = 1\nepochs = 2",
        "x = " + "[" * 5000,
    ],
)
def test_recipes_that_say_no_numbers(line: str, tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "recipe.toml").write_text(line)
    message = refused(lambda: recipes.read(tmp_path / "recipe.toml").recipe(None), "Expected")
    assert len(message) < 1000


ROWS = "".join(f"{number % 7},{number % 3},{number % 2}\n" for number in range(60))


@pytest.mark.parametrize(
    ("header", "columns", "words"),
    [
        ("a,a,y", {}, "2 columns called 'a'"),
        ("y,b,y", {}, "2 columns called 'y'"),
        ("y.1,y,y", {}, "2 columns called 'y'"),
        (",b,y", {}, "a column without a name"),
        ("a,b,y", {"features": ("a", "y")}, "hold 'y', which is the label"),
    ],
)
def test_tables_whose_columns_are_not_told_apart(
    header: str, columns: dict[str, tuple[str, ...]], words: str, tmp_path: Path, refused: Refused
) -> None:
    """Where pandas gives another name, the first of two was taken for the label, and row numbers for features."""
    pytest.importorskip("pandas")
    path = tmp_path / "table.csv"
    path.write_text(f"{header}\n{ROWS}")
    refused(lambda: tables.read(path, DataColumns(label="y", **columns)), words)


def test_a_table_of_no_rows(tmp_path: Path, refused: Refused) -> None:
    pytest.importorskip("pandas")
    (tmp_path / "table.csv").write_text("a,b,y\n")
    (tmp_path / "recipe.toml").write_text("[data]\nlabel = 'y'\n")
    refused(lambda: challenges.load_challenge(tmp_path / "table.csv", recipe=tmp_path / "recipe.toml"), "Expected")


def nested_columns() -> dict[str, Any]:
    import pyarrow

    return {
        "a list of lists": pyarrow.array([[[1], [2, 3]]] * 60),
        "structs": pyarrow.array([{"b": 1}] * 60),
        "maps": pyarrow.array([[("key", 1)]] * 60, pyarrow.map_(pyarrow.string(), pyarrow.int64())),
        "bytes": pyarrow.array([b"\0"] * 60),
        "dates": pyarrow.array([date(2026, 1, 1)] * 60),
        "decimals": pyarrow.array([Decimal("1.5")] * 60),
        "nothing": pyarrow.nulls(60),
    }


@pytest.mark.parametrize("as_label", [False, True])
@pytest.mark.parametrize("kind", ["a list of lists", "structs", "maps", "bytes", "dates", "decimals", "nothing"])
def test_tables_with_nested_columns(kind: str, as_label: bool, tmp_path: Path, refused: Refused) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    strange, plain = nested_columns()[kind], pyarrow.array(range(60))
    names = ("y", "a") if as_label else ("a", "y")
    parquet.write_table(pyarrow.table(dict(zip(names, (strange, plain), strict=True))), tmp_path / "table.parquet")
    (tmp_path / "recipe.toml").write_text("[data]\nlabel = 'y'\n")
    refused(lambda: challenges.load_challenge(tmp_path / "table.parquet", recipe=tmp_path / "recipe.toml"), "Expected")


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Sixty examples of thirty people, whose names differ in case alone."""
    table = ["ID,id,a,y", *(f"u{number},U{59 - number},{number % 7},{number % 2}" for number in range(60))]
    (tmp_path / "people.csv").write_text("\n".join(table) + "\n")
    (tmp_path / "recipe.toml").write_text("[data]\nlabel = 'y'\nid = 'ID'\n")
    return tmp_path / "people.csv"


@pytest.mark.parametrize("header", ["ID", "id"])
def test_names_that_differ_in_case_alone_are_told_apart(header: str, people: Path, tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    requests = tmp_path / "requests.csv"

    def asked(content: str) -> Challenge:
        requests.write_text(content)
        recipe = tmp_path / "recipe.toml"
        return challenges.load_challenge(people, recipe=recipe, id_column="id", forget=str(requests))

    train = challenges.load_challenge(people, recipe=tmp_path / "recipe.toml", id_column="id").train
    name = str(train.keys[header][3])
    challenge = asked(f"{header}\n{name}\n")
    assert challenge.split.forget.tolist() == [3]
    with pytest.raises(InputError, match="the data have 'ID' and 'id'"):
        asked(f"Id\n{name}\n")


@pytest.mark.parametrize("cell", ["1_0", "\u0661", "1.0", "1e0", "0x1", "9" * 30, "9" * 5000, "1\0", "=1", ""])
def test_row_numbers_that_are_none(cell: str, tmp_path: Path, refused: Refused) -> None:
    """Python reads 1_0 as 10: somebody else would be forgotten."""
    np.savez(tmp_path / "data.npz", x=np.eye(60, dtype=np.float32), y=np.arange(60) % 2)
    (tmp_path / "rows.csv").write_text(f"row\n{cell},\n")
    refused(lambda: challenges.load_challenge(tmp_path / "data.npz", forget=str(tmp_path / "rows.csv")), "Expected")


# What lies beside a submission


def submission(folder: Path) -> Path:
    folder.mkdir()
    (folder / "mine.py").write_text(
        "import helper\n\n\ndef unlearning(net, retain, forget, validation):\n    return net\n"
    )
    return folder / "mine.py"


@pytest.mark.parametrize("target", ["../secret.py", "/etc/passwd"])
@pytest.mark.parametrize("package", [False, True])
def test_a_link_beside_a_submission_hands_over_nothing(
    target: str, package: bool, tmp_path: Path, refused: Refused
) -> None:
    """A host's key, for instance: what is read here lies beside the stranger's code when it runs."""
    (tmp_path / "secret.py").write_text("KEY = 1\n")
    path = submission(tmp_path / "theirs")
    if package:
        (path.parent / "helper").mkdir()
        (path.parent / "helper" / "__init__.py").symlink_to(Path("..") / target)
    else:
        (path.parent / "helper.py").symlink_to(target)
    refused(lambda: source.read_source(path), "leads out of its folder")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_beside_a_submission_is_not_waited_for(tmp_path: Path, refused: Refused) -> None:
    path = submission(tmp_path / "theirs")
    (path.parent / "helper").mkdir()
    (path.parent / "helper" / "__init__.py").write_text("")
    os.mkfifo(path.parent / "helper" / "more.py")
    refused(lambda: source.read_source(path), "is no file but a pipe")


def test_a_huge_file_beside_a_submission_is_not_read(tmp_path: Path, refused: Refused) -> None:
    """A terabyte that takes no room on the disk; and what is little by itself, together with the others."""
    path = submission(tmp_path / "theirs")
    with (path.parent / "helper.py").open("wb") as file:
        file.truncate(1 << 40)
    refused(lambda: source.read_source(path), "more than 16 MiB of text")
    (path.parent / "helper.py").write_text("#" * (source.LARGEST_SOURCE - path.stat().st_size))
    assert len(source.read_source(path).files) == 2
    with (path.parent / "helper.py").open("a") as file:
        file.write("#")
    refused(lambda: source.read_source(path), "more than 16 MiB of text")


def test_links_within_a_folder_and_to_the_file_itself_are_followed(tmp_path: Path) -> None:
    path = submission(tmp_path / "mine")
    (path.parent / "code.py").write_text("A = 1\n")
    (path.parent / "helper.py").symlink_to("code.py")
    (tmp_path / "link").symlink_to(path.parent)
    for way in (path, tmp_path / "link" / "mine.py"):
        assert source.read_source(way).files["helper.py"] == b"A = 1\n"
    (tmp_path / "alone.py").symlink_to(path)
    assert list(source.read_source(tmp_path / "alone.py").files) == ["alone.py"]


def test_sequences_of_fractions_stay_what_they_are(tmp_path: Path, refused: Refused) -> None:
    """They were cut to whole numbers."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path, columns = tmp_path / "table.parquet", DataColumns(label="y")
    vectors = np.random.default_rng(0).normal(size=(60, 3))
    parquet.write_table(pyarrow.table({"v": pyarrow.array(vectors.tolist()), "y": range(60)}), path)
    np.testing.assert_array_equal(tables.read(path, columns)[0].inputs["v"], vectors)
    ragged = [[1.5] * (1 + number % 3) for number in range(60)]
    parquet.write_table(pyarrow.table({"v": pyarrow.array(ragged), "y": range(60)}), path)
    refused(lambda: tables.read(path, columns), "of fractions and of several lengths")
    words = [["a"] * (1 + number % 3) for number in range(60)]
    parquet.write_table(pyarrow.table({"v": pyarrow.array(words), "y": range(60)}), path)
    refused(lambda: tables.read(path, columns), "of something else than numbers")

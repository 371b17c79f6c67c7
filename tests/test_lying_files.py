"""Files that say one thing and are another: each is refused in one paragraph, before it has cost anything."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from kit import challenges, files, reports, seals

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

"""Weights survive the journey to the bit, and nothing else survives it, whatever the file says."""

from __future__ import annotations

import functools
import io
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from calls import calls_of
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from kit.models.weights import Expected, expected_like, largest_file, read_weights, weights_to_bytes

MEGABYTE = 1_000_000
HONEST = [np.array([1.5, -2.0, 3.25], np.float32), np.asfortranarray(np.eye(2, 3)), np.array(7, np.int64)]
THREE = [Expected((3,), np.dtype(np.float32))]
FLOATS = np.array([1, 2, 3], np.float32).tobytes()
patient = settings(
    derandomize=True,
    max_examples=250,
    deadline=timedelta(seconds=60),  # of hundreds that take milliseconds: for one that hangs, on any machine
    suppress_health_check=list(HealthCheck),
)


@dataclass(frozen=True)
class Entry:
    """One entry of an archive, with whatever lies its directory is to tell; None is the truth."""

    packed: bytes
    name: bytes = b"0.npy"
    method: int = zipfile.ZIP_STORED
    flags: int = 0
    crc: int | None = None
    packed_size: int | None = None
    size: int | None = None
    extra: bytes = b""
    local_name: bytes | None = None
    shift: int = 0

    def numbers(self) -> tuple[int, int, int]:
        """CRC, packed size and size, as the directory tells them."""
        raw = self.packed if self.method != zipfile.ZIP_DEFLATED else b""
        claims = (self.crc, self.packed_size, self.size)
        truth = (zlib.crc32(raw), len(self.packed), len(raw))
        return tuple(t if lie is None else lie for lie, t in zip(claims, truth, strict=True))  # type: ignore[return-value]


def archive(*entries: Entry, ending: dict[str, int] | None = None) -> bytes:
    """A ZIP archive written by hand: zipfile does not write forged ones."""
    content, directory = b"", b""
    for entry in entries:
        name = entry.name if entry.local_name is None else entry.local_name
        start = (len(content) + entry.shift) % 2**32
        numbers = entry.numbers()
        common = struct.pack("<5H3L", 20, entry.flags, entry.method, 0, 0, *numbers)
        content += b"PK\x03\x04" + common + struct.pack("<2H", len(name), 0) + name + entry.packed
        directory += b"PK\x01\x02" + struct.pack("<H", 20) + common
        directory += struct.pack("<5H2L", len(entry.name), len(entry.extra), 0, 0, 0, 0, start)
        directory += entry.name + entry.extra
    claims = {"count": len(entries), "size": len(directory), "offset": len(content)} | (ending or {})
    end = struct.pack(
        "<4s4H2LH", b"PK\x05\x06", 0, 0, claims["count"], claims["count"], claims["size"], claims["offset"], 0
    )
    return content + directory + end


def npy(header: str | bytes, data: bytes = FLOATS, version: int = 1, length: int | None = None) -> bytes:
    header = header.encode("latin1") if isinstance(header, str) else header
    size = struct.pack("<H" if version == 1 else "<I", len(header) if length is None else length)
    return b"\x93NUMPY" + bytes([version, 0]) + size + header + data


def header_of(descr: str = "'<f4'", shape: str = "(3,)", order: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


def with_header(*args: Any, **more: Any) -> bytes:
    return archive(Entry(npy(*args, **more)))


SOUND = npy(header_of())


def deflated(raw: bytes, **lies: Any) -> Entry:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(raw) + packer.flush()
    return Entry(packed, method=zipfile.ZIP_DEFLATED, **{"crc": zlib.crc32(raw), "size": len(raw)} | lies)


def zeros_deflated(head: bytes, megabytes: int) -> bytes:
    """A bomb in no time: the same deflated mebibyte of zeros, again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return start + block * megabytes + packer.flush()


def refusal(data: bytes, expected: Sequence[Expected], memory: float = 50 * MEGABYTE) -> str:
    """Checks that a file is refused in few words and little memory; returns the words."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - the caller looks at the message
            read_weights(data, expected)
        assert tracemalloc.get_traced_memory()[1] < memory
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def assert_as_expected(actual: Sequence[np.ndarray], expected: Sequence[Expected]) -> None:
    assert len(actual) == len(expected)
    for array, like in zip(actual, expected, strict=True):
        assert type(array) is np.ndarray
        assert array.shape == like.shape
        assert str(array.dtype) == str(like.dtype)  # equal dtypes may still differ: in fields, for instance
        assert array.flags.c_contiguous
        assert array.flags.aligned
        assert array.dtype.kind not in "fc" or np.isfinite(array).all()


def assert_same(actual: Sequence[np.ndarray], arrays: Sequence[np.ndarray]) -> None:
    assert_as_expected(actual, expected_like(arrays))
    for first, second in zip(actual, arrays, strict=True):
        assert first.tobytes() == second.tobytes()  # both in C order


def refused_or_as_expected(data: bytes, expected: Sequence[Expected]) -> tuple[np.ndarray, ...] | None:
    """The whole promise: ValueError or what was expected, with no warning (they are errors here), in little memory."""
    tracemalloc.start()
    try:
        actual = read_weights(data, expected)
    except ValueError:
        actual = None
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 50 * MEGABYTE
    if actual is not None:
        assert_as_expected(actual, expected)
    return actual


# Honest files


def every_float16() -> np.ndarray:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    return halves[np.isfinite(halves)]


def odd_float32() -> np.ndarray:
    bits = np.random.default_rng(0).integers(0, 1 << 32, 5000, dtype=np.uint32).view(np.float32)
    info = np.finfo(np.float32)
    edges = np.array([0.0, -0.0, info.max, info.min, info.tiny, info.smallest_subnormal], np.float32)
    return np.concatenate([edges, bits[np.isfinite(bits)]])


TRAVELLERS = {
    "float32": odd_float32(),
    "float16": every_float16(),
    "int64": np.array([[np.iinfo(np.int64).min, -1], [0, np.iinfo(np.int64).max]]),
    "float32 scalar": np.array(-0.0, np.float32),
    "int64 scalar": np.array(12345678901234567, np.int64),
    "empty": np.zeros((0,), np.float32),
    "empty in the middle": np.zeros((3, 0, 2), np.float16),
    "empty Fortran order": np.zeros((3, 0, 2), np.int64, order="F"),
    "Fortran order": np.asfortranarray(np.arange(24, dtype=np.float32).reshape(2, 3, 4)),
    "transposed": np.arange(6, dtype=np.float16).reshape(2, 3).T,
    "every second": np.arange(10, dtype=np.int64)[::2],
    "backwards": np.arange(10, dtype=np.float32)[::-1],
    "float64": np.linspace(-1e300, 1e300, 7),
    "bool": np.array([[True], [False]]),
    "uint32": np.array([0, 1337], np.uint32),
    "many dimensions": np.ones((1,) * 30, np.float32),
    "complex64": np.array([1 - 2j, -0.0j], np.complex64),
}


@pytest.mark.parametrize("array", TRAVELLERS.values(), ids=TRAVELLERS)
def test_an_array_comes_back_to_the_bit_and_as_numpy_reads_it(array: np.ndarray) -> None:
    data = weights_to_bytes([array])
    actual = read_weights(data, expected_like([array]))
    assert_same(actual, [array])
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        assert stored.files == ["0"]
        assert_same(actual, [np.ascontiguousarray(stored["0"]).reshape(stored["0"].shape)])


def test_all_of_them_come_back_in_their_order() -> None:
    arrays = list(TRAVELLERS.values())  # more than ten: "10" is sorted before "2"
    assert_same(read_weights(weights_to_bytes(arrays), expected_like(arrays)), arrays)


def test_no_weights_at_all_are_weights_too() -> None:
    assert read_weights(weights_to_bytes([]), expected_like([])) == ()


finite_arrays = st.sampled_from([np.float16, np.float32, np.float64, np.int64, np.uint8, np.bool_]).flatmap(
    lambda dtype: arrays_of.arrays(
        dtype,
        arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
        elements={"allow_nan": False, "allow_infinity": False} if np.dtype(dtype).kind == "f" else None,
    )
)


@patient
@given(st.lists(finite_arrays, max_size=5), st.booleans())
def test_any_list_of_finite_arrays_comes_back_and_fits_into_the_largest_file(
    arrays: list[np.ndarray], fortran: bool
) -> None:
    arrays = [array.copy(order="F") for array in arrays] if fortran else arrays
    data = weights_to_bytes(arrays)
    assert len(data) <= largest_file(expected_like(arrays))
    assert_same(read_weights(data, expected_like(arrays)), arrays)
    assert weights_to_bytes([array.copy() for array in arrays]) == weights_to_bytes([array.copy() for array in arrays])


@pytest.mark.parametrize("count", [0, 1, 2, 50, 1500])
@pytest.mark.parametrize("shape", [(), (0,), (1,) * 32, (7, 11, 13)], ids=str)
def test_the_largest_file_is_large_enough(count: int, shape: tuple[int, ...]) -> None:
    arrays = [np.ones(shape, np.float32)] * min(count, 200 if shape == (7, 11, 13) else count)
    assert len(weights_to_bytes(arrays)) <= largest_file(expected_like(arrays))


def test_many_random_lists_of_arrays_fit_into_the_largest_file() -> None:
    generator = np.random.default_rng(0)
    for _ in range(100):
        shapes = [generator.integers(0, 9, generator.integers(0, 5)) for _ in range(generator.integers(0, 30))]
        dtypes = [generator.choice(["f2", "f4", "f8", "i8", "u1", "?"]) for _ in shapes]
        arrays = [np.zeros(tuple(shape), dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
        assert len(weights_to_bytes(arrays)) <= largest_file(expected_like(arrays))


def test_what_is_expected_are_shapes_and_dtypes() -> None:
    expected = expected_like(HONEST)
    assert [entry.shape for entry in expected] == [(3,), (2, 3), ()]
    assert [str(entry.dtype) for entry in expected] == ["float32", "float64", "int64"]
    assert [entry.nbytes for entry in expected] == [12, 48, 8]
    assert Expected((5, 0), np.dtype(np.float16)).nbytes == 0


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_other_ways_to_write_the_same_are_read_too(version: tuple[int, int], method: int) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as writer:
        for number, array in reversed(list(enumerate(HONEST))):
            raw = io.BytesIO()
            np.lib.format.write_array(raw, array, version)
            writer.writestr(f"{number}.npy", raw.getvalue())
    assert_same(read_weights(stream.getvalue(), expected_like(HONEST)), HONEST)


def test_a_header_of_python_2_is_read_without_a_warning() -> None:
    (actual,) = read_weights(with_header(header_of(shape="(3L,)")), THREE)
    assert actual.tolist() == [1, 2, 3]


def test_the_forger_of_these_tests_can_write_an_honest_file() -> None:
    for entry in (Entry(SOUND), deflated(SOUND)):
        data = archive(entry)
        (actual,) = read_weights(data, THREE)
        assert actual.tolist() == [1, 2, 3]
        with np.load(io.BytesIO(data)) as stored:
            assert stored["0"].tolist() == [1, 2, 3]


# Attacks with a name


class Touch:
    """Pickled by an attacker: whoever unpickles it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("dtype", [np.float32, np.object_], ids=["float32", "object"])
def test_nothing_is_unpickled(tmp_path: Path, dtype: type) -> None:
    stream = io.BytesIO()
    np.savez(stream, **{"0": np.array([Touch(tmp_path / "pwned")], dtype=object)})  # type: ignore[arg-type]
    refusal(stream.getvalue(), [Expected((1,), np.dtype(dtype))])
    assert not (tmp_path / "pwned").exists()
    with np.load(io.BytesIO(stream.getvalue()), allow_pickle=True) as stored:
        _ = stored["0"]
    assert (tmp_path / "pwned").exists()  # the payload was live


def test_pointers_are_not_taken_from_a_file() -> None:
    for descr in ("'|O'", "('<f8', [('a', '|O')])", "('<f8', 'O')", "[('a', '|O')]"):
        for dtype in (np.float64, np.object_):
            data = with_header(header_of(descr, "(1,)"), bytes(range(8)))
            assert "array 0" in refusal(data, [Expected((1,), np.dtype(dtype))]) or dtype is np.object_


BOMB = zeros_deflated(npy(header_of(shape=f"({(1 << 30) // 4},)"), b""), 1024)


def test_a_gigabyte_of_zeros_does_not_unfold() -> None:
    data = archive(Entry(BOMB, method=zipfile.ZIP_DEFLATED, size=1 << 30))
    assert len(data) < 2 * MEGABYTE
    assert "bytes where" in refusal(data, THREE, memory=MEGABYTE)
    expected = [Expected((MEGABYTE,), np.dtype(np.float32))]  # a file of this size may pass
    refused_soon = functools.partial(refusal, data, expected, memory=30 * MEGABYTE)
    assert "larger than the 4,000,000 bytes" in refused_soon()
    assert calls_of(refused_soon) < 10_000  # a gigabyte is a million and more of zipfile's pieces


def test_a_small_bomb_in_a_small_file_does_not_unfold() -> None:
    data = archive(Entry(zeros_deflated(npy(header_of(), b""), 16), method=zipfile.ZIP_DEFLATED, size=1 << 24))
    assert len(data) < largest_file(THREE)
    assert "larger than the 12 bytes" in refusal(data, THREE, memory=MEGABYTE)


@pytest.mark.parametrize("size", [len(SOUND), 1 << 31, 2**32 - 2])
def test_a_bomb_that_lies_about_its_size_does_not_unfold(size: int) -> None:
    packed = zeros_deflated(SOUND, 16)
    data = archive(Entry(packed, method=zipfile.ZIP_DEFLATED, size=size, crc=zlib.crc32(SOUND)))
    actual = refused_or_as_expected(data, THREE)
    assert actual is None or actual[0].tolist() == [1, 2, 3]  # cut where it says that it ends: harmless
    assert (actual is None) == (size != len(SOUND))


def npy_of(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array)
    return stream.getvalue()


UNSOUND = "array 0 has no sound .npy header"
NOT_NPZ = "it is no sound .npz file"
WRONG_NAMES = "not 0.npy to 0.npy"
ATTACKS = {
    "shape (10**12,)": (with_header(header_of(shape="(1000000000000,)")), "array 0 has shape (1000000000000,)"),
    "shape (-1,)": (with_header(header_of(shape="(-1,)")), "array 0 has shape (-1,)"),
    "shape of booleans": (with_header(header_of(shape="(True, 3)")), "array 0"),
    "shape is a number": (with_header(header_of(shape="3")), UNSOUND),
    "order is a number": (with_header(header_of(order="0")), UNSOUND),
    "too many dimensions": (with_header(header_of(shape="(3," + "1," * 100 + ")")), "array 0 has shape (3, 1,"),
    "wrong shape": (with_header(header_of(shape="(1, 3)")), "array 0 has shape (1, 3)"),
    "scalar": (with_header(header_of(shape="()"), bytes(4)), "array 0 has shape ()"),
    "wrong dtype": (with_header(header_of("'<i4'")), "dtype int32, expected (3,) and float32"),
    "float64": (with_header(header_of("'<f8'"), FLOATS * 2), "dtype float64, expected (3,) and float32"),
    "big-endian": (with_header(header_of("'>f4'")), "dtype >f4, expected (3,) and float32"),
    "structured": (with_header(header_of("[('a', '<f4')]")), "[('a', '<f4')], expected (3,) and float32"),
    "structured, alike": (with_header(header_of("('<f4', [('a', '<u2'), ('b', '<u2')])")), "array 0 has"),
    "array in an array": (with_header(header_of("('<f4', (3,))", "()")), "array 0 has shape ()"),
    "strange dtype": (with_header(header_of("'<q9'")), UNSOUND),
    "no dtype": (with_header(header_of("None")), "array 0"),
    "too little data": (with_header(header_of(), FLOATS[:-1]), "array 0 has 11 bytes of data, expected 12"),
    "no data": (with_header(header_of(), b""), "array 0 has 0 bytes of data, expected 12"),
    "too much data": (with_header(header_of(), FLOATS + b"!"), "array 0 has 13 bytes of data, expected 12"),
    "far too much data": (with_header(header_of(), FLOATS * 1000), "array 0 is larger than the 12 bytes"),
    "header too long": (with_header(header_of() + " " * 10_001), "array 0"),
    "huge header length": (with_header(header_of(), version=2, length=2**32 - 1), UNSOUND),
    "header longer than the file": (with_header(header_of(), length=65535), UNSOUND),
    "no header": (archive(Entry(b"")), UNSOUND),
    "half a header": (archive(Entry(SOUND[:9])), UNSOUND),
    "no magic": (archive(Entry(b"PNG" + SOUND)), UNSOUND),
    "version 0": (with_header(header_of(), version=0), UNSOUND),
    "version 3": (with_header(header_of(), version=3), UNSOUND),
    "version 255": (with_header(header_of(), version=255), UNSOUND),
    "100 parentheses": (with_header("(" * 100 + ")" * 100), UNSOUND),
    "9,000 parentheses": (with_header("(" * 9000), UNSOUND),
    "2,000 braces": (with_header("{1:[" * 2000), UNSOUND),
    "shape in 100 parentheses": (with_header(header_of(shape="(" * 100 + "3" + ",)" * 100)), UNSOUND),
    "9,000 minuses": (with_header("-" * 9000 + "1"), UNSOUND),
    "sum of 4,900": (with_header("1" + "+1" * 4900), UNSOUND),
    "power of powers": (with_header("9" + "**9" * 3000), UNSOUND),
    "a chain of calls": (with_header("x" + "()" * 4900), UNSOUND),
    "lambdas": (with_header("lambda:" * 1400 + "1"), UNSOUND),
    "call": (with_header(header_of(shape="__import__('os').getpid()")), UNSOUND),
    "comprehension": (with_header(header_of(shape="tuple(3 for _ in range(10**12))")), UNSOUND),
    "repeated list": (with_header(header_of(shape="(3,) * 10**12")), UNSOUND),
    "escape that warns": (with_header(header_of("'\\d'")), UNSOUND),
    "missing key": (with_header("{'descr': '<f4', 'shape': (3,)}"), UNSOUND),
    "other key": (with_header(header_of()[:-1] + "'x': 1}"), UNSOUND),
    "key that cannot be sorted": (with_header(header_of()[:-1] + "1: 1}"), UNSOUND),
    "no dictionary": (with_header("[1, 2]"), UNSOUND),
    "NUL in the header": (with_header(header_of() + "\0"), UNSOUND),
    "no entries": (archive(), "it holds 0 arrays"),
    "duplicate": (archive(Entry(SOUND), Entry(SOUND)), "it holds 2 arrays ['0.npy', '0.npy']"),
    "extra entry": (archive(Entry(SOUND), Entry(SOUND, b"1.npy")), "it holds 2 arrays ['0.npy', '1.npy']"),
    "other number": (archive(Entry(SOUND, b"1.npy")), WRONG_NAMES),
    "two zeros": (archive(Entry(SOUND, b"00.npy")), WRONG_NAMES),
    "no suffix": (archive(Entry(SOUND, b"0")), WRONG_NAMES),
    "upper case": (archive(Entry(SOUND, b"0.NPY")), WRONG_NAMES),
    "folder": (archive(Entry(SOUND, b"0.npy/")), WRONG_NAMES),
    "parent folder": (archive(Entry(SOUND, b"../0.npy")), WRONG_NAMES),
    "absolute": (archive(Entry(SOUND, b"/0.npy")), WRONG_NAMES),
    "absolute on Windows": (archive(Entry(SOUND, b"C:\\0.npy")), WRONG_NAMES),
    "terminal codes": (archive(Entry(SOUND, b"\x1b[2J\r\n0.npy")), WRONG_NAMES),
    "long name": (archive(Entry(SOUND, b"0.npy" * 1000)), "it "),
    "another local name": (archive(Entry(SOUND, local_name=b"1.npy")), NOT_NPZ),
    "encrypted": (archive(Entry(bytes(12) + SOUND, flags=1)), NOT_NPZ),
    "strongly encrypted": (archive(Entry(SOUND, flags=65)), NOT_NPZ),
    "patched": (archive(Entry(SOUND, flags=32)), NOT_NPZ),
    "unknown method": (archive(Entry(SOUND, method=99)), "array 0 is compressed in an unusual way"),
    "bzip2": (archive(Entry(SOUND, method=zipfile.ZIP_BZIP2)), "array 0 is compressed in an unusual way"),
    "LZMA": (archive(Entry(SOUND, method=zipfile.ZIP_LZMA)), "array 0 is compressed in an unusual way"),
    "nothing deflated": (archive(Entry(SOUND, method=zipfile.ZIP_DEFLATED, size=len(SOUND))), NOT_NPZ),
    "deflated, cut": (archive(Entry(deflated(SOUND).packed[:-9], method=8, size=len(SOUND))), NOT_NPZ),
    "wrong checksum": (archive(Entry(SOUND, crc=1)), NOT_NPZ),
    "size too small": (archive(Entry(SOUND, size=20)), NOT_NPZ),
    "size too large": (archive(Entry(SOUND, size=2**32 - 2, packed_size=2**32 - 2)), NOT_NPZ),
    "packed size too small": (archive(Entry(SOUND, packed_size=20)), NOT_NPZ),
    "deflated, size too small": (archive(deflated(SOUND, size=20)), NOT_NPZ),
    "offset of an entry beyond the end": (archive(Entry(SOUND, shift=10_000)), NOT_NPZ),
    "offset of an entry beside it": (archive(Entry(SOUND, shift=1)), NOT_NPZ),
    "half a ZIP64 field": (archive(Entry(SOUND, size=2**32 - 1, extra=struct.pack("<2H", 1, 8) + b"12")), NOT_NPZ),
    "directory size too large": (archive(Entry(SOUND), ending={"size": 2**32 - 1}), NOT_NPZ),
    "directory too small": (archive(Entry(SOUND), ending={"size": 10}), NOT_NPZ),
    "empty": (b"", NOT_NPZ),
    "one byte": (b"P", NOT_NPZ),
    "zeros": (bytes(1000), NOT_NPZ),
    "a bare .npy file": (SOUND, NOT_NPZ),
    "cut in half": (archive(Entry(SOUND))[:100], NOT_NPZ),
    "without its last byte": (archive(Entry(SOUND))[:-1], NOT_NPZ),
    "one byte too large": (bytes(largest_file(THREE) + 1), "it has 30,013 bytes where 30,012 are enough"),
    "far too large": (bytes(20 * MEGABYTE), "it has 20,000,000 bytes where 30,012 are enough"),
    "far too much junk appended": (archive(Entry(SOUND)) + bytes(70_000), "are enough"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_refused_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attack: str) -> None:
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    data, reason = ATTACKS[attack]
    message = refusal(data, THREE, memory=15 * MEGABYTE)
    assert reason in message
    assert message.isprintable()
    assert len(message) < 500
    assert [path.name for path in tmp_path.rglob("*")] == ["inner"]


@pytest.mark.parametrize("junk", [b"!", b"junk" * 100, bytes(20_000), b"PK\x05\x06"], ids=len)
@pytest.mark.parametrize("before", [False, True], ids=["after", "before"])
def test_junk_around_the_archive_does_no_harm(junk: bytes, before: bool) -> None:
    data = weights_to_bytes(HONEST)
    actual = refused_or_as_expected(junk + data if before else data + junk, expected_like(HONEST))
    if actual is not None:
        assert_same(actual, HONEST)


@pytest.mark.parametrize(
    "lie",
    [
        {"packed_size": 5000},
        {"packed_size": 2**32 - 2},
        {"size": 2**32 - 2},
        {"size": 2**32 - 1, "extra": struct.pack("<2HQ", 1, 8, 2**64 - 1)},
        {"name": b"0.npy\0../x", "local_name": b"0.npy\0../x"},
    ],
    ids=str,
)
def test_lies_that_need_not_be_noticed_do_no_harm(lie: dict[str, Any]) -> None:
    actual = refused_or_as_expected(archive(Entry(SOUND, **lie)), THREE)
    assert actual is None or actual[0].tolist() == [1, 2, 3]


def test_a_missing_entry_is_refused() -> None:
    names = [f"{number}.npy".encode() for number in range(12)]
    expected = THREE * 12
    read_weights(archive(*(Entry(SOUND, name) for name in names)), expected)
    for missing in names:
        data = archive(*(Entry(SOUND, name) for name in names if name != missing))
        assert "it holds 11 arrays" in refusal(data, expected)
        data = archive(*(Entry(SOUND, names[0] if name == missing else name) for name in names[1:]))
        assert "it holds 11 arrays" in refusal(data, expected)


def test_the_array_at_fault_is_named() -> None:
    arrays = [np.zeros(2, np.float32) for _ in range(12)]
    for number in range(12):
        bad = [*arrays[:number], np.zeros(3, np.float32), *arrays[number + 1 :]]
        assert f"array {number} has shape (3,)" in refusal(weights_to_bytes(bad), expected_like(arrays))


@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4", "longdouble", "complex64", "complex128"])
def test_values_that_are_not_finite_are_refused_wherever_they_are(value: float, dtype: str) -> None:
    for position in [(0, 0), (1, 2), (2, 3)]:
        for order in ("C", "F"):
            array = np.ones((3, 4), dtype, order=order)  # type: ignore[call-overload]
            assert_same(read_weights(weights_to_bytes([array]), expected_like([array])), [array])
            array[position] = value
            assert "array 0 holds NaN or infinite values" in refusal(weights_to_bytes([array]), expected_like([array]))


def test_a_signalling_nan_is_refused_without_a_warning() -> None:
    bits = np.array([0x7F800001, 0xFFBFFFFF, 0x3F800000], np.uint32)
    assert "NaN" in refusal(with_header(header_of(), bits.tobytes()), THREE)


WORDS = {
    "integer of 9,000 digits": with_header(header_of(shape=f"(0x{'f' * 9000},)")),
    "integer of 4,000 digits": with_header(header_of(shape=f"({'9' * 4000},)")),
    "4,900 dimensions": with_header(header_of(shape="(" + "1," * 4900 + ")")),
    "3,200 fields": with_header(header_of(f"'{'f4,' * 3200}'", "()")),
    "a name that is no text": archive(Entry(SOUND, b"\xff.npy", flags=0x800)),
    "a directory before the start": archive(Entry(SOUND), ending={"offset": 2**31, "size": 0}),
}


@pytest.mark.parametrize("attack", WORDS)
def test_the_reason_is_half_a_sentence_of_the_kit_however_long_what_it_quotes(attack: str) -> None:
    message = refusal(WORDS[attack], THREE)
    assert message.startswith(("it is ", "it has ", "it holds ", "array 0 "))
    assert message.isprintable()
    assert len(message) < 500


TWO_MEGABYTES = [Expected((MEGABYTE // 2,), np.dtype(np.float32))]


def forged_directory(entry: bytes) -> bytes:
    count = (largest_file(TWO_MEGABYTES) - 22) // len(entry)
    return entry * count + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0, 0, count * len(entry), 0, 0)


def test_a_file_of_nothing_but_names_takes_no_more_memory_than_the_weights_would() -> None:
    honest = weights_to_bytes([np.zeros(MEGABYTE // 2, np.float32)])
    tracemalloc.start()
    read_weights(honest, TWO_MEGABYTES)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * len(honest)
    refusal(forged_directory(b"PK\x01\x02" + bytes(42)), TWO_MEGABYTES, memory=4 * len(honest))


def test_a_file_of_nothing_but_extra_fields_is_not_gone_through() -> None:
    extra = struct.pack("<2H", 0x9999, 0) * 16383
    data = forged_directory(
        b"PK\x01\x02" + bytes(24) + struct.pack("<2H", 5, len(extra)) + bytes(14) + b"0.npy" + extra
    )

    def refused() -> None:
        with pytest.raises(ValueError, match="it "):
            read_weights(data, TWO_MEGABYTES)

    assert calls_of(refused) < 1_000  # zipfile alone: one and more for each of the 490,000 fields


# Attacks without a name


COMPRESSED = io.BytesIO()
np.savez_compressed(COMPRESSED, **{str(number): array for number, array in enumerate(HONEST)})  # type: ignore[arg-type]
FILES = [weights_to_bytes(HONEST), COMPRESSED.getvalue()]
RAW = [npy_of(array) for array in HONEST]


@st.composite
def damaged(draw: st.DrawFn, originals: Sequence[bytes]) -> bytes:
    data = draw(st.sampled_from(originals))
    for _ in range(draw(st.integers(1, 4))):
        start, end = sorted((draw(st.integers(0, len(data))), draw(st.integers(0, len(data)))))
        kind = draw(st.sampled_from(["flip", "cut", "end", "insert", "repeat", "replace"]))
        if kind == "flip" and start < len(data):
            data = data[:start] + bytes([data[start] ^ draw(st.integers(1, 255))]) + data[start + 1 :]
        elif kind == "cut":
            data = data[:start] + data[end:]
        elif kind == "end":
            data = data[:end]
        elif kind == "insert":
            data = data[:start] + draw(st.binary(max_size=40)) + data[start:]
        elif kind == "repeat":
            data = data[:end] + data[start:end] * draw(st.integers(1, 20)) + data[end:]
        elif kind == "replace":
            new = draw(st.binary(min_size=1, max_size=8))
            data = data[:start] + new + data[start + len(new) :]
    return data


@patient
@given(st.binary(max_size=2000))
@example(b"PK\x05\x06" + bytes(18))
@example(b"PK\x06\x06" + bytes(52) + b"PK\x06\x07" + bytes(16) + b"PK\x05\x06" + b"\xff" * 16 + bytes(2))
def test_any_bytes_are_refused(data: bytes) -> None:
    assert refused_or_as_expected(data, expected_like(HONEST)) is None
    refused_or_as_expected(data, [])


@patient
@given(damaged(FILES))
def test_a_damaged_file_is_refused_or_what_was_expected(data: bytes) -> None:
    refused_or_as_expected(data, expected_like(HONEST))


@patient
@given(st.integers(0, len(FILES[0]) - 1), st.integers(1, 255))
def test_a_flipped_byte_never_changes_a_weight(position: int, mask: int) -> None:
    data = bytearray(FILES[0])
    data[position] ^= mask
    actual = refused_or_as_expected(bytes(data), expected_like(HONEST))
    if actual is not None:
        assert_same(actual, HONEST)


@patient
@given(st.lists(damaged(RAW), min_size=1, max_size=3), st.booleans())
def test_damaged_arrays_in_a_sound_archive_are_refused_or_what_was_expected(raws: list[bytes], deflate: bool) -> None:
    raws = raws + RAW[len(raws) :]
    make = deflated if deflate else Entry
    data = archive(*(make(raw, name=f"{number}.npy".encode()) for number, raw in enumerate(raws)))
    refused_or_as_expected(data, expected_like(HONEST))


literals = st.recursive(
    st.one_of(
        st.integers(),
        st.booleans(),
        st.none(),
        st.floats(),
        st.text(max_size=5),
        st.binary(max_size=5),
        st.sampled_from(["<f4", "f4", "=f4", "|f4", ">f4", "O", "V4", "(3,)f4", "f4,f4", "M8[s]", "S12", "c8", "?"]),
        st.sampled_from([1, 2, 3, -1, 10**12, 2**63, 2**64]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.sampled_from(["names", "formats", "offsets", "itemsize", "a"]), inner, max_size=4),
    ),
    max_leaves=6,
)
mostly_sound_headers = st.builds(
    lambda descr, order, shape, more: {"descr": descr, "fortran_order": order, "shape": shape} | more,
    st.just("<f4") | literals | st.tuples(st.just("<f4"), literals),
    st.booleans() | literals,
    st.just((3,)) | st.lists(st.integers(-1, 3) | st.booleans(), max_size=4).map(tuple) | literals,
    st.just({}) | st.dictionaries(st.text(max_size=2), literals, max_size=2),
).map(repr)


@patient
@given(mostly_sound_headers | literals.map(repr) | st.text(max_size=60), st.sampled_from([1, 2]), st.booleans())
@example(header_of("('<f4', '<f4')"), 1, False)
def test_any_header_is_refused_or_what_was_expected(header: str, version: int, python2: bool) -> None:
    header = header.replace(",)", "L,)") if python2 else header
    for data in (FLOATS, FLOATS * 2, b""):
        refused_or_as_expected(with_header(header.encode("utf-8", "replace"), data, version=version), THREE)


numbers_of_32_bits = st.none() | st.integers(0, 200) | st.integers(0, 2**32 - 1) | st.just(2**32 - 1)
forged = st.builds(
    Entry,
    packed=st.sampled_from([SOUND, deflated(SOUND).packed, b""]) | damaged([SOUND, deflated(SOUND).packed]),
    name=st.just(b"0.npy") | st.sampled_from([b"1.npy", b"", b"../0.npy", b"0.npy\0x"]) | st.binary(max_size=8),
    method=st.sampled_from([0, 8, 8, 12, 14]) | st.integers(0, 2**16 - 1),
    flags=st.just(0) | st.integers(0, 2**16 - 1),
    crc=st.none() | st.just(zlib.crc32(SOUND)) | st.integers(0, 2**32 - 1),
    packed_size=numbers_of_32_bits,
    size=st.just(len(SOUND)) | numbers_of_32_bits,
    extra=st.just(b"")
    | st.binary(max_size=40)
    | st.integers(0, 2**64 - 1).map(lambda number: struct.pack("<2H3Q", 1, 24, number, number, number)),
    local_name=st.none() | st.just(b"0.npy") | st.binary(max_size=8),
    shift=st.just(0) | st.integers(-100, 100) | st.integers(0, 2**32 - 1),
)
endings = st.just({}) | st.dictionaries(st.sampled_from(["size", "offset"]), st.integers(0, 2**32 - 1), max_size=2)


@patient
@given(st.lists(forged, min_size=1, max_size=2), endings, st.binary(max_size=30) | st.just(b""))
def test_forged_entries_are_refused_or_what_was_expected(
    entries: list[Entry], ending: dict[str, int], junk: bytes
) -> None:
    data = archive(*entries, ending=ending) + junk
    refused_or_as_expected(data, THREE)
    refused_or_as_expected(data, THREE * len(entries))

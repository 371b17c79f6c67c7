"""Files of PyTorch are read to the bit without PyTorch, and forged ones do nothing, whatever they say."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import io
import os
import pickle
import pickletools
import struct
import sys
import tracemalloc
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from torch_helpers import find_torch

from kit.models.torch import files
from kit.models.torch.files import read_state_dict, write_state_dict
from kit.models.torch.pickle import MOST_BYTES, read_pickle
from kit.types import InputError

MEGABYTE = 1_000_000
FLOATS = np.arange(6, dtype=np.float32)
patient = settings(
    derandomize=True,
    max_examples=200,
    deadline=timedelta(seconds=60),  # of hundreds that take milliseconds: for one that hangs, on any machine
    suppress_health_check=list(HealthCheck),
)

# A pickle written by hand, as torch.save writes it


def text(content: str) -> bytes:
    return b"X" + struct.pack("<I", len(content.encode())) + content.encode()


def integer(number: int) -> bytes:
    return pickle.LONG1 + b"\x20" + number.to_bytes(32, "little", signed=True)


def numbers(*content: int) -> bytes:
    return b"(" + b"".join(map(integer, content)) + b"t"


def name(path: str) -> bytes:
    module, _, attribute = path.rpartition(".")
    return f"c{module}\n{attribute}\n".encode()


def storage(key: str = "0", length: int = 6, kind: str = "torch.FloatStorage", word: str = "storage") -> bytes:
    return b"(" + text(word) + name(kind) + text(key) + text("cpu") + integer(length) + b"tQ"


ORDERED_DICT = name("collections.OrderedDict") + b")R"
REBUILD = "torch._utils._rebuild_tensor_v2"


@dataclass(frozen=True)
class Forged:
    """A tensor as a pickle describes it."""

    offset: int = 0
    shape: tuple[int, ...] = (6,)
    strides: tuple[int, ...] = (1,)
    stored: bytes = storage()
    function: str = REBUILD
    ending: bytes = b"\x89" + ORDERED_DICT

    def pickled(self) -> bytes:
        start = name(self.function) + b"(" + self.stored + integer(self.offset)
        return start + numbers(*self.shape) + numbers(*self.strides) + self.ending + b"tR"


def dictionary(**entries: bytes) -> bytes:
    return ORDERED_DICT + b"(" + b"".join(text(key) + value for key, value in entries.items()) + b"u"


def pickled(content: bytes) -> bytes:
    return b"\x80\x02" + content + b"."


def archive(path: Path, data: bytes, method: int = zipfile.ZIP_STORED, **entries: bytes) -> Path:
    """A file of torch.save, with this pickle and these further entries (`data_0` is `data/0`)."""
    entries = {"data_0": FLOATS.tobytes(), "byteorder": b"little", "version": b"3\n"} | entries
    with zipfile.ZipFile(path, "w", method) as writer:
        writer.writestr("archive/data.pkl", data)
        for key, content in entries.items():
            writer.writestr(f"archive/{key.replace('_', '/')}", content)
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "weights.pth"


def refusal(path: Path, *fragments: str, memory: float = 5 * MEGABYTE) -> str:
    """Checks that a file is refused in one paragraph and little memory."""
    tracemalloc.start()
    try:
        with pytest.raises(InputError) as caught:
            read_state_dict(path)
        assert tracemalloc.get_traced_memory()[1] < memory
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 1000
    for fragment in (*fragments, str(path), "Expected"):
        assert fragment in message
    return message


def assert_same(arrays_read: np.ndarray, expected: np.ndarray) -> None:
    assert (arrays_read.shape, arrays_read.dtype) == (expected.shape, expected.dtype)
    assert arrays_read.tobytes() == expected.tobytes()
    assert not arrays_read.flags.writeable


# Without PyTorch: writing and reading again

TRAVELLERS = {
    "float64": np.linspace(-1e300, 1e300, 7),
    "float32": np.array([[0.0, -0.0, np.nan], [np.inf, 1e-45, -1.5]], np.float32),
    "float16": np.arange(6, dtype=np.float16).reshape(1, 2, 3),
    "int64": np.array([np.iinfo(np.int64).min, np.iinfo(np.int64).max]),
    "int32": np.arange(-3, 3, dtype=np.int32),
    "int16": np.array([-(2**15), 2**15 - 1], np.int16),
    "int8": np.array([-128, 127], np.int8),
    "uint8": np.array([0, 255], np.uint8),
    "bool": np.array([[True], [False]]),
    "scalar": np.array(3.5, np.float32),
    "int64 scalar": np.array(-7),
    "empty": np.zeros((0,), np.float32),
    "empty in the middle": np.zeros((3, 0, 2), np.float32),
    "transposed": np.arange(6, dtype=np.float32).reshape(2, 3).T,
    "every second": np.arange(10, dtype=np.int64)[::2],
    "backwards": np.arange(10, dtype=np.float32)[::-1],
    "big-endian": np.arange(3, dtype=">f4"),
    "many dimensions": np.ones((1,) * 30, np.float32),
}


def native(array: np.ndarray) -> np.ndarray:
    return array.astype(array.dtype.newbyteorder("="))


def test_what_is_written_is_read_again_to_the_bit_and_in_its_order(file: Path) -> None:
    write_state_dict(file, TRAVELLERS)
    arrays_read = read_state_dict(file)
    assert list(arrays_read) == list(TRAVELLERS)
    for key, array in TRAVELLERS.items():
        assert_same(arrays_read[key], native(array))


def test_the_same_arrays_give_the_same_bytes(tmp_path: Path) -> None:
    for path in (tmp_path / "one.pth", tmp_path / "other.pth"):
        write_state_dict(path, {"a": FLOATS, "b": np.array(1)})
    assert (tmp_path / "one.pth").read_bytes() == (tmp_path / "other.pth").read_bytes()


def test_tensors_begin_where_memory_can_be_mapped(file: Path) -> None:
    write_state_dict(file, TRAVELLERS)
    raw = file.read_bytes()
    with zipfile.ZipFile(file) as reader:
        for entry in reader.infolist():
            length = sum(struct.unpack("<2H", raw[entry.header_offset + 26 : entry.header_offset + 30]))
            assert (entry.header_offset + 30 + length) % 64 == 0


@pytest.mark.parametrize("dtype", ["complex64", "U3", "object", "uint32"])
def test_what_pytorch_has_no_storage_for_is_not_written(file: Path, dtype: str) -> None:
    with pytest.raises(InputError, match="Expected floats, integers or booleans"):
        write_state_dict(file, {"good": FLOATS, "bad": np.zeros(2, dtype)})
    assert not file.exists()


def test_a_file_appears_when_it_is_complete(file: Path) -> None:
    file.write_bytes(b"old")
    with pytest.raises(UnicodeEncodeError):
        write_state_dict(file, {"\ud800": FLOATS})
    assert file.read_bytes() == b"old"
    assert list(file.parent.iterdir()) == [file]


some_arrays = st.sampled_from(["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u1", "?"]).flatmap(
    lambda dtype: arrays_of.arrays(dtype, arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
)


@patient
@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8).map("w.{}".format), some_arrays, min_size=1))
@pytest.mark.slow
def test_any_arrays_come_back(arrays: dict[str, np.ndarray]) -> None:
    path = Path(os.environ["KIT_HOME"]) / "any.pth"
    write_state_dict(path, arrays)
    arrays_read = read_state_dict(path)
    assert list(arrays_read) == list(arrays)
    for key, array in arrays.items():
        assert_same(arrays_read[key], array)


# Without PyTorch: what a file may hold


def test_the_forger_of_these_tests_can_write_an_honest_file(file: Path) -> None:
    arrays_read = read_state_dict(archive(file, pickled(dictionary(a=Forged().pickled()))))
    assert_same(arrays_read["a"], FLOATS)


@pytest.mark.parametrize(
    ("tensor", "expected"),
    [
        (Forged(2, (4,)), FLOATS[2:]),
        (Forged(1, (2,), (3,)), FLOATS[1::3]),
        (Forged(0, (3, 2), (1, 3)), FLOATS.reshape(2, 3).T),
        (Forged(0, (4, 1), (0, 10**12)), FLOATS[[0, 0, 0, 0], np.newaxis]),
        (Forged(5, (), ()), np.array(5, np.float32)),
        (Forged(9, (2, 0), (10**9, 1)), np.zeros((2, 0), np.float32)),
        (Forged(0, (3,), (1,), storage(length=3)), FLOATS[:3]),
        (Forged(0, (24,), (1,), storage(length=24, kind="torch.CharStorage")), FLOATS.view(np.int8)),
    ],
    ids=range(8),
)
def test_offset_shape_and_strides_are_respected(file: Path, tensor: Forged, expected: np.ndarray) -> None:
    assert_same(read_state_dict(archive(file, pickled(dictionary(a=tensor.pickled()))))["a"], expected)


def test_bfloat16_becomes_float32_and_any_byte_but_0_is_true(file: Path) -> None:
    halves = (np.array([1.5, -2.0, 3e38, np.inf], np.float32).view(np.uint32) >> 16).astype("<u2")
    tensors = dictionary(
        a=Forged(0, (4,), stored=storage("1", 4, "torch.BFloat16Storage")).pickled(),
        b=Forged(0, (3,), stored=storage("2", 3, "torch.BoolStorage")).pickled(),
    )
    arrays_read = read_state_dict(archive(file, pickled(tensors), data_1=halves.tobytes(), data_2=b"\x00\x01\xff"))
    assert_same(arrays_read["a"], (halves.astype(np.uint32) << 16).view(np.float32))
    assert_same(arrays_read["b"], np.array([False, True, True]))


def test_parameters_are_tensors(file: Path) -> None:
    parameter = name("torch._utils._rebuild_parameter") + b"(" + Forged().pickled() + b"\x88" + ORDERED_DICT + b"tR"
    assert_same(read_state_dict(archive(file, pickled(dictionary(a=parameter))))["a"], FLOATS)


@pytest.mark.parametrize("wrapper", [("state_dict",), ("model",), ("net",), ("model", "state_dict")], ids=str)
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
def test_a_checkpoint_is_unwrapped(file: Path, wrapper: tuple[str, ...], prefix: str) -> None:
    content = dictionary(**{f"{prefix}fc.bias": Forged().pickled()})
    for key in wrapper[::-1]:
        optimizer = dictionary(state=b"}" + integer(0) + b"}" + text("momentum") + Forged().pickled() + b"ss")
        content = dictionary(
            epoch=integer(3), optimizer=optimizer, best=b"G" + struct.pack(">d", 0.5), **{key: content}
        )
    arrays_read = read_state_dict(archive(file, pickled(content)))
    assert list(arrays_read) == ["fc.bias"]


def test_one_name_without_the_prefix_keeps_all_of_them(file: Path) -> None:
    content = dictionary(**{"module.a": Forged().pickled(), "b": Forged().pickled()})
    assert list(read_state_dict(archive(file, pickled(content)))) == ["module.a", "b"]


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        (dictionary(), "no tensors by name"),
        (b"]" + Forged().pickled() + b"a", "no tensors by name"),
        (Forged().pickled(), "no tensors by name"),
        (integer(3), "no tensors by name"),
        (dictionary(epoch=integer(3), a=Forged().pickled()), "entry 'epoch' is no tensor"),
        (b"}" + integer(5) + Forged().pickled() + b"s", "entry '5' is no tensor"),
        (dictionary(state_dict=dictionary(a=dictionary(b=Forged().pickled()))), "entry 'a' is no tensor"),
        (dictionary(a=storage()), "entry 'a' is no tensor"),
        (dictionary(**{"\x1b[31m" + "x" * 5000: integer(1)}), "entry '\\x1b[31mxxxxx"),
        (b"}q\x00" + text("model") + b"h\x00s", "entry 'model' is no tensor"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_state_dict_is_refused(file: Path, content: bytes, fragment: str) -> None:
    refusal(archive(file, pickled(content)), fragment)


# Attacks


class Touch:
    """Pickled by an attacker: whoever unpickles it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.system, (f"touch '{self.path}'",)


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_is_executed(tmp_path: Path, file: Path, protocol: int) -> None:
    mark = tmp_path / "pwned"
    payload = pickle.dumps(OrderedDict(a=Touch(mark)), protocol)
    refusal(archive(file, payload))
    assert not mark.exists()
    pickle.loads(payload)
    assert mark.exists()  # the payload was live


@pytest.mark.parametrize(
    "called",
    [
        "os.system",
        "builtins.eval",
        "builtins.getattr",
        "torch.load",
        "torch.hub.load",
        "numpy.core.multiarray._reconstruct",
        "collections.OrderedDict.fromkeys",
        "torch._utils",
        "torch.nn.modules.linear.Linear",
        "__main__.Net",
        "kit.models.torch.files.read_state_dict",
    ],
)
def test_other_names_are_refused(file: Path, called: str) -> None:
    argument = b"(" + text("touch pwned") + b"tR"
    refusal(archive(file, pickled(dictionary(a=name(called) + argument))), f"it holds '{called}'")


NOT_WITHIN, NOT_NATURAL = "does not lie within its storage of 6", "no small natural numbers"
OTHER_ARGUMENTS = "with other arguments than PyTorch"
TENSORS = {
    "longer": (Forged(shape=(7,)), NOT_WITHIN),
    "offset": (Forged(1), NOT_WITHIN),
    "offset far": (Forged(2**62, (1,)), NOT_WITHIN),
    "offset beyond 64 bits": (Forged(2**200, (1,)), NOT_WITHIN),
    "negative offset": (Forged(-1), NOT_NATURAL),
    "stride": (Forged(0, (2,), (6,)), NOT_WITHIN),
    "stride that overflows": (Forged(0, (2,), (2**62,)), NOT_WITHIN),
    "stride that wraps around": (Forged(0, (5,), (2**64 // 4 + 1,)), NOT_WITHIN),
    "negative stride": (Forged(5, (6,), (-1,)), NOT_NATURAL),
    "stride of 0, a gigabyte": (Forged(0, (1 << 28,), (0,)), NOT_WITHIN),
    "two strides of 0": (Forged(0, (1 << 20, 1 << 20), (0, 0)), NOT_WITHIN),
    "negative shape": (Forged(0, (-6,)), NOT_NATURAL),
    "two negative lengths": (Forged(0, (-2, -3), (3, 1)), NOT_NATURAL),
    "shape beyond 64 bits": (Forged(0, (2**64 + 1,)), NOT_WITHIN),
    "too many dimensions": (Forged(0, (1,) * 33, (1,) * 33), NOT_NATURAL),
    "fewer strides": (Forged(0, (2, 3), (3,)), NOT_NATURAL),
    "empty and huge": (Forged(0, (2**62, 2**62, 0), (1, 1, 1)), ""),
    "storage longer than its entry": (Forged(stored=storage(length=7)), "has 6 elements, not the 7 claimed"),
    "storage of a negative length": (Forged(stored=storage(length=-1)), "no storage"),
    "storage that is not there": (Forged(stored=storage("1")), "no entry 'data/1'"),
    "storage outside": (Forged(stored=storage("../../etc/passwd")), "no entry 'data/../../etc/passwd'"),
    "storage is a pickle": (Forged(stored=storage("../data.pkl")), "no entry"),
    "unknown storage": (Forged(stored=storage(kind="torch.QInt8Storage")), "'torch.QInt8Storage'"),
    "storage is a function": (Forged(stored=storage(kind=REBUILD)), "no storage"),
    "another persistent id": (Forged(stored=storage(word="module")), "no storage"),
    "persistent id is a text": (Forged(stored=text("storage") + b"Q"), "no storage"),
    "tensor for storage": (Forged(stored=Forged(0, (1,), (0,)).pickled()), OTHER_ARGUMENTS),
    "text for storage": (Forged(stored=text("0")), OTHER_ARGUMENTS),
    "more arguments": (Forged(ending=b"\x89" + ORDERED_DICT + b"}"), OTHER_ARGUMENTS),
    "another function": (Forged(function="torch._utils._rebuild_parameter"), OTHER_ARGUMENTS),
    "a storage called": (Forged(function="torch.FloatStorage"), OTHER_ARGUMENTS),
}


@pytest.mark.parametrize(("tensor", "fragment"), TENSORS.values(), ids=TENSORS)
def test_a_forged_tensor_is_refused(file: Path, tensor: Forged, fragment: str) -> None:
    refusal(archive(file, pickled(dictionary(a=tensor.pickled()))), fragment)


def test_shapes_that_are_no_numbers_are_refused(file: Path) -> None:
    for shape in (b"(" + text("6") + b"t", b"(\x88t", b"(Nt", b"]", b"(" + b"G" + struct.pack(">d", 6) + b"t"):
        tensor = name(REBUILD) + b"(" + storage() + integer(0) + shape + numbers(1) + b"\x89" + ORDERED_DICT + b"tR"
        refusal(archive(file, pickled(dictionary(a=tensor))))


deep = b"".join([b")", *[b"\x85"] * 200_000])
PICKLES = {
    "empty": b"",
    "no end": b"\x80\x02}",
    "nothing on the stack": b".",
    "pops too much": b"\x80\x02)\x87.",
    "no mark": b"\x80\x02t.",
    "memo that was never set": b"\x80\x02h\x07.",
    "memo of 4 GB": b"\x80\x02}r" + struct.pack("<I", 2**32 - 1) + b".",
    "text of 4 GB": b"\x80\x02X" + struct.pack("<I", 2**32 - 1) + b"a.",
    "bytes of 2**62": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"a.",
    "frame of 2**62": b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"}.",
    "attributes of a function": b"\x80\x02" + name(REBUILD) + b"}" + text("__defaults__") + b"Nsb.",
    "attributes of a tensor": b"\x80\x02" + Forged().pickled() + b"}b.",
    "items of a tensor": b"\x80\x02" + Forged().pickled() + text("a") + b"Ns.",
    "items of a tuple": b"\x80\x02)" + text("a") + b"Ns.",
    "appended to a dictionary": b"\x80\x02}Na.",
    "odd number of items": b"\x80\x02}(" + text("a") + b"u.",
    "key that takes forever to hash": b"\x80\x02}" + b")" + b"q\x00h\x00\x86" * 60 + b"Ns.",
    "key that is too deep to hash": b"\x80\x02}" + deep + b"Ns.",
    "deep value": b"\x80\x02}" + text("a") + deep + b"s.",
    "key is a number that collides": b"\x80\x02}" + integer(2**61 - 1) + b"Ns.",
    "key is a list": b"\x80\x02}]Ns.",
    "number of 5,000 digits": b"\x80\x02L" + b"9" * 5000 + b"L\n.",
    "calls a dictionary": b"\x80\x02})R.",
    "calls with a list": b"\x80\x02" + name(REBUILD) + b"]R.",
    "object of a class": b"\x80\x02" + name("collections.OrderedDict") + b")\x81.",
    "instance": b"\x80\x02(" + b"ios\nsystem\n.",
    "extension": b"\x80\x02\x82\x01.",
    "persistent text": b"\x80\x02Pstorage\n.",
    "name of two lines": b"\x80\x04" + text("os") + text("system") + b"\x93.",
    "half a name": b"\x80\x02cos\n.",
}


@pytest.mark.parametrize("data", PICKLES.values(), ids=PICKLES)
def test_a_forged_pickle_is_refused(file: Path, data: bytes) -> None:
    refusal(archive(file, data), memory=60 * MEGABYTE)


def test_a_long_pickle_is_not_even_read(file: Path) -> None:
    refusal(archive(file, b"\x80\x02" + b"}" * MOST_BYTES + b"."), "bytes where", memory=3 * MOST_BYTES)


def test_many_tensors_of_one_storage_take_no_memory(file: Path) -> None:
    large = Forged(0, (MEGABYTE,), stored=storage(length=MEGABYTE)).pickled()
    content = dictionary(**{f"w{number}": large for number in range(500)})
    path = archive(file, pickled(content), data_0=bytes(4 * MEGABYTE))
    tracemalloc.start()
    arrays_read = read_state_dict(path)
    assert tracemalloc.get_traced_memory()[1] < 10 * MEGABYTE
    tracemalloc.stop()
    assert sum(array.nbytes for array in arrays_read.values()) == 2000 * MEGABYTE


def test_compressed_files_do_not_unfold(file: Path) -> None:
    data = pickled(dictionary(a=Forged().pickled()))
    refusal(archive(file, data, zipfile.ZIP_DEFLATED), "compressed")
    bomb = archive(file, data, zipfile.ZIP_DEFLATED, data_0=bytes(100 * MEGABYTE))
    assert bomb.stat().st_size < MEGABYTE
    refusal(bomb, "more bytes than the file has", memory=MEGABYTE)


def test_entries_that_overlap_are_not_read_again_and_again(file: Path) -> None:
    """Stored entries that all point to the same megabyte."""
    raw, names = bytes(MEGABYTE), [f"archive/data/{number}" for number in range(300)]
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as writer:
        writer.writestr("archive/data.pkl", pickled(dictionary(a=Forged(0, (1,)).pickled())))
        writer.writestr(names[0], raw)
        first = writer.getinfo(names[0])
        for other in names[1:]:
            entry = zipfile.ZipInfo(other)
            entry.header_offset, entry.CRC = first.header_offset, first.CRC
            entry.compress_size = entry.file_size = first.file_size
            writer.filelist.append(entry)
            writer.NameToInfo[other] = entry
    file.write_bytes(stream.getvalue())
    refusal(file, "more bytes than the file has")


@pytest.mark.parametrize(
    ("entries", "fragment"),
    [
        ({"byteorder": b"big"}, "little-endian"),
        ({"byteorder": b""}, "little-endian"),
        ({"data_0": FLOATS.tobytes()[:-1]}, "has 5 elements, not the 6 claimed"),
        ({"data_0": b""}, "has 0 elements"),
        ({"more_data.pkl": b""}, "no single data.pkl"),
    ],
    ids=str,
)
def test_forged_entries_are_refused(file: Path, entries: dict[str, bytes], fragment: str) -> None:
    refusal(archive(file, pickled(dictionary(a=Forged().pickled())), **entries), fragment)


@pytest.mark.parametrize("size", [0, 2**31, 2**32 - 2])
def test_entries_that_lie_about_their_size_are_refused(file: Path, size: int) -> None:
    raw = bytearray(archive(file, pickled(dictionary(a=Forged().pickled()))).read_bytes())
    start = raw.rindex(b"archive/data/0") - 46 + 20
    raw[start : start + 8] = struct.pack("<2I", size, size)
    file.write_bytes(bytes(raw))
    refusal(file)


def test_a_damaged_byte_of_a_tensor_is_noticed(file: Path) -> None:
    raw = archive(file, pickled(dictionary(a=Forged().pickled()))).read_bytes()
    file.write_bytes(raw.replace(FLOATS.tobytes(), FLOATS[::-1].tobytes()))
    refusal(file, "CRC")


STRANGE = {
    b"": "it is empty",
    b"PK": "it does not begin as torch.save writes files",
    b"PK\3\4": "it was not copied whole",
    b"<html>404</html>": "it is an HTML page",
    b"\n  <!DOCTYPE html><html>Please log in": "it is an HTML page",
    b"\x7fELF": "it does not begin as torch.save writes files",
    b"\x89HDF\r\n\x1a\n": "the ending .weights.h5",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0": "Git LFS",
    pickle.dumps({"a": FLOATS}): "it is a pickle, but none of PyTorch's",
    pickle.dumps({"a": [1.0]}, 0): "it does not begin as torch.save writes files",
}


def test_files_of_other_kinds_are_refused(tmp_path: Path, file: Path) -> None:
    np.savez(tmp_path / "arrays.npz", a=FLOATS)
    refusal(tmp_path / "arrays.npz", "no single data.pkl")
    refusal(tmp_path / "missing.pth", "no file")
    refusal(tmp_path, "no file")
    for content, reason in STRANGE.items():
        file.write_bytes(content)
        refusal(file, reason)


def test_files_of_other_kinds_are_not_handed_to_pytorch(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: pytest.fail("PyTorch is looked for"))
    for content, reason in STRANGE.items():
        file.write_bytes(content)
        refusal(file, reason)


def test_a_file_that_was_cut_is_told_so(file: Path) -> None:
    write_state_dict(file, {"a": FLOATS})
    file.write_bytes(file.read_bytes()[:-50])
    refusal(file, "it was not copied whole")


def test_without_pytorch_the_old_format_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    mark = file.with_name("pwned")
    file.write_bytes(pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps(Touch(mark), 2))
    refusal(file, "no zip archive", "not installed")
    assert not mark.exists()


@pytest.mark.parametrize(
    ("version", "is_safe"),
    [
        ("1.13.1", False),
        ("2.5.1+cu124", False),
        ("2.9.1", False),
        ("unknown", False),
        ("2.10.0+cpu", True),
        ("3.0", True),
    ],
)
def test_the_old_format_is_handed_to_no_pytorch_that_it_can_have_run_code(
    version: str, is_safe: bool, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CVE-2025-32434 and CVE-2026-24747: `weights_only` does not stop them."""
    calls: list[Path] = []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version)
    monkeypatch.setattr(files, "_load_with_pytorch", lambda path: calls.append(path) or {"a": FLOATS})
    file.write_bytes(pickle.dumps(0x1950A86A20F9469CFC6C, 2) + bytes(100))
    if is_safe:
        assert list(read_state_dict(file)) == ["a"]
    else:
        refusal(file, "read by PyTorch 2.10 or later only", f"PyTorch {version} is installed")
    assert calls == [file] * is_safe


# Damage of any kind


@st.composite
def damaged(draw: st.DrawFn, raw: bytes) -> bytes:
    data = raw
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["flip", "cut", "insert", "delete", "replace"]))
        start = draw(st.integers(0, max(0, len(data) - 1)))
        if kind == "flip" and data:
            data = data[:start] + bytes([data[start] ^ draw(st.integers(1, 255))]) + data[start + 1 :]
        elif kind == "cut":
            data = data[:start]
        elif kind == "insert":
            data = data[:start] + draw(st.binary(max_size=20)) + data[start:]
        elif kind == "delete":
            data = data[:start] + data[start + draw(st.integers(1, 20)) :]
        elif kind == "replace":
            new = draw(st.sampled_from([opcode.code.encode("latin1") for opcode in pickletools.opcodes]))
            data = data[:start] + new + data[start + 1 :]
    return data


SOUND = pickled(dictionary(a=Forged().pickled(), b=Forged(1, (2, 2), (2, 1)).pickled()))


def refused_or_sound(path: Path) -> None:
    tracemalloc.start()
    try:
        arrays_read = read_state_dict(path)
    except InputError:
        arrays_read = {}
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 20 * MEGABYTE
    allowed = {number for array in (FLOATS, FLOATS.view(np.uint8)) for number in array.tolist()}
    for array in arrays_read.values():
        if array.dtype == np.float32:
            assert set(array.ravel().tolist()) <= allowed  # nothing from outside the storage


@patient
@given(damaged(SOUND) | st.binary(max_size=60))
def test_any_pickle_is_refused_or_stays_within_its_storage(data: bytes) -> None:
    refused_or_sound(archive(Path(os.environ["KIT_HOME"]) / "damaged.pth", data))


@patient
@given(st.data())
def test_any_damaged_file_is_refused_or_sound(data: st.DataObject) -> None:
    path = Path(os.environ["KIT_HOME"]) / "damaged.pth"
    write_state_dict(path, {"a": FLOATS, "b": FLOATS.reshape(2, 3).T})
    raw = data.draw(damaged(path.read_bytes()))
    path.write_bytes(raw)
    refused_or_sound(path)


@patient
@given(damaged(SOUND) | st.binary(max_size=60))
def test_an_interpreter_of_pickles_meets_nothing_but_exceptions(data: bytes) -> None:
    with contextlib.suppress(Exception):
        read_pickle(data, {"collections.OrderedDict"}, load=lambda _: None, call=lambda *_: {})


# With PyTorch: the same bits both ways


@pytest.fixture(scope="module")
def torch() -> Any:
    return find_torch()


def tensors(torch: Any) -> dict[str, Any]:
    base = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    tensors = {
        f"{dtype}".removeprefix("torch."): torch.tensor([[0, 1, 2], [3, 4, 100]]).to(dtype)
        for dtype in (
            *(torch.float64, torch.float32, torch.float16, torch.bfloat16),
            *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
        )
    }
    return tensors | {
        "scalar": torch.tensor(1.5),
        "int scalar": torch.tensor(7),
        "empty": torch.zeros(0),
        "empty in the middle": torch.zeros(2, 0, 3),
        "base": base,
        "view": base[1, 1:, ::2],
        "transposed": base.permute(2, 0, 1),
        "channels last": torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0)).to(
            memory_format=torch.channels_last
        ),
        "column": base[..., 2],
        "parameter": torch.nn.Parameter(base[0]),
        "not a number": torch.tensor([float("nan"), float("inf"), -0.0]),
    }


def as_numpy(torch: Any, tensor: Any) -> np.ndarray:
    tensor = tensor.detach()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


@pytest.mark.parametrize("kind", [dict, OrderedDict])
def test_what_pytorch_saves_is_read_to_the_bit(torch: Any, file: Path, kind: type) -> None:
    expected = tensors(torch)
    torch.save(kind(expected), file)
    arrays_read = read_state_dict(file)
    assert list(arrays_read) == list(expected)
    for key, tensor in expected.items():
        assert_same(arrays_read[key], as_numpy(torch, tensor))


def test_what_is_written_is_loaded_by_pytorch_to_the_bit(torch: Any, file: Path) -> None:
    write_state_dict(file, TRAVELLERS)
    for mmap in (False, True):
        arrays_read = torch.load(file, weights_only=True, mmap=mmap)
        assert list(arrays_read) == list(TRAVELLERS)
        for key, array in TRAVELLERS.items():
            assert arrays_read[key].is_contiguous()
            loaded = arrays_read[key].numpy()
            assert (loaded.shape, loaded.dtype) == (array.shape, native(array).dtype)
            assert loaded.tobytes() == native(array).tobytes()


def test_a_module_is_loaded_and_saved_again(torch: Any, file: Path) -> None:
    def module() -> Any:
        return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 2))

    first, second = module(), module()
    torch.save({"epoch": 3, "lr": 0.1, "model_state_dict": torch.nn.DataParallel(first).state_dict()}, file)
    read = read_state_dict(file)
    write_state_dict(file, read)
    second.load_state_dict(torch.load(file, weights_only=True), strict=True)
    for key, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[key])


def test_a_checkpoint_with_an_optimizer_is_read(torch: Any, file: Path) -> None:
    module = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    module(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    torch.save({"net": module.state_dict(), "optimizer": optimizer.state_dict(), "acc": 93.1, "epoch": 7}, file)
    assert list(read_state_dict(file)) == ["weight", "bias"]


def test_a_whole_model_is_refused(torch: Any, file: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), file)
    refusal(file, "'torch.nn.modules.linear.Linear'", "model.state_dict()")


def test_an_expanded_tensor_is_refused(torch: Any, file: Path) -> None:
    torch.save({"a": torch.zeros(1).expand(1000)}, file)
    refusal(file, "does not lie within its storage")


def test_the_old_format_is_read_by_pytorch(torch: Any, file: Path) -> None:
    expected = tensors(torch)
    torch.save({"state_dict": expected}, file, _use_new_zipfile_serialization=False)
    arrays_read = read_state_dict(file)
    for key, tensor in expected.items():
        assert_same(arrays_read[key], as_numpy(torch, tensor))


def test_the_old_format_executes_nothing(torch: Any, file: Path) -> None:
    mark = file.with_name("pwned")
    torch.save({"a": Touch(mark)}, file, _use_new_zipfile_serialization=False)
    in_our_words(refusal(file, memory=200 * MEGABYTE))
    assert not mark.exists()


def in_our_words(message: str) -> None:
    """Nothing of PyTorch's, which proposes to unpickle a file that it refuses."""
    assert "the format before PyTorch 1.6, and is damaged or holds something else than tensors" in message
    for word in ("weights_only", "torch.load", "likelihood", "Re-running"):
        assert word not in message


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("fault", ["cut", "a model", "a sparse tensor"])
def test_the_old_format_with_something_else_is_refused_without_pytorchs_words(
    torch: Any, file: Path, fault: str, protocol: int
) -> None:
    content = {"a": torch.zeros(300)}
    if fault != "cut":
        content = torch.nn.Linear(2, 2) if fault == "a model" else {"a": torch.zeros(3).to_sparse()}
    torch.save(content, file, pickle_protocol=protocol, _use_new_zipfile_serialization=False)
    if fault == "cut":
        assert list(read_state_dict(file)) == ["a"]
        file.write_bytes(file.read_bytes()[:-500])
    in_our_words(refusal(file, memory=200 * MEGABYTE))

"""Models that strangers forged: nothing of theirs runs, nothing grows, and each is refused in one paragraph."""

from __future__ import annotations

import copy
import json
import os
import pickle
import posix
import resource
import struct
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from kit.models import formats, inspection, parts, user_files
from kit.models.inspection import WEIGHTS
from kit.types import FailedRun, InputError

Refused = Callable[..., str]
Members = dict[str, bytes]
layers = keras.layers
NUM_FORGED = 200


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a hidden layer, batch statistics and a model inside, compiled as most are."""
    keras.utils.set_random_seed(0)
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(5, activation="relu"), layers.BatchNormalization()])
    net = keras.Sequential([keras.Input((4,)), inner, layers.Dense(3, activation="softmax")], name="sound")
    net.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    folder = tmp_path_factory.mktemp("sound")
    net.save(folder / "model.keras")
    net.save_weights(folder / "model.weights.h5")
    return folder / "model.keras"


@pytest.fixture(scope="module")
def net(sound: Path) -> keras.Model:
    """For weights alone."""
    return keras.saving.load_model(sound, compile=False)


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process for each of hundreds of files would take a minute; that it is one, another test shows."""
    monkeypatch.setattr(inspection, "inspect", inspection.examine)


@pytest.fixture(autouse=True)
def settings_unchanged() -> Iterator[None]:
    def settings() -> list[Any]:
        names = ("floatx", "epsilon", "image_data_format")
        return [*(getattr(keras.config, name)() for name in names), keras.config.dtype_policy().name]

    before = settings()
    yield
    assert settings() == before


def members_of(path: Path) -> Members:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(path: Path, members: Members) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content, zipfile.ZIP_STORED if name == WEIGHTS else None)
    return path


def with_layer(sound: Path, path: Path, layer: dict[str, Any]) -> Path:
    """The sound model with another layer at its end."""
    members = members_of(sound)
    config = json.loads(members["config.json"])
    config["config"]["layers"].append(layer)
    return written(path, members | {"config.json": json.dumps(config).encode()})


def layer(name: str, module: str = "keras.layers", /, **config: Any) -> dict[str, Any]:
    return {"module": module, "class_name": name, "config": {"name": "forged", **config}, "registered_name": None}


def function(name: str, module: str) -> dict[str, Any]:
    return {"module": module, "class_name": "function", "config": name, "registered_name": "function"}


def in_dense(part: Any) -> dict[str, Any]:
    return layer("Dense", units=3, activation=part)


LAMBDA = {"class_name": "__lambda__", "config": {"value": ["4wEAAAA=", None, None]}}
# What was found in Keras from 2024 to 2026, by the number or the kind of the fault.
KNOWN = {
    "CVE-2024-3660, a lambda's byte code": layer("Lambda", function=LAMBDA),
    "CVE-2024-55459, a download of a tar file": in_dense(function("get_file", "keras.src.utils.file_utils")),
    "CVE-2025-1550, any module": in_dense(function("system", "os")),
    "CVE-2025-1550, any class": layer("Popen", "subprocess", args="true"),
    "CVE-2025-8747, a download": layer("Lambda", function=function("get_file", "keras.utils")),
    "CVE-2025-8747, as an activation": in_dense(function("get_file", "keras.utils")),
    "CVE-2025-9906, safe mode off": in_dense(function("enable_unsafe_deserialization", "keras.config")),
    "CVE-2025-9906, by a global": in_dense(function("set_global_attribute", "keras.src.backend.common.global_state")),
    "CVE-2025-9906, a model within": layer("Lambda", function=function("load_model", "keras.saving")),
    "CVE-2025-12058, words from a file": layer("StringLookup", vocabulary="/etc/passwd"),
    "CVE-2025-12060, an archive": in_dense(function("extract_archive", "keras.src.utils.file_utils")),
    "CVE-2025-12638, a tar file": in_dense(function("extract_open_archive", "keras.src.utils.file_utils")),
    "CVE-2026-12481, a lambda within a wrapper": layer("Bidirectional", layer=layer("Lambda", function=LAMBDA)),
    "CVE-2026-12481, a lambda in a model": layer("Sequential", "keras", layers=[layer("Lambda", function=LAMBDA)]),
    "GHSA-hqp4-2352-xf5r, an archive": in_dense(function("extract_archive", "keras.utils")),
    "CVE-2025-49655, a pickle": layer("TorchModuleWrapper", module="gASVAAAA"),
    "CVE-2026-1462, a saved model": layer("TFSMLayer", filepath="."),
    "settings, epsilon": layer("Lambda", function=function("set_epsilon", "keras.config"), arguments={}),
    "settings, floatx": in_dense(function("set_floatx", "keras.config")),
    "settings, dtype policy": in_dense(function("set_dtype_policy", "keras.config")),
    "settings, image format": in_dense(function("set_image_data_format", "keras.config")),
    "words of a text": layer("TextVectorization", vocabulary="https://example.org/words"),
    "numbers of words": layer("IntegerLookup", vocabulary="/etc/passwd"),
    "a loop over functions": layer("Map", "keras.src.ops.core"),
    "a type of TensorFlow": {"class_name": "__typespec__", "spec_name": "x", "module": "os", "config": []},
    "under another's name": {**layer("Dense", units=3), "registered_name": "somebody>Dense"},
    "in an initialiser": layer("Dense", units=3, kernel_initializer=layer("Lambda")),
    "in a wrapper": layer("TimeDistributed", layer=layer("Lambda")),
    "of a module that is not public": layer("Dense", "keras.src.layers.core.dense", units=3),
    "of no name": layer([["Dense"]]),  # type: ignore[arg-type]
}  # fmt: skip


@pytest.mark.parametrize("kind", KNOWN)
def test_parts_that_do_more_than_compute_are_refused(
    kind: str, sound: Path, in_this_process: None, refused: Refused, tmp_path: Path
) -> None:
    path = with_layer(sound, tmp_path / "model.keras", KNOWN[kind])
    before = set(tmp_path.iterdir())
    refused(
        lambda: user_files.load(path), "which is not among the parts that are loaded", "with --custom-objects FILE.py"
    )
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["..", ".", "../../x", "a/../../x", "..\\x", "a\nb", "a\0b"])
def test_layers_that_are_called_as_paths_are_refused(
    name: str, sound: Path, in_this_process: None, refused: Refused, tmp_path: Path
) -> None:
    """CVE-2026-12479: a model that is saved again writes files called as its layers are."""
    inner = layer("StringLookup", vocabulary=["a"], name=name)
    for part in (inner, layer("TimeDistributed", layer=inner), {**layer("Dense", units=3), "name": name}):
        path = with_layer(sound, tmp_path / "model.keras", part)
        refused(lambda path=path: user_files.load(path), "which is no name but a path")


def test_the_format_that_can_hold_code_is_not_read(net: keras.Model, tmp_path: Path, refused: Refused) -> None:
    """CVE-2025-9905: whole models in HDF5, for which Keras knows no safe mode."""
    for name in ("model.h5", "model.hdf5"):
        (tmp_path / name).write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
        refused(lambda name=name: user_files.load(tmp_path / name), "is no .keras file", "can hold code")
        refused(
            lambda name=name: user_files.load_weights(net, tmp_path / name, "the model"), "in a file of another kind"
        )


@pytest.mark.parametrize("ending", [".keras", ".weights.h5"])
def test_a_file_that_is_exchanged_while_it_is_looked_at_is_not_read(
    ending: str, sound: Path, net: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was found sound is what becomes the model, whatever lies there afterwards."""
    path, forged = tmp_path / f"model{ending}", tmp_path / "forged"
    forged.mkdir()
    other = forged_arrays(of_others, sound, forged / f"model{ending}")
    path.write_bytes(sound.read_bytes() if ending == ".keras" else members_of(sound)[WEIGHTS])

    def examined(looked_at: Path) -> inspection.Inspected:
        inspected = inspection.examine(looked_at)
        os.replace(other, path)
        return inspected

    monkeypatch.setattr(inspection, "inspect", examined)
    expected = keras.saving.load_model(sound, compile=False).get_weights()
    loaded = load(path, net)
    assert all(map(np.array_equal, loaded.get_weights(), expected))
    assert not other.exists()


def test_what_cannot_be_copied_is_refused(
    sound: Path, in_this_process: None, tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = inspection.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(inspection.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    refused(lambda: user_files.load(sound), "it cannot be copied", "No space left")


def test_a_sound_model_is_loaded_with_its_weights(sound: Path) -> None:
    """In a process of its own, as people load it."""
    net, expected = user_files.load(sound), keras.saving.load_model(sound, compile=False)
    assert all(map(np.array_equal, net.get_weights(), expected.get_weights()))
    assert not net.compiled


@pytest.mark.parametrize("number", [0, 1])
def test_what_a_model_was_compiled_with_is_never_looked_up(
    number: int, sound: Path, in_this_process: None, tmp_path: Path
) -> None:
    members = members_of(sound)
    config = json.loads(members["config.json"])
    forged = config if number == 0 else config["config"]["layers"][1]
    forged["compile_config"] = {"optimizer": {"module": "os", "class_name": "system", "config": {}}}
    path = written(tmp_path / "model.keras", members | {"config.json": json.dumps(config).encode()})
    assert user_files.load(path).name == "sound"


def nested(depth: int) -> bytes:
    return b'{"config":' * depth + b"1" + b"}" * depth


def many_parts(members: Members) -> bytes:
    config = json.loads(members["config.json"])
    config["more"] = [[]] * (parts.MOST_PARTS + 1)
    return json.dumps(config).encode()


@pytest.mark.parametrize(
    ("forge", "words"),
    [
        (lambda members: {"config.json": nested(100_000)}, "nested deeper than 100"),
        (lambda members: {"config.json": nested(150)}, "nested deeper than 100"),
        (lambda members: {"config.json": many_parts(members)}, "more than 100,000 parts"),
        (lambda members: {"config.json": members["config.json"] + b" " * (17 << 20)}, "more than 16,777,216 bytes"),
        (lambda members: {"metadata.json": b"[" * 100_000}, "nested deeper than 100"),
        (lambda members: {"config.json": b"[]"}, "no object"),
        (lambda members: {"config.json": b"\xff"}, "UnicodeDecodeError"),
        (lambda members: {"config.json": b"{"}, "JSONDecodeError"),
        (lambda members: {"../outside.txt": b"was here"}, "'../outside.txt'"),
        (lambda members: {"/tmp/outside.txt": b"was here"}, "'/tmp/outside.txt'"),
        (lambda members: {"assets/words.txt": b"was here"}, "'assets/words.txt'"),
        (lambda members: {f"{number}": b"" for number in range(100)}, "its archive holds"),
        (
            lambda members: {f"assets/x{number}/vocabulary.txt": bytes(33 << 20) for number in range(2)},
            "lists of words",
        ),
        (lambda members: {WEIGHTS: b"no weights"}, "OSError"),
    ],
)
def test_archives_that_are_no_models_are_refused(
    forge: Callable[[Members], Members],
    words: str,
    sound: Path,
    in_this_process: None,
    refused: Refused,
    tmp_path: Path,
) -> None:
    members = members_of(sound)
    path = written(tmp_path / "model.keras", members | forge(members))
    refused(lambda: user_files.load(path), words)
    assert os.listdir(tmp_path) == ["model.keras"]


def test_sizes_in_a_description_take_no_memory(
    sound: Path, in_this_process: None, refused: Refused, tmp_path: Path
) -> None:
    """A layer of a terabyte of weights, in a file of a few thousand bytes."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    path = with_layer(sound, tmp_path / "model.keras", layer("Dense", units=10**11))
    refused(lambda: user_files.load(path), "its layers have 4", "numbers")
    with keras.StatelessScope():  # at its end Keras makes all variables that wait for their values
        pass
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500 << 10


@pytest.mark.parametrize("name", [WEIGHTS, "config.json", "assets/x/vocabulary.txt"])
def test_two_entries_of_one_name_are_refused(
    name: str, sound: Path, in_this_process: None, refused: Refused, tmp_path: Path
) -> None:
    path, members = tmp_path / "model.keras", members_of(sound)
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
        warnings.simplefilter("ignore")
        for entry, content in [*members.items(), *[(name, members.get(name, b""))] * 2]:
            archive.writestr(entry, content)
    refused(lambda: user_files.load(path), "archive")


def linked_out(file: h5py.File) -> None:
    file["layers/elsewhere"] = h5py.ExternalLink("/etc/hosts.h5", "/x")


def linked_softly(file: h5py.File) -> None:
    file["layers/elsewhere"] = h5py.SoftLink("/layers/dense")


def linked_twice(file: h5py.File) -> None:
    file["layers/again"] = file["layers"]


def outside(file: h5py.File) -> None:
    file.create_dataset("layers/outside", (10,), "u1", external=[("/etc/passwd", 0, 10)])


def of_others(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/etc/other.h5", "x", (4,))
    file.create_virtual_dataset("layers/virtual", layout)


def huge(file: h5py.File) -> None:
    file.create_dataset("layers/huge", (10**12,), "f4", chunks=(1024,), compression="gzip")


def objects(file: h5py.File) -> None:
    file.create_dataset("layers/text", data=["a text"], dtype=h5py.string_dtype())


def a_type(file: h5py.File) -> None:
    file["layers/type"] = np.dtype("f4")


def deep(file: h5py.File) -> None:
    file.create_group("/".join("x" * 150))


H5 = [linked_out, linked_softly, linked_twice, outside, of_others, huge, objects, a_type, deep]


@pytest.mark.parametrize("forge", H5)
@pytest.mark.parametrize("ending", [".keras", ".weights.h5"])
def test_arrays_that_lie_elsewhere_or_are_none_are_refused(
    forge: Callable[[h5py.File], None],
    ending: str,
    sound: Path,
    net: keras.Model,
    in_this_process: None,
    refused: Refused,
    tmp_path: Path,
) -> None:
    """CVE-2026-1669 and its kind: a file of weights that reads other files, or takes more memory than it has bytes."""
    path = forged_arrays(forge, sound, tmp_path / f"model{ending}")
    refused(lambda: load(path, net), "Expected")


def forged_arrays(forge: Callable[[h5py.File], None], sound: Path, path: Path) -> Path:
    weights = path if path.name.endswith(".h5") else path.with_name("model.h5")
    weights.write_bytes(members_of(sound)[WEIGHTS])
    with h5py.File(weights, "r+") as file:
        forge(file)
    return path if weights == path else written(path, members_of(sound) | {WEIGHTS: weights.read_bytes()})


def load(path: Path, net: keras.Model) -> keras.Model:
    """Reads a file as the kit does one with such a name; weights alone into a model."""
    if path.name.endswith(".keras"):
        return user_files.load(path)
    if path.suffix in (".pth", ".pt"):
        return formats.load(path, "resnet20")
    user_files.load_weights(net, path, "the model")
    return net


def test_a_process_that_dies_is_told_of(sound: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused) -> None:
    monkeypatch.setattr(inspection.sys, "executable", "/bin/false")
    refused(lambda: user_files.load(sound), "the process that read it has died")


def test_the_process_has_limits(sound: Path) -> None:
    """Of memory: an array that is there, and larger than what the process may take."""
    code = "from kit.models import inspection; inspection._limit_this_process(); print(len(bytes(5 << 30)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "MemoryError" in done.stderr


# Two hundred files


GADGETS = [function("system", "os"), function("set_floatx", "keras.config"), layer("Lambda", function=LAMBDA), LAMBDA]
WRONG = [None, -1, 10**12, 1e308, "", "../../etc/passwd", [], {}, [[[]]], True, {"class_name": "Dense"}]


def dictionaries(part: Any) -> list[dict[str, Any] | list[Any]]:
    inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else []
    here = [part] if isinstance(part, dict | list) and len(part) else []
    return here + [place for value in inner for place in dictionaries(value)]


def other_part(members: Members, generator: np.random.Generator) -> Members:
    """A part of the description is replaced by one that does something, or makes no sense."""
    config = json.loads(members["config.json"])
    places = dictionaries(config)
    place = places[generator.integers(len(places))]
    key = (
        list(place)[generator.integers(len(place))] if isinstance(place, dict) else int(generator.integers(len(place)))
    )
    choices = GADGETS + WRONG
    place[key] = copy.deepcopy(choices[generator.integers(len(choices))])
    return members | {"config.json": json.dumps(config).encode()}


def other_name(members: Members, generator: np.random.Generator) -> Members:
    old = [b"Dense", b"Sequential", b"keras.layers", b"keras.initializers", b"GlorotUniform", b"relu", b"float32"]
    new = [
        b"Lambda",
        b"TFSMLayer",
        b"os",
        b"subprocess",
        b"system",
        b"keras.config",
        b"get_file",
        b"float0",
        b"\\u0000",
    ]
    name, other = old[generator.integers(len(old))], new[generator.integers(len(new))]
    return members | {"config.json": members["config.json"].replace(name, other, generator.integers(1, 4))}


def other_bytes(members: Members, generator: np.random.Generator) -> Members:
    name = list(members)[generator.integers(len(members))]
    changed = bytearray(members[name])
    for position in generator.integers(0, len(changed), generator.integers(1, 20)):
        changed[position] = generator.integers(256)
    return members | {name: bytes(changed[: generator.integers(1, len(changed))])}


def other_member(members: Members, generator: np.random.Generator) -> Members:
    name = ["../x", "/etc/x", "assets/x", "config.json/", "model.weights.json", "a\\..\\b"][generator.integers(6)]
    kept = dict(members)
    if generator.integers(2):
        del kept[list(kept)[generator.integers(len(kept))]]
    return kept | {name: generator.bytes(10)}


def forged_file(number: int, sound: Path, folder: Path, generator: np.random.Generator) -> Path:
    """Of four in a row, a `.keras`, a `.weights.h5`, an `.npz` and a `.pth`."""
    ending = (".keras", ".weights.h5", ".npz", ".pth")[number % 4]
    path = folder / f"{number}{ending}"
    if ending == ".keras":
        forges = [other_part, other_part, other_name, other_member]
        return written(path, forges[generator.integers(len(forges))](members_of(sound), generator))
    if ending == ".weights.h5":
        return forged_arrays(H5[generator.integers(len(H5))], sound, path)
    if ending == ".npz":
        sizes = [(3,), (4, 5), (0,), (1 << 20,), (2, 2, 2)]
        dtypes = ["f4", "f8", "i8", "U3", "O", "c8"]
        arrays = {str(i): np.zeros(sizes[generator.integers(5)], dtypes[generator.integers(6)]) for i in range(4)}
        (np.savez_compressed if generator.integers(2) else np.savez)(path, **arrays)
    else:
        written(path, {"archive/data.pkl": pickled(generator), "archive/version": b"3\n"})
    content = bytearray(path.read_bytes())
    for position in generator.integers(0, len(content), generator.integers(0, 5)):
        content[position] = generator.integers(256)
    path.write_bytes(content)
    return path


def pickled(generator: np.random.Generator) -> bytes:
    """Pickles that would make a folder, or change a setting, if they were opened as such."""
    calls = {
        b"cos\nsystem\n": b"mkdir executed",
        b"cposix\nsystem\n": b"mkdir executed",
        b"cos\nmkdir\n": b"executed",
        b"cbuiltins\neval\n": b"__import__('os').mkdir('executed')",
        b"ckeras.config\nset_floatx\n": b"float16",
    }
    call = [*calls][generator.integers(len(calls))]
    return b"\x80\x02" + call + b"(X" + struct.pack("<L", len(calls[call])) + calls[call] + b"tR."


def test_what_would_be_executed_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    seen = set()
    for seed in range(40):
        content = pickled(np.random.default_rng(seed))
        if b"set_floatx" not in content:
            pickle.loads(content)
            (tmp_path / "executed").rmdir()
            seen.add(content)
    assert len(seen) == 4


@pytest.mark.slow
def test_two_hundred_forged_files(
    sound: Path, net: keras.Model, in_this_process: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of them is executed, or ends in anything but a model or a paragraph."""
    for module in (os, posix):
        monkeypatch.setattr(module, "system", lambda *_: pytest.fail("a command is run"))
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program is started"))
    monkeypatch.chdir(tmp_path)
    generator, loaded = np.random.default_rng(0), 0
    for number in range(NUM_FORGED):
        path = forged_file(number, sound, tmp_path, generator)
        try:
            model = load(path, net)
        except (InputError, FailedRun) as error:
            message = str(error)
        else:  # a change that is none, of a name or a rate
            assert isinstance(model, keras.Model)
            loaded += 1
            continue
        assert "\n" not in message, path
        assert "Expected" in message, path
    assert loaded < NUM_FORGED / 8
    assert not (tmp_path / "executed").exists()


def test_damaged_arrays_end_a_process_at_most(sound: Path, tmp_path: Path) -> None:
    """What the library for such files does with damage is not for this process to find out."""
    generator, whole = np.random.default_rng(0), members_of(sound)[WEIGHTS]
    for _ in range(4):
        content = bytearray(whole)
        for position in generator.integers(0, 2000, 40):
            content[position] = generator.integers(256)
        path = tmp_path / "model.weights.h5"
        path.write_bytes(content)
        inspected = inspection.inspect(path)
        assert inspected.refusal or inspected.elements

"""`kit convert-weights`: one format into another, the same bits, and one paragraph where that cannot be."""

from __future__ import annotations

import json
import pickle
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from cli_helpers import call, one_paragraph
from torch_helpers import find_torch

from kit import models
from kit.models import formats
from kit.models.torch import names

FORMATS = ("pth", "pt", "npz", "weights.h5", "keras")


@pytest.fixture(scope="module")
def net() -> keras.Model:
    net = models.build("resnet20", (32, 32, 1), 3)
    generator = np.random.default_rng(0)
    net.set_weights([generator.uniform(0.1, 1, size=weight.shape) for weight in net.weights])
    return net


@pytest.fixture(scope="module", autouse=True)
def built_once() -> Iterator[None]:
    """Has each network that a file is read into built once, which takes most of a command, and emptied before each."""
    nets: dict[tuple[Any, ...], keras.Model] = {}
    build = names.build

    def emptied(name: str, stem: Sequence[int], head: Sequence[int]) -> keras.Model:
        key = name, tuple(stem), tuple(head)
        nets[key] = net = nets[key] if key in nets else build(*key)
        for variable in net.variables:
            variable.assign(0 * variable)
        return net

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(names, "build", emptied)
        yield


@pytest.fixture(scope="module")
def stored(net: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same weights in every format."""
    folder = tmp_path_factory.mktemp("stored")
    paths = {ending: folder / f"net.{ending}" for ending in FORMATS}
    for path in paths.values():
        formats.save(net, path)
    return paths


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


PAIRS = [("pth", ending) for ending in FORMATS] + [(ending, "pth") for ending in FORMATS[1:]] + [("npz", "keras")]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_format_into_another(source: str, target: str, stored: dict[str, Path], net: keras.Model) -> None:
    result = call("convert-weights", stored[source], "--model", "resnet20", "--output", f"new/out.{target}")
    assert (result.code, result.err) == (0, "")
    assert f"Written: new/out.{target}: resnet20, 1 channels, 3 classes" in result.out
    assert [path.name for path in Path("new").iterdir()] == [f"out.{target}"]
    converted = formats.load(Path(f"new/out.{target}"), "resnet20").get_weights()
    for array, expected in zip(converted, net.get_weights(), strict=True):
        np.testing.assert_array_equal(array, expected)


def test_an_npz_is_what_the_kit_stores(stored: dict[str, Path], net: keras.Model) -> None:
    with np.load(stored["npz"], allow_pickle=False) as arrays:
        assert arrays.files == [str(number) for number in range(len(net.weights))]
        np.testing.assert_array_equal(arrays["0"], net.get_weights()[0])


def test_a_keras_file_is_a_whole_model(stored: dict[str, Path], net: keras.Model) -> None:
    loaded = keras.saving.load_model(stored["keras"], safe_mode=True)
    images = np.random.default_rng(1).uniform(size=(2, 32, 32, 1)).astype(np.float32)
    # Keras 3.10 wants a list of one where it has read a model.
    np.testing.assert_array_equal(models.of_one_tensor(loaded)(images), net(images))


def test_json_goes_to_the_output_alone(stored: dict[str, Path], net: keras.Model) -> None:
    result = call("convert-weights", stored["pth"], "--model", "resnet20", "--output", "out.npz", "--json", "-")
    content = {"path": "out.npz", "model": "resnet20", "channels": 1, "classes": 3, "weights": net.count_params()}
    assert json.loads(result.out) == content
    assert "Written: out.npz" in result.err
    call("convert-weights", stored["pth"], "--model", "resnet20", "--output", "again.npz", "--json", "out.json")
    assert json.loads(Path("out.json").read_text()) == content | {"path": "again.npz"}


def test_who_normalises_images_is_told(stored: dict[str, Path], folder: Path) -> None:
    result = call("convert-weights", stored["npz"], "--model", "resnet20", "--output", "out.pth")
    assert "images in [0, 1]: its first layer subtracts (0.5000) and divides by (0.5000)" in result.out
    formats.save(models.build("resnet20", (8, 8, 3), 2), folder / "colour.npz")
    result = call("convert-weights", "colour.npz", "--model", "resnet20", "--output", "colour.pth")
    assert "(0.4914, 0.4822, 0.4465) and divides by (0.2023, 0.1994, 0.2010)" in result.out


# What cannot be


def refused(*arguments: str | Path) -> str:
    before = sorted(Path().rglob("*"))
    error = one_paragraph(call("convert-weights", *arguments))
    assert "Expected" in error
    assert sorted(Path().rglob("*")) == before
    return error


@pytest.mark.parametrize("ending", FORMATS)
def test_missing_and_strange_files_are_refused(ending: str) -> None:
    assert "no file 'missing." in refused(f"missing.{ending}", "--model", "resnet20", "--output", "out.pth")
    for content in (b"", b"PK\3\4", b"\x89HDF\r\n\x1a\n", b"<html>"):
        Path(f"strange.{ending}").write_bytes(content)
        error = refused(f"strange.{ending}", "--model", "resnet20", "--output", "out.npz")
        assert f"'strange.{ending}' cannot be read" in error


@pytest.mark.parametrize("ending", FORMATS)
def test_the_wrong_model_is_refused(ending: str, stored: dict[str, Path]) -> None:
    error = refused(stored[ending], "--model", "resnet18", "--output", "out.npz")
    assert "model 'resnet18'" in error
    assert "(3, 3, 1, 16) and (64, 3)" in error


@pytest.mark.parametrize("ending", ["npz", "weights.h5", "keras"])
def test_other_keras_models_are_refused(ending: str, folder: Path) -> None:
    other = models.build("convnet", (8, 8, 1), 3)
    path = folder / f"convnet.{ending}"
    if ending == "npz":
        formats.save(other, path)
    else:
        (other.save if ending == "keras" else other.save_weights)(path)
    error = refused(path, "--model", "resnet20", "--output", "out.pth")
    assert "model 'resnet20'" in error
    assert "()" not in error


@pytest.mark.parametrize("content", [b"<!DOCTYPE html>", pickle.dumps({"a": 1}), b"PK\3\4 cut"], ids=str)
def test_a_strange_file_makes_no_library_talk(content: bytes, folder: Path) -> None:
    (folder / "strange.pth").write_bytes(content)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = call("convert-weights", "strange.pth", "--model", "resnet20", "--output", "out.npz")
    assert not caught
    assert result.code == 2
    assert result.err.startswith("Error: The file 'strange.pth' cannot be read as a PyTorch state dict (it ")
    assert result.err.count("\n") == 1
    assert "weights_only" not in result.err


@pytest.mark.parametrize("ending", ["weights.h5", "keras"])
def test_a_deeper_keras_model_with_the_same_ends_is_refused(ending: str, folder: Path) -> None:
    images = keras.Input((8, 8, 3))
    net = models.build("resnet20", (8, 8, 3), 3)
    features = net.get_layer("conv1")(images)
    features = net.get_layer("fc")(keras.layers.Dense(64)(keras.layers.GlobalAveragePooling2D()(features)))
    other = keras.Model(images, features)
    path = folder / f"other.{ending}"
    (other.save if ending == "keras" else other.save_weights)(path)
    refused(path, "--model", "resnet20", "--output", "out.pth")


@pytest.mark.parametrize("ending", ["weights.h5", "keras"])
def test_a_keras_model_with_one_layer_more_before_its_end_is_refused(
    ending: str, folder: Path, net: keras.Model
) -> None:
    """Else a network of 64 classes would be written."""
    features = keras.layers.Dense(64, activation="relu", name="extra")(net.get_layer("avgpool").output)
    wider = keras.Model(net.inputs[0], keras.layers.Dense(3, name="end")(features))
    path = folder / f"wider.{ending}"
    (wider.save if ending == "keras" else wider.save_weights)(path)
    assert "arrays of weights are not those of the model, which are 107" in refused(
        path, "--model", "resnet20", "--output", "out.pth"
    )


def test_npz_files_with_other_arrays_are_refused(net: keras.Model, stored: dict[str, Path]) -> None:
    weights = net.get_weights()
    wrong = {
        "fewer": weights[:-1],
        "more": [*weights, np.zeros(3, np.float32)],
        "integers": [*weights[:-1], np.zeros(3, np.int64)],
        "shape": [*weights[:-1], np.zeros(4, np.float32)],
        "nan": [*weights[:-1], np.full(3, np.nan, np.float32)],
        "none": [],
    }
    for name, arrays in wrong.items():
        np.savez(f"{name}.npz", **{str(number): array for number, array in enumerate(arrays)})
        assert "model 'resnet20'" in refused(f"{name}.npz", "--model", "resnet20", "--output", "out.pth")
    np.savez("names.npz", *weights)
    error = refused("names.npz", "--model", "resnet20", "--output", "out.pth")
    assert "its arrays are called 'arr_0', 'arr_1', 'arr_2', ..." in error
    assert "Expected '0', '1', '2', ..." in error
    assert "shapes" not in error
    assert "it has no arrays" in refused("none.npz", "--model", "resnet20", "--output", "out.pth")
    np.savez("pickle.npz", **{"0": np.array([{}], object)})
    assert "cannot be read" in refused("pickle.npz", "--model", "resnet20", "--output", "out.pth")


def test_names_and_endings_are_checked_first(stored: dict[str, Path], folder: Path) -> None:
    source = stored["pth"]
    error = refused(source, "--model", "convnet", "--output", "out.npz")
    assert re.search("'convnet' has no counterpart in PyTorch.*resnet18, resnet20", error)
    assert "does not say what kind of file it is" in refused(source, "--model", "resnet20", "--output", "out.txt")
    assert "'out.h5' does not say what kind of file it is" in refused(
        source, "--model", "resnet20", "--output", "out.h5"
    )
    (folder / "net.bin").write_bytes(b"x")
    assert "'net.bin' does not say what kind of file it is" in refused(
        "net.bin", "--model", "resnet20", "--output", "out.npz"
    )
    (folder / "there.npz").write_bytes(b"precious")
    assert "'there.npz' exists already" in refused(source, "--model", "resnet20", "--output", "there.npz")
    assert (folder / "there.npz").read_bytes() == b"precious"


def test_the_help_names_the_options() -> None:
    shown = call("convert-weights", "--help").out
    for option in ("--model", "--output", "--json"):
        assert option in shown


@pytest.mark.torch
def test_pytorch_loads_what_was_converted(net: keras.Model, stored: dict[str, Path]) -> None:
    torch = find_torch()
    import torch_models

    module = torch_models.resnet20(channels=1, num_classes=3)
    module.load_state_dict(torch.load(stored["pth"], weights_only=True), strict=True)
    torch.save({"epoch": 1, "net": module.state_dict()}, "again.pth")
    assert call("convert-weights", "again.pth", "--model", "resnet20", "--output", "again.npz").code == 0
    converted = formats.load(Path("again.npz"), "resnet20").get_weights()
    for array, expected in zip(converted, net.get_weights(), strict=True):
        np.testing.assert_array_equal(array, expected)
    assert names.from_keras(net).keys() == module.state_dict().keys()

"""A folder of images, held against Keras's own reading of it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import psutil
import pytest
from PIL import Image

import kit
from kit.challenges import image_folders, image_pixels, recipes
from kit.challenges.recipes import DataColumns
from kit.models import shapes
from kit.storage import image_headers
from kit.types import Arrays, Table

Refused = Callable[..., str]
SIZE = (6, 5, 3)


def image(path: Path, size: tuple[int, int] = (6, 5), seed: int = 0, mode: str = "RGB") -> Path:
    """Writes an image of random pixels, (height, width)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng([seed, *path.name.encode()])
    Image.fromarray(generator.integers(0, 256, (*size, 4), np.uint8), "RGBA").convert(mode).save(path)
    return path


def folder(path: Path, parts: tuple[str, ...] = ("",), number: int = 3, **settings: object) -> Path:
    for part in parts:
        for name in ("cat", "ant", "bee"):
            for index in range(number):
                suffix = (".png", ".jpg", ".PNG")[index % 3]
                image(path / part / name / f"{part}{name}{index}{suffix}", seed=index, **settings)  # type: ignore[arg-type]
    return path


def as_keras_reads(path: Path, **settings: object) -> tuple[np.ndarray, np.ndarray, list[str]]:
    data = keras.utils.image_dataset_from_directory(path, shuffle=False, batch_size=None, verbose=False, **settings)
    x, y = zip(*data.as_numpy_iterator(), strict=True)
    return np.stack(x), np.array(y), data.class_names


def test_images_classes_and_their_order_are_those_of_keras(tmp_path: Path) -> None:
    path = folder(tmp_path)
    image(path / "bee" / "more" / "deep.png")
    image(path / ".hidden" / "no.png")
    (path / "notes.txt").write_text("text")
    examples, partition = image_pixels.read(path, DataColumns(), SIZE)
    x, y, names = as_keras_reads(path, image_size=SIZE[:2])
    assert isinstance(examples, Table)
    assert partition is None
    np.testing.assert_array_equal(examples.inputs["image"], x)
    assert examples.inputs["image"].dtype == np.uint8
    np.testing.assert_array_equal(examples.y, y)
    assert examples.classes == tuple(names) == ("ant", "bee", "cat")
    # Of a lossless file, the pixels themselves.
    place = examples.keys["file"].tolist().index("cat/cat0.png")
    with Image.open(path / "cat" / "cat0.png") as lossless:
        np.testing.assert_array_equal(examples.inputs["image"][place], np.asarray(lossless))


@pytest.mark.parametrize(
    ("shape", "colours", "values"), [((4, 9, 3), "rgb", "float32"), ((6, 5, 1), "grayscale", "uint8")]
)
def test_images_of_other_sizes_and_colours_are_brought_to_the_models_and_that_is_said(
    shape: tuple[int, int, int], colours: str, values: str, tmp_path: Path
) -> None:
    path, lines = folder(tmp_path), list[str]()
    examples, _ = image_pixels.read(path, DataColumns(), shape, lines.append)
    x, _, _ = as_keras_reads(path, image_size=shape[:2], color_mode=colours)
    assert isinstance(examples, Table)
    np.testing.assert_array_equal(examples.inputs["image"], x)
    assert examples.inputs["image"].dtype == values
    assert [("9 of 9 images were brought to 4 x 9" in line) for line in lines] == [True] * (values == "float32")


def test_a_range_of_pixels_is_what_users_make_of_them(tmp_path: Path) -> None:
    path = folder(tmp_path)
    x, _, _ = as_keras_reads(path, image_size=SIZE[:2])
    scaled, _ = image_pixels.read(path, DataColumns(pixel_range=(0.0, 1.0)), SIZE)
    assert isinstance(scaled, Arrays)  # whose 8-bit images are handed over in [0, 1]
    np.testing.assert_array_equal(scaled.x, x)
    assert scaled.x.dtype == np.uint8
    signed, _ = image_pixels.read(path, DataColumns(pixel_range=(-1.0, 1.0)), SIZE)
    assert isinstance(signed, Table)
    np.testing.assert_allclose(signed.inputs["image"], x / 127.5 - 1, atol=1e-6)


def test_sub_folders_of_parts_are_the_partition(tmp_path: Path) -> None:
    path = folder(tmp_path, ("train", "val", "Test"))
    examples, partition = image_pixels.read(path, DataColumns(), SIZE)
    assert partition is not None
    firsts = [file.split("/")[0] for file in examples.keys["file"].tolist()]
    assert [{"train": 0, "val": 1, "Test": 2}[first] for first in firsts] == partition.tolist()
    assert isinstance(examples, Table)
    for part, number in (("train", 0), ("val", 1), ("Test", 2)):
        x, y, _ = as_keras_reads(path / part, image_size=SIZE[:2])
        np.testing.assert_array_equal(examples.inputs["image"][partition == number], x)
        np.testing.assert_array_equal(examples.y[partition == number], y)


def test_classes_keep_the_order_of_the_models_outputs(tmp_path: Path) -> None:
    path = folder(tmp_path)
    order = ["cat", "bee", "ant"]
    examples, _ = image_pixels.read(path, DataColumns(classes=tuple(order)), SIZE)
    x, y, _ = as_keras_reads(path, image_size=SIZE[:2], class_names=order)
    assert isinstance(examples, Table)
    np.testing.assert_array_equal(examples.inputs["image"], x)
    np.testing.assert_array_equal(examples.y, y)


def test_a_class_without_images_keeps_its_number_and_is_said(tmp_path: Path) -> None:
    path, lines = folder(tmp_path), list[str]()
    (path / "ass").mkdir()
    examples, _ = image_pixels.read(path, DataColumns(), SIZE, lines.append)
    assert examples.classes == ("ant", "ass", "bee", "cat")
    assert set(examples.y.tolist()) == {0, 2, 3}
    assert "'ass'" in lines[0]


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bomb(width: int, height: int) -> bytes:
    """A sound PNG file of a few bytes, all black."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("bee/x.png", b"", "it is empty"),
        ("bee/x.png", b"no image at all", "neither as a PNG nor as a JPEG"),
        ("bee/x.png", bomb(60_000, 60_000), "60,000 x 60,000 pixels"),
        ("bee/x.png", bomb(0, 7), "pixels"),
        ("bee/x.png", bomb(5, 6)[:20], "broken off"),
        ("bee/x.jpg", b"\xff\xd8\xff\xe0\x00\x10", "broken off"),
        ("bee/x.png", b"\x89PNG\r\n\x1a\n" + chunk(b"IDAT", bytes(13)), "header of a PNG"),
        ("bee/x.png", bomb(5, 6), "damaged behind its header"),
        ("bee/x.gif", b"GIF89a", "which Keras reads as an image"),
    ],
)
def test_what_is_no_image_is_named_and_refused(
    name: str, content: bytes, words: str, tmp_path: Path, refused: Refused
) -> None:
    path = folder(tmp_path)
    (path / name).write_bytes(content)
    refused(lambda: image_pixels.read(path, DataColumns(), SIZE), words, Path(name).name)


def test_a_folder_of_other_things_is_refused(tmp_path: Path, refused: Refused) -> None:
    def read(name: str, shape: tuple[int | None, ...] | None = None) -> Callable[[], object]:
        return lambda: image_pixels.read(tmp_path / name, DataColumns(), shape)

    (tmp_path / "empty" / "ant").mkdir(parents=True)
    refused(read("empty"), "has no images")
    folder(tmp_path / "two", ("train", "test"))
    refused(read("two"), "parts are missing", "half of the test images")
    folder(tmp_path / "mixed", ("train", "validation", "test", "cow"))
    refused(read("mixed"), "'cow'", "nothing else")
    image(folder(tmp_path / "new", ("train", "validation", "test")) / "test" / "cow" / "x.png")
    refused(read("new"), "sub-folder 'cow'", "none of the classes 'ant', 'bee', 'cat'")
    image(folder(tmp_path / "sizes") / "ant" / "large.png", (7, 5))
    refused(read("sizes"), "2 sizes", "5 x 6 to 5 x 7")
    refused(read("sizes", (64,)), "takes examples of shape (64,)")
    refused(read("sizes", (6, 5, 2)), "takes examples of shape (6, 5, 2)")


def test_images_beyond_the_memory_are_refused_before_they_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    path = folder(tmp_path)
    memory = psutil.virtual_memory()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory._replace(available=1000))
    refused(lambda: image_pixels.read(path, DataColumns(), (600, 500, 3)), "do not fit in memory", "0.0 GB")


def test_headers_say_the_size_that_a_decoder_finds(tmp_path: Path) -> None:
    for number, (mode, suffix) in enumerate(
        [("RGB", "jpg"), ("L", "jpg"), ("RGBA", "png"), ("P", "png"), ("1", "png")]
    ):
        path = image(tmp_path / f"{number}.{suffix}", (3 + number, 40 + number), mode=mode)
        with Image.open(path) as decoded:
            width, height = decoded.size
        assert image_headers.size_of(path) == (height, width)
    Image.new("RGB", (33, 22)).save(tmp_path / "slow.jpg", progressive=True, exif=b"Exif\x00\x00" + bytes(500))
    assert image_headers.size_of(tmp_path / "slow.jpg") == (22, 33)


def test_the_shape_of_a_models_examples_is_read_from_its_file(tmp_path: Path) -> None:
    layers = keras.layers
    first = keras.Sequential([keras.Input((8, None, 3)), layers.GlobalAveragePooling2D(), layers.Dense(2)])
    inside = keras.Sequential([keras.Sequential([keras.Input((32, 32, 3)), layers.Flatten()]), layers.Dense(2)])
    inside.build((None, 32, 32, 3))
    images, numbers = keras.Input((5, 4, 1)), keras.Input((2,))
    two = keras.Model([images, numbers], layers.Concatenate()([layers.Flatten()(images), numbers]))
    for number, (net, shape) in enumerate([(first, (8, None, 3)), (inside, (32, 32, 3)), (two, None)]):
        net.save(tmp_path / f"{number}.keras")
        assert shapes.of_file(tmp_path / f"{number}.keras") == shape
    (tmp_path / "other.keras").write_bytes(b"no archive")
    assert shapes.of_file(tmp_path / "other.keras") is None


def model(*first: keras.layers.Layer) -> keras.Model:
    keras.utils.set_random_seed(1)
    layers = [*first, keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax")]
    return keras.Sequential([keras.Input(SIZE), *layers])


def test_a_model_says_of_8_bit_images_what_it_said_of_keras_reading(tmp_path: Path) -> None:
    path = folder(tmp_path / "images", number=9)
    net = model(keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(2, 2))
    net.save(tmp_path / "model.keras")
    challenge = kit.load_challenge(path, model=tmp_path / "model.keras", forget=[0, 4])
    x, y, _ = as_keras_reads(path, image_size=SIZE[:2])
    everything = [challenge.train, challenge.validation, challenge.test]
    assert all(part.x.dtype == np.uint8 for part in everything)
    assert challenge.train.classes == ("ant", "bee", "cat")
    from kit.runs import originals
    from kit.toolbox.inference import predict_logits

    rebuilt = originals.build(challenge)
    rebuilt.set_weights(challenge.original)
    logits = np.concatenate([predict_logits(rebuilt, part.x) for part in everything])
    places = [file for part in everything for file in part.keys["file"].tolist()]
    order = [image_folders.listed(path).files.index(file) for file in places]
    odds = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(odds, net.predict(x, verbose=0)[order], atol=1e-5)
    np.testing.assert_array_equal(np.concatenate([part.y for part in everything]), y[order])


def test_a_model_that_was_given_other_values_is_told_how_to_say_so(tmp_path: Path, refused: Refused) -> None:
    """Trained on images in [0, 1] that are bright or dark, it calls all bright that are 255 times as bright."""
    path = tmp_path / "images"
    for number in range(24):
        for label, name in enumerate(("dark", "bright")):
            image(path / name / f"{number}.png")
            Image.fromarray(np.full(SIZE, 20 + 180 * label, np.uint8)).save(path / name / f"{number}.png")
    net = keras.Sequential([keras.Input(SIZE), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1)])
    net.layers[-1].set_weights([np.full((3, 1), -1.0), np.array([1.2])])  # of 'bright', class 0, the logit of 1 is < 0
    net.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
    net.save(tmp_path / "model.keras")
    load = {"model": tmp_path / "model.keras", "forget": [0]}
    refused(lambda: kit.load_challenge(path, **load), "pixel_range = [0, 1]")
    (tmp_path / "recipe.toml").write_text("epochs = 1\n[data]\npixel_range = [0, 1]\n")
    challenge = kit.load_challenge(path, recipe=tmp_path / "recipe.toml", **load)
    assert challenge.train.x.max() == 200


def test_requests_name_images_by_their_files(tmp_path: Path, refused: Refused) -> None:
    path = folder(tmp_path / "images", number=9)
    requests = tmp_path / "requests.csv"
    files = kit.load_challenge(path, model="mlp").train.keys["file"]
    requests.write_text(f"file\n{files[7]}\n{files[3]}\n")
    challenge = kit.load_challenge(path, model="mlp", forget=requests)
    assert sorted(challenge.train.keys["file"][challenge.split.forget]) == sorted(files[[3, 7]])
    requests.write_text("file\nant/none.png\n")
    refused(lambda: kit.load_challenge(path, model="mlp", forget=requests), "ant/none.png")


@pytest.mark.parametrize("values", ["[1]", "[1, 0]", "'0 to 1'", "[0, 'one']", "[0, true]"])
def test_a_range_of_pixels_is_two_numbers(values: str, tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(f"[data]\npixel_range = {values}\n")
    refused(lambda: recipes.read(path), "pixel_range")

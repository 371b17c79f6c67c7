"""The images of a folder as examples: decoded by Keras, in the size and the colours that a model takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.challenges import image_folders
from kit.challenges.image_folders import ImageFolder
from kit.challenges.recipes import DataColumns
from kit.machine import quiet
from kit.storage import files
from kit.types import InputError

if TYPE_CHECKING:
    import numpy as np

    from kit.types import Arrays, Table

_COLOURS = {1: "grayscale", 3: "rgb", 4: "rgba"}
# By which a file of requests names images.
FILE_KEY = "file"
_BYTES = (0.0, 255.0)


def read(
    path: Path,
    columns: DataColumns,
    shape: Sequence[int | None] | None,
    announce: Callable[[str], None] | None = None,
) -> tuple[Arrays | Table, np.ndarray | None]:
    """Reads a folder of images, and how it is divided in train, validation and test, if its sub-folders say so.

    Args:
        path: of the folder, see `image_folders.listed`.
        columns: `classes` in the order of the model's outputs, and `pixel_range`, to which 0 to 255 are stretched.
        shape: that the model takes, (height, width, channels) or (height, width), None for what is open; None where
            nobody knows: three colours then, in the size of the images.
        announce: is told what was left out or brought to another size.

    Returns:
        Examples with a key `file`, and integers (n,) or None. Images that have the model's size stay 8-bit. Others are
        float32, resized as Keras does it: bilinear, without regard to their proportions.

    Raises:
        InputError: see `image_folders.listed`; several sizes where the model does not say which; images that cannot be
            decoded; more than there is memory for.
    """
    folder = image_folders.listed(path, columns.classes)
    height, width, channels = _shape(folder, shape)
    resized = sum(size != (height, width) for size in folder.sizes)
    notes = list(folder.notes)
    if resized:
        notes.append(
            f"{resized:,} of {len(folder.files):,} images were brought to {height} x {width} pixels, as "
            "keras.utils.image_dataset_from_directory does it"
        )
    if announce is not None:
        for note in notes:
            announce(f"'{path}': {note}")
    low, high = columns.pixel_range or _BYTES
    in_bytes = not resized and (low, high) in (_BYTES, (0.0, 1.0))
    pixels = _decoded(folder, (height, width, channels), in_bytes=in_bytes)
    if not in_bytes and (low, high) != _BYTES:
        pixels *= (high - low) / 255
        pixels += low
    import numpy as np

    from kit.types import Arrays, Table

    keys = {FILE_KEY: np.array(folder.files)}
    further: dict[str, Any] = {"y": np.array(folder.labels), "classes": folder.classes, "keys": keys}
    as_they_are = (low, high) == _BYTES or not in_bytes  # 8-bit ones in Arrays are scaled to [0, 1]
    examples = Table({"image": pixels}, **further) if as_they_are else Arrays(pixels, **further)
    return examples, np.array(folder.parts) if folder.parts else None


def _shape(folder: ImageFolder, shape: Sequence[int | None] | None) -> tuple[int, int, int]:
    """Returns height, width and channels of examples."""
    sizes = (None, None, 3) if shape is None else tuple(shape) + ((1,) if len(shape) == 2 else ())
    height, width, channels = sizes if len(sizes) == 3 else (None, None, 0)
    channels = 3 if channels is None else channels
    if channels not in _COLOURS:
        raise InputError(
            f"The model takes examples of shape {sizes}, and '{folder.path}' holds images. Expected a "
            "model for images, (height, width, channels) with 1, 3 or 4 channels. Give another model, or what this one "
            "takes as 'x' in an .npz file."
        )
    if height is None or width is None:
        different = sorted({*folder.sizes})
        if len(different) > 1:
            raise InputError(
                f"The images in '{folder.path}' have {len(different):,} sizes, from {different[0].width} x "
                f"{different[0].height} to {different[-1].width} x {different[-1].height} pixels, and the model does "
                "not say which it takes. Expected one size, as models are trained on batches. Bring the images to the "
                "size that the model has learnt, or save it with an Input of that shape."
            )
        height, width = height or different[0].height, width or different[0].width
    return height, width, channels


def _decoded(folder: ImageFolder, shape: tuple[int, int, int], *, in_bytes: bool) -> np.ndarray:
    """Returns the images, uint8 or float32 (n, height, width, channels), in the order of the folder's files.

    Raises:
        InputError: one cannot be decoded, the backend has no decoder, or there is not memory enough.
    """
    import numpy as np

    height, width, channels = shape
    num_bytes = len(folder.files) * height * width * channels * (1 if in_bytes else 4)
    try:
        files.require_memory(num_bytes)
    except ValueError as error:
        raise InputError(
            f"The images in '{folder.path}' do not fit in memory: {error}. Expected fewer, smaller ones, or images of "
            "the model's size, which take a quarter. Save them as x.npy, uint8, beside y.npy in a folder: such arrays "
            "are read from the disk as they are needed."
        ) from error
    pixels = np.empty((len(folder.files), *shape), np.uint8 if in_bytes else np.float32)
    places = {str(folder.path / file): place for place, file in enumerate(folder.files)}
    for root in folder.roots:
        _decode_into(pixels, folder, root, places)
    return pixels


def _decode_into(pixels: np.ndarray, folder: ImageFolder, root: str, places: dict[str, int]) -> None:
    """Decodes the images of one part by Keras's own function, which lists the folder again."""
    import numpy as np

    quiet.load_tensorflow()
    import keras

    names = [name for name in folder.classes if (folder.path / root / name).is_dir()]
    height, width, channels = pixels.shape[1:]
    try:
        dataset = keras.utils.image_dataset_from_directory(
            str(folder.path / root),
            class_names=names,
            color_mode=_COLOURS[channels],
            image_size=(height, width),
            shuffle=False,
            batch_size=None,
            verbose=False,
        )
    except ImportError as error:
        raise InputError(
            f"The images in '{folder.path}' cannot be decoded: {error}. Expected TensorFlow, by which Keras decodes "
            "images on every backend. Install it, or save the images as 'x' in an .npz file."
        ) from error
    paths = [str(Path(path)) for path in dataset.file_paths]
    if sorted(paths) != sorted(path for path in places if Path(path).is_relative_to(folder.path / root)):
        raise InputError(
            f"The folder '{folder.path}' has changed while it was read. Expected the same files throughout. Try again "
            "when nobody writes into it."
        )
    done = 0
    try:
        for image, _ in dataset.as_numpy_iterator():
            pixels[places[paths[done]]] = image if pixels.dtype != np.uint8 else np.rint(image)
            done += 1
    except Exception as error:  # TensorFlow's, which names no file
        fault = f"'{Path(paths[done]).relative_to(folder.path).as_posix()}' (it is damaged behind its header)"
        raise image_folders.unreadable(folder.path, [fault]) from error

"""A folder of images, one sub-folder a class, as `keras.utils.image_dataset_from_directory` reads it.

The order of the classes, the colours, the size and the values are Keras's own: its function decodes the images, after
their headers were looked at (`kit.storage.image_headers`). What it would pass over in silence is said.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kit.storage import image_headers
from kit.storage.image_headers import Size
from kit.types import InputError

EXPECTED = "a folder with a sub-folder of .png or .jpg images for each class"
_SUFFIXES = (".png", ".jpg", ".jpeg")
# Images that Keras reads too, and would be missing here.
_OTHER_SUFFIXES = (".bmp", ".gif")
_PARTS = {"train": 0, "training": 0, "validation": 1, "valid": 1, "val": 1, "test": 2, "testing": 2}
_PART_NAMES = ("train", "validation", "test")
_LISTED = 5


@dataclass(frozen=True)
class ImageFolder:
    """What is in a folder of images; none of them has been decoded.

    Args:
        path: the folder.
        files: of the images, relative to it, with `/` between names, in Keras's order: part by part, class by class.
        labels: the place of each one's class in `classes`.
        classes: names of the sub-folders, by default sorted, as Keras numbers them.
        parts: of each image, 0 for training, 1 for validation, 2 for test; empty where the folder does not say it.
        sizes: of each image.
        notes: for people: what has no part in the examples, and is not refused.
    """

    path: Path
    files: tuple[str, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]
    parts: tuple[int, ...]
    sizes: tuple[Size, ...]
    notes: tuple[str, ...] = ()

    @property
    def roots(self) -> list[str]:
        """The folders whose sub-folders are classes, relative to `path`: one for each part, or nothing but this one."""
        return sorted({file.split("/")[0] for file in self.files}) if self.parts else [""]


def listed(path: Path, classes: Sequence[str] = ()) -> ImageFolder:
    """Returns what is in a folder of images.

    Args:
        path: of it. Sub-folders called `train`, `validation` (or `val`) and `test`, if there are no others, are the
            parts, with a sub-folder a class in each.
        classes: the names of the classes in the order of a model's outputs; by default sorted.

    Raises:
        InputError: no images, some that cannot be read by their headers, or classes that the model has not learnt.
    """
    roots = _roots(path)
    names = {root: _folders(path / root) for root in roots}
    order = tuple(classes or sorted(set(names[next(iter(roots))])))
    unknown = sorted({name for of_root in names.values() for name in of_root} - {*order})
    if unknown:
        raise InputError(
            f"'{path}' has a sub-folder '{unknown[0]}', which is none of the classes {_in_a_row(order)}. Expected "
            "those of the training images, or those that the recipe lists under 'classes' in [data], which a model has "
            "learnt. Move it out of the folder, or list its name at the place of its output."
        )
    files, labels, parts = list[str](), list[int](), list[int]()
    for root, part in roots.items():
        for label, name in enumerate(order):
            images = _images(path, f"{root}/{name}" if root else name) if name in names[root] else []
            files += images
            labels += [label] * len(images)
            parts += [part] * len(images)
    if not files:
        raise InputError(
            f"'{path}' has no images. Expected {EXPECTED}. Put each image into the folder that is called as its class."
        )
    sizes = _sizes(path, files)
    empty = [name for label, name in enumerate(order) if label not in labels]
    notes = [f"no image has the class {_in_a_row(empty)}, which keeps its number"] if empty else []
    is_divided = bool(next(iter(roots)))
    return ImageFolder(
        path, tuple(files), tuple(labels), order, tuple(parts) if is_divided else (), sizes, tuple(notes)
    )


def _roots(path: Path) -> dict[str, int]:
    """Returns the folders of parts and their numbers, training first; `""` alone where classes stand at once."""
    names = _folders(path)
    parts = {name: _PARTS[name.lower()] for name in names if name.lower() in _PARTS}
    missing = [name for number, name in enumerate(_PART_NAMES) if number not in parts.values()]
    if len(parts) < 2 and (len(parts) < len(names) or not parts):
        return {"": 0}
    if missing or len(parts) > len(_PART_NAMES) or len(names) > len(parts):
        raise InputError(
            f"'{path}' has the sub-folders {_in_a_row(names)}, some of which are called as parts of the data and "
            "some are not, or parts are missing or there twice. Expected train, validation and test, and nothing "
            "else, or the classes alone. Move what is no part out of the folder; where there is no validation part, "
            "take half of the test images for it, of which the model has learnt nothing either."
        )
    return dict(sorted(parts.items(), key=lambda part: part[1]))


def _folders(path: Path) -> list[str]:
    """Returns the names of sub-folders, sorted, without hidden ones, as Keras finds them."""
    return sorted(name for name in os.listdir(path) if (path / name).is_dir() and not name.startswith("."))


def _images(path: Path, folder: str) -> list[str]:
    """Returns the images in a folder and below it, in Keras's order.

    Raises:
        InputError: there are images of other formats, which Keras would have read.
    """
    images = []
    for root, _, names in sorted(os.walk(path / folder), key=lambda step: step[0]):
        relative = Path(root).relative_to(path).as_posix()
        others = sorted(name for name in names if name.lower().endswith(_OTHER_SUFFIXES))
        if others:
            raise InputError(
                f"'{path / relative}' holds '{others[0]}' ({len(others)} such files), which Keras reads as an image "
                "and the kit does not. Expected .png and .jpg files alone, or other examples than the model's would "
                "be taken. Write it as a .png file, or move it away if the model has not learnt it."
            )
        images += [f"{relative}/{name}" for name in sorted(names) if name.lower().endswith(_SUFFIXES)]
    return images


def _sizes(path: Path, files: Sequence[str]) -> tuple[Size, ...]:
    sizes, faults = [], list[str]()
    for file in files:
        try:
            sizes.append(image_headers.size_of(path / file))
        except (ValueError, OSError) as error:
            faults.append(f"'{file}' ({getattr(error, 'strerror', None) or error})")
    if faults:
        raise unreadable(path, faults)
    return tuple(sizes)


def unreadable(path: Path, faults: Sequence[str]) -> InputError:
    """Returns the error of images that cannot be read.

    Args:
        path: of the folder.
        faults: of each, its name and what is wrong with it.
    """
    more = f", and {len(faults) - _LISTED} others" if len(faults) > _LISTED else ""
    return InputError(
        f"In '{path}' cannot be read: {', '.join(faults[:_LISTED])}{more}. Expected PNG or JPEG images, each of them "
        "whole, as the model has learnt them. Copy these files again, or move them away if the model has not learnt "
        "them."
    )


def _in_a_row(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:_LISTED])) + (", ..." if len(names) > _LISTED else "")

"""What the first bytes of a PNG or JPEG file say of the image, before a library opens it.

A library that decodes an image takes the memory that its header asks for: a file of a few bytes may ask for all there
is. Nothing is decoded here, and nothing behind the header is looked at.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

# Larger images are taken for bombs; cameras' largest have 2**27 pixels, and nobody trains on these as they are.
MOST_PIXELS = 2**26
MOST_BYTES = 2**28
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
# Markers of a JPEG file: of frames, which say the size, and those that nothing follows.
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_ALONE = {0x01, *range(0xD0, 0xD8)}
_MOST_SEGMENTS = 4096


class Size(NamedTuple):
    """In pixels."""

    height: int
    width: int


def size_of(path: Path) -> Size:
    """Returns height and width of an image by the header of its file; no pixel is decoded.

    Args:
        path: of a PNG or JPEG file.

    Raises:
        ValueError: it is empty, no PNG or JPEG file, broken off, or larger than an image may be.
        OSError: it cannot be read.

    Example:
        >>> from kit.storage.scratch import Scratch
        >>> with Scratch("kit-image-") as folder:
        ...     path = folder.path / "image.png"
        ...     length = path.write_bytes(b"\\x89PNG\\r\\n\\x1a\\n" + struct.pack(">I4sII", 13, b"IHDR", 5, 7))
        ...     size_of(path)
        Size(height=7, width=5)
    """
    num_bytes = path.stat().st_size
    if not num_bytes:
        raise ValueError("it is empty")
    if num_bytes > MOST_BYTES:
        raise ValueError(f"it has {num_bytes:,} bytes, where {MOST_BYTES:,} is the most")
    with path.open("rb") as stream:
        beginning = stream.read(len(_PNG))
        try:
            if beginning == _PNG:
                size = _of_png(stream)
            elif beginning.startswith(_JPEG):
                stream.seek(len(_JPEG))
                size = _of_jpeg(stream)
            else:
                raise ValueError("it begins neither as a PNG nor as a JPEG file")
        except struct.error as error:
            raise ValueError("it is broken off") from error
    if not 0 < size.height * size.width <= MOST_PIXELS:
        raise ValueError(f"its header says {size.width:,} x {size.height:,} pixels, where {MOST_PIXELS:,} is the most")
    return size


def _of_png(stream: BinaryIO) -> Size:
    _, kind, width, height = struct.unpack(">I4sII", stream.read(16))
    if kind != b"IHDR":
        raise ValueError("it does not begin with the header of a PNG file")
    return Size(height, width)


def _of_jpeg(stream: BinaryIO) -> Size:
    """Goes from segment to segment until one that begins a frame."""
    for _ in range(_MOST_SEGMENTS):
        (marker,) = struct.unpack("B", stream.read(1))
        if marker != 0xFF:
            raise ValueError("a segment of it begins with no marker")
        while marker == 0xFF:  # any number of them may stand before a marker
            (marker,) = struct.unpack("B", stream.read(1))
        if marker in _ALONE:
            continue
        (length,) = struct.unpack(">H", stream.read(2))
        if marker in _FRAMES:
            _, height, width = struct.unpack(">BHH", stream.read(5))
            return Size(height, width)
        stream.seek(length - 2, 1)
    raise ValueError("it has no frame")

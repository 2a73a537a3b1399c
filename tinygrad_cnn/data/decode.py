"""One picture file to one RGB array, without trusting the file."""

from __future__ import annotations

import os
import stat
import threading
from contextlib import nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arguments import checked
from ..extras import optional_import
from .quiet import quiet

MAX_BYTES = 2**26  # of a file, 64 MiB
MAX_PIXELS = 2**26  # of a picture, 64 million: 192 MiB decoded
JPEG, PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"  # how such a file starts
END_OF_JPEG, END_OF_PNG = b"\xff\xd9", b"IEND\xaeB`\x82"
LARGE_PIXELS = 2**22  # larger pictures are decoded one at a time, however many threads there are

_one_large_picture = threading.Lock()


class UnreadableImage(ValueError):
    """The file is no picture that can be read; the message, one line, says why."""


@checked
def read_image(path: str | os.PathLike[str], size: int | None = None) -> npt.NDArray[np.uint8]:
    """The JPEG, PNG or WebP file at `path` as uint8 RGB (H, W, 3), turned upright as its EXIF data says.

    Grey and CMYK become RGB, 16 bits 8, and transparency is left out; an animation gives its first picture. With
    `size`, the largest centred square, resized to (size, size, 3). Raises UnreadableImage for
    a file that is no such picture, is damaged, or holds more than 64 MiB or 64 million pixels.

    >>> import os, tempfile
    >>> import cv2
    >>> from tinygrad_cnn.data import SyntheticFaces, read_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "face.png")
    ...     _ = cv2.imwrite(path, SyntheticFaces(1, size=64)[0][0])
    ...     read_image(path).shape, read_image(path, size=32).shape
    ((64, 64, 3), (32, 32, 3))
    """
    with optional_import():
        import cv2

    try:
        data = _read_regular_file(path)
        width, height = picture_size(data)
        if width * height > MAX_PIXELS:
            raise UnreadableImage(f"{width}x{height} pixels, more than {MAX_PIXELS}")
        if _cut_short(data):
            raise UnreadableImage("damaged: its end is missing")
        with _one_large_picture if width * height > LARGE_PIXELS else nullcontext():
            flags = cv2.IMREAD_COLOR
            if size is not None and data[:2] == JPEG:  # its decoder shrinks by a power of two in less time
                for factor in (2, 4, 8):
                    if min(width, height) // factor >= size:
                        flags = getattr(cv2, f"IMREAD_REDUCED_COLOR_{factor}")
            with quiet():
                image: npt.NDArray[Any] | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
            if image is None:
                raise UnreadableImage("damaged or not a picture")
            if size is not None:
                image = centre_square(image, size)
            return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
    except OSError as error:
        raise UnreadableImage(error.strerror or str(error)) from error
    except cv2.error as error:
        raise UnreadableImage(f"damaged picture: {' '.join(error.err.split())}") from error


def picture_size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels as the header of a JPEG, PNG or WebP file states them. Raises UnreadableImage."""
    if data[:8] == PNG and len(data) >= 24:
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if _is_webp(data) and len(data) >= 30:
        return _webp_size(data)
    if data[:2] == JPEG:
        return _jpeg_size(data)
    raise UnreadableImage("neither a JPEG nor a PNG nor a WebP file" if data else "empty file")


@checked
def printable(name: str | os.PathLike[str]) -> str:
    r"""A file's name on one line, as a message shows it: what can't be printed is escaped.

    >>> from tinygrad_cnn.data import printable
    >>> print(printable("two\nlines, 顔.jpg"))
    two\nlines, 顔.jpg
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in os.fspath(name))


def centre_square(image: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    """The largest centred square of an image (H, W, C), resized to (size, size, C)."""
    import cv2

    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    image = image[top : top + side, left : left + side]
    # Two neighbours see every pixel up to half the size; the mean over an area takes several times as long.
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if side >= 2 * size else cv2.INTER_LINEAR)


def _jpeg_size(data: bytes) -> tuple[int, int]:
    position = 2
    while position + 9 <= len(data) and data[position] == 0xFF:  # each segment: 0xFF, its kind, its length
        kind = data[position + 1]
        if kind == 0xFF:  # padding
            position += 1
        elif 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):  # a start-of-frame segment
            height = int.from_bytes(data[position + 5 : position + 7], "big")
            return int.from_bytes(data[position + 7 : position + 9], "big"), height
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    raise UnreadableImage("damaged JPEG header")


def _is_webp(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def _webp_size(data: bytes) -> tuple[int, int]:
    """By the first chunk's kind: extended (as animations are), lossless, or lossy."""
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    raise UnreadableImage("damaged WebP header")


def _cut_short(data: bytes) -> bool:
    """Whether the end of the picture is missing: a part of the pixels is not the picture."""
    if _is_webp(data):
        return len(data) < 8 + int.from_bytes(data[4:8], "little")
    end = END_OF_PNG if data[:8] == PNG else END_OF_JPEG  # other data may follow, and cameras put some there
    return data.rfind(end) < 0


def _read_regular_file(path: str | os.PathLike[str]) -> bytes:
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):  # opening a named pipe would wait for a writer
        raise UnreadableImage("not a regular file")
    if status.st_size > MAX_BYTES:
        raise UnreadableImage(f"{status.st_size} bytes, more than {MAX_BYTES}")
    with open(path, "rb") as file:
        return file.read(status.st_size)

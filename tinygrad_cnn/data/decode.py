"""One picture file to one RGB array, without trusting the file."""

from __future__ import annotations

import os
import stat
import threading
from contextlib import nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt

from ..extras import optional_import

MAX_BYTES = 2**26  # of a file, 64 MiB
MAX_PIXELS = 2**26  # of a picture, 64 million: 192 MiB decoded
JPEG = b"\xff\xd8"  # how such a file starts
LARGE_PIXELS = 2**22  # larger pictures are decoded one at a time, however many threads there are

_one_large_picture = threading.Lock()


class UnreadableImage(ValueError):
    """The file is no picture that can be read; the message says why."""


def read_image(path: str | os.PathLike[str], size: int | None = None) -> npt.NDArray[np.uint8]:
    """The JPEG or PNG file at `path` as uint8 RGB (H, W, 3), turned upright as its EXIF data says.

    With `size`, its largest centred square, resized to (size, size, 3). Raises UnreadableImage.
    """
    with optional_import():
        import cv2

    try:
        data = _read_regular_file(path)
        width, height = picture_size(data)
        if width * height > MAX_PIXELS:
            raise UnreadableImage(f"{width}x{height} pixels, more than {MAX_PIXELS}")
        with _one_large_picture if width * height > LARGE_PIXELS else nullcontext():
            flags = cv2.IMREAD_COLOR
            if size is not None and data[:2] == JPEG:  # its decoder shrinks by a power of two in less time
                for factor in (2, 4, 8):
                    if min(width, height) // factor >= size:
                        flags = getattr(cv2, f"IMREAD_REDUCED_COLOR_{factor}")
            image: npt.NDArray[Any] | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
            if image is None:
                raise UnreadableImage("damaged or not a picture")
            if size is not None:
                image = _square(image, size)
            return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
    except OSError as error:
        raise UnreadableImage(error.strerror or str(error)) from error
    except cv2.error as error:
        raise UnreadableImage(f"damaged picture: {error.err}") from error


def picture_size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels as the header of a JPEG or PNG file states them. Raises UnreadableImage."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if data[:2] != JPEG:
        raise UnreadableImage("neither a JPEG nor a PNG file" if data else "empty file")
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


def _read_regular_file(path: str | os.PathLike[str]) -> bytes:
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):  # opening a named pipe would wait for a writer
        raise UnreadableImage("not a regular file")
    if status.st_size > MAX_BYTES:
        raise UnreadableImage(f"{status.st_size} bytes, more than {MAX_BYTES}")
    with open(path, "rb") as file:
        return file.read(status.st_size)


def _square(image: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    import cv2

    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    image = image[top : top + side, left : left + side]
    # Two neighbours see every pixel up to half the size; the mean over an area takes several times as long.
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if side >= 2 * size else cv2.INTER_LINEAR)

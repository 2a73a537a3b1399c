"""Pictures decoded once, into an array file on disk that the next epoch and the next run map at once.

A cache is two files, both written under a temporary name and then renamed: ``<key>.json`` and the array
that it names, ``<key>-<checksum>.npy``. The key is a hash of what was decoded: names, sizes and times of the
source files, the image size and the colour mode. Two processes that build the same cache do it twice, and the
files of either are whole.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import os
import uuid
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..kernels import get_num_threads
from ..progress import progress_bar
from .decode import UnreadableImage, read_image
from .quiet import quiet

FORMAT = "rgb, largest centred square, 2"  # a part of the key: change it with what read_image gives
BLOCK_BYTES = 2**20  # images are decoded and written by the block: the last ones should not keep a thread waiting long
RESIDENT_BYTES = 2**27  # read from the mapped file before its pages are let go (the system maps more than is read)


class SourceFile(NamedTuple):
    """A picture file, with its size in bytes and its time of change in nanoseconds."""

    path: Path
    size: int
    modified: int


class ImageCache:
    """The uint8 RGB images (N, size, size, 3) of a list of files, mapped from the disk.

    `unreadable` maps the rows whose file could not be read, black ones, to the reason. `checksum` identifies
    the content.
    """

    def __init__(self, images: npt.NDArray[np.uint8], unreadable: dict[int, str], path: Path) -> None:
        self.images = images
        self.unreadable = unreadable
        self.path = path
        self.checksum = path.stem.rpartition("-")[2]
        self._bytes_read = 0

    def take(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """A copy of the images at `rows`."""
        images = np.asarray(self.images[rows])
        self._bytes_read += images.nbytes
        if self._bytes_read > RESIDENT_BYTES and isinstance(self.images.base, mmap.mmap):
            self.images.base.madvise(mmap.MADV_DONTNEED)  # the system's file cache still holds them
            self._bytes_read = 0
        return images

    def derived(self, name: str, compute: Callable[[], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """The array that `compute` makes from these images, kept on disk beside them under `name`."""
        path = self.path.with_name(f"{self.path.stem}-{name}.npy")
        try:
            return np.asarray(np.load(path))
        except (OSError, ValueError, EOFError):
            values = compute()
            with _temporary(path.parent) as temporary:
                with open(temporary, "wb") as file:
                    np.save(file, values)
                os.replace(temporary, path)
            return values


def cached_images(
    files: Sequence[SourceFile],
    size: int,
    cache_dir: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> ImageCache:
    """The images of `files` at size x size pixels: from the cache, after decoding them there if need be.

    Decoding uses all cores, shows a bar where stderr is a terminal and `progress` is set, and takes little
    memory whatever the number of files. Raises OSError where the cache can't be written.
    """
    folder = cache_folder(cache_dir)
    path = folder / f"{_key(files, size)}.json"
    shape = (len(files), size, size, 3)
    try:
        cached = _open(path, shape)
        if not any(_readable(files[row], size) for row in cached.unreadable):  # a file may have been locked then
            return cached
    except (OSError, ValueError, KeyError, TypeError):  # not there, or not whole
        pass
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _build(path, files, size, progress)
    except OSError as error:
        megabytes = math.prod(shape) / 1e6
        message = f"cannot write the image cache ({megabytes:.0f} MB): {error.strerror or error}"
        raise OSError(error.errno, message, str(folder)) from error
    return _open(path, shape)


def cache_folder(cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """`cache_dir`, else the environment's TINYGRAD_CNN_CACHE, else ~/.cache/tinygrad_cnn."""
    return Path(cache_dir or os.environ.get("TINYGRAD_CNN_CACHE") or "~/.cache/tinygrad_cnn").expanduser()


def _key(files: Sequence[SourceFile], size: int) -> str:
    digest = hashlib.sha256(f"{FORMAT}, {size}\n".encode())
    for file in files:
        digest.update(os.fsencode(f"{file.path.name}\0{file.size}\0{file.modified}\n"))
    return f"{size}px-{digest.hexdigest()[:24]}"


def _open(path: Path, shape: tuple[int, ...]) -> ImageCache:
    description = json.loads(path.read_text())
    images_path = path.with_name(description["images"])
    images = np.load(images_path, mmap_mode="r")
    checksums = description["checksums"]
    if images.shape != shape or images.dtype != np.uint8 or len(checksums) != len(images):
        raise ValueError(f"{path} doesn't describe images of shape {shape}")
    for row in np.linspace(0, len(images) - 1, 32).astype(int):  # a sample, for speed
        if zlib.crc32(images[row]) != checksums[row]:
            raise ValueError(f"{images_path}: image {row} has changed")
    return ImageCache(images, {int(row): why for row, why in description["unreadable"].items()}, images_path)


def _build(path: Path, files: Sequence[SourceFile], size: int, progress: bool) -> None:
    shape = (len(files), size, size, 3)
    rows = max(1, BLOCK_BYTES // math.prod(shape[1:]))
    unreadable: dict[int, str] = {}
    checksums: list[int] = []
    with _temporary(path.parent) as temporary:
        with open(temporary, "wb", buffering=0) as out:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(out, header)
            offset = out.tell()

            def decode(start: int) -> tuple[dict[int, str], list[int]]:
                images, failures = _decode(files[start : start + rows], size)
                _write_at(out.fileno(), images, offset + start * math.prod(shape[1:]))
                return {start + i: why for i, why in failures.items()}, [zlib.crc32(image) for image in images]

            pool = ThreadPoolExecutor(get_num_threads())
            try:
                blocks = pool.map(decode, range(0, len(files), rows))
                with (
                    quiet() as shown,
                    progress_bar("decoding", len(files), "images", shown=progress, file=shown) as bar,
                ):
                    for failures, block_checksums in blocks:
                        unreadable.update(failures)
                        checksums += block_checksums
                        bar.update(len(block_checksums))
            finally:
                pool.shutdown(cancel_futures=True)
        images_name = f"{path.stem}-{zlib.crc32(np.array(checksums, np.uint32).tobytes()):08x}.npy"
        os.replace(temporary, path.with_name(images_name))
    description = {"images": images_name, "unreadable": unreadable, "checksums": checksums}
    with _temporary(path.parent) as temporary:
        temporary.write_text(json.dumps(description))
        os.replace(temporary, path)


def _decode(files: Sequence[SourceFile], size: int) -> tuple[npt.NDArray[np.uint8], dict[int, str]]:
    images = np.zeros((len(files), size, size, 3), np.uint8)
    failures = {}
    for i, file in enumerate(files):
        try:
            images[i] = read_image(file.path, size)
        except UnreadableImage as error:
            failures[i] = str(error)
    return images, failures


def _readable(file: SourceFile, size: int) -> bool:
    try:
        read_image(file.path, size)
    except UnreadableImage:
        return False
    return True


def _write_at(descriptor: int, images: npt.NDArray[np.uint8], offset: int) -> None:
    left = memoryview(images.data).cast("B")
    while left:  # a nearly full disk takes a part, and raises at the next try
        written = os.pwrite(descriptor, left, offset)
        left, offset = left[written:], offset + written


@contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    """A new name in `folder` for a file that os.replace will move; what is left under it is deleted."""
    path = folder / f"{uuid.uuid4().hex}.tmp"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)

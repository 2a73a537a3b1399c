"""Pictures decoded once, into an array file on disk that the next epoch and the next run map at once.

A cache is two files: ``<key>.json`` and the array that it names, ``<key>-<checksum>.npy``. The key is a hash of what
was decoded: names, sizes and times of the source files, the image size and the colour mode. Two processes that build
the same cache do it twice, and the files of either are whole. Every image has a checksum, which is looked at when
the image is first taken: one that the disk has damaged is decoded again.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import mmap
import os
import warnings
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..arguments import checked
from ..files import finish, sweep, unfinished, write_file
from ..kernels import get_num_threads
from ..progress import progress_bar
from .dataset import LoadError
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

    def __init__(self, path: Path, files: Sequence[SourceFile], size: int) -> None:
        """Open the cache that `path` describes. Raises OSError where there is none, ValueError if it is not whole."""
        description = json.loads(_unsealed(path.read_bytes()))
        self.files = files
        self.unreadable = {int(row): str(why) for row, why in description["unreadable"].items()}
        self.path = path.with_name(description["images"])
        self.checksum = self.path.stem.rpartition("-")[2]
        header, shape = _header(len(files), size), (len(files), size, size, 3)
        with open(self.path, "rb") as file:
            if file.read(len(header)) != header or os.fstat(file.fileno()).st_size != len(header) + math.prod(shape):
                raise ValueError(f"{self.path} does not hold {len(files)} images of {size}x{size} pixels")
        self.images: npt.NDArray[np.uint8] = np.memmap(self.path, np.uint8, "r", len(header), shape)
        self._checksums: list[int] = description["checksums"]
        self._offset = len(header)
        self._taken = np.zeros(len(files), bool)
        self._bytes_read = 0
        for row in np.linspace(0, len(files) - 1, 32).astype(int):  # where much is wrong, all of it is built anew
            if zlib.crc32(self.images[row]) != self._checksums[row]:
                raise ValueError(f"image {row} is not what it was")

    def take(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """A copy of the images at `rows`. Raises LoadError for a damaged one whose file does not give it again."""
        images = np.asarray(self.images[rows])
        for place in np.flatnonzero(~self._taken[rows]):
            images[place] = self._whole(int(rows[place]), images[place])
        self._bytes_read += images.nbytes
        if self._bytes_read > RESIDENT_BYTES and isinstance(self.images.base, mmap.mmap):
            self.images.base.madvise(mmap.MADV_DONTNEED)  # the system's file cache still holds them
            self._bytes_read = 0
        return images

    def _whole(self, row: int, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The image of a row as it was when the cache was built."""
        if zlib.crc32(image.data) == self._checksums[row]:
            self._taken[row] = True
            return image
        source = self.files[row].path
        again, _ = _decode([self.files[row]], image.shape[0])
        if zlib.crc32(again[0]) != self._checksums[row]:
            raise LoadError(f"{self.path} is damaged in image {row}, and {source} does not give it again: delete it")
        message = f"{self.path} is damaged in image {row}, which is decoded again from {source}"
        warnings.warn(message, RuntimeWarning, stacklevel=2)
        with contextlib.suppress(OSError), open(self.path, "r+b", buffering=0) as file:
            _write_at(file.fileno(), again.data, self._offset + row * again.nbytes)
        return again[0]

    def derived(self, name: str, compute: Callable[[], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """The array that `compute` makes from these images, kept on disk beside them under `name`."""
        path = self.path.with_name(f"{self.path.stem}-{name}.npy")
        try:
            return np.asarray(np.load(io.BytesIO(_unsealed(path.read_bytes())), allow_pickle=False))
        except (OSError, ValueError, EOFError):
            values = compute()
            content = io.BytesIO()
            np.save(content, values, allow_pickle=False)
            write_file(path, _sealed(content.getvalue()))
            return values


def cached_images(
    files: Sequence[SourceFile],
    size: int,
    cache_dir: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> ImageCache:
    """The images of `files` at size x size pixels: from the cache, after decoding them there if need be.

    Decoding uses all cores, shows a bar where stderr is a terminal and `progress` is set, and takes little
    memory whatever the number of files. What a killed process has left half written there is deleted. Warns where it
    builds a damaged cache anew. Raises OSError where the cache can't be written, LoadError for a file that makes the
    decoder fail in a way that no damaged file should.
    """
    folder = cache_folder(cache_dir)
    path = folder / f"{_key(files, size)}.json"
    try:
        cached = ImageCache(path, files, size)
        if not any(_readable(files[row], size) for row in cached.unreadable):  # a file may have been locked then
            return cached
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        warnings.warn(f"{path} is damaged or outdated, and is built anew: {error}", RuntimeWarning, stacklevel=2)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
        _build(path, files, size, progress)
    except OSError as error:
        megabytes = len(files) * size * size * 3 / 1e6
        message = f"cannot write the image cache ({megabytes:.0f} MB): {error.strerror or error}"
        raise OSError(error.errno, message, str(folder)) from error
    return ImageCache(path, files, size)


@checked
def cache_folder(cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """Where decoded pictures are kept: `cache_dir`, else what TINYGRAD_CNN_CACHE says, else ~/.cache/tinygrad_cnn.

    >>> from tinygrad_cnn.data import cache_folder
    >>> cache_folder("faces/cache").name
    'cache'
    """
    return Path(cache_dir or os.environ.get("TINYGRAD_CNN_CACHE") or "~/.cache/tinygrad_cnn").expanduser()


def _key(files: Sequence[SourceFile], size: int) -> str:
    digest = hashlib.sha256(f"{FORMAT}, {size}\n".encode())
    for file in files:
        digest.update(os.fsencode(f"{file.path.name}\0{file.size}\0{file.modified}\n"))
    return f"{size}px-{digest.hexdigest()[:24]}"


def _header(count: int, size: int) -> bytes:
    """How the file of the images begins."""
    header = io.BytesIO()
    described = {"descr": "|u1", "fortran_order": False, "shape": (count, size, size, 3)}
    np.lib.format.write_array_header_1_0(header, described)
    return header.getvalue()


def _sealed(content: bytes) -> bytes:
    """The content with its checksum behind it."""
    return content + hashlib.sha256(content).digest()


def _unsealed(sealed: bytes) -> bytes:
    """The content. Raises ValueError where a single bit of it or of its checksum is wrong."""
    content = sealed[: -hashlib.sha256().digest_size]
    if _sealed(content) != sealed:
        raise ValueError("its checksum is not that of what it holds")
    return content


def _build(path: Path, files: Sequence[SourceFile], size: int, progress: bool) -> None:
    shape = (len(files), size, size, 3)
    rows = max(1, BLOCK_BYTES // math.prod(shape[1:]))
    unreadable: dict[int, str] = {}
    checksums: list[int] = []
    with unfinished(path) as out:
        header = _header(len(files), size)
        _write_at(out.fileno(), header, 0)

        def decode(start: int) -> tuple[dict[int, str], list[int]]:
            images, failures = _decode(files[start : start + rows], size)
            _write_at(out.fileno(), images.data, len(header) + start * math.prod(shape[1:]))
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
        # The checksums tell what a power cut left out; waiting for the disk would take a tenth of the time.
        finish(out, path.with_name(images_name), forced=False)
    description = {"images": images_name, "unreadable": unreadable, "checksums": checksums}
    try:
        write_file(path, _sealed(json.dumps(description).encode()))
    except OSError:
        path.with_name(images_name).unlink(missing_ok=True)  # nothing would lead to it
        raise


def _decode(files: Sequence[SourceFile], size: int) -> tuple[npt.NDArray[np.uint8], dict[int, str]]:
    images = np.zeros((len(files), size, size, 3), np.uint8)
    failures = {}
    for i, file in enumerate(files):
        try:
            images[i] = read_image(file.path, size)
        except UnreadableImage as error:
            failures[i] = str(error)
        except Exception as error:
            raise LoadError(f"cannot load {file.path}: {type(error).__name__}: {error}") from error
    return images, failures


def _readable(file: SourceFile, size: int) -> bool:
    try:
        read_image(file.path, size)
    except UnreadableImage:
        return False
    return True


def _write_at(descriptor: int, content: bytes | memoryview, offset: int) -> None:
    left = memoryview(content).cast("B")
    while left:  # a nearly full disk takes a part, and raises at the next try
        written = os.pwrite(descriptor, left, offset)
        left, offset = left[written:], offset + written

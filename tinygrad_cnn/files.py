"""Files that appear whole or not at all, whatever happens meanwhile, and locks that end with their process.

A file is written under another name beside its place, forced to the disk, and renamed into it. While it is being
written its writer holds a lock on it, and the system lets go of a lock when its process dies: so what a killed one
has left can be told from what somebody is busy with, and `sweep` deletes the first alone. Where the file system
knows no locks, nothing is swept and nobody waits; the renaming keeps every file whole there too.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import uuid
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

UNFINISHED = re.compile(r"\..*\.[0-9a-f]{32}\.tmp")


@contextlib.contextmanager
def unfinished(path: Path) -> Iterator[BinaryIO]:
    """A new file beside `path` to write to, without a buffer; it is deleted unless `finish` moves it.

    Raises OSError, which names `path`.
    """
    try:
        temporary, file = _begin(path)
        try:
            with file:
                yield file
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), os.fspath(path)) from error


def finish(file: BinaryIO, path: Path, forced: bool = True) -> None:
    """Force an unfinished file to the disk and make it the one at `path`. Raises OSError and leaves what was there.

    Not `forced`, a power cut may leave the file without its content: for what can be told and made again.
    """
    if forced:
        os.fsync(file.fileno())
    os.replace(file.name, path)
    with contextlib.suppress(OSError):  # the renaming, too, but not every file system can
        _sync_folder(path.parent)


def write_file(path: str | os.PathLike[str], content: bytes) -> None:
    """Make `content` the file at `path`, whole or not at all. Raises OSError, and leaves what was there."""
    with unfinished(Path(path)) as file:
        left = memoryview(content)
        while left:  # a nearly full disk takes a part, and raises at the next try
            left = left[file.write(left) :]
        finish(file, Path(path))


def sweep(folder: Path) -> None:
    """Delete what killed processes have left unfinished in `folder`."""
    for path in folder.iterdir():
        if UNFINISHED.fullmatch(path.name):
            with contextlib.suppress(OSError), open(path, "rb") as file:  # it may be gone, or not ours
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


def make_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, and force their names to the disk."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in reversed(missing):
        with contextlib.suppress(OSError):
            _sync_folder(folder.parent)


class FolderLock:
    """Holds `folder` for this process until it is closed, or the process has ended, but for no process forked off it.

    Raises BlockingIOError where another process, or another part of this one, holds it.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor: int | None = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise BlockingIOError(errno.EWOULDBLOCK, "another run is writing there", str(folder)) from None
        except OSError:  # a file system that knows no locks
            pass
        _held.add(self)

    def close(self) -> None:
        """Let go of it, if that was not done before."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _let_go() -> None:
    for lock in [*_held]:
        lock.close()


_held: weakref.WeakSet[FolderLock] = weakref.WeakSet()
os.register_at_fork(after_in_child=_let_go)  # a child shares the descriptor, and the lock with it


def _begin(path: Path) -> tuple[Path, BinaryIO]:
    """A new file beside `path`, with a lock on it."""
    while True:
        temporary = path.with_name(f".{path.name[:50]}.{uuid.uuid4().hex}.tmp")
        file = open(temporary, "xb", buffering=0)  # noqa: SIM115 - it is handed on
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        if temporary.exists():  # else it was swept away before it had its lock
            return temporary, file
        file.close()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

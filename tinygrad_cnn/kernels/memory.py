"""Large arrays in recycled memory.

Fresh memory costs more than arithmetic: the kernel hands it out page by page, zeroed, which takes 5 ms for a 33 MB
result (20 without huge pages) where the ReLU that fills it takes 4. A block goes back to a free list when the last
array that looks into it dies, and the next array of about its size takes it over while it is still mapped.

Blocks start on a cache line, as the allocator's own do not: NumPy's sums and products of two arrays take twice as
long where every vector that they store falls across two lines.
"""

from __future__ import annotations

import ctypes
import math
import os
import threading
import weakref
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

CACHE_LINE = 64  # bytes
SMALLEST = 1 << 16  # bytes; below, the allocator's own free lists do the same
MOST_KEPT = 1 << 30  # bytes in the free list; beyond, the block that has lain there longest is given back

_lock = threading.RLock()  # a block may come back in the middle of anything, when an array dies
_free: list[np.ndarray] = []  # in the order in which they came back
_lent: dict[int, tuple[weakref.ref[Any], np.ndarray]] = {}


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """An uninitialised C-ordered array, like np.empty."""
    dtype = np.dtype(dtype)
    size = dtype.itemsize
    for n in shape:
        size *= n
    if size < SMALLEST:
        return np.empty(shape, dtype)
    size = -(-size // SMALLEST) * SMALLEST
    with _lock:
        block = _take(size)
        size = block.size
        # The base of all arrays that look into the block; NumPy would look through a memoryview.
        lease: Any = (ctypes.c_byte * size).from_buffer(block)  # type: ignore[arg-type]
        _lent[id(lease)] = weakref.ref(lease, _returning(id(lease))), block
    return np.ndarray(shape, dtype, buffer=lease)


def empty_like(x: np.ndarray) -> np.ndarray:
    """An uninitialised C-ordered array of x's shape and dtype."""
    return empty(x.shape, x.dtype)


class Scratch:
    """One thread's arrays for intermediate results, by name: made once, taken again for every piece of the work."""

    def __init__(self) -> None:
        self.blocks: dict[str, np.ndarray] = {}

    def take(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
        """An uninitialised array; what the same name gave before is overwritten."""
        count = math.prod(shape)
        block = self.blocks.get(name)
        if block is None or block.size < count or block.dtype != dtype:
            block = self.blocks[name] = empty((count,), dtype)
        return block[:count].reshape(shape)


def _take(size: int) -> np.ndarray:
    """The free block that fits best among those up to a quarter larger, last come first; else a new one."""
    best = None
    for i in range(len(_free) - 1, -1, -1):
        if size <= _free[i].size <= size + size // 4 and (best is None or _free[i].size < _free[best].size):
            best = i
    return _fresh(size) if best is None else _free.pop(best)


def _fresh(size: int) -> np.ndarray:
    block = np.empty(size + CACHE_LINE, np.uint8)
    start = -block.ctypes.data % CACHE_LINE
    return block[start : start + size]


def _returning(key: int) -> Any:
    def give_back(_: object) -> None:
        with _lock:
            _free.append(_lent.pop(key)[1])
            while sum(block.size for block in _free) > MOST_KEPT:
                del _free[0]

    return give_back


def release() -> int:
    """Give all free blocks back to the system; returns how many bytes they were."""
    with _lock:
        size = sum(block.size for block in _free)
        _free.clear()
    return size


def _new_lock() -> None:
    """A forked child starts with a lock that no thread of its parent's holds."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)

"""Large arrays in recycled memory.

Fresh memory costs more than arithmetic: the system hands it out page by page, zeroed, which takes 5 ms for a 33 MB
result (20 without huge pages) where the ReLU that fills it takes 4. So large arrays lie in arenas: stretches of memory
that stay. An array gets the lowest place that is free and long enough, and when the last array that looks into that
place dies, the place is free again and one with its free neighbours. A training step thus walks over the same pages
each time, and those further up, which nobody has written to, take no memory yet.

Arrays start on a page, as the allocator's own do not: NumPy's sums and products of two arrays take twice as long
where each vector that they store falls across two cache lines.
"""

from __future__ import annotations

import bisect
import collections
import ctypes
import math
import os
import threading
import weakref
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

PAGE_BYTES = 1 << 12
SMALLEST_BYTES = 1 << 16  # below, the allocator's own free lists do the same
ARENA_BYTES = 1 << 28
MOST_KEPT_BYTES = 1 << 30  # that nobody uses: buffers that wait, and arenas with nothing in them


class Arena:
    """A stretch of memory, and which places in it are free."""

    def __init__(self, size: int) -> None:
        memory = np.empty(size + PAGE_BYTES, np.uint8)
        start = -memory.ctypes.data % PAGE_BYTES
        self.size, self.memory = size, memory[start : start + size]
        self.free = [(0, size)]  # (start, stop), in order, and never two that touch

    def take(self, size: int) -> int | None:
        """Where the lowest free place of this size starts, now taken; None if there is none."""
        for i, (start, stop) in enumerate(self.free):
            if stop - start >= size:
                self.free[i : i + 1] = [(start + size, stop)] if stop - start > size else []
                return start
        return None

    def give_back(self, start: int, stop: int) -> None:
        """Make a place free, in one with the free places around it."""
        i = bisect.bisect(self.free, (start, stop))
        if i < len(self.free) and self.free[i][0] == stop:
            stop = self.free.pop(i)[1]
        if i > 0 and self.free[i - 1][1] == start:
            i -= 1
            start = self.free.pop(i)[0]
        self.free.insert(i, (start, stop))

    @property
    def is_empty(self) -> bool:
        return self.free == [(0, self.size)]


class Arenas:
    """As many arenas as the living arrays need; older ones are filled first."""

    def __init__(self) -> None:
        self.arenas: list[Arena] = []
        self.lock = threading.Lock()
        # Arrays may die in the middle of anything, even of `_take`: their places wait here until the next one.
        self.returned: collections.deque[tuple[Arena, int, int]] = collections.deque()

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
        """An uninitialised C-ordered array, like np.empty."""
        dtype = np.dtype(dtype)
        size = dtype.itemsize * math.prod(shape)
        if size < SMALLEST_BYTES:
            return np.empty(shape, dtype)
        size = -(-size // PAGE_BYTES) * PAGE_BYTES
        with self.lock:
            while self.returned:
                arena, start, stop = self.returned.popleft()
                arena.give_back(start, stop)
                self._limit(arena)
            arena, start = self._take(size)
        # The base of all arrays that look into the place; NumPy would look through a memoryview.
        lease: Any = (ctypes.c_byte * size).from_buffer(arena.memory, start)  # type: ignore[arg-type]
        weakref.finalize(lease, self.returned.append, (arena, start, start + size)).atexit = False
        return np.ndarray(shape, dtype, buffer=lease)

    def _take(self, size: int) -> tuple[Arena, int]:
        for arena in self.arenas:
            start = arena.take(size)
            if start is not None:
                return arena, start
        self.arenas.append(Arena(max(size, ARENA_BYTES)))
        return self._take(size)

    def _limit(self, arena: Arena) -> None:
        unused = sum(other.size for other in self.arenas if other.is_empty)
        if arena.is_empty and unused + waiting.bytes > MOST_KEPT_BYTES:
            self.arenas.remove(arena)


class _Taken(threading.local):
    bytes = 0  # that this thread has asked `empty` for so far


class Waiting:
    """Buffers that nobody uses at the moment, by what made them; together they never take more than MOST_KEPT_BYTES.

    To make room, those go first whose like was given back longest ago.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self.lock = threading.Lock()
        self.buffers: collections.OrderedDict[Hashable, list[tuple[Any, int]]] = collections.OrderedDict()

    def take(self, make: Callable[..., Any], arguments: tuple[Hashable, ...]) -> tuple[Any, int]:
        """What make(*arguments) gave before, if some of it waits, or gives now; and its bytes."""
        key = make, arguments
        with self.lock:
            if alike := self.buffers.get(key):
                made = alike.pop()
                self.bytes -= made[1]
                if not alike:
                    del self.buffers[key]
                return made
        before = _taken.bytes
        return make(*arguments), _taken.bytes - before + PAGE_BYTES  # a page for the views of them

    def give_back(self, make: Callable[..., Any], arguments: tuple[Hashable, ...], made: tuple[Any, int]) -> None:
        """Let buffers and their bytes, from `take` with the same arguments, wait for the next one."""
        key = make, arguments
        with self.lock:
            self.buffers.setdefault(key, []).append(made)
            self.buffers.move_to_end(key)
            self.bytes += made[1]
            while self.bytes > MOST_KEPT_BYTES:
                oldest, alike = next(iter(self.buffers.items()))
                self.bytes -= alike.pop(0)[1]
                if not alike:
                    del self.buffers[oldest]


_arenas, _taken, waiting = Arenas(), _Taken(), Waiting()


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """An uninitialised C-ordered array, like np.empty, in recycled memory if it is large."""
    array = _arenas.empty(shape, dtype)
    _taken.bytes += array.nbytes
    return array


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


def _start_anew() -> None:
    """A forked child has memory of its own: a thread of its parent's may have been about to change this."""
    global _arenas, waiting
    _arenas, waiting = Arenas(), Waiting()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)

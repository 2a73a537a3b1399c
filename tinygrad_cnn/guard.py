"""Arrays that a live graph needs are read-only: a write that would corrupt a gradient raises at the write."""

from __future__ import annotations

import contextlib
import threading

import numpy as np


class Guard:
    """Holds an array read-only for as long as it lives.

    Guards on one array are counted; when the last one goes, the array is writable again.
    """

    __slots__ = ("array",)
    counts: dict[int, int] = {}  # noqa: RUF012 - by the array's id, shared by all guards
    lock = threading.RLock()

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        with self.lock:
            self.counts[id(array)] = self.counts.get(id(array), 0) + 1
            array.flags.writeable = False

    def __del__(self) -> None:
        with self.lock:
            self.counts[id(self.array)] -= 1
            if not self.counts[id(self.array)]:
                del self.counts[id(self.array)]
                with contextlib.suppress(ValueError):  # a view, while what it views is still held
                    self.array.flags.writeable = True


def guard(array: np.ndarray) -> Guard | None:
    """A Guard on the memory behind `array`; None where nobody can write to it anyway.

    A recorded result is read-only for good. Where it is a view, what it views must be held.
    """
    owner = array if array.flags.writeable or id(array) in Guard.counts else array.base
    if isinstance(owner, np.ndarray) and (owner.flags.writeable or id(owner) in Guard.counts):
        return Guard(owner)
    return None

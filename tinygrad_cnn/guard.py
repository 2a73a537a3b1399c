"""Arrays that a live graph needs are read-only: a write that would corrupt a gradient raises at the write."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable

import numpy as np


class _Held:
    """Memory that guards hold: how many do, and the arrays to make writable again, the owner first."""

    __slots__ = ("arrays", "count")

    def __init__(self) -> None:
        self.count, self.arrays = 0, list[np.ndarray]()


def _owner(array: np.ndarray) -> np.ndarray:
    """The array that owns the memory which `array` views, as far as NumPy knows."""
    return array.base if isinstance(array.base, np.ndarray) else array


class Guard:
    """Holds arrays, and the arrays that they view, read-only for as long as it lives.

    Guards on one memory are counted. A write through another view of it, made earlier, is seen only by
    `is_guarded`, which every in-place operation on a Tensor asks.
    """

    __slots__ = ("owners",)
    held: dict[int, _Held] = {}  # noqa: RUF012 - by the owner's id, shared by all guards
    lock = threading.RLock()  # a guard may go in the middle of anything

    def __init__(self, arrays: Iterable[np.ndarray]) -> None:
        self.owners = []
        with self.lock:
            for array in arrays:
                owner = _owner(array)
                held = self.held.get(id(owner))
                if held is None:
                    held = self.held[id(owner)] = _Held()
                held.count += 1
                self.owners.append(id(owner))
                if owner.flags.writeable:
                    held.arrays.append(owner)
                    owner.flags.writeable = False
                if array.flags.writeable:
                    held.arrays.append(array)
                    array.flags.writeable = False

    def __del__(self) -> None:
        with self.lock:
            for key in self.owners:
                held = self.held[key]
                held.count -= 1
                if not held.count:
                    del self.held[key]
                    for array in held.arrays:
                        with contextlib.suppress(ValueError):  # what it views has become read-only otherwise
                            array.flags.writeable = True


def _new_lock() -> None:
    """A forked child starts with a lock that no thread of its parent's holds."""
    Guard.lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)


def is_guarded(array: np.ndarray) -> bool:
    """Whether a live graph needs the memory behind `array`."""
    return id(_owner(array)) in Guard.held

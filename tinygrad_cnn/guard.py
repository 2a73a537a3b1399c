"""Arrays that a live graph needs are read-only: a write that would corrupt a gradient raises at the write."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable
from typing import Any

import numpy as np


class Guard:
    """Holds arrays, and the arrays that they view, read-only for as long as it lives.

    Guards on one memory are counted. A write through another view of it, made earlier, is seen only by
    `is_guarded`, which every in-place operation on a Tensor asks.
    """

    __slots__ = ("owners",)
    # By the id of the array that owns the memory: how many guards hold it, then the arrays to make writable
    # again, the owner first. Plain lists: a guard is made for almost every recorded operation.
    held: dict[int, list[Any]] = {}  # noqa: RUF012 - shared by all guards
    lock = threading.RLock()  # a guard may go in the middle of anything

    def __init__(self, arrays: Iterable[np.ndarray]) -> None:
        held = self.held
        owners: list[int] = []
        self.owners = owners
        with self.lock:
            for array in arrays:
                owner = array if array.base is None else _owner(array)
                key = id(owner)
                entry = held.get(key)
                if entry is None:
                    entry = held[key] = [0]
                entry[0] += 1
                owners.append(key)
                if owner.flags.writeable:
                    entry.append(owner)
                    owner.setflags(write=False)
                if owner is not array and array.flags.writeable:
                    entry.append(array)
                    array.setflags(write=False)

    def __del__(self) -> None:
        held = self.held
        with self.lock:
            for key in self.owners:
                entry = held[key]
                entry[0] -= 1
                if not entry[0]:
                    del held[key]
                    for array in entry[1:]:
                        with contextlib.suppress(ValueError):  # what it views has become read-only otherwise
                            array.setflags(write=True)


def _new_lock() -> None:
    """A forked child starts with a lock that no thread of its parent's holds."""
    Guard.lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)


def is_guarded(array: np.ndarray) -> bool:
    """Whether a live graph needs the memory behind `array`."""
    return id(_owner(array)) in Guard.held


def _owner(array: np.ndarray) -> np.ndarray:
    """The array whose memory `array` looks into, through whatever memory maps and as_strided put in between."""
    base = array.base
    while base is not None:
        array = base if isinstance(base, np.ndarray) else array
        base = getattr(base, "base", None)
    return array


def arrays_in(value: Any) -> list[np.ndarray]:
    """The arrays that a value is, or holds in Tensors, tuples and lists."""
    if isinstance(value, (tuple, list)):
        return [array for item in value for array in arrays_in(item)]
    value = getattr(value, "_data", value)
    return [value] if isinstance(value, np.ndarray) else []

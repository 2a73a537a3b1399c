"""Arrays that a live graph needs are read-only: a write that would corrupt a gradient raises at the write."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any

import numpy as np


class Hold:
    """Whoever refers to it keeps one memory read-only: its reference count is the number of needs."""

    __slots__ = ("__weakref__",)


class _Held(weakref.ref):
    """A weak reference to a memory's Hold, and what to do when that goes."""

    __slots__ = ("arrays", "owner")

    owner: np.ndarray  # the array that owns the memory
    arrays: list[np.ndarray]  # to be made writable again, the owner first


# By the id of the owner. A write through another view of the memory, made earlier, is seen only by `is_held`,
# which every in-place operation on a Tensor asks.
_held: dict[int, _Held] = {}
_lock = threading.RLock()  # a Hold may go in the middle of anything


def hold(value: Any) -> Hold | list[Hold] | None:
    """Holds on the array that a value is, or on those in a tuple or list; None where there is none."""
    if isinstance(value, np.ndarray):
        owner = value if value.base is None else _owner(value)
        held = _held.get(id(owner))
        if held is not None and not value.flags.writeable and (found := held()) is not None:
            return found
        return _hold_anew(owner, value)
    if isinstance(value, (tuple, list)):
        return [found for item in value if (found := hold(item))] or None  # type: ignore[misc]
    return None


def _hold_anew(owner: np.ndarray, array: np.ndarray) -> Hold:
    found = Hold()
    new = _Held(found, _let_go)
    new.owner, new.arrays = owner, []
    _lock.acquire()
    try:
        held = _held.setdefault(id(owner), new)
        if held is not new:
            if (living := held()) is not None:
                found = living
            else:  # its Hold has gone, and `_let_go` is still to be called
                new.arrays = held.arrays
                _held[id(owner)] = held = new
        if owner.flags.writeable:
            held.arrays.append(owner)
            owner.setflags(write=False)
        if owner is not array and array.flags.writeable:
            held.arrays.append(array)
            array.setflags(write=False)
    finally:
        _lock.release()
    return found


def _let_go(held: _Held) -> None:
    _lock.acquire()
    try:
        if _held.get(id(held.owner)) is held:
            del _held[id(held.owner)]
            for array in held.arrays:
                try:  # noqa: SIM105 - suppress() takes longer than all the rest
                    array.setflags(write=True)
                except ValueError:  # what it views has become read-only otherwise
                    pass
    finally:
        _lock.release()


def _new_lock() -> None:
    """A forked child starts with a lock that no thread of its parent's holds."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)


def is_held(array: np.ndarray) -> bool:
    """Whether a live graph needs the memory behind `array`."""
    return id(_owner(array)) in _held


def _owner(array: np.ndarray) -> np.ndarray:
    """The array whose memory `array` looks into, through whatever memory maps and as_strided put in between."""
    base = array.base
    while base is not None:
        array = base if isinstance(base, np.ndarray) else array
        base = getattr(base, "base", None)
    return array

"""Which sizes grow with the batch: traces for several batch sizes, laid on top of each other.

What is the same in all is a constant. An int that is `per_item * batch + extra` in all becomes a Dim. Whatever
else differs was computed outside the recorded operations, and no graph can say how.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .trace import Value

BATCHES = (2, 3, 5)  # not 1, which broadcasts; three, to tell a line from a curve


class Dim(NamedTuple):
    """A size or number that depends on the batch's: per_item * batch + extra."""

    per_item: int
    extra: int = 0

    def __str__(self) -> str:
        times = "batch" if self.per_item == 1 else f"{self.per_item}*batch"
        return f"{times}{self.extra:+d}" if self.extra else times


class Filled(NamedTuple):
    """An array of floats whose shape depends on the batch and whose elements are all one number."""

    value: np.ndarray
    shape: tuple[int | Dim, ...]

    @property
    def dtype(self) -> np.dtype:
        return self.value.dtype


class Varying(NamedTuple):
    """What differs from trace to trace."""

    values: tuple[Any, ...]

    def __str__(self) -> str:
        first = self.values[0]
        return f"an array of shape {first.shape}" if isinstance(first, (np.ndarray, Value)) else f"{first!r}"


def merge(things: Sequence[Any]) -> Any:
    """What stands at one place of several traces, as one thing."""
    first = things[0]
    if any(type(thing) is not type(first) for thing in things):
        return Varying(tuple(things))
    if isinstance(first, np.ndarray):
        return _merge_arrays(things)
    if isinstance(first, slice):
        return slice(*(merge([getattr(s, end) for s in things]) for end in ("start", "stop", "step")))
    if isinstance(first, dict) and all(thing.keys() == first.keys() for thing in things):
        return {key: merge([thing[key] for thing in things]) for key in first}
    if isinstance(first, Value) and any(thing[:2] != first[:2] for thing in things):
        return Varying(tuple(things))
    if isinstance(first, (tuple, list)) and all(len(thing) == len(first) for thing in things):
        parts = [merge(parts) for parts in zip(*things, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)
    if all(thing == first or (thing != thing and first != first) for thing in things):
        return first
    if isinstance(first, (int, np.integer)) and not isinstance(first, bool):
        slope = (things[1] - first) // (BATCHES[1] - BATCHES[0])
        line = Dim(int(slope), int(first - slope * BATCHES[0]))
        if all(thing == line.per_item * n + line.extra for thing, n in zip(things, BATCHES, strict=True)):
            return line
    return Varying(tuple(things))


def _merge_arrays(arrays: Sequence[np.ndarray]) -> Any:
    first = arrays[0]
    is_float = first.dtype.kind == "f"
    if all(a.dtype == first.dtype and np.array_equal(a, first, equal_nan=is_float) for a in arrays):
        return first
    shape = merge([a.shape for a in arrays])
    fits = isinstance(shape, tuple) and not any(isinstance(n, Varying) for n in shape)
    if fits and is_float and first.size and all(bool((a == first.flat[0]).all()) for a in arrays):
        return Filled(np.asarray(first.flat[0]), shape)
    return Varying(tuple(arrays))

"""x[index] in ONNX: one Slice, then a Gather where arrays pick elements, then the shape that NumPy gives it.

And x[index] = value: one ScatterND.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .batch import Dim, Varying
from .graph import Call, Size
from .trace import Value

ENDS = np.iinfo(np.int64)  # Slice cuts them to the axis, whatever its length


def take(call: Call) -> str:
    """The elements of x at an index."""
    index = call.options["index"]
    parts = list(index) if type(index) is tuple else [index]  # a Value or Dim is one part
    axis = _picked_axis(parts, call)
    if axis is not None:
        return call.node("GatherElements", call.input(0), call.name(parts[axis], np.dtype(np.int64)), axis=axis)
    parts = _full(parts, len(call.input_shape()), call)
    name = _sliced(parts, call)
    return call.reshape(_gathered(parts, name, call), call.shape)


def overwrite(call: Call) -> str:
    """x with a value at an index, by the places of what is written among the elements of one item."""
    x, index, shape = call.input(0), call.options["index"], call.input_shape()
    parts = list(index) if type(index) is tuple else [index]
    if len(parts) == 1 and isinstance(parts[0], Value) and parts[0].dtype == bool and parts[0].shape == shape:
        if call.input_shape(1) not in ((), (1,)):
            call.refuse("it writes several values where a computed mask is true; use where")
        return call.node("Where", call.name(parts[0]), call.input(1), x)
    batch = [axis for axis, n in enumerate(shape) if isinstance(n, Dim)]
    if not all(map(_is_known, parts)) or len(batch) > 1:
        call.refuse("it writes to places that are not the same in every batch; use where or cat")
    parts = _full(parts, len(shape), call)
    of_x = [part for part in parts if part is not None]
    if any(not isinstance(of_x[axis], slice) or of_x[axis] != slice(None) for axis in batch):
        call.refuse("it writes to some items of the batch alone; use cat")

    # The batch goes behind the other axes, and these become one.
    rest = [n for n in shape if isinstance(n, int)]
    two, three = (_places(shape, size)[tuple(parts)] for size in (2, 3))
    last = [axis for axis, (n, m) in enumerate(zip(two.shape, three.shape, strict=True)) if n != m]
    sizes: list[Size] = [shape[batch[0]] if axis in last else n for axis, n in enumerate(two.shape)]
    places = np.moveaxis(two, last, [-1] * len(last))[..., 0].ravel() if last else two.ravel()
    items = [shape[axis] for axis in batch]
    order = [*(axis for axis in range(len(shape)) if axis not in batch), *batch]

    values = call.input(1)
    if (spare := len(call.input_shape(1)) - two.ndim) > 0:
        values = call.reshape(values, call.input_shape(1)[spare:])
    values = call.node("Expand", values, call.graph.sizes(sizes))
    values = call.node("Transpose", values, perm=[*(i for i in range(two.ndim) if i not in last), *last])
    values = call.reshape(values, [places.size, *items])
    kept = np.sort(places.size - 1 - np.unique(places[::-1], return_index=True)[1])  # the last of those at one place
    if kept.size < places.size:
        values = call.node("Gather", values, call.constant(kept, np.int64), axis=0)
    elements = call.reshape(call.node("Transpose", x, perm=order), [math.prod(rest), *items])
    written = call.node("ScatterND", elements, call.constant(places[kept, None], np.int64), values)
    return call.node("Transpose", call.reshape(written, [*rest, *items]), perm=np.argsort(order).tolist())


def _places(shape: Sequence[Size], items: int) -> np.ndarray:
    """The number of each element within its item, for so many items."""
    numbered = [1 if isinstance(n, Dim) else n for n in shape]
    whole = [items if isinstance(n, Dim) else n for n in shape]
    return np.broadcast_to(np.arange(math.prod(numbered)).reshape(numbered), whole)


def _is_known(part: Any) -> bool:
    ends = (part.start, part.stop, part.step) if isinstance(part, slice) else (part,)
    return not any(isinstance(end, (Dim, Value, Varying)) for end in ends)


def _picked_axis(parts: list[Any], call: Call) -> int | None:
    """The axis along which an array picks one element each, as in gather; every other part counts its own axis up."""
    if len(parts) != len(call.input_shape()) or not all(map(_is_array, parts)):
        return None
    picking = [i for i, part in enumerate(parts) if not _counts_up(part, i, len(parts))]
    return picking[0] if len(picking) == 1 and len(_shape(parts[picking[0]])) == len(parts) else None


def _counts_up(part: Any, axis: int, ndim: int) -> bool:
    arrays = part.values if isinstance(part, Varying) else (part,)
    shape = [1] * ndim
    shape[axis] = -1
    return all(
        isinstance(a, np.ndarray) and a.ndim == ndim and np.array_equal(a, np.arange(a.size).reshape(shape))
        for a in arrays
    )


def _full(parts: list[Any], ndim: int, call: Call) -> list[Any]:
    """The parts with slices for an Ellipsis and for the axes left out, and masks as numbers."""
    known = [p for part in parts for p in _numbers(part, call)]
    spare = [slice(None)] * (ndim - sum(part is not None and part is not Ellipsis for part in known))
    at = next((i for i, part in enumerate(known) if part is Ellipsis), len(known))
    return known[:at] + spare + known[at + 1 :]


def _numbers(part: Any, call: Call) -> tuple[Any, ...]:
    """A mask as the integer arrays that say the same, one for each of its axes."""
    if part is True:
        return (None,)
    if isinstance(part, Value) and part.dtype == bool:
        call.refuse("how many elements a computed mask leaves is not known; use where")
    if isinstance(part, (bool, Varying)) or (isinstance(part, np.ndarray) and part.dtype == bool and not part.ndim):
        call.refuse(f"the index {part} is none that a graph can hold")
    return part.nonzero() if isinstance(part, np.ndarray) and part.dtype == bool else (part,)


def _sliced(parts: list[Any], call: Call) -> str:
    """x cut to the slices, and to length 1 where an int stands."""
    cuts: list[tuple[Size, Size, int, int]] = []  # start, stop, axis, step
    for axis, part in enumerate(part for part in parts if part is not None):
        if isinstance(part, slice) and part != slice(None):
            step = 1 if part.step is None else int(part.step)
            first, last = (0, ENDS.max) if step > 0 else (ENDS.max, ENDS.min)
            start, stop = first if part.start is None else part.start, last if part.stop is None else part.stop
            cuts.append((start, stop, axis, step))
        elif isinstance(part, Dim):
            cuts.append((part, Dim(part.per_item, part.extra + 1), axis, 1))
        elif isinstance(part, (int, np.integer)):
            cuts.append((int(part), ENDS.max if part == -1 else int(part) + 1, axis, 1))
    if not cuts:
        return call.input(0)
    return call.node("Slice", call.input(0), *map(call.graph.sizes, zip(*cuts, strict=True)))


def _gathered(parts: list[Any], name: str, call: Call) -> str:
    """What the index arrays pick: where one stands in its axis' place; several in place of the first, if adjacent."""
    places = [i for i, part in enumerate(parts) if _is_array(part)]
    of_x = [i for i, part in enumerate(parts) if part is not None]  # the parts that speak of an axis
    axes = [of_x.index(i) for i in places]
    if not places:
        return name
    if len(places) == 1:
        return call.node("Gather", name, call.name(parts[places[0]], np.dtype(np.int64)), axis=axes[0])
    if any(isinstance(parts[i], Value) for i in places):
        call.refuse("several index arrays, one of them computed; use gather")
    indices = np.stack(np.broadcast_arrays(*(parts[i] for i in places)), axis=-1)
    rest = [axis for axis in range(len(of_x)) if axis not in axes]
    name = call.node("Transpose", name, perm=axes + rest)
    name = call.node("GatherND", name, call.constant(indices, np.int64))
    if places != list(range(places[0], places[-1] + 1)):
        return name
    picked = indices.ndim - 1  # axes of the pick, now in front; `axes[0]` others belong before them
    order = [*range(picked, picked + axes[0]), *range(picked), *range(picked + axes[0], picked + len(rest))]
    return call.node("Transpose", name, perm=order)


def _is_array(part: Any) -> bool:
    return isinstance(part, (Value, Varying, np.ndarray))


def _shape(part: Any) -> tuple[Any, ...]:
    return part.values[0].shape if isinstance(part, Varying) else part.shape

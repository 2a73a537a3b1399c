"""Indexing. Taking (x[index]) and putting (adding into zeros) are each other's adjoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import checked
from ..autograd import primitive
from .choices import where
from .shape import expand_to, reshape_to
from .support import as_tensor, axis

if TYPE_CHECKING:
    from ..tensor import Tensor

Index = Any  # what NumPy takes as one


def _is_int(part: Any) -> bool:
    return isinstance(part, (int, np.integer)) and not isinstance(part, bool)


def _plain(part: Any) -> Any:
    """One part of an index as NumPy takes it: lists and Tensors as arrays, an array of no axes as an int."""
    from ..tensor import Tensor

    if isinstance(part, list):
        part = np.asarray([_plain(p) for p in part], dtype=None if part else np.int64)
    elif isinstance(part, Tensor):
        part = part.data
    if isinstance(part, np.ndarray) and part.dtype.kind not in "iub":
        raise IndexError(f"an index array must hold integers or bools, not {part.dtype}")
    if isinstance(part, np.ndarray) and part.dtype == np.uint8:
        raise TypeError("an index array of uint8 is a mask to Torch and numbers to NumPy; use .bool() or .long()")
    return int(part) if isinstance(part, np.ndarray) and not part.ndim and part.dtype.kind != "b" else part


def _axes_of(part: Any) -> int:
    """How many of the tensor's axes one part of an index speaks of."""
    if part is None or part is Ellipsis or isinstance(part, bool):
        return 0
    return part.ndim if isinstance(part, np.ndarray) and part.dtype.kind == "b" else 1


def _steps(index: Any, ndim: int) -> tuple[Index, ...]:
    """The indices to take one after the other: where ints stand beside arrays, the ints alone come first.

    So it is in Torch. NumPy broadcasts the ints with the arrays, and puts the arrays' axes in front where a slice,
    or an Ellipsis that stands for no axis, is between them.
    """
    if isinstance(index, list) and not all(isinstance(i, (bool, int, np.generic)) for i in index):
        raise TypeError("an index that is a nested list is not offered; give a tuple of lists, or an array")
    if not isinstance(index, tuple):
        return (_plain(index),)
    parts = tuple(_plain(part) for part in index)
    if not any(isinstance(part, np.ndarray) for part in parts):
        return (parts,)
    if sum(map(_axes_of, parts)) == ndim:
        parts = tuple(part for part in parts if part is not Ellipsis)
    if not any(map(_is_int, parts)):
        return (parts,)
    ints: list[Any] = []
    for part in parts:
        ints += [part] if _is_int(part) or part is Ellipsis else [slice(None)] * _axes_of(part)
    return tuple(ints), tuple(part for part in parts if not _is_int(part))


def _takes_each_once(index: Index) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return not any(isinstance(i, np.ndarray) and i.dtype.kind in "iu" and i.ndim for i in parts)


@primitive(x=lambda g, index, x_shape: put(g, index=index, shape=x_shape))
def take(x: np.ndarray, *, index: Index) -> np.ndarray:
    return x[index]


@primitive(g=lambda g, index: take(g, index=index))
def put(g: np.ndarray, *, index: Index, shape: tuple[int, ...]) -> np.ndarray:
    """Zeros with g added in at the index; an element named twice gets both."""
    out = np.zeros(shape, g.dtype)
    if _takes_each_once(index):
        out[index] = g
    else:
        np.add.at(out, index, g)
    return out


def _written(g: Tensor, index: Index, x_shape: tuple[int, ...], value_shape: tuple[int, ...]) -> Tensor:
    """g at the index, and 0 for a value that a later one at the same place has replaced."""
    values = take(g, index=index)
    if not _takes_each_once(index):
        order = np.arange(values.numel()).reshape(values.shape)
        last = np.empty(x_shape, np.int64)
        last[index] = order
        values = where(last[index] == order, values, 0.0)
    extra = len(value_shape) - values.ndim  # a value may have more leading axes of length 1
    return reshape_to(values, shape=(*(1,) * extra, *values.shape)) if extra > 0 else values


@primitive(
    x=lambda g, index: setitem(g, index, 0.0),
    value=lambda g, index, x_shape, value_shape: _written(g, index, x_shape, value_shape),
)
def overwrite(x: np.ndarray, value: Any, *, index: Index) -> np.ndarray:
    out = np.array(x)
    out[index] = value
    return out


def getitem(x: Tensor, index: Any) -> Tensor:
    """x[index], with ints, slices, None, Ellipsis, integer and boolean arrays."""
    out = x
    try:
        for step in _steps(index, x.ndim):
            out = take(out, index=step)
    except (IndexError, TypeError) as error:
        kind = IndexError if isinstance(error, IndexError) else TypeError
        raise kind(f"x[index]: {error} (x: {x.shape})") from None
    return out


def setitem(x: Tensor, index: Any, value: Any) -> Tensor:
    """A copy of x with `value` (broadcast) at the index; where that names an element twice, the last value."""
    value = value if np.isscalar(value) else as_tensor(value, "x[index] = value")
    try:
        first, *rest = _steps(index, x.ndim)
        if rest:
            value = overwrite(take(x, index=first), value, index=rest[0])
        return overwrite(x, value, index=first)
    except IndexError as error:
        raise IndexError(f"x[index] = value: {error} (x: {x.shape})") from None


def _along(indices: np.ndarray, dim: int) -> tuple[np.ndarray, ...]:
    """The full index that picks `indices` along `dim` and every position along the others."""
    grid = np.ogrid[tuple(slice(n) for n in indices.shape)]
    return tuple(indices if i == dim else g for i, g in enumerate(grid))


@checked
def gather(x: Tensor, dim: int, index: Any) -> Tensor:
    """x's elements at `index` along `dim`: out[i][j] = x[index[i][j]][j] for dim 0 of a matrix.

    `index` has as many axes as x, none longer than x's apart from `dim`; the result has its shape. Raises ValueError
    for another shape and for what is not integers, IndexError for an index beyond the axis.

    >>> import tinygrad_cnn as tg
    >>> tg.gather(tg.Tensor([[1.0, 2.0], [3.0, 4.0]]), 1, tg.Tensor([[1], [0]]))
    Tensor([[2.],
            [3.]])
    """
    positions = as_tensor(index, "gather").data
    dim = axis(x, dim, "gather")
    if not x.ndim:
        return gather(reshape_to(x, shape=(1,)), 0, np.reshape(positions, -1)).reshape(positions.shape)
    if not positions.size:
        return reshape_to(take(x, index=np.zeros(0, np.int64)), shape=positions.shape)
    fits = positions.ndim == x.ndim and all(i == dim or n <= x.shape[i] for i, n in enumerate(positions.shape))
    if positions.dtype.kind not in "iu" or not fits:
        raise ValueError(
            f"gather: index must be integers whose shape fits inside {x.shape} apart from dim {dim}, "
            f"got {positions.dtype} of shape {positions.shape}"
        )
    if not 0 <= positions.min() <= positions.max() < x.shape[dim]:
        raise IndexError(f"gather: index must lie in [0, {x.shape[dim]}) along dim {dim}")
    return take(x, index=_along(positions, dim))


@checked
def take_along_dim(x: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """The elements that argmax(dim, keepdim=True) and its like point at; other axes are broadcast.

    Without `dim`, those of the flattened tensor. Raises ValueError for indices of another number of axes.

    >>> import tinygrad_cnn as tg
    >>> x = tg.Tensor([[1.0, 3.0], [2.0, 0.0]])
    >>> tg.take_along_dim(x, x.argmax(1, keepdim=True), 1)
    Tensor([[3.],
            [2.]])
    """
    index = indices.data
    if index.dtype.kind not in "iu" or (dim is not None and index.ndim != x.ndim):
        raise ValueError(
            f"take_along_dim: indices must be integers with as many axes as x {x.shape}, "
            f"got {index.dtype} of shape {index.shape}"
        )
    if dim is None:
        return take(reshape_to(x, shape=(x.numel(),)), index=index.reshape(-1))
    dim = axis(x, dim, "take_along_dim")
    before = np.broadcast_shapes(x.shape[:dim], index.shape[:dim])
    after = np.broadcast_shapes(x.shape[dim + 1 :], index.shape[dim + 1 :])
    if index.shape != (shape := (*before, *index.shape[dim : dim + 1], *after)):
        index = np.broadcast_to(index, shape)
    return take(expand_to(x, (*before, *x.shape[dim : dim + 1], *after)), index=_along(index, dim))

"""Operations that move elements without changing them: shapes, axes, indexing, joining, padding.

Taking (indexing) and putting (adding into zeros) are each other's adjoint.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..autograd import primitive
from .elementwise import where
from .support import as_tensor, axes, axis

if TYPE_CHECKING:
    from ..tensor import Tensor

Index = Any


def _ints(values: tuple[Any, ...], name: str) -> tuple[int, ...]:
    """Sizes or axes, given as one sequence or as separate arguments."""
    if len(values) == 1 and isinstance(values[0], (tuple, list)):
        values = tuple(values[0])
    try:
        return tuple(operator.index(v) for v in values)
    except TypeError:
        raise TypeError(f"{name}: expected ints, got {values}") from None


# -- shapes and axes -------------------------------------------------------------------------------------


@primitive(x=lambda g, x_shape: reshape_to(g, shape=x_shape))
def reshape_to(x: np.ndarray, *, shape: tuple[int, ...]) -> np.ndarray:
    return np.reshape(x, shape)


def reshape(x: Tensor, *shape: Any) -> Tensor:
    """The same elements in another shape; one size may be -1, and is worked out.

    >>> import tinygrad_cnn as tg
    >>> tg.reshape(tg.Tensor([1.0, 2.0, 3.0, 4.0]), (2, -1))
    Tensor([[1., 2.],
            [3., 4.]])
    """
    x = as_tensor(x, "reshape")
    sizes = _ints(shape, "reshape")
    unknown, known = sizes.count(-1), int(np.prod([n for n in sizes if n != -1], dtype=np.int64))
    fits = known == x.numel() if not unknown else known > 0 and x.numel() % known == 0
    if unknown > 1 or min(sizes, default=0) < -1 or not fits:
        raise ValueError(f"reshape: {x.shape} has {x.numel()} elements, which do not fit into {sizes}")
    return reshape_to(x, shape=sizes)


def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The axes from start_dim to end_dim made one."""
    x = as_tensor(x, "flatten")
    start, end = axis(x, start_dim, "flatten"), axis(x, end_dim, "flatten")
    if start > end:
        raise ValueError(f"flatten: start_dim {start_dim} lies behind end_dim {end_dim} in shape {x.shape}")
    middle = int(np.prod(x.shape[start : end + 1], dtype=np.int64))
    return reshape_to(x, shape=(*x.shape[:start], middle, *x.shape[end + 1 :]))


def squeeze(x: Tensor, dim: int | tuple[int, ...] | None = None) -> Tensor:
    """Without the axes of length 1: all of them, or those among `dim`."""
    x = as_tensor(x, "squeeze")
    drop = axes(x, dim, "squeeze")
    return reshape_to(x, shape=tuple(n for i, n in enumerate(x.shape) if n != 1 or i not in drop))


def unsqueeze(x: Tensor, dim: int) -> Tensor:
    """With a new axis of length 1 at `dim`."""
    x = as_tensor(x, "unsqueeze")
    if not -x.ndim - 1 <= dim <= x.ndim:
        raise IndexError(f"unsqueeze: dim {dim} is out of range [{-x.ndim - 1}, {x.ndim}] for shape {x.shape}")
    dim %= x.ndim + 1
    return reshape_to(x, shape=(*x.shape[:dim], 1, *x.shape[dim:]))


@primitive(x=lambda g, order: reorder(g, order=tuple(np.argsort(order).tolist())))
def reorder(x: np.ndarray, *, order: tuple[int, ...]) -> np.ndarray:
    return np.transpose(x, order)


def permute(x: Tensor, *dims: Any) -> Tensor:
    """The axes in another order."""
    x = as_tensor(x, "permute")
    order = _ints(dims, "permute")
    if len(order) != x.ndim:
        raise ValueError(f"permute: shape {x.shape} has {x.ndim} axes but {len(order)} were named: {order}")
    return reorder(x, order=axes(x, order, "permute"))


def transpose(x: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two axes exchanged."""
    x = as_tensor(x, "transpose")
    order = list(range(x.ndim))
    if order:
        first, second = axis(x, dim0, "transpose"), axis(x, dim1, "transpose")
        order[first], order[second] = second, first
    return reorder(x, order=tuple(order))


def reverse_axes(x: Tensor) -> Tensor:
    """All axes in reverse order: a matrix's transpose."""
    return reorder(x, order=tuple(reversed(range(x.ndim))))


def matrix_transpose(x: Tensor) -> Tensor:
    """The last two axes exchanged."""
    if x.ndim < 2:
        raise ValueError(f"mT: needs at least two axes, the shape is {x.shape}")
    return transpose(x, -2, -1)


@primitive(x=lambda g, dim: flip_along(g, dim=dim))
def flip_along(x: np.ndarray, *, dim: tuple[int, ...]) -> np.ndarray:
    return np.flip(x, dim)


def flip(x: Tensor, *dims: Any) -> Tensor:
    """The order of elements reversed along the given axes."""
    x = as_tensor(x, "flip")
    named = _ints(dims, "flip")
    return flip_along(x, dim=axes(x, named, "flip")) if named else x


@primitive(x=lambda g: g)  # the sweep undoes the broadcasting
def broadcast(x: np.ndarray, *, shape: tuple[int, ...]) -> np.ndarray:
    return np.broadcast_to(x, shape)


def expand_to(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    return broadcast(x, shape=shape)


def expand(x: Tensor, *sizes: Any) -> Tensor:
    """Axes of length 1 repeated to a larger size, without a copy; -1 leaves an axis as it is."""
    x = as_tensor(x, "expand")
    wanted = _ints(sizes, "expand")
    extra = len(wanted) - x.ndim
    shape = tuple(x.shape[i - extra] if n == -1 and i >= extra else n for i, n in enumerate(wanted))
    if extra < 0 or any(old not in (1, new) for old, new in zip(x.shape, shape[extra:], strict=True)):
        raise ValueError(f"expand: {x.shape} cannot be broadcast to {wanted}; only axes of length 1 can grow")
    if min(shape, default=0) < 0:
        raise ValueError(f"expand: a new axis needs a size of at least 0, got {wanted}")
    return broadcast(x, shape=shape)


def broadcast_to(x: Tensor, shape: Sequence[int]) -> Tensor:
    """x repeated to `shape` by the rules of broadcasting, without a copy."""
    return expand(x, tuple(shape))


# -- indexing --------------------------------------------------------------------------------------------


def _index(index: Index) -> Index:
    """An index as NumPy takes it: Tensors in it as arrays, lists as arrays."""
    from ..tensor import Tensor

    if isinstance(index, tuple):
        return tuple(_index(i) for i in index)
    if isinstance(index, Tensor):
        index = index.data
    elif isinstance(index, list):
        index = np.asarray(_index(tuple(index)), dtype=None if index else np.int64)
    if isinstance(index, np.ndarray) and index.dtype.kind not in "iub":
        raise IndexError(f"an index array must hold integers or bools, not {index.dtype}")
    return index


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


def getitem(x: Tensor, index: Index) -> Tensor:
    """x[index], with ints, slices, None, Ellipsis, integer and boolean arrays, as in NumPy."""
    try:
        return take(x, index=_index(index))
    except IndexError as error:
        raise IndexError(f"x[index]: {error} (x: {x.shape})") from None


def setitem(x: Tensor, index: Index, value: Any) -> Tensor:
    """A copy of x with `value` (broadcast) at the index; where that names an element twice, the last value."""
    value = value if np.isscalar(value) else as_tensor(value, "x[index] = value")
    try:
        return overwrite(x, value, index=_index(index))
    except IndexError as error:
        raise IndexError(f"x[index] = value: {error} (x: {x.shape})") from None


def _along(indices: np.ndarray, dim: int) -> tuple[np.ndarray, ...]:
    """The full index that picks `indices` along `dim` and every position along the others."""
    grid = np.ogrid[tuple(slice(n) for n in indices.shape)]
    return tuple(indices if i == dim else g for i, g in enumerate(grid))


def gather(x: Tensor, dim: int, index: Any) -> Tensor:
    """x's elements at `index` along `dim`: out[i][j] = x[index[i][j]][j] for dim 0 of a matrix.

    `index` has as many axes as x, none longer than x's apart from `dim`; the result has its shape.
    """
    x, positions = as_tensor(x, "gather"), as_tensor(index, "gather").data
    dim = axis(x, dim, "gather")
    fits = positions.ndim == x.ndim and all(i == dim or n <= x.shape[i] for i, n in enumerate(positions.shape))
    if positions.dtype.kind not in "iu" or not fits:
        raise ValueError(
            f"gather: index must be integers whose shape fits inside {x.shape} apart from dim {dim}, "
            f"got {positions.dtype} of shape {positions.shape}"
        )
    if positions.size and not 0 <= positions.min() <= positions.max() < x.shape[dim]:
        raise IndexError(f"gather: index must lie in [0, {x.shape[dim]}) along dim {dim}")
    return take(x, index=_along(positions, dim)) if x.ndim else x


def take_along_dim(x: Tensor, indices: Tensor, dim: int) -> Tensor:
    """The elements that argmax(dim, keepdim=True) and its like point at."""
    return take(x, index=_along(indices.data, dim))


# -- joining and parting ---------------------------------------------------------------------------------


def _own_part(g: Tensor, tensors_shape: tuple[tuple[int, ...], ...], index: int, dim: int) -> Tensor:
    start = sum(shape[dim] for shape in tensors_shape[:index])
    return g[(slice(None),) * dim + (slice(start, start + tensors_shape[index][dim]),)]


@primitive(tensors=lambda g, tensors_shape, index, dim: _own_part(g, tensors_shape, index, dim))
def concatenate(*tensors: np.ndarray, dim: int) -> np.ndarray:
    return np.concatenate(tensors, axis=dim)


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors put one behind another along an axis; their other sizes must agree.

    >>> import tinygrad_cnn as tg
    >>> tg.cat([tg.Tensor([1.0]), tg.Tensor([2.0, 3.0])])
    Tensor([1., 2., 3.])
    """
    parts = [as_tensor(t, "cat") for t in tensors]
    if not parts:
        raise ValueError("cat: expected at least one tensor, got none")
    dim = axis(parts[0], dim, "cat")
    shapes = [p.shape for p in parts]
    if not all(p.ndim for p in parts):
        raise ValueError(f"cat: 0-d tensors cannot be joined (shapes: {shapes}); use stack")
    if len({s[:dim] + s[dim + 1 :] for s in shapes}) != 1 or len({len(s) for s in shapes}) != 1:
        raise ValueError(f"cat: all sizes but that of dim {dim} must agree, got shapes {shapes}")
    return concatenate(*parts, dim=dim)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape joined along a new axis."""
    parts = [as_tensor(t, "stack") for t in tensors]
    if len({p.shape for p in parts}) != 1:
        raise ValueError(f"stack: expected tensors of one shape, got {[p.shape for p in parts]}")
    return cat([unsqueeze(p, dim) for p in parts], dim)


def split(x: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """x in pieces along an axis: of one size (the last may be shorter), or of the sizes in a list."""
    x = as_tensor(x, "split")
    dim = axis(x, dim, "split")
    length = x.shape[dim] if x.ndim else 0
    if isinstance(split_size_or_sections, int):
        step = split_size_or_sections
        if step <= 0:
            raise ValueError(f"split: the size of a piece must be positive, got {step}")
        sizes = [min(step, length - start) for start in range(0, length, step)] or [0]
    else:
        sizes = list(_ints(tuple(split_size_or_sections), "split"))
        if sum(sizes) != length or min(sizes, default=0) < 0:
            raise ValueError(f"split: sections {sizes} must add up to {length}, the size of dim {dim} of {x.shape}")
    starts = np.cumsum([0, *sizes]).tolist()
    return tuple(x[(slice(None),) * dim + (slice(s, s + n),)] for s, n in zip(starts, sizes, strict=False))


def chunk(x: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """x in at most `chunks` pieces of one size along an axis."""
    if chunks <= 0:
        raise ValueError(f"chunk: the number of chunks must be positive, got {chunks}")
    x = as_tensor(x, "chunk")
    return split(x, max(1, -(-x.shape[axis(x, dim, "chunk")] // chunks)), dim)


# -- padding ---------------------------------------------------------------------------------------------


def _inside(x_shape: tuple[int, ...], widths: tuple[tuple[int, int], ...]) -> tuple[slice, ...]:
    return tuple(slice(before, before + n) for n, (before, _) in zip(x_shape, widths, strict=True))


@primitive(x=lambda g, x_shape, widths: take(g, index=_inside(x_shape, widths)))
def pad_constant(x: np.ndarray, *, widths: tuple[tuple[int, int], ...], value: float) -> np.ndarray:
    return np.pad(x, widths, constant_values=value)


NUMPY_MODE = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pad(x: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """x with a border; `pad` gives (before, after) for the last axis, then for the one before it, and so on.

    Negative widths crop. Modes: "constant" (with `value`, default 0), "reflect" (narrower than the axis),
    "replicate", "circular" (not wider than the axis).

    >>> import tinygrad_cnn as tg
    >>> tg.pad(tg.Tensor([1.0, 2.0, 3.0]), (2, 1), mode="reflect")
    Tensor([3., 2., 1., 2., 3., 2.])
    """
    x = as_tensor(x, "pad")
    given = _ints(tuple(pad), "pad")
    if len(given) % 2 or len(given) > 2 * x.ndim:
        raise ValueError(f"pad: expected pairs (before, after) for at most {x.ndim} axes, got {given}")
    if mode != "constant" and mode not in NUMPY_MODE:
        raise NotImplementedError(f"pad: mode must be constant, reflect, replicate or circular, got {mode!r}")
    if mode != "constant" and value:
        raise ValueError(f"pad: mode {mode!r} takes no value, got {value}")
    pairs = [(given[i], given[i + 1]) for i in range(0, len(given), 2)]
    widths = ((0, 0),) * (x.ndim - len(pairs)) + tuple(reversed(pairs))
    if any(n + min(b, 0) + min(a, 0) < 0 for n, (b, a) in zip(x.shape, widths, strict=True)):
        raise ValueError(f"pad: {given} crops more than shape {x.shape} has")
    crop = tuple(slice(max(-b, 0), n - max(-a, 0)) for n, (b, a) in zip(x.shape, widths, strict=True))
    widths = tuple((max(b, 0), max(a, 0)) for b, a in widths)
    if min(given, default=0) < 0:
        x = x[crop]
    if mode == "constant":
        return pad_constant(x, widths=widths, value=value or 0) if any(map(any, widths)) else x
    for dim, (before, after) in enumerate(widths):
        if not (before or after):
            continue
        widest = x.shape[dim] - 1 if mode == "reflect" else x.shape[dim] if mode == "circular" else np.inf
        if max(before, after) > widest or not x.shape[dim]:
            raise ValueError(f"pad: mode {mode!r} can pad axis {dim} of {x.shape} by at most {widest}, got {given}")
        source = np.pad(np.arange(x.shape[dim]), (before, after), mode=NUMPY_MODE[mode])  # type: ignore[call-overload]
        x = x[(slice(None),) * dim + (source,)]
    return x

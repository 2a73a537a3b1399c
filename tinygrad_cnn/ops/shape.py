"""Operations that move elements without changing them: shapes, axes, joining, parting, padding."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import checked
from ..autograd import primitive
from .copies import clone
from .support import as_tensor, axes, axis

if TYPE_CHECKING:
    from ..tensor import Tensor


def _ints(values: tuple[Any, ...], name: str) -> tuple[int, ...]:
    """Sizes or axes, given as one sequence or as separate arguments."""
    if len(values) == 1 and isinstance(values[0], (tuple, list)):
        values = tuple(values[0])
    try:
        return tuple(operator.index(v) for v in values)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: expected ints, got {values}") from None


# -- shapes and axes -------------------------------------------------------------------------------------


@primitive(x=lambda g, x_shape: reshape_to(g, shape=x_shape))
def reshape_to(x: np.ndarray, *, shape: tuple[int, ...]) -> np.ndarray:
    return np.reshape(x, shape)


def reshape(x: Tensor, *sizes: Any, shape: Sequence[int] = ()) -> Tensor:
    """The same elements in another shape; one size may be -1, and is worked out.

    Raises ValueError for a shape that they do not fill.

    >>> import tinygrad_cnn as tg
    >>> tg.reshape(tg.Tensor([1.0, 2.0, 3.0, 4.0]), (2, -1))
    Tensor([[1., 2.],
            [3., 4.]])
    """
    x = as_tensor(x, "reshape")
    wanted = _ints(sizes or (shape,), "reshape")
    unknown, known = wanted.count(-1), int(np.prod([n for n in wanted if n != -1], dtype=np.int64))
    fits = known == x.numel() if not unknown else known > 0 and x.numel() % known == 0
    if unknown > 1 or min(wanted, default=0) < -1 or not fits:
        raise ValueError(f"reshape: {x.shape} has {x.numel()} elements, which do not fit into {wanted}")
    return reshape_to(x, shape=wanted)


@checked
def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The axes from start_dim to end_dim made one. ValueError where start_dim lies behind end_dim.

    >>> import tinygrad_cnn as tg
    >>> tg.flatten(tg.ones(2, 3, 4), start_dim=1).shape
    (2, 12)
    """
    start, end = axis(x, start_dim, "flatten"), axis(x, end_dim, "flatten")
    if start > end:
        raise ValueError(f"flatten: start_dim {start_dim} lies behind end_dim {end_dim} in shape {x.shape}")
    middle = int(np.prod(x.shape[start : end + 1], dtype=np.int64))
    return reshape_to(x, shape=(*x.shape[:start], middle, *x.shape[end + 1 :]))


@checked
def squeeze(x: Tensor, dim: int | tuple[int, ...] | None = None) -> Tensor:
    """x's shape without the axes of length 1: without all of them, or without those among `dim`.

    >>> import tinygrad_cnn as tg
    >>> tg.squeeze(tg.ones(1, 3, 1), dim=0).shape
    (3, 1)
    """
    drop = () if dim in ((), []) else axes(x, dim, "squeeze")
    return reshape_to(x, shape=tuple(n for i, n in enumerate(x.shape) if n != 1 or i not in drop))


@checked
def unsqueeze(x: Tensor, dim: int) -> Tensor:
    """x's shape with a new axis of length 1 at `dim`. IndexError for a `dim` that is out of range.

    >>> import tinygrad_cnn as tg
    >>> tg.unsqueeze(tg.ones(3), 0).shape
    (1, 3)
    """
    return _with_axis(x, dim, "unsqueeze")


def _with_axis(x: Tensor, dim: int, name: str) -> Tensor:
    if not -x.ndim - 1 <= dim <= x.ndim:
        raise IndexError(f"{name}: dim {dim} is out of range [{-x.ndim - 1}, {x.ndim}] for shape {x.shape}")
    dim %= x.ndim + 1
    return reshape_to(x, shape=(*x.shape[:dim], 1, *x.shape[dim:]))


@primitive(x=lambda g, order: reorder(g, order=tuple(np.argsort(order).tolist())))
def reorder(x: np.ndarray, *, order: tuple[int, ...]) -> np.ndarray:
    return np.transpose(x, order)


def permute(x: Tensor, *order: Any, dims: Sequence[int] = ()) -> Tensor:
    """The axes in another order. ValueError unless each is named once.

    >>> import tinygrad_cnn as tg
    >>> tg.permute(tg.ones(2, 3, 4), (2, 0, 1)).shape
    (4, 2, 3)
    """
    x = as_tensor(x, "permute")
    wanted = _ints(order or (dims,), "permute")
    if len(wanted) != x.ndim:
        raise ValueError(f"permute: shape {x.shape} has {x.ndim} axes but {len(wanted)} were named: {wanted}")
    return reorder(x, order=axes(x, wanted, "permute"))


@checked
def transpose(x: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two axes exchanged.

    >>> import tinygrad_cnn as tg
    >>> tg.transpose(tg.Tensor([[1.0, 2.0], [3.0, 4.0]]), 0, 1)
    Tensor([[1., 3.],
            [2., 4.]])
    """
    order = list(range(x.ndim))
    if order:
        first, second = axis(x, dim0, "transpose"), axis(x, dim1, "transpose")
        order[first], order[second] = second, first
    return reorder(x, order=tuple(order))


def reverse_axes(x: Tensor) -> Tensor:
    """All axes in reverse order: a matrix's transpose."""
    return reorder(x, order=tuple(reversed(range(x.ndim))))


def matrix_transpose(x: Tensor) -> Tensor:
    """The last two axes exchanged. ValueError where there are fewer."""
    if x.ndim < 2:
        raise ValueError(f"mT: needs at least two axes, the shape is {x.shape}")
    return transpose(x, -2, -1)


@primitive(x=lambda g, dim: flip_along(g, dim=dim))
def flip_along(x: np.ndarray, *, dim: tuple[int, ...]) -> np.ndarray:
    return np.flip(x, dim)


def flip(x: Tensor, *along: Any, dims: Sequence[int] = ()) -> Tensor:
    """The order of elements reversed along the given axes.

    >>> import tinygrad_cnn as tg
    >>> tg.flip(tg.Tensor([[1.0, 2.0], [3.0, 4.0]]), (1,))
    Tensor([[2., 1.],
            [4., 3.]])
    """
    x = as_tensor(x, "flip")
    named = _ints(along or (dims,), "flip")
    return flip_along(x, dim=axes(x, named, "flip") if named else ())


@primitive(x=lambda g: g)  # the sweep undoes the broadcasting
def broadcast(x: np.ndarray, *, shape: tuple[int, ...]) -> np.ndarray:
    return np.broadcast_to(x, shape)


def expand_to(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    return broadcast(x, shape=shape)


def expand(x: Tensor, *sizes: Any, size: Sequence[int] = ()) -> Tensor:
    """Axes of length 1 repeated to a larger size, without a copy; -1 leaves an axis as it is.

    Raises ValueError for a shape that broadcasting can't reach.

    >>> import tinygrad_cnn as tg
    >>> tg.expand(tg.Tensor([[1.0], [2.0]]), -1, 3)
    Tensor([[1., 1., 1.],
            [2., 2., 2.]])
    """
    return _grown(x, _ints(sizes or (size,), "expand"), "expand")


def _grown(x: Tensor, wanted: tuple[int, ...], name: str) -> Tensor:
    x = as_tensor(x, name)
    extra = len(wanted) - x.ndim
    shape = tuple(x.shape[i - extra] if n == -1 and i >= extra else n for i, n in enumerate(wanted))
    if extra < 0 or any(old not in (1, new) for old, new in zip(x.shape, shape[extra:], strict=True)):
        raise ValueError(f"{name}: {x.shape} cannot be broadcast to {wanted}; only axes of length 1 can grow")
    if min(shape, default=0) < 0:
        raise ValueError(f"{name}: a new axis needs a size of at least 0, got {wanted}")
    return broadcast(x, shape=shape)


@checked
def broadcast_to(x: Tensor, size: Sequence[int]) -> Tensor:
    """x repeated to the shape `size` by the rules of broadcasting, without a copy. ValueError where they can't.

    >>> import tinygrad_cnn as tg
    >>> tg.broadcast_to(tg.Tensor([1.0, 2.0]), (2, 2))
    Tensor([[1., 2.],
            [1., 2.]])
    """
    return _grown(x, _ints((size,), "broadcast_to"), "broadcast_to")


# -- joining and parting ---------------------------------------------------------------------------------


def _own_part(g: Tensor, tensors_shape: tuple[tuple[int, ...], ...], index: int, dim: int) -> Tensor:
    start = sum(shape[dim] for shape in tensors_shape[:index])
    return g[(slice(None),) * dim + (slice(start, start + tensors_shape[index][dim]),)]


@primitive(tensors=lambda g, tensors_shape, index, dim: _own_part(g, tensors_shape, index, dim))
def concatenate(*tensors: np.ndarray, dim: int) -> np.ndarray:
    return np.concatenate(tensors, axis=dim)


@checked
def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors put one behind another along an axis; their other sizes must agree.

    One of shape (0,) fits everywhere, so that a loop can start from `tg.Tensor([])`. Raises ValueError for no tensors,
    for 0-d ones, and where shapes disagree.

    >>> import tinygrad_cnn as tg
    >>> tg.cat([tg.Tensor([1.0]), tg.Tensor([2.0, 3.0])])
    Tensor([1., 2., 3.])
    """
    parts = [as_tensor(t, "cat") for t in tensors]
    if not parts:
        raise ValueError("cat: expected at least one tensor, got none")
    shapes = [p.shape for p in parts]
    model = next((p for p in parts if p.shape != (0,)), parts[0])
    dim = axis(model, dim, "cat")
    nothing = (*model.shape[:dim], 0, *model.shape[dim + 1 :])
    parts = [reshape(p, nothing) if p.shape == (0,) else p for p in parts]
    if not all(p.ndim for p in parts):
        raise ValueError(f"cat: 0-d tensors cannot be joined (shapes: {shapes}); use stack")
    if len({(p.ndim, *p.shape[:dim], *p.shape[dim + 1 :]) for p in parts}) != 1:
        raise ValueError(f"cat: all sizes but that of dim {dim} must agree, got shapes {shapes}")
    return concatenate(*parts, dim=dim)


@checked
def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape joined along a new axis. ValueError where shapes differ, IndexError for a wrong `dim`.

    >>> import tinygrad_cnn as tg
    >>> tg.stack([tg.Tensor([1.0, 2.0]), tg.Tensor([3.0, 4.0])], dim=1)
    Tensor([[1., 3.],
            [2., 4.]])
    """
    parts = [as_tensor(t, "stack") for t in tensors]
    if len({p.shape for p in parts}) != 1:
        raise ValueError(f"stack: expected tensors of one shape, got {[p.shape for p in parts] or 'none'}")
    return cat([_with_axis(p, dim, "stack") for p in parts], dim)


@checked
def split(x: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """x in pieces along an axis: of one size (the last may be shorter), or of the sizes in a list.

    Raises ValueError for a size below 1, and for sizes that do not add up to the axis's.

    >>> import tinygrad_cnn as tg
    >>> tg.split(tg.Tensor([1.0, 2.0, 3.0]), 2)
    (Tensor([1., 2.]), Tensor([3.]))
    """
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


@checked
def chunk(x: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """x in at most `chunks` pieces of one size along an axis; the last may be shorter. ValueError for 0 or fewer.

    >>> import tinygrad_cnn as tg
    >>> tg.chunk(tg.Tensor([1.0, 2.0, 3.0]), 2)
    (Tensor([1., 2.]), Tensor([3.]))
    """
    if chunks <= 0:
        raise ValueError(f"chunk: the number of chunks must be positive, got {chunks}")
    size = -(-x.shape[axis(x, dim, "chunk")] // chunks)
    return split(x, size or [0] * chunks, dim)


# -- padding ---------------------------------------------------------------------------------------------


def _inside(x_shape: tuple[int, ...], widths: tuple[tuple[int, int], ...]) -> tuple[slice, ...]:
    return tuple(slice(before, before + n) for n, (before, _) in zip(x_shape, widths, strict=True))


@primitive(x=lambda g, x_shape, widths: g[_inside(x_shape, widths)])
def pad_constant(x: np.ndarray, *, widths: tuple[tuple[int, int], ...], value: float) -> np.ndarray:
    return np.pad(x, widths, constant_values=value)


NUMPY_MODE = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@checked
def pad(x: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """x with a border; `pad` gives (before, after) for the last axis, then for the one before it, and so on.

    Negative widths crop. Modes: "constant" (with `value`, default 0), "reflect" (narrower than the axis),
    "replicate", "circular" (not wider than the axis). Raises ValueError for widths that do not come in pairs or are too
    much for the shape, NotImplementedError for another mode.

    >>> import tinygrad_cnn as tg
    >>> tg.pad(tg.Tensor([1.0, 2.0, 3.0]), (2, 1), mode="reflect")
    Tensor([3., 2., 1., 2., 3., 2.])
    """
    given = _ints(tuple(pad), "pad")
    if len(given) % 2 or len(given) > 2 * x.ndim:
        raise ValueError(f"pad: expected pairs (before, after) for at most {x.ndim} axes, got {given}")
    if mode != "constant" and mode not in NUMPY_MODE:
        raise NotImplementedError(f"pad: mode must be constant, reflect, replicate or circular, got {mode!r}")
    if mode != "constant" and value:
        raise ValueError(f"pad: mode {mode!r} takes no value, got {value}")
    if not any(given):
        return clone(x)
    pairs = [(given[i], given[i + 1]) for i in range(0, len(given), 2)]
    widths = ((0, 0),) * (x.ndim - len(pairs)) + tuple(reversed(pairs))
    if any(n + min(b, 0) + min(a, 0) < 0 for n, (b, a) in zip(x.shape, widths, strict=True)):
        raise ValueError(f"pad: {given} crops more than shape {x.shape} has")
    if mode == "constant":
        crop = tuple(slice(max(-b, 0), n - max(-a, 0)) for n, (b, a) in zip(x.shape, widths, strict=True))
        x = x[crop] if min(given) < 0 else x
        widths = tuple((max(b, 0), max(a, 0)) for b, a in widths)
        return pad_constant(x, widths=widths, value=value or 0) if any(map(any, widths)) else x
    for dim, (before, after) in enumerate(widths):
        if before or after:
            x = x[(slice(None),) * dim + (_source(x.shape[dim], before, after, mode),)]
    return x


def _source(length: int, before: int, after: int, mode: str) -> np.ndarray:
    """Where the elements of an axis padded by `mode` come from. A wrap sees the axis as cropped, as in Torch."""
    places = np.arange(length)
    kept = slice(max(-before, 0), -max(-after, 0) or None)
    if mode == "circular":
        places = places[kept]
    widest = {"reflect": length - 1, "circular": len(places)}.get(mode, np.inf)
    if max(before, after) > widest or not len(places):
        raise ValueError(
            f"pad: mode {mode!r} can pad an axis of length {length} by at most {widest}, got {(before, after)}"
        )
    places = np.pad(places, (max(before, 0), max(after, 0)), mode=NUMPY_MODE[mode])  # type: ignore[call-overload]
    return places if mode == "circular" else places[kept]

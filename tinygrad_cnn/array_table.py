"""What becomes of each NumPy function that takes a Tensor: one table.

Most functions need no rule of their own. One that only changes the shape, or the order of the axes, is asked what it
would make of an array of the same shape. One that only moves elements is run on their positions. One whose result has
no gradient is run on the arrays. The others are said in this package's operations, with NumPy's arguments, defaults
(`ddof=0`) and meaning (`axis=()` is no axis, where `dim=()` is all).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from . import ops
from .ops import as_tensor
from .ops.support import axes
from .ops.support import axis as dim_of
from .tensor import Tensor

VALUES_ALONE = "for the values alone, without a gradient, use t.detach().numpy()"
Axis = int | tuple[int, ...] | None

UFUNCS: dict[np.ufunc, Callable[..., Tensor]] = {
    np.add: ops.add, np.subtract: ops.sub, np.multiply: ops.mul, np.divide: ops.div, np.negative: ops.neg,
    np.power: ops.pow, np.floor_divide: ops.floor_divide, np.remainder: ops.remainder, np.matmul: ops.matmul,
    np.positive: ops.clone, np.absolute: ops.abs, np.square: ops.square, np.sqrt: ops.sqrt,
    np.reciprocal: ops.reciprocal, np.exp: ops.exp, np.expm1: ops.expm1, np.log: ops.log, np.log1p: ops.log1p,
    np.exp2: lambda x: ops.pow(2.0, x),
    np.log2: lambda x: ops.log(x) / math.log(2),
    np.log10: lambda x: ops.log(x) / math.log(10),
    np.sin: ops.sin, np.cos: ops.cos, np.tanh: ops.tanh,
    np.tan: lambda x: ops.sin(x) / ops.cos(x),
    np.sinh: lambda x: (ops.expm1(x) - ops.expm1(-x)) / 2,
    np.cosh: lambda x: (ops.exp(x) + ops.exp(-x)) / 2,
    np.deg2rad: lambda x: x * (math.pi / 180), np.radians: lambda x: x * (math.pi / 180),
    np.rad2deg: lambda x: x * (180 / math.pi), np.degrees: lambda x: x * (180 / math.pi),
    np.hypot: lambda a, b: ops.norm(_side_by_side(a, b), 2, 0),
    np.logaddexp: lambda a, b: ops.logsumexp(_side_by_side(a, b), 0),
    np.vecdot: lambda a, b: ops.matmul(as_tensor(a)[..., None, :], as_tensor(b)[..., None])[..., 0, 0],
    np.fabs: ops.abs, np.conjugate: ops.clone,
    np.trunc: lambda x: ops.where(x < 0, ops.ceil(x), ops.floor(x)),
    np.sign: lambda x: ops.where(ops.isnan(x), x, ops.sign(x)),  # Torch's sign of NaN is 0
    np.floor: ops.floor, np.ceil: ops.ceil, np.rint: ops.round,
    np.maximum: ops.maximum, np.minimum: ops.minimum,
    np.equal: ops.eq, np.not_equal: ops.ne, np.less: ops.lt, np.less_equal: ops.le,
    np.greater: ops.gt, np.greater_equal: ops.ge,
    np.logical_and: ops.logical_and, np.logical_or: ops.logical_or, np.logical_xor: ops.logical_xor,
    np.logical_not: ops.logical_not, np.bitwise_and: ops.bitwise_and, np.bitwise_or: ops.bitwise_or,
    np.bitwise_xor: ops.bitwise_xor, np.invert: ops.bitwise_not,
    np.isnan: ops.isnan, np.isinf: ops.isinf, np.isfinite: ops.isfinite,
}  # fmt: skip


def _side_by_side(a: Any, b: Any) -> Tensor:
    """Both operands of a sum, (2, ...), in its shape and type."""
    total = ops.add(a, b)
    both = (x if isinstance(x, Tensor) else as_tensor(np.asarray(x)) for x in (a, b))
    return ops.stack([ops.broadcast_to(x.to(total.dtype), total.shape) for x in both])


def operand(x: Any) -> Any:
    """x as an operation takes it: numbers in lists as a Tensor."""
    return as_tensor(x) if isinstance(x, (list, tuple)) else x


def plain_array(x: Any) -> Any:
    """x with arrays in place of Tensors, also of those in lists and tuples."""
    if isinstance(x, (list, tuple)):
        return type(x)(map(plain_array, x))
    return x.data if isinstance(x, Tensor) else x


# -- functions that need no rule of their own --------------------------------------------------------------


def _reshaped(function: Callable[..., Any], x: Any, *args: Any, **options: Any) -> Tensor:
    x = as_tensor(x)
    if any(isinstance(order, str) and order != "C" for order in (*args, *options.values())):
        return _moved(function, x, *args, **options)
    return ops.reshape(x, function(np.broadcast_to(0, x.shape), *args, **options).shape)


def _reordered(function: Callable[..., Any], x: Any, *args: Any, **options: Any) -> Tensor:
    x = as_tensor(x)
    numbered = np.broadcast_to(0, tuple(range(x.ndim)))  # each axis is as long as its number
    return ops.permute(x, function(numbered, *args, **options).shape)


def _moved(function: Callable[..., Any], x: Any, *args: Any, **options: Any) -> Any:
    """Each element has its position from 1 on; where the function fills in, it fills in position 0: a zero."""
    x = as_tensor(x)
    places = on_arrays(function, np.arange(1, x.numel() + 1).reshape(x.shape), *args, **options)
    elements = ops.pad(ops.flatten(x), (1, 0))
    return type(places)(elements[p] for p in places) if isinstance(places, (list, tuple)) else elements[places]


def _constant(function: Callable[..., Any], *args: Any, **options: Any) -> Tensor:
    return Tensor(on_arrays(function, *args, **options))


def on_arrays(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    return function(*map(plain_array, args), **{name: plain_array(value) for name, value in options.items()})


# -- sums and extremes -------------------------------------------------------------------------------------


def _along(reduce: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A reduction by NumPy's arguments."""

    def reduced(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
        a = as_tensor(a)
        is_none = isinstance(axis, tuple) and not axis
        return reduce(ops.unsqueeze(a, 0), 0) if is_none else reduce(a, axis, keepdims)

    return reduced


def _along_in(reduce: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A reduction by NumPy's arguments, of elements that are converted to a dtype first."""
    rule = _along(reduce)

    def reduced(a: Any, axis: Axis = None, dtype: DTypeLike | None = None, *, keepdims: bool = False) -> Tensor:
        return rule(_in(a, dtype), axis, keepdims=keepdims)

    return reduced


def _in(a: Any, dtype: DTypeLike | None) -> Tensor:
    return as_tensor(a) if dtype is None else as_tensor(a).to(dtype)


def _prod(a: Tensor, axis: Axis, keepdims: bool = False) -> Tensor:
    for dim in sorted(axes(a, axis, "prod"), reverse=True):
        a = ops.prod(a, dim, keepdims)
    return a if a.dtype.kind == "f" else a.to(np.int64)


def _deviation(measure: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """np.var or np.std, which divide by the count itself, where Torch's divide by one less."""

    def reduced(
        a: Any, axis: Axis = None, dtype: DTypeLike | None = None, *, ddof: float = 0, keepdims: bool = False
    ) -> Tensor:
        return _along(partial(_measure, measure, ddof))(_in(a, dtype), axis, keepdims=keepdims)

    return reduced


def _measure(measure: Callable[..., Tensor], ddof: float, a: Tensor, axis: Axis, keepdims: bool = False) -> Tensor:
    return measure(a, axis, keepdim=keepdims, correction=ddof)


def _ptp(a: Tensor, axis: Axis, keepdims: bool = False) -> Tensor:
    return ops.amax(a, axis, keepdims) - ops.amin(a, axis, keepdims)


def _cumsum(a: Any, axis: int | None = None, dtype: DTypeLike | None = None) -> Tensor:
    a = _in(a, dtype)
    return ops.cumsum(ops.flatten(a), 0) if axis is None else ops.cumsum(a, axis)


def _norm(x: Any, ord: Any = None, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
    """Norms of vectors, and the root of a matrix's sum of squares."""
    x = as_tensor(x)
    of_vectors = x.ndim == 1 if axis is None else np.size(axis) == 1
    if ord is not None and (of_vectors == isinstance(ord, str) or (not of_vectors and ord != "fro")):
        raise TypeError(f"np.linalg.norm: ord={ord!r} has no rule for Tensors of shape {x.shape}; {VALUES_ALONE}")
    return ops.norm(x, "fro" if ord is None else ord, axis, keepdims)


# -- joining, choosing, filling ----------------------------------------------------------------------------


def _concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Tensor:
    parts = [as_tensor(x) for x in arrays]
    return ops.cat(parts, axis) if axis is not None else ops.cat([ops.flatten(x) for x in parts])


def _at_least(function: Callable[..., np.ndarray]) -> Callable[..., Any]:
    """np.atleast_1d and its like, of one array or several."""

    def shaped(*arrays: Any) -> Any:
        found = tuple(_reshaped(function, x) for x in arrays)
        return found[0] if len(found) == 1 else found

    return shaped


def _vstack(tup: Sequence[Any]) -> Tensor:
    return ops.cat([_reshaped(np.atleast_2d, x) for x in tup])


def _hstack(tup: Sequence[Any]) -> Tensor:
    parts = [_reshaped(np.atleast_1d, x) for x in tup]
    return ops.cat(parts, 0 if parts[0].ndim == 1 else 1)


def _column_stack(tup: Sequence[Any]) -> Tensor:
    return ops.cat([x if x.ndim > 1 else ops.reshape(x, (-1, 1)) for x in map(as_tensor, tup)], 1)


def _broadcast_arrays(*arrays: Any) -> tuple[Tensor, ...]:
    shape = np.broadcast_shapes(*(np.shape(x) for x in arrays))
    return tuple(ops.broadcast_to(as_tensor(x), shape) for x in arrays)


def _where(condition: Any, *choices: Any) -> Any:
    if len(choices) == 2:
        return ops.where(*map(operand, (condition, *choices)))
    return np.where(plain_array(condition), *choices)


def _clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Tensor:
    low, high = a_min if min is None else min, a_max if max is None else max
    return ops.clone(a) if low is None and high is None else ops.clamp(as_tensor(a), operand(low), operand(high))


def _round(a: Any, decimals: int = 0) -> Tensor:
    a, scale = as_tensor(a), 10.0 ** abs(decimals)
    if a.dtype.kind != "f" or not decimals:
        return ops.round(a) if not decimals else Tensor(np.round(a.data, decimals))
    return ops.round(a * scale) / scale if decimals > 0 else ops.round(a / scale) * scale


def _copy(a: Any, order: str = "K") -> Tensor:
    return ops.clone(a)


def _astype(x: Any, dtype: DTypeLike, *, copy: bool = True) -> Tensor:
    return ops.clone(x.to(dtype)) if copy else x.to(dtype)


def _pad(array: Any, pad_width: Any, mode: str = "constant", *, constant_values: Any = None) -> Tensor:
    if mode != "constant" and constant_values is not None:
        raise ValueError(f"np.pad: mode {mode!r} takes no constant_values")
    if mode not in ("constant", "edge", "reflect", "symmetric", "wrap"):
        raise TypeError(f"np.pad: mode {mode!r} has no rule for Tensors; {VALUES_ALONE}")
    moved = _moved(np.pad, array, pad_width, mode=mode)
    if mode != "constant":
        return moved
    value = 0 if constant_values is None else constant_values
    border = np.pad(np.zeros(np.shape(array), moved.dtype), pad_width, constant_values=value)
    return moved + border


def _take(a: Any, indices: Any, axis: int | None = None, *, mode: str = "raise") -> Tensor:
    return _moved(np.take, a, indices, axis, mode=mode)


def _take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Tensor:
    x = ops.flatten(arr) if axis is None else as_tensor(arr)
    return ops.take_along_dim(x, as_tensor(indices), dim_of(x, axis or 0, "np.take_along_axis"))


def _sort(a: Any, axis: int | None = -1, kind: str | None = None, *, stable: bool | None = None) -> Tensor:
    """By a stable sort, of whatever kind: all give the same values."""
    x = as_tensor(a)
    return _take_along_axis(x, np.argsort(x.data, axis, stable=True), axis)


def _diff(a: Any, n: int = 1, axis: int = -1) -> Tensor:
    a = as_tensor(a)
    if n < 0:
        raise ValueError(f"np.diff: n should be at least 0, got {n}")
    before = (slice(None),) * dim_of(a, axis, "np.diff")
    for _ in range(n):
        later, earlier = (*before, slice(1, None)), (*before, slice(None, -1))
        a = a[later] - a[earlier]
    return a


# -- products ----------------------------------------------------------------------------------------------


def _tensordot(a: Any, b: Any, axes: Any = 2) -> Tensor:
    a, b = as_tensor(a), as_tensor(b)
    if isinstance(axes, (int, np.integer)):
        axes = range(a.ndim - axes, a.ndim), range(axes)
    of_a, of_b = (np.atleast_1d(of).tolist() for of in axes)
    return _paired(a, b, of_a, of_b, "np.tensordot")


def _paired(a: Tensor, b: Tensor, of_a: list[int], of_b: list[int], name: str) -> Tensor:
    """The sum of products over the axes that are paired: one product of two matrices."""
    of_a, of_b = [dim_of(a, i, name) for i in of_a], [dim_of(b, j, name) for j in of_b]
    if len({*of_a}) != len(of_b) or len({*of_b}) != len(of_a):
        raise ValueError(f"{name}: axes should pair each axis with one other, got {of_a} of a and {of_b} of b")
    pairs = list(zip(of_a, of_b, strict=True))
    if wrong := [(i, j) for i, j in pairs if a.shape[i] != b.shape[j]]:
        raise ValueError(f"{name}: axes {wrong[0]} differ in length (a: {a.shape}, b: {b.shape})")
    inner = math.prod(a.shape[i] for i, _ in pairs)
    free_a = [i for i in range(a.ndim) if i not in dict(pairs)]
    free_b = [j for j in range(b.ndim) if j not in [j for _, j in pairs]]
    shape = [a.shape[i] for i in free_a] + [b.shape[j] for j in free_b]
    left = a.permute(*free_a, *(i for i, _ in pairs)).reshape(math.prod(a.shape[i] for i in free_a), inner)
    right = b.permute(*(j for _, j in pairs), *free_b).reshape(inner, math.prod(b.shape[j] for j in free_b))
    return (left @ right).reshape(*shape) if shape else (left @ right).reshape(())


def _dot(a: Any, b: Any) -> Tensor:
    a, b = as_tensor(a), as_tensor(b)
    return a * b if not a.ndim or not b.ndim else _paired(a, b, [-1], [-2 if b.ndim > 1 else 0], "np.dot")


def _inner(a: Any, b: Any) -> Tensor:
    a, b = as_tensor(a), as_tensor(b)
    return a * b if not a.ndim or not b.ndim else _paired(a, b, [-1], [-1], "np.inner")


def _outer(a: Any, b: Any) -> Tensor:
    return ops.flatten(a)[:, None] * ops.flatten(b)


def _vdot(a: Any, b: Any) -> Tensor:
    return ops.flatten(a) @ ops.flatten(b)


def _trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    return ops.sum(_moved(np.diagonal, a, offset, axis1, axis2), -1)


def _einsum(subscripts: Any, *operands: Any, optimize: Any = False) -> Tensor:
    return ops.einsum(subscripts, *map(operand, operands))


# -- the table -------------------------------------------------------------------------------------------


SHAPED = (np.expand_dims, np.ravel, np.reshape, np.squeeze)
ORDERED = (np.matrix_transpose, np.moveaxis, np.rollaxis, np.swapaxes, np.transpose)
MOVED = (
    np.array_split, np.delete, np.diag, np.diagflat, np.diagonal, np.dsplit, np.flip, np.fliplr, np.flipud, np.hsplit,
    np.repeat, np.resize, np.roll, np.rot90, np.split, np.tile, np.tril, np.triu, np.vsplit,
)  # fmt: skip
CONSTANT = (np.all, np.any, np.argmax, np.argmin, np.argsort, np.empty_like, np.isclose, np.ones_like, np.zeros_like)
PLAIN = (
    np.allclose, np.argwhere, np.array2string, np.array_equal, np.array_equiv, np.array_repr, np.array_str, np.can_cast,
    np.count_nonzero, np.flatnonzero, np.iscomplexobj, np.isrealobj, np.may_share_memory, np.ndim, np.nonzero,
    np.result_type, np.shape, np.shares_memory, np.size,
)  # fmt: skip

TABLE: dict[Callable[..., Any], Callable[..., Any]] = {
    **{function: partial(_reshaped, function) for function in SHAPED},
    **{function: partial(_reordered, function) for function in ORDERED},
    **{function: partial(_moved, function) for function in MOVED},
    **{function: partial(_constant, function) for function in CONSTANT},
    **{function: partial(on_arrays, function) for function in PLAIN},
    np.sum: _along_in(ops.sum), np.mean: _along_in(ops.mean), np.prod: _along_in(_prod),
    np.var: _deviation(ops.var), np.std: _deviation(ops.std), np.cumsum: _cumsum,
    np.max: _along(ops.amax), np.amax: _along(ops.amax), np.min: _along(ops.amin), np.amin: _along(ops.amin),
    np.ptp: _along(_ptp), np.linalg.norm: _norm,
    np.append: lambda arr, values, axis=None: _concatenate([arr, values], axis),
    np.concatenate: _concatenate, np.stack: lambda arrays, axis=0: ops.stack(arrays, axis),
    np.vstack: _vstack, np.hstack: _hstack, np.column_stack: _column_stack,
    np.dstack: lambda tup: ops.cat([_reshaped(np.atleast_3d, x) for x in tup], 2),
    np.atleast_1d: _at_least(np.atleast_1d), np.atleast_2d: _at_least(np.atleast_2d),
    np.atleast_3d: _at_least(np.atleast_3d),
    np.broadcast_to: lambda array, shape: ops.broadcast_to(array, np.broadcast_shapes(shape)),
    np.broadcast_arrays: _broadcast_arrays,
    np.where: _where, np.clip: _clip, np.round: _round, np.around: _round, np.copy: _copy, np.pad: _pad,
    np.take: _take, np.take_along_axis: _take_along_axis, np.sort: _sort, np.diff: _diff,
    np.dot: _dot, np.inner: _inner, np.outer: _outer, np.vdot: _vdot, np.tensordot: _tensordot, np.trace: _trace,
    np.einsum: _einsum,
}  # fmt: skip

if np.lib.NumpyVersion(np.__version__) >= "2.1.0":
    TABLE |= {np.astype: _astype, np.unstack: partial(_moved, np.unstack)}

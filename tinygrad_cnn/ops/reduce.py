"""Sums, means, products and norms over some or all axes. `dim` is an int, a tuple or None (all), as in Torch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from ..arguments import checked
from ..autograd import primitive
from .arithmetic import pow
from .choices import where
from .compare import eq, logical_and, ne
from .copies import clone, to
from .elementwise import abs, exp
from .extremes import amax, amin
from .shape import cat, expand_to, flatten, flip, reshape
from .support import axes, axis, kept_shape

if TYPE_CHECKING:
    from ..tensor import Tensor

Dim = int | tuple[int, ...] | None


def _spread(g: Tensor, x_shape: tuple[int, ...], dim: tuple[int, ...]) -> Tensor:
    """g, a reduction's result or cotangent, over the axes that were reduced."""
    return expand_to(reshape(g, kept_shape(x_shape, dim)), x_shape)


@primitive(x=lambda g, x_shape, dim: _spread(g, x_shape, dim))
def sum_over(x: np.ndarray, *, dim: tuple[int, ...], keepdim: bool) -> np.ndarray:
    return np.asarray(np.sum(x, axis=dim, keepdims=keepdim, dtype=_sum_type(x, dim)), _result_type(x))


LONG_SUM = 128  # terms; so many float32 numbers, added one by one, may lose more than 1e-6 of the sum


def _sum_type(x: np.ndarray, dim: tuple[int, ...]) -> type | None:
    """float64 for a long sum that NumPy would take one by one: it adds in pairs along the innermost axes alone."""
    innermost = x.flags.c_contiguous and sorted(dim) == list(range(x.ndim - len(dim), x.ndim))
    is_long = math.prod(x.shape[i] for i in dim) >= LONG_SUM
    return np.float64 if x.dtype in (np.float32, np.float16) and is_long and not innermost else None


def _result_type(x: np.ndarray) -> np.dtype | None:
    return x.dtype if x.dtype.kind == "f" else None


def _in_type(x: Tensor, dtype: DTypeLike | None) -> Tensor:
    """x in the dtype of its sums and products: the one asked for, else int64 for integers and bools."""
    if dtype is None:
        return x if x.dtype.kind == "f" else to(x, np.int64)
    return to(x, dtype)


@checked
def sum(x: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: DTypeLike | None = None) -> Tensor:
    """The sum over `dim`, in `dtype`; integers and bools are summed as int64.

    >>> import tinygrad_cnn as tg
    >>> tg.Tensor([[1.0, 2.0], [3.0, 4.0]]).sum(dim=1)
    Tensor([3., 7.])
    """
    x = _in_type(x, dtype)
    return sum_over(x, dim=axes(x, dim, "sum"), keepdim=keepdim)


def sum_to(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The sum over the axes along which `shape` would be broadcast to x's shape: broadcasting's adjoint."""
    extra = x.ndim - len(shape)
    stretched = tuple(i for i, n in enumerate(shape, extra) if n == 1 and x.shape[i] != 1)
    return reshape(sum_over(x, dim=(*range(extra), *stretched), keepdim=False), shape)


@checked
def mean(x: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: DTypeLike | None = None) -> Tensor:
    """The mean over `dim`, in `dtype`; NaN over no elements, as in Torch.

    >>> import tinygrad_cnn as tg
    >>> tg.mean(tg.Tensor([[1.0, 2.0], [3.0, 4.0]]), dim=0)
    Tensor([2., 3.])
    """
    x = x if dtype is None else to(x, dtype)
    over = axes(x, dim, "mean")
    if x.dtype == np.float16:  # whose sum may overflow
        return to(mean(to(x, np.float32), over, keepdim), np.float16)
    return sum_over(x, dim=over, keepdim=keepdim) / int(np.prod([x.shape[i] for i in over]))


def _deviation(x: Tensor, dim: tuple[int, ...]) -> Tensor:
    return x - mean(x, dim, keepdim=True)


def _variance(x: np.ndarray, dim: tuple[int, ...], divisor: float, keepdim: bool) -> np.ndarray:
    """In float64, where squares of float32 numbers neither overflow nor vanish."""
    wide = np.result_type(x, np.float64)
    count = math.prod(x.shape[i] for i in dim) or 1
    deviation = np.asarray(x - np.sum(x, axis=dim, keepdims=True, dtype=wide) / count)
    return np.sum(np.square(deviation, out=deviation), axis=dim, keepdims=keepdim) / np.float64(divisor)


@primitive(x=lambda g, x, dim, divisor: _spread(g, x.shape, dim) * _deviation(x, dim) * 2 / divisor)
def var_over(x: np.ndarray, *, dim: tuple[int, ...], divisor: float, keepdim: bool) -> np.ndarray:
    return np.asarray(_variance(x, dim, divisor, keepdim), x.dtype)


@primitive(x=lambda g, x, out, dim, divisor: _spread(g, x.shape, dim) * _unit(_deviation(x, dim), out, dim) / divisor)
def std_over(x: np.ndarray, *, dim: tuple[int, ...], divisor: float, keepdim: bool) -> np.ndarray:
    return np.asarray(np.sqrt(_variance(x, dim, divisor, keepdim)), x.dtype)


def _dispersion(
    over: Any, x: Tensor, dim: Dim, unbiased: bool, keepdim: bool, correction: float | None, name: str
) -> Tensor:
    if isinstance(dim, bool):  # x.var(False)
        unbiased, dim = dim, None
    dims = axes(x, dim, name)
    count = int(np.prod([x.shape[i] for i in dims])) - (int(unbiased) if correction is None else correction)
    x = x if x.dtype.kind == "f" else to(x, np.float32)
    return over(x, dim=dims, divisor=count if count > 0 else 0, keepdim=keepdim)


@checked
def var(
    x: Tensor, dim: Dim | bool = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> Tensor:
    """The variance over `dim`, divided by (count - 1) or, with `unbiased=False`, by the count.

    `correction` (0 or more) says what to take from the count, as in Torch. NaN or inf where nothing is left.

    >>> import tinygrad_cnn as tg
    >>> tg.var(tg.Tensor([1.0, 2.0, 3.0]))
    Tensor(1.)
    """
    return _dispersion(var_over, x, dim, unbiased, keepdim, correction, "var")


@checked
def std(
    x: Tensor, dim: Dim | bool = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> Tensor:
    """The standard deviation over `dim`: the root of `var`. Where it is 0 its gradient is 0, as in Torch.

    >>> import tinygrad_cnn as tg
    >>> tg.std(tg.Tensor([[1.0, 3.0], [5.0, 9.0]]), dim=1, unbiased=False)
    Tensor([1., 2.])
    """
    return _dispersion(std_over, x, dim, unbiased, keepdim, correction, "std")


@checked
def prod(x: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: DTypeLike | None = None) -> Tensor:
    """The product over one axis `dim`, or over all, in `dtype`; integers and bools are multiplied as int64.

    Factors are multiplied in pairs, halving the axis each time, so the gradient is right where factors are 0.

    >>> import tinygrad_cnn as tg
    >>> tg.prod(tg.Tensor([[1.0, 2.0], [3.0, 4.0]]), dim=1)
    Tensor([ 2., 12.])
    """
    x = _in_type(x, dtype)
    if dim is None or not x.ndim:
        result = prod(flatten(x), 0 if dim is None else dim)
        return reshape(result, (1,) * x.ndim) if keepdim else result
    dim = axis(x, dim, "prod")
    while x.shape[dim] > 1:
        half = x.shape[dim] // 2
        pairs = _part(x, dim, 0, half) * _part(x, dim, half, 2 * half)
        if x.shape[dim] % 2:
            pairs = cat([pairs, _part(x, dim, 2 * half, 2 * half + 1)], dim)
        x = pairs
    if not x.shape[dim]:
        return sum(x, dim, keepdim) + 1
    return reshape(x, x.shape[:dim] + (1,) * keepdim + x.shape[dim + 1 :])


def _part(x: Tensor, dim: int, start: int, stop: int) -> Tensor:
    return x[(slice(None),) * dim + (slice(start, stop),)]


@primitive()
def any_over(x: np.ndarray, *, dim: tuple[int, ...], keepdim: bool) -> np.ndarray:
    return np.any(x, axis=dim, keepdims=keepdim)


@primitive()
def all_over(x: np.ndarray, *, dim: tuple[int, ...], keepdim: bool) -> np.ndarray:
    return np.all(x, axis=dim, keepdims=keepdim)


def _named(x: Tensor, dim: Dim, name: str) -> tuple[int, ...]:
    """The axes that `dim` names: here, unlike in a sum, () are none, as in Torch."""
    return () if dim in ((), []) else axes(x, dim, name)


@checked
def any(x: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Whether any element over `dim` is not 0.

    >>> import tinygrad_cnn as tg
    >>> tg.any(tg.Tensor([[0, 0], [0, 1]]), dim=1)
    Tensor([False,  True])
    """
    return any_over(x, dim=_named(x, dim, "any"), keepdim=keepdim)


@checked
def all(x: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Whether every element over `dim` is not 0.

    >>> import tinygrad_cnn as tg
    >>> tg.all(tg.Tensor([[0, 1], [1, 1]]), dim=1)
    Tensor([False,  True])
    """
    return all_over(x, dim=_named(x, dim, "all"), keepdim=keepdim)


@primitive(x=lambda g, x, out, dim: _spread(g, x.shape, dim) * exp(x - reshape(out, kept_shape(x.shape, dim))))
def logsumexp_over(x: np.ndarray, *, dim: tuple[int, ...], keepdim: bool) -> np.ndarray:
    if not x.size:
        largest = np.zeros(kept_shape(x.shape, dim), x.dtype)
    else:
        largest = np.max(x, axis=dim, keepdims=True)
        largest = np.where(np.isfinite(largest), largest, 0).astype(x.dtype)
    with np.errstate(divide="ignore"):  # log(0) is -inf, as it should be
        result = np.log(np.sum(np.exp(x - largest), axis=dim, keepdims=True)) + largest
    return result if keepdim else np.squeeze(result, axis=dim)


@checked
def logsumexp(x: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """log(sum(exp(x))) over `dim`, without overflow.

    >>> import tinygrad_cnn as tg
    >>> tg.logsumexp(tg.Tensor([1000.0, -1000.0]), dim=0)
    Tensor(1000.)
    """
    return logsumexp_over(
        x if x.dtype.kind == "f" else to(x, np.float32), dim=axes(x, dim, "logsumexp"), keepdim=keepdim
    )


@primitive(x=lambda g, dim: flip(cumsum_along(flip(g, dim), dim=dim), dim))
def cumsum_along(x: np.ndarray, *, dim: int) -> np.ndarray:
    wide = np.float64 if x.dtype in (np.float32, np.float16) else None
    return np.asarray(np.cumsum(x, axis=dim, dtype=wide), _result_type(x))


@checked
def cumsum(x: Tensor, dim: int, *, dtype: DTypeLike | None = None) -> Tensor:
    """Running sums along `dim`, in x's shape and in `dtype`; integers and bools are summed as int64.

    >>> import tinygrad_cnn as tg
    >>> tg.cumsum(tg.Tensor([1.0, 2.0, 3.0]), dim=0)
    Tensor([1., 3., 6.])
    """
    x = _in_type(x, dtype)
    dim = axis(x, dim, "cumsum")
    return cumsum_along(x, dim=dim) if x.ndim else clone(x)


@checked
def norm(x: Tensor, p: float | str | None = "fro", dim: Dim = None, keepdim: bool = False) -> Tensor:
    """The p-norm, (sum |x|^p)^(1/p), of the elements over `dim`, for any p, also 0 and +-inf.

    "fro", None and 2 are the Euclidean norm; where it is 0 its gradient is 0. Raises NotImplementedError for
    the nuclear norm "nuc", ValueError for any other string.

    >>> import tinygrad_cnn as tg
    >>> tg.norm(tg.Tensor([3.0, 4.0]))
    Tensor(5.)
    """
    if p == "nuc":
        raise NotImplementedError("norm: the nuclear norm 'nuc' is not offered; use numpy.linalg.norm")
    over = axes(x, dim, "norm")
    if isinstance(p, str) and p != "fro":
        raise ValueError(f"norm: p must be a number, 'fro' or None, got {p!r}")
    p = 2.0 if p in ("fro", None) else float(p)
    if p == np.inf:
        return amax(abs(x), over, keepdim)
    if p == -np.inf:
        return amin(abs(x), over, keepdim)
    if p == 0:
        return sum(where(ne(x, 0), 1.0, x * 0.0), over, keepdim)
    if p == 1:
        return sum(abs(x), over, keepdim)
    if p == 2:
        return euclidean_over(x, dim=over, keepdim=keepdim)
    scale = _typical(x.data, over, smallest=p < 0)  # norm(x) = scale * norm(x / scale), for any number
    size = abs(x / scale)
    zero = eq(size, 0)
    total = sum(where(zero, 0.0, pow(where(zero, 1.0, size), p)), over, keepdim)
    # 0 ** p for p < 0 is infinite: the norm is 0
    empty = eq(total, 0) if p > 0 else logical_and(any(zero, over, keepdim), eq(total, total))
    return where(empty, 0.0, pow(where(empty, 1.0, total), 1 / p)) * scale.reshape(total.shape)


def _typical(x: np.ndarray, dim: tuple[int, ...], smallest: bool = False) -> np.ndarray:
    """The largest finite size over `dim`, or the smallest above 0; 1 where there is none. Axes are kept."""
    size = np.abs(x)
    fits = (size > 0) & np.isfinite(size)
    extreme = np.min if smallest else np.max
    found = extreme(size, axis=dim, keepdims=True, where=fits, initial=np.inf if smallest else 0)
    return np.where((found > 0) & np.isfinite(found), found, 1).astype(x.dtype)


@primitive(x=lambda g, x, out, dim: _spread(g, x.shape, dim) * _unit(x, out, dim))
def euclidean_over(x: np.ndarray, *, dim: tuple[int, ...], keepdim: bool) -> np.ndarray:
    # Scaled by the largest element, so that squares neither overflow nor vanish.
    scale = _typical(x, dim)
    result = scale * np.sqrt(np.sum(np.square(x / scale), axis=dim, keepdims=True))
    return result if keepdim else np.squeeze(result, axis=dim)


def _unit(x: Tensor, length: Tensor, dim: tuple[int, ...]) -> Tensor:
    """x / length, and 0 where the length is 0."""
    length = reshape(length, kept_shape(x.shape, dim))
    zero = eq(length, 0)
    return where(zero, 0.0, x / where(zero, 1.0, length))

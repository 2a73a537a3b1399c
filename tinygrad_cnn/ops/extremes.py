"""The largest and the smallest over some or all axes, and where they are. `dim` is an int, a tuple or None (all)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..arguments import checked
from ..autograd import primitive
from .choices import maximum, minimum
from .compare import eq
from .copies import clone, to
from .index import take_along_dim
from .shape import flatten, reshape
from .support import axes, axis, kept_shape

if TYPE_CHECKING:
    from ..tensor import Tensor

Dim = int | tuple[int, ...] | None


class ValuesAndIndices(NamedTuple):
    """What `max(dim)` and `min(dim)` return: two Tensors of one shape, `values` and `indices` (int64).

    >>> import tinygrad_cnn as tg
    >>> values, indices = tg.Tensor([[1.0, 3.0], [2.0, 0.0]]).max(dim=1)
    >>> values
    Tensor([3., 2.])
    """

    values: Tensor
    indices: Tensor


def _tied(g: Tensor, x: Tensor, out: Tensor, dim: tuple[int, ...]) -> Tensor:
    """g shared evenly among the elements that equal the extreme `out`."""
    winners = to(eq(x, reshape(out, kept_shape(x.shape, dim))), g.dtype)
    return reshape(g, kept_shape(x.shape, dim)) * (winners / winners.sum(dim, keepdim=True))


@primitive(x=lambda g, x, out, dim: _tied(g, x, out, dim))
def max_over(x: np.ndarray, *, dim: tuple[int, ...], keepdim: bool) -> np.ndarray:
    return np.max(x, axis=dim, keepdims=keepdim)


@primitive(x=lambda g, x, out, dim: _tied(g, x, out, dim))
def min_over(x: np.ndarray, *, dim: tuple[int, ...], keepdim: bool) -> np.ndarray:
    return np.min(x, axis=dim, keepdims=keepdim)


def _nonempty(x: Tensor, dim: tuple[int, ...], name: str) -> tuple[int, ...]:
    if any_empty := [i for i in dim if not x.shape[i]]:
        raise IndexError(f"{name}: axis {any_empty[0]} of shape {x.shape} is empty, so it has no extreme")
    return dim


@checked
def amax(x: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """The largest element over `dim`; ties share the gradient evenly. IndexError where there is none.

    >>> import tinygrad_cnn as tg
    >>> tg.amax(tg.Tensor([[1.0, 3.0], [2.0, 0.0]]), dim=1)
    Tensor([3., 2.])
    """
    return max_over(x, dim=_nonempty(x, axes(x, dim, "amax"), "amax"), keepdim=keepdim)


@checked
def amin(x: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """The smallest element over `dim`; ties share the gradient evenly. IndexError where there is none.

    >>> import tinygrad_cnn as tg
    >>> tg.amin(tg.Tensor([[1.0, 3.0], [2.0, 0.0]]), dim=1)
    Tensor([1., 0.])
    """
    return min_over(x, dim=_nonempty(x, axes(x, dim, "amin"), "amin"), keepdim=keepdim)


@primitive()
def argmax_over(x: np.ndarray, *, dim: int, keepdim: bool) -> np.ndarray:
    return np.argmax(x, axis=dim, keepdims=keepdim)


@primitive()
def argmin_over(x: np.ndarray, *, dim: int, keepdim: bool) -> np.ndarray:
    return np.argmin(x, axis=dim, keepdims=keepdim)


def _arg(find: Any, x: Tensor, dim: int | None, keepdim: bool, name: str) -> Tensor:
    if dim is None:
        _nonempty(x, tuple(range(x.ndim)), name)
        index = find(flatten(x), dim=0, keepdim=False)
        return reshape(index, (1,) * x.ndim) if keepdim else index
    dim = axis(x, dim, name)
    if not x.ndim:
        return find(flatten(x), dim=0, keepdim=False)
    return find(x, dim=_nonempty(x, (dim,), name)[0], keepdim=keepdim)


@checked
def argmax(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the largest element is, int64: along `dim`, or in the flattened tensor. The first of ties.

    >>> import tinygrad_cnn as tg
    >>> tg.argmax(tg.Tensor([[1.0, 3.0], [2.0, 0.0]]), dim=1)
    Tensor([1, 0])
    """
    return _arg(argmax_over, x, dim, keepdim, "argmax")


@checked
def argmin(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the smallest element is, int64: along `dim`, or in the flattened tensor. The first of ties.

    >>> import tinygrad_cnn as tg
    >>> tg.argmin(tg.Tensor([[1.0, 3.0], [2.0, 0.0]]), dim=1)
    Tensor([0, 1])
    """
    return _arg(argmin_over, x, dim, keepdim, "argmin")


def _extreme(x: Tensor, dim: Any, keepdim: bool, arg: Any, over: Any, pair: Any, name: str) -> Any:
    from ..tensor import Tensor

    if isinstance(dim, Tensor):
        return pair(x, dim)
    if dim is None:
        return over(x)
    indices = arg(x, _nonempty(x, (axis(x, dim, name),), name)[0] if x.ndim else dim, keepdim=True)
    if not x.ndim:
        return ValuesAndIndices(clone(x), indices)
    values = take_along_dim(x, indices, axis(x, dim, name))
    if not keepdim:
        shape = tuple(n for i, n in enumerate(values.shape) if i != axis(x, dim, name))
        values, indices = reshape(values, shape), reshape(indices, shape)
    return ValuesAndIndices(values, indices)


@checked
def max(x: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest element; with `dim`, `(values, indices)` along it; with a Tensor, `maximum`.

    >>> import tinygrad_cnn as tg
    >>> tg.max(tg.Tensor([[1.0, 3.0], [2.0, 0.0]]), dim=1).indices
    Tensor([1, 0])
    """
    return _extreme(x, dim, keepdim, argmax, amax, maximum, "max")


@checked
def min(x: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest element; with `dim`, `(values, indices)` along it; with a Tensor, `minimum`.

    >>> import tinygrad_cnn as tg
    >>> tg.min(tg.Tensor([[1.0, 3.0], [2.0, 0.0]]), dim=1).values
    Tensor([1., 0.])
    """
    return _extreme(x, dim, keepdim, argmin, amin, minimum, "min")

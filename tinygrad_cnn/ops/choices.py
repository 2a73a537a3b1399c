"""Choices between elements, with broadcasting: the larger, the one where a condition holds, the nearest in limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import checked
from ..autograd import primitive
from .compare import eq, ge, gt, le, logical_and, logical_or, lt
from .copies import to

if TYPE_CHECKING:
    from ..tensor import Tensor

Array = Any  # an ndarray, or a number that takes part as one


def _share(g: Tensor, a: Any, b: Any, loses: Tensor) -> Tensor:
    """What one of two rivals gets of g: none where it loses, half at a tie, as in Torch."""
    return where(eq(a, b), g * 0.5, where(loses, 0.0, g))


@primitive(a=lambda g, a, b: _share(g, a, b, lt(a, b)), b=lambda g, a, b: _share(g, a, b, gt(a, b)))
def maximum(a: Array, b: Array) -> Array:
    """The larger of two; at a tie each gets half the gradient. NaN wins.

    >>> import tinygrad_cnn as tg
    >>> tg.maximum(tg.Tensor([1.0, 4.0]), tg.Tensor([3.0, 2.0]))
    Tensor([3., 4.])
    """
    return np.maximum(a, b)


@primitive(a=lambda g, a, b: _share(g, a, b, gt(a, b)), b=lambda g, a, b: _share(g, a, b, lt(a, b)))
def minimum(a: Array, b: Array) -> Array:
    """The smaller of two; at a tie each gets half the gradient. NaN wins.

    >>> import tinygrad_cnn as tg
    >>> tg.minimum(tg.Tensor([1.0, 4.0]), tg.Tensor([3.0, 2.0]))
    Tensor([1., 2.])
    """
    return np.minimum(a, b)


@primitive(
    a=lambda g, condition: where(condition, g, 0.0),
    b=lambda g, condition: where(condition, 0.0, g),
)
def where(condition: Array, a: Array, b: Array) -> Array:
    """a where the condition holds, else b; all three are broadcast.

    >>> import tinygrad_cnn as tg
    >>> x = tg.Tensor([-1.0, 2.0])
    >>> tg.where(x > 0, x, 10.0)
    Tensor([10.,  2.])
    """
    return np.where(condition, a, b)


def where_method(x: Tensor, condition: Tensor, other: Any) -> Tensor:
    """x where the condition holds, else other: x.where(condition, other)."""
    return where(condition, x, other)


@checked
def masked_fill(x: Tensor, mask: Any, value: float | Tensor) -> Tensor:
    """x with `value` wherever the mask (broadcast to x) is true, in x's dtype and shape.

    >>> import tinygrad_cnn as tg
    >>> tg.masked_fill(tg.Tensor([1.0, 2.0]), tg.Tensor([True, False]), -1.0)
    Tensor([-1.,  2.])
    """
    return to(where(mask, value, x), x.dtype)


@primitive(
    x=lambda g, x, low, high: where(logical_and(ge(x, low), le(x, high)), g, 0.0),
    low=lambda g, x, low, high: where(logical_and(lt(x, low), lt(low, high)), g, 0.0),
    high=lambda g, x, low, high: where(logical_or(gt(x, high), lt(high, low)), g, 0.0),
)
def clip(x: Array, low: Array, high: Array) -> Array:
    return np.clip(x, low, high)


@checked
def clamp(x: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """x limited to [min, max], `max` where min > max, NaN where one of them is.

    Limits are numbers, or Tensors that are broadcast. The gradient passes where x is inside or on a limit, as in Torch.
    Raises TypeError if both limits are left out.

    >>> import tinygrad_cnn as tg
    >>> tg.clamp(tg.Tensor([-2.0, 0.5, 2.0]), -1, 1)
    Tensor([-1. ,  0.5,  1. ])
    """
    if min is None and max is None:
        raise TypeError("clamp: at least one of min and max must be given")
    x = to(x, np.int64) if x.dtype.kind == "b" else x
    lowest, highest = (-np.inf, np.inf) if x.dtype.kind == "f" else (np.iinfo(x.dtype).min, np.iinfo(x.dtype).max)
    return clip(x, lowest if min is None else min, highest if max is None else max)

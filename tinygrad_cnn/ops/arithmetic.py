"""Arithmetic on each element alone, with broadcasting.

No rule mentions broadcasting: the sweep sums a cotangent back to its input's shape.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..autograd import primitive
from .choices import masked_fill, where
from .compare import eq, ge, logical_and
from .elementwise import as_floats, log

if TYPE_CHECKING:
    from ..tensor import Tensor

Array = Any  # an ndarray, or a number that takes part as one

HALF = np.dtype(np.float16)


@primitive(a=lambda g: g, b=lambda g: g)
def add(a: Array, b: Array) -> Array:
    """a + b.

    >>> import tinygrad_cnn as tg
    >>> tg.add(tg.Tensor([[1.0], [2.0]]), tg.Tensor([10.0, 20.0]))
    Tensor([[11., 21.],
            [12., 22.]])
    """
    return np.add(a, b)


@primitive(a=lambda g: g, b=lambda g: -g)
def sub(a: Array, b: Array) -> Array:
    """a - b.

    >>> import tinygrad_cnn as tg
    >>> tg.sub(tg.Tensor([3.0, 4.0]), 1)
    Tensor([2., 3.])
    """
    return np.subtract(a, b)


@primitive(a=lambda g, b: g * b, b=lambda g, a: g * a)
def mul(a: Array, b: Array) -> Array:
    """a * b.

    >>> import tinygrad_cnn as tg
    >>> tg.mul(tg.Tensor([3.0, 4.0]), tg.Tensor([2.0, 0.5]))
    Tensor([6., 2.])
    """
    return np.multiply(a, b)


@primitive(a=lambda g, b: g / b, b=lambda g, b, out: -g * out / b)
def div(a: Array, b: Array) -> Array:
    """a / b; of integers too a float. A float over 0 is inf or NaN.

    >>> import tinygrad_cnn as tg
    >>> tg.div(tg.Tensor([1, 2]), 2)
    Tensor([0.5, 1. ])
    """
    out = np.true_divide(a, b)
    return out if out.dtype is not HALF else np.true_divide(as_floats(a), as_floats(b))


@primitive(x=lambda g: -g)
def neg(x: Array) -> Array:
    """-x.

    >>> import tinygrad_cnn as tg
    >>> tg.neg(tg.Tensor([1.0, -2.0]))
    Tensor([-1.,  2.])
    """
    return np.negative(x)


def _base_cotangent(g: Tensor, a: Any, b: Any) -> Tensor:
    """g * b * a**(b - 1), and 0 where b is 0, also at a = 0."""
    if isinstance(b, (int, float)):
        return g * (a ** (b - 1) * b) if b else g * 0.0
    flat = eq(b, 0)
    return g * masked_fill(b * a ** where(flat, 1.0, b - 1), flat, 0.0)


def _exponent_cotangent(g: Tensor, a: Any, b: Any, out: Tensor) -> Tensor:
    """g * out * log(a), and 0 where a is 0 and b is not negative: there 0**b is flat but for a jump."""
    if isinstance(a, (int, float)) and a > 0:
        return g * out * math.log(a)  # a Tensor of a number would be float32
    return g * out * log(where(logical_and(eq(a, 0), ge(b, 0)), 1.0, a))


@primitive(a=_base_cotangent, b=_exponent_cotangent)
def pow(a: Array, b: Array) -> Array:
    """a ** b. The exponent's gradient is 0 where a is 0 and b is not negative.

    >>> import tinygrad_cnn as tg
    >>> tg.pow(tg.Tensor([1.0, 2.0, 3.0]), 2)
    Tensor([1., 4., 9.])
    """
    return np.power(a, b)


def _check_divisor(a: Array, b: Array) -> None:
    if np.result_type(a, b).kind != "f" and not np.all(b):
        raise ZeroDivisionError("integers cannot be divided by 0; convert them with .float() for inf and NaN")


@primitive()
def floor_divide(a: Array, b: Array) -> Array:
    """The largest integer not above a / b; carries no gradient. ZeroDivisionError for integers over 0.

    >>> import tinygrad_cnn as tg
    >>> tg.floor_divide(tg.Tensor([7.0, -7.0]), 2)
    Tensor([ 3., -4.])
    """
    _check_divisor(a, b)
    return np.floor_divide(a, b)


@primitive(a=lambda g: g, b=lambda g, a, b: -g * floor_divide(a, b))
def remainder(a: Array, b: Array) -> Array:
    """a - b * floor(a / b), with the sign of b. ZeroDivisionError for integers over 0.

    >>> import tinygrad_cnn as tg
    >>> tg.remainder(tg.Tensor([7.0, -7.0]), 4)
    Tensor([3., 1.])
    """
    _check_divisor(a, b)
    return np.remainder(a, b)

"""Operations on each element alone, with broadcasting: arithmetic, functions, choices.

No rule mentions broadcasting: the sweep sums a cotangent back to its input's shape.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from .. import kernels
from ..arguments import checked
from ..autograd import primitive
from .compare import eq, ge, gt, le, logical_and, logical_or, lt

if TYPE_CHECKING:
    from ..tensor import Tensor

Array = Any  # an ndarray, or a number that takes part as one

HALF = np.dtype(np.float16)
TWO_OVER_SQRT_PI = 2 / np.sqrt(np.pi).item()


# -- arithmetic ------------------------------------------------------------------------------------------


@primitive(a=lambda g: g, b=lambda g: g)
def add(a: Array, b: Array) -> Array:
    """a + b."""
    return np.add(a, b)


@primitive(a=lambda g: g, b=lambda g: -g)
def sub(a: Array, b: Array) -> Array:
    """a - b."""
    return np.subtract(a, b)


@primitive(a=lambda g, b: g * b, b=lambda g, a: g * a)
def mul(a: Array, b: Array) -> Array:
    """a * b."""
    return np.multiply(a, b)


@primitive(a=lambda g, b: g / b, b=lambda g, b, out: -g * out / b)
def div(a: Array, b: Array) -> Array:
    """a / b."""
    out = np.true_divide(a, b)
    return out if out.dtype is not HALF else np.true_divide(_floats(a), _floats(b))


@primitive(x=lambda g: -g)
def neg(x: Array) -> Array:
    """-x."""
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
    """a ** b."""
    return np.power(a, b)


def _check_divisor(a: Array, b: Array) -> None:
    if np.result_type(a, b).kind != "f" and not np.all(b):
        raise ZeroDivisionError("integers cannot be divided by 0; convert them with .float() for inf and NaN")


@primitive()
def floor_divide(a: Array, b: Array) -> Array:
    """The largest integer not above a / b; carries no gradient. ZeroDivisionError for integers over 0."""
    _check_divisor(a, b)
    return np.floor_divide(a, b)


@primitive(a=lambda g: g, b=lambda g, a, b: -g * floor_divide(a, b))
def remainder(a: Array, b: Array) -> Array:
    """a - b * floor(a / b), with the sign of b. ZeroDivisionError for integers over 0."""
    _check_divisor(a, b)
    return np.remainder(a, b)


def _floats(x: Array) -> Array:
    """x, as float32 where it holds integers or bools: of the smallest of them NumPy makes float16."""
    return x.astype(np.float32) if isinstance(x, np.ndarray) and x.dtype.kind in "biu" else x


def _is_bool(x: Array) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "b"


# -- functions -------------------------------------------------------------------------------------------


@primitive(x=lambda g, out: g * out)
def exp(x: Array) -> Array:
    """e ** x."""
    return np.exp(_floats(x))


@primitive(x=lambda g, x: g * exp(x))  # out + 1 would lose digits where x is far below 0
def expm1(x: Array) -> Array:
    """e ** x - 1, accurate near 0."""
    return np.expm1(_floats(x))


@primitive(x=lambda g, x: g / x)
def log(x: Array) -> Array:
    """The natural logarithm."""
    return np.log(_floats(x))


@primitive(x=lambda g, x: g / (x + 1))
def log1p(x: Array) -> Array:
    """log(1 + x), accurate near 0."""
    return np.log1p(_floats(x))


@primitive(x=lambda g, out: g / (out * 2))
def sqrt(x: Array) -> Array:
    """The square root."""
    return np.sqrt(_floats(x))


@primitive(x=lambda g, out: g * out * out * out * -0.5)
def rsqrt(x: Array) -> Array:
    """1 / sqrt(x)."""
    return np.reciprocal(np.sqrt(_floats(x)))


@primitive(x=lambda g, x: g * (x * 2))
def square(x: Array) -> Array:
    """x * x."""
    return np.square(x.astype(np.int64) if _is_bool(x) else x)


@primitive(x=lambda g, out: -g * (out * out))
def reciprocal(x: Array) -> Array:
    """1 / x."""
    return np.true_divide(1, _floats(x))


@primitive(x=lambda g, x: g * sign(x))
def abs(x: Array) -> Array:
    """|x|, with derivative 0 at 0."""
    return np.absolute(x)


@primitive(x=lambda g: g * 0.0)
def sign(x: Array) -> Array:
    """-1, 0 or 1, and 0 for NaN, as in Torch; its derivative is 0."""
    return x if _is_bool(x) else kernels.sign(x)


@primitive(x=lambda g: g * 0.0)
def floor(x: Array) -> Array:
    """The largest integer not above x; its derivative is 0."""
    return np.floor(x)


@primitive(x=lambda g: g * 0.0)
def ceil(x: Array) -> Array:
    """The smallest integer not below x; its derivative is 0."""
    return np.ceil(x)


@primitive(x=lambda g: g * 0.0)
def round(x: Array) -> Array:
    """The nearest integer, halves to even; its derivative is 0."""
    return np.round(x)


@primitive(x=lambda g, x: g * cos(x))
def sin(x: Array) -> Array:
    """The sine of x radians."""
    return np.sin(_floats(x))


@primitive(x=lambda g, x: -g * sin(x))
def cos(x: Array) -> Array:
    """The cosine of x radians."""
    return np.cos(_floats(x))


@primitive(x=lambda g, out: g * (1 - out * out))
def tanh(x: Array) -> Array:
    """The hyperbolic tangent."""
    return np.tanh(_floats(x))


@primitive(x=lambda g, out: g * (out * (1 - out)))
def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow."""
    return kernels.sigmoid(_floats(x))


@primitive(x=lambda g, x: g * exp(x * -x) * TWO_OVER_SQRT_PI)
def erf(x: Array) -> Array:
    """The error function, 2/sqrt(pi) times the integral of exp(-t*t) from 0 to x."""
    return kernels.erf(_floats(x))


@primitive(x=lambda g, x: g * sigmoid(x))
def softplus(x: Array) -> Array:
    """log(1 + exp(x)), without overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


@primitive(x=lambda g, out: where_positive(g, out))
def relu(x: Array) -> Array:
    """max(x, 0), with derivative 0 at 0; NaN stays NaN."""
    return kernels.relu(x)


@primitive(a=lambda g, b: where_positive(g, b))
def where_positive(a: Array, b: Array) -> Array:
    """a where b > 0, else 0."""
    return kernels.where_positive(a, b)


@primitive(x=lambda g, keep, scale: dropout(g, keep, scale=scale))
def dropout(x: Array, keep: Array, *, scale: float) -> Array:
    """x * scale where `keep` holds, which is broadcast to x, else 0."""
    return kernels.dropout(x, keep, scale)


# -- choices ---------------------------------------------------------------------------------------------


def _share(g: Tensor, a: Any, b: Any, loses: Tensor) -> Tensor:
    """What one of two rivals gets of g: none where it loses, half at a tie, as in Torch."""
    return where(eq(a, b), g * 0.5, where(loses, 0.0, g))


@primitive(a=lambda g, a, b: _share(g, a, b, lt(a, b)), b=lambda g, a, b: _share(g, a, b, gt(a, b)))
def maximum(a: Array, b: Array) -> Array:
    """The larger of two; at a tie each gets half the gradient. NaN wins."""
    return np.maximum(a, b)


@primitive(a=lambda g, a, b: _share(g, a, b, gt(a, b)), b=lambda g, a, b: _share(g, a, b, lt(a, b)))
def minimum(a: Array, b: Array) -> Array:
    """The smaller of two; at a tie each gets half the gradient. NaN wins."""
    return np.minimum(a, b)


@primitive(
    a=lambda g, condition: where(condition, g, 0.0),
    b=lambda g, condition: where(condition, 0.0, g),
)
def where(condition: Array, a: Array, b: Array) -> Array:
    """a where the condition holds, else b."""
    return np.where(condition, a, b)


def where_method(x: Tensor, condition: Tensor, other: Any) -> Tensor:
    """x where the condition holds, else other."""
    return where(condition, x, other)


@checked
def masked_fill(x: Tensor, mask: Any, value: float | Tensor) -> Tensor:
    """x with `value` wherever the mask (broadcast to x) is true, in x's dtype."""
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

    The gradient passes where x is inside or on a limit, as in Torch. TypeError if both limits are left out.

    >>> import tinygrad_cnn as tg
    >>> tg.clamp(tg.Tensor([-2.0, 0.5, 2.0]), -1, 1)
    Tensor([-1. ,  0.5,  1. ])
    """
    if min is None and max is None:
        raise TypeError("clamp: at least one of min and max must be given")
    x = to(x, np.int64) if x.dtype.kind == "b" else x
    lowest, highest = (-np.inf, np.inf) if x.dtype.kind == "f" else (np.iinfo(x.dtype).min, np.iinfo(x.dtype).max)
    return clip(x, lowest if min is None else min, highest if max is None else max)


# -- copies and types ------------------------------------------------------------------------------------


@primitive(x=lambda g: g)
def clone(x: Array) -> Array:
    """A copy of x in the graph."""
    return np.array(x)


@primitive(x=lambda g: g)
def contiguous(x: Array) -> Array:
    """x itself if it lies in C order, else a copy that does."""
    return np.asarray(x, order="C")


@primitive(x=lambda g: g)  # the sweep casts a cotangent back to its input's type
def cast(x: Array, *, dtype: DTypeLike) -> Array:
    """x in another dtype."""
    return np.asarray(x).astype(dtype, copy=False)


@checked
def to(x: Tensor, dtype: DTypeLike | None) -> Tensor:
    """x in another dtype, or as it is for None; floats only carry the gradient on.

    >>> import tinygrad_cnn as tg
    >>> tg.Tensor([1.5, 2.5]).to("int64")
    Tensor([1, 2])
    """
    dtype = x.dtype if dtype is None else np.dtype(dtype)
    if dtype.kind not in "fiub":
        raise TypeError(f"to: a tensor holds floats, integers or bools, not {dtype}")
    return x if x.dtype == dtype else cast(x, dtype=dtype)


@checked
def type_as(x: Tensor, other: Tensor) -> Tensor:
    """x in the dtype of `other`."""
    return to(x, other.dtype)

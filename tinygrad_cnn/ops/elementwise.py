"""Functions of each element alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import kernels
from ..autograd import primitive

Array = Any  # an ndarray, or a number that takes part as one

TWO_OVER_SQRT_PI = 2 / np.sqrt(np.pi).item()


def as_floats(x: Array) -> Array:
    """x, as float32 where it holds integers or bools: of the smallest of them NumPy makes float16."""
    return x.astype(np.float32) if isinstance(x, np.ndarray) and x.dtype.kind in "biu" else x


def _is_bool(x: Array) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "b"


@primitive(x=lambda g, out: g * out)
def exp(x: Array) -> Array:
    """e ** x.

    >>> import tinygrad_cnn as tg
    >>> tg.exp(tg.Tensor([0.0, -1000.0]))
    Tensor([1., 0.])
    """
    return np.exp(as_floats(x))


@primitive(x=lambda g, x: g * exp(x))  # out + 1 would lose digits where x is far below 0
def expm1(x: Array) -> Array:
    """e ** x - 1, accurate near 0.

    >>> import tinygrad_cnn as tg
    >>> tg.expm1(tg.Tensor([0.0, 1e-9]))
    Tensor([0.e+00, 1.e-09])
    """
    return np.expm1(as_floats(x))


@primitive(x=lambda g, x: g / x)
def log(x: Array) -> Array:
    """The natural logarithm: -inf at 0, NaN below.

    >>> import tinygrad_cnn as tg
    >>> tg.log(tg.Tensor([1.0, 0.0, -1.0]))
    Tensor([  0., -inf,  nan])
    """
    return np.log(as_floats(x))


@primitive(x=lambda g, x: g / (x + 1))
def log1p(x: Array) -> Array:
    """log(1 + x), accurate near 0.

    >>> import tinygrad_cnn as tg
    >>> tg.log1p(tg.Tensor([0.0, 1e-9]))
    Tensor([0.e+00, 1.e-09])
    """
    return np.log1p(as_floats(x))


@primitive(x=lambda g, out: g / (out * 2))
def sqrt(x: Array) -> Array:
    """The square root; NaN below 0. Its derivative at 0 is inf.

    >>> import tinygrad_cnn as tg
    >>> tg.sqrt(tg.Tensor([4.0, 9.0]))
    Tensor([2., 3.])
    """
    return np.sqrt(as_floats(x))


@primitive(x=lambda g, out: g * out * out * out * -0.5)
def rsqrt(x: Array) -> Array:
    """1 / sqrt(x).

    >>> import tinygrad_cnn as tg
    >>> tg.rsqrt(tg.Tensor([4.0, 16.0]))
    Tensor([0.5 , 0.25])
    """
    return np.reciprocal(np.sqrt(as_floats(x)))


@primitive(x=lambda g, x: g * (x * 2))
def square(x: Array) -> Array:
    """x * x.

    >>> import tinygrad_cnn as tg
    >>> tg.square(tg.Tensor([2.0, -3.0]))
    Tensor([4., 9.])
    """
    return np.square(x.astype(np.int64) if _is_bool(x) else x)


@primitive(x=lambda g, out: -g * (out * out))
def reciprocal(x: Array) -> Array:
    """1 / x.

    >>> import tinygrad_cnn as tg
    >>> tg.reciprocal(tg.Tensor([2.0, -4.0]))
    Tensor([ 0.5 , -0.25])
    """
    return np.true_divide(1, as_floats(x))


@primitive(x=lambda g, x: g * sign(x))
def abs(x: Array) -> Array:
    """|x|, with derivative 0 at 0.

    >>> import tinygrad_cnn as tg
    >>> tg.abs(tg.Tensor([2.0, -3.0]))
    Tensor([2., 3.])
    """
    return np.absolute(x)


@primitive(x=lambda g: g * 0.0)
def sign(x: Array) -> Array:
    """-1, 0 or 1, and 0 for NaN, as in Torch; its derivative is 0.

    >>> import tinygrad_cnn as tg
    >>> tg.sign(tg.Tensor([2.0, 0.0, -3.0]))
    Tensor([ 1.,  0., -1.])
    """
    return x if _is_bool(x) else kernels.sign(x)


@primitive(x=lambda g: g * 0.0)
def floor(x: Array) -> Array:
    """The largest integer not above x; its derivative is 0.

    >>> import tinygrad_cnn as tg
    >>> tg.floor(tg.Tensor([1.5, -1.5]))
    Tensor([ 1., -2.])
    """
    return np.floor(x)


@primitive(x=lambda g: g * 0.0)
def ceil(x: Array) -> Array:
    """The smallest integer not below x; its derivative is 0.

    >>> import tinygrad_cnn as tg
    >>> tg.ceil(tg.Tensor([1.5, -1.5]))
    Tensor([ 2., -1.])
    """
    return np.ceil(x)


@primitive(x=lambda g: g * 0.0)
def round(x: Array) -> Array:
    """The nearest integer, halves to even; its derivative is 0.

    >>> import tinygrad_cnn as tg
    >>> tg.round(tg.Tensor([0.5, 1.5, -1.2]))
    Tensor([ 0.,  2., -1.])
    """
    return np.round(x)


@primitive(x=lambda g, x: g * cos(x))
def sin(x: Array) -> Array:
    """The sine of x radians.

    >>> import math
    >>> import tinygrad_cnn as tg
    >>> tg.sin(tg.Tensor([0.0, math.pi / 2]))
    Tensor([0., 1.])
    """
    return np.sin(as_floats(x))


@primitive(x=lambda g, x: -g * sin(x))
def cos(x: Array) -> Array:
    """The cosine of x radians.

    >>> import math
    >>> import tinygrad_cnn as tg
    >>> tg.cos(tg.Tensor([0.0, math.pi]))
    Tensor([ 1., -1.])
    """
    return np.cos(as_floats(x))


@primitive(x=lambda g, out: g * (1 - out * out))
def tanh(x: Array) -> Array:
    """The hyperbolic tangent.

    >>> import tinygrad_cnn as tg
    >>> tg.tanh(tg.Tensor([0.0, 100.0]))
    Tensor([0., 1.])
    """
    return np.tanh(as_floats(x))


@primitive(x=lambda g, out: g * (out * (1 - out)))
def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow.

    >>> import tinygrad_cnn as tg
    >>> tg.sigmoid(tg.Tensor([0.0, 100.0]))
    Tensor([0.5, 1. ])
    """
    return kernels.sigmoid(as_floats(x))


@primitive(x=lambda g, x: g * exp(x * -x) * TWO_OVER_SQRT_PI)
def erf(x: Array) -> Array:
    """The error function, 2/sqrt(pi) times the integral of exp(-t*t) from 0 to x.

    >>> import tinygrad_cnn as tg
    >>> tg.erf(tg.Tensor([0.0, 10.0]))
    Tensor([0., 1.])
    """
    return kernels.erf(as_floats(x))


@primitive(x=lambda g, x: g * sigmoid(x))
def softplus(x: Array) -> Array:
    """log(1 + exp(x)), without overflow. With options it is `F.softplus`.

    >>> import tinygrad_cnn as tg
    >>> tg.softplus(tg.Tensor([0.0, 100.0]))
    Tensor([  0.6931472, 100.       ])
    """
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


@primitive(x=lambda g, out: where_positive(g, out))
def relu(x: Array) -> Array:
    """max(x, 0), for x of any shape, with derivative 0 at 0; NaN stays NaN. Nair & Hinton 2010.

    >>> import tinygrad_cnn as tg
    >>> tg.relu(tg.Tensor([-1.0, 2.0]))
    Tensor([0., 2.])
    """
    return kernels.relu(x)


@primitive(a=lambda g, b: where_positive(g, b))
def where_positive(a: Array, b: Array) -> Array:
    """a where b > 0, else 0."""
    return kernels.where_positive(a, b)


@primitive(x=lambda g, keep, scale: dropout(g, keep, scale=scale))
def dropout(x: Array, keep: Array, *, scale: float) -> Array:
    """x * scale where `keep` holds, which is broadcast to x, else 0."""
    return kernels.dropout(x, keep, scale)

"""Comparisons, logic and tests of each element alone, with broadcasting; they carry no gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import primitive

Array = Any  # an ndarray, or a number that takes part as one


@primitive()
def eq(a: Array, b: Array) -> Array:
    """a == b.

    >>> import tinygrad_cnn as tg
    >>> tg.eq(tg.Tensor([1.0, 2.0]), 2)
    Tensor([False,  True])
    """
    return np.equal(a, b)


@primitive()
def ne(a: Array, b: Array) -> Array:
    """a != b.

    >>> import tinygrad_cnn as tg
    >>> tg.ne(tg.Tensor([1.0, 2.0]), 2)
    Tensor([ True, False])
    """
    return np.not_equal(a, b)


@primitive()
def lt(a: Array, b: Array) -> Array:
    """a < b.

    >>> import tinygrad_cnn as tg
    >>> tg.lt(tg.Tensor([1.0, 2.0]), 2)
    Tensor([ True, False])
    """
    return np.less(a, b)


@primitive()
def le(a: Array, b: Array) -> Array:
    """a <= b.

    >>> import tinygrad_cnn as tg
    >>> tg.le(tg.Tensor([1.0, 2.0]), 2)
    Tensor([ True,  True])
    """
    return np.less_equal(a, b)


@primitive()
def gt(a: Array, b: Array) -> Array:
    """a > b.

    >>> import tinygrad_cnn as tg
    >>> tg.gt(tg.Tensor([1.0, 2.0]), 1)
    Tensor([False,  True])
    """
    return np.greater(a, b)


@primitive()
def ge(a: Array, b: Array) -> Array:
    """a >= b.

    >>> import tinygrad_cnn as tg
    >>> tg.ge(tg.Tensor([1.0, 2.0]), 1)
    Tensor([ True,  True])
    """
    return np.greater_equal(a, b)


@primitive()
def logical_and(a: Array, b: Array) -> Array:
    """a and b, where all but 0 is true.

    >>> import tinygrad_cnn as tg
    >>> tg.logical_and(tg.Tensor([0, 1, 2]), tg.Tensor([3, 0, 4]))
    Tensor([False, False,  True])
    """
    return np.logical_and(a, b)


@primitive()
def logical_or(a: Array, b: Array) -> Array:
    """a or b, where all but 0 is true.

    >>> import tinygrad_cnn as tg
    >>> tg.logical_or(tg.Tensor([0, 0, 2]), tg.Tensor([3, 0, 4]))
    Tensor([ True, False,  True])
    """
    return np.logical_or(a, b)


@primitive()
def logical_xor(a: Array, b: Array) -> Array:
    """Either a or b, not both, where all but 0 is true.

    >>> import tinygrad_cnn as tg
    >>> tg.logical_xor(tg.Tensor([0, 0, 2]), tg.Tensor([3, 0, 4]))
    Tensor([ True, False, False])
    """
    return np.logical_xor(a, b)


@primitive()
def logical_not(x: Array) -> Array:
    """Whether x is 0.

    >>> import tinygrad_cnn as tg
    >>> tg.logical_not(tg.Tensor([0.0, 2.0]))
    Tensor([ True, False])
    """
    return np.logical_not(x)


@primitive()
def bitwise_and(a: Array, b: Array) -> Array:
    """a & b: of bools, or bit by bit of integers. TypeError for floats.

    >>> import tinygrad_cnn as tg
    >>> tg.bitwise_and(tg.Tensor([6, 3]), 2)
    Tensor([2, 2])
    """
    return np.bitwise_and(a, b)


@primitive()
def bitwise_or(a: Array, b: Array) -> Array:
    """a | b: of bools, or bit by bit of integers. TypeError for floats.

    >>> import tinygrad_cnn as tg
    >>> tg.bitwise_or(tg.Tensor([4, 3]), 2)
    Tensor([6, 3])
    """
    return np.bitwise_or(a, b)


@primitive()
def bitwise_xor(a: Array, b: Array) -> Array:
    """a ^ b: of bools, or bit by bit of integers. TypeError for floats.

    >>> import tinygrad_cnn as tg
    >>> tg.bitwise_xor(tg.Tensor([4, 3]), 2)
    Tensor([6, 1])
    """
    return np.bitwise_xor(a, b)


@primitive()
def bitwise_not(x: Array) -> Array:
    """~x: of bools, or bit by bit of integers. TypeError for floats.

    >>> import tinygrad_cnn as tg
    >>> tg.bitwise_not(tg.Tensor([True, False]))
    Tensor([False,  True])
    """
    return np.bitwise_not(x)


@primitive()
def isnan(x: Array) -> Array:
    """Whether x is NaN.

    >>> import tinygrad_cnn as tg
    >>> tg.isnan(tg.Tensor([1.0, float("nan")]))
    Tensor([False,  True])
    """
    return np.isnan(x)


@primitive()
def isinf(x: Array) -> Array:
    """Whether x is infinite.

    >>> import tinygrad_cnn as tg
    >>> tg.isinf(tg.Tensor([1.0, float("-inf")]))
    Tensor([False,  True])
    """
    return np.isinf(x)


@primitive()
def isfinite(x: Array) -> Array:
    """Whether x is neither infinite nor NaN.

    >>> import tinygrad_cnn as tg
    >>> tg.isfinite(tg.Tensor([1.0, float("inf")]))
    Tensor([ True, False])
    """
    return np.isfinite(x)

"""Comparisons, logic and tests of each element alone, with broadcasting; they carry no gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import primitive

Array = Any  # an ndarray, or a number that takes part as one


@primitive()
def eq(a: Array, b: Array) -> Array:
    """a == b."""
    return np.equal(a, b)


@primitive()
def ne(a: Array, b: Array) -> Array:
    """a != b."""
    return np.not_equal(a, b)


@primitive()
def lt(a: Array, b: Array) -> Array:
    """a < b."""
    return np.less(a, b)


@primitive()
def le(a: Array, b: Array) -> Array:
    """a <= b."""
    return np.less_equal(a, b)


@primitive()
def gt(a: Array, b: Array) -> Array:
    """a > b."""
    return np.greater(a, b)


@primitive()
def ge(a: Array, b: Array) -> Array:
    """a >= b."""
    return np.greater_equal(a, b)


@primitive()
def logical_and(a: Array, b: Array) -> Array:
    """a and b, where all but 0 is true."""
    return np.logical_and(a, b)


@primitive()
def logical_or(a: Array, b: Array) -> Array:
    """a or b, where all but 0 is true."""
    return np.logical_or(a, b)


@primitive()
def logical_xor(a: Array, b: Array) -> Array:
    """Either a or b, not both, where all but 0 is true."""
    return np.logical_xor(a, b)


@primitive()
def logical_not(x: Array) -> Array:
    """Whether x is 0."""
    return np.logical_not(x)


@primitive()
def bitwise_and(a: Array, b: Array) -> Array:
    """a & b: of bools, or bit by bit of integers."""
    return np.bitwise_and(a, b)


@primitive()
def bitwise_or(a: Array, b: Array) -> Array:
    """a | b: of bools, or bit by bit of integers."""
    return np.bitwise_or(a, b)


@primitive()
def bitwise_xor(a: Array, b: Array) -> Array:
    """a ^ b: of bools, or bit by bit of integers."""
    return np.bitwise_xor(a, b)


@primitive()
def bitwise_not(x: Array) -> Array:
    """~x: of bools, or bit by bit of integers."""
    return np.bitwise_not(x)


@primitive()
def isnan(x: Array) -> Array:
    """Whether x is NaN."""
    return np.isnan(x)


@primitive()
def isinf(x: Array) -> Array:
    """Whether x is infinite."""
    return np.isinf(x)


@primitive()
def isfinite(x: Array) -> Array:
    """Whether x is neither infinite nor NaN."""
    return np.isfinite(x)

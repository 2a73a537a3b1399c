"""Copies, and the same values in another type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from ..arguments import checked
from ..autograd import primitive

if TYPE_CHECKING:
    from ..tensor import Tensor

Array = Any  # an ndarray, or a number that takes part as one


@primitive(x=lambda g: g)
def clone(x: Array) -> Array:
    """A copy of x in the graph: gradients go through it.

    >>> import tinygrad_cnn as tg
    >>> tg.clone(tg.Tensor([1.0, 2.0]))
    Tensor([1., 2.])
    """
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

    Raises TypeError for a dtype that is no float, integer or bool.

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

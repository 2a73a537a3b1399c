"""Softmax and its logarithm along an axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import DTypeLike

from ..autograd import primitive
from .elementwise import exp, to
from .reduce import sum_over
from .support import as_tensor, axis

if TYPE_CHECKING:
    from ..tensor import Tensor


def _total(x: Tensor, dim: int) -> Tensor:
    return sum_over(x, dim=(dim,) if x.ndim else (), keepdim=True)


def _shifted(x: np.ndarray, dim: int) -> np.ndarray:
    """x less its largest element, so that exp cannot overflow."""
    if not x.size:
        return x
    return x - np.max(x, axis=dim if x.ndim else None, keepdims=True)


@primitive(x=lambda g, out, dim: out * (g - _total(g * out, dim)))
def softmax_along(x: np.ndarray, *, dim: int) -> np.ndarray:
    weights = np.exp(_shifted(x, dim))
    weights /= np.sum(weights, axis=dim if x.ndim else None, keepdims=True)
    return weights


@primitive(x=lambda g, out, dim: g - exp(out) * _total(g, dim))
def log_softmax_along(x: np.ndarray, *, dim: int) -> np.ndarray:
    shifted = _shifted(x, dim)
    return shifted - np.log(np.sum(np.exp(shifted), axis=dim if x.ndim else None, keepdims=True))


def softmax(x: Tensor, dim: int, *, dtype: DTypeLike | None = None) -> Tensor:
    """exp(x) scaled to sum to 1 along `dim`, in `dtype`.

    >>> import tinygrad_cnn as tg
    >>> tg.softmax(tg.Tensor([0.0, 0.0]), dim=0)
    Tensor([0.5, 0.5])
    """
    x = as_tensor(x, "softmax")
    x = x if dtype is None else to(x, dtype)
    return softmax_along(x, dim=axis(x, dim, "softmax"))


def log_softmax(x: Tensor, dim: int, *, dtype: DTypeLike | None = None) -> Tensor:
    """log(softmax(x)) along `dim`, in `dtype`, accurate where softmax would round to 0."""
    x = as_tensor(x, "log_softmax")
    x = x if dtype is None else to(x, dtype)
    return log_softmax_along(x, dim=axis(x, dim, "log_softmax"))

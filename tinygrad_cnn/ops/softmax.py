"""Softmax and its logarithm along an axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import DTypeLike

from .. import kernels
from ..arguments import checked
from ..autograd import primitive
from .copies import to
from .elementwise import exp
from .reduce import sum_over
from .support import axis

if TYPE_CHECKING:
    from ..tensor import Tensor


def _total(x: Tensor, dim: int) -> Tensor:
    return sum_over(x, dim=(dim,) if x.ndim else (), keepdim=True)


@primitive(x=lambda g, out, dim: softmax_input(g, out, dim=dim))
def softmax_along(x: np.ndarray, *, dim: int) -> np.ndarray:
    return kernels.softmax(x, dim)


@primitive(
    g=lambda u, weights, dim: softmax_input(u, weights, dim=dim),
    weights=lambda u, g, weights, dim: u * (g - _total(g * weights, dim)) - g * _total(u * weights, dim),
)
def softmax_input(g: np.ndarray, weights: np.ndarray, *, dim: int) -> np.ndarray:
    """softmax's vjp."""
    return kernels.softmax_input(g, weights, dim)


@primitive(x=lambda g, out, dim: log_softmax_input(g, out, dim=dim))
def log_softmax_along(x: np.ndarray, *, dim: int) -> np.ndarray:
    return kernels.log_softmax(x, dim)


@primitive(
    g=lambda u, logs, dim: u - _total(u * exp(logs), dim),
    logs=lambda u, g, logs, dim: -u * exp(logs) * _total(g, dim),
)
def log_softmax_input(g: np.ndarray, logs: np.ndarray, *, dim: int) -> np.ndarray:
    """log_softmax's vjp."""
    return kernels.log_softmax_input(g, logs, dim)


@checked
def softmax(x: Tensor, dim: int, *, dtype: DTypeLike | None = None) -> Tensor:
    """exp(x) scaled to sum to 1 along `dim`, in x's shape and in `dtype`.

    >>> import tinygrad_cnn as tg
    >>> tg.softmax(tg.Tensor([0.0, 0.0]), dim=0)
    Tensor([0.5, 0.5])
    """
    x = x if dtype is None else to(x, dtype)
    return softmax_along(x, dim=axis(x, dim, "softmax"))


@checked
def log_softmax(x: Tensor, dim: int, *, dtype: DTypeLike | None = None) -> Tensor:
    """log(softmax(x)) along `dim`, in x's shape and in `dtype`, accurate where softmax would round to 0.

    >>> import tinygrad_cnn as tg
    >>> tg.log_softmax(tg.Tensor([0.0, 200.0]), dim=0)
    Tensor([-200.,    0.])
    """
    x = x if dtype is None else to(x, dtype)
    return log_softmax_along(x, dim=axis(x, dim, "log_softmax"))

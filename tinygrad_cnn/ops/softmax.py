"""Softmax, its logarithm along an axis, and what cross entropy takes of that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import DTypeLike

from .. import kernels
from ..autograd import primitive
from ..modes import is_grad_enabled
from .elementwise import exp, to
from .reduce import sum_over
from .shape import reshape
from .support import as_tensor, axis

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


def _cross_entropy_vjp(g: Tensor, x: Tensor, index: np.ndarray, residual: tuple[np.ndarray, np.ndarray]) -> Tensor:
    """In one pass; written out in operations that have rules where a gradient of it may be wanted."""
    if not is_grad_enabled():
        return softmax_cross_entropy_input(g, *residual, index=index)
    hot = np.zeros(x.shape, x.dtype)
    hot[np.arange(len(index)), index] = 1
    return reshape(g, (-1, 1)) * (softmax_along(x, dim=1) - hot)


@primitive(residual=True, x=_cross_entropy_vjp)
def softmax_cross_entropy(x: np.ndarray, *, index: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """-log(softmax(x)) at each item's index: (N, classes) -> (N,)."""
    loss, exponentials, total = kernels.cross_entropy(x, index)
    return loss, (exponentials, total)


@primitive()
def softmax_cross_entropy_input(
    g: np.ndarray, exponentials: np.ndarray, total: np.ndarray, *, index: np.ndarray
) -> np.ndarray:
    """softmax_cross_entropy's vjp."""
    return kernels.cross_entropy_input(g, exponentials, total, index)


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

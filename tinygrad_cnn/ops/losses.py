"""Losses as primitives: the formula, the sum or mean over all items, and the gradient are one walk over memory each.

A vjp is also written out in operations that have rules, for where a gradient of it may be wanted.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import kernels
from ..autograd import primitive
from ..modes import is_grad_enabled
from .choices import maximum, where
from .elementwise import abs, log, log1p, sigmoid, sign
from .shape import reshape
from .softmax import softmax_along

if TYPE_CHECKING:
    from ..tensor import Tensor

Formula = Callable[..., Any]


# -- of a prediction and its target, element by element ----------------------------------------------------------

# What slopes are written in: functions on pieces of arrays, or on Tensors.
ARRAYS = SimpleNamespace(**{name: getattr(np, name) for name in ("abs", "where", "maximum", "log", "log1p")})
ARRAYS.sign, ARRAYS.sigmoid = kernels.sign, kernels.sigmoid
TENSORS = SimpleNamespace(abs=abs, where=where, maximum=maximum, log=log, log1p=log1p, sign=sign, sigmoid=sigmoid)


def elementwise_loss(x: Formula, target: Formula) -> Callable[[Formula], Callable[..., Tensor]]:
    """Make a primitive of a formula on arrays, value(x, target), and its slopes in x and in target.

    A slope is called with the functions to use first: slope(f, x, target). The primitive's `reduction` is "mean", "sum"
    or "none"; where it is called with `delta`, formulas have that as their last argument.
    """
    x_rule, target_rule = _rule(x), _rule(target)

    def decorate(value: Formula) -> Callable[..., Tensor]:
        @functools.wraps(value)
        def loss(x: np.ndarray, target: np.ndarray, *, reduction: str, delta: float | None = None) -> np.ndarray:
            formula = _with(delta, value)
            if reduction == "none":
                return kernels.losses(x, target, formula)
            return kernels.sum_losses(x, target, formula, _divisor(x, reduction))

        return primitive(x=x_rule, target=target_rule)(loss)

    return decorate


def _rule(slope: Formula) -> Callable[..., Tensor]:
    def cotangent(g: Tensor, x: Tensor, target: Tensor, reduction: str, delta: float | None) -> Tensor:
        if is_grad_enabled():
            return g / _divisor(x, reduction) * _with(delta, slope)(TENSORS, x, target)
        formula = functools.partial(_with(delta, slope), ARRAYS)
        return loss_slopes(x, target, g, slope=formula, divisor=_divisor(x, reduction))

    return cotangent


def _divisor(x: Any, reduction: str) -> int:
    return int(np.prod(x.shape)) if reduction == "mean" else 1


def _with(delta: float | None, formula: Formula) -> Formula:
    return formula if delta is None else lambda *arguments: formula(*arguments, delta)


@primitive()
def loss_slopes(x: np.ndarray, target: np.ndarray, g: np.ndarray, *, slope: Formula, divisor: int) -> np.ndarray:
    """The vjp of an elementwise loss."""
    return kernels.loss_slopes(x, target, g, slope, divisor)


@elementwise_loss(x=lambda f, x, t: 2 * (x - t), target=lambda f, x, t: 2 * (t - x))
def mse_loss(x: Any, t: Any) -> Any:
    """(x - t) squared."""
    return np.square(x - t)


@elementwise_loss(x=lambda f, x, t: f.sign(x - t), target=lambda f, x, t: f.sign(t - x))
def l1_loss(x: Any, t: Any) -> Any:
    """|x - t|, with derivative 0 at 0."""
    return np.abs(x - t)


def _limited(f: Any, difference: Any, delta: float) -> Any:
    return f.where(f.abs(difference) >= delta, f.sign(difference) * delta, difference)  # NaN stays


@elementwise_loss(
    x=lambda f, x, t, delta: _limited(f, x - t, delta),
    target=lambda f, x, t, delta: _limited(f, t - x, delta),
)
def huber_loss(x: Any, t: Any, delta: float) -> Any:
    """d*d / 2 where d = |x - t| < delta, else delta * (d - delta / 2): as one product, near * (d - near / 2)."""
    size = np.abs(x - t)
    near = np.minimum(size, delta)
    return near * (size - near * 0.5)


@elementwise_loss(
    x=lambda f, x, t, delta: _limited(f, x - t, delta) / delta,
    target=lambda f, x, t, delta: _limited(f, t - x, delta) / delta,
)
def smooth_l1_loss(x: Any, t: Any, delta: float) -> Any:
    """huber_loss / delta."""
    size = np.abs(x - t)
    near = np.minimum(size, delta)
    return near / delta * (size - near * 0.5)


@elementwise_loss(
    x=lambda f, x, t: (x - t) / f.maximum((1 - x) * x, 1e-12),
    target=lambda f, x, t: f.maximum(f.log1p(-x), -100.0) - f.maximum(f.log(x), -100.0),
)
def binary_cross_entropy(x: Any, t: Any) -> Any:
    """Minus the log-likelihood of t under probability x. At 0 and 1 the slope is large but finite."""
    return (t - 1) * np.maximum(np.log1p(-x), -100.0) - t * np.maximum(np.log(x), -100.0)


@elementwise_loss(x=lambda f, x, t: f.sigmoid(x) - t, target=lambda f, x, t: -x)
def binary_cross_entropy_with_logits(x: Any, t: Any) -> Any:
    """log(1 + exp(x)) - x * t, without overflow and, for a t of 0 or 1, to the last digits."""
    return np.log1p(np.exp(-np.abs(x))) + x * ((x > 0) - t)


# -- of class indices --------------------------------------------------------------------------------------------
#
# An index of -1 is a target that does not count: its loss is 0, and a mean leaves it out.


@primitive(x=lambda g, x_shape, index, reduction: nll_input(g, index=index, shape=x_shape, reduction=reduction))
def nll_loss(x: np.ndarray, *, index: np.ndarray, reduction: str) -> np.ndarray:
    """Minus x at each item's index: (N, classes, ...), (N, ...) -> (N, ...), or their sum or mean."""
    return _reduced(-kernels.pick(x, index), index, reduction)


@primitive(g=lambda u, index, reduction: nll_loss(u, index=index, reduction=reduction))
def nll_input(g: np.ndarray, *, index: np.ndarray, shape: tuple[int, ...], reduction: str) -> np.ndarray:
    """nll_loss's adjoint."""
    return kernels.place(-_shares(g, index, reduction), index, shape)


def _cross_entropy_cotangent(
    g: Tensor, x: Tensor, index: np.ndarray, reduction: str, residual: tuple[np.ndarray, np.ndarray]
) -> Tensor:
    if not is_grad_enabled():
        return cross_entropy_input(g, *residual, index=index, reduction=reduction)
    shares = reshape(g / _counted(index, reduction), (-1, 1))
    weights = where(index[:, None] >= 0, softmax_along(x, dim=1), 0.0)
    return weights * shares + nll_input(g, index=index, shape=x.shape, reduction=reduction)


@primitive(residual=True, x=_cross_entropy_cotangent)
def cross_entropy(
    x: np.ndarray, *, index: np.ndarray, reduction: str
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """-log(softmax(x)) at each item's index: (N, classes), (N,) -> (N,), or their sum or mean."""
    losses, exponentials, total = kernels.cross_entropy(x, index)
    return _reduced(losses, index, reduction), (exponentials, total)


@primitive()
def cross_entropy_input(
    g: np.ndarray, exponentials: np.ndarray, total: np.ndarray, *, index: np.ndarray, reduction: str
) -> np.ndarray:
    """cross_entropy's vjp."""
    return kernels.cross_entropy_input(_shares(g, index, reduction), exponentials, total, index)


def _reduced(losses: np.ndarray, index: np.ndarray, reduction: str) -> np.ndarray:
    if reduction == "none":
        return losses
    return np.asarray(np.sum(losses, dtype=np.float64) / _counted(index, reduction), losses.dtype)


def _shares(g: np.ndarray, index: np.ndarray, reduction: str) -> np.ndarray:
    """What each item gets of the result's cotangent."""
    return np.broadcast_to(np.asarray(g / _counted(index, reduction), g.dtype), index.shape)


def _counted(index: np.ndarray, reduction: str) -> float:
    """What the sum is divided by."""
    return float(np.count_nonzero(index >= 0)) if reduction == "mean" else 1.0

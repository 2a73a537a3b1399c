"""Losses as functions, with Torch's names, arguments and reductions ("mean", "sum", "none")."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from . import ops
from .autograd import primitive
from .ops import as_tensor
from .tensor import Tensor


def _reduce(loss: Tensor, reduction: str, name: str) -> Tensor:
    if reduction == "mean":
        return ops.mean(loss)
    if reduction == "sum":
        return ops.sum(loss)
    if reduction == "none":
        return loss
    raise ValueError(f"{name}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")


def _difference(x: Any, target: Any, name: str) -> Tensor:
    x, target = as_tensor(x, name), as_tensor(target, name)
    if x.shape != target.shape:
        try:
            shape = np.broadcast_shapes(x.shape, target.shape)
        except ValueError:
            raise ValueError(f"{name}: x {x.shape} and target {target.shape} do not have one shape") from None
        warnings.warn(
            f"{name}: x {x.shape} and target {target.shape} are broadcast to {shape}, so every output meets every "
            "target; give both one shape",
            stacklevel=3,
        )
    return x - target


def mse_loss(x: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """The squared difference.

    >>> import tinygrad_cnn as tg
    >>> import tinygrad_cnn.functional as F
    >>> F.mse_loss(tg.Tensor([1.0, 2.0]), tg.Tensor([1.0, 4.0]))
    Tensor(2.)
    """
    return _reduce(ops.square(_difference(x, target, "mse_loss")), reduction, "mse_loss")


def l1_loss(x: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """The absolute difference; its derivative at 0 is 0."""
    return _reduce(ops.abs(_difference(x, target, "l1_loss")), reduction, "l1_loss")


def smooth_l1_loss(x: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """d*d / (2 beta) where |d| < beta, else |d| - beta / 2. Girshick 2015, equation 3 (beta = 1)."""
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: beta must not be negative, got {beta}")
    difference = _difference(x, target, "smooth_l1_loss")
    loss = huber(difference, delta=beta) / beta if beta else ops.abs(difference)
    return _reduce(loss, reduction, "smooth_l1_loss")


def huber_loss(x: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """d*d / 2 where |d| < delta, else delta * (|d| - delta / 2). Huber 1964."""
    if delta <= 0:
        raise ValueError(f"huber_loss: delta must be positive, got {delta}")
    return _reduce(huber(_difference(x, target, "huber_loss"), delta=delta), reduction, "huber_loss")


@primitive(difference=lambda g, difference, delta: ops.where(ops.abs(difference) < delta, g, 0.0))
def huber_slope(difference: np.ndarray, *, delta: float) -> np.ndarray:
    """huber's derivative; its own is 1 where |d| < delta."""
    return np.clip(difference, -delta, delta)


@primitive(difference=lambda g, difference, delta: g * huber_slope(difference, delta=delta))
def huber(difference: np.ndarray, *, delta: float) -> np.ndarray:
    """d*d / 2 where |d| < delta, else delta * (|d| - delta / 2), as one product: near * (|d| - near / 2)."""
    size = np.abs(difference)
    near = np.minimum(size, delta)
    size -= near * 0.5
    size *= near
    return size


def _classes(x: Tensor, target: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """x as (..., classes), and the target's indices (...)."""
    if target.dtype.kind not in "iu":
        raise TypeError(f"{name}: class indices should be integers, got {target.dtype}")
    if not x.ndim:
        raise ValueError(f"{name}: x should be (N, C, ...) or (C,), got shape ()")
    fitting = x.shape[:1] * (x.ndim > 1) + x.shape[2:]
    if target.shape != fitting:
        raise ValueError(f"{name}: x of shape {x.shape} needs a target of shape {fitting}, got {target.shape}")
    return (x if x.ndim <= 2 else ops.permute(x, 0, *range(2, x.ndim), 1)), target


def nll_loss(
    x: Tensor, target: Tensor, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """Minus the log-probability of the target's class. x: (N, C, ...) or (C,); target: (N, ...) or (), integers.

    The mean is weighted by `weight` (C,) at the targets; items whose target is `ignore_index` do not count.
    Raises IndexError for a target outside [0, C).
    """
    return _nll(
        as_tensor(x, "nll_loss"),
        as_tensor(target, "nll_loss"),
        weight,
        ignore_index,
        reduction,
        0.0,
        "nll_loss",
        logits=False,
    )


def _nll(
    x: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    smoothing: float,
    name: str,
    logits: bool,
) -> Tensor:
    """Cross entropy of x, log-probabilities or logits, and class indices; `smoothing` spreads the target's weight."""
    x, target = _classes(x, target, name)
    classes = x.shape[-1]
    if weight is not None and weight.shape != (classes,):
        raise ValueError(f"{name}: weight should have shape ({classes},), got {weight.shape}")
    counts = target.data != ignore_index
    index = np.where(counts, target.data, 0)
    if counts.any() and not 0 <= index.min() <= index.max() < classes:
        wrong = index[(index < 0) | (index >= classes)].flat[0]
        raise IndexError(f"{name}: target {wrong} is out of range for {classes} classes")
    per_item = as_tensor(counts.astype(x.dtype)) if weight is None else ops.where(counts, weight[index], 0.0)
    if logits and not smoothing and index.size:
        rows = x if x.ndim == 2 else ops.reshape(x, (index.size, classes))
        loss = ops.softmax_cross_entropy(rows, index=index.reshape(-1))
        loss = (loss if x.ndim == 2 else ops.reshape(loss, index.shape)) * per_item
    else:
        x = ops.log_softmax(x, -1) if logits else x
        picked = ops.gather(x, -1, index[..., None]).squeeze(-1) if index.size else ops.sum(x, -1)
        loss = -picked * per_item
    if smoothing:
        everywhere = x if weight is None else x * weight
        loss = loss * (1 - smoothing) - ops.sum(everywhere, -1) * (smoothing / classes)
    loss = ops.where(counts, loss, 0.0)
    if reduction == "mean":
        return ops.sum(loss) / ops.sum(per_item)
    return _reduce(loss, reduction, name)


def cross_entropy(
    x: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Minus the log-likelihood of the target under softmax(x).

    x: logits (N, C, ...) or (C,). target: class indices (N, ...) or (), or probabilities of x's shape.
    `label_smoothing` mixes in that share of the uniform distribution (Szegedy et al. 2016, section 7).

    >>> import tinygrad_cnn as tg
    >>> import tinygrad_cnn.functional as F
    >>> F.cross_entropy(tg.Tensor([[0.0, 0.0]]), tg.Tensor([1])).item()
    0.6931471824645996
    """
    name = "cross_entropy"
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"{name}: label_smoothing must lie in [0, 1], got {label_smoothing}")
    x, target = as_tensor(x, name), as_tensor(target, name)
    dim = 0 if x.ndim == 1 else 1
    if target.dtype.kind != "f":
        return _nll(x, target, weight, ignore_index, reduction, label_smoothing, name, logits=True)
    if target.shape != x.shape:
        raise ValueError(f"{name}: probabilities should have x's shape {x.shape}, got {target.shape}")
    classes = x.shape[dim]
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    if weight is not None:
        target = target * ops.reshape(weight, (classes, *(1,) * (x.ndim - dim - 1)))
    loss = -ops.sum(ops.log_softmax(x, dim) * target, dim)
    if reduction == "mean":
        return ops.sum(loss) / max(loss.numel(), 1)
    return _reduce(loss, reduction, name)


def binary_cross_entropy(x: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean") -> Tensor:
    """Minus the log-likelihood of targets in [0, 1] under probabilities x of the same shape.

    Logarithms are held above -100, as in Torch. Raises ValueError for probabilities outside [0, 1].
    """
    name = "binary_cross_entropy"
    x, target = as_tensor(x, name), as_tensor(target, name)
    _same_shape(x, target, name)
    if x.numel() and not (x.data.min() >= 0 and x.data.max() <= 1):
        raise ValueError(f"{name}: probabilities must lie in [0, 1]; for logits use binary_cross_entropy_with_logits")
    loss = bernoulli(x, target)
    return _reduce(loss if weight is None else loss * weight, reduction, name)


@primitive(
    x=lambda g, x, target: g * (x - target) / ops.clamp((1 - x) * x, min=1e-12),
    target=lambda g, x: g * (ops.clamp(ops.log1p(-x), min=-100.0) - ops.clamp(ops.log(x), min=-100.0)),
)
def bernoulli(x: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Minus the log-likelihood of target under probability x. At 0 and 1 the gradient is large but finite."""
    return (target - 1) * np.maximum(np.log1p(-x), -100) - target * np.maximum(np.log(x), -100)


def _same_shape(x: Tensor, target: Tensor, name: str) -> None:
    if x.shape != target.shape:
        raise ValueError(f"{name}: x and target should have one shape, got {x.shape} and {target.shape}")


def binary_cross_entropy_with_logits(
    x: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """binary_cross_entropy of sigmoid(x), without overflow; `pos_weight` multiplies the positive targets' share."""
    name = "binary_cross_entropy_with_logits"
    x, target = as_tensor(x, name), as_tensor(target, name)
    _same_shape(x, target, name)
    if pos_weight is None:
        loss = ops.softplus(x) - x * target
    else:
        loss = (1 - target) * x + (1 + (pos_weight - 1) * target) * ops.softplus(-x)
    return _reduce(loss if weight is None else loss * weight, reduction, name)

"""Losses as functions, with Torch's names, arguments and reductions ("mean", "sum", "none")."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from . import ops
from .arguments import checked
from .ops import as_tensor, losses
from .tensor import Tensor


def _check_reduction(reduction: str, name: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{name}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")


def _reduce(loss: Tensor, reduction: str) -> Tensor:
    return {"mean": ops.mean, "sum": ops.sum}[reduction](loss) if reduction != "none" else loss


def _alike(x: Any, target: Any, name: str) -> tuple[Tensor, Tensor]:
    """Both as Tensors of one shape and of one float type."""
    x, target = as_tensor(x, name), as_tensor(target, name)
    if x.shape != target.shape:
        try:
            shape = np.broadcast_shapes(x.shape, target.shape)
        except ValueError:
            raise ValueError(f"{name}: x {x.shape} and target {target.shape} do not have one shape") from None
        warnings.warn(
            f"{name}: x {x.shape} and target {target.shape} are broadcast to {shape}, so every output meets every "
            "target; give both one shape",
            stacklevel=4,
        )
        x, target = ops.broadcast_to(x, shape), ops.broadcast_to(target, shape)
    return _floats(x, target)


def _of_type(loss: Tensor, model: Tensor) -> Tensor:
    """The loss in the type of the one argument that decides on it in Torch, if that holds floats."""
    return loss.to(model.dtype) if model.dtype.kind == "f" else loss


def _floats(x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    dtype = np.result_type(*[t.dtype for t in (x, target) if t.dtype.kind == "f"] or [np.dtype(np.float32)])
    return x.to(dtype), target.to(dtype)


@checked
def mse_loss(x: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """The squared difference of x and target, which have one shape.

    `reduction` is "mean", "sum" or "none", which gives the losses in that shape. Raises ValueError for another, and for
    shapes that do not broadcast; those that do are broadcast with a warning.

    >>> import tinygrad_cnn as tg
    >>> import tinygrad_cnn.functional as F
    >>> F.mse_loss(tg.Tensor([1.0, 2.0]), tg.Tensor([1.0, 4.0]))
    Tensor(2.)
    """
    _check_reduction(reduction, "mse_loss")
    return losses.mse_loss(*_alike(x, target, "mse_loss"), reduction=reduction)


@checked
def l1_loss(x: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """The absolute difference; its derivative at 0 is 0. Shapes, `reduction` and errors as in `mse_loss`.

    >>> import tinygrad_cnn as tg
    >>> import tinygrad_cnn.functional as F
    >>> F.l1_loss(tg.Tensor([1.0, 2.0]), tg.Tensor([1.0, 4.0]))
    Tensor(1.)
    """
    _check_reduction(reduction, "l1_loss")
    return losses.l1_loss(*_alike(x, target, "l1_loss"), reduction=reduction)


@checked
def smooth_l1_loss(x: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """d*d / (2 beta) where |d| < beta, else |d| - beta / 2, for d = x - target. Girshick 2015, equation 3 (beta = 1).

    Shapes, `reduction` and errors as in `mse_loss`; ValueError for a negative beta too.

    >>> import tinygrad_cnn as tg
    >>> import tinygrad_cnn.functional as F
    >>> F.smooth_l1_loss(tg.Tensor([0.5, 3.0]), tg.Tensor([0.0, 0.0]), reduction="none")
    Tensor([0.125, 2.5  ])
    """
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: beta must not be negative, got {beta}")
    _check_reduction(reduction, "smooth_l1_loss")
    both = _alike(x, target, "smooth_l1_loss")
    if not beta:
        return losses.l1_loss(*both, reduction=reduction)
    return losses.smooth_l1_loss(*both, reduction=reduction, delta=beta)


@checked
def huber_loss(x: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """d*d / 2 where |d| < delta, else delta * (|d| - delta / 2), for d = x - target. Huber 1964.

    Shapes, `reduction` and errors as in `mse_loss`; ValueError for a delta that is not positive too.

    >>> import tinygrad_cnn as tg
    >>> import tinygrad_cnn.functional as F
    >>> F.huber_loss(tg.Tensor([1.0, 3.0]), tg.Tensor([0.0, 0.0]), reduction="none", delta=2.0)
    Tensor([0.5, 4. ])
    """
    if delta <= 0:
        raise ValueError(f"huber_loss: delta must be positive, got {delta}")
    _check_reduction(reduction, "huber_loss")
    loss = losses.huber_loss(*_alike(x, target, "huber_loss"), reduction=reduction, delta=delta)
    return _of_type(loss, x)


@checked
def nll_loss(
    x: Tensor, target: Tensor, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """Minus the log-probability of the target's class. x: (N, C, ...) or (C,); target: (N, ...) or (), integers.

    The mean is weighted by `weight` (C,) at the targets; items whose target is `ignore_index` do not count.
    Raises IndexError for a target outside [0, C).

    >>> import tinygrad_cnn as tg
    >>> import tinygrad_cnn.functional as F
    >>> F.nll_loss(tg.Tensor([[-0.5, -1.0]]), tg.Tensor([1]))
    Tensor(1.)
    """
    return _of_classes(losses.nll_loss, x, target, weight, ignore_index, reduction, 0.0, "nll_loss")


def _of_classes(
    loss: Callable[..., Tensor],
    x: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    smoothing: float,
    name: str,
) -> Tensor:
    """loss(x, index=..., reduction=...) with weights and smoothing; the index is -1 where a target does not count."""
    x, target = as_tensor(x, name), as_tensor(target, name)
    index = _class_indices(x, target, ignore_index, name)
    items = x if x.ndim > 1 else ops.reshape(x, (1, -1))
    at = index if x.ndim > 1 else index.reshape(1)
    classes = items.shape[1]
    if weight is not None and weight.shape != (classes,):
        raise ValueError(f"{name}: weight should have shape ({classes},), got {weight.shape}")
    _check_reduction(reduction, name)
    if weight is None and not smoothing:
        result = loss(items, index=at, reduction=reduction)
    else:
        if smoothing:
            items, loss = ops.log_softmax(items, 1), losses.nll_loss
        result, counts = loss(items, index=at, reduction="none"), at >= 0
        total: Any = np.count_nonzero(counts)
        if weight is not None:
            shares = _where_counted(counts, weight[at])
            result, total = result * shares, ops.sum(shares)
        if smoothing:
            everywhere = ops.sum(items if weight is None else items * _along_classes(weight, items), 1)
            result = result * (1 - smoothing) - _where_counted(counts, everywhere) * (smoothing / classes)
        result = ops.sum(result) / total if reduction == "mean" else _reduce(result, reduction)
    return ops.reshape(result, ()) if result.ndim and x.ndim == 1 else result


def _class_indices(x: Tensor, target: Tensor, ignore_index: int, name: str) -> np.ndarray:
    """The target's, with -1 in place of `ignore_index`; raises the errors of a target that does not fit."""
    if target.dtype.kind not in "iu":
        raise TypeError(f"{name}: class indices should be integers, got {target.dtype}")
    if not x.ndim:
        raise ValueError(f"{name}: x should be (N, C, ...) or (C,), got shape ()")
    fitting = x.shape[:1] * (x.ndim > 1) + x.shape[2:]
    if target.shape != fitting:
        raise ValueError(f"{name}: x of shape {x.shape} needs a target of shape {fitting}, got {target.shape}")
    index, classes = target.data.astype(np.int64, copy=False), x.shape[min(x.ndim - 1, 1)]
    counts = index != ignore_index
    wrong = index[counts & ((index < 0) | (index >= classes))]
    if wrong.size:
        raise IndexError(f"{name}: target {wrong[0]} is out of range for {classes} classes")
    return index if counts.all() else np.where(counts, index, -1)  # itself, so that an export sees what it is


def _where_counted(counts: np.ndarray, values: Tensor) -> Tensor:
    return values if counts.all() else ops.where(counts, values, 0.0)


def _along_classes(weight: Tensor, x: Tensor) -> Tensor:
    """weight, (C,), in a shape that meets x, (N, C, ...)."""
    return ops.reshape(weight, (-1, *(1,) * (x.ndim - 2)))


def _cross_entropy(x: Tensor, *, index: np.ndarray, reduction: str) -> Tensor:
    """The primitive for more axes: (N, C, ...), (N, ...)."""
    if x.ndim > 2:
        x = ops.reshape(ops.permute(x, 0, *range(2, x.ndim), 1), (index.size, x.shape[1]))
    flat = index if index.ndim == 1 else ops.reshape(as_tensor(index), (-1,)).data
    result = losses.cross_entropy(x, index=flat, reduction=reduction)
    return ops.reshape(result, index.shape) if result.ndim and index.ndim > 1 else result


@checked
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

    x: logits (N, C, ...) or (C,). target: class indices (N, ...) or (), or probabilities of x's shape. `weight` (C,)
    and `ignore_index`: as in `nll_loss`. `label_smoothing` mixes in that share of the uniform distribution (Szegedy et
    al. 2016, section 7). Raises ValueError for shapes that do not fit and a share outside [0, 1], IndexError for a
    class outside [0, C).

    >>> import tinygrad_cnn as tg
    >>> import tinygrad_cnn.functional as F
    >>> F.cross_entropy(tg.Tensor([[0.0, 0.0]]), tg.Tensor([1])).item()
    0.6931471824645996
    """
    name = "cross_entropy"
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"{name}: label_smoothing must lie in [0, 1], got {label_smoothing}")
    dim = 0 if x.ndim == 1 else 1
    if target.dtype.kind != "f":
        return _of_classes(_cross_entropy, x, target, weight, ignore_index, reduction, label_smoothing, name)
    if target.shape != x.shape:
        raise ValueError(f"{name}: probabilities should have x's shape {x.shape}, got {target.shape}")
    _check_reduction(reduction, name)
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / x.shape[dim]
    if weight is not None:
        target = target * (weight if x.ndim == 1 else _along_classes(weight, x))
    loss = -ops.sum(ops.log_softmax(x, dim) * target, dim)
    return ops.sum(loss) / max(loss.numel(), 1) if reduction == "mean" else _reduce(loss, reduction)


@checked
def binary_cross_entropy(x: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean") -> Tensor:
    """Minus the log-likelihood of targets in [0, 1] under probabilities x of the same shape.

    Logarithms are held above -100, as in Torch. Raises ValueError for probabilities outside [0, 1].

    >>> import tinygrad_cnn as tg
    >>> import tinygrad_cnn.functional as F
    >>> F.binary_cross_entropy(tg.Tensor([0.5, 0.5]), tg.Tensor([1.0, 0.0])).item()
    0.6931471824645996
    """
    name = "binary_cross_entropy"
    given = x
    x, target = _of_one_shape(x, target, reduction, name)
    if x.numel() and not (x.data.min() >= 0 and x.data.max() <= 1):
        raise ValueError(f"{name}: probabilities must lie in [0, 1]; for logits use binary_cross_entropy_with_logits")
    return _of_type(_weighted(losses.binary_cross_entropy, x, target, weight, reduction), given)


def _of_one_shape(x: Any, target: Any, reduction: str, name: str) -> tuple[Tensor, Tensor]:
    x, target = as_tensor(x, name), as_tensor(target, name)
    if x.shape != target.shape:
        raise ValueError(f"{name}: x and target should have one shape, got {x.shape} and {target.shape}")
    _check_reduction(reduction, name)
    return _floats(x, target)


def _weighted(loss: Callable[..., Tensor], x: Tensor, target: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """loss(x, target, reduction=...), reduced only when each item's has been multiplied by its weight."""
    if weight is None:
        return loss(x, target, reduction=reduction)
    return _reduce(loss(x, target, reduction="none") * weight, reduction)


@checked
def binary_cross_entropy_with_logits(
    x: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """binary_cross_entropy of sigmoid(x), without overflow; `pos_weight` multiplies the positive targets' share.

    x and target have one shape, to which the weights are broadcast. Raises ValueError for other shapes.

    >>> import tinygrad_cnn as tg
    >>> import tinygrad_cnn.functional as F
    >>> F.binary_cross_entropy_with_logits(tg.Tensor([0.0, 100.0]), tg.Tensor([1.0, 0.0]), reduction="none")
    Tensor([  0.6931472, 100.       ])
    """
    name = "binary_cross_entropy_with_logits"
    given = target
    x, target = _of_one_shape(x, target, reduction, name)
    if pos_weight is None:
        loss = _weighted(losses.binary_cross_entropy_with_logits, x, target, weight, reduction)
    else:
        loss = ops.softplus(-x) * target * pos_weight + ops.softplus(x) * (1 - target)
        loss = _reduce(loss if weight is None else loss * weight, reduction)
    return _of_type(loss, given)

"""Normalisation as one primitive each: of channels, (N, C, ...), as in batch norm, and of items, as in layer norm.

Ioffe & Szegedy 2015, Algorithm 1; Ba, Kiros & Hinton 2016, equation 4. Each rule is written out in operations that
have rules, for where a gradient of it may be wanted; else it is one or two passes over memory.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import kernels
from ..autograd import primitive
from ..modes import is_grad_enabled, mode
from .elementwise import rsqrt
from .reduce import mean, sum_over
from .shape import reshape

if TYPE_CHECKING:
    from ..tensor import Tensor

Channels = Any  # an array (C,), or a number for all channels


def _others(x: Tensor) -> tuple[int, ...]:
    """All axes but the channels'."""
    return (0, *range(2, x.ndim))


def _along(v: Any, x: Tensor) -> Any:
    """v, (C,), in a shape that meets x's channels."""
    return v if isinstance(v, float) else reshape(v, (1, -1, *(1,) * (x.ndim - 2)))


# -- a multiple of each channel ----------------------------------------------------------------------------------


@primitive(
    x=lambda g, scale: scale_and_shift(g, scale, 0.0),
    scale=lambda g, x: sum_over(g * x, dim=_others(x), keepdim=False),
    shift=lambda g: sum_over(g, dim=_others(g), keepdim=False),
)
def scale_and_shift(x: np.ndarray, scale: Channels, shift: Channels) -> np.ndarray:
    """x * scale + shift, where those have one number per channel."""
    return kernels.scale_and_shift(x, *_per_channel(x, scale, shift))


def _per_channel(x: np.ndarray, *numbers: Channels) -> list[np.ndarray]:
    return [np.broadcast_to(v, x.shape[1:2]) for v in numbers]


# -- normalisation by the channels' own statistics ---------------------------------------------------------------


@primitive()
def channel_statistics(x: np.ndarray) -> np.ndarray:
    """Mean and biased variance of each channel: (N, C, ...) -> (2, C)."""
    return kernels.channel_statistics(x)


@primitive()
def channel_sums(g: np.ndarray, x: np.ndarray, statistics: np.ndarray) -> np.ndarray:
    """Each channel's sum of g, and of g * (x - mean). -> (2, C)"""
    return kernels.channel_sums(g, x, statistics)


@primitive()
def normalize_input(
    g: np.ndarray, x: np.ndarray, weight: Channels, statistics: np.ndarray, sums: np.ndarray, *, eps: float
) -> np.ndarray:
    """normalize_channels' vjp in x."""
    return kernels.normalize_input(g, x, weight, statistics, sums, eps)


class OncePerCotangent:
    """What several rules of one node need of the same cotangent in one sweep: the first that asks has it computed."""

    def __init__(self) -> None:
        self.known: tuple[int, Callable[[], Tensor | None], Any] = 0, (lambda: None), None

    def __call__(self, g: Tensor, compute: Callable[[], Tensor]) -> Tensor:
        sweep, of, value = self.known
        if sweep != mode.blocks or of() is not g:
            value = compute()
            self.known = mode.blocks, weakref.ref(g), value
        return value


def _sums(g: Tensor, x: Tensor, statistics: Tensor, once: OncePerCotangent) -> Tensor:
    return once(g, lambda: channel_sums(g, x, statistics))


def _standard(x: Tensor, eps: float, over: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """x normalised by operations that have rules, and what its deviations were multiplied by."""
    deviation = x - mean(x, over, keepdim=True)
    scale = rsqrt(mean(deviation * deviation, over, keepdim=True) + eps)
    return deviation * scale, scale


def _through_standard(g: Tensor, x: Tensor, eps: float, over: tuple[int, ...]) -> Tensor:
    """The cotangent of x, given that of x normalised."""
    standard, scale = _standard(x, eps, over)
    return scale * (g - mean(g, over, keepdim=True) - standard * mean(g * standard, over, keepdim=True))


def _x_cotangent(
    g: Tensor, x: Tensor, weight: Any, statistics: Tensor, eps: float, residual: OncePerCotangent
) -> Tensor:
    if not is_grad_enabled():
        return normalize_input(g, x, weight, statistics, _sums(g, x, statistics, residual), eps=eps)
    return _through_standard(g * _along(weight, x), x, eps, _others(x))


def _weight_cotangent(g: Tensor, x: Tensor, statistics: Tensor, eps: float, residual: OncePerCotangent) -> Tensor:
    if not is_grad_enabled():
        return _sums(g, x, statistics, residual)[1] * rsqrt(statistics[1] + eps)
    return sum_over(g * _standard(x, eps, _others(x))[0], dim=_others(x), keepdim=False)


def _bias_cotangent(g: Tensor, x: Tensor, statistics: Tensor, residual: OncePerCotangent) -> Tensor:
    if not is_grad_enabled():
        return _sums(g, x, statistics, residual)[0]
    return sum_over(g, dim=_others(g), keepdim=False)


@primitive(residual=True, x=_x_cotangent, weight=_weight_cotangent, bias=_bias_cotangent)
def normalize_channels(
    x: np.ndarray, weight: Channels, bias: Channels, *, statistics: Tensor, eps: float
) -> tuple[np.ndarray, OncePerCotangent]:
    """(x - mean) / sqrt(variance + eps) * weight + bias, where `statistics` are channel_statistics(x).

    They are no input of their own: x's rule knows that they come from x.
    """
    weight, bias = _per_channel(x, weight, bias)
    return kernels.normalize_channels(x, weight, bias, statistics.data, eps), OncePerCotangent()


# -- of items, over their last axes ------------------------------------------------------------------------------


def _rows(x: np.ndarray, axes: int) -> np.ndarray:
    """x with its last axes as one, and the others as one."""
    split = x.ndim - axes
    return x.reshape(math.prod(x.shape[:split]), math.prod(x.shape[split:]))


def _flat(v: Any) -> Any:
    return v if isinstance(v, float) else v.reshape(-1)


@primitive()
def layer_norm_input(g: np.ndarray, x: np.ndarray, weight: Any, statistics: np.ndarray, *, axes: int) -> np.ndarray:
    """layer_norm's vjp in x."""
    return kernels.normalize_rows_input(_rows(g, axes), _rows(x, axes), _flat(weight), statistics).reshape(x.shape)


@primitive()
def layer_norm_sums(g: np.ndarray, x: np.ndarray, statistics: np.ndarray, *, axes: int) -> np.ndarray:
    """layer_norm's vjps in weight and bias: (2, ...)."""
    sums = kernels.normalize_rows_sums(_rows(g, axes), _rows(x, axes), statistics)
    return sums.reshape(2, *x.shape[x.ndim - axes :])


Residual = tuple[np.ndarray, OncePerCotangent]


def _item_cotangent(g: Tensor, x: Tensor, weight: Any, axes: int, eps: float, residual: Residual) -> Tensor:
    if not is_grad_enabled():
        return layer_norm_input(g, x, weight, residual[0], axes=axes)
    return _through_standard(g * weight, x, eps, tuple(range(-axes, 0)))


def _scale_cotangent(g: Tensor, x: Tensor, axes: int, eps: float, residual: Residual) -> Tensor:
    if not is_grad_enabled():
        return residual[1](g, lambda: layer_norm_sums(g, x, residual[0], axes=axes))[0]
    return g * _standard(x, eps, tuple(range(-axes, 0)))[0]  # the sweep adds the items up


def _shift_cotangent(g: Tensor, x: Tensor, axes: int, residual: Residual) -> Tensor:
    if not is_grad_enabled():
        return residual[1](g, lambda: layer_norm_sums(g, x, residual[0], axes=axes))[1]
    return g


@primitive(residual=True, x=_item_cotangent, weight=_scale_cotangent, bias=_shift_cotangent)
def layer_norm(x: np.ndarray, weight: Any, bias: Any, *, axes: int, eps: float) -> tuple[np.ndarray, Residual]:
    """x with zero mean and unit variance over its last `axes`, times weight plus bias, which have those axes alone."""
    out, statistics = kernels.normalize_rows(_rows(x, axes), _flat(weight), _flat(bias), eps)
    return out.reshape(x.shape), (statistics, OncePerCotangent())

"""Normalisation of channels, (N, C, ...), as one primitive: batch norm, and layer norm, whose items are channels.

Ioffe & Szegedy 2015, Algorithm 1; Ba, Kiros & Hinton 2016, equation 4.
"""

from __future__ import annotations

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


def _standard(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """x normalised by operations that have rules, and what its deviations were multiplied by."""
    deviation = x - mean(x, _others(x), keepdim=True)
    scale = rsqrt(mean(deviation * deviation, _others(x), keepdim=True) + eps)
    return deviation * scale, scale


# Each rule is written out in operations that have rules, for where a gradient of it may be wanted; else it is one
# or two passes over memory.


def _x_cotangent(
    g: Tensor, x: Tensor, weight: Any, statistics: Tensor, eps: float, residual: OncePerCotangent
) -> Tensor:
    if not is_grad_enabled():
        return normalize_input(g, x, weight, statistics, _sums(g, x, statistics, residual), eps=eps)
    standard, scale = _standard(x, eps)
    g = g * _along(weight, x)
    return scale * (g - mean(g, _others(x), keepdim=True) - standard * mean(g * standard, _others(x), keepdim=True))


def _weight_cotangent(g: Tensor, x: Tensor, statistics: Tensor, eps: float, residual: OncePerCotangent) -> Tensor:
    if not is_grad_enabled():
        return _sums(g, x, statistics, residual)[1] * rsqrt(statistics[1] + eps)
    return sum_over(g * _standard(x, eps)[0], dim=_others(x), keepdim=False)


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

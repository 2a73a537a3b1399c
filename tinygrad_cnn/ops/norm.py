"""Normalisation to zero mean and unit variance, as one primitive: batch norm and layer norm.

Ioffe & Szegedy 2015, Algorithm 1; Ba, Kiros & Hinton 2016, equation 4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import kernels
from ..autograd import primitive
from ..modes import is_grad_enabled
from .elementwise import rsqrt
from .reduce import mean

if TYPE_CHECKING:
    from ..tensor import Tensor


def _standardize_vjp(g: Tensor, x: Tensor, dim: tuple[int, ...], eps: float) -> Tensor:
    """In one pass over memory; written out in operations that have rules where a gradient of it may be wanted."""
    if not is_grad_enabled():
        return standardize_input(g, x, dim=dim, eps=eps)
    deviation = x - mean(x, dim, keepdim=True)
    scale = rsqrt(mean(deviation * deviation, dim, keepdim=True) + eps)
    out = deviation * scale
    return scale * (g - mean(g, dim, keepdim=True) - out * mean(g * out, dim, keepdim=True))


@primitive(x=lambda g, x, dim, eps: _standardize_vjp(g, x, dim, eps))
def standardize(x: np.ndarray, *, dim: tuple[int, ...], eps: float) -> np.ndarray:
    """(x - mean) / sqrt(var + eps) over `dim`, with the biased variance."""
    return kernels.standardize(x, dim, eps)


@primitive()
def standardize_input(g: np.ndarray, x: np.ndarray, *, dim: tuple[int, ...], eps: float) -> np.ndarray:
    """standardize's vjp."""
    return kernels.standardize_input(g, x, dim, eps)

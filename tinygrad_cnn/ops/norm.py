"""Normalisation to zero mean and unit variance, as one primitive: batch norm and layer norm.

Ioffe & Szegedy 2015, Algorithm 1; Ba, Kiros & Hinton 2016, equation 4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..autograd import primitive
from .elementwise import rsqrt
from .reduce import mean

if TYPE_CHECKING:
    from ..tensor import Tensor


def _standardize_vjp(g: Tensor, x: Tensor, dim: tuple[int, ...], eps: float) -> Tensor:
    deviation = x - mean(x, dim, keepdim=True)
    scale = rsqrt(mean(deviation * deviation, dim, keepdim=True) + eps)
    out = deviation * scale
    return scale * (g - mean(g, dim, keepdim=True) - out * mean(g * out, dim, keepdim=True))


@primitive(x=lambda g, x, dim, eps: _standardize_vjp(g, x, dim, eps))
def standardize(x: np.ndarray, *, dim: tuple[int, ...], eps: float) -> np.ndarray:
    """(x - mean) / sqrt(var + eps) over `dim`, with the biased variance."""
    if not x.size:
        return np.array(x)
    deviation = x - np.mean(x, axis=dim, keepdims=True)
    variance = np.mean(np.square(deviation), axis=dim, keepdims=True)
    deviation *= 1 / np.sqrt(variance + eps)
    return deviation

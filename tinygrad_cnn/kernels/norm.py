"""Normalisation, one slice of channels (or of rows) after the other: all of its passes over a slice stay in cache."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .memory import empty_like
from .threads import parallel_for, pieces

Axes = tuple[int, ...]


def _by_slices(out: np.ndarray, dim: Axes, work: Callable[[tuple[slice, ...]], None]) -> np.ndarray:
    """work(index) for up to 32 slices along the first axis that is not reduced; the cut depends on the shape alone."""
    kept = [axis for axis in range(out.ndim) if axis not in dim]
    if not out.size:
        return out
    if not kept:
        work(())
        return out
    axis, count = kept[0], out.shape[kept[0]]
    cuts = list(pieces(count, max(1, count // 16)))
    parallel_for(lambda i: work((slice(None),) * axis + (slice(*cuts[i]),)), len(cuts))
    return out


def _standard(x: np.ndarray, dim: Axes, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """x with mean 0 and variance 1 over `dim`, and what it was multiplied by."""
    deviation = x - np.mean(x, axis=dim, keepdims=True)
    scale = 1 / np.sqrt(np.mean(np.square(deviation), axis=dim, keepdims=True) + eps)
    deviation *= scale
    return deviation, scale


def standardize(x: np.ndarray, dim: Axes, eps: float) -> np.ndarray:
    """(x - mean) / sqrt(var + eps) over `dim`, with the biased variance."""
    out = empty_like(x)

    def work(part: tuple[slice, ...]) -> None:
        out[part], _ = _standard(x[part], dim, eps)

    return _by_slices(out, dim, work)


def standardize_input(g: np.ndarray, x: np.ndarray, dim: Axes, eps: float) -> np.ndarray:
    """standardize's vjp: scale * (g - mean(g) - standard * mean(g * standard))."""
    out = empty_like(x)

    def work(part: tuple[slice, ...]) -> None:
        standard, scale = _standard(x[part], dim, eps)
        cotangent = g[part]
        along = np.mean(cotangent * standard, axis=dim, keepdims=True)
        standard *= along
        result = cotangent - np.mean(cotangent, axis=dim, keepdims=True)
        result -= standard
        np.multiply(result, scale, out=out[part])

    return _by_slices(out, dim, work)

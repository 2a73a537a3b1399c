"""Normalisation of items, rows (N, length), by their own statistics, with a weight and a bias for each place in them.

Each function goes through memory once: a run of rows takes all steps while it is in cache.
"""

from __future__ import annotations

import numpy as np

from .half import in_float32
from .memory import Scratch, empty_like
from .rows import for_rows, sum_columns, sum_rows


@in_float32
def normalize_rows(
    x: np.ndarray, weight: np.ndarray | float, bias: np.ndarray | float, eps: float
) -> tuple[np.ndarray, np.ndarray]:
    """(x - mean) / sqrt(variance + eps) * weight + bias; and each row's mean and 1 / sqrt(...), (2, N), float64."""
    out, statistics = empty_like(x), np.empty((2, len(x)))
    length = max(1, x.shape[1])

    def work(some: slice, _: Scratch) -> None:
        part = out[some]
        shift = (sum_rows(x[some]) / length).astype(x.dtype)
        np.subtract(x[some], shift[:, None], out=part)
        rest = sum_rows(part) / length  # what was rounded off the mean
        scale = 1 / np.sqrt(sum_rows(part, part) / length - np.square(rest) + eps)
        statistics[:, some] = shift + rest, scale
        part -= rest.astype(x.dtype)[:, None]
        part *= scale.astype(x.dtype)[:, None]
        part *= weight
        part += bias

    for_rows(work, *x.shape)
    return out, statistics


def _standard(x: np.ndarray, statistics: np.ndarray, scratch: Scratch) -> np.ndarray:
    mean, scale = statistics.astype(x.dtype)[:, :, None]
    standard = np.subtract(x, mean, out=scratch.take("standard", x.shape, x.dtype))
    standard *= scale
    return standard


@in_float32
def normalize_rows_input(
    g: np.ndarray, x: np.ndarray, weight: np.ndarray | float, statistics: np.ndarray
) -> np.ndarray:
    """normalize_rows' vjp in x: scale * (h - mean(h) - standard * mean(h * standard)), where h = g * weight."""
    out, length = empty_like(x), max(1, x.shape[1])

    def work(some: slice, scratch: Scratch) -> None:
        part, standard = out[some], _standard(x[some], statistics[:, some], scratch)
        np.multiply(g[some], weight, out=part)
        level, slope = ((v / length).astype(x.dtype)[:, None] for v in (sum_rows(part), sum_rows(part, standard)))
        standard *= slope
        part -= standard
        part -= level
        part *= statistics[1, some].astype(x.dtype)[:, None]

    for_rows(work, *x.shape)
    return out


@in_float32
def normalize_rows_sums(g: np.ndarray, x: np.ndarray, statistics: np.ndarray) -> np.ndarray:
    """normalize_rows' vjps in weight and bias, the columns' sums of g * standard and of g: -> (2, length)."""
    sums: dict[int, np.ndarray] = {}  # by each run's first row

    def work(some: slice, scratch: Scratch) -> None:
        standard = _standard(x[some], statistics[:, some], scratch)
        standard *= g[some]
        sums[some.start] = np.stack([sum_columns(standard), sum_columns(g[some])])

    for_rows(work, *x.shape)
    total = np.zeros((2, x.shape[1]))
    for start in sorted(sums):
        total += sums[start]
    return total.astype(x.dtype)

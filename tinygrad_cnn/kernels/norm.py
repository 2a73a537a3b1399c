"""Statistics of channels, and their normalisation: (N, C, ...), where the row of a channel of an image is contiguous.

Each function goes through memory once. What it adds up per row becomes float64 numbers, one per channel. A channel
whose mean is large beside its deviation (FAR) is centred before it is squared, summed or scaled: digits would be
lost otherwise. To centre all channels would be one more step for every run.
"""

from __future__ import annotations

import math

import numpy as np

from .half import in_float32
from .memory import Scratch, empty_like
from .rows import for_rows, sum_rows

FAR = 4.0  # times the variance: where the squared mean is larger, digits would be lost


def _rows(x: np.ndarray) -> np.ndarray:
    """(N, C, ...) -> (N C, length)."""
    return x.reshape(x.shape[0] * x.shape[1], math.prod(x.shape[2:]))


def _for_each_row(x: np.ndarray, per_channel: np.ndarray) -> np.ndarray:
    """(C,) -> (N C, 1), in x's dtype."""
    return np.tile(per_channel.astype(x.dtype), len(x))[:, None]


def _far_means(mean: np.ndarray, variance: np.ndarray, dtype: np.dtype) -> np.ndarray | None:
    """What to subtract from the channels first, as numbers of `dtype`; None where that is 0 for all."""
    far = np.square(mean) > FAR * variance
    return np.where(far, mean, 0).astype(dtype) if far.any() else None


@in_float32
def channel_statistics(x: np.ndarray) -> np.ndarray:
    """Mean and biased variance of each channel: (N, C, ...) -> (2, C), float64.

    From each row's mean and squared deviations from it (Chan, Golub & LeVeque 1983).
    """
    rows = _rows(x)
    length, images = max(1, rows.shape[1]), max(1, len(x))
    mean, variance = np.empty((2, len(rows)))

    def work(some: slice, scratch: Scratch) -> None:
        part = rows[some]
        mean[some] = sum_rows(part) / length
        variance[some] = sum_rows(part, part) / length - np.square(mean[some])
        center = _far_means(mean[some], variance[some], x.dtype)
        if center is not None:
            deviation = scratch.take("deviation", part.shape, x.dtype)
            np.subtract(part, center[:, None], out=deviation)
            rest = sum_rows(deviation) / length
            mean[some] = center + rest
            variance[some] = sum_rows(deviation, deviation) / length - np.square(rest)

    for_rows(work, *rows.shape)
    means, within = mean.reshape(x.shape[:2]), variance.reshape(x.shape[:2])
    total = means.sum(axis=0) / images
    return np.stack([total, (within + np.square(means - total)).sum(axis=0) / images])


@in_float32
def scale_and_shift(x: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """x * scale + shift, which have one number per channel: (N, C, ...), (C,), (C,)."""
    return _scale_and_shift(x, None, scale, shift)


def _scale_and_shift(x: np.ndarray, center: np.ndarray | None, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    out = empty_like(x)
    rows, result = _rows(x), _rows(out)
    scale, shift = _for_each_row(x, scale), _for_each_row(x, shift)
    centers = None if center is None else _for_each_row(x, center)

    def work(some: slice, _: Scratch) -> None:
        part = rows[some] if centers is None else np.subtract(rows[some], centers[some], out=result[some])
        np.multiply(part, scale[some], out=result[some])
        result[some] += shift[some]

    for_rows(work, *rows.shape)
    return out


@in_float32
def normalize_channels(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, statistics: np.ndarray, eps: float
) -> np.ndarray:
    """(x - mean) / sqrt(variance + eps) * weight + bias; weight and bias: (C,)."""
    mean, variance = statistics
    scale = weight / np.sqrt(variance + eps)
    center = _far_means(mean, variance, x.dtype)
    return _scale_and_shift(x, center, scale, bias - (mean if center is None else mean - center) * scale)


@in_float32
def channel_sums(g: np.ndarray, x: np.ndarray, statistics: np.ndarray) -> np.ndarray:
    """Each channel's sum of g, and of g * (x - mean): (N, C, ...) twice -> (2, C), float64."""
    g_rows, x_rows = _rows(g), _rows(x)
    mean, variance = statistics
    center = _far_means(mean, variance, x.dtype)
    centers = None if center is None else _for_each_row(x, center)
    sums = np.empty((2, len(x_rows)))

    def work(some: slice, scratch: Scratch) -> None:
        part = x_rows[some]
        if centers is not None:
            part = np.subtract(part, centers[some], out=scratch.take("deviation", part.shape, x.dtype))
        sums[:, some] = sum_rows(g_rows[some]), sum_rows(g_rows[some], part)

    for_rows(work, *x_rows.shape)
    total, along = sums.reshape(2, *x.shape[:2]).sum(axis=1)
    return np.stack([total, along - total * (mean if center is None else mean - center)])


@in_float32
def normalize_input(
    g: np.ndarray, x: np.ndarray, weight: np.ndarray, statistics: np.ndarray, sums: np.ndarray, eps: float
) -> np.ndarray:
    """normalize_channels' vjp in x, also through the statistics, given channel_sums(g, x, statistics).

    weight / deviation * (g - mean(g) - standard * mean(g * standard)), where standard = (x - mean) / deviation; that
    is a multiple of g - (x * slope + level).
    """
    out = empty_like(x)
    g_rows, x_rows, result = _rows(g), _rows(x), _rows(out)
    count = max(1, len(x) * x_rows.shape[1])
    mean, variance = statistics
    center = _far_means(mean, variance, x.dtype)
    centers = None if center is None else _for_each_row(x, center)
    slope = sums[1] / (count * (variance + eps))
    level = sums[0] / count - (mean if center is None else mean - center) * slope
    slope, level, scale = (_for_each_row(x, v) for v in (slope, level, weight / np.sqrt(variance + eps)))

    def work(some: slice, _: Scratch) -> None:
        part = result[some]
        deviation = x_rows[some] if centers is None else np.subtract(x_rows[some], centers[some], out=part)
        np.multiply(deviation, slope[some], out=part)
        part += level[some]
        np.subtract(g_rows[some], part, out=part)
        part *= scale[some]

    for_rows(work, *x_rows.shape)
    return out

"""Convolution and pooling as their definitions read: one loop for each index, no cleverness."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from tinygrad_cnn.kernels import Geometry, Windows

Pair = tuple[int, int]


def conv2d(x: np.ndarray, w: np.ndarray, geometry: Geometry) -> np.ndarray:
    """(N, C, H, W), (O, C/groups, kh, kw) -> (N, O, H', W')."""
    (sh, sw), (ph, pw), (dh, dw), groups = geometry
    height, width = geometry.output_size(x.shape[2:], w.shape[2:])
    out = np.zeros((len(x), len(w), height, width), np.result_type(x, w))
    for n, o, i, j in np.ndindex(out.shape):
        first = o // (len(w) // groups) * w.shape[1]  # the first input channel of o's group
        for c, a, b in np.ndindex(w.shape[1:]):
            row, column = i * sh - ph + a * dh, j * sw - pw + b * dw
            if 0 <= row < x.shape[2] and 0 <= column < x.shape[3]:
                out[n, o, i, j] += x[n, first + c, row, column] * w[o, c, a, b]
    return out


def taps(windows: Windows, place: Pair, size: tuple[int, ...]) -> Iterator[tuple[int, int, int]]:
    """(number, row, column) of each element of one window that lies inside the image."""
    starts = [i * s - p for i, s, p in zip(place, windows.stride, windows.padding, strict=True)]
    for number, (a, b) in enumerate(product(range(windows.kernel[0]), range(windows.kernel[1]))):
        row, column = starts[0] + a * windows.dilation[0], starts[1] + b * windows.dilation[1]
        if 0 <= row < size[0] and 0 <= column < size[1]:
            yield number, row, column


def max_windows(x: np.ndarray, windows: Windows) -> tuple[np.ndarray, np.ndarray]:
    """The largest element of each window and its number: the first of equals; -inf and 0 where none lies inside."""
    best = np.full((*x.shape[:2], *windows.places), -np.inf, x.dtype)
    winner = np.zeros(best.shape, int)
    for n, c, i, j in np.ndindex(best.shape):
        elements = [(x[n, c, row, column], -number) for number, row, column in taps(windows, (i, j), x.shape[2:])]
        if elements:
            best[n, c, i, j], number = max(elements)
            winner[n, c, i, j] = -number
    return best, winner


def average_windows(x: np.ndarray, share: np.ndarray, windows: Windows) -> np.ndarray:
    out = np.zeros((*x.shape[:2], *windows.places), x.dtype)
    for n, c, i, j in np.ndindex(out.shape):
        inside = taps(windows, (i, j), x.shape[2:])
        out[n, c, i, j] = sum(x[n, c, row, column] for _, row, column in inside) * share[i, j]
    return out

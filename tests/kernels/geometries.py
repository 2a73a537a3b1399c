"""Random ways for a kernel to move over an image, and random images whose sums are exact."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from tinygrad_cnn.kernels import Geometry, Windows


class Convolution(NamedTuple):
    x: np.ndarray
    w: np.ndarray
    geometry: Geometry

    def cotangent(self) -> np.ndarray:
        """Whole numbers of the result's shape."""
        places = self.geometry.output_size(self.x.shape[2:], self.w.shape[2:])
        return whole((len(self.x), len(self.w), *places), self.x.dtype, seed=3)


def whole(shape: tuple[int, ...], dtype: np.dtype, seed: int, most: int = 4) -> np.ndarray:
    """Small whole numbers: their products and sums are exact in any order and any float."""
    return np.random.default_rng(seed).integers(-most, most + 1, shape).astype(dtype)


def pairs(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(low, high), st.integers(low, high))


dtypes = st.sampled_from([np.dtype(np.float32), np.dtype(np.float64)])


@st.composite
def convolutions(draw: st.DrawFn) -> Convolution:
    kernel, stride = draw(pairs(1, 3)), draw(pairs(1, 3))
    padding, dilation = draw(pairs(0, 3)), draw(pairs(1, 3))
    groups, dtype, seed = draw(st.integers(1, 3)), draw(dtypes), draw(st.integers(0, 9))
    batch, channels, outputs = draw(st.integers(0, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    least = [max(1, d * (k - 1) + 1 - 2 * p) for d, k, p in zip(dilation, kernel, padding, strict=True)]
    size = [n + draw(st.integers(0, 4)) for n in least]
    x = whole((batch, channels * groups, *size), dtype, seed)
    w = whole((outputs * groups, channels, *kernel), dtype, seed + 1)
    return Convolution(x, w, Geometry(stride, padding, dilation, groups))


@st.composite
def poolings(draw: st.DrawFn) -> tuple[np.ndarray, Windows]:
    """An image of few different numbers, so of many ties, and windows that may overlap, leave gaps or stick out."""
    kernel, stride, dilation = draw(pairs(1, 3)), draw(pairs(1, 3)), draw(pairs(1, 2))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    least = [max(1, d * (k - 1) + 1 - 2 * p) for d, k, p in zip(dilation, kernel, padding, strict=True)]
    size = [n + draw(st.integers(0, 5)) for n in least]
    places = []
    for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True):
        count = (n + 2 * p - d * (k - 1) - 1) // s + 1
        one_more = count * s < n + p  # in ceil mode the last window need only start inside
        places.append(count + (one_more and draw(st.booleans())))
    shape = (draw(st.integers(0, 2)), draw(st.integers(1, 2)), *size)
    x = whole(shape, draw(dtypes), draw(st.integers(0, 9)), most=1)
    if draw(st.booleans()):
        x[x < 0] = -np.inf
    return x, Windows(kernel, stride, (padding[0], padding[1]), dilation, (places[0], places[1]))

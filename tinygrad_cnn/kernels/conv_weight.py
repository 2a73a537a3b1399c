"""Convolution's adjoints in the kernel and in the bias: products that run along the places, summed over the batch."""

from __future__ import annotations

import math

import numpy as np

from .im2col import SMALL_PRODUCT, Columns, Geometry, Places, in_one_dtype
from .memory import empty
from .threads import parallel_for, parallel_with, pieces

FEWEST_CHANNELS = 8  # for `Places`: with fewer, its runs are too short
LONG_LINE = 32  # places, for products line by line
LARGE_KERNEL = 1 << 15  # weights
FEW_ROWS = 64  # of columns; below, products line by line win


def conv2d_weight(x: np.ndarray, g: np.ndarray, geometry: Geometry, kernel: tuple[int, ...]) -> np.ndarray:
    """conv2d's adjoint in w: (N, C, H, W), (N, O, H', W') -> (O, C/groups, *kernel)."""
    x, g = in_one_dtype(x, g)
    weigh = _by_places if x.shape[1] // geometry.groups >= FEWEST_CHANNELS else _by_taps
    return weigh(x, g, geometry, kernel)


def _chunks(count: int, weights: int = 0) -> list[tuple[int, int]]:
    """The batch in 32 to 63 chunks, or one for each image; in 8 to 15 where as many gradients would fill the cache.

    The cut, and so a sum, depends on the sizes alone.
    """
    return list(pieces(count, max(1, count // (8 if weights > LARGE_KERNEL else 32))))


def _by_places(x: np.ndarray, g: np.ndarray, geometry: Geometry, kernel: tuple[int, ...]) -> np.ndarray:
    """conv2d_weight from `Places`."""
    groups, (count, outputs, height, width) = geometry.groups, g.shape
    channels, per_group = x.shape[1] // groups, outputs // groups
    rows = kernel[1] * channels
    lines = 1
    if geometry.stride[0] == 1:
        fitting = (n for n in range(1, height + 1) if height % n == 0 and n * width * per_group * rows <= SMALL_PRODUCT)
        lines = max(fitting, default=height)
        lines = lines if lines * width >= LONG_LINE else height
    # (N, tiles, groups, O/groups, places)
    tiles = g.reshape(count, groups, per_group, height // lines, lines * width).transpose(0, 3, 1, 2, 4)
    chunks = _chunks(count, kernel[0] * outputs * rows)
    sums = np.zeros((len(chunks), kernel[0], groups, per_group, rows), x.dtype)

    def work(number: int, buffers: tuple[Places, np.ndarray]) -> None:
        places, products = buffers
        total = sums[number]
        for n in range(*chunks[number]):
            places.load(x[n])
            np.matmul(tiles[n], places.tiles, out=products)
            total += products[:, 0] if lines == height else np.add.reduce(products, axis=1)

    parallel_with(_make_places, work, len(chunks), (x.shape[1:], outputs, kernel, geometry, x.dtype, lines))
    total = sums.sum(axis=0).reshape(kernel[0], groups, per_group, kernel[1], channels)
    return np.ascontiguousarray(total.transpose(1, 2, 4, 0, 3)).reshape(outputs, channels, *kernel)


def _make_places(
    size: tuple[int, ...], outputs: int, kernel: tuple[int, ...], geometry: Geometry, dtype: np.dtype, lines: int
) -> tuple[Places, np.ndarray]:
    places = Places(size[0], size[1:], kernel, geometry, dtype, lines)
    return places, empty((*places.tiles.shape[:3], outputs // geometry.groups, places.tiles.shape[-1]), dtype)


def _by_taps(x: np.ndarray, g: np.ndarray, geometry: Geometry, kernel: tuple[int, ...]) -> np.ndarray:
    """conv2d_weight from `Columns`, for few channels."""
    groups, (count, outputs, height, width) = geometry.groups, g.shape
    channels, per_group = x.shape[1] // groups, outputs // groups
    rows = channels * math.prod(kernel)
    by_lines = rows < FEW_ROWS and per_group > 1 and width >= LONG_LINE
    # (N, H', groups, W', O/groups)
    lines = g.reshape(count, groups, per_group, height, width).transpose(0, 3, 1, 4, 2)
    chunks = _chunks(count, outputs * rows)
    sums = np.zeros((len(chunks), groups, rows, per_group), x.dtype)

    def work(number: int, buffers: tuple[Columns, np.ndarray, np.ndarray]) -> None:
        columns, picture, whole = buffers
        total = sums[number]
        for n in range(*chunks[number]):
            columns.load(x[n])
            if by_lines:
                total += np.add.reduce(np.matmul(columns.lines[0], lines[n]), axis=0)
            else:
                np.copyto(picture, g[n])
                total += np.matmul(columns.whole[0], whole)

    parallel_with(_make_columns, work, len(chunks), (x.shape[1:], outputs, kernel, geometry, x.dtype, height))
    total = sums.sum(axis=0).transpose(0, 2, 1)  # in the chunks' order; (groups, O/groups, C/groups * kernel)
    return np.ascontiguousarray(total).reshape(outputs, channels, *kernel)


def _make_columns(
    size: tuple[int, ...], outputs: int, kernel: tuple[int, ...], geometry: Geometry, dtype: np.dtype, height: int
) -> tuple[Columns, np.ndarray, np.ndarray]:
    """Columns, and a picture (O, H', W') at their pitch, zero between its lines, which is the factor beside it."""
    columns = Columns(size[0], size[1:], kernel, geometry, dtype, height)
    picture = empty((outputs, height, columns.pitch), dtype)
    picture.fill(0)
    whole = picture.reshape(geometry.groups, outputs // geometry.groups, -1)[..., : columns.length].swapaxes(1, 2)
    return columns, picture[..., : columns.width], whole


def sum_channels(x: np.ndarray) -> np.ndarray:
    """Each channel's sum over the batch and the places, conv2d's adjoint in the bias: (N, C, H, W) -> (C,)."""
    chunks = _chunks(len(x))
    sums = np.zeros((len(chunks), x.shape[1]), x.dtype)

    def work(number: int) -> None:
        np.sum(x[slice(*chunks[number])], axis=(0, 2, 3), out=sums[number])

    parallel_for(work, len(chunks))
    return sums.sum(axis=0)

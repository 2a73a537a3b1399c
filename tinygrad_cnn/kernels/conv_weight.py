"""Convolution's adjoints in the kernel and in the bias: products that run along the places, summed over the batch."""

from __future__ import annotations

import math

import numpy as np

from .im2col import MOST_BYTES, SMALL_PRODUCT, Columns, Geometry, Places, in_one_dtype
from .memory import empty
from .threads import parallel_for, parallel_with, pieces

FEWEST_CHANNELS = 8  # for `Places`: with fewer, its runs are too short
LONG_LINE = 32  # places, for products line by line
MANY_PLACES = 512  # of a stack of images
LARGE_KERNEL = 1 << 15  # weights
FEW_ROWS = 64  # of columns; below, products line by line win


def conv2d_weight(x: np.ndarray, g: np.ndarray, geometry: Geometry, kernel: tuple[int, ...]) -> np.ndarray:
    """conv2d's adjoint in w: (N, C, H, W), (N, O, H', W') -> (O, C/groups, *kernel)."""
    x, g = in_one_dtype(x, g)
    if not x.size or not g.size:
        return np.zeros((g.shape[1], x.shape[1] // geometry.groups, *kernel), x.dtype)
    weigh = _by_places if x.shape[1] // geometry.groups >= FEWEST_CHANNELS else _by_taps
    return weigh(x, g, geometry, kernel)


def _chunks(count: int, weights: int, stack: int = 1) -> list[tuple[int, int]]:
    """The batch in 32 to 63 chunks, fewer if there are not as many stacks; 8 to 15 where the sums would fill the cache.

    The cut, and so a sum, depends on the sizes alone.
    """
    wanted = 8 if weights > LARGE_KERNEL else 32
    return list(pieces(count, stack * max(1, count // (stack * wanted))))


def _by_places(x: np.ndarray, g: np.ndarray, geometry: Geometry, kernel: tuple[int, ...]) -> np.ndarray:
    """conv2d_weight from `Places`."""
    groups, (count, outputs, height, width) = geometry.groups, g.shape
    channels, per_group = x.shape[1] // groups, outputs // groups
    rows = kernel[1] * channels
    lines, stack = _tile(count, height, width, per_group * rows, geometry.stride[0])
    chunks = _chunks(count, kernel[0] * outputs * rows, stack)
    sums = np.zeros((len(chunks), kernel[0], groups, per_group, rows), x.dtype)
    # (N, tiles, groups, O/groups, places), for a stack of one
    tiles_of_g = g.reshape(count, groups, per_group, height // lines, lines * width).transpose(0, 3, 1, 2, 4)

    def work(number: int, buffers: tuple[Places, np.ndarray, np.ndarray, np.ndarray]) -> None:
        places, picture, tiles, products = buffers
        total = sums[number]
        start, stop = chunks[number]
        for first in range(start, stop, stack):
            images = slice(first, min(first + stack, stop))
            places.load(x[images])
            if stack == 1:
                tiles = tiles_of_g[first]
            else:
                np.copyto(picture[:, :, : images.stop - first], g[images].transpose(1, 2, 0, 3))
                picture[:, :, images.stop - first :] = 0
            np.matmul(tiles, places.tiles, out=products)
            total += products[:, 0] if lines == height else np.add.reduce(products, axis=1)

    arguments = (x.shape[1:], outputs, kernel, geometry, x.dtype, lines, stack)
    size = stack * channels * groups * kernel[1] * height * width * x.itemsize + sums[0].nbytes * (height // lines)
    parallel_with(_make_places, work, len(chunks), arguments, keep=size <= MOST_BYTES)
    total = sums.sum(axis=0).reshape(kernel[0], groups, per_group, kernel[1], channels)
    return np.ascontiguousarray(total.transpose(1, 2, 4, 0, 3)).reshape(outputs, channels, *kernel)


def _tile(count: int, height: int, width: int, weights: int, stride: int) -> tuple[int, int]:
    """Of how many lines, in how many images at once, a product's places are; `weights`: those of a kernel's row."""
    if stride > 1:
        return 1, 1
    fitting = [n for n in range(1, height + 1) if height % n == 0 and n * width * weights <= SMALL_PRODUCT]
    if fitting and fitting[-1] * width >= LONG_LINE:
        return fitting[-1], 1
    return height, max(1, min(count, MANY_PLACES // max(1, height * width)))


def _make_places(
    size: tuple[int, ...],
    outputs: int,
    kernel: tuple[int, ...],
    geometry: Geometry,
    dtype: np.dtype,
    lines: int,
    stack: int,
) -> tuple[Places, np.ndarray, np.ndarray, np.ndarray]:
    """Places; a stack of pictures (O, H', stack, W'), the same as a factor, and the products."""
    places = Places(size[0], size[1:], kernel, geometry, dtype, lines, stack)
    parts, tiles, groups, _, rows = places.tiles.shape
    height, width = geometry.output_size(size[1:], kernel)
    picture = empty((outputs, height, stack, width) if stack > 1 else (0,) * 4, dtype)
    factor = picture.reshape(1, groups, outputs // groups, -1) if picture.size else picture
    return places, picture, factor, empty((parts, tiles, groups, outputs // groups, rows), dtype)


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

    def work(number: int, buffers: tuple[Columns, np.ndarray, np.ndarray, np.ndarray]) -> None:
        columns, between, picture, whole = buffers
        total = sums[number]
        for n in range(*chunks[number]):
            columns.load(x[n])
            if by_lines:
                total += np.add.reduce(np.matmul(columns.lines[0], lines[n]), axis=0)
            else:
                between[...] = 0  # inf there times the picture's 0 would be NaN
                np.copyto(picture, g[n])
                total += np.matmul(columns.whole[0], whole)

    arguments = (x.shape[1:], outputs, kernel, geometry, x.dtype, height)
    size = groups * rows * height * width * x.itemsize
    parallel_with(_make_columns, work, len(chunks), arguments, keep=size <= MOST_BYTES)
    total = sums.sum(axis=0).transpose(0, 2, 1)  # in the chunks' order; (groups, O/groups, C/groups * kernel)
    return np.ascontiguousarray(total).reshape(outputs, channels, *kernel)


def _make_columns(
    size: tuple[int, ...], outputs: int, kernel: tuple[int, ...], geometry: Geometry, dtype: np.dtype, height: int
) -> tuple[Columns, np.ndarray, np.ndarray, np.ndarray]:
    """Columns, what lies between their lines, and a picture (O, H', W') at their pitch, also as a factor."""
    columns = Columns(size[0], size[1:], kernel, geometry, dtype, height)
    picture = empty((outputs, height, columns.pitch), dtype)
    picture.fill(0)
    whole = picture.reshape(geometry.groups, outputs // geometry.groups, -1)[..., : columns.length].swapaxes(1, 2)
    lines = columns.matrix[..., : (height - 1) * columns.pitch]
    between = lines.reshape(*lines.shape[:2], height - 1, columns.pitch)[..., columns.width :]
    return columns, between, picture[..., : columns.width], whole


def sum_channels(x: np.ndarray) -> np.ndarray:
    """Each channel's sum over the batch and the places, conv2d's adjoint in the bias: (N, C, H, W) -> (C,)."""
    chunks = _chunks(len(x), x.shape[1])
    sums = np.zeros((len(chunks), x.shape[1]), x.dtype)

    def work(number: int) -> None:
        np.sum(x[slice(*chunks[number])], axis=(0, 2, 3), out=sums[number])

    parallel_for(work, len(chunks))
    return sums.sum(axis=0)

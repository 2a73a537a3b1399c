"""Convolution and its two adjoints: im2col of one image after the other, and products of matrices.

T(x, w, y) = sum(y * conv2d(x, w)) is linear in each argument; its three derivatives are the three functions here.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .im2col import Columns, Geometry, Places
from .memory import empty
from .threads import parallel_for, parallel_with, pieces

# OpenBLAS multiplies matrices as small as these (rows x inner x columns) where they lie; larger ones it first copies
# into an order of its own, which takes as long as a product with 16 to 64 rows. One product for each line of the
# result, of at least 32 places, runs at 120 to 150 GFLOP/s where one for the whole image runs at 60 to 100 (3 to 64
# channels), and it leaves out the places between the lines that mean nothing.
SMALL_PRODUCT = 100**3
SHORTEST_LINE = 32
FEW_ROWS = 64  # of columns: below, products line by line win for the weight gradient too
FEWEST_CHANNELS = 8  # for the weight gradient to take them side by side
FEWEST_PIECES = 4  # a batch of fewer images is cut across them, so that threads share one image


class _Plan(NamedTuple):
    """How conv2d takes an image: in bands of `height` lines, by parts of the kernel, line by line or as a whole."""

    height: int
    split: bool
    by_lines: bool


def _plan(count: int, w: np.ndarray, geometry: Geometry, places: tuple[int, int]) -> _Plan:
    outputs, (channels, kh, kw) = len(w) // geometry.groups, w.shape[1:]
    bands = max(n for n in range(1, FEWEST_PIECES + 1) if places[0] % n == 0 and n * count <= max(count, FEWEST_PIECES))
    # What each part's addition moves, three arrays of the outputs, against what it saves in copying the columns.
    split = kh > 1 and geometry.stride == (1, 1) and 2 * channels * kw >= 3 * outputs
    rows = channels * kw * (1 if split else kh)
    by_lines = outputs > 1 and places[1] >= SHORTEST_LINE and outputs * rows * places[1] <= SMALL_PRODUCT
    return _Plan(places[0] // bands, split, by_lines)


def conv2d(x: np.ndarray, w: np.ndarray, geometry: Geometry, bias: np.ndarray | None = None) -> np.ndarray:
    """(N, C, H, W), (O, C/groups, kh, kw), (O,) -> (N, O, H', W')."""
    x, w = _common(x, w)
    places = geometry.output_size(x.shape[2:], w.shape[2:])
    out = empty((len(x), len(w), *places), x.dtype)
    height, split, by_lines = _plan(len(x), w, geometry, places)
    matrix = _matrix(w, geometry.groups, split, bias)
    parts, groups, outputs = matrix.shape[:3]
    if by_lines:
        matrix = matrix[:, None]
    # (N, bands, 1, groups, O/groups, height, W')
    targets = out.reshape(len(x), 1, groups, outputs, places[0] // height, height, places[1]).transpose(
        0, 4, 1, 2, 3, 5, 6
    )
    targets_by_line = targets.transpose(0, 1, 2, 5, 3, 4, 6)

    def buffers() -> tuple[Columns, np.ndarray, np.ndarray, np.ndarray]:
        columns = Columns(
            x.shape[1], x.shape[2:], w.shape[2:], geometry, x.dtype, height, split=split, ones=bias is not None
        )
        pitch = places[1] if by_lines else columns.pitch
        products = empty((parts, groups, outputs, height, pitch), x.dtype)
        if by_lines:
            return columns, columns.lines, products.transpose(0, 3, 1, 2, 4), products
        flat = products.reshape(parts, groups, outputs, -1)[..., : columns.length]
        return columns, columns.whole, flat, products[..., : places[1]]

    def work(number: int, buffers: tuple[Columns, np.ndarray, np.ndarray, np.ndarray]) -> None:
        columns, factor, products, pictures = buffers
        n, band = divmod(number, targets.shape[1])
        columns.load(x[n], band * height)
        if by_lines and not split:
            np.matmul(matrix, factor, out=targets_by_line[n, band])
            return
        np.matmul(matrix, factor, out=products)
        _add_up(pictures, targets[n, band, 0])

    parallel_with(buffers, work, len(x) * targets.shape[1])
    return out


def _add_up(parts: np.ndarray, out: np.ndarray) -> None:
    """The parts' sum, in their order."""
    if len(parts) == 1:
        np.copyto(out, parts[0])
        return
    for part in parts[1:-1]:
        parts[0] += part
    np.add(parts[0], parts[-1], out=out)


def _matrix(w: np.ndarray, groups: int, split: bool, bias: np.ndarray | None) -> np.ndarray:
    """The kernel as it multiplies `Columns`, its bias in the last column. -> (parts, groups, O/groups, rows)."""
    outputs, channels, kh, kw = w.shape
    by_group = w.reshape(groups, outputs // groups, channels, kh, kw)
    matrix = np.moveaxis(by_group, 3, 0) if split else by_group[None]
    matrix = matrix.reshape(len(matrix), groups, outputs // groups, -1)
    if bias is None:
        return matrix
    column = np.zeros((*matrix.shape[:3], 1), w.dtype)
    column[0] = bias.reshape(groups, -1, 1)  # one part adds it
    return np.concatenate([matrix, column], axis=3)


def conv2d_input(g: np.ndarray, w: np.ndarray, geometry: Geometry, size: tuple[int, ...]) -> np.ndarray:
    """conv2d's adjoint in x, for an image of `size`: (N, O, H', W'), (O, C/groups, kh, kw) -> (N, C, *size)."""
    g, w = _common(g, w)
    outputs, channels, kh, kw = w.shape
    groups = geometry.groups
    by_group = w.reshape(groups, outputs // groups, channels, kh, kw)
    border = [d * (k - 1) - p for d, k, p in zip(geometry.dilation, (kh, kw), geometry.padding, strict=True)]
    if geometry.stride == (1, 1) and min(border) >= 0:
        # A convolution with the kernel turned around, its channels the other way: no additions into the image.
        turned = by_group.swapaxes(1, 2)[..., ::-1, ::-1].reshape(groups * channels, outputs // groups, kh, kw)
        return conv2d(g, turned, geometry._replace(padding=(border[0], border[1])))
    out = empty((len(g), groups * channels, *size), g.dtype)
    matrix = by_group.reshape(groups, outputs // groups, -1).swapaxes(1, 2)

    def buffers() -> tuple[Columns, np.ndarray]:
        columns = Columns(groups * channels, size, (kh, kw), geometry, g.dtype, g.shape[2])
        return columns, _between_lines(outputs, columns)

    def work(n: int, buffers: tuple[Columns, np.ndarray]) -> None:
        columns, picture = buffers
        np.copyto(picture[..., : g.shape[3]], g[n])
        np.matmul(matrix, _as_whole(picture, columns), out=columns.whole[0])
        columns.add_up(out[n])

    parallel_with(buffers, work, len(g))
    return out


def conv2d_weight(x: np.ndarray, g: np.ndarray, geometry: Geometry, kernel: tuple[int, ...]) -> np.ndarray:
    """conv2d's adjoint in w: (N, C, H, W), (N, O, H', W') -> (O, C/groups, *kernel)."""
    x, g = _common(x, g)
    weigh = _weight_by_places if x.shape[1] // geometry.groups >= FEWEST_CHANNELS else _weight_by_taps
    return weigh(x, g, geometry, kernel)


def _chunks(count: int) -> list[tuple[int, int]]:
    """The batch in 32 to 63 chunks, or one for each image: the cut, and so a sum, depends on the batch alone."""
    return list(pieces(count, max(1, count // 32)))


def _weight_by_places(x: np.ndarray, g: np.ndarray, geometry: Geometry, kernel: tuple[int, ...]) -> np.ndarray:
    """conv2d_weight, for the channels side by side."""
    groups, (count, outputs, height, width) = geometry.groups, g.shape
    channels, per_group = x.shape[1] // groups, outputs // groups
    rows = kernel[1] * channels
    lines = 1
    if geometry.stride[0] == 1:
        fitting = [n for n in range(1, height + 1) if height % n == 0 and n * width * per_group * rows <= SMALL_PRODUCT]
        lines = max(fitting, default=height)
    # (N, tiles, groups, O/groups, places)
    tiles = g.reshape(count, groups, per_group, height // lines, lines * width).transpose(0, 3, 1, 2, 4)
    chunks = _chunks(count)
    sums = np.zeros((len(chunks), kernel[0], groups, per_group, rows), x.dtype)

    def buffers() -> tuple[Places, np.ndarray]:
        places = Places(x.shape[1], x.shape[2:], kernel, geometry, x.dtype, lines)
        return places, empty((kernel[0], height // lines, groups, per_group, rows), x.dtype)

    def work(number: int, buffers: tuple[Places, np.ndarray]) -> None:
        places, products = buffers
        total = sums[number]
        for n in range(*chunks[number]):
            places.load(x[n])
            np.matmul(tiles[n], places.tiles, out=products)
            total += np.add.reduce(products, axis=1)

    parallel_with(buffers, work, len(chunks))
    total = sums.sum(axis=0).reshape(kernel[0], groups, per_group, kernel[1], channels)
    return np.ascontiguousarray(total.transpose(1, 2, 4, 0, 3)).reshape(outputs, channels, *kernel)


def _weight_by_taps(x: np.ndarray, g: np.ndarray, geometry: Geometry, kernel: tuple[int, ...]) -> np.ndarray:
    """conv2d_weight, for few channels."""
    groups, (count, outputs, height, width) = geometry.groups, g.shape
    channels = x.shape[1] // groups
    rows = channels * math.prod(kernel)
    chunks = _chunks(count)
    sums = np.zeros((len(chunks), groups, rows, outputs // groups), x.dtype)
    by_lines = rows < FEW_ROWS and outputs > groups and width >= SHORTEST_LINE
    g_lines = g.reshape(count, groups, outputs // groups, height, width).transpose(0, 3, 1, 4, 2)

    def buffers() -> tuple[Columns, np.ndarray, np.ndarray]:
        columns = Columns(x.shape[1], x.shape[2:], kernel, geometry, x.dtype, height)
        if by_lines:
            return columns, g_lines, empty((height, groups, rows, outputs // groups), x.dtype)
        return columns, _between_lines(outputs, columns), empty(sums.shape[1:], x.dtype)

    def work(number: int, buffers: tuple[Columns, np.ndarray, np.ndarray]) -> None:
        columns, picture, product = buffers
        total = sums[number]
        for n in range(*chunks[number]):
            columns.load(x[n])
            if by_lines:
                np.matmul(columns.lines[0], g_lines[n], out=product)
                total += np.add.reduce(product, axis=0)
            else:
                np.copyto(picture[..., :width], g[n])
                np.matmul(columns.whole[0], _as_whole(picture, columns).swapaxes(1, 2), out=product)
                total += product

    parallel_with(buffers, work, len(chunks))
    total = sums.sum(axis=0).transpose(0, 2, 1)  # in the chunks' order; (groups, O/groups, C/groups * kernel)
    return np.ascontiguousarray(total).reshape(outputs, channels, *kernel)


def _between_lines(channels: int, columns: Columns) -> np.ndarray:
    """A picture (channels, H', pitch) at the columns' pitch, zero between its lines."""
    picture = empty((channels, columns.height, columns.pitch), columns.matrix.dtype)
    picture.fill(0)
    return picture


def _as_whole(picture: np.ndarray, columns: Columns) -> np.ndarray:
    """The picture as a factor of `Columns.whole`: (groups, channels/groups, length)."""
    groups = len(columns.matrix)
    return picture.reshape(groups, len(picture) // groups, -1)[..., : columns.length]


def _common(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    dtype = np.result_type(*arrays)
    return tuple(a.astype(dtype, copy=False) for a in arrays)


def sum_channels(x: np.ndarray) -> np.ndarray:
    """Each channel's sum over the batch and the places, conv2d's adjoint in the bias: (N, C, H, W) -> (C,)."""
    chunks = _chunks(len(x))
    sums = np.zeros((len(chunks), x.shape[1]), x.dtype)

    def work(number: int) -> None:
        np.sum(x[slice(*chunks[number])], axis=(0, 2, 3), out=sums[number])

    parallel_for(work, len(chunks))
    return sums.sum(axis=0)

"""Convolution and its adjoint in the image: im2col of one image after the other, and products of matrices.

T(x, w, y) = sum(y * conv2d(x, w)) is linear in each argument. Its three derivatives are the two functions here and
`conv2d_weight` next door; that in the image is a convolution again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .im2col import MOST_BYTES, SMALL_PRODUCT, Columns, Geometry, in_one_dtype
from .memory import empty
from .threads import parallel_for, parallel_with

SHORTEST_LINE = 32  # places; products of shorter lines each are slower than one product of them all
FEWEST_PIECES = 4  # a batch of fewer images is cut across them, so that threads share one image,
MULTIPLICATIONS_WORTH_SHARING = 1 << 26  # if it takes so many: half a millisecond's


def conv2d(x: np.ndarray, w: np.ndarray, geometry: Geometry, bias: np.ndarray | None = None) -> np.ndarray:
    """(N, C, H, W), (O, C/groups, kh, kw), (O,) -> (N, O, H', W')."""
    x, w = in_one_dtype(x, w)
    if w.shape[2:] == geometry.stride == (1, 1) and geometry.padding == (0, 0) and x.size and w.size:
        return _pointwise(x, w, geometry.groups, bias)
    places = geometry.output_size(x.shape[2:], w.shape[2:])
    out = empty((len(x), len(w), *places), x.dtype)
    if not out.size or not w.size:
        out[...] = 0 if bias is None else bias[:, None, None]
        return out
    plan = _plan(w.shape, geometry, places)
    matrix = _matrix(w, geometry.groups, plan.split, bias)
    size = (w[0].size + len(matrix) * len(w)) * places[0] * places[1] * x.itemsize
    bands = _bands(len(x), w[0].size * out.size, size)
    height = -(-places[0] // min(bands, places[0]))
    bands = -(-places[0] // height)
    targets = out.reshape(len(x), *matrix.shape[1:3], *places)
    lines_of_targets = _by_lines(targets[:, None])  # (N, 1, H', groups, O/groups, W')
    if plan.by_lines:
        matrix = matrix[:, None]

    def work(number: int, buffers: _Buffers) -> None:
        n, band = divmod(number, bands)
        start = min(band * height, places[0] - height)
        known = band * height - start  # lines that the band before gives
        fresh = slice(start + known, start + height)
        buffers.columns.load(x[n], start)
        if plan.by_lines and not plan.split:
            np.matmul(matrix, buffers.factor[:, known:], out=lines_of_targets[n, :, fresh])
        else:
            np.matmul(matrix, buffers.factor, out=buffers.products)
            _add_up(buffers.pictures[..., known:, :], targets[n, ..., fresh, :])

    arguments = (x.shape[1:], w.shape, geometry, x.dtype, height, plan, bias is not None)
    parallel_with(_make_buffers, work, len(x) * bands, arguments, keep=size // bands <= MOST_BYTES)
    return out


def _bands(count: int, multiplications: int, size: int) -> int:
    """Into how many bands each image is cut: so that threads share it, and so that its buffers are not too large."""
    shared = FEWEST_PIECES // count if multiplications >= MULTIPLICATIONS_WORTH_SHARING else 1
    return max(1, shared, -(-size // MOST_BYTES))


class _Plan(NamedTuple):
    """How conv2d multiplies: by parts of the kernel or not, line by line or all lines at once."""

    split: bool
    by_lines: bool


def _plan(shape: tuple[int, ...], geometry: Geometry, places: tuple[int, int]) -> _Plan:
    outputs, (channels, kh, kw) = shape[0] // geometry.groups, shape[1:]
    # What each part's addition moves, three arrays of the outputs, against what it saves in copying the columns.
    split = kh > 1 and geometry.stride == (1, 1) and 2 * channels * kw >= 3 * outputs
    rows = channels * kw * (1 if split else kh)
    return _Plan(split, outputs > 1 and places[1] >= SHORTEST_LINE and outputs * rows * places[1] <= SMALL_PRODUCT)


class _Buffers(NamedTuple):
    """One thread's: columns, the factor that they are, their products as they come and as pictures."""

    columns: Columns
    factor: np.ndarray
    products: np.ndarray
    pictures: np.ndarray  # (parts, groups, O/groups, height, W')


def _make_buffers(
    size: tuple[int, ...],
    shape: tuple[int, ...],
    geometry: Geometry,
    dtype: np.dtype,
    height: int,
    plan: _Plan,
    ones: bool,
) -> _Buffers:
    columns = Columns(size[0], size[1:], shape[2:], geometry, dtype, height, split=plan.split, ones=ones)
    grouped = (len(columns.whole), geometry.groups, shape[0] // geometry.groups)
    if plan.by_lines and not plan.split:  # its products go where they belong
        nothing = np.empty(0, dtype)
        return _Buffers(columns, columns.lines, nothing, nothing)
    products = empty((*grouped, height, columns.width if plan.by_lines else columns.pitch), dtype)
    pictures = products[..., : columns.width]
    if plan.by_lines:
        return _Buffers(columns, columns.lines, _by_lines(products), pictures)
    return _Buffers(columns, columns.whole, products.reshape(*grouped, -1)[..., : columns.length], pictures)


def _by_lines(pictures: np.ndarray) -> np.ndarray:
    """Pictures as `Columns.lines` has them. (parts, groups, O/groups, H', W') -> (parts, H', groups, O/groups, W')."""
    return np.moveaxis(pictures, -2, -4)


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
    matrix = matrix.reshape(*matrix.shape[:3], channels * kw * (1 if split else kh))
    if bias is None:
        return matrix
    column = np.zeros((*matrix.shape[:3], 1), w.dtype)
    column[0] = bias.reshape(groups, -1, 1)  # one part adds it
    return np.concatenate([matrix, column], axis=3)


def _pointwise(x: np.ndarray, w: np.ndarray, groups: int, bias: np.ndarray | None) -> np.ndarray:
    """conv2d with a kernel of one tap, where an image is its own matrix: a product and nothing copied."""
    count, channels, height, width = x.shape
    out = empty((count, len(w), height, width), x.dtype)
    matrix = w.reshape(groups, len(w) // groups, channels // groups)
    wanted = _bands(count, matrix[0, 0].size * out.size, 0)
    bands = max(n for n in range(1, wanted + 1) if height % n == 0)
    fitting = [n for n in range(1, height // bands + 1) if n * width * matrix[0].size <= SMALL_PRODUCT]
    lines = max((n for n in fitting if height // bands % n == 0), default=height // bands)
    # (N, bands, tiles, groups, C/groups, places)
    images, targets = (
        a.reshape(count, groups, a.shape[1] // groups, bands, -1, lines * width).transpose(0, 3, 4, 1, 2, 5)
        for a in (x, out)
    )
    column = None if bias is None else bias.astype(x.dtype, copy=False).reshape(groups, -1, 1)

    def work(number: int) -> None:
        n, band = divmod(number, bands)
        target = targets[n, band]
        np.matmul(matrix, images[n, band], out=target)
        if column is not None:
            target += column

    parallel_for(work, count * bands)
    return out


def conv2d_input(g: np.ndarray, w: np.ndarray, geometry: Geometry, size: tuple[int, ...]) -> np.ndarray:
    """conv2d's adjoint in x, for an image of `size`: (N, O, H', W'), (O, C/groups, kh, kw) -> (N, C, *size)."""
    g, w = in_one_dtype(g, w)
    if not g.size or not w.size:
        return np.zeros((len(g), w.shape[1] * geometry.groups, *size), g.dtype)
    if geometry.stride != (1, 1):
        return _input_with_strides(g, w, geometry, size)
    # The kernel turned round, its channels the other way. Where the image had more padding than g needs, g is cut.
    outputs, channels, kh, kw = w.shape
    by_group = w.reshape(geometry.groups, outputs // geometry.groups, channels, kh, kw)
    turned = by_group.swapaxes(1, 2)[..., ::-1, ::-1].reshape(-1, outputs // geometry.groups, kh, kw)
    borders = [d * (k - 1) - p for d, k, p in zip(geometry.dilation, (kh, kw), geometry.padding, strict=True)]
    top, left = (max(0, -border) for border in borders)
    inside = g[:, :, top : g.shape[2] - top, left : g.shape[3] - left]
    return conv2d(inside, turned, geometry._replace(padding=(max(0, borders[0]), max(0, borders[1]))))


def _input_with_strides(g: np.ndarray, w: np.ndarray, geometry: Geometry, size: tuple[int, ...]) -> np.ndarray:
    """conv2d_input, a convolution of stride 1 for each phase: for the places that the same taps reach."""
    out = empty((len(g), w.shape[1] * geometry.groups, *size), g.dtype)
    out.fill(0)
    axes = [list(_phases(*axis)) for axis in zip(size, g.shape[2:], w.shape[2:], *geometry[:3], strict=True)]
    for rows in axes[0]:
        for columns in axes[1]:
            taps = w[:, :, rows.taps, columns.taps]
            inner = Geometry(dilation=(rows.dilation, columns.dilation), groups=geometry.groups)
            reached = [d * (k - 1) + n for d, k, n in zip(inner.dilation, taps.shape[2:], g.shape[2:], strict=True)]
            part = conv2d_input(g, taps, inner, tuple(reached))
            _spread(part[:, :, rows.taken, columns.taken], out[:, :, rows.places, columns.places])
    return out


def _spread(part: np.ndarray, out: np.ndarray) -> None:
    parallel_for(lambda n: np.copyto(out[n], part[n]), len(out))


class _Phase(NamedTuple):
    """Along one axis: taps of the kernel whose places in the image lie a stride apart, and those places."""

    taps: slice
    dilation: int  # between the taps, in strides
    taken: slice  # of what these taps reach, in strides
    places: slice  # where that lies in the image


def _phases(size: int, count: int, kernel: int, stride: int, padding: int, dilation: int) -> Iterator[_Phase]:
    """Tap k of place o reaches stride * o + dilation * k - padding, so taps k and k + period share a phase."""
    period = stride // math.gcd(stride, dilation)
    for first in range(min(period, kernel)):
        taps = range(first, kernel, period)
        spread = dilation * period // stride
        offset = dilation * first - padding  # of stride * q + offset, q = 0 ... reach - 1
        reach = count + spread * (len(taps) - 1)
        start = max(0, -(offset // stride))
        stop = max(start, min(reach, -((offset - size) // stride)))
        place = stride * start + offset
        yield _Phase(
            slice(first, None, period),
            spread,
            slice(start, stop),
            slice(place, place + stride * (stop - start), stride),
        )

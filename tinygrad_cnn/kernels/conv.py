"""Convolution and its two adjoints, one image at a time: im2col into a buffer that stays in cache, then a product.

T(x, w, y) = sum(y * conv2d(x, w)) is linear in each argument; its three derivatives are the three functions here.

A column of im2col's matrix holds what the kernel sees at one place of the image; a row holds what one tap of the
kernel sees at every place. With stride 1 a row is kept at the pitch of the padded image, so that it is one long
contiguous run of it (36 GB/s instead of 10); each line then ends in a few columns that mean nothing and are cut off
when the result is written. Columns for the whole batch at once would leave the cache: 5 times slower.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .memory import empty
from .threads import parallel_for, parallel_with, pieces

Pair = tuple[int, int]
# OpenBLAS does products of fewer rows one after the other, whatever threads they come from: the weight gradient of
# a first convolution, 27 rows of 16,640, takes 344 us a product in two threads at once, and 184 with 5 rows of zeros.
LEAST_ROWS = 32


class Geometry(NamedTuple):
    """How a kernel moves over an image: (vertical, horizontal) each, and the number of channel groups."""

    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    def output_size(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> Pair:
        """How many places the kernel has in an image of `size`, vertically and horizontally."""
        height, width = (
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, p, d, k, s in zip(size, self.padding, self.dilation, kernel, self.stride, strict=True)
        )
        return height, width


class _Image:
    """Buffers for one image: its padded plane, and views of the plane as im2col's matrix."""

    def __init__(
        self,
        channels: int,
        size: tuple[int, ...],
        kernel: tuple[int, ...],
        geometry: Geometry,
        dtype: np.dtype,
    ) -> None:
        (sh, sw), (ph, pw), (dh, dw), self.groups = geometry
        self.height, self.width = geometry.output_size(size, kernel)
        padded = size[0] + 2 * ph, size[1] + 2 * pw
        self.plane = empty((channels, *padded), dtype)
        self.plane.fill(0)  # the border stays so
        self.inner = self.plane[:, ph : ph + size[0], pw : pw + size[1]]
        c, y, x = self.plane.strides
        unit = (sh, sw) == (1, 1)
        self.pitch = padded[1] if unit else self.width
        # Without the last line's meaningless columns, so that the last tap ends with the plane.
        self.length = (self.height - 1) * self.pitch + self.width
        if unit:
            shape: tuple[int, ...] = (channels, *kernel, self.length)
            strides: tuple[int, ...] = (c, dh * y, dw * x, x)
        else:
            shape = (channels, *kernel, self.height, self.width)
            strides = (c, dh * y, dw * x, sh * y, sw * x)
        self.taps = as_strided(self.plane, shape, strides)
        rows = channels * kernel[0] * kernel[1] // self.groups
        tall = rows if self.groups > 1 else max(rows, LEAST_ROWS)
        self.tall_columns = empty((self.groups, tall, self.length), dtype)
        self.tall_columns[:, rows:] = 0
        self.columns = self.tall_columns[:, :rows]
        self.columns_by_tap = self.columns.reshape(shape)

    def load(self, image: np.ndarray) -> np.ndarray:
        """im2col. (C, H, W) -> (groups, C/groups * kernel, length)."""
        np.copyto(self.inner, image)
        np.copyto(self.columns_by_tap, self.taps)
        return self.columns

    def add_up(self) -> np.ndarray:
        """col2im, the adjoint: every element of the columns added to where it came from. -> (C, H, W)."""
        self.plane.fill(0)
        _, rows, columns = self.taps.shape[:3]
        for i in range(rows):
            for j in range(columns):
                self.taps[:, i, j] += self.columns_by_tap[:, i, j]
        return self.inner

    def lines(self, channels: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
        """A buffer for results at every place: as matrices (groups, C/groups, length), and as (C, H', W')."""
        buffer = empty((channels, self.height, self.pitch), dtype)
        image, meaningless = np.split(buffer, [self.width], axis=2)
        meaningless.fill(0)
        return buffer.reshape(self.groups, channels // self.groups, -1)[:, :, : self.length], image


Buffers = tuple[_Image, np.ndarray, np.ndarray]


def _buffers(
    channels: int,
    outputs: int,
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    geometry: Geometry,
    dtype: np.dtype,
) -> Buffers:
    """What one thread needs: an image and its columns, and results at every place, as matrices and as (O, H', W')."""
    image = _Image(channels, size, kernel, geometry, dtype)
    return image, *image.lines(outputs, dtype)


def _common(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    dtype = np.result_type(*arrays)
    return tuple(a.astype(dtype, copy=False) for a in arrays)


def _chunks(count: int) -> list[tuple[int, int]]:
    """The batch in 32 to 63 chunks, or one for each image: the cut depends on the batch alone."""
    return list(pieces(count, max(1, count // 32)))


def conv2d(x: np.ndarray, w: np.ndarray, geometry: Geometry, bias: np.ndarray | None = None) -> np.ndarray:
    """(N, C, H, W), (O, C/groups, kh, kw), (O,) -> (N, O, H', W')."""
    x, w = _common(x, w)
    out = empty((len(x), len(w), *geometry.output_size(x.shape[2:], w.shape[2:])), x.dtype)
    matrix = w.reshape(geometry.groups, len(w) // geometry.groups, -1)
    column = np.zeros((), x.dtype) if bias is None else bias.astype(x.dtype, copy=False)[:, None, None]

    def work(n: int, buffers: Buffers) -> None:
        image, lines, picture = buffers
        np.matmul(matrix, image.load(x[n]), out=lines)
        np.add(picture, column, out=out[n])

    parallel_with(lambda: _buffers(x.shape[1], len(w), x.shape[2:], w.shape[2:], geometry, x.dtype), work, len(x))
    return out


def conv2d_input(g: np.ndarray, w: np.ndarray, geometry: Geometry, size: tuple[int, ...]) -> np.ndarray:
    """conv2d's adjoint in x, for an image of `size`: (N, O, H', W'), (O, C/groups, kh, kw) -> (N, C, *size)."""
    g, w = _common(g, w)
    channels = w.shape[1] * geometry.groups
    out = empty((len(g), channels, *size), g.dtype)
    matrix = w.reshape(geometry.groups, len(w) // geometry.groups, -1).transpose(0, 2, 1)

    def work(n: int, buffers: Buffers) -> None:
        image, lines, picture = buffers
        np.copyto(picture, g[n])
        np.matmul(matrix, lines, out=image.columns)
        np.copyto(out[n], image.add_up())

    parallel_with(lambda: _buffers(channels, len(w), size, w.shape[2:], geometry, g.dtype), work, len(g))
    return out


def conv2d_weight(x: np.ndarray, g: np.ndarray, geometry: Geometry, kernel: tuple[int, ...]) -> np.ndarray:
    """conv2d's adjoint in w: (N, C, H, W), (N, O, H', W') -> (O, C/groups, *kernel)."""
    x, g = _common(x, g)
    groups, outputs, channels = geometry.groups, g.shape[1], x.shape[1]
    rows = channels // groups * kernel[0] * kernel[1]
    chunks = _chunks(len(x))
    sums = np.zeros((len(chunks), groups, rows, outputs // groups), x.dtype)

    def work(number: int, buffers: Buffers) -> None:
        image, lines, picture = buffers
        for n in range(*chunks[number]):
            np.copyto(picture, g[n])
            image.load(x[n])
            sums[number] += np.matmul(image.tall_columns, lines.transpose(0, 2, 1))[:, :rows]

    parallel_with(lambda: _buffers(channels, outputs, x.shape[2:], kernel, geometry, x.dtype), work, len(chunks))
    total = sums.sum(axis=0).transpose(0, 2, 1)  # in the chunks' order; (groups, O/groups, C/groups * kernel)
    return np.ascontiguousarray(total).reshape(outputs, -1, *kernel)


def sum_channels(x: np.ndarray) -> np.ndarray:
    """Each channel's sum over the batch and the places, conv2d's adjoint in the bias: (N, C, H, W) -> (C,)."""
    chunks = _chunks(len(x))
    sums = np.zeros((len(chunks), x.shape[1]), x.dtype)

    def work(number: int) -> None:
        np.sum(x[slice(*chunks[number])], axis=(0, 2, 3), out=sums[number])

    parallel_for(work, len(chunks))
    return sums.sum(axis=0)

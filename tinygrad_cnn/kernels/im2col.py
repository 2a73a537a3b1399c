"""im2col: what a convolution's kernel sees at each place of an image, as a matrix that a product can take.

A column of the matrix holds what the kernel sees at one place; a row holds what one tap of the kernel sees at every
place. One image's matrix, in a buffer that is used again for the next image, stays in cache: columns for a whole
batch at once are 5 times slower.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .memory import empty

Pair = tuple[int, int]
# OpenBLAS multiplies matrices as small as these (rows x inner x columns) where they lie; larger ones it first copies
# into an order of its own, which takes as long as a product with 16 to 64 rows. One product for each line of the
# result, of at least 32 places, runs at 120 to 150 GFLOP/s where one for the whole image runs at 60 to 100 (3 to 64
# channels), and it leaves out the places between the lines that mean nothing.
SMALL_PRODUCT = 100**3
MOST_BYTES = 1 << 23  # of a buffer that is kept for the next call


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


class Columns:
    """The matrix of one image, or of the band of it that `height` lines of the result come from.

    `lines` (parts, height, groups, rows, width) and `whole` (parts, groups, rows, length) are views of it, line by
    line and as one. With stride 1 the lines lie as far apart as in the padded image, `pitch`, so that a row is one
    long contiguous run of it (copied at 36 GB/s instead of 10); in `whole`, a few places between the lines mean
    nothing. There is one part, or with `split` one for each row of the kernel, whose products with that row add up
    to the result: then the buffer holds the columns of a kernel one row high, a third of the copying that 3x3 takes,
    and each part begins some lines further on in it. With `ones`, the last row is of ones: it multiplies the bias.
    """

    def __init__(
        self,
        channels: int,
        size: tuple[int, ...],
        kernel: tuple[int, ...],
        geometry: Geometry,
        dtype: np.dtype,
        height: int,
        split: bool = False,
        ones: bool = False,
    ) -> None:
        (sh, sw), (ph, pw), (dh, dw), groups = geometry
        kh, kw = kernel
        width = geometry.output_size(size, kernel)[1]
        plane_width = size[1] + 2 * pw
        self.step, self.above, self.width = sh, ph, width
        self.plane = empty((channels, (height - 1) * sh + dh * (kh - 1) + 1, plane_width), dtype)
        self.filled = (0, 0)  # which lines of the plane hold the image; around it, the plane is 0
        self.plane.fill(0)
        self.inner = self.plane[:, :, pw : pw + size[1]]

        parts, taps_down = (kh, 1) if split else (1, kh)
        c, y, x = self.plane.strides
        taps = groups, channels // groups, taps_down, kw
        steps = channels // groups * c, c, dh * y, dw * x
        if (sh, sw) == (1, 1):
            self.pitch = plane_width
            # Without what is right of the last line's last place: so the last tap ends with the plane.
            self.length = (height - 1) * plane_width + width
            self.taps = as_strided(self.plane, (*taps, self.length + (parts - 1) * dh * plane_width), (*steps, x))
        else:
            self.pitch = width
            self.length = height * width
            self.taps = as_strided(self.plane, (*taps, height, width), (*steps, sh * y, sw * x))
        rows = math.prod(taps[1:])
        self.matrix = empty((groups, rows + ones, math.prod(self.taps.shape[4:])), dtype)
        self.matrix[:, rows:] = 1
        self.by_tap = self.matrix[:, :rows].reshape(self.taps.shape)

        group, row, place = self.matrix.strides
        line = self.pitch * place
        self.whole = as_strided(self.matrix, (parts, groups, rows + ones, self.length), (dh * line, group, row, place))
        self.lines = as_strided(
            self.matrix, (parts, height, groups, rows + ones, width), (dh * line, line, group, row, place)
        )

    def load(self, image: np.ndarray, first: int = 0) -> None:
        """im2col. image: (C, H, W); `first`: which line of the result the band begins with."""
        start = first * self.step - self.above
        top, bottom = max(start, 0), min(start + self.plane.shape[1], image.shape[1])
        inside = top - start, max(top, bottom) - start
        if inside != self.filled:
            self.plane.fill(0)
            self.filled = inside
        if bottom > top:
            np.copyto(self.inner[:, inside[0] : inside[1]], image[:, top:bottom])
        np.copyto(self.by_tap, self.taps)


class Places:
    """The matrix turned round, of a stack of images: what the kernel sees at one place is a row, channels side by side.

    Copied in runs of a kernel's width times the channels, from a picture whose channels lie innermost. The weight
    gradient multiplies this one: a product that runs along the places is 1.3 times as fast with them outermost, and
    longer places of several small images make one product of a useful size. `tiles` (kernel's rows, tiles, groups,
    places, rows) is a view of the buffer, for tiles of so many `lines` of the result in all images of the stack: more
    than one needs a vertical stride of 1.
    """

    def __init__(
        self,
        channels: int,
        size: tuple[int, ...],
        kernel: tuple[int, ...],
        geometry: Geometry,
        dtype: np.dtype,
        lines: int,
        stack: int,
    ) -> None:
        (sh, sw), (ph, pw), (dh, dw), groups = geometry
        kh, kw = kernel
        height, width = geometry.output_size(size, kernel)
        per_group = channels // groups
        # Line by line, and of each line image by image: places of consecutive lines stay one run.
        plane_lines = max((height - 1) * sh + dh * (kh - 1) + 1, ph + size[0])
        plane = empty((plane_lines, stack, size[1] + 2 * pw, channels), dtype)
        plane.fill(0)  # the border stays so
        self.inner = plane[ph : ph + size[0], :, pw : pw + size[1]]
        line, image, x, c = plane.strides
        self.windows = as_strided(
            plane,
            (groups, plane_lines, stack, width, kw, per_group),
            (per_group * c, line, image, sw * x, dw * x, c),
        )
        self.matrix = empty(self.windows.shape, dtype)
        group, line, _, place, _, c = self.matrix.strides
        self.tiles = as_strided(
            self.matrix,
            (kh, height // lines, groups, lines * stack * width, kw * per_group),
            (dh * line, lines * sh * line, group, place, c),
        )

    def load(self, images: np.ndarray) -> None:
        """im2col. images: (n, C, H, W), with n up to the stack; the rest is 0."""
        self.inner[:, len(images) :] = 0
        np.copyto(self.inner[:, : len(images)], images.transpose(2, 0, 3, 1))
        np.copyto(self.matrix, self.windows)


def in_one_dtype(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """The arrays in the widest of their dtypes."""
    dtype = np.result_type(*arrays)
    return tuple(a.astype(dtype, copy=False) for a in arrays)

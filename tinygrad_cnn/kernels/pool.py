"""Pooling over windows of an image, tap by tap: each tap of the window is a strided slice of the whole image.

A max pool's result is a gather: of each window, the tap that won. The adjoint of that gather is a scatter.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .memory import Scratch, empty
from .threads import parallel_for, parallel_with, pieces

Pair = tuple[int, int]
PIECE = 1 << 17  # elements of the image


class Windows(NamedTuple):
    """Where the windows lie: (vertical, horizontal) each; `places` is how many there are."""

    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    places: Pair

    def taps(self) -> Iterator[tuple[int, tuple[slice, slice]]]:
        """Each tap's number and its slice of the padded image: one element per window."""
        for number in range(self.kernel[0] * self.kernel[1]):
            at = divmod(number, self.kernel[1])
            rows, columns = (
                slice(a * d, a * d + s * (n - 1) + 1, s)
                for a, d, s, n in zip(at, self.dilation, self.stride, self.places, strict=True)
            )
            yield number, (rows, columns)

    def padded(self, size: tuple[int, ...]) -> Pair:
        """The image's size with padding, and beyond it as far as the last window reaches."""
        height, width = (
            max(n + 2 * p, s * (m - 1) + d * (k - 1) + 1)
            for n, p, s, m, d, k in zip(
                size, self.padding, self.stride, self.places, self.dilation, self.kernel, strict=True
            )
        )
        return height, width

    def inside(self, padded: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
        """The image of `size` within padded planes (..., H, W)."""
        (ph, pw), (height, width) = self.padding, size
        return padded[..., ph : ph + height, pw : pw + width]


def _planes(x: np.ndarray) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """(N, C, H, W) -> (N*C, H, W), and the pieces that threads take: so small that all steps stay in cache."""
    planes = np.ascontiguousarray(x).reshape(-1, *x.shape[2:])
    return planes, list(pieces(len(planes), max(1, PIECE // max(1, x.shape[2] * x.shape[3]))))


def _pad(planes: np.ndarray, windows: Windows, fill: float) -> np.ndarray:
    size = planes.shape[1:]
    padded = windows.padded(size)
    if padded == size:
        return planes
    out = np.full((len(planes), *padded), fill, planes.dtype)
    windows.inside(out, size)[...] = planes
    return out


def max_windows(x: np.ndarray, windows: Windows) -> tuple[np.ndarray, np.ndarray]:
    """The largest element of each window, and which tap it is: the first of ties; the last NaN, if there is one.

    (N, C, H, W) -> (N, C, *places), twice; the taps' numbers are unsigned integers.
    """
    planes, chunks = _planes(x)
    shape = (*x.shape[:2], *windows.places)
    best = empty((len(planes), *windows.places), x.dtype)
    winner = empty(best.shape, np.min_scalar_type(windows.kernel[0] * windows.kernel[1]))

    pairs = _are_pairs(windows, planes)

    def work(number: int, scratch: Scratch) -> None:
        part = slice(*chunks[number])
        if not (pairs and _max_of_pairs(planes[part], best[part], winner[part], scratch)):
            _max_of_taps(planes[part], windows, best[part], winner[part])

    parallel_with(Scratch, work, len(chunks))
    return best.reshape(shape), winner.reshape(shape)


def _max_of_taps(planes: np.ndarray, windows: Windows, best: np.ndarray, winner: np.ndarray) -> None:
    lowest = -np.inf if planes.dtype.kind == "f" else np.iinfo(planes.dtype).min
    image = _pad(planes, windows, lowest)
    best.fill(lowest)
    winner[...] = _first_inside(windows, planes.shape[1:])  # where nothing is above the lowest
    for tap, (rows, columns) in windows.taps():
        values = image[:, rows, columns]
        better = values > best
        better |= values != values
        np.maximum(best, values, out=best)  # with NaN where there is one
        np.maximum(winner, better * winner.dtype.type(tap), out=winner)  # taps come in rising order


def _first_inside(windows: Windows, size: tuple[int, ...]) -> np.ndarray:
    """Each window's first tap that lies in the image, not in its padding. -> (*places)."""
    inside = _pad(np.ones((1, *size), bool), windows, 0)[0]
    first = np.zeros(windows.places, np.int64)
    for tap, (rows, columns) in reversed(list(windows.taps())):
        first[inside[rows, columns]] = tap
    return first


def _are_pairs(windows: Windows, planes: np.ndarray) -> bool:
    """The common case: 2x2 windows side by side, of floats."""
    return (
        windows.kernel == windows.stride == (2, 2)
        and windows.padding == (0, 0)
        and windows.dilation == (1, 1)
        and all(2 * n <= size for n, size in zip(windows.places, planes.shape[1:], strict=True))
        and planes.dtype in (np.float32, np.float64)
        and sys.byteorder == "little"
    )


def _max_of_pairs(planes: np.ndarray, best: np.ndarray, winner: np.ndarray, scratch: Scratch) -> bool:
    """_max_of_taps for 2x2 windows side by side, in a fifth of its time; False, and nothing done, for NaN.

    Rows first, which lie contiguously, then columns; no masked copies, which NumPy does one by one.
    """
    height, width = best.shape[1:]
    upper, lower = planes[:, : 2 * height : 2, : 2 * width], planes[:, 1 : 2 * height : 2, : 2 * width]
    larger = np.maximum(upper, lower, out=scratch.take("larger", upper.shape, planes.dtype))
    low = np.greater(lower, upper, out=scratch.take("low", upper.shape, bool))
    left, right = larger[:, :, ::2], larger[:, :, 1::2]
    np.maximum(left, right, out=best)
    if np.isnan(best.max(initial=0)):
        return False
    # A window's two winning rows as one number: the left column's in the low byte, the right one's in the high.
    rows = low.view(np.uint16)
    column = np.equal(left, right, out=scratch.take("column", best.shape, bool))
    other = np.equal(rows, 1, out=scratch.take("other", best.shape, bool))
    column &= other  # equal columns: the right one comes first only if it won above and the left one below
    column |= np.greater(right, left, out=other)
    shift = scratch.take("shift", best.shape, np.uint16)
    np.left_shift(column.view(np.uint8), 3, out=shift, casting="unsafe")
    np.right_shift(rows, shift, out=shift)
    shift &= 1  # the winning column's row
    shift += shift
    np.add(shift, column, out=winner, casting="unsafe")
    return True


def take_windows(x: np.ndarray, winner: np.ndarray, windows: Windows) -> np.ndarray:
    """Of each window, the tap that `winner` names. (N, C, H, W) -> (N, C, *places)."""
    planes, chunks = _planes(x)
    taken = winner.reshape(-1, *windows.places)
    out = empty(taken.shape, x.dtype)

    def work(number: int) -> None:
        part = slice(*chunks[number])
        image = _pad(planes[part], windows, 0)
        for tap, (rows, columns) in windows.taps():
            np.copyto(out[part], image[:, rows, columns], where=taken[part] == tap)

    parallel_for(work, len(chunks))
    return out.reshape(*x.shape[:2], *windows.places)


def spread_windows(g: np.ndarray, winner: np.ndarray, windows: Windows, size: tuple[int, ...]) -> np.ndarray:
    """take_windows' adjoint: each window's g added to where its tap came from. -> (N, C, *size)."""
    planes, chunks = _planes(g)
    taken = winner.reshape(planes.shape)
    out = empty((len(planes), *size), g.dtype)

    pairs = g.dtype == np.float32 and _are_pairs(windows, out)

    def work(number: int, scratch: Scratch) -> None:
        part = slice(*chunks[number])
        if pairs:
            _spread_pairs(planes[part], taken[part], out[part], scratch)
            return
        image = np.zeros((len(planes[part]), *windows.padded(size)), g.dtype)
        for tap, (rows, columns) in windows.taps():
            image[:, rows, columns] += _where(taken[part] == tap, planes[part])
        np.copyto(out[part], windows.inside(image, size))

    parallel_with(Scratch, work, len(chunks))
    return out.reshape(*g.shape[:2], *size)


def _where(condition: np.ndarray, values: np.ndarray) -> np.ndarray:
    """values where the condition holds, else exactly 0: by masking bits, as in `where_positive`."""
    if values.dtype.kind != "f":
        return values * condition
    bits = np.dtype(f"i{values.dtype.itemsize}")
    return (values.view(bits) & -condition.astype(bits)).view(values.dtype)


def _spread_pairs(planes: np.ndarray, taken: np.ndarray, out: np.ndarray, scratch: Scratch) -> None:
    """spread_windows for 2x2 windows side by side of float32, in a fifth of the general way's time.

    The two elements of a window's row are written as one 64-bit number: g's bits in its lower half (left) or
    its upper one (right), so that nothing is written in strides of two.
    """
    height, width = planes.shape[1:]
    if (2 * height, 2 * width) != out.shape[1:]:
        out[:, 2 * height :] = 0
        out[:, :, 2 * width :] = 0
    upper, lower, place = (scratch.take(name, planes.shape, np.uint64) for name in ("upper", "lower", "place"))
    byte = scratch.take("byte", planes.shape, np.uint8)
    np.copyto(upper, planes.view(np.uint32))
    np.left_shift(np.bitwise_and(taken, 1, out=byte), 5, out=byte)
    np.copyto(place, byte)  # the column: 0 bits or 32
    np.left_shift(upper, place, out=upper)
    np.copyto(place, np.right_shift(taken, 1, out=byte))  # the row
    np.multiply(upper, place, out=lower)
    np.bitwise_xor(upper, lower, out=upper)
    out[:, : 2 * height : 2, : 2 * width] = upper.view(np.float32)
    out[:, 1 : 2 * height : 2, : 2 * width] = lower.view(np.float32)


def average_windows(x: np.ndarray, share: np.ndarray, windows: Windows) -> np.ndarray:
    """Each window's sum times its `share` (*places): one over the number of elements that count."""
    planes, chunks = _planes(x)
    out = empty((len(planes), *windows.places), x.dtype)

    def work(number: int) -> None:
        part = slice(*chunks[number])
        image = _pad(planes[part], windows, 0)
        total = out[part]
        total.fill(0)
        for _, (rows, columns) in windows.taps():
            total += image[:, rows, columns]
        total *= share

    parallel_for(work, len(chunks))
    return out.reshape(*x.shape[:2], *windows.places)


def spread_average(g: np.ndarray, share: np.ndarray, windows: Windows, size: tuple[int, ...]) -> np.ndarray:
    """average_windows' adjoint: each window's g times its share, added to all its elements. -> (N, C, *size)."""
    planes, chunks = _planes(g)
    out = empty((len(planes), *size), g.dtype)

    def work(number: int) -> None:
        part = slice(*chunks[number])
        image = np.zeros((len(planes[part]), *windows.padded(size)), g.dtype)
        shared = planes[part] * share.astype(g.dtype)
        for _, (rows, columns) in windows.taps():
            image[:, rows, columns] += shared
        np.copyto(out[part], windows.inside(image, size))

    parallel_for(work, len(chunks))
    return out.reshape(*g.shape[:2], *size)

"""Pooling over windows of an image, tap by tap: each tap of the window is a strided slice of the whole image.

A max pool's result is a gather: of each window, the tap that won. The adjoint of that gather is a scatter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .threads import parallel_for, pieces

Pair = tuple[int, int]


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
    """(N, C, H, W) -> (N*C, H, W), and the pieces that threads take: half a megabyte or so each."""
    planes = np.ascontiguousarray(x).reshape(-1, *x.shape[2:])
    each = max(1, x.shape[2] * x.shape[3] * x.itemsize)
    return planes, list(pieces(len(planes), max(1, (1 << 19) // each)))


def _pad(planes: np.ndarray, windows: Windows, fill: float) -> np.ndarray:
    size = planes.shape[1:]
    padded = windows.padded(size)
    if padded == size:
        return planes
    out = np.full((len(planes), *padded), fill, planes.dtype)
    windows.inside(out, size)[...] = planes
    return out


def max_windows(x: np.ndarray, windows: Windows) -> tuple[np.ndarray, np.ndarray]:
    """The largest element of each window, and which tap it is: the first of ties, a NaN before any number.

    (N, C, H, W) -> (N, C, *places), twice; the taps' numbers are unsigned integers.
    """
    planes, chunks = _planes(x)
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    best = np.empty((len(planes), *windows.places), x.dtype)
    winner = np.zeros(best.shape, np.min_scalar_type(windows.kernel[0] * windows.kernel[1]))

    def work(number: int) -> None:
        part = slice(*chunks[number])
        image = _pad(planes[part], windows, lowest)
        largest, taken = best[part], winner[part]
        outside = windows.padded(x.shape[2:]) != x.shape[2:] and x.dtype.kind == "f"
        inside = _pad(np.ones((1, *x.shape[2:]), bool), windows, 0) if outside else None
        for tap, (rows, columns) in windows.taps():
            values = image[:, rows, columns]
            if not tap:
                np.copyto(largest, values)
                seen = None if inside is None else inside[:, rows, columns].copy()
                continue
            better = (values > largest) | ((values != values) & (largest == largest))
            if inside is not None and seen is not None:  # padding never wins, not even against -inf
                here = inside[:, rows, columns]
                better = (better & here) | (here & ~seen)
                seen |= here
            np.copyto(largest, values, where=better)
            np.copyto(taken, tap, where=better)

    parallel_for(work, len(chunks))
    shape = (*x.shape[:2], *windows.places)
    return best.reshape(shape), winner.reshape(shape)


def take_windows(x: np.ndarray, winner: np.ndarray, windows: Windows) -> np.ndarray:
    """Of each window, the tap that `winner` names. (N, C, H, W) -> (N, C, *places)."""
    planes, chunks = _planes(x)
    taken = winner.reshape(-1, *windows.places)
    out = np.empty(taken.shape, x.dtype)

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
    out = np.empty((len(planes), *size), g.dtype)

    def work(number: int) -> None:
        part = slice(*chunks[number])
        image = np.zeros((len(planes[part]), *windows.padded(size)), g.dtype)
        for tap, (rows, columns) in windows.taps():
            image[:, rows, columns] += np.where(taken[part] == tap, planes[part], 0)
        np.copyto(out[part], windows.inside(image, size))

    parallel_for(work, len(chunks))
    return out.reshape(*g.shape[:2], *size)


def average_windows(x: np.ndarray, share: np.ndarray, windows: Windows) -> np.ndarray:
    """Each window's sum times its `share` (*places): one over the number of elements that count."""
    planes, chunks = _planes(x)
    out = np.empty((len(planes), *windows.places), x.dtype)

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
    out = np.empty((len(planes), *size), g.dtype)

    def work(number: int) -> None:
        part = slice(*chunks[number])
        image = np.zeros((len(planes[part]), *windows.padded(size)), g.dtype)
        shared = planes[part] * share.astype(g.dtype)
        for _, (rows, columns) in windows.taps():
            image[:, rows, columns] += shared
        np.copyto(out[part], windows.inside(image, size))

    parallel_for(work, len(chunks))
    return out.reshape(*g.shape[:2], *size)

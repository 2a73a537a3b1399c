"""Windows over an image, and the image cut into phases so that a tap of all windows is one run of memory.

With a stride of two, say, a tap meets every second column of every second row. NumPy's arithmetic takes about 30 ns
more for each row that it enters, and reads spaced elements three times as slowly as neighbours. So the elements that
lie a stride apart, a phase, are brought side by side first; over them every step is one long pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .memory import empty
from .threads import pieces

Pair = tuple[int, int]
# Of the image, in a piece of work: few enough that its phases stay in a core's L2 cache, and so many that a
# step takes longer than a thread sleeps when it has to wait for the other one's Python (at half as many, two threads
# take as long as one).
ELEMENTS_PER_PIECE = 1 << 18
ELEMENTS_WORTH_SHARING = 1 << 17  # among two threads


class Windows(NamedTuple):
    """Where the windows lie: (vertical, horizontal) each; `places` is how many there are."""

    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    places: Pair


def planes_of(x: np.ndarray) -> np.ndarray:
    """(N, C, H, W) -> (N*C, H, W), in C order."""
    return np.ascontiguousarray(x).reshape(-1, *x.shape[2:])


def cuts(planes: int, size: Pair) -> list[tuple[int, int]]:
    """(start, stop) of the planes that are taken at a time, as even as can be."""
    elements = planes * size[0] * size[1]
    count = -(-elements // ELEMENTS_PER_PIECE)
    if elements >= ELEMENTS_WORTH_SHARING:
        count += count % 2
    return list(pieces(planes, max(1, -(-planes // max(1, count)))))


class Axis:
    """Windows along one axis of `size` elements."""

    def __init__(self, size: int, kernel: int, stride: int, padding: int, dilation: int, places: int) -> None:
        last = max(size + 2 * padding, stride * (places - 1) + dilation * (kernel - 1) + 1)
        self.places, self.length = places, -(-last // stride)  # of windows, and of a phase with its padding
        used = sorted({tap * dilation % stride for tap in range(kernel)})
        # Each tap's phase (as a number among those used), and where in the phase the first window meets it.
        self.taps = [(used.index(t % stride), t // stride) for t in range(0, kernel * dilation, dilation)]
        self.reach = max(start for _, start in self.taps)
        # Each phase's elements within the image, and where in the phase they go.
        self.spots: list[tuple[slice, slice]] = []
        for phase in used:
            first = (phase - padding) % stride
            start = (first + padding - phase) // stride
            count = len(range(first, size, stride))
            self.spots.append((slice(first, None, stride), slice(start, start + count)))
        self.covers = len(used) == stride  # whether each element is in a phase

    @property
    def is_full(self) -> bool:
        """Whether windows and image fill the phases: no padding, nothing left over."""
        return self.places == self.length and all(spot == slice(0, self.length) for _, spot in self.spots)


class Phases:
    """`count` planes cut into phases: for each column phase, an array (row phases, count, *grid).

    A tap is a run of the flattened array, which goes over the ends of rows and of planes. What a run holds between
    one row of windows and the next is garbage: whoever adds a step here makes sure that it ends nowhere.
    """

    def __init__(self, windows: Windows, size: Pair, count: int, dtype: np.dtype, fill: float) -> None:
        self.rows, self.columns = (Axis(*numbers) for numbers in zip(size, *windows, strict=True))
        self.is_full = self.rows.is_full and self.columns.is_full
        self.count, self.dtype = count, dtype
        self.grid = (self.rows.length, self.columns.length)
        self.shape = (len(self.rows.spots), count, *self.grid)
        self.arrays = [empty(self.shape, dtype) for _ in self.columns.spots]
        if not self.is_full:
            for array in self.arrays:
                array.fill(fill)  # the padding keeps it
        # Long passes: how many elements windows take along their rows, and then down their columns.
        plane = self.grid[0] * self.grid[1]
        self.along = len(self.rows.spots) * count * plane - self.columns.reach
        self.down = count * plane - self.rows.reach * self.grid[1]

    def column_taps(self) -> list[tuple[int, slice]]:
        """Each tap along a row: its phase, and its run in that phase's flattened array."""
        return [(phase, slice(start, start + self.along)) for phase, start in self.columns.taps]

    def row_taps(self) -> list[tuple[int, slice]]:
        """Each tap down a column: its phase, and its run in that row phase's flattened array."""
        starts = ((phase, start * self.grid[1]) for phase, start in self.rows.taps)
        return [(phase, slice(start, start + self.down)) for phase, start in starts]

    def runs(self) -> Iterator[np.ndarray]:
        """Each tap's run, row by row of the window."""
        for row, down in self.row_taps():
            for column, start in self.columns.taps:
                flat = self.arrays[column][row].reshape(-1)
                yield flat[down.start + start : down.stop + start - self.columns.reach]

    def _pairs(self, planes: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Elements of an image (count, H, W), and the same elements' places in the phases."""
        for column, (columns, to_columns) in enumerate(self.columns.spots):
            array = self.arrays[column]
            if self.is_full and self.rows.covers:  # all row phases at once: fewer, longer calls
                rows = planes.reshape(self.count, self.grid[0], -1, planes.shape[2])
                yield rows[..., columns], array.transpose(1, 2, 0, 3)
            else:
                for row, (from_rows, to_rows) in enumerate(self.rows.spots):
                    yield planes[:, from_rows, columns], array[row][:, to_rows, to_columns]

    def cut(self, planes: np.ndarray) -> None:
        """Take in (count, H, W)."""
        for image, phase in self._pairs(planes):
            np.copyto(phase, image)

    def join(self, out: np.ndarray) -> None:
        """Give back (count, H, W): each element from its phase, 0 where it is in none."""
        if not (self.rows.covers and self.columns.covers):
            out.fill(0)
        for image, phase in self._pairs(out):
            np.copyto(image, phase)

    def windows_of(self, run: np.ndarray) -> np.ndarray:
        """The windows (count, *places) within an array (count, *grid)."""
        return run[:, : self.rows.places, : self.columns.places]

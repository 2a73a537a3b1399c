"""Max pooling as pairwise comparisons: along each window's rows, then down the column of what they gave.

Each comparison remembers where the later element won. So a tie goes to the first element of the first row, and the
gradient goes the same way back: at each comparison the winner gets what arrives and the other one zero.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from .elementwise import INTEGER_OF_SIZE
from .memory import Scratch, empty
from .threads import parallel_with
from .windows import Pair, Phases, Windows, cuts, planes_of

Taps = list[tuple[int, slice]]
Spare = tuple[np.ndarray, np.ndarray]


class Comparisons(Phases):
    """Phases of `count` planes, with room for the largest of each row: a flat array per row phase.

    Every view is made here, once for all pieces of the work: while a thread makes one, it holds the interpreter lock.
    """

    def __init__(self, windows: Windows, size: Pair, count: int, dtype: np.dtype, fill: float) -> None:
        super().__init__(windows, size, count, dtype, fill)
        self.middle = empty((self.shape[0], count * self.grid[0] * self.grid[1]), dtype)
        self.flat_middle = self.middle.reshape(-1)[: self.along]
        self.last = empty((count, *self.grid), dtype)
        self.flat_last = self.last.reshape(-1)[: self.down]
        self.in_rows = self._views([array.reshape(-1) for array in self.arrays], self.column_taps())
        self.in_columns = self._views(list(self.middle), self.row_taps())
        steps = [self.along] * (len(self.in_rows) - 1) + [self.down] * (len(self.in_columns) - 1)
        self.ends = [0, *np.cumsum(steps).tolist()]  # of what each comparison gives

    def _views(self, arrays: Sequence[np.ndarray], taps: Taps) -> list[np.ndarray]:
        return [arrays[phase][run] for phase, run in taps]

    def split(self, later_won: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """What a piece's comparisons gave, one by one: along the rows, and down the columns."""
        steps = [later_won[start:stop] for start, stop in zip(self.ends, self.ends[1:], strict=False)]
        return steps[: len(self.in_rows) - 1], steps[len(self.in_rows) - 1 :]


def _lowest(dtype: np.dtype) -> float:
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def largest_of_windows(x: np.ndarray, windows: Windows) -> np.ndarray:
    """The largest element of each window, or NaN if it holds one. (N, C, H, W) -> (N, C, *places)."""
    return _max_windows(x, windows, later_won=None)


def max_windows(x: np.ndarray, windows: Windows) -> tuple[np.ndarray, np.ndarray]:
    """`largest_of_windows`, and for `take_windows` and `spread_windows` which elements won: the first of ties."""
    planes, size = x.shape[0] * x.shape[1], (x.shape[2], x.shape[3])
    parts = cuts(planes, size)
    most = max((stop - start for start, stop in parts), default=1)
    later_won = empty((len(parts), Comparisons(windows, size, most, x.dtype, 0).ends[-1]), bool)
    return _max_windows(x, windows, later_won), later_won


def _max_windows(x: np.ndarray, windows: Windows, later_won: np.ndarray | None) -> np.ndarray:
    planes, size, lowest = planes_of(x), (x.shape[2], x.shape[3]), _lowest(x.dtype)
    out = empty((len(planes), *windows.places), x.dtype)
    parts = cuts(len(planes), size)

    def work(number: int, comparisons: Comparisons) -> None:
        start, stop = parts[number]
        image, best = planes[start:stop], out[start:stop]
        if comparisons.count != len(image):
            comparisons = Comparisons(windows, size, len(image), x.dtype, lowest)
        comparisons.cut(image)
        along, down = ([], []) if later_won is None else comparisons.split(later_won[number])
        to = best.reshape(-1) if comparisons.is_full else comparisons.flat_last
        _ascend(comparisons.in_rows, along, comparisons.flat_middle)
        _ascend(comparisons.in_columns, down, to)
        if not comparisons.is_full:
            np.copyto(best, comparisons.windows_of(comparisons.last))
        if later_won is not None and not best.min() > lowest:
            _compare_with_care(comparisons, windows, size, (along, down))

    most = max((stop - start for start, stop in parts), default=1)
    # Without winners it is inference, often of one image, of which making the views is half the time.
    parallel_with(
        Comparisons, work, len(parts), (windows, size, most, x.dtype, lowest), keep=later_won is None, least=2
    )
    return out.reshape(*x.shape[:2], *windows.places)


def _ascend(taps: list[np.ndarray], later_won: list[np.ndarray], out: np.ndarray) -> None:
    """The maximum over the taps; where a later one is larger is kept, if there is room for it."""
    best = taps[0]
    if len(taps) == 1:
        np.copyto(out, best)
    for number, tap in enumerate(taps[1:]):
        if later_won:
            np.greater(tap, best, out=later_won[number])
        best = np.maximum(best, tap, out=out)


def _compare_with_care(
    comparisons: Comparisons, windows: Windows, size: Pair, later_won: tuple[list[np.ndarray], list[np.ndarray]]
) -> None:
    """The same where there is NaN, which wins, or a window of -inf alone, which its padding must not win."""
    inside = Comparisons(windows, size, comparisons.count, np.dtype(bool), False)
    inside.cut(np.ones((comparisons.count, *size), bool))
    passes = (comparisons.in_rows, inside.in_rows), (comparisons.in_columns, inside.in_columns)
    for (taps, theirs), steps in zip(passes, later_won, strict=True):
        best, within = taps[0], theirs[0]
        for tap, is_within, won in zip(taps[1:], theirs[1:], steps, strict=True):
            np.greater(tap, best, out=won)
            won |= tap != tap
            won |= is_within > within
            best, within = np.maximum(best, tap), within | is_within
        if taps is comparisons.in_rows:
            comparisons.flat_middle[:], inside.flat_middle[:] = best, within


def take_windows(x: np.ndarray, later_won: np.ndarray, windows: Windows) -> np.ndarray:
    """Each window's element at the place that won in `later_won`. (N, C, H, W) -> (N, C, *places)."""
    planes, size = planes_of(x), (x.shape[2], x.shape[3])
    out = empty((len(planes), *windows.places), x.dtype)
    parts = cuts(len(planes), size)

    def work(number: int, comparisons: Comparisons) -> None:
        start, stop = parts[number]
        if comparisons.count != stop - start:
            comparisons = Comparisons(windows, size, stop - start, x.dtype, 0)
        comparisons.cut(planes[start:stop])
        along, down = comparisons.split(later_won[number])
        comparisons.flat_middle[:] = _choose(comparisons.in_rows, along)
        comparisons.flat_last[:] = _choose(comparisons.in_columns, down)
        np.copyto(out[start:stop], comparisons.windows_of(comparisons.last))

    parallel_with(lambda: Comparisons(windows, size, parts[0][1], x.dtype, 0), work, len(parts))
    return out.reshape(*x.shape[:2], *windows.places)


def _choose(taps: list[np.ndarray], later_won: list[np.ndarray]) -> np.ndarray:
    chosen = taps[0]
    for tap, won in zip(taps[1:], later_won, strict=True):
        chosen = np.where(won, tap, chosen)
    return chosen


def spread_windows(g: np.ndarray, later_won: np.ndarray, windows: Windows, size: tuple[int, ...]) -> np.ndarray:
    """take_windows' adjoint: each window's g added to where its element came from. -> (N, C, *size)."""
    planes, area = planes_of(g), (size[0], size[1])
    out = empty((len(planes), *area), g.dtype)
    parts = cuts(len(planes), area)
    pairs = _are_pairs(windows, area, g.dtype)

    def work_on_pairs(number: int, scratch: Scratch) -> None:
        part = slice(*parts[number])
        _spread_pairs(planes[part], later_won[number], out[part], scratch)

    def make(count: int) -> tuple[Comparisons, Spare]:
        comparisons = Comparisons(windows, area, count, g.dtype, 0)
        comparisons.last.fill(0)  # so that garbage ends nowhere
        bits = INTEGER_OF_SIZE[g.dtype.itemsize]
        return comparisons, (empty((comparisons.along,), bits), empty((comparisons.along,), bits))

    def work(number: int, buffers: tuple[Comparisons, Spare]) -> None:
        start, stop = parts[number]
        comparisons, spare = buffers if buffers[0].count == stop - start else make(stop - start)
        along, down = comparisons.split(later_won[number])
        cotangent = planes[start:stop].reshape(-1)
        if not comparisons.is_full:
            np.copyto(comparisons.windows_of(comparisons.last), planes[start:stop])
            cotangent = comparisons.flat_last
        _descend(cotangent, down, list(comparisons.middle), comparisons.row_taps(), spare)
        _descend(
            comparisons.flat_middle,
            along,
            [a.reshape(-1) for a in comparisons.arrays],
            comparisons.column_taps(),
            spare,
        )
        comparisons.join(out[start:stop])

    if pairs:
        parallel_with(Scratch, work_on_pairs, len(parts))
    else:
        parallel_with(lambda: make(parts[0][1]), work, len(parts))
    return out.reshape(*g.shape[:2], *size)


def _descend(g: np.ndarray, later_won: list[np.ndarray], arrays: list[np.ndarray], taps: Taps, spare: Spare) -> None:
    """_ascend's adjoint, from the last comparison to the first: of what arrives, the later element gets what it won.

    By bits: a product of floats would make NaN of inf * 0. What is left is then the difference, `rest ^ won`.
    """
    count, bits = g.size, spare[0].dtype
    met: set[int] = set()  # phases that hold a share already

    def place(number: int, otherwise: np.ndarray) -> np.ndarray:
        phase, run = taps[number]
        return otherwise[:count] if phase in met else arrays[phase][run].view(bits)

    def add(number: int, share: np.ndarray) -> None:
        phase, run = taps[number]
        if phase in met:
            arrays[phase][run] += share.view(g.dtype)
        else:
            met.add(phase)
            arrays[phase][: run.start] = 0
            arrays[phase][run.stop :] = 0

    rest = g.view(bits)
    for number in range(len(later_won), 0, -1):
        won = np.multiply(rest, later_won[number - 1], out=place(number, spare[0]))
        add(number, won)
        rest = np.bitwise_xor(rest, won, out=place(0, spare[1]) if number == 1 else spare[1][:count])
    if not later_won:
        place(0, spare[1])[:] = rest
    add(0, rest)


def _are_pairs(windows: Windows, size: Pair, dtype: np.dtype) -> bool:
    """The common case: 2x2 windows side by side that fill an image of float32."""
    return (
        windows.kernel == windows.stride == (2, 2)
        and windows.dilation == (1, 1)
        and size == (2 * windows.places[0], 2 * windows.places[1])
        and windows.padding == (0, 0)
        and dtype == np.float32
        and sys.byteorder == "little"
    )


def _spread_pairs(g: np.ndarray, later_won: np.ndarray, out: np.ndarray, scratch: Scratch) -> None:
    """spread_windows for such windows, in three quarters of the general way's time.

    The two elements of a window's row are written as one 64-bit number: g's bits in its lower half (left) or
    its upper one (right), so that nothing is written in strides of two. NumPy widens bytes on the way, in chunks.
    """
    count, height, width = g.shape
    right, lower = later_won[: 2 * g.size].reshape(2, *g.shape), later_won[2 * g.size : 3 * g.size].reshape(g.shape)
    byte = scratch.take("byte", g.shape, np.uint8)
    won = byte.view(bool)  # whether the right column did: in the upper row, or in the lower one if that won
    np.bitwise_xor(right[0], right[1], out=won)
    np.bitwise_and(won, lower, out=won)
    np.bitwise_xor(won, right[0], out=won)
    np.multiply(byte, np.uint8(32), out=byte)
    rows = scratch.take("rows", (2, *g.shape), np.uint64)
    np.left_shift(g.view(np.uint32), byte, out=rows[0], dtype=np.uint64)
    np.multiply(rows[0], lower, out=rows[1])
    np.bitwise_xor(rows[0], rows[1], out=rows[0])
    np.copyto(out.view(np.uint64).reshape(count, height, 2, width), rows.transpose(1, 2, 0, 3))

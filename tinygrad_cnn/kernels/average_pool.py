"""Average pooling: sums over windows, tap by tap, and their adjoint."""

from __future__ import annotations

import numpy as np

from .memory import empty
from .threads import parallel_with
from .windows import Phases, Windows, cuts, planes_of


def average_windows(x: np.ndarray, share: np.ndarray, windows: Windows) -> np.ndarray:
    """Each window's sum times its `share` (*places): one over the number of elements that count."""
    planes, size = planes_of(x), (x.shape[2], x.shape[3])
    out = empty((len(planes), *windows.places), x.dtype)
    parts = cuts(len(planes), size)

    def make(count: int) -> tuple[Phases, np.ndarray]:
        phases = Phases(windows, size, count, x.dtype, 0)
        return phases, empty((count, *phases.grid), x.dtype)

    def work(number: int, buffers: tuple[Phases, np.ndarray]) -> None:
        start, stop = parts[number]
        phases, total = buffers if buffers[0].count == stop - start else make(stop - start)
        phases.cut(planes[start:stop])
        first, *others = phases.runs()
        so_far = total.reshape(-1)[: first.size]
        for run in others:
            first = np.add(first, run, out=so_far)
        if not others:
            np.copyto(so_far, first)
        np.multiply(phases.windows_of(total), share, out=out[start:stop])

    parallel_with(lambda: make(parts[0][1]), work, len(parts))
    return out.reshape(*x.shape[:2], *windows.places)


def spread_average(g: np.ndarray, share: np.ndarray, windows: Windows, size: tuple[int, ...]) -> np.ndarray:
    """average_windows' adjoint: each window's g times its share, added to all its elements. -> (N, C, *size)."""
    planes, area, share = planes_of(g), (size[0], size[1]), share.astype(g.dtype)
    out = empty((len(planes), *area), g.dtype)
    parts = cuts(len(planes), area)

    def make(count: int) -> tuple[Phases, np.ndarray]:
        phases = Phases(windows, area, count, g.dtype, 0)
        shares = empty((count, *phases.grid), g.dtype)
        shares.fill(0)  # so that garbage ends nowhere
        return phases, shares

    def work(number: int, buffers: tuple[Phases, np.ndarray]) -> None:
        start, stop = parts[number]
        phases, shares = buffers if buffers[0].count == stop - start else make(stop - start)
        np.multiply(planes[start:stop], share, out=phases.windows_of(shares))
        for array in phases.arrays:
            array.fill(0)
        for run in phases.runs():
            run += shares.reshape(-1)[: run.size]
        phases.join(out[start:stop])

    parallel_with(lambda: make(parts[0][1]), work, len(parts))
    return out.reshape(*g.shape[:2], *size)

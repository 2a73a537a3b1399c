"""Work on the rows of a (rows, length) array, with a number for each row, shared out in runs of whole rows.

A row is what a reduction runs over: a channel of an image, or an item's scores. A run stays in a core's cache from
one NumPy call to the next, and takes each call long enough that threads seldom wait for each other's Python.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .memory import Scratch
from .threads import parallel_with, pieces

ELEMENTS_PER_RUN = 1 << 18  # runs of 1 << 16 take twice as long on two threads
ELEMENTS_PER_BLOCK = 1 << 13  # that are added up in the array's own precision, a few 1e-7 of the sum
ROWS_PER_BLOCK = 128  # that are added up one by one in the array's own precision
ELEMENTS_OF_A_LONG_ROW = 256  # from which on it is better not copied into NumPy's buffer


def for_rows(work: Callable[[slice, Scratch], None], rows: int, length: int) -> None:
    """work(some_rows, scratch) for runs of rows that make up all of them; how they are cut depends on the shape alone.

    Given one number per row, ufuncs repeat it in a buffer of 8,192 elements and take three times as long as with
    a scalar. With the smallest buffer they go row by row instead.
    """
    runs = 2 * max(
        1, -(-rows * length // (2 * ELEMENTS_PER_RUN))
    )  # even: an odd one would keep one of two threads waiting
    if rows * length < ELEMENTS_PER_RUN // 4:
        runs = 1
    cuts = list(pieces(rows, max(1, -(-rows // runs))))

    def run(number: int, scratch: Scratch) -> None:
        before = np.setbufsize(16) if length >= ELEMENTS_OF_A_LONG_ROW else np.getbufsize()
        try:
            work(slice(*cuts[number]), scratch)
        finally:
            np.setbufsize(before)

    parallel_with(Scratch, run, len(cuts))


def sum_rows(x: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
    """Each row's sum of x, or of x * y: (rows, length) -> (rows,), float64.

    By einsum: it is as fast as memory, makes no array of the products, and lets other threads run, which
    np.vecdot does not.
    """
    factors = (x,) if y is None else (x, y)
    equation = ",".join(["rs"] * len(factors)) + "->r"
    total = np.zeros(len(x))
    for start, stop in pieces(x.shape[1], ELEMENTS_PER_BLOCK):
        total += np.einsum(equation, *(factor[:, start:stop] for factor in factors))
    if not np.isfinite(total).all():  # products may be larger than float32 can hold
        np.einsum(equation, *factors, out=total, dtype=np.float64)
    return total


def sum_columns(x: np.ndarray) -> np.ndarray:
    """Each column's sum: (rows, length) -> (length,), float64. NumPy adds rows one by one: here, some at a time."""
    whole = len(x) // ROWS_PER_BLOCK * ROWS_PER_BLOCK
    blocks = x[:whole].reshape(-1, ROWS_PER_BLOCK, x.shape[1]).sum(axis=1) if x.shape[1] else x[:0]
    return np.asarray(blocks.sum(axis=0, dtype=np.float64) + x[whole:].sum(axis=0, dtype=np.float64))

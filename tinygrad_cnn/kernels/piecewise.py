"""Formulas of several element-wise steps, over many arrays at once, piece by piece.

A piece stays in cache through all the steps of its formula, so that each array crosses the memory bus once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .memory import Scratch
from .threads import parallel_with, pieces

# The pieces of five float32 arrays about fill a core's L2 cache, and one step over a piece takes long enough
# that threads seldom wait for each other's Python. On a small piece they would wait most of the time.
ELEMENTS_PER_PIECE = 1 << 17
ELEMENTS_WORTH_SHARING = 1 << 13

Formula = Callable[..., Any]


@np.errstate(all="ignore")  # as in the threads that share the work
def map_pieces(tasks: Sequence[tuple[Formula, Mapping[str, np.ndarray]]]) -> list[Any]:
    """formula(scratch, **pieces) for every piece of the arrays of every task; gives what they return, in order.

    The arrays of a task, by name, are flat and have one length. Threads share the pieces of all tasks.
    """
    calls: list[tuple[Formula, dict[str, np.ndarray]]] = []
    small: list[int] = []
    large: list[int] = []
    for formula, arrays in tasks:
        size = next(iter(arrays.values())).size
        for start, stop in pieces(size, ELEMENTS_PER_PIECE):
            (large if stop - start >= ELEMENTS_WORTH_SHARING else small).append(len(calls))
            calls.append((formula, {name: array[start:stop] for name, array in arrays.items()}))
    results: list[Any] = [None] * len(calls)

    def call(i: int, scratch: Scratch) -> None:
        formula, arrays = calls[i]
        results[i] = formula(scratch, **arrays)

    mine = Scratch()
    for i in small:
        call(i, mine)
    parallel_with(Scratch, lambda number, scratch: call(large[number], scratch), len(large))
    return results

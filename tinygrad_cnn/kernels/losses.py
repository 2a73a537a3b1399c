"""Losses of a prediction and its target, element by element: values, sums and slopes, each in one walk over memory.

A piece of both goes through all steps of the formula, and into the sum, while it is in cache. Sums of pieces are
added up in float64.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .elementwise import ELEMENTS_PER_PIECE, by_pieces
from .half import in_float32
from .memory import empty, empty_like
from .threads import parallel_for, pieces

Formula = Callable[[np.ndarray, np.ndarray], np.ndarray]


@in_float32
def losses(x: np.ndarray, target: np.ndarray, value: Formula) -> np.ndarray:
    """value(x, target) of each pair; x and target are of one shape and dtype."""
    return by_pieces(lambda out, x, target: np.copyto(out, value(x, target)), empty_like(x), x, target)


@in_float32
def sum_losses(x: np.ndarray, target: np.ndarray, value: Formula, divisor: int) -> np.ndarray:
    """The sum of value(x, target) over all pairs, divided: -> ()."""
    x_flat, target_flat = x.reshape(-1), target.reshape(-1)
    cuts = [slice(*cut) for cut in pieces(x.size, ELEMENTS_PER_PIECE)]
    sums = np.empty(len(cuts))

    def work(number: int) -> None:
        sums[number] = np.sum(value(x_flat[cuts[number]], target_flat[cuts[number]]))

    parallel_for(work, len(cuts))
    return np.asarray(np.sum(sums) / divisor, x.dtype)


@in_float32
def loss_slopes(x: np.ndarray, target: np.ndarray, g: np.ndarray, slope: Formula, divisor: int) -> np.ndarray:
    """g * slope(x, target) / divisor, where g is one number for all pairs or one for each."""
    out = empty_like(x)
    if g.ndim == x.ndim:
        return by_pieces(lambda out, x, t, g: np.multiply(slope(x, t), g, out=out), out, x, target, g)
    share = np.asarray(g / divisor, x.dtype)
    return by_pieces(lambda out, x, target: np.multiply(slope(x, target), share, out=out), out, x, target)


def pick(x: np.ndarray, index: np.ndarray) -> np.ndarray:
    """x at each item's class, 0 where the index is -1: (N, classes, ...), (N, ...) -> (N, ...)."""
    return np.where(index < 0, 0, np.take_along_axis(x, index[:, None], 1)[:, 0])


def place(values: np.ndarray, index: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """pick's adjoint: (N, ...), (N, ...) -> shape, (N, classes, ...)."""
    out = empty(shape, values.dtype)
    out.fill(0)
    np.put_along_axis(out, index[:, None], np.where(index < 0, 0, values)[:, None], 1)
    return out

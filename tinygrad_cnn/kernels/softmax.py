"""Softmax, its logarithm along the middle axis of (rows, classes, places), and cross entropy, with their vjps.

A run of rows goes through all steps while it is in cache, and is shared out to the threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .half import in_float32
from .memory import Scratch, empty_like
from .rows import for_rows, sum_rows

Step = Callable[..., None]


def _along(step: Step, dim: int, *arrays: np.ndarray) -> np.ndarray:
    """step(out, *arrays, exponentials) for runs of rows of arrays of one shape, as (rows, classes, places)."""
    out = empty_like(arrays[0])
    if not out.size:
        return out
    shape = out.shape
    view = (math.prod(shape[:dim]), math.prod(shape[dim : dim + 1]), math.prod(shape[dim + 1 :]))
    views = [a.reshape(view) for a in (out, *arrays)]

    def work(some: slice, scratch: Scratch) -> None:
        parts = [v[some] for v in views]
        step(*parts, scratch.take("exponentials", parts[0].shape, out.dtype))

    for_rows(work, view[0], view[1] * view[2])
    return out


def _total(x: np.ndarray) -> np.ndarray:
    """Sums over the classes."""
    if x.shape[2] > 1:
        return np.sum(x, axis=1, keepdims=True)
    return sum_rows(x[:, :, 0]).astype(x.dtype)[:, None, None]


def _shift(out: np.ndarray, x: np.ndarray) -> None:
    """x less its largest element, so that exp cannot overflow."""
    np.subtract(x, np.max(x, axis=1, keepdims=True), out=out)


@in_float32
def softmax(x: np.ndarray, dim: int) -> np.ndarray:
    """exp(x), scaled to sum to 1 along dim."""

    def step(out: np.ndarray, x: np.ndarray, _: np.ndarray) -> None:
        _shift(out, x)
        np.exp(out, out=out)
        out /= _total(out)

    return _along(step, dim, x)


@in_float32
def softmax_input(g: np.ndarray, weights: np.ndarray, dim: int) -> np.ndarray:
    """softmax's vjp: weights * (g - sum(g * weights))."""

    def step(out: np.ndarray, g: np.ndarray, weights: np.ndarray, _: np.ndarray) -> None:
        np.multiply(g, weights, out=out)
        np.subtract(g, _total(out), out=out)
        out *= weights

    return _along(step, dim, g, weights)


@in_float32
def log_softmax(x: np.ndarray, dim: int) -> np.ndarray:
    """log(softmax(x)), accurate where softmax would round to 0."""

    def step(out: np.ndarray, x: np.ndarray, exponentials: np.ndarray) -> None:
        _shift(out, x)
        np.exp(out, out=exponentials)
        out -= np.log(_total(exponentials))

    return _along(step, dim, x)


@in_float32
def log_softmax_input(g: np.ndarray, logs: np.ndarray, dim: int) -> np.ndarray:
    """log_softmax's vjp: g - exp(logs) * sum(g)."""

    def step(out: np.ndarray, g: np.ndarray, logs: np.ndarray, exponentials: np.ndarray) -> None:
        np.exp(logs, out=exponentials)
        exponentials *= _total(g)
        np.subtract(g, exponentials, out=out)

    return _along(step, dim, g, logs)


@in_float32
def cross_entropy(x: np.ndarray, index: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """-log(softmax(x)) at each row's index, 0 where that is -1: (rows, classes), (rows,) -> (rows,).

    Returned too: exponentials (rows, classes) and their sums (rows,), of which the gradient is soon made.
    """
    exponentials, loss, total = empty_like(x), np.empty(len(x), x.dtype), np.empty(len(x), x.dtype)

    def work(some: slice, _: Scratch) -> None:
        part, at = exponentials[some], (np.arange(len(x[some])), index[some])
        np.subtract(x[some], np.max(x[some], axis=1, keepdims=True), out=part)
        loss[some] = part[at]
        np.exp(part, out=part)
        total[some] = sum_rows(part)
        np.subtract(np.log(total[some]), loss[some], out=loss[some])

    for_rows(work, *x.shape)
    loss[index < 0] = 0
    return loss, exponentials, total


@in_float32
def cross_entropy_input(g: np.ndarray, exponentials: np.ndarray, total: np.ndarray, index: np.ndarray) -> np.ndarray:
    """cross_entropy's vjp: g * (softmax(x) - 1 at the index), 0 where that is -1."""
    out = empty_like(exponentials)
    scale = (g / total)[:, None]

    def work(some: slice, _: Scratch) -> None:
        np.multiply(exponentials[some], scale[some], out=out[some])
        out[some][np.arange(len(out[some])), index[some]] -= g[some]

    for_rows(work, *out.shape)
    out[index < 0] = 0
    return out

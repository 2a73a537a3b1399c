"""Formulas over many arrays: every element once, results in order, small arrays not shared out."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.kernels import piecewise
from tinygrad_cnn.kernels.memory import Scratch
from tinygrad_cnn.kernels.piecewise import ELEMENTS_PER_PIECE, ELEMENTS_WORTH_SHARING, map_pieces


def add_one(_: Scratch, x: np.ndarray) -> int:
    x += 1
    return x.size


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(
    "sizes",
    [
        [],
        [0],
        [1],
        [3, 0, 5],
        [ELEMENTS_PER_PIECE],
        [ELEMENTS_PER_PIECE + 1, 7, 2 * ELEMENTS_PER_PIECE - 1, 1, ELEMENTS_WORTH_SHARING],
    ],
)
def test_every_element_is_met_once(threads: int, sizes: list[int]) -> None:
    tg.set_num_threads(threads)
    arrays = [np.zeros(size, np.float32) for size in sizes]
    map_pieces([(add_one, {"x": array}) for array in arrays])
    assert all((array == 1).all() for array in arrays)


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_the_order_of_the_pieces(threads: int) -> None:
    tg.set_num_threads(threads)
    sizes = [5, 2 * ELEMENTS_PER_PIECE + 3, ELEMENTS_WORTH_SHARING, 1]
    tasks = [(add_one, {"x": np.zeros(size, np.float32)}) for size in sizes]
    assert map_pieces(tasks) == [5, ELEMENTS_PER_PIECE, ELEMENTS_PER_PIECE, 3, ELEMENTS_WORTH_SHARING, 1]


def test_the_arrays_of_a_task_go_in_step_each_under_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(piecewise, "ELEMENTS_PER_PIECE", 4)
    a, b = np.arange(10), 10 * np.arange(10)

    def formula(_: Scratch, a: np.ndarray, b: np.ndarray) -> None:
        b -= a

    map_pieces([(formula, {"b": b, "a": a})])
    assert b.tolist() == [9 * i for i in range(10)]


def test_only_large_pieces_are_given_to_other_threads() -> None:
    tg.set_num_threads(3)
    names = map_pieces([(lambda _, x: threading.current_thread().name, {"x": np.zeros(8)})] * 50)
    assert set(names) == {threading.current_thread().name}
    here = threading.Barrier(2, timeout=10)  # that one thread alone would wait at for ever
    map_pieces([(lambda _, x: here.wait(), {"x": np.zeros(ELEMENTS_WORTH_SHARING)})] * 2)


def test_an_exception_in_a_formula_reaches_the_caller() -> None:
    with pytest.raises(KeyError, match="here"):
        map_pieces([(lambda _, x: {}["here"], {"x": np.zeros(2 * ELEMENTS_PER_PIECE)})])


def test_overflow_raises_no_warning_in_any_thread() -> None:
    tg.set_num_threads(2)
    large = np.full(2 * ELEMENTS_PER_PIECE, 3e38, np.float32)

    def double(_: Scratch, x: np.ndarray) -> None:
        x *= 2  # every warning is an error here

    map_pieces([(double, {"x": large})])
    assert np.isinf(large).all()

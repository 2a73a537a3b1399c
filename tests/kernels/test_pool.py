"""The kernels of pooling against their definitions, and the adjoint pairs against each other."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given

import tinygrad_cnn as tg
from tests.kernels import reference
from tests.kernels.geometries import poolings, whole
from tinygrad_cnn import kernels
from tinygrad_cnn.kernels import Windows, max_pool


def places(x: np.ndarray, wins: np.ndarray, windows: Windows) -> np.ndarray:
    """Where in its image each window's winner lies."""
    numbers = np.broadcast_to(np.arange(1.0, x[0, 0].size + 1).reshape(x.shape[2:]), x.shape) if x.size else x
    return kernels.take_windows(numbers.astype(np.float64), wins, windows) - 1


PAIRS = Windows((2, 2), (2, 2), (0, 0), (1, 1), (2, 2))


@given(poolings())
def test_each_window_gives_its_largest_element_and_the_first_place_that_holds_it(
    pooling: tuple[np.ndarray, Windows],
) -> None:
    x, windows = pooling
    best, wins = kernels.max_windows(x, windows)
    expected, numbers = reference.max_windows(x, windows)
    assert best.dtype == x.dtype
    np.testing.assert_array_equal(best, expected)
    np.testing.assert_array_equal(kernels.largest_of_windows(x, windows), expected)
    for n, c, i, j in np.ndindex(best.shape):
        inside = {number: (row, column) for number, row, column in reference.taps(windows, (i, j), x.shape[2:])}
        if inside:
            row, column = inside[numbers[n, c, i, j]]
            assert places(x, wins, windows)[n, c, i, j] == row * x.shape[3] + column


@given(poolings())
def test_taking_the_winners_gives_the_largest_elements(pooling: tuple[np.ndarray, Windows]) -> None:
    x, windows = pooling
    best, winner = kernels.max_windows(x, windows)
    found = np.isfinite(best)  # a window may lie in the padding with all its taps
    np.testing.assert_array_equal(kernels.take_windows(x, winner, windows)[found], best[found])


@given(poolings())
def test_spreading_is_the_adjoint_of_taking(pooling: tuple[np.ndarray, Windows]) -> None:
    x, windows = pooling
    _, winner = kernels.max_windows(x, windows)
    other, g = whole(x.shape, x.dtype, seed=1), whole((*x.shape[:2], *windows.places), x.dtype, seed=2)
    spread = kernels.spread_windows(g, winner, windows, x.shape[2:])
    assert spread.shape == x.shape
    assert spread.dtype == x.dtype
    assert np.vdot(kernels.take_windows(other, winner, windows), g) == np.vdot(other, spread)


@given(poolings())
def test_an_average_is_its_windows_sum_times_its_share(pooling: tuple[np.ndarray, Windows]) -> None:
    x, windows = whole(pooling[0].shape, pooling[0].dtype, seed=1), pooling[1]
    share = whole(windows.places, x.dtype, seed=2)
    out = kernels.average_windows(x, share, windows)
    assert out.dtype == x.dtype
    np.testing.assert_array_equal(out, reference.average_windows(x, share, windows))


@given(poolings())
def test_spreading_an_average_is_the_adjoint_of_averaging(pooling: tuple[np.ndarray, Windows]) -> None:
    x, windows = whole(pooling[0].shape, pooling[0].dtype, seed=1), pooling[1]
    share, g = whole(windows.places, x.dtype, seed=2), whole((*x.shape[:2], *windows.places), x.dtype, seed=3)
    spread = kernels.spread_average(g, share, windows, x.shape[2:])
    assert spread.shape == x.shape
    assert np.vdot(kernels.average_windows(x, share, windows), g) == np.vdot(x, spread)


TIES = {  # a 2x2 window, and its first largest element
    0: [
        [[1, 1], [1, 1]],
        [[1, 1], [0, 0]],
        [[1, 0], [1, 0]],
        [[1, 0], [0, 1]],
        [[-np.inf, -np.inf], [-np.inf, -np.inf]],
    ],
    1: [[[0, 1], [1, 0]], [[0, 1], [0, 1]], [[0, 1], [1, 1]], [[-np.inf, 0], [0, -np.inf]]],
    2: [[[0, 0], [1, 1]], [[0, 0], [1, 0]]],
    3: [[[0, 0], [0, 1]]],
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("first", TIES)
def test_a_tie_goes_to_the_windows_first_element_in_the_fast_way_too(first: int, dtype: type) -> None:
    for window in TIES[first]:
        if dtype is np.int64 and -np.inf in np.ravel(window):
            continue
        x = np.tile(np.array(window, dtype), (2, 2))[None, None]  # four windows
        best, wins = kernels.max_windows(x, PAIRS)
        assert (best == np.max(window)).all()
        corners = np.array([[0, 2], [8, 10]])
        row, column = divmod(first, 2)
        assert (places(x, wins, PAIRS)[0, 0] == corners + 4 * row + column).all()
        overlapping = PAIRS._replace(stride=(1, 1), places=(1, 1))
        assert places(x, kernels.max_windows(x, overlapping)[1], overlapping).item() == 4 * row + column


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [(4, 4), (5, 4), (4, 5), (5, 5)])
def test_the_fast_way_for_2x2_windows_equals_the_general_one(size: tuple[int, int], dtype: type) -> None:
    x = whole((3, 4, *size), np.dtype(dtype), seed=0, most=2)
    best, winner = kernels.max_windows(x, PAIRS)
    np.testing.assert_array_equal(best, reference.max_windows(x, PAIRS)[0])
    g = whole(best.shape, x.dtype, seed=1)
    assert np.vdot(kernels.take_windows(x, winner, PAIRS), g) == np.vdot(best, g)
    spread = kernels.spread_windows(g, winner, PAIRS, size)
    assert np.vdot(spread, x) == np.vdot(g, best)
    assert spread[:, :, 4:].sum() == spread[:, :, :, 4:].sum() == 0


@pytest.mark.parametrize(
    "windows", [PAIRS, PAIRS._replace(stride=(1, 1)), PAIRS._replace(padding=(1, 1), places=(3, 3))]
)
@pytest.mark.parametrize("place", list(np.ndindex(2, 2)))
def test_nan_wins_in_its_window_alone(windows: Windows, place: tuple[int, int]) -> None:
    x = np.zeros((1, 1, 4, 4), np.float32)
    x[0, 0, place[0], place[1]] = np.nan
    best, winner = kernels.max_windows(x, windows)
    expected = np.array(
        [[any(t[1:] == place for t in reference.taps(windows, (i, j), (4, 4))) for j in range(windows.places[1])]
         for i in range(windows.places[0])]
    )  # fmt: skip
    np.testing.assert_array_equal(np.isnan(best[0, 0]), expected)
    assert np.isnan(kernels.take_windows(x, winner, windows)[0, 0][expected]).all()


def test_the_same_bits_come_from_any_number_of_threads() -> None:
    x = np.random.default_rng(0).standard_normal((9, 16, 61, 62)).astype(np.float32)
    share = np.full((30, 31), 0.25, np.float32)
    windows = PAIRS._replace(places=(30, 31))
    overlapping = windows._replace(kernel=(3, 3), padding=(1, 1))

    def results(threads: int) -> list[bytes]:
        tg.set_num_threads(threads)
        arrays = []
        for w in (windows, overlapping):
            best, winner = kernels.max_windows(x, w)
            average = kernels.average_windows(x, share, w)
            arrays += [best, average, kernels.take_windows(x, winner, w)]
            arrays += [
                kernels.spread_windows(best, winner, w, (61, 62)),
                kernels.spread_average(average, share, w, (61, 62)),
            ]
        return [array.tobytes() for array in arrays]

    assert results(1) == results(2) == results(3)


@pytest.mark.parametrize("windows", [PAIRS, PAIRS._replace(kernel=(3, 3), padding=(1, 1))])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_gradient_that_is_no_number_reaches_the_winner_alone(windows: Windows, value: float) -> None:
    x = np.zeros((1, 1, 4, 4), np.float32)
    x[0, 0, 1, 1] = 1  # wins in the first window, and in each that overlaps it
    _, wins = kernels.max_windows(x, windows)
    g = np.zeros((1, 1, 2, 2), np.float32)
    g[0, 0, 0, 0] = value
    expected = np.zeros((1, 1, 4, 4), np.float32)
    expected[0, 0, 1, 1] = value
    np.testing.assert_array_equal(kernels.spread_windows(g, wins, windows, (4, 4)), expected)


@pytest.mark.parametrize("windows", [PAIRS, PAIRS._replace(kernel=(3, 3), padding=(1, 1))])
def test_zero_and_minus_zero_tie(windows: Windows) -> None:
    x = np.zeros((1, 1, 4, 4), np.float32)
    _, wins = kernels.max_windows(x, windows)
    x[0, 0, ::2, ::2] = -0.0
    np.testing.assert_array_equal(places(x, kernels.max_windows(x, windows)[1], windows), places(x, wins, windows))


@pytest.mark.parametrize(
    ("changes", "size", "dtype", "expected"),
    [
        ({}, (6, 8), np.float32, True),
        ({}, (7, 8), np.float32, False),
        ({}, (6, 9), np.float32, False),
        ({}, (6, 8), np.float64, False),
        ({"kernel": (2, 3)}, (6, 8), np.float32, False),
        ({"stride": (1, 2)}, (6, 8), np.float32, False),
        ({"dilation": (1, 2)}, (6, 8), np.float32, False),
        ({"padding": (0, 1)}, (6, 8), np.float32, False),
    ],
)
def test_the_fast_way_is_for_2x2_windows_side_by_side_that_fill_a_float32_image(
    changes: dict[str, tuple[int, int]], size: tuple[int, int], dtype: type, expected: bool
) -> None:
    windows = Windows((2, 2), (2, 2), (0, 0), (1, 1), (3, 4))._replace(**changes)
    is_little = sys.byteorder == "little"
    assert max_pool._are_pairs(windows, size, np.dtype(dtype)) == (expected and is_little)

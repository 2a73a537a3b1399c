"""Element-wise kernels: right to the last digit, for any size, layout and thread count."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.kernels import erf, relu, where_positive
from tinygrad_cnn.kernels.elementwise import ELEMENTS_PER_PIECE

SIZES = [
    0,
    1,
    2,
    ELEMENTS_PER_PIECE - 1,
    ELEMENTS_PER_PIECE,
    ELEMENTS_PER_PIECE + 1,
    2 * ELEMENTS_PER_PIECE + 1,
    9 * ELEMENTS_PER_PIECE + 5,
]


def test_erf_is_right_to_the_last_digit_or_two() -> None:
    x = np.concatenate([np.linspace(-7, 7, 2001), np.geomspace(1e-300, 1, 500), 1 + np.linspace(-1e-9, 1e-9, 51)])
    exact = np.array([float(mpmath.erf(float(v))) for v in x])
    assert (np.abs(erf(x) - exact) <= 4.5e-16 * np.abs(exact)).all()


def test_erf_at_the_ends() -> None:
    out = erf(np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, 1e308]))
    np.testing.assert_array_equal(out[:5], [0.0, -0.0, 1.0, -1.0, np.nan])
    assert math.copysign(1, out[1]) == -1
    assert out[5] in (0.0, 5e-324)
    assert out[6] == 1.0


def test_erf_of_float32_is_rounded_once() -> None:
    x = np.linspace(-5, 5, 1001, dtype=np.float32)
    np.testing.assert_array_equal(erf(x), erf(x.astype(np.float64)).astype(np.float32))
    assert erf(x).dtype == np.float32


def test_relu_keeps_what_is_positive_and_what_is_not_a_number() -> None:
    x = np.array([-np.inf, -1, -0.0, 0, 5e-324, 1, np.inf, np.nan])
    np.testing.assert_array_equal(relu(x), [0, 0, 0, 0, 5e-324, 1, np.inf, np.nan])


def test_where_positive_is_zero_even_where_the_value_is_no_number() -> None:
    a = np.array([np.nan, np.inf, -np.inf, 1, -2, 3], np.float32)
    b = np.array([0, -1, -np.inf, 1e-45, np.inf, np.nan], np.float32)
    np.testing.assert_array_equal(where_positive(a, b), np.array([0, 0, 0, 1, -2, 3], np.float32))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("size", SIZES)
def test_every_element_is_done_whatever_the_size(size: int, dtype: type) -> None:
    x = np.random.default_rng(0).standard_normal(size).astype(dtype)
    np.testing.assert_array_equal(relu(x), np.maximum(x, 0))
    np.testing.assert_array_equal(where_positive(x, -x), np.where(x < 0, x, 0))
    assert relu(x).dtype == where_positive(x, x).dtype == erf(x).dtype == dtype
    assert erf(x).shape == x.shape


@pytest.mark.parametrize("function", [relu, erf, lambda x: where_positive(x, x)])
def test_shape_and_layout_do_not_matter(function: object) -> None:
    assert callable(function)
    x = np.random.default_rng(0).standard_normal((4, 6))
    expected = function(x)
    for view in (np.asfortranarray(x), np.repeat(x, 2, 1)[:, ::2], x[::-1].copy()[::-1]):
        np.testing.assert_array_equal(function(view), expected)
    assert function(np.array(0.5)).shape == ()
    np.testing.assert_array_equal(function(np.broadcast_to(x[0], (3, 6))), np.tile(expected[0], (3, 1)))


def test_the_same_bits_come_from_any_number_of_threads() -> None:
    x = np.random.default_rng(0).standard_normal(9 * ELEMENTS_PER_PIECE + 5).astype(np.float32)

    def results(threads: int) -> list[bytes]:
        tg.set_num_threads(threads)
        return [relu(x).tobytes(), erf(x).tobytes(), where_positive(x, -x).tobytes()]

    assert results(1) == results(2) == results(4)


def test_relu_of_integers_stays_integer() -> None:
    out = relu(np.array([-2, 0, 3]))
    assert out.dtype == np.int64
    assert out.tolist() == [0, 0, 3]

"""Products of matrices of all sizes, in bands or in one piece."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.kernels.geometries import whole
from tinygrad_cnn.kernels import matmul

SHAPES = [
    ((2, 3), (3, 4)),
    ((0, 3), (3, 4)),
    ((2, 0), (0, 4)),
    ((1, 1), (1, 1)),
    ((5, 2, 3), (3, 4)),
    ((2, 1, 2, 3), (3, 3, 4)),
    ((0, 2, 3), (3, 4)),
    ((301, 64), (64, 77)),  # shared by rows
    ((3, 700), (700, 901)),  # shared by columns
    ((9, 7001), (7001, 20)),  # shared along the sums
    ((20, 7001), (7001, 9)),
    ((4, 90, 80), (80, 70)),  # shared by matrices
    ((2, 1, 90, 80), (3, 80, 70)),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_it_is_numpys_product(a: tuple[int, ...], b: tuple[int, ...], dtype: type) -> None:
    x, y = whole(a, np.dtype(dtype), 0), whole(b, np.dtype(dtype), 1)
    out = matmul(x, y)
    assert out.dtype == dtype
    np.testing.assert_array_equal(out, x.astype(np.int64) @ y.astype(np.int64))


@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_the_same_bits_come_from_any_number_of_threads(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    x, y = random.standard_normal(a).astype(np.float32), random.standard_normal(b).astype(np.float32)

    def result(threads: int) -> bytes:
        tg.set_num_threads(threads)
        return matmul(x, y).tobytes()

    assert result(1) == result(2) == result(3)


@pytest.mark.parametrize(("a", "b"), [((301, 64), (64, 77)), ((4, 90, 80), (80, 70))])
def test_operands_may_lie_in_any_order_in_memory(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    x, y = whole(a, np.dtype(np.float32), 0), whole(b, np.dtype(np.float32), 1)
    expected = matmul(x, y)
    np.testing.assert_array_equal(matmul(np.asfortranarray(x), y[::-1].copy()[::-1]), expected)
    np.testing.assert_array_equal(matmul(np.repeat(x, 2, -1)[..., ::2], np.asfortranarray(y)), expected)


def test_operands_of_two_dtypes_meet_in_the_wider() -> None:
    assert matmul(np.ones((2, 2), np.float32), np.ones((2, 2))).dtype == np.float64
    assert matmul(np.ones((2, 2), np.int32), np.ones((2, 2), np.int64)).dtype == np.int64
    large = matmul(np.ones((128, 64), np.float32), np.full((64, 128), 0.1))
    assert large.dtype == np.float64
    np.testing.assert_allclose(large, 6.4, rtol=1e-14)

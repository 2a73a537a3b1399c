"""Sums over rows and down columns, in float64 where float32 would not do."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cnn.kernels.rows import sum_columns, sum_rows


@pytest.mark.parametrize("shape", [(3, 4), (2, 8192), (2, 8193), (1, 20_000), (0, 4), (3, 0)])
def test_rows_are_summed_alone_or_times_another_array(shape: tuple[int, int]) -> None:
    x = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape) % 7
    np.testing.assert_array_equal(sum_rows(x), x.sum(1))
    np.testing.assert_array_equal(sum_rows(x, x + 1), (x * (x + 1)).sum(1))
    assert sum_rows(x).dtype == np.float64


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_rows_sum_may_be_larger_than_float32_can_hold() -> None:
    x = np.full((2, 4), 3e38, np.float32)
    x[1] = 1
    np.testing.assert_allclose(sum_rows(x), [1.2e39, 4], rtol=1e-6)
    np.testing.assert_allclose(sum_rows(x, x), [3.6e77, 4], rtol=1e-6)


@pytest.mark.parametrize("shape", [(1, 3), (127, 3), (128, 3), (129, 3), (300, 2), (0, 3), (3, 0)])
def test_columns_are_summed_some_rows_at_a_time(shape: tuple[int, int]) -> None:
    x = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape) % 7
    np.testing.assert_array_equal(sum_columns(x), x.sum(0))
    assert sum_columns(x).dtype == np.float64

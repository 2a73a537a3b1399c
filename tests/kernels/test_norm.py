"""Normalisation in slices: the definition, its vjp against the written-out one, the same bits on any threads."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import kernels, ops

SHAPES = [((4, 37, 5, 3), (0, 2, 3)), ((40, 6), (1,)), ((3, 4), (0, 1)), ((0, 3, 2, 2), (0, 2, 3)), ((2, 1, 6), (0, 2))]


@pytest.mark.parametrize(("shape", "dim"), SHAPES)
def test_mean_is_0_and_variance_1(shape, dim):
    x = np.random.default_rng(0).standard_normal(shape) * 3 + 5
    standard = kernels.standardize(x, dim, 1e-5)
    expected = (x - x.mean(dim, keepdims=True)) / np.sqrt(x.var(dim, keepdims=True) + 1e-5) if x.size else x
    np.testing.assert_allclose(standard, expected, rtol=1e-12)


@pytest.mark.parametrize(("shape", "dim"), SHAPES)
def test_one_pass_gives_what_the_recorded_operations_give(shape, dim):
    rng = np.random.default_rng(1)
    x, g = tg.Tensor(rng.standard_normal(shape), requires_grad=True), rng.standard_normal(shape)
    (plain,) = tg.grad(ops.standardize(x, dim=dim, eps=0.1), x, g)
    (recorded,) = tg.grad(ops.standardize(x, dim=dim, eps=0.1), x, g, create_graph=True)
    assert recorded.requires_grad
    np.testing.assert_allclose(plain.data, recorded.data, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize(("shape", "dim"), SHAPES)
def test_the_bits_do_not_depend_on_the_number_of_threads(shape, dim):
    rng = np.random.default_rng(2)
    x, g = rng.standard_normal((2, *shape)).astype(np.float32)
    results = []
    for threads in (1, 2, 3):
        tg.set_num_threads(threads)
        results.append((kernels.standardize(x, dim, 1e-5), kernels.standardize_input(g, x, dim, 1e-5)))
    for other in results[1:]:
        np.testing.assert_array_equal(results[0][0], other[0])
        np.testing.assert_array_equal(results[0][1], other[1])

"""Normalisation of channels: the definition, the vjp, large means, all layouts, the same bits on any threads."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from tinygrad_cnn import kernels, ops

SHAPES = [(4, 37, 5, 3), (1, 40, 6), (3, 4), (5, 1, 7), (2, 3, 2, 2, 2), (3, 2, 1, 400)]
NOTHING = [(0, 3, 2, 2), (2, 0, 3), (2, 3, 0)]
SEVERAL_RUNS = [(9, 7, 100, 90), (3, 70, 16, 16), (70_000, 3), (1, 5, 60_000)]


def normal(*shape: int, dtype: type = np.float64, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def others(x: np.ndarray) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


@pytest.mark.parametrize("shape", SHAPES)
def test_statistics_are_each_channels_mean_and_biased_variance(shape):
    x = normal(*shape) * 3 + 5
    expected = x.mean(others(x)), x.var(others(x))
    np.testing.assert_allclose(kernels.channel_statistics(x), expected, rtol=1e-12)


@pytest.mark.parametrize("shape", SEVERAL_RUNS)
@pytest.mark.parametrize("mean", [0, 3, 1e4, -1e4])
def test_statistics_are_right_where_the_mean_is_large_beside_the_deviation(shape, mean):
    x = (normal(*shape) + mean).astype(np.float32)
    found = kernels.channel_statistics(x)
    expected = x.mean(others(x), dtype=np.float64), x.var(others(x), dtype=np.float64)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-7, atol=1e-6)
    np.testing.assert_allclose(found[1], expected[1], rtol=3e-6)


@pytest.mark.parametrize("mean", [0, 1e3])
def test_sums_are_of_the_deviations_also_where_the_mean_is_large(mean):
    x, g = (normal(8, 3, 50, 50) + mean).astype(np.float32), normal(8, 3, 50, 50, dtype=np.float32, seed=1)
    centre = x.mean((0, 2, 3), dtype=np.float64)
    total, along = kernels.channel_sums(g, x, np.stack([centre, x.var((0, 2, 3), dtype=np.float64)]))
    deviation = x - centre[:, None, None]
    np.testing.assert_allclose(total, g.sum((0, 2, 3), dtype=np.float64), atol=1e-3)
    np.testing.assert_allclose(along, (deviation * g).sum((0, 2, 3), dtype=np.float64), atol=1e-3)


@pytest.mark.parametrize("mean", [0, 1e3])
def test_a_batch_with_a_large_mean_is_normalised_as_well_as_one_without(mean):
    deviation = normal(16, 4, 20, 20)
    x = (deviation + mean).astype(np.float32)
    y = F.batch_norm(tg.Tensor(x), None, None, training=True).data
    exact = x.astype(np.float64) - x.mean((0, 2, 3), keepdims=True, dtype=np.float64)
    exact /= np.sqrt(exact.var((0, 2, 3), keepdims=True) + 1e-5)
    np.testing.assert_allclose(y, exact, atol=4e-6 + mean * 2e-7)


@pytest.mark.parametrize("shape", [*SHAPES, *NOTHING])
@pytest.mark.parametrize("affine", [True, False])
def test_the_fused_gradients_are_those_of_the_recorded_operations(shape, affine):
    x, g = (tg.Tensor(normal(*shape, seed=s), requires_grad=True) for s in (0, 1))
    parameters = [tg.Tensor(normal(shape[1], seed=s), requires_grad=True) for s in (2, 3)] if affine else []
    y = F.batch_norm(x, None, None, *parameters, training=True, eps=0.1)
    fused = tg.grad(y, [x, *parameters], g, retain_graph=True)
    recorded = tg.grad(y, [x, *parameters], g, create_graph=True)
    for a, b in zip(fused, recorded, strict=True):
        assert b.requires_grad
        assert not a.requires_grad
        np.testing.assert_allclose(a.data, b.data, rtol=1e-9, atol=1e-12)


def test_one_graph_takes_several_cotangents():
    x, w = (tg.Tensor(v, requires_grad=True) for v in (normal(4, 3, 5), normal(3, seed=1)))
    y = F.batch_norm(x, None, None, w, training=True)
    first, second = normal(2, 4, 3, 5, seed=2)
    separate = [tg.grad(y, [x, w], g, retain_graph=True) for g in (first, second)]
    (of_weight_alone,) = tg.grad(y, w, second, retain_graph=True)
    both = tg.grad(y, [x, w], first + second)
    np.testing.assert_array_equal(of_weight_alone.data, separate[1][1].data)
    for a, b, total in zip(*separate, both, strict=True):
        np.testing.assert_allclose(a.data + b.data, total.data, atol=1e-12)


@pytest.mark.parametrize("shape", [*SHAPES, *SEVERAL_RUNS, *NOTHING])
def test_the_bits_do_not_depend_on_the_number_of_threads(shape):
    x, g = normal(2, *shape, dtype=np.float32)
    weight, bias = normal(2, shape[1], dtype=np.float32)
    results = []
    before = tg.get_num_threads()
    try:
        for threads in (1, 2, 4):
            tg.set_num_threads(threads)
            tensors = [tg.Tensor(v, requires_grad=True) for v in (x, weight, bias)]
            y = F.batch_norm(tensors[0], None, None, *tensors[1:], training=True)
            y.backward(g)
            results.append([y.data, *(t.grad.data for t in tensors)])
    finally:
        tg.set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_memory_layout_does_not_matter():
    x = normal(6, 5, 4, 3)
    expected = kernels.channel_statistics(np.ascontiguousarray(x[::2, ::-1].swapaxes(2, 3)))
    np.testing.assert_array_equal(kernels.channel_statistics(x[::2, ::-1].swapaxes(2, 3)), expected)


def test_numpys_buffer_keeps_its_size():
    before = np.getbufsize()
    kernels.channel_statistics(normal(2, 3, 1000))
    assert np.getbufsize() == before


def test_integers_are_refused():
    with pytest.raises(TypeError, match="batch_norm: x should hold floats, got int64"):
        F.batch_norm(tg.Tensor([[1], [2]]), None, None, training=True)


def test_the_running_statistics_are_the_mean_and_the_unbiased_variance():
    x = normal(4, 3, 5)
    mean, variance = tg.zeros(3), tg.zeros(3)
    F.batch_norm(tg.Tensor(x), mean, variance, training=True, momentum=1.0)
    np.testing.assert_allclose(mean.data, x.mean((0, 2)), rtol=1e-6)
    np.testing.assert_allclose(variance.data, x.var((0, 2), ddof=1), rtol=1e-6)


@pytest.mark.parametrize("shape", NOTHING)
def test_a_batch_of_nothing_leaves_the_running_statistics_alone(shape):
    mean, variance = tg.full(shape[1:2], 2.0), tg.full(shape[1:2], 5.0)
    assert F.batch_norm(tg.zeros(*shape), mean, variance, training=True).shape == shape
    np.testing.assert_array_equal([mean.data, variance.data], [[2] * shape[1], [5] * shape[1]])


def test_nothing_between_forward_and_backward_is_kept_but_the_input_and_numbers_per_channel():
    x = tg.Tensor(normal(8, 4, 10, 10), requires_grad=True)
    node = F.batch_norm(x, None, None, tg.ones(4), training=True)._edge
    assert set(node.kept) == {"x", "weight", "statistics", "eps", "residual"}
    assert ops.channel_statistics(x).shape == (2, 4)


def test_a_large_mean_costs_the_gradient_no_more_than_it_costs_the_input():
    deviation, g = normal(8, 4, 20, 20), normal(8, 4, 20, 20, seed=1)

    def gradient(dtype, mean):
        x = tg.Tensor((deviation + mean).astype(dtype), requires_grad=True)
        return tg.grad(F.batch_norm(x, None, None, training=True), x, tg.Tensor(g.astype(dtype)))[0].data

    x = (deviation + 1e4).astype(np.float32)  # as rounded as float32 has it
    deviation = x.astype(np.float64) - 1e4
    np.testing.assert_allclose(gradient(np.float32, 1e4), gradient(np.float64, 1e4), atol=3e-4)


def test_a_gradient_whose_values_were_changed_has_new_sums():
    x, weight = (tg.Tensor(normal(*shape, seed=s), requires_grad=True) for s, shape in ((0, (4, 3, 5, 5)), (1, (3,))))
    y = F.batch_norm(x, None, None, weight, training=True)
    g = tg.Tensor(normal(4, 3, 5, 5, seed=2))
    tg.grad(y, [x, weight], g, retain_graph=True)
    g.data[...] = normal(4, 3, 5, 5, seed=3)
    again = tg.grad(y, [x, weight], g, retain_graph=True)
    fresh = tg.grad(y, [x, weight], tg.Tensor(g.data.copy()))
    for a, b in zip(again, fresh, strict=True):
        np.testing.assert_array_equal(a.data, b.data)

"""Softmax, its logarithm and cross entropy in runs of rows: their definitions, and the same bits on any threads."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from tinygrad_cnn import kernels

SHAPES = [(7, 11), (300, 1000), (3, 70_000), (4, 10, 60, 60), (2, 3, 0), (0, 4)]


def normal(*shape: int, scale: float = 3, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def exact_logs(x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float64)
    return x - np.log(np.exp(x).sum(1, keepdims=True))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_definitions(shape):
    x = normal(*shape)
    np.testing.assert_allclose(kernels.log_softmax(x, 1), exact_logs(x), rtol=1e-5, atol=2e-6)
    np.testing.assert_allclose(kernels.softmax(x, 1), np.exp(exact_logs(x)), rtol=1e-5, atol=1e-10)


@pytest.mark.parametrize("shape", [(7, 11), (300, 1000), (3, 70_000)])
def test_cross_entropy_and_its_gradient(shape):
    x, index = normal(*shape), np.random.default_rng(1).integers(shape[1], size=shape[0])
    logits = tg.Tensor(x, requires_grad=True)
    loss = F.cross_entropy(logits, tg.Tensor(index), reduction="none")
    seed = normal(shape[0], seed=2)
    loss.backward(seed)
    rows = np.arange(shape[0])
    np.testing.assert_allclose(loss.data, -exact_logs(x)[rows, index], rtol=1e-5)
    expected = np.exp(exact_logs(x))
    expected[rows, index] -= 1
    np.testing.assert_allclose(logits.grad.data, expected * seed[:, None], rtol=1e-4, atol=2e-7)


@pytest.mark.parametrize("scores", [[-1e4, 0.0], [1e4, 1e4], [-300.0, -301.0], [0.0, -np.inf]])
def test_large_scores_neither_overflow_nor_vanish(scores):
    x = tg.Tensor([scores], requires_grad=True)
    loss = F.cross_entropy(x, tg.Tensor([0]))
    loss.backward()
    gap = np.float64(scores[1]) - scores[0]
    np.testing.assert_allclose(loss.item(), np.logaddexp(0, gap), rtol=1e-6)
    assert np.isfinite(x.grad.data).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_the_bits_do_not_depend_on_the_number_of_threads(shape):
    x, g = normal(*shape), normal(*shape, seed=1)
    index = np.zeros((shape[0], *shape[2:]), np.int64)
    results = []
    before = tg.get_num_threads()
    try:
        for threads in (1, 2, 4):
            tg.set_num_threads(threads)
            found = []
            for function in (F.softmax, F.log_softmax):
                leaf = tg.Tensor(x, requires_grad=True)
                y = function(leaf, 1)
                y.backward(g)
                found += [y.data, leaf.grad.data]
            leaf = tg.Tensor(x, requires_grad=True)
            F.cross_entropy(leaf, tg.Tensor(index), reduction="sum").backward()
            results.append([*found, leaf.grad.data])
    finally:
        tg.set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)

"""Sums of many float32 numbers: to 1e-6 of what float64 makes of them, over any axes, in losses and statistics too."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from tinygrad_cnn import Tensor
from tinygrad_cnn.train.metrics import AgeErrors

MANY = 10**7
X = np.random.default_rng(0).random(MANY, dtype=np.float32) + np.float32(0.1)  # all of one sign: nothing cancels
EXACT = X.astype(np.float64)
NOTHING = tg.zeros(MANY)
ZEROS = tg.zeros(MANY // 2).long()


def error(found: Tensor, exact: np.ndarray | float) -> float:
    return float(np.max(np.abs(found.data.astype(np.float64) / exact - 1)))


def first_of_two(x: np.ndarray) -> np.ndarray:
    """The cross-entropy of class 0 in pairs of logits."""
    return np.logaddexp(0, x[1::2] - x[::2])


SUMS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[np.ndarray], np.ndarray]]] = {
    "sum": (tg.sum, np.sum),
    "mean": (tg.mean, np.mean),
    "cumsum": (lambda x: x.cumsum(0)[-1], np.sum),
    "norm": (tg.norm, np.linalg.norm),
    "std": (tg.std, lambda x: np.std(x, ddof=1)),
    "mse_loss": (lambda x: F.mse_loss(x, NOTHING), lambda x: np.mean(np.square(x))),
    "l1_loss": (lambda x: F.l1_loss(x, NOTHING, reduction="sum"), np.sum),
    "huber_loss": (lambda x: F.huber_loss(x, NOTHING, delta=2.0), lambda x: np.mean(np.square(x)) / 2),
    "bce": (lambda x: F.binary_cross_entropy_with_logits(x, NOTHING), lambda x: np.mean(np.logaddexp(0, x))),
    "logsumexp": (lambda x: x.logsumexp(0), lambda x: np.log(np.sum(np.exp(x)))),
    "global average": (lambda x: F.adaptive_avg_pool2d(x.reshape(1, 2500, 4000), 1), np.mean),
    "cross_entropy": (lambda x: F.cross_entropy(x.reshape(-1, 2), ZEROS), lambda x: np.mean(first_of_two(x))),
}


@pytest.mark.parametrize("name", SUMS)
def test_of_ten_million_numbers(name: str) -> None:
    ours, exact = SUMS[name]
    assert error(ours(Tensor(X)), exact(EXACT)) < 1e-6


@pytest.mark.parametrize(
    ("shape", "dim"), [((-1, 2), 0), ((-1, 10), 0), ((-1, 2, 10), (0, 2)), ((1000, -1), 0), ((250, -1), 0)]
)
def test_over_axes_that_are_not_the_innermost(shape: tuple[int, ...], dim: int | tuple[int, ...]) -> None:
    x, exact = X.reshape(shape), EXACT.reshape(shape)
    assert error(tg.sum(tg.from_numpy(x), dim), exact.sum(dim)) < 1e-6
    turned = tuple(x.ndim - 1 - d for d in ([dim] if isinstance(dim, int) else dim))
    assert error(tg.sum(tg.from_numpy(x.T), turned), exact.T.sum(turned)) < 1e-6


def test_a_biass_gradient_over_a_large_batch() -> None:
    g = X.reshape(-1, 10)
    bias = tg.zeros(10, requires_grad=True)
    (bias + tg.zeros(*g.shape)).backward(g)
    assert bias.grad is not None
    assert error(bias.grad, EXACT.reshape(-1, 10).sum(0)) < 1e-6


def test_layer_norms_gradients_over_a_large_batch() -> None:
    x, g = X[: 8 * 10**5].reshape(-1, 8), X[-8 * 10**5 :].reshape(-1, 8)
    bias = tg.zeros(8, requires_grad=True)
    F.layer_norm(tg.from_numpy(x), (8,), bias=bias).backward(g)
    assert bias.grad is not None
    assert error(bias.grad, g.sum(0, dtype=np.float64)) < 1e-6


@pytest.mark.parametrize("momentum", [0.1, 0.01])
def test_running_statistics_over_many_batches(momentum: float) -> None:
    mean, variance = tg.zeros(2), tg.ones(2)
    exact = np.array([[0.0, 0.0], [1.0, 1.0]])
    random = np.random.default_rng(0)
    for _ in range(2000):
        x = (random.standard_normal((8, 2)) + 5).astype(np.float32)
        F.batch_norm(Tensor(x), mean, variance, training=True, momentum=momentum)
        of_batch = np.stack([x.mean(0, dtype=np.float64), x.var(0, dtype=np.float64, ddof=1)])
        exact += momentum * (of_batch - exact)
    assert error(mean, exact[0]) < 1e-6
    assert error(variance, exact[1]) < 1e-6


def test_the_metrics_of_many_batches() -> None:
    errors = AgeErrors()
    for batch in X.reshape(1000, -1):
        errors.update(batch, np.zeros_like(batch))
    np.testing.assert_allclose([errors.mae, errors.rmse**2], [EXACT.mean(), np.square(EXACT).mean()], rtol=1e-12)

"""functional.py beside PyTorch: activations, dropout, normalisation."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from tests.parity.agreement import (
    OURS,
    THEIRS,
    agree,
    agree_in_both_precisions,
    both_refuse,
    floats,
    lines,
    normal,
    only_we_refuse,
    positive,
    quiet,
)

ACTIVATIONS = """
    F.relu(x)  F.leaky_relu(x)  F.leaky_relu(x, 0.2)  F.leaky_relu(x, negative_slope=0.5)  F.leaky_relu(x, -0.3)
    F.leaky_relu(x, 0)  F.elu(x)  F.elu(x, 0.5)  F.elu(x, alpha=2.0)  F.silu(x)  F.softplus(x)  F.softplus(x, 2.0)
    F.softplus(x, beta=0.5, threshold=1.0)  F.softplus(x, 1, 0.2)  F.sigmoid(x)  F.tanh(x)
"""
GELU = "F.gelu(x)  F.gelu(x, approximate='none')  F.gelu(x, approximate='tanh')"


@lines(ACTIVATIONS + GELU)
def test_activations(line: str) -> None:
    agree_in_both_precisions(line, x=normal(3, 4) * 3)
    agree_in_both_precisions(line, x=np.zeros((0, 3)))
    agree_in_both_precisions(line, x=floats(-0.5))
    agree(line.replace("(x", "(x.T[1:, ::2]"), x=normal(3, 4) * 3)


@lines(ACTIVATIONS + GELU)
def test_activations_at_their_kinks_and_edges(line: str) -> None:
    kinks = floats([0.0, -0.0, 1.0, -1.0, 0.1, 0.2, 10.0, 20.0, 40.0, -20.0, -40.0, 100.0, -100.0])
    agree_in_both_precisions(line, order=1, x=kinks)
    agree_in_both_precisions(line, order=1, x=floats([1000.0, -1000.0]))


@lines(ACTIVATIONS)  # PyTorch's float32 gelu of inf is NaN
def test_activations_of_nan_and_infinities(line: str) -> None:
    agree_in_both_precisions(line, order=0, x=floats([np.nan, np.inf, -np.inf]))


@lines("""
    F.dropout(x, p=0.0)  F.dropout(x, 0.5, False)  F.dropout(x, 0.5, training=False)  F.dropout(x, p=1.0)
    F.dropout(x, 1.0, True)  F.dropout2d(x[None], 0.3, training=False)  F.dropout2d(x[None], 1.0)
""")
def test_dropout_without_chance(line: str) -> None:
    agree(line, x=normal(2, 3, 4))


@lines("""
    F.relu(x, inplace=True)  F.leaky_relu(x, 0.1, True)  F.elu(x, 1.0, True)  F.silu(x, inplace=True)
    F.dropout(x, 0.5, True, True)  F.dropout2d(x, inplace=True)
""")
def test_inplace_is_not_offered(line: str) -> None:
    only_we_refuse(line, "inplace|positional", x=normal(2, 3, 4, 4))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_dropout_has_torch_s_statistics(p: float) -> None:
    x = np.ones((200, 300), np.float32)
    for library in (OURS, THEIRS):
        y = library.array(library.run(f"F.dropout(x, {p})", {"x": library.tensor(x)}))
        np.testing.assert_allclose(np.unique(y), [0, 1 / (1 - p)], rtol=1e-6)
        assert abs((y == 0).mean() - p) < 0.01
        assert abs(y.mean() - 1) < 0.03


@pytest.mark.parametrize("shape", [(40, 50, 3, 4), (30, 60, 1, 1)])
def test_dropout2d_drops_whole_channels(shape: tuple[int, ...]) -> None:
    for library in (OURS, THEIRS):
        with quiet():
            y = library.array(library.run("F.dropout2d(x, 0.4)", {"x": library.tensor(np.ones(shape, np.float32))}))
        means = y.mean((-2, -1))
        np.testing.assert_allclose(np.unique(means.round(5)), [0, 1.66667], rtol=1e-5)
        assert abs((means == 0).mean() - 0.4) < 0.15


def test_the_gradient_of_dropout_is_its_mask() -> None:
    x = tg.ones(50, 40, requires_grad=True)
    y = F.dropout(x, 0.3)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data, y.data)


# -- normalisation ------------------------------------------------------------------------------------------


STATE = {"M": normal(3), "V": positive(3), "w": normal(3, seed=1), "b": normal(3, seed=2), "B": normal(3, seed=3)}


SHAPES = pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5), (2, 3, 4, 5), (2, 3, 2, 2, 2), (1, 3, 2)])


@SHAPES
@lines("""
    F.batch_norm(x, M, V)  F.batch_norm(x, M, V, w, b)  F.batch_norm(x, M, V, w)  F.batch_norm(x, M, V, bias=B)
    F.batch_norm(x, M, V, w, b, eps=0.1)  F.batch_norm(x, running_mean=M, running_var=V, weight=None, momentum=0.1)
    F.batch_norm(x, None, None, training=True)  F.batch_norm(x, None, None, w, b, True)
    F.batch_norm(x, None, None, weight=w, bias=b, training=True, eps=0.5)
""")
def test_batch_norm(line: str, shape: tuple[int, ...]) -> None:
    agree_in_both_precisions(line, x=normal(*shape), **STATE)


@SHAPES
@lines("""
    F.batch_norm(x, M, V, w, b, True)  F.batch_norm(x, M, V, w, b, training=True, momentum=0.3)
    F.batch_norm(x, M, V, w, b, True, 1.0, 1e-3)  F.batch_norm(x, M, V, training=True, momentum=0.0)
    F.batch_norm(x, M, V, training=True) + F.batch_norm(x * 2 + 1, M, V, w, b, True)
""")
def test_running_statistics_of_batch_norm(line: str, shape: tuple[int, ...]) -> None:
    agree_in_both_precisions(f"y = {line}; (y, M, V)", x=normal(*shape), **STATE)


def test_batch_norm_of_equal_numbers() -> None:
    agree("F.batch_norm(x, None, None, training=True)", x=np.ones((4, 3)))


@lines("""
    F.layer_norm(x, (4,))  F.layer_norm(x, [4], w, b)  F.layer_norm(x, (4,), w)  F.layer_norm(x, (4,), bias=B)
    F.layer_norm(x, normalized_shape=(4,), weight=w, bias=b, eps=0.1)  F.layer_norm(x, (3, 4))
    F.layer_norm(x, (2, 3, 4))  F.layer_norm(x, (3, 4), w.expand(3, 4), b.expand(3, 4), 1e-3)
    F.layer_norm(x.transpose(0, 2), (2,))  F.layer_norm(x, x.shape[1:])
""")
def test_layer_norm(line: str) -> None:
    agree_in_both_precisions(line, x=normal(2, 3, 4), w=normal(4, seed=1), b=normal(4, seed=2), B=normal(4))


def test_layer_norm_of_nothing_and_of_equal_numbers() -> None:
    agree("F.layer_norm(x, (4,))", x=np.zeros((0, 4)))
    agree("F.layer_norm(x, (4,))", x=np.full((2, 4), 3.0))


@lines("""
    F.batch_norm(x, M, V, w[:2])  F.batch_norm(x, M[:2], V)  F.batch_norm(x, None, None)
    F.batch_norm(x[:1, :, 0], None, None, training=True)  F.batch_norm(x[0, 0], M, V)  F.batch_norm(x)
    F.layer_norm(x, (3,))  F.layer_norm(x, (4,), w)  F.layer_norm(x, (4, 3))  F.layer_norm(x, ())  F.layer_norm(x)
    F.gelu(x, approximate='erf')  F.dropout(x, -0.1)  F.dropout(x, 1.1)  F.dropout2d(x, 2.0)  F.softplus(x, 'a')
    F.relu()
""")
def test_what_both_refuse(line: str) -> None:
    both_refuse(line, x=normal(2, 3, 4), **STATE)

"""Values and slopes over the whole range of float32, against float64; and at 0, infinity and NaN against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from tinygrad_cnn import Tensor

LARGEST, SMALLEST = float(np.finfo(np.float32).max), float(np.finfo(np.float32).smallest_subnormal)
HAND_PICKED = np.array(
    [s * v for v in (0, SMALLEST, 1e-38, 1e-20, 1e-9, 1e-4, 0.1, 0.5, 1, 2, 5, 9, 17, 21, 36, 44, 88, 89, 104, 1e4, 1e8,
                     2e19, 1e30, LARGEST) for s in (1.0, -1.0)],
    np.float32,
)  # fmt: skip
finite = st.floats(-LARGEST, LARGEST, width=32)
Function = Callable[..., Any]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -x))


def bernoulli(target: float) -> tuple[Function, Function, Function]:
    def loss(x: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(x, tg.full(x.shape, target), reduction="none")

    def exact(x: np.ndarray) -> np.ndarray:
        return target * np.logaddexp(0, -x) + (1 - target) * np.logaddexp(0, x)

    return loss, exact, lambda x: (1 - target) * sigmoid(x) - target * sigmoid(-x)


def to_zero(loss: Function, **options: float) -> Function:
    return lambda x: loss(x, tg.zeros(*x.shape), reduction="none", **options)


# Ours, the value and the slope in float64.
ELEMENTWISE: dict[str, tuple[Function, Function, Function]] = {
    "sigmoid": (tg.sigmoid, sigmoid, lambda x: sigmoid(x) * sigmoid(-x)),
    "softplus": (F.softplus, lambda x: np.logaddexp(0, x), sigmoid),
    "silu": (F.silu, lambda x: x * sigmoid(x), lambda x: sigmoid(x) * (1 + x * sigmoid(-x))),
    "tanh": (tg.tanh, np.tanh, lambda x: 4 * sigmoid(2 * x) * sigmoid(-2 * x)),
    "expm1": (tg.expm1, np.expm1, np.exp),
    "log1p": (lambda x: tg.log1p(tg.abs(x)), lambda x: np.log1p(np.abs(x)), lambda x: np.sign(x) / (1 + np.abs(x))),
    "elu": (F.elu, lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), lambda x: np.exp(np.minimum(x, 0))),
    "relu": (F.relu, lambda x: np.maximum(x, 0), lambda x: x > 0),
    "gelu by tanh": (
        lambda x: F.gelu(x, "tanh"),
        lambda x: x * sigmoid(2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)),
        lambda x: np.where(np.abs(x) > 20, x > 0, np.nan),
    ),
    "gelu": (
        F.gelu,
        lambda x: np.where(np.abs(x) > 20, np.maximum(x, 0), np.nan),
        lambda x: np.where(np.abs(x) > 20, x > 0, np.nan),
    ),
    "bce of 1": bernoulli(1.0),
    "bce of 0": bernoulli(0.0),
    "bce of a half": bernoulli(0.5),
    "mse_loss": (to_zero(F.mse_loss), np.square, lambda x: 2 * x),
    "l1_loss": (to_zero(F.l1_loss), np.abs, np.sign),
    "huber_loss": (
        to_zero(F.huber_loss, delta=2.0),
        lambda x: np.where(np.abs(x) < 2, x * x / 2, 2 * (np.abs(x) - 1)),
        lambda x: np.clip(x, -2, 2),
    ),
    "smooth_l1_loss": (
        to_zero(F.smooth_l1_loss, beta=0.5),
        lambda x: np.where(np.abs(x) < 0.5, x * x, np.abs(x) - 0.25),
        lambda x: np.clip(2 * x, -1, 1),
    ),
}  # fmt: skip


def assert_right(name: str, x: np.ndarray) -> None:
    ours, value, slope = ELEMENTWISE[name]
    leaf = Tensor(x, requires_grad=True)
    y = ours(leaf)
    y.backward(np.ones_like(x))
    assert leaf.grad is not None
    with np.errstate(all="ignore"):
        exact_value, exact_slope = (np.asarray(f(x.astype(np.float64)), np.float32) for f in (value, slope))
    known = ~np.isnan(exact_value)
    np.testing.assert_allclose(y.data[known], exact_value[known], rtol=1e-6, atol=1e-37, err_msg=name)
    known = ~np.isnan(exact_slope)
    assert np.isfinite(leaf.grad.data[np.isfinite(exact_slope)]).all()
    # A slope that is one minus something is right to what float32 has beside 1.
    np.testing.assert_allclose(leaf.grad.data[known], exact_slope[known], rtol=1e-6, atol=2e-7, err_msg=name)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_functions_and_their_slopes(name: str) -> None:
    if name == "gelu by tanh":  # 1 + tanh cancels below 0
        assert_right(name, HAND_PICKED[(HAND_PICKED > -0.5) | (HAND_PICKED < -20)])
    else:
        assert_right(name, HAND_PICKED)


@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if name != "gelu by tanh"])
@given(x=st.lists(finite, min_size=1, max_size=5))
def test_functions_and_their_slopes_at_any_numbers(name: str, x: list[float]) -> None:
    assert_right(name, np.array(x, np.float32))


# -- over rows ------------------------------------------------------------------------------------------------

ROWS: list[list[float]] = [
    [0, 0, 0], [1e3, 1e3, 999], [-1e3, -1e8, -1e3], [3e38, -3e38, 0], [3e38] * 3, [-3e38] * 3, [SMALLEST, 0, -SMALLEST],
    [88, 89, 90], [-104, -88, 0], [20, 0, -20], [1e30, 1e30, 1e30], [2e19, 1e19, 0], [1e-38, 0, 0], [1e-20, 2e-20, 0],
]  # fmt: skip


def softmax(x: np.ndarray) -> np.ndarray:
    shifted = x - x.max(axis=-1, keepdims=True)
    return np.exp(shifted) / np.exp(shifted).sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("x", ROWS, ids=str)
def test_softmax_its_logarithm_and_cross_entropy(x: list[float]) -> None:
    row = np.array([x], np.float32)
    leaf = Tensor(row, requires_grad=True)
    shares, exact = F.softmax(leaf, 1), softmax(row.astype(np.float64))
    np.testing.assert_allclose(shares.data, exact, rtol=1e-6, atol=1e-37)
    total = leaf.logsumexp(1)
    np.testing.assert_allclose(total.data, np.logaddexp.reduce(row.astype(np.float64), axis=1), 1e-6, 1e-7)
    (slope,) = tg.grad(total.sum(), leaf)
    assert slope is not None
    np.testing.assert_allclose(slope.data, exact, rtol=1e-6 + 6e-8 * abs(total.item()), atol=1e-37)
    for index in range(3):
        loss = F.cross_entropy(leaf, tg.Tensor([index]))
        shifted = row[0].astype(np.float64) - row.max()
        with np.errstate(over="ignore"):
            due = np.float32(np.logaddexp.reduce(shifted) - shifted[index])
        np.testing.assert_allclose(loss.item(), due, rtol=1e-6, atol=2e-7)
        np.testing.assert_allclose(-F.log_softmax(leaf, 1)[0, index].item(), due, rtol=1e-6, atol=2e-7)
        (slope,) = tg.grad(loss, leaf)
        assert slope is not None
        np.testing.assert_allclose(slope.data, exact - np.eye(3)[index], rtol=1e-6, atol=2e-7)


@pytest.mark.parametrize("x", ROWS, ids=str)
def test_variance_and_deviation(x: list[float]) -> None:
    row = np.array(x, np.float32)
    exact = row.astype(np.float64)
    leaf = Tensor(row, requires_grad=True)
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(leaf.var().item(), np.float32(exact.var(ddof=1)), rtol=1e-6)
    deviation = leaf.std()
    np.testing.assert_allclose(deviation.item(), exact.std(ddof=1), rtol=1e-6, atol=SMALLEST)
    if len(set(x)) > 1 and 1e-37 < np.abs(exact).max() < 1e38:
        (slope,) = tg.grad(deviation, leaf)
        assert slope is not None
        due = (exact - exact.mean()) / (2 * exact.std(ddof=1))
        np.testing.assert_allclose(slope.data, due, rtol=1e-6, atol=4e-7 * np.abs(exact).max() / exact.std())


@pytest.mark.parametrize("p", [0.5, 1, 1.5, 2, 3, 20, -1, -2.5, np.inf, -np.inf])
@pytest.mark.parametrize("x", ROWS, ids=str)
def test_norms_of_any_order(x: list[float], p: float) -> None:
    row = np.array(x, np.float32)
    exact = np.abs(row.astype(np.longdouble))
    with np.errstate(all="ignore"):
        due = (
            exact.max() if p == np.inf else exact.min() if p == -np.inf else np.sum(exact**p) ** (1 / np.longdouble(p))
        )
        due = np.float32(due)
    leaf = Tensor(row, requires_grad=True)
    length = leaf.norm(p)
    np.testing.assert_allclose(length.item(), due, rtol=3e-6, atol=2 * SMALLEST)
    (slope,) = tg.grad(length, leaf)
    assert slope is not None
    if np.isfinite(p) and p > 1 and 1e-37 < due < np.inf:
        np.testing.assert_allclose(slope.data, np.sign(row) * (exact / due) ** (p - 1), rtol=2e-5, atol=1e-37)


@pytest.mark.parametrize("name", ["var", "std"])
@pytest.mark.parametrize("shape", [(), (1,)])
def test_one_number_has_no_variance_and_no_slope(name: str, shape: tuple[int, ...]) -> None:
    x = tg.full(shape, 3.0, requires_grad=True)
    y = getattr(x, name)()
    y.backward()
    assert x.grad is not None
    assert np.isnan(y.item())
    assert np.isnan(x.grad.item())


# -- at the borders, beside PyTorch ---------------------------------------------------------------------------

BORDERS = np.array([0.0, -0.0, np.inf, -np.inf, np.nan], np.float32)
ALIKE = [
    *(f"x.{name}()" for name in ("sigmoid", "tanh", "expm1", "log1p", "log", "exp", "sqrt", "rsqrt", "erf", "abs")),
    *(f"x.{name}()" for name in ("square", "var", "std", "mean", "norm")),
    *(f"F.{name}(x)" for name in ("softplus", "silu", "relu", "leaky_relu")),
    *(f"F.{name}_loss(x, z, reduction='none')" for name in ("mse", "l1", "huber", "smooth_l1")),
    "F.binary_cross_entropy_with_logits(x, z)", "x.logsumexp(0)", "F.softmax(x, 0)", "F.log_softmax(x, 0)", "x.norm(3)",
    "x.norm(1)",
]  # fmt: skip


@pytest.mark.parametrize("line", ALIKE)
def test_at_zero_infinity_and_nan_torch_gives_the_same(line: str) -> None:
    torch = pytest.importorskip("torch")
    for value in BORDERS:
        found = []
        for library, functional in ((tg, F), (torch, torch.nn.functional)):
            x = library.tensor(np.array([value, 1.0], np.float32), requires_grad=True)
            y = eval(line, {"x": x, "z": library.tensor(np.zeros(2, np.float32)), "F": functional})
            y.sum().backward()
            found.append((y.detach().numpy(), x.grad.numpy()))
        for what, ours, theirs in zip(("value", "slope"), *found, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7, err_msg=f"{what} of {line} at {value}")

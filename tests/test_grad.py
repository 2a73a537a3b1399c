"""grad(): derivatives of chosen outputs in chosen inputs, and derivatives of those, to any order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import Tensor


def leaf(*numbers: float, dtype: Any = np.float64) -> Tensor:
    return Tensor(np.array(numbers, dtype), requires_grad=True)


def gradient(x: Tensor) -> Any:
    assert x.grad is not None
    return x.grad.tolist()


def test_grad_returns_gradients_and_touches_none() -> None:
    a, b = leaf(2.0), leaf(3.0)
    da, db = tg.grad(a * b, [a, b])
    assert da is not None
    assert db is not None
    assert (da.item(), db.item()) == (3.0, 2.0)
    assert a.grad is None
    assert b.grad is None
    assert not da.requires_grad


def test_grad_takes_results_as_inputs() -> None:
    x = leaf(2.0)
    y = x * x
    z = y * y * x
    dz_dy, dz_dx = tg.grad(z, [y, x])
    assert dz_dy is not None
    assert dz_dx is not None
    assert dz_dy.item() == 2 * 4 * 2
    assert dz_dx.item() == 5 * 2.0**4


def test_grad_of_an_output_in_itself_is_its_weight() -> None:
    x = leaf(2.0)
    y = x * x
    assert tg.grad(y, y)[0].item() == 1.0  # type: ignore[union-attr]
    assert tg.grad(x, x, grad_outputs=Tensor(np.array([5.0])))[0].item() == 5.0  # type: ignore[union-attr]


def test_grad_adds_up_over_outputs_each_with_its_weight() -> None:
    x = leaf(1.0, 2.0)
    weights = [Tensor(np.array([1.0, 10.0])), None]
    (g,) = tg.grad([x * x, x.sum()], x, grad_outputs=weights)
    assert g is not None
    assert g.tolist() == [3.0, 41.0]


def test_grad_of_an_output_that_is_also_on_the_way_to_another() -> None:
    x = leaf(3.0)
    y = x * x
    (g,) = tg.grad([y, y * 2], x)
    assert g is not None
    assert g.item() == 18.0


def test_grad_gives_the_same_input_twice_if_asked_twice() -> None:
    x = leaf(3.0)
    a, b = tg.grad(x * x, [x, x])
    assert a is not None
    assert b is not None
    assert a.item() == b.item() == 6.0


def test_an_unused_input_raises_unless_allowed() -> None:
    x, unused = leaf(1.0), leaf(1.0)
    with pytest.raises(RuntimeError, match=r"inputs\[1\] of shape \(1,\) was not used.*allow_unused=True"):
        tg.grad(x * 2, [x, unused])
    g, nothing = tg.grad(x * 2, [x, unused], allow_unused=True)
    assert g is not None
    assert g.item() == 2.0
    assert nothing is None


def test_grad_says_what_it_was_not_given() -> None:
    x, constant = leaf(1.0, 2.0), Tensor(np.ones(2))
    with pytest.raises(RuntimeError, match=r"inputs\[0\] of shape \(2,\) does not require grad"):
        tg.grad(x.sum(), constant)
    with pytest.raises(RuntimeError, match=r"outputs\[0\] does not require grad"):
        tg.grad(constant.sum(), x)
    with pytest.raises(RuntimeError, match=r"outputs\[0\] has shape \(2,\): a gradient can be left out only for a"):
        tg.grad(x * 2, x)
    with pytest.raises(RuntimeError, match="2 outputs but 1 grad_outputs"):
        tg.grad([x * 2, x * 3], x, grad_outputs=[Tensor(np.ones(2))])
    with pytest.raises(RuntimeError, match=r"has shape \(2,\) but its gradient has \(3,\)"):
        tg.grad(x * 2, x, grad_outputs=Tensor(np.ones(3)))


def test_backward_says_what_is_missing() -> None:
    with pytest.raises(
        RuntimeError, match="does not require grad: nothing it was computed from has requires_grad=True"
    ):
        Tensor(1.0).backward()
    with pytest.raises(RuntimeError, match=r"has shape \(2,\): a gradient can be left out only for a single number"):
        (leaf(1.0, 2.0) * 2).backward()
    with pytest.raises(RuntimeError, match=r"has shape \(2,\) but its gradient has \(1,\)"):
        (leaf(1.0, 2.0) * 2).backward(np.ones(1))


# -- gradients of gradients -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "derivatives"),
    [
        (lambda x: x**5, [5 * 0.7**4, 20 * 0.7**3, 60 * 0.7**2, 120 * 0.7, 120.0]),
        (lambda x: x.sin(), [math.cos(0.7), -math.sin(0.7), -math.cos(0.7), math.sin(0.7), math.cos(0.7)]),
        (lambda x: (x * 2).exp(), [2**n * math.exp(1.4) for n in range(1, 6)]),
        (lambda x: x.log(), [(-1) ** (n + 1) * math.factorial(n - 1) / 0.7**n for n in range(1, 6)]),
        (lambda x: 1 / x, [(-1) ** n * math.factorial(n) / 0.7 ** (n + 1) for n in range(1, 6)]),
    ],
)
def test_derivatives_of_any_order_are_those_of_the_textbook(function: Any, derivatives: list[float]) -> None:
    x = Tensor(np.array(0.7), requires_grad=True)
    y = function(x)
    for expected in derivatives:
        (y,) = tg.grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(expected, rel=1e-12)


def test_backward_with_create_graph_leaves_a_gradient_that_can_be_differentiated() -> None:
    x = leaf(3.0)
    (x**3).backward(create_graph=True)
    assert x.grad is not None
    first, x.grad = x.grad, None
    first.backward()
    assert gradient(x) == [18.0]


def test_hessian_vector_products_are_the_hessian_times_the_vector() -> None:
    random = np.random.default_rng(0)
    matrix, point, vector = random.standard_normal((4, 4)), random.standard_normal(4), random.standard_normal(4)
    x, v = Tensor(point, requires_grad=True), Tensor(vector)
    y = 0.5 * (x @ (matrix @ x)) + (x**3).sum()
    (slope,) = tg.grad(y, x, create_graph=True)
    (product,) = tg.grad(slope, x, grad_outputs=v)
    assert product is not None
    hessian = 0.5 * (matrix + matrix.T) + np.diag(6 * point)
    np.testing.assert_allclose(product.data, hessian @ vector, rtol=1e-12)


def test_a_gradient_penalty_reaches_the_weights() -> None:
    """As in a Wasserstein GAN's critic: the norm of the input's gradient is a part of the loss."""
    x, w = leaf(1.0, 2.0), leaf(3.0, -1.0)
    (slope,) = tg.grad((x * w).square().sum(), x, create_graph=True)
    assert slope is not None
    slope.square().sum().backward()  # sum (2 w^2 x)^2, in w: 16 w^3 x^2
    np.testing.assert_allclose(gradient(w), [16 * 27 * 1, 16 * -1 * 4])


def test_a_gradient_can_be_differentiated_in_the_weights_of_the_outputs() -> None:
    x, seed = leaf(1.0, 2.0), leaf(1.0, 1.0)
    (g,) = tg.grad(x * x, x, grad_outputs=seed, create_graph=True)
    assert g is not None
    g.sum().backward()
    assert gradient(seed) == [2.0, 4.0]


def test_without_create_graph_a_gradient_is_a_constant() -> None:
    x = leaf(1.0)
    (g,) = tg.grad(x**3, x)
    assert g is not None
    assert not g.requires_grad


def test_gradients_of_a_recorded_backward_do_not_share_memory():
    a, b = (tg.ones(1, requires_grad=True) for _ in range(2))
    (a + b).backward(create_graph=True)
    assert a.grad is not b.grad
    assert not np.shares_memory(a.grad.data, b.grad.data)


def test_grad_outputs_may_be_an_array_and_inputs_must_be_tensors():
    x = tg.ones(2, requires_grad=True)
    (g,) = tg.grad(x * 2, x, np.array([1.0, 3.0], np.float32))
    assert g.tolist() == [2.0, 6.0]
    with pytest.raises(RuntimeError, match="1 outputs but 0 grad_outputs"):
        tg.grad(x * 2, x, [])
    with pytest.raises(TypeError, match=r"inputs\[0\] must be a Tensor, got a ndarray"):
        tg.grad((x * 2).sum(), [np.ones(2)])

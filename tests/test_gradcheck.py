"""The checker itself: it passes what is right and fails what is wrong by a part in a thousand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import Tensor


def leaf(*shape: int) -> Tensor:
    return Tensor(np.random.default_rng(0).uniform(0.5, 2, shape), requires_grad=True)


def power_of_three(factor: float) -> Callable[[Tensor], Tensor]:
    """x ** 3 with a rule that is off by a factor."""

    @tg.primitive(x=lambda g, x: g * x * x * (3 * factor))
    def cube(x: np.ndarray) -> np.ndarray:
        return x**3

    return cube


def power_of_three_from(square: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """x ** 3 whose own rule is right, but whose slope comes from another primitive."""

    @tg.primitive(x=lambda g, x: g * square(x) * 3)
    def cube(x: np.ndarray) -> np.ndarray:
        return x**3

    return cube


def square(factor: float) -> Callable[[Tensor], Tensor]:
    @tg.primitive(x=lambda g, x: g * x * (2 * factor))
    def squared(x: np.ndarray) -> np.ndarray:
        return x**2

    return squared


SHAPES = [(), (1,), (5,), (3, 4), (2, 1, 3)]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_right_rule_passes_to_any_order(shape: tuple[int, ...]) -> None:
    assert tg.gradcheck(power_of_three(1.0), leaf(*shape)) is True
    assert tg.gradcheck(power_of_three(1.0), [leaf(*shape)], order=3) is True


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("factor", [1.001, 0.999, 1.01, -1.0, 0.0])
def test_a_rule_that_is_wrong_by_a_thousandth_fails(shape: tuple[int, ...], factor: float) -> None:
    with pytest.raises(AssertionError, match="gradcheck: derivative 1, input 0: at "):
        tg.gradcheck(power_of_three(factor), leaf(*shape))


@pytest.mark.parametrize("function", [tg.sum, tg.mean, lambda y: y.softmax(0), lambda y: y * 1e-2, lambda y: y * 1e4])
def test_it_fails_too_when_the_rule_is_one_of_several(function: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(AssertionError):
        tg.gradcheck(lambda x: function(power_of_three(1.001)(x)), leaf(6))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_rule_that_is_wrong_only_in_the_second_derivative_fails_at_order_two(shape: tuple[int, ...]) -> None:
    cube = power_of_three_from(square(1.001))
    assert tg.gradcheck(cube, leaf(*shape), order=1)
    with pytest.raises(AssertionError, match="gradcheck: derivative 2, input 0: at "):
        tg.gradcheck(cube, leaf(*shape), order=2)


def test_a_rule_that_is_wrong_only_in_the_third_derivative_fails_at_order_three() -> None:
    @tg.primitive(x=lambda g, x: g * power_of_three_from(square(1.001))(x) * 4)
    def fourth(x: np.ndarray) -> np.ndarray:
        return x**4

    assert tg.gradcheck(fourth, leaf(2), order=2)
    with pytest.raises(AssertionError, match="derivative 3"):
        tg.gradcheck(fourth, leaf(2), order=3)


def test_a_rule_that_leaves_the_graph_fails_at_order_two() -> None:
    @tg.primitive(x=lambda g, x: g * Tensor(np.cos(x.data)))
    def sine(x: np.ndarray) -> np.ndarray:
        return np.sin(x)

    assert tg.gradcheck(sine, leaf(3))
    with pytest.raises(AssertionError, match="derivative 2"):
        tg.gradcheck(sine, leaf(3), order=2)


def test_a_rule_that_lets_its_cotangent_leave_the_graph_fails_at_order_two() -> None:
    @tg.primitive(x=lambda g, x: g.detach() * x * 2)
    def squared(x: np.ndarray) -> np.ndarray:
        return x**2

    assert tg.gradcheck(squared, leaf(3))
    with pytest.raises(AssertionError, match="derivative 2, input 1"):
        tg.gradcheck(squared, leaf(3), order=2)


def test_one_wrong_entry_among_many_is_named() -> None:
    @tg.primitive(x=lambda g: g * np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 1.25]]))
    def identity(x: np.ndarray) -> np.ndarray:
        return x.copy()

    with pytest.raises(AssertionError, match=r"input 0: at \(1, 2\) the rules give .* 1 of 6 lie outside"):
        tg.gradcheck(identity, leaf(2, 3))


def test_the_wrong_input_is_named() -> None:
    @tg.primitive(a=lambda g, b: g * b, b=lambda g, a: g * a * 1.1)
    def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return a * b

    with pytest.raises(AssertionError, match="derivative 1, input 2"):
        tg.gradcheck(lambda a, c, b: product(a, b) * c, [leaf(2), Tensor(2.0), leaf(2)])


def test_nan_never_passes() -> None:
    @tg.primitive(x=lambda g: g * float("nan"))
    def identity(x: np.ndarray) -> np.ndarray:
        return x.copy()

    with pytest.raises(AssertionError, match="the rules give nan"):
        tg.gradcheck(identity, leaf(2))
    with pytest.raises(AssertionError, match="finite differences nan"):
        tg.gradcheck(lambda x: (x - 5).log(), leaf(2))


def test_a_wrong_gradient_where_the_right_one_is_zero_fails() -> None:
    @tg.primitive(x=lambda g: g)
    def flat(x: np.ndarray) -> np.ndarray:
        return np.floor(x)

    with pytest.raises(AssertionError, match="finite differences 0"):
        tg.gradcheck(flat, leaf(2))


def test_functions_may_have_several_outputs_some_of_them_integers() -> None:
    assert tg.gradcheck(lambda x: [x * x, x.sum(), x.argmax()], leaf(3), order=2)
    assert tg.gradcheck(lambda x: x.max(1), leaf(2, 3), order=2)
    with pytest.raises(AssertionError):
        tg.gradcheck(lambda x: [x * x, power_of_three(1.001)(x)], leaf(3))


def test_an_output_may_ignore_an_input_or_all() -> None:
    assert tg.gradcheck(lambda a, b: a * 2, [leaf(2), leaf(2)], order=2)
    assert tg.gradcheck(lambda a: Tensor(np.ones(2)), leaf(2), order=2)
    assert tg.gradcheck(lambda a: a.detach() * 0, leaf(2), order=2)


def test_inputs_may_be_of_any_kind_and_are_not_touched() -> None:
    x = Tensor(np.array([1.0, 2.0], np.float32), requires_grad=True)
    index = Tensor([1, 0])
    before = x.data
    assert tg.gradcheck(lambda x, i, p: x[i] ** p, [x, index, 3], order=2)
    assert x.data is before
    assert x.tolist() == [1.0, 2.0]
    assert x.dtype == np.float32
    assert x.grad is None


def test_empty_inputs_pass() -> None:
    assert tg.gradcheck(lambda x: x * 2, leaf(0, 3), order=2)


def test_it_works_without_recording() -> None:
    with tg.no_grad(), pytest.raises(AssertionError):
        tg.gradcheck(power_of_three(1.001), leaf(3))


def test_without_an_input_that_requires_grad_there_is_nothing_to_check() -> None:
    inputs: list[Any] = [Tensor([1.0]), [Tensor([1.0]), 2], []]
    for nothing in inputs:
        with pytest.raises(
            ValueError, match=r"no input requires grad; make one with Tensor\(\.\.\., requires_grad=True\)"
        ):
            tg.gradcheck(lambda *x: Tensor(1.0), nothing)


@pytest.mark.parametrize("order", [0, -1, 1.5, True])
def test_the_order_is_a_positive_int(order: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"gradcheck: order must be (at least 1|an int), got"):
        tg.gradcheck(tg.exp, leaf(2), order=order)


def test_tolerances_can_be_chosen() -> None:
    assert tg.gradcheck(power_of_three(1.001), leaf(3), rtol=0.1)
    assert tg.gradcheck(power_of_three(1.001), leaf(3), atol=1.0)
    with pytest.raises(AssertionError):
        tg.gradcheck(power_of_three(1.0 + 1e-5), leaf(3), atol=1e-8, rtol=1e-5)

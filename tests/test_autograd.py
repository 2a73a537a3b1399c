"""What the sweep promises: the right gradients, once each, and nothing kept longer than needed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from tinygrad_cnn import Tensor
from tinygrad_cnn.autograd import Node


def leaf(*numbers: float, dtype: Any = np.float64) -> Tensor:
    return Tensor(np.array(numbers, dtype), requires_grad=True)


def gradient(x: Tensor) -> Any:
    assert x.grad is not None
    return x.grad.tolist()


def node(y: Tensor) -> Node:
    assert isinstance(y._source, Node)
    return y._source


# -- backward -------------------------------------------------------------------------------------------------


def test_backward_puts_the_derivative_into_every_leaf_below() -> None:
    a, b = leaf(2.0, 3.0), leaf(4.0, 5.0)
    (a * b + a).sum().backward()
    assert gradient(a) == [5.0, 6.0]
    assert gradient(b) == [2.0, 3.0]


def test_gradients_of_several_backward_passes_add_up() -> None:
    x = leaf(1.0, 2.0)
    (x * x).sum().backward()
    first = x.grad
    (x * 3).sum().backward()
    assert gradient(x) == [5.0, 7.0]
    assert first is not None
    assert first.tolist() == [2.0, 4.0], "the sum is a new Tensor: who holds the old one keeps its value"


def test_a_leaf_that_is_used_twice_gets_both_parts() -> None:
    x = leaf(3.0)
    (x * x + x * 2 + x).sum().backward()
    assert gradient(x) == [9.0]


def test_a_leaf_is_its_own_graph() -> None:
    x = Tensor(2.0, requires_grad=True)
    x.backward()
    assert x.grad is not None
    assert x.grad.item() == 1.0


def test_a_given_gradient_weights_the_outputs() -> None:
    x = leaf(1.0, 2.0)
    (x * x).backward(Tensor(np.array([10.0, 100.0])))
    assert gradient(x) == [20.0, 400.0]
    x.grad = None
    (x * x).backward(np.array([1.0, 0.0]))
    assert gradient(x) == [2.0, 0.0]


def test_a_single_number_of_any_shape_needs_no_gradient() -> None:
    x = leaf(1.0, 2.0)
    (x * x).sum().reshape(1, 1).backward()
    assert gradient(x) == [2.0, 4.0]


def test_results_keep_no_gradient_of_their_own() -> None:
    x = leaf(1.0)
    y = x * 2
    y.sum().backward()
    assert y.grad is None
    assert not y.is_leaf
    assert x.is_leaf


def test_gradients_stop_at_detach_and_at_constants() -> None:
    x, constant = leaf(2.0), Tensor(np.array([3.0]))
    (x * x.detach() * constant).sum().backward()
    assert gradient(x) == [6.0]
    assert constant.grad is None


def test_integers_and_bools_carry_no_gradient() -> None:
    x = leaf(1.5, 2.5)
    for y in (x.to(np.int64), x > 2, x.argmax(), x.floor_divide(2), x.isnan()):
        assert not y.requires_grad
    (x * Tensor([2, 3]) * (x > 2)).sum().backward()
    assert gradient(x) == [0.0, 3.0]
    with pytest.raises(TypeError, match=r"only floating-point tensors can have gradients, this one is int64"):
        Tensor([1, 2], requires_grad=True)


def test_each_inputs_gradient_has_its_dtype() -> None:
    a, b = leaf(1.0, 2.0, dtype=np.float32), leaf(3.0, 4.0)
    y = a * b
    assert y.dtype == np.float64
    y.sum().backward()
    assert a.grad is not None
    assert b.grad is not None
    assert (a.grad.dtype, b.grad.dtype) == (np.float32, np.float64)


def test_a_broadcast_inputs_gradient_has_its_shape() -> None:
    a, b = Tensor(np.ones((2, 1, 3)), requires_grad=True), Tensor(np.ones((4, 1)), requires_grad=True)
    (a + b * 2).sum().backward()
    assert a.grad is not None
    assert b.grad is not None
    assert a.grad.tolist() == np.full((2, 1, 3), 4.0).tolist()
    assert b.grad.tolist() == np.full((4, 1), 12.0).tolist()


def test_a_part_that_nothing_depends_on_gets_zeros_a_leaf_that_nothing_depends_on_gets_none() -> None:
    x, unused = leaf(1.0, 2.0), leaf(1.0)
    _ = unused * 2
    x[0].backward()
    assert gradient(x) == [1.0, 0.0]
    assert unused.grad is None


def test_gradients_flow_backwards_through_an_empty_tensor() -> None:
    x = Tensor(np.zeros((0, 3)), requires_grad=True)
    (x * 2).sum().backward()
    assert x.grad is not None
    assert x.grad.shape == (0, 3)


# -- what a graph costs ---------------------------------------------------------------------------------------


def test_a_chain_of_50000_operations_is_walked_and_dropped_without_recursion() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(50_000):
        y = y * 1.0
    y.backward()
    assert gradient(x) == [1.0]
    for _ in range(50_000):
        y = y * 1.0  # each keeps its factor
    del y


def test_a_chain_of_writes_in_place_is_no_different() -> None:
    x, y = leaf(1.0), tg.zeros(1, dtype=np.float64)
    for _ in range(5_000):
        y += x
    y.backward()
    assert gradient(x) == [5000.0]


def test_the_gradient_of_a_long_chains_gradient_needs_no_recursion_either() -> None:
    x = leaf(0.5)
    y = x
    for _ in range(3_000):
        y = y.sin()
    (slope,) = tg.grad(y, x, create_graph=True)
    slope.backward()
    assert math.isfinite(gradient(x)[0])


def test_a_diamond_of_40_levels_is_walked_once_not_along_its_2_to_the_40_paths() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(40):
        y = y + y
    started = time.perf_counter()
    y.backward()
    assert time.perf_counter() - started < 0.1
    assert gradient(x) == [2.0**40]


def test_every_node_runs_each_of_its_rules_once() -> None:
    x = leaf(1.0)
    y = x * 2
    z = y + y.sin() + y.cos()
    calls: list[tuple[str, int]] = []
    with tg.observe(lambda event: calls.append((event.primitive.name, event.rule_of.order if event.rule_of else -1))):
        z.backward()
    assert len([order for name, order in calls if order == node(y).order]) == 1, "y's one rule: g * 2"


# -- what a node keeps ----------------------------------------------------------------------------------------


def kept(y: Tensor) -> dict[str, Any]:
    return node(y).kept


def test_a_node_keeps_what_its_rules_name_and_nothing_else() -> None:
    x, other, constant = leaf(1.0, 2.0), leaf(3.0, 4.0), Tensor(np.array([5.0, 6.0]))
    assert set(kept(x + other)) == set()
    for y in (x.relu(), x.exp(), x.tanh(), x.sigmoid(), x.sqrt(), x.reciprocal(), x.softmax(0)):
        assert "x" not in kept(y)
    assert set(kept(x.relu())) == {"out"}
    assert set(kept(x * other)) == {"a", "b"}
    assert set(kept(x * constant)) == {"b"}
    assert set(kept(constant * x)) == {"a"}
    assert set(kept(x / constant)) == {"b"}
    assert set(kept(x.sum())) == {"x_shape", "dim"}
    assert set(kept(x.reshape(2, 1))) == {"x_shape"}
    assert set(kept(F.linear(x, Tensor(np.ones((3, 2)), requires_grad=True)))) <= {"x_shape"}, "a reshape of rows"


def test_a_first_convolution_keeps_its_image_but_not_its_weight() -> None:
    image = Tensor(np.ones((1, 1, 3, 3)))
    weight, bias = Tensor(np.ones((1, 1, 2, 2)), requires_grad=True), leaf(1.0)
    assert set(kept(F.conv2d(image, weight, bias))) == {"x", "weight_shape", "geometry"}
    assert "x" not in kept(F.conv2d(image, weight.detach(), bias))
    hidden = Tensor(np.ones((1, 1, 3, 3)), requires_grad=True)
    assert {"x", "weight"} <= set(kept(F.conv2d(hidden, weight)))


def test_a_max_pool_keeps_which_element_won_not_the_image() -> None:
    image = Tensor(np.ones((1, 1, 4, 4)), requires_grad=True)
    assert set(kept(F.max_pool2d(image, 2))) == {"residual", "windows", "x_shape"}


def test_a_first_convolution_never_computes_the_gradient_of_its_image() -> None:
    image, weight = Tensor(np.ones((2, 1, 5, 5))), Tensor(np.ones((3, 1, 2, 2)), requires_grad=True)
    second = Tensor(np.ones((1, 3, 2, 2)), requires_grad=True)
    events: list[tg.Event] = []
    loss = F.conv2d(F.conv2d(image, weight), second).sum()
    with tg.observe(events.append):
        loss.backward()
    names = [event.primitive.name for event in events]
    assert names.count("convolve_input") == 1, "the second's; the first's image wants none"
    assert names.count("convolve_weight") == 2


def test_grad_computes_only_what_leads_to_its_inputs() -> None:
    a, b = Tensor(np.ones((2, 2)), requires_grad=True), Tensor(np.ones((2, 2)), requires_grad=True)
    events: list[tg.Event] = []
    y = a @ b
    with tg.observe(events.append):
        tg.grad(y.sum(), a)
    assert [event.primitive.name for event in events].count("matrix_product") == 1


def test_a_frozen_weight_gets_no_gradient_and_costs_none() -> None:
    x, frozen, head = Tensor(np.ones((2, 3))), Tensor(np.ones((3, 3))), Tensor(np.ones((3, 1)), requires_grad=True)
    hidden = x @ frozen
    assert not hidden.requires_grad
    (hidden @ head).sum().backward()
    assert frozen.grad is None


def test_used_values_are_freed_unless_the_graph_is_retained() -> None:
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert gradient(x) == [4.0, 8.0]
    with pytest.raises(
        RuntimeError, match=r"what mul kept for its gradient has been used and freed.*retain_graph=True"
    ):
        y.backward()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        tg.grad(y, x)


def test_a_graph_that_keeps_no_arrays_can_be_walked_again() -> None:
    x = leaf(1.0, 2.0)
    y = (x + x).sum()
    y.backward()
    y.backward()
    assert gradient(x) == [4.0, 4.0]


def test_freeing_one_graph_leaves_another_that_shares_a_part_of_it_unharmed_until_it_meets_the_part() -> None:
    x = leaf(2.0)
    shared = x * x
    first, second = shared * 3, shared.detach() * x
    first.backward()
    second.backward()
    assert gradient(x) == [12.0 + 4.0]


# -- memory of its own ----------------------------------------------------------------------------------------


def test_leaves_that_receive_one_cotangent_do_not_share_its_memory() -> None:
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (a + b).backward(np.ones(2))
    assert a.grad is not None
    assert b.grad is not None
    a.grad.data[0] = 99.0
    assert gradient(b) == [1.0, 1.0]


def test_the_callers_gradient_is_neither_kept_nor_changed() -> None:
    x, given = leaf(1.0, 2.0), Tensor(np.ones(2))
    y = x + x
    y.backward(given)
    x.backward(given)
    assert given.tolist() == [1.0, 1.0]
    assert gradient(x) == [3.0, 3.0]
    given.data[0] = 99.0
    assert gradient(x) == [3.0, 3.0]


@pytest.mark.parametrize("view", [lambda x: x.reshape(6), lambda x: x.T, lambda x: x[None]])
def test_a_gradient_that_came_as_a_view_gets_memory_of_its_own_in_c_order(view: Callable[[Tensor], Tensor]) -> None:
    x = Tensor(np.zeros((2, 3)), requires_grad=True)
    y = view(x)
    given = tg.from_numpy(np.arange(6.0).reshape(y.shape))
    y.backward(given)
    assert x.grad is not None
    assert not np.shares_memory(x.grad.data, given.data)
    assert x.grad.data.flags.c_contiguous
    np.testing.assert_array_equal(view(x.grad).data, given.data)


def test_a_gradient_does_not_change_when_another_part_of_the_graph_adds_to_its_own() -> None:
    """The sweep adds in place; it must do so only in memory that it allocated for the sum."""
    x = leaf(1.0)
    y = x * 1
    a, b, c = y + 0, y + 0, y + 0  # four references to one cotangent
    results = tg.grad(a + b + c + y, [x, y, a, b, c])
    assert [g.item() for g in results if g is not None] == [4.0, 4.0, 1.0, 1.0, 1.0]


def test_three_paths_into_one_node_add_up_whatever_their_order() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    total = y * 1 + y * 10 + y * 100 + y.reshape(2, 1).expand(2, 3).sum(1)
    total.sum().backward()
    assert gradient(x) == [228.0, 228.0]


def test_infinite_gradients_of_both_signs_meet_in_nan_without_a_warning() -> None:
    x = leaf(1.0)
    (x * np.inf + x * -np.inf + x * 2).sum().backward()
    assert math.isnan(gradient(x)[0])

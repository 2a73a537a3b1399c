"""Writing into a tensor: recorded where a gradient is at stake, else done in the array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import Tensor


def leaf(*numbers: float) -> Tensor:
    return Tensor(np.array(numbers), requires_grad=True)


def add(y: Any, v: Any) -> Any:
    y += v
    return y


def sub(y: Any, v: Any) -> Any:
    y -= v
    return y


def mul(y: Any, v: Any) -> Any:
    y *= v
    return y


def div(y: Any, v: Any) -> Any:
    y /= v
    return y


def put(y: Any, v: Any) -> Any:
    y[1:] = v[1:] if isinstance(v, Tensor) else v
    return y


WRITES: dict[str, tuple[Callable[[Any, Any], Any], list[float]]] = {
    "+=": (add, [5.0, 7.0, 9.0]),
    "-=": (sub, [-3.0, -3.0, -3.0]),
    "*=": (mul, [4.0, 10.0, 18.0]),
    "/=": (div, [0.25, 0.4, 0.5]),
    "x[index] = value": (put, [1.0, 5.0, 6.0]),
    "copy_": (lambda y, v: y.copy_(v), [4.0, 5.0, 6.0]),
}


@pytest.mark.parametrize("name", WRITES)
def test_without_a_gradient_the_array_itself_is_written(name: str) -> None:
    write, expected = WRITES[name]
    array = np.array([1.0, 2.0, 3.0])
    y = tg.from_numpy(array)
    assert write(y, Tensor(np.array([4.0, 5.0, 6.0]))) is y
    assert array.tolist() == expected
    assert not y.requires_grad


@pytest.mark.parametrize("name", WRITES)
def test_a_result_written_to_has_the_right_gradients_in_the_old_and_the_new(name: str) -> None:
    write, _ = WRITES[name]
    assert tg.gradcheck(lambda x, v: write(x * 2, v), [leaf(1.0, 2.0, 3.0), leaf(4.0, 5.0, 6.0)], order=2)


@pytest.mark.parametrize("name", WRITES)
def test_a_constant_becomes_a_part_of_the_graph_when_a_gradient_is_written_into_it(name: str) -> None:
    write, expected = WRITES[name]

    def function(v: Tensor) -> Tensor:
        y = Tensor(np.array([1.0, 2.0, 3.0]))
        write(y, v)
        assert y.requires_grad == tg.is_grad_enabled()
        assert y.tolist() == pytest.approx(expected, rel=1e-5)
        return y

    assert tg.gradcheck(function, leaf(4.0, 5.0, 6.0), order=2)


@pytest.mark.parametrize("name", WRITES)
def test_a_leaf_that_requires_grad_is_written_only_under_no_grad(name: str) -> None:
    write, expected = WRITES[name]
    x, v = leaf(1.0, 2.0, 3.0), Tensor(np.array([4.0, 5.0, 6.0]))
    with pytest.raises(RuntimeError, match=r"a leaf that requires grad cannot be changed in place.*tg\.no_grad\(\)"):
        write(x, v)
    assert x.tolist() == [1.0, 2.0, 3.0]
    with tg.no_grad():
        write(x, v)
    assert x.tolist() == expected
    assert x.requires_grad
    assert x.is_leaf


@pytest.mark.parametrize("name", WRITES)
def test_an_earlier_use_keeps_the_gradient_of_the_value_it_saw(name: str) -> None:
    write, _ = WRITES[name]
    x = leaf(1.0, 2.0, 3.0)
    y = x * 1
    squares = (y * y).sum()
    write(y, Tensor(np.array([4.0, 5.0, 6.0])))
    squares.backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 4.0, 6.0]


@pytest.mark.parametrize("recorded", [False, True])
def test_what_does_not_fit_is_refused_and_changes_nothing(recorded: bool) -> None:
    y = Tensor(np.zeros(3))
    with pytest.raises(ValueError, match=r"\+=: a result of shape \(2, 3\) does not fit into \(3,\)"):
        y += Tensor(np.ones((2, 3)), requires_grad=recorded)
    with pytest.raises(ValueError, match=r"value: \(2,\)"):
        y[:] = Tensor(np.ones(2), requires_grad=recorded)
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        y.copy_(Tensor(np.ones((2, 3)), requires_grad=recorded))
    assert y.tolist() == [0.0, 0.0, 0.0]
    whole = Tensor([1, 2, 3])
    with pytest.raises(TypeError, match=r"\*=: a result of float32 does not fit into int64"):
        whole *= Tensor([0.5, 0.5, 0.5], requires_grad=recorded)
    assert whole.tolist() == [1, 2, 3]


@pytest.mark.parametrize("recorded", [False, True])
def test_the_dtype_stays(recorded: bool) -> None:
    y = tg.zeros(2)
    v = Tensor(np.array([1.0, 2.0]), requires_grad=recorded)
    y += v
    y[0] = v[1]
    assert y.dtype == np.float32
    assert y.tolist() == [2.0, 2.0]
    if recorded:
        y.sum().backward()
        assert v.grad is not None
        assert v.grad.dtype == np.float64
        assert v.grad.tolist() == [0.0, 2.0]


def test_fill_and_zero_write_one_number() -> None:
    array = np.array([1.0, 2.0], np.float32)
    y = tg.from_numpy(array)
    assert y.fill_(3.0) is y
    assert array.tolist() == [3.0, 3.0]
    y.zero_()
    assert array.tolist() == [0.0, 0.0]
    assert Tensor([1, 2]).fill_(3).tolist() == [3, 3]


def test_zero_cuts_a_result_off_from_what_it_was() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    y.zero_()
    (y.sum() + x.sum()).backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1.0, 1.0]


def test_a_view_shares_its_values_with_what_it_views() -> None:
    y = tg.zeros(4)
    y[1:3][0] = 5.0
    y.reshape(2, 2)[1] += 1
    assert y.tolist() == [0.0, 5.0, 1.0, 1.0]


def test_augmented_assignment_to_a_part_is_recorded() -> None:
    x = leaf(1.0, 2.0)
    y = tg.zeros(3, dtype=np.float64)
    y[:2] += x * 3
    y[[0, 1]] *= x
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [6.0, 12.0]


def test_writing_with_an_index_that_has_repeats_keeps_the_last_value() -> None:
    y, v = tg.zeros(2), Tensor([1.0, 2.0, 3.0], requires_grad=True)
    y[[0, 0, 1]] = v
    assert y.tolist() == [2.0, 3.0]
    y.sum().backward()
    assert v.grad is not None
    assert v.grad.tolist() == [0.0, 1.0, 1.0]


def test_a_running_sum_is_differentiated_through_all_its_steps() -> None:
    x = leaf(2.0)
    total, power = tg.zeros(1, dtype=np.float64), Tensor(np.ones(1))
    for _ in range(4):
        power *= x
        total += power
    total.backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1 + 2 * 2 + 3 * 4 + 4 * 8]


def test_a_recorded_write_into_a_view_of_another_tensor_is_refused_not_lost():
    h = tg.ones(2, 3, requires_grad=True) * 2
    with pytest.raises(NotImplementedError, match=r"write x\[i, j\] = value"):
        h[0][1] = 0
    h[0, 1] = 0.0
    h[1] += 1  # Python writes the result back into h
    assert h.tolist() == [[2.0, 0.0, 2.0], [3.0, 3.0, 3.0]]

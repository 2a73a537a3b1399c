"""Tensor as a user meets it: what it is, its operators, and how Python and NumPy see it."""

from __future__ import annotations

import copy
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import Tensor

A, B = np.array([[1.5, -2.0], [0.5, 3.0]]), np.array([2.0, -0.75])


# -- what it is -----------------------------------------------------------------------------------------------


def test_it_says_what_it_holds() -> None:
    x = Tensor(np.zeros((2, 3), np.float32))
    assert (x.shape, x.ndim, x.dtype, x.numel(), len(x)) == ((2, 3), 2, np.float32, 6, 2)
    assert (x.size(), x.size(1), x.size(-1), x.dim()) == ((2, 3), 3, 3, 2)
    assert (x.requires_grad, x.is_leaf, x.grad) == (False, True, None)
    assert isinstance(x.data, np.ndarray)


def test_a_single_element_is_a_python_number() -> None:
    assert Tensor(2.5).item() == 2.5
    assert isinstance(Tensor([[3]]).item(), int)
    assert isinstance(Tensor(True).item(), bool)
    with pytest.raises(ValueError, match=r"item\(\): needs exactly one element, the shape is \(2,\)"):
        Tensor([1, 2]).item()


def test_numpy_gives_the_array_itself_but_not_of_what_requires_grad() -> None:
    x = Tensor([1.0, 2.0])
    assert x.numpy() is x.data
    x.requires_grad_()
    with pytest.raises(RuntimeError, match=r"this tensor requires grad; use tensor\.detach\(\)\.numpy\(\)"):
        x.numpy()
    assert x.detach().numpy() is x.data


def test_detach_shares_the_array_and_leaves_the_graph() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = (x * 2).detach()
    assert y.is_leaf
    assert not y.requires_grad
    assert x.detach().data is x.data


def test_requires_grad_can_be_asked_for_and_taken_back() -> None:
    x = Tensor([1.0])
    assert x.requires_grad_() is x
    assert x.requires_grad
    assert not x.requires_grad_(False).requires_grad
    x.requires_grad = True
    with pytest.raises(RuntimeError, match=r"this tensor was computed; use detach\(\)"):
        (x * 2).requires_grad_(False)
    with pytest.raises(RuntimeError, match=r"use detach\(\)"):
        (x * 2).requires_grad = False
    with pytest.raises(TypeError, match="only floating-point tensors can have gradients"):
        Tensor([1]).requires_grad = True


def test_data_can_be_replaced() -> None:
    x = Tensor([1.0], requires_grad=True)
    array = np.array([2.0, 3.0])
    x.data = array
    assert x.data is array
    assert x.requires_grad
    x.data = Tensor([4.0])  # type: ignore[assignment]
    assert x.tolist() == [4.0]


def test_tolist_gives_nested_lists_of_python_numbers() -> None:
    assert Tensor([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert Tensor(0.5).tolist() == 0.5


# -- operators ------------------------------------------------------------------------------------------------

BINARY: list[Callable[[Any, Any], Any]] = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod,
    operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne,
]  # fmt: skip


@pytest.mark.parametrize("op", BINARY)
def test_operators_work_between_tensors_arrays_and_numbers_on_either_side(op: Callable[[Any, Any], Any]) -> None:
    expected = op(A, B)
    for result in (op(Tensor(A), Tensor(B)), op(Tensor(A), B), op(A, Tensor(B))):
        assert type(result) is Tensor
        np.testing.assert_array_equal(result.data, expected)
        assert result.dtype == expected.dtype
    for number in (2, -0.5, True, np.float64(1.5), np.float32(0.5), np.int64(3)):
        np.testing.assert_array_equal(op(Tensor(A), number).data, op(A, number))
        np.testing.assert_array_equal(op(number, Tensor(A)).data, op(number, A))


def test_powers_and_products_of_matrices_have_both_sides_too() -> None:
    positive = np.abs(A)
    np.testing.assert_allclose((Tensor(positive) ** Tensor(B)).data, positive**B)
    np.testing.assert_allclose((Tensor(positive) ** 2.5).data, positive**2.5)
    np.testing.assert_allclose((2.5 ** Tensor(A)).data, 2.5**A)
    np.testing.assert_allclose((positive ** Tensor(B)).data, positive**B)
    np.testing.assert_allclose((Tensor(A) @ Tensor(B)).data, A @ B)
    np.testing.assert_allclose((A @ Tensor(B)).data, A @ B)
    np.testing.assert_allclose((Tensor(A) @ B).data, A @ B)


def test_signs() -> None:
    x = Tensor(A)
    np.testing.assert_array_equal((-x).data, -A)
    np.testing.assert_array_equal((+x).data, A)
    np.testing.assert_array_equal(abs(x).data, abs(A))


def test_logic_is_bit_by_bit_for_integers_and_logical_for_bools() -> None:
    a, b = np.array([True, True, False]), np.array([True, False, False])
    i, j = np.array([6, 5]), np.array([3, 4])
    for op in (operator.and_, operator.or_, operator.xor):
        np.testing.assert_array_equal(op(Tensor(a), Tensor(b)).data, op(a, b))
        np.testing.assert_array_equal(op(Tensor(i), Tensor(j)).data, op(i, j))
        np.testing.assert_array_equal(op(i, Tensor(j)).data, op(i, j))
        np.testing.assert_array_equal(op(Tensor(a), True).data, op(a, True))
    np.testing.assert_array_equal((~Tensor(a)).data, ~a)
    np.testing.assert_array_equal((~Tensor(i)).data, ~i)


@pytest.mark.parametrize("number", [2, 2.5, True, np.float64(2.5), np.int32(2), np.array(2.5)])
def test_a_number_does_not_widen_float32(number: Any) -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    for y in (x + number, number * x, x / number, number - x, x**number, x.maximum(number), tg.where(x > 1, x, number)):
        assert y.dtype == np.float32
        y.sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == np.float32


def test_integers_and_bools_meet_float32_in_float32() -> None:
    x = Tensor([1.0, 2.0])
    for other in (Tensor([1, 2]), Tensor([True, False]), np.array([1, 2], np.int32)):
        assert (x * other).dtype == np.float32
    assert (Tensor([1, 2]) / 2).dtype == np.float32
    assert (Tensor([1, 2]) / Tensor([2, 3])).dtype == np.float32
    assert Tensor([1, 4]).sqrt().dtype == np.float32
    assert (Tensor([1, 2]) * 2).dtype == np.int64
    assert (Tensor([1, 2]) + Tensor([True, True])).dtype == np.int64
    assert (x * Tensor(np.array([1.0, 2.0]))).dtype == np.float64


def test_comparison_with_none_is_false() -> None:
    assert (Tensor([1.0]) == None) is False  # noqa: E711 - what is tested
    assert (Tensor([1.0]) != None) is True  # noqa: E711


def test_conversions() -> None:
    x = Tensor([0.0, 1.7, -2.7], requires_grad=True)
    assert (x.double().dtype, x.float().dtype, x.long().dtype, x.bool().dtype) == (
        np.float64, np.float32, np.int64, np.bool_,
    )  # fmt: skip
    assert x.long().tolist() == [0, 1, -2]
    assert x.bool().tolist() == [False, True, True]
    assert x.to("float64").requires_grad
    assert x.to(np.float32) is x
    with pytest.raises(TypeError, match="complex128"):
        x.to(np.complex128)


# -- Python's and NumPy's protocols ---------------------------------------------------------------------------


def test_iteration_gives_the_rows_as_parts_of_the_graph() -> None:
    x = Tensor(A, requires_grad=True)
    first, second = x
    (first * 2 + second).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[2.0, 2.0], [1.0, 1.0]]
    assert [row.tolist() for row in Tensor([[1], [2]])] == [[1], [2]]


def test_a_0d_tensor_has_no_length_and_no_rows() -> None:
    with pytest.raises(TypeError, match=r"len\(\) of a 0-d tensor"):
        len(Tensor(1.0))
    with pytest.raises(TypeError, match="iteration over a 0-d tensor"):
        iter(Tensor(1.0))


def test_truth_is_that_of_a_single_element() -> None:
    assert Tensor(2.0)
    assert not Tensor([[0]])
    with pytest.raises(
        ValueError, match=r"truth value of a tensor of shape \(2,\) is ambiguous; use \.any\(\) or \.all\(\)"
    ):
        bool(Tensor([1, 2]))


def test_numbers_of_python_can_be_made_of_it() -> None:
    assert float(Tensor(2.5)) == 2.5
    assert int(Tensor(2.5)) == 2
    assert [10, 20, 30][Tensor(1)] == 20
    assert list(range(Tensor(2))) == [0, 1]
    assert math.sqrt(Tensor(4.0)) == 2.0
    with pytest.raises(TypeError, match="only an integer tensor can be an index"):
        [10, 20][Tensor(1.0)]
    with pytest.raises(ValueError, match="exactly one element"):
        float(Tensor([1.0, 2.0]))


def test_membership_looks_at_the_values() -> None:
    assert 2 in Tensor([1, 2])
    assert 3 not in Tensor([1, 2])
    assert Tensor(2) in Tensor([1, 2])


def test_tensors_are_hashed_by_identity() -> None:
    x, y = Tensor([1.0]), Tensor([1.0])
    assert len({x, y, x}) == 2
    assert {x: 1}[x] == 1


def test_numpy_functions_take_a_tensor_as_an_array() -> None:
    assert np.asarray(Tensor([1.0, 2.0])).dtype == np.float32
    assert np.array(Tensor([1.0, 2.0]), dtype=np.float64).dtype == np.float64
    assert np.mean(Tensor([1.0, 3.0]).numpy()) == 2.0
    np.testing.assert_array_equal(np.stack([Tensor([1]), Tensor([2])]), [[1], [2]])
    copied = np.array(x := Tensor([1.0]))
    copied[0] = 5.0
    assert x.tolist() == [1.0]
    with pytest.raises(RuntimeError, match=r"detach\(\)"):
        np.asarray(Tensor([1.0], requires_grad=True))


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (Tensor(1.5), "Tensor(1.5)"),
        (Tensor([1, 2]), "Tensor([1, 2])"),
        (Tensor([True]), "Tensor([ True])"),
        (Tensor([[1.0], [2.0]]), "Tensor([[1.],\n        [2.]])"),
        (Tensor(np.array([1.0])), "Tensor([1.], dtype=float64)"),
        (Tensor([1.0], requires_grad=True), "Tensor([1.], requires_grad=True)"),
        (Tensor(np.array([1], np.uint8)), "Tensor([1], dtype=uint8)"),
        (Tensor([1.0], requires_grad=True) * 2, "Tensor([2.], made_by=mul)"),
        (Tensor([]), "Tensor([])"),
        (tg.zeros(0, 3), "Tensor([], shape=(0, 3))"),
        (Tensor(float("nan")), "Tensor(nan)"),
    ],
)
def test_repr_shows_values_and_what_is_not_the_rule(x: Tensor, text: str) -> None:
    assert repr(x) == text


def test_a_large_tensor_is_shown_in_part() -> None:
    assert len(repr(tg.zeros(1000, 1000))) < 1000


def test_format_of_a_number_is_a_numbers() -> None:
    assert f"{Tensor(3.14159):.2f}" == "3.14"
    assert f"{Tensor([1.0])}" == "Tensor([1.])"


def test_a_deep_copy_is_a_leaf_of_its_own() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    y = copy.deepcopy(x)
    assert y.requires_grad
    assert y.is_leaf
    assert y.grad is not None
    x.data[0] = 5.0
    x.grad = None
    assert y.tolist() == [1.0, 2.0]
    assert y.grad.tolist() == [2.0, 4.0]
    shared = copy.deepcopy([x, x])
    assert shared[0] is shared[1]
    with pytest.raises(RuntimeError, match=r"only leaf tensors can be copied; use detach\(\) first"):
        copy.deepcopy(x * 2)


def test_attributes_of_ones_own_can_be_set() -> None:
    x = Tensor([1.0])
    x.name = "weight"  # type: ignore[attr-defined]
    assert x.name == "weight"  # type: ignore[attr-defined]


METHODS = """
exp log log1p expm1 sqrt rsqrt square abs sign pow reciprocal sin cos tanh sigmoid erf maximum minimum clamp where
sum mean var std prod amax amin max min argmax argmin logsumexp cumsum reshape view flatten squeeze unsqueeze
transpose permute T mT flip expand broadcast_to split matmul masked_fill gather norm"""
FREE = "cat stack split where einsum matmul maximum minimum exp sum mean gather norm logsumexp from_numpy no_grad"
BOTH = "exp log sqrt abs sin tanh sigmoid erf sum mean amax argmax logsumexp flatten norm std prod"


def test_the_methods_and_functions_that_torch_users_expect_are_there() -> None:
    assert not [name for name in METHODS.split() if not hasattr(Tensor, name)]
    assert not [name for name in FREE.split() if not hasattr(tg, name)]


def test_a_method_is_the_free_function_of_its_name() -> None:
    x = Tensor(np.abs(A) + 0.5)
    for name in BOTH.split():
        np.testing.assert_array_equal(getattr(x, name)().data, getattr(tg, name)(x).data)

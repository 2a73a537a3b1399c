"""ops/elementwise.py beside PyTorch: arithmetic, functions, choices, comparisons, types."""

from __future__ import annotations

import numpy as np
import pytest

from tests.parity.agreement import (
    agree,
    agree_in_both_precisions,
    both_refuse,
    floats,
    normal,
    only_we_refuse,
    positive,
)

UNARY = "exp log log1p expm1 sqrt rsqrt square abs sign reciprocal sin cos tanh sigmoid erf neg floor ceil round relu"


@pytest.mark.parametrize("name", UNARY.split())
@pytest.mark.parametrize("line", ["x.{}()", "torch.{}(x)", "torch.{}(x.T)", "torch.{}(x[:, ::2])"])
def test_functions_of_one_tensor(name, line):
    agree_in_both_precisions(line.format(name), x=positive(3, 4))


@pytest.mark.parametrize("name", UNARY.split())
@pytest.mark.parametrize(
    "x", [floats(0.7), np.zeros((0, 3)), np.zeros((2, 0, 3)), positive(1)], ids=["0-d", "empty", "none", "one"]
)
def test_functions_take_any_shape(name, x):
    agree_in_both_precisions(f"x.{name}()", x=x)


@pytest.mark.parametrize(
    "name",
    "exp log log1p expm1 sqrt rsqrt square abs sign reciprocal tanh sigmoid erf neg floor ceil round relu".split(),
)
def test_functions_at_their_edges(name):
    edges = floats([0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, 80.0, -80.0, 1000.0, -1000.0, np.inf, -np.inf, np.nan])
    agree(f"x.{name}()", order=1, x=edges)
    agree(f"x.{name}()", order=1, x=edges.astype(np.float32))


@pytest.mark.parametrize("name", "exp log sqrt rsqrt reciprocal sin cos tanh sigmoid erf log1p expm1".split())
def test_functions_of_integers_are_float32(name):
    agree(f"x.{name}()", x=np.arange(1, 5))
    agree(f"torch.{name}(x)", x=np.arange(1, 5, dtype=np.int32))


@pytest.mark.parametrize("name", "abs sign neg square floor ceil round relu".split())
def test_functions_of_integers_that_stay_integers(name):
    agree(f"x.{name}()", x=np.arange(-2, 5))


SHAPES = [
    ((3, 4), (3, 4)),
    ((3, 4), (4,)),
    ((3, 1), (1, 4)),
    ((2, 1, 4), (3, 1)),
    ((3, 4), ()),
    ((), ()),
    ((0, 3), (1, 3)),
    ((2, 3), (2, 0, 2, 3)),
]


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize(
    "line",
    [
        "x + y", "x - y", "x * y", "x / y", "x ** y", "torch.maximum(x, y)", "torch.minimum(x, y)", "x % y", "x.detach() // y.detach()",
        "torch.where(x > y, x, y)", "torch.add(x, y)", "x.sub(y)", "x.mul(y)", "torch.div(x, y)", "torch.pow(x, y)",
        "x.maximum(y)", "x.minimum(y)", "torch.remainder(x, y)", "torch.floor_divide(x.detach(), y.detach())",
    ],
)  # fmt: skip
def test_two_tensors_with_broadcasting(line, shapes):
    agree_in_both_precisions(line, x=positive(*shapes[0], seed=1), y=positive(*shapes[1], seed=2))


@pytest.mark.parametrize(
    "line",
    [
        "x + 2", "2 + x", "x - 2.5", "2.5 - x", "x * 3", "3 * x", "x / 4", "4 / x", "x ** 2", "x ** 3", "x ** 0", "x ** 1", "x ** -1", "x ** 0.5",
        "x ** -1.5", "2 ** x", "0.5 ** x", "x.detach() // 2", "7 // x.detach()", "x % 0.7", "3 % x.detach()", "x % -0.7", "-x", "abs(x)", "x.pow(2)", "x.pow(0.5)",
        "torch.pow(2, x)", "torch.pow(x, 3)", "x.add(1)", "x.sub(1)", "x.mul(2)", "x.div(2)", "x.remainder(2)", "x.detach().floor_divide(2)",
        "x * True", "x + False", "1 - x", "1 / x", "x * inf", "x + nan",
    ],
)  # fmt: skip
def test_tensors_and_python_numbers(line):
    agree_in_both_precisions(line, x=positive(3, 4))


@pytest.mark.parametrize(
    "line", ["x // y", "x % y", "x // 2", "x % 2", "x // -2", "x % -2", "5 // x", "5 % x", "-5 // x", "-5 % x"]
)
@pytest.mark.parametrize("dtype", ["int64", "int32", "float32", "float64"])
def test_division_and_remainder_of_either_sign(line, dtype):
    agree(line, order=0, x=np.array([-7, -3, 3, 7, 6, -6], dtype), y=np.array([2, -2, -2, 2, 3, 3], dtype))


@pytest.mark.parametrize("line", ["x.detach() // y.detach()", "x % y.detach()", "x / y"])
def test_division_by_zero_of_floats(line):
    agree(line, order=1, x=floats([1.0, -1.0, 0.0, 2.0, np.inf]), y=floats([0.0, 0.0, 0.0, np.inf, 2.0]))


@pytest.mark.parametrize("x", ["bool", "uint8", "int32", "int64", "float32", "float64"])
@pytest.mark.parametrize("y", ["bool", "uint8", "int32", "int64", "float32", "float64"])
@pytest.mark.parametrize(
    "line", ["x + y", "x * y", "x / y", "torch.maximum(x, y)", "torch.where(x > 0, x, y)", "x == y", "x <= y"]
)
def test_result_types_of_two_tensors(line, x, y):
    agree(line, order=1, x=np.array([1, 0, 1]).astype(x), y=np.array([1, 1, 1]).astype(y))


@pytest.mark.parametrize("x", ["bool", "uint8", "int32", "int64", "float32", "float64"])
@pytest.mark.parametrize(
    "line",
    ["x + 1", "x * 2.5", "x / 2", "2 / x", "x + True", "x ** 2", "2 ** x", "x ** 2.0", "x.detach() // 2", "x % 2", "x == 1", "x > 0.5", "torch.where(x > 0, x, 0.5)", "torch.where(x > 0, 1, 2)", "torch.where(x > 0, 1.0, 2.0)"],
)  # fmt: skip
def test_result_types_with_python_numbers(line, x):
    agree(line, order=1, x=np.array([1, 1, 1]).astype(x))


@pytest.mark.parametrize("line", ["x + y", "y * x", "x / y", "torch.maximum(x, y)"])
@pytest.mark.parametrize(
    ("x", "y"),
    [("float32", "float64"), ("int64", "float32"), ("int64", "float64"), ("float64", "float32"), ("float32", "int64")],
)
def test_result_types_of_a_0d_tensor_and_a_larger_one(line, x, y):
    agree(line, order=1, x=np.array([1, 2, 3]).astype(x), y=np.array(2).astype(y))


@pytest.mark.parametrize("x", [0.0, 1.0, 2.0, -2.0])
@pytest.mark.parametrize("y", [0.0, 1.0, 2.0, 3.0, -1.0, 0.5])
@pytest.mark.parametrize("line", ["x ** y", "x ** float(y.item())", "float(x.item()) ** y"])
def test_powers_at_their_special_cases(line, x, y):
    # Where powers stop being smooth PyTorch's second derivatives are NaN; ours need not be.
    agree(line, order=2 if x > 0 else 1, x=floats([x]), y=floats([y]))


@pytest.mark.parametrize("line", ["x ** 2", "x ** 3", "x ** 0", "x ** 1", "x ** 2.0", "x.pow(4)"])
def test_integer_powers_of_zero_and_negative_numbers(line):
    agree_in_both_precisions(line, x=floats([0.0, -0.0, -1.5, 2.0]))


@pytest.mark.parametrize("line", ["x ** 2", "x ** y", "2 ** y", "(-2) ** y"])
def test_integer_powers_of_integers(line):
    agree(line, x=np.array([-3, 0, 2]), y=np.array([3, 0, 5]))


@pytest.mark.parametrize(
    "line",
    [
        "x.clamp(-0.5, 0.5)", "x.clamp(min=0)", "x.clamp(max=0.25)", "x.clamp(min=-1, max=1)", "torch.clamp(x, 0)", "torch.clamp(x, max=0)",
        "torch.clamp(x, -0.5, 0.5)", "x.clamp(0.5, -0.5)", "x.clamp(min=0.5, max=-0.5)", "x.clamp(None, 0.5)", "x.clamp(nan, 1)", "x.clamp(0, nan)",
        "x.clamp(-inf, inf)",
    ],
)  # fmt: skip
def test_clamp_to_numbers(line):
    agree_in_both_precisions(line, x=floats([-2.0, -0.5, 0.0, 0.25, 0.5, 2.0, np.nan, np.inf, -np.inf]))


@pytest.mark.parametrize(
    "line",
    ["x.clamp(y, z)", "x.clamp(min=y)", "x.clamp(max=z)", "torch.clamp(x, z, y)", "torch.clamp(x, min=y, max=z)"],
)
def test_clamp_to_tensors(line):
    agree_in_both_precisions(line, x=normal(3, 4), y=normal(4, seed=1) - 1, z=normal(3, 1, seed=2) + 1)


def test_clamp_at_tensor_limits():
    agree(
        "x.clamp(y, z)",
        x=floats([1.0, 2.0, 3.0, np.nan, 2.0]),
        y=floats([1.0, 1.0, 1.0, 1.0, 3.0]),
        z=floats([3.0, 2.0, 3.0, 1.0, 1.0]),
    )
    agree("x.clamp(y, z)", x=floats([1.0, 1.0]), y=floats([np.nan, 0.0]), z=floats([2.0, np.nan]))


@pytest.mark.parametrize("line", ["x.clamp(0, 2)", "x.clamp(0.5, 2)", "x.clamp(min=1.5)"])
def test_clamp_of_integers(line):
    agree(line, x=np.arange(-2, 5))


@pytest.mark.parametrize(
    "line", ["torch.maximum(x, y)", "torch.minimum(x, y)", "x.max(y)", "x.min(y)", "torch.max(x, y)", "torch.min(x, y)"]
)
def test_ties_and_nan_of_maximum_and_minimum(line):
    agree_in_both_precisions(line, x=floats([1.0, 2.0, np.nan, 3.0, 0.0]), y=floats([1.0, 3.0, 1.0, np.nan, -0.0]))


@pytest.mark.parametrize("line", ["x.maximum(x)", "torch.minimum(x, x)"])
def test_maximum_of_a_tensor_with_itself(line):
    agree_in_both_precisions(line, x=normal(3))


@pytest.mark.parametrize(
    "line",
    [
        "torch.where(c, x, y)", "x.where(c, y)", "torch.where(c, x, 0.0)", "torch.where(c, 1.0, y)", "x.masked_fill(c, 7.0)", "x.masked_fill(c, 7)",
        "torch.masked_fill(x, c, 7)", "x.masked_fill(mask=c, value=-inf)", "x.masked_fill(x > 0, 0)", "x.where(x > 0, 0)", "x.where(condition=c, other=y)",
        "x.masked_fill(c, torch.tensor(2.0))",
    ],
)  # fmt: skip
def test_choices(line):
    agree_in_both_precisions(line, x=normal(3, 4), y=normal(3, 4, seed=1), c=normal(3, 4, seed=2) > 0)


def test_choices_broadcast():
    agree_in_both_precisions("torch.where(c, x, y)", x=normal(3, 1), y=normal(4), c=normal(2, 1, 1) > 0)
    agree_in_both_precisions("x.masked_fill(c, 1.0)", x=normal(3, 4), c=normal(4) > 0)


@pytest.mark.parametrize("line", ["torch.where(x > 0, 1 / x, 0.0)", "torch.where(c, x, y)"])
def test_nothing_flows_through_what_was_not_chosen(line):
    agree_in_both_precisions(line, order=1, x=floats([1.0, 2.0]), y=floats([np.nan, np.inf]), c=np.array([True, True]))


@pytest.mark.parametrize(
    "line",
    [
        "x == y",
        "x != y",
        "x < y",
        "x <= y",
        "x > y",
        "x >= y",
        "x.eq(y)",
        "x.ne(y)",
        "x.lt(1)",
        "x.le(1)",
        "x.gt(0)",
        "x.ge(0)",
        "x == 1",
        "1 < x",
        "1 >= x",
        "torch.eq(x, y)",
        "torch.lt(x, 0.5)",
    ],
)
def test_comparisons(line):
    for dtype in ("float32", "float64", "int64"):
        agree(line, x=np.array([[0, 1, 2]], dtype), y=np.array([[1], [2]], dtype))
    agree(line, x=floats([np.nan, np.inf, 1.0]), y=floats([np.nan, np.inf, np.nan]))


@pytest.mark.parametrize(
    "line",
    [
        "x & y",
        "x | y",
        "x ^ y",
        "~x",
        "x.logical_not()",
        "torch.logical_and(x, y)",
        "x.logical_or(y)",
        "torch.logical_xor(x, y)",
        "True & x",
    ],
)
def test_logic(line):
    agree(line, x=np.array([True, True, False, False]), y=np.array([True, False, True, False]))


@pytest.mark.parametrize(
    "line",
    [
        "x & y",
        "x | y",
        "x ^ y",
        "~x",
        "x & 1",
        "torch.logical_and(x, y)",
        "torch.logical_or(x, y)",
        "torch.logical_not(x)",
        "x.logical_xor(y)",
    ],
)
def test_logic_of_integers(line):
    agree(line, x=np.array([0, 1, 2, 3]), y=np.array([3, 2, 0, 1]))


def test_logic_of_floats():
    agree("torch.logical_and(x, y)", x=floats([0.0, 1.0, np.nan]), y=floats([1.0, 2.0, 3.0]))
    agree("torch.logical_not(x)", x=floats([0.0, 1.0, np.nan]))


@pytest.mark.parametrize("name", ["isnan", "isinf", "isfinite"])
def test_tests_of_elements(name):
    agree(f"torch.{name}(x)", x=floats([0.0, np.nan, np.inf, -np.inf]))
    agree(f"x.{name}()", x=np.arange(3))


@pytest.mark.parametrize(
    "line",
    [
        "x.float()",
        "x.double()",
        "x.to(float64)",
        "x.to(dtype=float32)",
        "x.to(float32) * 2",
        "x.clone()",
        "x.contiguous()",
        "x.T.contiguous()",
        "x.detach()",
        "x.type_as(y)",
        "torch.clone(x)",
        "x.to(y)",
    ],
)
def test_copies_and_types(line):
    agree_in_both_precisions(line, x=normal(3, 4), y=normal(1))


@pytest.mark.parametrize("line", ["x.long()", "x.bool()", "x.to(int32)"])
def test_float_to_integer(line):
    agree(line, x=floats([-1.7, -0.5, 0.0, 0.5, 1.7]))


@pytest.mark.parametrize(
    ("line", "naming"),
    [
        ("torch.where(c)", "where"),
        ("torch.add(x, y, alpha=2)", "alpha"),
        ("x.sub(y, alpha=2)", "alpha"),
        ("torch.div(x, y, rounding_mode='floor')", "rounding_mode"),
        ("torch.exp(x, out=y)", "out"),
        ("torch.round(x, decimals=2)", "decimals"),
        ("x.to(float64, copy=True)", "copy"),
    ],
)
def test_what_is_not_offered_says_so(line, naming):
    only_we_refuse(line, naming, x=normal(3), y=normal(3), c=normal(3) > 0)


@pytest.mark.parametrize(
    "line",
    [
        "x + y",
        "torch.maximum(x, y)",
        "torch.where(x > 0, x, y)",
        "x.clamp()",
        "x + 'a'",
        "x + None",
        "x ** 'a'",
        "~x",
        "x & x",
        "x.pow()",
        "x < 'a'",
    ],
)
def test_what_both_refuse(line):
    both_refuse(line, x=normal(3), y=normal(4))

"""The operations on each element beside PyTorch: arithmetic, functions, choices, comparisons, types."""

from __future__ import annotations

import numpy as np
import pytest

from tests.parity.agreement import (
    agree,
    agree_in_both_precisions,
    both_refuse,
    floats,
    lines,
    normal,
    only_we_refuse,
    positive,
)

FUNCTIONS = """
    exp  log  log1p  expm1  sqrt  rsqrt  square  abs  sign  reciprocal  sin  cos  tanh  sigmoid  erf  neg  floor  ceil
    round  relu
"""
FLOAT_FUNCTIONS = "exp  log  log1p  expm1  sqrt  rsqrt  reciprocal  sin  cos  tanh  sigmoid  erf"
INTEGER_FUNCTIONS = "abs  sign  neg  square  floor  ceil  round  relu"


@lines("x.{f}()  torch.{f}(x)  torch.{f}(x.T)  torch.{f}(x[:, ::2])", f=FUNCTIONS)
def test_functions_of_one_tensor(line: str) -> None:
    agree_in_both_precisions(line, x=positive(3, 4))


@lines("x.{f}()", f=FUNCTIONS)
def test_functions_take_any_shape(line: str) -> None:
    for shape in (), (1,), (0, 3), (2, 0, 3):
        agree_in_both_precisions(line, x=positive(*shape))


@lines("x.{f}()", f=FUNCTIONS.replace("sin  cos", ""))
def test_functions_at_their_edges(line: str) -> None:
    edges = floats([0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, 80.0, -80.0, 1000.0, -1000.0, np.inf, -np.inf, np.nan])
    agree_in_both_precisions(line, order=1, x=edges)


@lines("x.{f}()  torch.{f}(x)", f=FLOAT_FUNCTIONS)
def test_functions_of_integers_are_float32(line: str) -> None:
    agree(line, x=np.arange(1, 5))
    agree(line, x=np.arange(1, 5, dtype=np.int32))


@lines("x.{f}()", f=INTEGER_FUNCTIONS)
def test_functions_of_integers_that_stay_integers(line: str) -> None:
    agree(line, x=np.arange(-2, 5))


@lines(
    """
    x + y  x - y  x * y  x / y  x ** y  x % y  X // Y  torch.where(x > y, x, y)  x.{f}(y)
    torch.{f}(x, y)  X.floor_divide(Y)  torch.floor_divide(X, Y)
    """,
    f="add  sub  mul  div  pow  remainder  maximum  minimum",
)
@pytest.mark.parametrize(
    "shapes",
    [
        ((3, 4), (3, 4)),
        ((3, 4), (4,)),
        ((3, 1), (1, 4)),
        ((2, 1, 4), (3, 1)),
        ((3, 4), ()),
        ((), ()),
        ((0, 3), (1, 3)),
        ((2, 3), (2, 0, 2, 3)),
    ],
    ids=str,
)
def test_two_tensors_with_broadcasting(line: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    x, y = positive(*shapes[0], seed=1), positive(*shapes[1], seed=2)
    agree_in_both_precisions(line, x=x, y=y, X=x, Y=y)


@lines("""
    x + 2  2 + x  x - 2.5  2.5 - x  x * 3  3 * x  x / 4  4 / x  x ** 2  x ** 3  x ** 0  x ** 1  x ** -1  x ** 0.5
    x ** -1.5  2 ** x  0.5 ** x  X // 2  7 // X  x % 0.7  3 % X  x % -0.7  -x  abs(x)  x.pow(2)  x.pow(0.5)
    torch.pow(2, x)  torch.pow(x, 3)  x.add(1)  x.sub(1)  x.mul(2)  x.div(2)  x.remainder(2)  X.floor_divide(2)
    x * True  x + False  1 - x  1 / x  x * inf  x + nan
""")
def test_tensors_and_python_numbers(line: str) -> None:
    agree_in_both_precisions(line, x=positive(3, 4), X=positive(3, 4))


@lines("x // y  x % y  x // 2  x % 2  x // -2  x % -2  5 // x  5 % x  -5 // x  -5 % x")
@pytest.mark.parametrize("dtype", ["int64", "int32", "float32", "float64"])
def test_division_and_remainder_of_either_sign(line: str, dtype: str) -> None:
    agree(line, order=0, x=np.array([-7, -3, 3, 7, 6, -6], dtype), y=np.array([2, -2, -2, 2, 3, 3], dtype))


@lines("X // Y  x % Y  x / y")
def test_division_by_zero_of_floats(line: str) -> None:
    x, y = floats([1.0, -1.0, 0.0, 2.0, np.inf]), floats([0.0, 0.0, 0.0, np.inf, 2.0])
    agree(line, order=1, x=x, y=y, X=x, Y=y)


@pytest.mark.parametrize("x", ["bool", "uint8", "int32", "int64", "float32", "float64"])
@pytest.mark.parametrize("y", ["bool", "uint8", "int32", "int64", "float32", "float64"])
@lines("x + y  x * y  x / y  torch.maximum(x, y)  torch.where(x > 0, x, y)  x == y  x <= y")
def test_result_types_of_two_tensors(line: str, x: str, y: str) -> None:
    agree(line, order=1, x=np.array([1, 0, 1]).astype(x), y=np.array([1, 1, 1]).astype(y))


@pytest.mark.parametrize("x", ["bool", "uint8", "int32", "int64", "float32", "float64"])
@lines("""
    x + 1  x * 2.5  x / 2  2 / x  x + True  x ** 2  2 ** x  x ** 2.0  X // 2  x % 2  x == 1  x > 0.5
    torch.where(x > 0, x, 0.5)  torch.where(x > 0, 1, 2)  torch.where(x > 0, 1.0, 2.0)
""")
def test_result_types_with_python_numbers(line: str, x: str) -> None:
    agree(line, order=1, x=np.array([1, 1, 1]).astype(x), X=np.array([1, 1, 1]).astype(x))


@lines("x + y  y * x  x / y  torch.maximum(x, y)")
@pytest.mark.parametrize(
    ("x", "y"),
    [("float32", "float64"), ("int64", "float32"), ("int64", "float64"), ("float64", "float32"), ("float32", "int64")],
)
def test_result_types_of_a_0d_tensor_and_a_larger_one(line: str, x: str, y: str) -> None:
    agree(line, order=1, x=np.array([1, 2, 3]).astype(x), y=np.array(2).astype(y))


@pytest.mark.parametrize("x", [0.0, 1.0, 2.0, -2.0])
@pytest.mark.parametrize("y", [0.0, 1.0, 2.0, 3.0, -1.0, 0.5])
@lines("x ** y  x ** float(y.item())  float(x.item()) ** y")
def test_powers_at_their_special_cases(line: str, x: float, y: float) -> None:
    # Where powers stop being smooth PyTorch's second derivatives are NaN; ours need not be.
    agree(line, order=2 if x > 0 else 1, x=floats([x]), y=floats([y]))


@lines("x ** 2  x ** 3  x ** 0  x ** 1  x ** 2.0  x.pow(4)")
def test_integer_powers_of_zero_and_negative_numbers(line: str) -> None:
    agree_in_both_precisions(line, x=floats([0.0, -0.0, -1.5, 2.0]))


@lines("x ** 2  x ** y  2 ** y  (-2) ** y")
def test_integer_powers_of_integers(line: str) -> None:
    agree(line, x=np.array([-3, 0, 2]), y=np.array([3, 0, 5]))


@lines("""
    x.clamp(-0.5, 0.5)  x.clamp(min=0)  x.clamp(max=0.25)  x.clamp(min=-1, max=1)  torch.clamp(x, 0)
    torch.clamp(x, max=0)  torch.clamp(x, -0.5, 0.5)  x.clamp(0.5, -0.5)  x.clamp(min=0.5, max=-0.5)
    x.clamp(None, 0.5)  x.clamp(nan, 1)  x.clamp(0, nan)  x.clamp(-inf, inf)
""")
def test_clamp_to_numbers(line: str) -> None:
    agree_in_both_precisions(line, x=floats([-2.0, -0.5, 0.0, 0.25, 0.5, 2.0, np.nan, np.inf, -np.inf]))


@lines("""
    x.clamp(y, z)  x.clamp(min=y)  x.clamp(max=z)  torch.clamp(x, z, y)  torch.clamp(x, min=y, max=z)
""")
def test_clamp_to_tensors(line: str) -> None:
    agree_in_both_precisions(line, x=normal(3, 4), y=normal(4, seed=1) - 1, z=normal(3, 1, seed=2) + 1)


def test_clamp_at_tensor_limits() -> None:
    agree(
        "x.clamp(y, z)",
        x=floats([1.0, 2.0, 3.0, np.nan, 2.0]),
        y=floats([1.0, 1.0, 1.0, 1.0, 3.0]),
        z=floats([3.0, 2.0, 3.0, 1.0, 1.0]),
    )
    agree("x.clamp(y, z)", x=floats([1.0, 1.0]), y=floats([np.nan, 0.0]), z=floats([2.0, np.nan]))


@lines("x.clamp(0, 2)  x.clamp(0.5, 2)  x.clamp(min=1.5)")
def test_clamp_of_integers(line: str) -> None:
    agree(line, x=np.arange(-2, 5))


@lines("""
    torch.maximum(x, y)  torch.minimum(x, y)  x.max(y)  x.min(y)  torch.max(x, y)  torch.min(x, y)
""")
def test_ties_and_nan_of_maximum_and_minimum(line: str) -> None:
    agree_in_both_precisions(line, x=floats([1.0, 2.0, np.nan, 3.0, 0.0]), y=floats([1.0, 3.0, 1.0, np.nan, -0.0]))


@lines("x.maximum(x)  torch.minimum(x, x)")
def test_maximum_of_a_tensor_with_itself(line: str) -> None:
    agree_in_both_precisions(line, x=normal(3))


@lines("""
    torch.where(c, x, y)  x.where(c, y)  torch.where(c, x, 0.0)  torch.where(c, 1.0, y)  x.masked_fill(c, 7.0)
    x.masked_fill(c, 7)  torch.masked_fill(x, c, 7)  x.masked_fill(mask=c, value=-inf)  x.masked_fill(x > 0, 0)
    x.where(x > 0, 0)  x.where(condition=c, other=y)  x.masked_fill(c, torch.tensor(2.0))
""")
def test_choices(line: str) -> None:
    agree_in_both_precisions(line, x=normal(3, 4), y=normal(3, 4, seed=1), c=normal(3, 4, seed=2) > 0)


def test_choices_broadcast() -> None:
    agree_in_both_precisions("torch.where(c, x, y)", x=normal(3, 1), y=normal(4), c=normal(2, 1, 1) > 0)
    agree_in_both_precisions("x.masked_fill(c, 1.0)", x=normal(3, 4), c=normal(4) > 0)


@lines("torch.where(x > 0, 1 / x, 0.0)  torch.where(c, x, y)")
def test_nothing_flows_through_what_was_not_chosen(line: str) -> None:
    agree_in_both_precisions(line, order=1, x=floats([1.0, 2.0]), y=floats([np.nan, np.inf]), c=np.array([True, True]))


@lines("""
    x == y  x != y  x < y  x <= y  x > y  x >= y  x.eq(y)  x.ne(y)  x.lt(1)  x.le(1)  x.gt(0)  x.ge(0)  x == 1
    1 < x  1 >= x  torch.eq(x, y)  torch.lt(x, 0.5)
""")
def test_comparisons(line: str) -> None:
    for dtype in ("float32", "float64", "int64"):
        agree(line, x=np.array([[0, 1, 2]], dtype), y=np.array([[1], [2]], dtype))
    agree(line, x=floats([np.nan, np.inf, 1.0]), y=floats([np.nan, np.inf, np.nan]))


@lines("""
    x & y  x | y  x ^ y  ~x  x.logical_not()  torch.logical_and(x, y)  x.logical_or(y)  torch.logical_xor(x, y)
    True & x
""")
def test_logic(line: str) -> None:
    agree(line, x=np.array([True, True, False, False]), y=np.array([True, False, True, False]))


@lines("""
    x & y  x | y  x ^ y  ~x  x & 1  torch.logical_and(x, y)  torch.logical_or(x, y)  torch.logical_not(x)
    x.logical_xor(y)
""")
def test_logic_of_integers(line: str) -> None:
    agree(line, x=np.array([0, 1, 2, 3]), y=np.array([3, 2, 0, 1]))


def test_logic_of_floats() -> None:
    agree("torch.logical_and(x, y)", x=floats([0.0, 1.0, np.nan]), y=floats([1.0, 2.0, 3.0]))
    agree("torch.logical_not(x)", x=floats([0.0, 1.0, np.nan]))


@pytest.mark.parametrize("name", ["isnan", "isinf", "isfinite"])
def test_tests_of_elements(name: str) -> None:
    agree(f"torch.{name}(x)", x=floats([0.0, np.nan, np.inf, -np.inf]))
    agree(f"x.{name}()", x=np.arange(3))


@lines("""
    x.float()  x.double()  x.to(float64)  x.to(dtype=float32)  x.to(float32) * 2  x.clone()  x.contiguous()
    x.T.contiguous()  x.detach()  x.type_as(y)  torch.clone(x)  x.to(y)
""")
def test_copies_and_types(line: str) -> None:
    agree_in_both_precisions(line, x=normal(3, 4), y=normal(1))


@lines("x.long()  x.bool()  x.to(int32)")
def test_float_to_integer(line: str) -> None:
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
def test_what_is_not_offered_says_so(line: str, naming: str) -> None:
    only_we_refuse(line, naming, x=normal(3), y=normal(3), c=normal(3) > 0)


@lines("""
    x + y  torch.maximum(x, y)  torch.where(x > 0, x, y)  x.clamp()  x + 'a'  x + None  x ** 'a'  ~x  x & x  x.pow()
    x < 'a'
""")
def test_what_both_refuse(line: str) -> None:
    both_refuse(line, x=normal(3), y=normal(4))


@lines("x // y  x % y  x // 0  x % 0  5 // y")
def test_integers_over_zero(line: str) -> None:
    both_refuse(line, x=np.array([1, 2]), y=np.array([1, 0]))

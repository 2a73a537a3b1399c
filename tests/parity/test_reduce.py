"""ops/reduce.py and ops/extremes.py beside PyTorch: sums, moments, products, extremes, norms, running sums."""

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

SOME_AXES = """
    1  -2  dim=0  dim=(0, 2)  (-1, 0)  [1, 2]  dim=1, keepdim=True  (0, 2), keepdim=True  dim=(0, 1, 2), keepdim=True
"""
ONE_AXIS = "0  -1  dim=1  dim=-2  1, True  dim=2, keepdim=True"


@lines("x.{f}({over})  torch.{f}(x, {over})", f="sum  mean  amax  amin  logsumexp  std  var", over=SOME_AXES)
def test_reductions_over_some_axes(line: str) -> None:
    agree_in_both_precisions(line, x=normal(2, 3, 4))


@lines(
    """
    x.sum({all})  x.mean({all})  x.amax()  x.amin(dim=())  x.std()  x.var(None)  x.logsumexp((0, 1, 2))  x.{f}()
    torch.{f}(x)  x.sum(0, True)  torch.mean(x, (0, 1), True)  x.amax(-1, True)  x.std(0, False, True)
    """,
    f="max  min  prod  argmax  argmin  any  all  sum  mean  amax  std  var",
    all="dim=None  dim=()  None, True  dim=None, keepdim=True",
)
def test_reductions_over_all(line: str) -> None:
    agree_in_both_precisions(line, x=normal(2, 3, 4))


@lines("x.{f}({over})  torch.{f}(x, {over})", f="max  min  prod  argmax  argmin  any  all", over=ONE_AXIS)
def test_reductions_over_one_axis(line: str) -> None:
    agree_in_both_precisions(line, x=normal(2, 3, 4))


@lines(
    """
    x.{f}(0)  x.{f}(-1)  x.{f}(dim=0, keepdim=True)  x.cumsum(0)  x.cumsum(-1)  x.norm(2, 0)  x.norm(1, -1)
    x.norm(p=3, dim=0, keepdim=True)
    """,
    f="sum  mean  amax  amin  max  min  prod  argmax  argmin  logsumexp  any  all",
)
def test_reductions_of_a_0d_tensor(line: str) -> None:
    agree(line, x=floats(1.5))


@lines("x.{f}(0)  x.{f}(-1, unbiased=False)  x.{f}(dim=0, correction=0, keepdim=True)", f="std  var")
def test_deviation_of_a_0d_tensor(line: str) -> None:
    agree(line, order=1, x=floats(1.5))


@lines("""
    x.sum(0)  x.sum(1)  x.sum()  x.mean(0)  x.mean(1)  x.mean()  x.prod(0)  x.prod(1)  x.prod()  x.amax(1)  x.max(1)
    x.argmax(1)  x.var(0)  x.std()  x.std(1)  x.logsumexp(0)  x.logsumexp(1)  x.norm()  x.norm(1, 0)
    x.norm(3, dim=0)  x.norm(inf, dim=1)  x.norm(2, dim=1)  x.cumsum(0)  x.cumsum(1)  x.any()  x.all()  x.any(0)
    x.all(dim=0)  x.norm(0)  x.norm(0.5)
""")
def test_reductions_with_an_axis_of_size_zero(line: str) -> None:
    agree(line, order=1, x=np.zeros((0, 3)))


@lines("""
    x.amax()  x.amin(0)  x.max()  x.max(0)  x.min(dim=0)  x.argmax()  x.argmin(0)  x.norm(inf, dim=0)  x.norm(-inf)
""")
def test_nothing_has_no_extreme(line: str) -> None:
    both_refuse(line, x=np.zeros((0, 3)))


@lines(
    "x.{f}()  x.{f}(0)  x.cumsum(0)",
    f="sum  prod  amax  amin  max  min  any  all  argmax  argmin",
)
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64"])
def test_reductions_of_integers(line: str, dtype: str) -> None:
    if "arg" in line and dtype == "bool":
        dtype = "int64"  # PyTorch has none of bools
    if ("any" in line or "all" in line) and dtype == "uint8":
        dtype = "int32"  # PyTorch's is uint8 again
    agree(line, x=np.array([[1, 0], [1, 1]]).astype(dtype))
    agree(line, x=np.array([1, 0, 1, 1]).astype(dtype))


@lines("""
    x.sum(dtype=float64)  torch.mean(x, 0, dtype=float32)  x.sum(0, dtype=float64)
    torch.sum(x, dim=1, dtype=float32)  x.mean(dtype=float64)  x.prod(0, dtype=float64)  x.cumsum(0, dtype=float64)
""")
def test_reductions_in_another_type(line: str) -> None:
    agree_in_both_precisions(line, x=normal(2, 3))
    agree(line, x=np.arange(6).reshape(2, 3))


@lines(
    "x.{f}({over})",
    f="var  std",
    over="""
    unbiased=False  unbiased=True  False  0, False  0, unbiased=False  dim=1, unbiased=True, keepdim=True
    (0, 1), False, True  dim=0, correction=0  correction=2  dim=(0, 1), correction=1, keepdim=True  correction=0
    """,
)
def test_corrections_of_the_variance(line: str) -> None:
    agree_in_both_precisions(line, x=normal(3, 4))


@lines("x.{f}({over})", f="var  std", over="0, correction=3  1, correction=4  0, correction=5  correction=12")
def test_variance_with_no_degree_of_freedom_left(line: str) -> None:
    agree(line, order=0, x=normal(3, 4))


def test_variance_of_one_number_and_of_equal_numbers() -> None:
    agree("x.var(0)", order=1, x=normal(1, 3))
    agree("x.std(0)", order=1, x=np.ones((4, 2)))
    agree("x.var(unbiased=False)", x=floats([2.0]))
    agree("x.std()", order=1, x=np.full(3, 0.5))


@pytest.mark.parametrize(
    "values",
    [[2.0, 3.0, 4.0], [2.0, 0.0, 4.0], [0.0, 3.0, 0.0], [0.0, 0.0, 0.0], [5.0], [-1.0, 2.0, 0.0, 3.0, 0.5, 0.0, 1.5]],
)
def test_products_with_zeros(values: list[float]) -> None:
    agree_in_both_precisions("x.prod()", x=floats(values))
    agree("x.prod(1)", x=np.stack([floats(values), floats(values)[::-1], np.ones(len(values))]))
    agree("x.prod(dim=0, keepdim=True)", x=np.stack([floats(values), floats(values)[::-1], np.ones(len(values))]))


TIES = floats([[1.0, 3.0, 3.0, 2.0], [2.0, 2.0, 2.0, 2.0], [-1.0, -1.0, -2.0, -2.0]])


@lines("""
    x.amax()  x.amin()  x.amax(1)  x.amin(0)  x.amax((0, 1), keepdim=True)  x.max()  x.min()  x.max(1)  x.min(1)
    x.max(0)  x.argmax(1)  x.argmin(1)  x.argmax()  x.argmin()  torch.max(x, 1)[0]  torch.min(x, dim=0).values
    x.max(dim=1, keepdim=True).indices  x.max(-1)[1]  x.argmax(dim=1, keepdim=True)  x.argmax(keepdim=True)
    x.norm(inf)  x.norm(inf, dim=1)  x.norm(-inf, dim=0)  torch.amax(x, dim=(0,))
""")
def test_ties_of_extremes(line: str) -> None:
    agree_in_both_precisions(line, x=TIES)


@lines("""
    x.amax()  x.amin(1)  x.max(1)  x.min(0)  x.argmax(1)  x.argmin()  x.argmax(0)  x.logsumexp(1)  x.sum()  x.norm()
    x.norm(1)  x.prod()  x.cumsum(1)  x.mean(0)  x.var(1)
""")
def test_nan_spreads(line: str) -> None:
    agree(line, order=1, x=floats([[1.0, np.nan, 3.0], [4.0, 2.0, 3.0], [np.nan, 0.0, np.nan]]))


@lines("""
    x.amax(1)  x.min(1)  x.sum(1)  x.mean()  x.logsumexp(1)  x.argmax(1)  x.norm(inf, dim=1)  x.cumsum(1)
""")
def test_infinities(line: str) -> None:
    inf = np.inf
    rows = [[1, inf, 3], [-inf, 2, 3], [-inf, -inf, -inf], [inf, inf, 0], [inf, -inf, 0]]
    agree(line, order=1, x=floats(rows))


@pytest.mark.parametrize("x", [[1000.0, 1000.0], [-1000.0, -1001.0], [0.0, -np.inf], [-np.inf, -np.inf]], ids=str)
def test_logsumexp_of_extreme_numbers(x: list[float]) -> None:
    agree_in_both_precisions("x.logsumexp(0)", order=1, x=floats(x))
    agree_in_both_precisions("torch.logsumexp(x, dim=0, keepdim=True)", order=1, x=floats(x))


@lines(
    "x.norm({p})  x.norm({p}, dim=1)  torch.norm(x, p={p}, dim=0, keepdim=True)  x.norm(p={p}, dim=(0, 1))",
    p="2  1  0  inf  -inf  3  1.5  0.5  -1  -2  2.0  'fro'  4",
)
def test_norms(line: str) -> None:
    agree_in_both_precisions(line, x=normal(3, 4))


@lines("""
    x.norm()  torch.norm(x)  x.norm(dim=1)  x.norm(dim=(0, 1), keepdim=True)  torch.norm(x, dim=-1)
    x.norm(2, 1, True)
""")
def test_the_euclidean_norm_is_the_default(line: str) -> None:
    agree_in_both_precisions(line, x=normal(3, 4))


@lines("x.norm({p})  x.norm({p}, dim=1)", p="2  1  0  inf  3  1.5")
def test_norms_of_zeros(line: str) -> None:
    agree(line, order=1, x=floats([[0.0, 0.0], [1.0, 0.0], [0.0, -2.0]]))
    agree(line, order=1, x=np.zeros((2, 3)))


@lines("x.cumsum(0)  x.cumsum(-1)  torch.cumsum(x, dim=1)  x.T.cumsum(dim=0)")
def test_running_sums(line: str) -> None:
    agree_in_both_precisions(line, x=normal(3, 4))


@lines("""
    x.T.sum(0)  x[:, ::2].mean(1)  x.T.max(1)  x[::2].logsumexp(0)  x.T.prod(0)  x.T.var(1)  x[:, 1:].norm(2, 1)
    x.expand(2, 3, 4).sum(0)
""")
def test_reductions_of_views(line: str) -> None:
    agree_in_both_precisions(line, x=positive(3, 4))


@pytest.mark.parametrize(
    ("line", "naming"),
    [
        ("x.norm('nuc')", "nuc"),
        ("x.norm(dtype=float64)", "dtype"),
        ("torch.sum(x, 0, out=y)", "out"),
        ("torch.std(x, dim=0, out=y)", "out"),
        ("x.sum(axis=0)", "axis"),
        ("x.mean(0, keepdims=True)", "keepdims"),
    ],
)
def test_what_is_not_offered_says_so(line: str, naming: str) -> None:
    only_we_refuse(line, naming, x=normal(3, 4), y=normal(4))


@lines("""
    x.sum(2)  x.sum(-3)  x.sum((0, 0))  x.mean('a')  x.max(5)  x.cumsum()  x.cumsum(2)  x.argmax((0, 1))
    x.prod((0, 1))  x.amax(dim=(0, 2))  x.sum(0.5)  x.logsumexp(2)  x.max((0, 1))  x.sum(0, 1, 2)  x.sum(True)
    x.argmax(False)  x.norm(2, True)
""")
def test_what_both_refuse(line: str) -> None:
    both_refuse(line, x=normal(3, 4))

"""ops/reduce.py beside PyTorch: sums, moments, products, extremes, norms, running sums."""

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

MANY = "", "1", "-2", "dim=0", "dim=(0, 2)", "(-1, 0)", "[1, 2]", "dim=None", "dim=()"
KEPT = "0, True", "dim=1, keepdim=True", "(0, 2), keepdim=True", "dim=(0, 1, 2), keepdim=True", "None, True"
ONE = "0", "-1", "dim=1", "dim=-2", "1, True", "dim=2, keepdim=True"


@pytest.mark.parametrize("name", ["sum", "mean", "amax", "amin", "logsumexp", "std", "var"])
@pytest.mark.parametrize("over", [*MANY, *KEPT])
def test_reductions_over_some_axes(name, over):
    if name == "logsumexp" and over in ("", "dim=None", "None, True"):
        pytest.skip("PyTorch's logsumexp needs a dim")
    if name in ("logsumexp", "std", "var") and over == "dim=()":
        pytest.skip("PyTorch's gradient over all axes named () is inf, or fails")
    if name in ("amax", "amin") and "None" in over:
        pytest.skip("PyTorch's amax takes no None")
    if name in ("std", "var") and over in ("0, True", "None, True"):
        pytest.skip("the second argument of std is `unbiased`")
    agree_in_both_precisions(f"x.{name}({over})", x=normal(2, 3, 4))
    agree(f"torch.{name}(x{', ' if over else ''}{over})", x=normal(2, 3, 4))


@pytest.mark.parametrize("name", ["max", "min", "prod", "argmax", "argmin", "any", "all"])
@pytest.mark.parametrize("over", ["", *ONE])
def test_reductions_over_one_axis_or_all(name, over):
    agree_in_both_precisions(f"x.{name}({over})", x=normal(2, 3, 4))
    agree(f"torch.{name}(x{', ' if over else ''}{over})", x=normal(2, 3, 4))


@pytest.mark.parametrize(
    "name",
    [
        "sum",
        "mean",
        "amax",
        "amin",
        "max",
        "min",
        "prod",
        "argmax",
        "argmin",
        "logsumexp",
        "any",
        "all",
        "cumsum",
        "std",
        "var",
        "norm",
    ],
)
@pytest.mark.parametrize("over", ["0", "-1", "dim=0, keepdim=True"])
def test_reductions_of_a_0d_tensor(name, over):
    if name == "norm":
        over = {"0": "2, 0", "-1": "1, -1"}.get(over, "p=3, " + over)
    if name in ("std", "var"):
        over = over.replace("0, k", "0, unbiased=False, k").replace("-1", "-1, unbiased=False")
    if name == "cumsum":
        over = over.split(",")[0]
    agree(f"x.{name}({over})", order=1 if name in ("std", "var") else 2, x=floats(1.5))


@pytest.mark.parametrize(
    "line",
    [
        "x.sum(0)", "x.sum(1)", "x.sum()", "x.mean(0)", "x.mean(1)", "x.mean()", "x.prod(0)", "x.prod(1)", "x.prod()", "x.amax(1)", "x.max(1)", "x.argmax(1)",
        "x.var(0)", "x.std()", "x.std(1)", "x.logsumexp(0)", "x.logsumexp(1)", "x.norm()", "x.norm(1, 0)", "x.norm(3, dim=0)", "x.norm(inf, dim=1)", "x.norm(2, dim=1)", "x.cumsum(0)", "x.cumsum(1)",
        "x.any()", "x.all()", "x.any(0)", "x.all(dim=0)", "x.norm(0)", "x.norm(0.5)",
    ],
)  # fmt: skip
def test_reductions_with_an_axis_of_size_zero(line):
    agree(line, order=1, x=np.zeros((0, 3)))


@pytest.mark.parametrize(
    "line",
    [
        "x.amax()",
        "x.amin(0)",
        "x.max()",
        "x.max(0)",
        "x.min(dim=0)",
        "x.argmax()",
        "x.argmin(0)",
        "x.norm(inf, dim=0)",
        "x.norm(-inf)",
    ],
)
def test_nothing_has_no_extreme(line):
    both_refuse(line, x=np.zeros((0, 3)))


@pytest.mark.parametrize("name", ["sum", "prod", "amax", "max", "argmax", "argmin", "cumsum", "any", "all", "min"])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64"])
def test_reductions_of_integers(name, dtype):
    if (name, dtype) in (("argmax", "bool"), ("argmin", "bool"), ("any", "uint8"), ("all", "uint8")):
        pytest.skip("PyTorch has no argmax of bools, and its any() of uint8 is uint8")
    over = "0" if name == "cumsum" else ""
    agree(f"x.{name}({over})", x=np.array([1, 0, 1, 1]).astype(dtype))
    agree(f"x.{name}(0)", x=np.array([[1, 0], [1, 1]]).astype(dtype))


@pytest.mark.parametrize(
    "line",
    [
        "x.sum(dtype=float64)",
        "torch.mean(x, 0, dtype=float32)",
        "x.sum(0, dtype=float64)",
        "torch.sum(x, dim=1, dtype=float32)",
        "x.mean(dtype=float64)",
        "x.prod(0, dtype=float64)",
        "x.cumsum(0, dtype=float64)",
    ],
)
def test_reductions_in_another_type(line):
    agree_in_both_precisions(line, x=normal(2, 3))
    agree(line, x=np.arange(6).reshape(2, 3))


@pytest.mark.parametrize("name", ["var", "std"])
@pytest.mark.parametrize(
    "over",
    [
        "unbiased=False", "unbiased=True", "False", "0, False", "0, unbiased=False", "dim=1, unbiased=True, keepdim=True", "(0, 1), False, True", "dim=0, correction=0",
        "correction=2", "dim=(0, 1), correction=1, keepdim=True", "correction=0",
    ],
)  # fmt: skip
def test_corrections_of_the_variance(name, over):
    agree_in_both_precisions(f"x.{name}({over})", x=normal(3, 4))


@pytest.mark.parametrize("name", ["var", "std"])
@pytest.mark.parametrize("over", ["0, correction=3", "1, correction=4", "0, correction=5", "correction=12"])
def test_variance_with_no_degree_of_freedom_left(name, over):
    agree(f"x.{name}({over})", order=0, x=normal(3, 4))


def test_variance_of_one_number_and_of_equal_numbers():
    agree("x.var(0)", order=1, x=normal(1, 3))
    agree("x.std(0)", order=1, x=np.ones((4, 2)))
    agree("x.var(unbiased=False)", x=floats([2.0]))
    agree("x.std()", order=1, x=np.full(3, 0.5))


@pytest.mark.parametrize(
    "values",
    [[2.0, 3.0, 4.0], [2.0, 0.0, 4.0], [0.0, 3.0, 0.0], [0.0, 0.0, 0.0], [5.0], [-1.0, 2.0, 0.0, 3.0, 0.5, 0.0, 1.5]],
)
def test_products_with_zeros(values):
    agree_in_both_precisions("x.prod()", x=floats(values))
    agree("x.prod(1)", x=np.stack([floats(values), floats(values)[::-1], np.ones(len(values))]))
    agree("x.prod(dim=0, keepdim=True)", x=np.stack([floats(values), floats(values)[::-1], np.ones(len(values))]))


TIES = floats([[1.0, 3.0, 3.0, 2.0], [2.0, 2.0, 2.0, 2.0], [-1.0, -1.0, -2.0, -2.0]])


@pytest.mark.parametrize(
    "line",
    [
        "x.amax()", "x.amin()", "x.amax(1)", "x.amin(0)", "x.amax((0, 1), keepdim=True)", "x.max()", "x.min()", "x.max(1)", "x.min(1)", "x.max(0)", "x.argmax(1)", "x.argmin(1)",
        "x.argmax()", "x.argmin()", "torch.max(x, 1)[0]", "torch.min(x, dim=0).values", "x.max(dim=1, keepdim=True).indices", "x.max(-1)[1]", "x.argmax(dim=1, keepdim=True)",
        "x.argmax(keepdim=True)", "x.norm(inf)", "x.norm(inf, dim=1)", "x.norm(-inf, dim=0)", "torch.amax(x, dim=(0,))",
    ],
)  # fmt: skip
def test_ties_of_extremes(line):
    agree_in_both_precisions(line, x=TIES)


@pytest.mark.parametrize(
    "line", ["x.amax()", "x.amin(1)", "x.max(1)", "x.min(0)", "x.argmax(1)", "x.argmin()", "x.argmax(0)", "x.logsumexp(1)", "x.sum()", "x.norm()", "x.norm(1)", "x.prod()", "x.cumsum(1)", "x.mean(0)", "x.var(1)"]
)  # fmt: skip
def test_nan_spreads(line):
    agree(line, order=1, x=floats([[1.0, np.nan, 3.0], [4.0, 2.0, 3.0], [np.nan, 0.0, np.nan]]))


@pytest.mark.parametrize(
    "line",
    [
        "x.amax(1)",
        "x.min(1)",
        "x.sum(1)",
        "x.mean()",
        "x.logsumexp(1)",
        "x.argmax(1)",
        "x.norm(inf, dim=1)",
        "x.cumsum(1)",
    ],
)
def test_infinities(line):
    agree(
        line,
        order=1,
        x=floats(
            [
                [1.0, np.inf, 3.0],
                [-np.inf, 2.0, 3.0],
                [-np.inf, -np.inf, -np.inf],
                [np.inf, np.inf, 0.0],
                [np.inf, -np.inf, 0.0],
            ]
        ),
    )


@pytest.mark.parametrize("x", [[1000.0, 1000.0], [-1000.0, -1001.0], [0.0, -np.inf], [-np.inf, -np.inf]], ids=str)
def test_logsumexp_of_extreme_numbers(x):
    agree_in_both_precisions("x.logsumexp(0)", order=1, x=floats(x))
    agree_in_both_precisions("torch.logsumexp(x, dim=0, keepdim=True)", order=1, x=floats(x))


@pytest.mark.parametrize("p", ["2", "1", "0", "inf", "-inf", "3", "1.5", "0.5", "-1", "-2", "2.0", "'fro'", "4"])
@pytest.mark.parametrize(
    "line", ["x.norm({})", "x.norm({}, dim=1)", "torch.norm(x, p={}, dim=0, keepdim=True)", "x.norm(p={}, dim=(0, 1))"]
)
def test_norms(p, line):
    agree_in_both_precisions(line.format(p), x=normal(3, 4))


@pytest.mark.parametrize(
    "line",
    [
        "x.norm()",
        "torch.norm(x)",
        "x.norm(dim=1)",
        "x.norm(dim=(0, 1), keepdim=True)",
        "torch.norm(x, dim=-1)",
        "x.norm(2, 1, True)",
    ],
)
def test_the_euclidean_norm_is_the_default(line):
    agree_in_both_precisions(line, x=normal(3, 4))


@pytest.mark.parametrize("p", ["2", "1", "0", "inf", "3", "1.5"])
def test_norms_of_zeros(p):
    agree(f"x.norm({p})", order=1, x=np.zeros(3))
    agree(f"x.norm({p}, dim=1)", order=1, x=floats([[0.0, 0.0], [1.0, 0.0], [0.0, -2.0]]))


@pytest.mark.parametrize("line", ["x.cumsum(0)", "x.cumsum(-1)", "torch.cumsum(x, dim=1)", "x.T.cumsum(dim=0)"])
def test_running_sums(line):
    agree_in_both_precisions(line, x=normal(3, 4))


@pytest.mark.parametrize(
    "line",
    [
        "x.T.sum(0)",
        "x[:, ::2].mean(1)",
        "x.T.max(1)",
        "x[::2].logsumexp(0)",
        "x.T.prod(0)",
        "x.T.var(1)",
        "x[:, 1:].norm(2, 1)",
        "x.expand(2, 3, 4).sum(0)",
    ],
)
def test_reductions_of_views(line):
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
def test_what_is_not_offered_says_so(line, naming):
    only_we_refuse(line, naming, x=normal(3, 4), y=normal(4))


@pytest.mark.parametrize(
    "line",
    [
        "x.sum(2)",
        "x.sum(-3)",
        "x.sum((0, 0))",
        "x.mean('a')",
        "x.max(5)",
        "x.cumsum()",
        "x.cumsum(2)",
        "x.argmax((0, 1))",
        "x.prod((0, 1))",
        "x.amax(dim=(0, 2))",
        "x.sum(0.5)",
        "x.logsumexp(2)",
        "x.max((0, 1))",
        "x.sum(0, 1, 2)",
        "x.sum(True)",
        "x.argmax(False)",
        "x.norm(2, True)",
    ],
)
def test_what_both_refuse(line):
    both_refuse(line, x=normal(3, 4))

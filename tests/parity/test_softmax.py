"""ops/softmax.py beside PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

from tests.parity.agreement import agree, agree_in_both_precisions, both_refuse, floats, normal, only_we_refuse

LINES = ["x.{}(0)", "x.{}(dim=-1)", "torch.{}(x, dim=1)", "F.{}(x, dim=-2)", "F.{}(x, 1)", "x.T.{}(0)"]


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("line", LINES)
def test_along_an_axis(name, line):
    agree_in_both_precisions(line.format(name), x=normal(3, 4))


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("shape", [(), (1,), (0, 3), (3, 0), (2, 0, 4), (2, 3, 4)])
def test_any_shape(name, shape):
    agree(f"x.{name}(-1)", x=normal(*shape))
    agree(f"x.{name}(0)", x=normal(*shape))


ROWS = {
    "large": [1000.0, 999.0, -1000.0],
    "one -inf": [0.0, -np.inf, 1.0],
    "all but one -inf": [-np.inf, 2.0, -np.inf],
    "all -inf": [-np.inf, -np.inf, -np.inf],
    "inf": [np.inf, 0.0, 1.0],
    "nan": [np.nan, 0.0, 1.0],
}


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("row", ROWS)
def test_extreme_rows(name, row):
    agree_in_both_precisions(f"x.{name}(0)", order=1, x=floats(ROWS[row]))


def test_masked_attention_scores():
    agree_in_both_precisions(
        "(x.masked_fill(c, -inf).softmax(-1) * y).sum(-1)",
        x=normal(3, 4),
        y=normal(4),
        c=np.triu(np.ones((3, 4), bool), 1),
    )


@pytest.mark.parametrize("line", ["F.softmax(x, dim=0, dtype=float64)", "x.log_softmax(1, dtype=float64)"])
def test_another_type(line):
    agree(line, x=normal(3, 4, dtype="float32"))


def test_the_axis_must_be_named():
    # PyTorch guesses one, with a warning.
    only_we_refuse("F.softmax(x)", "dim", x=normal(2, 3, 4))
    only_we_refuse("F.log_softmax(x)", "dim", x=normal(2, 3, 4))


@pytest.mark.parametrize("line", ["x.softmax(2)", "F.log_softmax(x, dim=-3)", "x.softmax('a')", "x.softmax(0.5)"])
def test_what_both_refuse(line):
    both_refuse(line, x=normal(3, 4))

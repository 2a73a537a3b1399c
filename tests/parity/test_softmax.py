"""ops/softmax.py beside PyTorch."""

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
)


@lines(
    "x.{f}(0)  x.{f}(dim=-1)  torch.{f}(x, dim=1)  F.{f}(x, dim=-2)  F.{f}(x, 1)  x.T.{f}(0)", f="softmax  log_softmax"
)
def test_along_an_axis(line: str) -> None:
    agree_in_both_precisions(line, x=normal(3, 4))


@pytest.mark.parametrize("shape", [(), (1,), (0, 3), (3, 0), (2, 0, 4), (2, 3, 4)])
@lines("x.{f}(0)  x.{f}(-1)", f="softmax  log_softmax")
def test_any_shape(line: str, shape: tuple[int, ...]) -> None:
    agree_in_both_precisions(line, x=normal(*shape))


ROWS = {
    "large": [1000.0, 999.0, -1000.0],
    "one -inf": [0.0, -np.inf, 1.0],
    "all but one -inf": [-np.inf, 2.0, -np.inf],
    "all -inf": [-np.inf, -np.inf, -np.inf],
    "inf": [np.inf, 0.0, 1.0],
    "nan": [np.nan, 0.0, 1.0],
}


@pytest.mark.parametrize("row", ROWS)
@lines("x.{f}(0)", f="softmax  log_softmax")
def test_extreme_rows(line: str, row: str) -> None:
    agree_in_both_precisions(line, order=1, x=floats(ROWS[row]))


def test_masked_attention_scores() -> None:
    agree_in_both_precisions(
        "(x.masked_fill(c, -inf).softmax(-1) * y).sum(-1)",
        x=normal(3, 4),
        y=normal(4),
        c=np.triu(np.ones((3, 4), bool), 1),
    )


@lines("F.softmax(x, dim=0, dtype=float64)  x.log_softmax(1, dtype=float64)")
def test_another_type(line: str) -> None:
    agree(line, x=normal(3, 4, dtype="float32"))


def test_the_axis_must_be_named() -> None:
    # PyTorch guesses one, with a warning.
    only_we_refuse("F.softmax(x)", "dim", x=normal(2, 3, 4))
    only_we_refuse("F.log_softmax(x)", "dim", x=normal(2, 3, 4))


@lines("x.softmax(2)  F.log_softmax(x, dim=-3)  x.softmax('a')  x.softmax(0.5)")
def test_what_both_refuse(line: str) -> None:
    both_refuse(line, x=normal(3, 4))

"""Every operation's gradient, and the gradient of that gradient, against finite differences."""

from __future__ import annotations

import pytest

import tinygrad_cnn as tg
from tests.ops.cases import ALL, Case


def ids(case: Case) -> str:
    return case.name


@pytest.mark.parametrize("case", ALL, ids=ids)
def test_first_and_second_derivatives_are_those_of_finite_differences(case: Case) -> None:
    assert tg.gradcheck(case.fn, case.tensors(), order=2)

"""NumPy's floating-point errors, which our operations do not report, do not happen either where all is well."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.ops.cases import ALL, Case
from tinygrad_cnn import autograd
from tinygrad_cnn.modes import mode


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Overflow, 0 / 0 and 1 / 0 in any primitive, forward or backward, are FloatingPointErrors."""
    monkeypatch.setattr(mode, "run_silently", lambda function, *inputs, **options: function(*inputs, **options))
    monkeypatch.setattr(autograd, "sweep", autograd.sweep.__wrapped__)  # as it is without its own errstate
    tg.set_num_threads(1)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        yield


@pytest.mark.usefixtures("raising")
@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_no_case_meets_one(case: Case) -> None:
    for dtype in (np.float32, np.float64):
        inputs = case.tensors(dtype)
        wanted = [x for x in inputs if x.requires_grad]
        outputs = [y for y in case.outputs(inputs) if y.requires_grad]
        if not outputs or not wanted:
            continue
        seeds = [tg.ones(*y.shape, dtype=y.dtype) for y in outputs]
        tg.grad(outputs, wanted, seeds, allow_unused=True, retain_graph=True)
        tg.grad(outputs, wanted, seeds, allow_unused=True, create_graph=True)


@pytest.mark.usefixtures("raising")
def test_the_test_would_notice() -> None:
    with pytest.raises(FloatingPointError):
        tg.log(tg.Tensor([0.0]))
    x = tg.Tensor([0.0], requires_grad=True)
    with pytest.raises(FloatingPointError):
        x.sqrt().backward(np.ones(1, np.float32))

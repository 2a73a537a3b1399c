"""Walks an optimiser and Torch's of the same name side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import optim
from tinygrad_cnn.kernels import piecewise

SHAPES = [(3, 4), (), (5, 1, 2), (37,)]


def gradient(value: np.ndarray, step: int) -> np.ndarray:
    """Of a bowl with noise: it depends on where the parameter is, so that errors would grow."""
    noise = np.random.default_rng(step).standard_normal(value.shape)
    return (3 * value + noise).astype(value.dtype)


def assert_close(actual: Any, expected: np.ndarray, dtype: type) -> None:
    """To 1e-5 (float32) or 1e-9 (float64) of the largest value."""
    tolerance = 1e-5 if dtype is np.float32 else 1e-9
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())


@pytest.fixture
def walk_beside_torch(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """check(name, dtype, options, *options of further groups): 50 steps give Torch's parameters and state."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(piecewise, "ELEMENTS_PER_PIECE", 8)

    def check(name: str, dtype: type, options: dict[str, Any], *further: dict[str, Any]) -> None:
        generator = np.random.default_rng(0)
        values = [generator.standard_normal(shape).astype(dtype) for shape in SHAPES]
        ours = [tg.Tensor(value, requires_grad=True) for value in values]
        theirs = [torch.tensor(value, requires_grad=True) for value in values]
        shares = np.array_split(np.arange(len(values)), 1 + len(further))
        optimizer, reference = (
            getattr(module, name)(
                [
                    {**group, "params": [params[i] for i in share]}
                    for group, share in zip([{}, *further], shares, strict=True)
                ],
                **options,
            )
            for module, params in [(optim, ours), (torch.optim, theirs)]
        )
        for step in range(50):
            for p, q in zip(ours, theirs, strict=True):
                p.grad = tg.Tensor(gradient(p.data, step))
                q.grad = torch.tensor(gradient(q.detach().numpy(), step))
            optimizer.step()
            reference.step()

        for p, q in zip(ours, theirs, strict=True):
            assert p.data.dtype == dtype
            assert_close(p.data, q.detach().numpy(), dtype)
        state, expected = optimizer.state_dict()["state"], reference.state_dict()["state"]
        assert state.keys() == expected.keys()
        for i in state:
            assert state[i].keys() == expected[i].keys()
            for entry in state[i]:
                assert_close(state[i][entry], expected[i][entry].numpy(), dtype)

    return check

"""What a gradient case is: a function of Tensors, and the numbers to try it at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

import tinygrad_cnn as tg
from tinygrad_cnn import Tensor

_generator = np.random.default_rng(20)


class Case(NamedTuple):
    """Floating-point inputs are differentiated; integers and bools are constants."""

    name: str  # starts with the public name of the operation
    fn: Callable[..., Any]
    inputs: tuple[np.ndarray, ...]

    def tensors(self, dtype: DTypeLike = np.float64) -> list[Tensor]:
        """The inputs as fresh leaves, the floats among them in `dtype`."""
        return [
            tg.Tensor(x.astype(dtype), requires_grad=True) if x.dtype.kind == "f" else tg.Tensor(x) for x in self.inputs
        ]

    def outputs(self, inputs: list[Tensor]) -> list[Tensor]:
        """The function's results, always as a list."""
        result = self.fn(*inputs)
        return [result] if isinstance(result, Tensor) else list(result)


def case(name: str, fn: Callable[..., Any], *inputs: Any) -> Case:
    return Case(name, fn, tuple(np.asarray(x) for x in inputs))


def normal(*shape: int) -> np.ndarray:
    """Normal random numbers: none of them is within 1e-4 of zero, a tie or an integer but by a rare chance."""
    return _generator.standard_normal(shape)


def positive(*shape: int) -> np.ndarray:
    """Random numbers in [0.5, 2)."""
    return _generator.uniform(0.5, 2, shape)


def between(low: float, high: float, *shape: int) -> np.ndarray:
    return _generator.uniform(low, high, shape)

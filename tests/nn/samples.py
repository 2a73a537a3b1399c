"""Modules that several tests look into."""

from __future__ import annotations

import numpy as np

import tinygrad_cnn as tg
from tinygrad_cnn import nn


def names(module: nn.Module) -> list[str]:
    return [name for name, _ in module.named_parameters()]


class Scale(nn.Module):
    """One parameter, one buffer; its __init__ does not call Module's, which is fine."""

    def __init__(self, value: float = 1.0) -> None:
        self.factor = nn.Parameter([value])
        self.calls = nn.Buffer(np.array(0))

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        return x * self.factor


class Nested(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.last_named_first = Scale()
        self.layers = [Scale(), [Scale(), nn.Parameter([2.0])]]
        self.heads = {"age": Scale(), "other": (nn.Parameter([3.0]),)}
        self.nothing = None
        self.size = (3, 3)
        self.plain = tg.Tensor([1.0], requires_grad=True)
        self.alpha = nn.Parameter([4.0])


NESTED_NAMES = [
    "last_named_first.factor",
    "layers.0.factor",
    "layers.1.0.factor",
    "layers.1.1",
    "heads.age.factor",
    "heads.other.0",
    "alpha",
]

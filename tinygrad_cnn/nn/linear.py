"""The dense layer, and the two that change no values."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import functional as F
from .. import ops
from ..arguments import checked
from ..tensor import Tensor
from . import init
from .module import Module
from .parameter import Parameter

__all__ = ["Flatten", "Identity", "Linear"]


class Linear(Module):
    """y = x W^T + b: `(..., in_features)` to `(..., out_features)`; the weight is `(out, in)`.

    Both start from U(-r, r), r = 1 / sqrt(in_features).

    >>> import tinygrad_cnn as tg
    >>> tg.nn.Linear(3, 2)(tg.ones(5, 3)).shape
    (5, 2)
    """

    @checked
    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(np.empty((out_features, in_features), np.float32))
        self.bias = Parameter(np.empty(out_features, np.float32)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new values."""
        init.fan_in_uniform_(self.weight, self.bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Flatten(Module):
    """Make one dimension of those from `start_dim` to `end_dim`: `(N, C, H, W)` to `(N, C*H*W)`.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.Flatten()(tg.ones(2, 3, 4, 4)).shape
    (2, 48)
    """

    @checked
    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Tensor) -> Tensor:
        return ops.flatten(x, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Identity(Module):
    """Passes on what it gets, of any shape: stands where a layer was taken out. Its arguments mean nothing.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.Identity()(tg.Tensor([1.0, 2.0]))
    Tensor([1., 2.])
    """

    @checked
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def forward(self, x: Tensor) -> Tensor:
        return x

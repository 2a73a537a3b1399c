"""Activation functions as modules; each says in `tinygrad_cnn.functional` what it computes."""

from __future__ import annotations

from .. import functional as F
from ..arguments import checked
from ..tensor import Tensor
from .module import Module

__all__ = [
    "ELU",
    "GELU",
    "LeakyReLU",
    "LogSoftmax",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]  # fmt: skip


def _refuse_inplace(module: Module, inplace: bool) -> None:
    if inplace:
        raise NotImplementedError(f"{type(module).__name__}: inplace=True is not offered")


class ReLU(Module):
    """max(x, 0)."""

    @checked
    def __init__(self, inplace: bool = False) -> None:
        _refuse_inplace(self, inplace)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x)


class LeakyReLU(Module):
    """x where it is positive, `negative_slope` * x elsewhere."""

    @checked
    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        _refuse_inplace(self, inplace)
        self.negative_slope = negative_slope

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"


class ELU(Module):
    """x where it is positive, `alpha` * (exp(x) - 1) elsewhere (Clevert et al., 2016)."""

    @checked
    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        _refuse_inplace(self, inplace)
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        return F.elu(x, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class GELU(Module):
    """x * P(Z < x) for a standard normal Z, exact or in the 'tanh' approximation (Hendrycks and Gimpel, 2016)."""

    @checked
    def __init__(self, approximate: str = "none") -> None:
        self.approximate = approximate

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(x, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class SiLU(Module):
    """x * sigmoid(x)."""

    @checked
    def __init__(self, inplace: bool = False) -> None:
        _refuse_inplace(self, inplace)

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(x)


class Softplus(Module):
    """log(1 + exp(beta * x)) / beta; x itself where beta * x is over `threshold`."""

    @checked
    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self.beta, self.threshold = beta, threshold

    def forward(self, x: Tensor) -> Tensor:
        return F.softplus(x, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Sigmoid(Module):
    """1 / (1 + exp(-x))."""

    def forward(self, x: Tensor) -> Tensor:
        return F.sigmoid(x)


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, x: Tensor) -> Tensor:
        return F.tanh(x)


class _AlongDim(Module):
    @checked
    def __init__(self, dim: int | None = None) -> None:
        if dim is None:
            raise TypeError(f"{type(self).__name__}: say along which dimension, such as dim=1 for classes")
        self.dim = dim

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(_AlongDim):
    """exp(x) / sum(exp(x)) along `dim`: positive, and 1 in sum."""

    def forward(self, x: Tensor) -> Tensor:
        return F.softmax(x, self.dim)


class LogSoftmax(_AlongDim):
    """log(softmax(x)) along `dim`, computed stably."""

    def forward(self, x: Tensor) -> Tensor:
        return F.log_softmax(x, self.dim)

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
    """max(x, 0), element by element: any shape. As `F.relu`.

    Raises NotImplementedError for `inplace=True`, here and in the activations below.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.ReLU()(tg.Tensor([-1.0, 2.0]))
    Tensor([0., 2.])
    """

    @checked
    def __init__(self, inplace: bool = False) -> None:
        _refuse_inplace(self, inplace)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x)


class LeakyReLU(Module):
    """x where it is positive, `negative_slope` * x elsewhere: any shape. Maas, Hannun & Ng 2013.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.LeakyReLU(0.5)(tg.Tensor([-1.0, 2.0]))
    Tensor([-0.5,  2. ])
    """

    @checked
    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        _refuse_inplace(self, inplace)
        self.negative_slope = negative_slope

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"


class ELU(Module):
    """x where it is positive, `alpha` * (exp(x) - 1) elsewhere: any shape. Clevert, Unterthiner & Hochreiter 2016.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.ELU()(tg.Tensor([-100.0, 2.0]))
    Tensor([-1.,  2.])
    """

    @checked
    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        _refuse_inplace(self, inplace)
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        return F.elu(x, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class GELU(Module):
    """x * P(Z < x) for a standard normal Z, exact or in the 'tanh' approximation: any shape. Hendrycks & Gimpel 2016.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.GELU()(tg.Tensor([-100.0, 0.0, 100.0])).tolist()
    [-0.0, 0.0, 100.0]
    """

    @checked
    def __init__(self, approximate: str = "none") -> None:
        self.approximate = approximate

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(x, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class SiLU(Module):
    """x * sigmoid(x): any shape. Elfwing, Uchibe & Doya 2018.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.SiLU()(tg.Tensor([0.0, 100.0]))
    Tensor([  0., 100.])
    """

    @checked
    def __init__(self, inplace: bool = False) -> None:
        _refuse_inplace(self, inplace)

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(x)


class Softplus(Module):
    """log(1 + exp(beta * x)) / beta; x itself where beta * x is over `threshold`: any shape. As `F.softplus`.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.Softplus()(tg.Tensor([0.0, 100.0]))
    Tensor([  0.6931472, 100.       ])
    """

    @checked
    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self.beta, self.threshold = beta, threshold

    def forward(self, x: Tensor) -> Tensor:
        return F.softplus(x, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Sigmoid(Module):
    """1 / (1 + exp(-x)): any shape.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.Sigmoid()(tg.Tensor([0.0, 100.0]))
    Tensor([0.5, 1. ])
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.sigmoid(x)


class Tanh(Module):
    """The hyperbolic tangent: any shape.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.Tanh()(tg.Tensor([0.0, 100.0]))
    Tensor([0., 1.])
    """

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
    """exp(x) / sum(exp(x)) along `dim`: x's shape, positive, and 1 in sum. TypeError without a `dim`.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.Softmax(dim=1)(tg.Tensor([[0.0, 0.0]]))
    Tensor([[0.5, 0.5]])
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.softmax(x, self.dim)


class LogSoftmax(_AlongDim):
    """log(softmax(x)) along `dim`, computed stably: x's shape. TypeError without a `dim`.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.LogSoftmax(dim=1)(tg.Tensor([[0.0, 200.0]]))
    Tensor([[-200.,    0.]])
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.log_softmax(x, self.dim)

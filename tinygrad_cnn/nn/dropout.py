"""Dropout layers: in training they set values to zero at random, in evaluation they pass all on."""

from __future__ import annotations

from .. import functional as F
from ..arguments import checked
from ..tensor import Tensor
from .module import Module

__all__ = ["Dropout", "Dropout2d"]


class _Dropout(Module):
    @checked
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}: p must be a probability, from 0 to 1, not {p}")
        if inplace:
            raise NotImplementedError(f"{type(self).__name__}: inplace=True is not offered")
        self.p = p

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace=False"


class Dropout(_Dropout):
    """Set each value to zero with probability p and multiply the others by 1 / (1 - p): any shape.

    Srivastava et al. 2014. In evaluation mode it passes all on. Raises ValueError for a p outside [0, 1],
    NotImplementedError for `inplace=True`.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.Dropout(0.5).eval()(tg.Tensor([1.0, 2.0]))
    Tensor([1., 2.])
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.p, self.training)


class Dropout2d(_Dropout):
    """Dropout of whole channels of `(N, C, ...)`. Tompson et al. 2015, section 3.2. Errors as in Dropout.

    >>> import tinygrad_cnn as tg
    >>> kept = tg.nn.Dropout2d(0.5)(tg.ones(4, 8, 2, 2)).sum((2, 3))
    >>> sorted(set(kept.flatten().tolist()))
    [0.0, 8.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout2d(x, self.p, self.training)

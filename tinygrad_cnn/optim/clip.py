"""Gradient clipping, between `backward()` and `step()`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from ..arguments import checked, tensors_of
from ..kernels.memory import Scratch
from ..kernels.piecewise import map_pieces
from ..tensor import Tensor
from .optimizer import change


@checked
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale all gradients by min(1, max_norm / (norm + 1e-6)); return the norm that they had, a 0-d Tensor.

    The norm is that of all gradients as one vector, of order `norm_type` (positive or inf, else ValueError), summed in
    float64 (Pascanu et al. 2013, algorithm 1). Parameters without a gradient are passed over. With
    `error_if_nonfinite` a norm that is NaN or infinite raises RuntimeError, before anything is changed.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import optim
    >>> x = tg.Tensor([0.0, 0.0], requires_grad=True)
    >>> (x * tg.Tensor([3.0, 4.0])).sum().backward()
    >>> optim.clip_grad_norm_([x], max_norm=1.0).item()
    5.0
    >>> [round(g, 3) for g in x.grad.tolist()]
    [0.6, 0.8]
    """
    if not norm_type > 0:
        raise ValueError(f"clip_grad_norm_: norm_type must be positive or inf, but is {norm_type}")
    gradients = _gradients(parameters)
    total = _norm(gradients, norm_type)
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(
            f"clip_grad_norm_: the norm of the gradients is {total}, so clipping would make them NaN or 0; "
            "error_if_nonfinite=False lets it"
        )
    scale = max_norm / (total + 1e-6)
    if not scale >= 1:  # so a NaN goes on into the gradients, as in Torch
        _change(gradients, lambda piece: np.multiply(piece, scale, out=piece))
    return Tensor(np.array(total, np.result_type(np.float32, *(g.dtype for g in gradients))))


@checked
def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Clamp every gradient's elements to [-clip_value, clip_value].

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import optim
    >>> x = tg.Tensor([0.0, 0.0], requires_grad=True)
    >>> (x * tg.Tensor([3.0, -0.5])).sum().backward()
    >>> optim.clip_grad_value_([x], 1.0)
    >>> x.grad
    Tensor([ 1. , -0.5])
    """
    _change(_gradients(parameters), lambda piece: np.clip(piece, -clip_value, clip_value, out=piece))


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [p.grad for p in tensors_of(parameters, "parameters") if p.grad is not None and p.grad.data.size]


def _norm(gradients: Sequence[Tensor], order: float) -> float:
    """The norm of all gradients as one vector: that of the norms of their pieces."""

    def norm(memory: Scratch, piece: np.ndarray) -> float:
        double = memory.take("double", piece.shape, np.float64)
        double[...] = piece
        return float(np.linalg.norm(double, order))

    norms = map_pieces([(norm, {"piece": np.ravel(g.data)}) for g in gradients])
    return float(np.linalg.norm(norms or [0.0], order))


def _change(gradients: Sequence[Tensor], function: Callable[[np.ndarray], object]) -> None:
    """Call a function that changes pieces in place, on all of the gradients."""
    change(gradients, lambda _, array: (lambda _, piece: function(piece), {"piece": array.reshape(-1)}))

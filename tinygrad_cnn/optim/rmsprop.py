"""RMSprop: steps measured against a running mean of the squared gradient."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..arguments import checked
from .optimizer import Optimizer, Update, moving_average


class RMSprop(Optimizer):
    """RMSprop (Tieleman & Hinton 2012, lecture 6.5): p <- p - lr g / (sqrt(mean of g^2) + eps).

    The mean forgets at the rate `alpha`. `centered` (Graves 2013, equations 38 to 45) divides by the standard
    deviation instead: the mean of g^2 less the square of the mean of g, at least 0, under the root.
    `momentum`, `weight_decay`, `maximize`: as in `SGD`.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import optim
    >>> x = tg.Tensor([1.0, -100.0], requires_grad=True)
    >>> optimizer = optim.RMSprop([x], lr=0.1, alpha=0.75)
    >>> (x * x).sum().backward()
    >>> optimizer.step()  # g / sqrt(g^2 / 4) = 2 sign(g)
    >>> x
    Tensor([  0.8, -99.8], requires_grad=True)
    """

    @checked
    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, options)

    def rule(self, p: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> Update:
        lr, alpha, eps = group["lr"], group["alpha"], group["eps"]
        momentum, centered = group["momentum"], group["centered"]
        state["step"] = state.get("step", 0) + 1
        wanted = {"square_avg": True, "momentum_buffer": momentum, "grad_avg": centered}
        for name, is_wanted in wanted.items():
            if is_wanted and name not in state:
                state[name] = np.zeros(p.shape, p.dtype)

        def update(
            p: np.ndarray,
            g: np.ndarray,
            scratch: np.ndarray,
            square_avg: np.ndarray,
            momentum_buffer: np.ndarray | None = None,
            grad_avg: np.ndarray | None = None,
        ) -> None:
            moving_average(square_avg, np.square(g, out=scratch), alpha, scratch)
            if centered and grad_avg is not None:
                moving_average(grad_avg, g, alpha, scratch)
                variance = np.subtract(square_avg, np.square(grad_avg, out=scratch), out=scratch)
                np.maximum(variance, 0, out=variance)  # rounding can leave less than nothing
                deviation = np.sqrt(variance, out=scratch)
            else:
                deviation = np.sqrt(square_avg, out=scratch)
            deviation += eps
            step = np.divide(g, deviation, out=scratch)
            if momentum and momentum_buffer is not None:
                momentum_buffer *= momentum
                momentum_buffer += step
                step = momentum_buffer
            p -= np.multiply(step, lr, out=scratch)

        return update

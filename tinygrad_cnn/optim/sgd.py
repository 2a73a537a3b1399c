"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..arguments import checked
from .optimizer import Optimizer, Update


class SGD(Optimizer):
    """Stochastic gradient descent: p <- p - lr g, or with momentum b <- momentum b + g, p <- p - lr b.

    Robbins & Monro 1951; momentum: Polyak 1964. `nesterov` steps along g + momentum b (Sutskever et al. 2013, in
    Torch's form, where lr is outside the average). `dampening` takes that share off every gradient but the first;
    `weight_decay` adds weight_decay * p to g; `maximize` climbs. Raises ValueError for nesterov without momentum or
    with dampening.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import optim
    >>> x = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = optim.SGD([x], lr=0.5)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x.tolist()
    [0.0, 0.0]
    """

    @checked
    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, options)

    def check_options(self, group: dict[str, Any]) -> None:
        super().check_options(group)
        momentum, dampening = group["momentum"], group["dampening"]
        if group["nesterov"] and (momentum == 0 or dampening != 0):
            raise ValueError(
                f"SGD: nesterov needs a momentum and no dampening, but momentum is {momentum} and dampening {dampening}"
            )

    def rule(self, p: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> Update:
        lr, momentum, nesterov = group["lr"], group["momentum"], group["nesterov"]
        share = 1 - group["dampening"]
        if momentum and "momentum_buffer" not in state:
            state["momentum_buffer"] = np.zeros(p.shape, p.dtype)
            share = 1.0

        def update(
            p: np.ndarray, g: np.ndarray, scratch: np.ndarray, momentum_buffer: np.ndarray | None = None
        ) -> None:
            step = g
            if momentum and momentum_buffer is not None:
                momentum_buffer *= momentum
                momentum_buffer += g if share == 1 else np.multiply(g, share, out=scratch)
                step = momentum_buffer
                if nesterov:
                    step = np.multiply(momentum_buffer, momentum, out=scratch)
                    step += g
            p -= np.multiply(step, lr, out=scratch)

        return update

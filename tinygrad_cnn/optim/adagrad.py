"""Adagrad: steps measured against the sum of all squared gradients so far."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..arguments import checked
from .optimizer import Optimizer, Update


class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan & Singer 2011, figure 1, diagonal): p <- p - lr g / (sqrt(sum of g^2) + eps).

    The sum starts at `initial_accumulator_value`; step t uses lr / (1 + (t - 1) lr_decay). `weight_decay`,
    `maximize`: as in `SGD`.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import optim
    >>> x = tg.Tensor([1.0, -100.0], requires_grad=True)
    >>> optimizer = optim.Adagrad([x], lr=0.5)
    >>> (x * x).sum().backward()
    >>> optimizer.step()  # the first step is lr sign(g)
    >>> x.tolist()
    [0.5, -99.5]
    """

    @checked
    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "maximize": maximize,
        }
        super().__init__(params, options)

    def rule(self, p: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> Update:
        if not state:
            state.update(step=0, sum=np.full(p.shape, group["initial_accumulator_value"], p.dtype))
        lr, eps = group["lr"] / (1 + state["step"] * group["lr_decay"]), group["eps"]
        state["step"] += 1

        def update(p: np.ndarray, g: np.ndarray, scratch: np.ndarray, sum: np.ndarray) -> None:
            sum += np.square(g, out=scratch)
            denominator = np.sqrt(sum, out=scratch)
            denominator += eps
            step = np.divide(g, denominator, out=scratch)
            step *= lr
            p -= step

        return update

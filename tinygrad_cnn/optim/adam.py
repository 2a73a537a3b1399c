"""Adam and AdamW: momentum, measured against a running mean of the squared gradient."""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt
from typing import Any

import numpy as np

from ..arguments import checked
from .optimizer import Optimizer, Update, moving_average


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, algorithm 1): p <- p - lr m / (sqrt(v) + eps).

    m and v are means of g and g^2 that forget at the rates `betas`, freed of their bias towards 0 at the start.
    `amsgrad` (Reddi et al. 2018) divides by the largest v so far. `weight_decay` adds weight_decay * p to g; see
    `AdamW` for the other kind. `maximize` climbs. Raises ValueError for betas outside [0, 1).

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import optim
    >>> x = tg.Tensor([1.0, -100.0], requires_grad=True)
    >>> optimizer = optim.Adam([x], lr=0.5)
    >>> (x * x).sum().backward()
    >>> optimizer.step()  # the first step is lr sign(g)
    >>> x.tolist()
    [0.5, -99.5]
    """

    @checked
    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
        }
        super().__init__(params, options)

    def check_options(self, group: dict[str, Any]) -> None:
        super().check_options(group)
        if len(group["betas"]) != 2:
            raise ValueError(f"{self._name}: betas must be two numbers, but are {group['betas']}")
        if not all(0 <= beta < 1 for beta in group["betas"]):
            raise ValueError(f"{self._name}: betas must be at least 0 and less than 1, but are {group['betas']}")

    def rule(self, p: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> Update:
        amsgrad = group["amsgrad"]
        for name in ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if amsgrad else ("exp_avg", "exp_avg_sq"):
            if name not in state:
                state[name] = np.zeros(p.shape, p.dtype)
        step = state["step"] = state.get("step", 0) + 1

        # m and v's corrections, 1 - beta^t, are taken into lr and eps: see the end of the paper's section 2.
        beta1, beta2 = group["betas"]
        correction = sqrt(1 - beta2**step)
        lr = group["lr"] * correction / (1 - beta1**step)
        eps = group["eps"] * correction

        def update(
            p: np.ndarray,
            g: np.ndarray,
            scratch: np.ndarray,
            exp_avg: np.ndarray,
            exp_avg_sq: np.ndarray,
            max_exp_avg_sq: np.ndarray | None = None,
        ) -> None:
            moving_average(exp_avg, g, beta1, scratch)
            moving_average(exp_avg_sq, np.square(g, out=scratch), beta2, scratch)
            if amsgrad and max_exp_avg_sq is not None:
                exp_avg_sq = np.maximum(max_exp_avg_sq, exp_avg_sq, out=max_exp_avg_sq)
            denominator = np.sqrt(exp_avg_sq, out=scratch)
            denominator += eps
            step = np.divide(exp_avg, denominator, out=scratch)
            step *= lr
            p -= step

        return update


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2): first p <- (1 - lr decay) p.

    The decay is thus the same for all weights, whatever their gradients' size. Options: as in `Adam`.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import optim
    >>> x = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = optim.AdamW([x], lr=0.5, weight_decay=0.5)
    >>> x.grad = tg.Tensor([0.0, 0.0])
    >>> optimizer.step()
    >>> x.tolist()
    [0.75, 1.5]
    """

    decoupled_weight_decay = True

    @checked
    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)

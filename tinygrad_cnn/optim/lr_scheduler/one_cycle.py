"""The one-cycle policy: up to a high rate, then down to almost nothing, momentum going the other way."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi
from typing import Literal

from ...arguments import checked
from ..optimizer import Optimizer
from .scheduler import LRScheduler


class OneCycleLR(LRScheduler):
    """From max_lr / div_factor up to `max_lr`, then down to a `final_div_factor`-th of where it began.

    Smith & Topin (2018). Call `step()` after every batch, `total_steps` (or `epochs * steps_per_epoch`)
    times in all. The way up takes the share `pct_start` of them; with `three_phase` the way back to the first
    rate takes as many again. All follow half a cosine, or a line (`anneal_strategy="linear"`). With
    `cycle_momentum` the optimiser's momentum, or its first beta, goes from `max_momentum` to `base_momentum`
    and back. `max_lr` and the momenta may be lists, one entry per group. Raises ValueError for options that
    make no cycle, and at a step beyond the last.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import optim
    >>> optimizer = optim.Adam([tg.Tensor(0.0)])
    >>> schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=5, pct_start=0.6)
    >>> for _ in range(5):
    ...     lr, (momentum, _) = optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["betas"]
    ...     print(f"{lr:.2f} {momentum:.2f}")
    ...     schedule.step()
    0.04 0.95
    0.52 0.90
    1.00 0.85
    0.50 0.90
    0.00 0.95
    """

    @checked
    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self._attach(optimizer)
        if total_steps is None and epochs is not None and steps_per_epoch is not None:
            total_steps = epochs * steps_per_epoch
        if total_steps is None or total_steps < 1:
            raise ValueError(
                "OneCycleLR: needs total_steps, or epochs and steps_per_epoch, of at least 1, but they are "
                f"{total_steps}, {epochs} and {steps_per_epoch}"
            )
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start must be from 0 to 1, but is {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: anneal_strategy must be 'cos' or 'linear', not {anneal_strategy!r}")
        if cycle_momentum and not {"momentum", "betas"} & set(optimizer.defaults):
            raise ValueError(
                f"OneCycleLR: {type(optimizer).__name__} has no momentum to cycle; pass cycle_momentum=False"
            )
        self.total_steps, self.anneal_strategy = total_steps, anneal_strategy
        self.cycle_momentum = cycle_momentum
        up = pct_start * total_steps - 1
        self._phases = [(up, "initial_lr", "max_lr", "max_momentum", "base_momentum")]
        if three_phase:
            self._phases += [
                (2 * up, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
                (total_steps - 1.0, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
            ]
        else:
            self._phases += [(total_steps - 1.0, "max_lr", "min_lr", "base_momentum", "max_momentum")]
        if last_epoch == -1:
            for group, peak, low, high in zip(
                optimizer.param_groups,
                self._per_group("max_lr", max_lr),
                self._per_group("base_momentum", base_momentum),
                self._per_group("max_momentum", max_momentum),
                strict=True,
            ):
                first = peak / div_factor
                group.update(max_lr=peak, initial_lr=first, min_lr=first / final_div_factor)
                if cycle_momentum:
                    group.update(base_momentum=low, max_momentum=high)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates for step `last_epoch`; it sets the momenta too."""
        t = self.last_epoch
        if t > self.total_steps:
            raise ValueError(f"OneCycleLR: step {t} is beyond the last of total_steps={self.total_steps}")
        i = next((i for i, phase in enumerate(self._phases) if t <= phase[0]), len(self._phases) - 1)
        start, end = self._phases[i - 1][0] if i else 0.0, self._phases[i][0]
        done = (t - start) / (end - start) if end > start else 1.0
        first_lr, last_lr, first_momentum, last_momentum = self._phases[i][1:]
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(self._between(group[first_lr], group[last_lr], done))
            if self.cycle_momentum:
                momentum = self._between(group[first_momentum], group[last_momentum], done)
                if "betas" in group:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum
        return rates

    def _between(self, start: float, end: float, done: float) -> float:
        left = (1 + cos(pi * done)) / 2 if self.anneal_strategy == "cos" else 1 - done
        return end + (start - end) * left

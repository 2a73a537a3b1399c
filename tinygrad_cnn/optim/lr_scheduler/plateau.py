"""A schedule that looks at how training goes instead of at the clock."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Literal, SupportsFloat

from ...arguments import checked
from ..optimizer import Optimizer
from .scheduler import LRScheduler


class ReduceLROnPlateau(LRScheduler):
    """Times `factor` after more than `patience` steps in which the metric got no better than its best.

    Better means lower (`mode="min"`) or higher (`"max"`) by more than `threshold`: as a share of the best
    (`threshold_mode="rel"`) or outright (`"abs"`). For `cooldown` steps after a cut nothing counts as bad. No
    rate goes below `min_lr` (a number, or a list with one per group), nor changes by less than `eps`. NaN is
    never better. Raises ValueError for a factor of 1 or more and for unknown modes.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import optim
    >>> optimizer = optim.SGD([tg.Tensor(0.0)], lr=8.0)
    >>> schedule = optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    >>> for validation_loss in [3.0, 2.0, 2.0, 2.0]:
    ...     schedule.step(validation_loss)
    >>> schedule.get_last_lr()
    [4.0]
    """

    @checked
    def __init__(
        self,
        optimizer: Optimizer,
        mode: Literal["min", "max"] = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: Literal["rel", "abs"] = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if not factor < 1:
            raise ValueError(f"ReduceLROnPlateau: factor must be less than 1, but is {factor}")
        if mode not in ("min", "max"):
            raise ValueError(f"ReduceLROnPlateau: mode must be 'min' or 'max', but is {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"ReduceLROnPlateau: threshold_mode must be 'rel' or 'abs', but is {threshold_mode!r}")
        self._attach(optimizer)
        self._per_group("min_lr", min_lr)
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self.factor, self.min_lr, self.eps = factor, min_lr, eps
        self.patience, self.cooldown = patience, cooldown
        self.best = inf if mode == "min" else -inf
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0
        self._last_lr = self._rates()

    @checked
    def step(self, metrics: SupportsFloat) -> None:  # type: ignore[override]
        """Take note of the metric after another epoch, and cut the rates if it is time."""
        self.last_epoch += 1
        metric = float(metrics)
        if self._is_better(metric):
            self.best = metric
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, lowest in zip(self.optimizer.param_groups, self._per_group("min_lr", self.min_lr), strict=True):
                lr = max(group["lr"] * self.factor, lowest)
                if group["lr"] - lr > self.eps:
                    group["lr"] = lr
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = self._rates()

    def _is_better(self, metric: float) -> bool:
        margin = -self.threshold if self.mode == "min" else self.threshold
        bar = self.best * (1 + margin) if self.threshold_mode == "rel" else self.best + margin
        return metric < bar if self.mode == "min" else metric > bar

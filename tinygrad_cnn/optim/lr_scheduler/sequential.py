"""One schedule after the other."""

from __future__ import annotations

import copy
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from ...arguments import checked
from ..optimizer import Optimizer
from .plateau import ReduceLROnPlateau
from .scheduler import LRScheduler


class SequentialLR(LRScheduler):
    """`schedulers[0]` from step 0 on, and `schedulers[i + 1]`, from its own step 0, at step `milestones[i]`.

    Raises ValueError for milestones that do not ascend or are not one fewer than the schedulers, for a
    schedule of another optimiser, for `ReduceLROnPlateau` (its `step` needs a metric) and for a sequence in
    the sequence.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import optim
    >>> from tinygrad_cnn.optim.lr_scheduler import ConstantLR, SequentialLR, StepLR
    >>> optimizer = optim.SGD([tg.Tensor(0.0)], lr=8.0)
    >>> parts = [ConstantLR(optimizer, factor=0.125), StepLR(optimizer, step_size=1, gamma=0.5)]
    >>> schedule = SequentialLR(optimizer, parts, milestones=[2])
    >>> for _ in range(4):
    ...     print(schedule.get_last_lr())
    ...     schedule.step()
    [1.0]
    [1.0]
    [8.0]
    [4.0]
    """

    not_saved = ("optimizer", "_schedulers")

    @checked
    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int]) -> None:
        self._attach(optimizer)
        if not schedulers:
            raise ValueError("SequentialLR: needs at least one scheduler")
        for i, scheduler in enumerate(schedulers):
            if isinstance(scheduler, (SequentialLR, ReduceLROnPlateau)):
                raise ValueError(f"SequentialLR: schedulers[{i}] must not be a {type(scheduler).__name__}")
            if scheduler.optimizer is not optimizer:
                raise ValueError(f"SequentialLR: schedulers[{i}] belongs to another optimiser")
        if len(milestones) != len(schedulers) - 1 or list(milestones) != sorted(milestones):
            raise ValueError(
                f"SequentialLR: {len(schedulers)} schedulers need {len(schedulers) - 1} ascending milestones "
                f"but got {list(milestones)}"
            )
        self._schedulers, self._milestones = list(schedulers), list(milestones)
        self.last_epoch = 0
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]  # what the schedulers' construction has left is undone
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first.last_epoch = -1
        first.step()
        self._last_lr = first.get_last_lr()

    def step(self) -> None:
        self.last_epoch += 1
        i = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[i]
        if self.last_epoch in self._milestones:
            scheduler.restart()
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "_schedulers": [s.state_dict() for s in self._schedulers]}

    @checked
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._check_state(state_dict)
        vars(self).update(copy.deepcopy({name: value for name, value in state_dict.items() if name != "_schedulers"}))
        for scheduler, saved in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            scheduler.load_state_dict(saved)

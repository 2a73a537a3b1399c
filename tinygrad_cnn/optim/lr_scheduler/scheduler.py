"""What all schedules share: counting steps, setting the groups' rates, saving and loading."""

from __future__ import annotations

import copy
from typing import Any

from ...arguments import checked
from ..optimizer import Optimizer, alike


class LRScheduler:
    """Base of the schedules: `get_lr` gives the groups' rates for step `last_epoch`.

    Construction sets the rates of step 0; every `step()`, called after the optimiser's, those of the next.
    To resume, build the same schedule and `load_state_dict`; or load the optimiser and give `last_epoch`, the
    last step that was done. Raises TypeError for what is not an Optimizer, KeyError if `last_epoch` is given
    and a group has no `initial_lr`.

    >>> import tinygrad_cnn as tg
    >>> class Sawtooth(tg.optim.lr_scheduler.LRScheduler):
    ...     def get_lr(self):
    ...         return [lr * (1 - self.last_epoch % 4 / 4) for lr in self.base_lrs]
    >>> schedule = Sawtooth(tg.optim.SGD([tg.Tensor(0.0)], lr=8.0))
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [6.0]
    """

    not_saved: tuple[str, ...] = ("optimizer",)

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self._attach(optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{self._name}: param_groups[{i}] has no 'initial_lr', needed for last_epoch="
                    f"{last_epoch}; load the optimiser's state from the run that is resumed"
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._last_lr: list[float] = []
        self.step()

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _attach(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{self._name}: expected an Optimizer, not a {type(optimizer).__name__}")
        self.optimizer = optimizer

    def get_lr(self) -> list[float]:
        """The rates for step `last_epoch`, one for each group. Raises NotImplementedError in a class that has none."""
        raise NotImplementedError(f"{self._name} does not say what its rates are")

    def get_last_lr(self) -> list[float]:
        """The rates that were set last."""
        return self._last_lr

    def step(self) -> None:
        """Set the rates for the next step (or epoch: whatever the schedule counts)."""
        self.last_epoch += 1
        self._set_rates(self.get_lr())

    def restart(self) -> None:
        """Begin again at step 0, from the base rates."""
        self._set_rates(self.base_lrs)
        self.last_epoch = -1
        self.step()

    def state_dict(self) -> dict[str, Any]:
        """A copy of all that `load_state_dict` needs; functions and the optimiser are not saved."""
        return copy.deepcopy({name: v for name, v in vars(self).items() if name not in self.not_saved})

    @checked
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned; the rates in force are in the optimiser's own state.

        Raises ValueError, and changes nothing, for what is no state of such a schedule.
        """
        self._check_state(state_dict)
        vars(self).update(copy.deepcopy(state_dict))

    def _check_state(self, state_dict: dict[str, Any]) -> None:
        """Raise ValueError for what `state_dict` of such a schedule can't have returned."""
        if not alike(state_dict, self.state_dict()):
            raise ValueError(f"{self._name}: this is no state of such a schedule: {state_dict!r}")

    def _rates(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def _set_rates(self, rates: list[float]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self._last_lr = self._rates()

    def _per_group(self, name: str, value: Any) -> list[Any]:
        """`value` once per group, unless it is such a list already."""
        count = len(self.optimizer.param_groups)
        if not isinstance(value, (list, tuple)):
            return [value] * count
        if len(value) != count:
            raise ValueError(f"{self._name}: {name} needs {count} entries, one per group, but has {len(value)}")
        return list(value)

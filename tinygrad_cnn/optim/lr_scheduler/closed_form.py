"""Schedules that are one function of time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from math import cos, pi

from ...arguments import checked
from ..optimizer import Optimizer
from .scheduler import LRScheduler


class LambdaLR(LRScheduler):
    """At step t the base rate times `lr_lambda(t)`: one function, or a list with one for each group.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import optim
    >>> optimizer = optim.SGD([tg.Tensor(0.0)], lr=8.0)
    >>> schedule = optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1 / (1 + t))
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [4.0]
    """

    not_saved = ("optimizer", "lr_lambdas")

    @checked
    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self._attach(optimizer)
        self.lr_lambdas = self._per_group("lr_lambda", lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        factors = [function(self.last_epoch) for function in self.lr_lambdas]
        return [base * factor for base, factor in zip(self.base_lrs, factors, strict=True)]


class ClosedFormLR(LRScheduler):
    """Base of the schedules whose rate is a function of time: lr(t) = eta_min + (base - eta_min) share(t).

    It is followed by ratios, lr <- eta_min + (lr - eta_min) share(t) / share(t - 1), so that what else
    changes lr, by hand or by a second schedule, stays in force, as in Torch. A new one needs a `share`:

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn.optim.lr_scheduler.closed_form import ClosedFormLR
    >>> class Harmonic(ClosedFormLR):
    ...     def share(self, t):
    ...         return 1 / (1 + t)
    >>> schedule = Harmonic(tg.optim.SGD([tg.Tensor(0.0)], lr=8.0))
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [4.0]
    """

    eta_min = 0.0

    def share(self, t: int) -> float:
        """The rate at step t as a share of the base rate. Raises NotImplementedError in a class that has none."""
        raise NotImplementedError

    def get_lr(self) -> list[float]:
        t, eta_min, rates = self.last_epoch, self.eta_min, self._rates()
        now, before = self.share(t), self.share(t - 1) if t else 1.0
        resumed = t > 0 and not self._last_lr  # then the loaded rates are this step's already
        if now == before or resumed:
            return rates
        if before == 0:  # nothing is left to scale
            return [lr + (base - eta_min) * now for lr, base in zip(rates, self.base_lrs, strict=True)]
        return [eta_min + (lr - eta_min) * (now / before) for lr in rates]


class StepLR(ClosedFormLR):
    """Times `gamma` every `step_size` steps. ValueError for a size below 1.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import optim
    >>> optimizer = optim.SGD([tg.Tensor(0.0)], lr=8.0)
    >>> schedule = optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    >>> for _ in range(4):
    ...     print(schedule.get_last_lr())
    ...     schedule.step()
    [8.0]
    [8.0]
    [4.0]
    [4.0]
    """

    @checked
    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        if step_size < 1:
            raise ValueError(f"StepLR: step_size must be at least 1, but is {step_size}")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def share(self, t: int) -> float:
        return self.gamma ** (t // self.step_size)


class MultiStepLR(ClosedFormLR):
    """Times `gamma` at each of the steps in `milestones`; a step named twice counts twice.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import optim
    >>> optimizer = optim.SGD([tg.Tensor(0.0)], lr=8.0)
    >>> schedule = optim.lr_scheduler.MultiStepLR(optimizer, milestones=[1, 3], gamma=0.5)
    >>> for _ in range(4):
    ...     print(schedule.get_last_lr())
    ...     schedule.step()
    [8.0]
    [4.0]
    [4.0]
    [2.0]
    """

    @checked
    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def share(self, t: int) -> float:
        return self.gamma ** bisect_right(self.milestones, t)


class ConstantLR(ClosedFormLR):
    """Times `factor` until step `total_iters`, the base rate from then on. ValueError for a factor outside [0, 1].

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import optim
    >>> optimizer = optim.SGD([tg.Tensor(0.0)], lr=8.0)
    >>> schedule = optim.lr_scheduler.ConstantLR(optimizer, factor=0.5, total_iters=1)
    >>> for _ in range(2):
    ...     print(schedule.get_last_lr())
    ...     schedule.step()
    [4.0]
    [8.0]
    """

    @checked
    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5, last_epoch: int = -1) -> None:
        if not 0 <= factor <= 1:
            raise ValueError(f"ConstantLR: factor must be from 0 to 1, but is {factor}")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def share(self, t: int) -> float:
        return self.factor if t < self.total_iters else 1.0


class LinearLR(ClosedFormLR):
    """From `start_factor` to `end_factor` times the base rate, along a line of `total_iters` steps.

    A warm-up, as in Goyal et al. 2017, section 2.2. Raises ValueError for factors outside [0, 1], a start of 0, and
    fewer than one step.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import optim
    >>> optimizer = optim.SGD([tg.Tensor(0.0)], lr=8.0)
    >>> schedule = optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> for _ in range(3):
    ...     print(schedule.get_last_lr())
    ...     schedule.step()
    [4.0]
    [6.0]
    [8.0]
    """

    @checked
    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError(f"LinearLR: start_factor must be above 0 and at most 1, but is {start_factor}")
        if not 0 <= end_factor <= 1:
            raise ValueError(f"LinearLR: end_factor must be from 0 to 1, but is {end_factor}")
        if total_iters < 1:
            raise ValueError(f"LinearLR: total_iters must be at least 1, but is {total_iters}")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def share(self, t: int) -> float:
        done = min(t / self.total_iters, 1.0)
        return self.start_factor + (self.end_factor - self.start_factor) * done


class ExponentialLR(ClosedFormLR):
    """Times `gamma` at every step.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import optim
    >>> optimizer = optim.SGD([tg.Tensor(0.0)], lr=8.0)
    >>> schedule = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [4.0]
    """

    @checked
    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def share(self, t: int) -> float:
        return self.gamma**t


class CosineAnnealingLR(ClosedFormLR):
    """Half a cosine from the base rate down to `eta_min` in `T_max` steps, and up again in as many.

    Loshchilov & Hutter 2017, equation 5, without the restarts. Raises ValueError for a T_max below 1.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import optim
    >>> optimizer = optim.SGD([tg.Tensor(0.0)], lr=3.0)
    >>> schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2, eta_min=1.0)
    >>> for _ in range(3):
    ...     print(f"{schedule.get_last_lr()[0]:.3f}")
    ...     schedule.step()
    3.000
    2.000
    1.000
    """

    @checked
    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        if T_max < 1:
            raise ValueError(f"CosineAnnealingLR: T_max must be at least 1, but is {T_max}")
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def share(self, t: int) -> float:
        return (1 + cos(pi * t / self.T_max)) / 2

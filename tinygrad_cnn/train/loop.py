"""The training loop, for any Module whose output `(N, 1)` is to become an age.

The model learns standardised ages (mean 0, standard deviation 1: see `AgeScale`); everything reported is in years.
"""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..data import DataLoader
from ..losses import l1_loss
from ..modes import no_grad
from ..nn import Module
from ..optim import Optimizer
from ..optim.lr_scheduler import LRScheduler
from ..tensor import Tensor
from .metrics import AgeErrors

Loss = Callable[[Tensor, Tensor], Tensor]
Step = Callable[[Tensor, Tensor], tuple[float, np.ndarray]]


class AgeScale(NamedTuple):
    """Between ages in years and the standardised numbers that a model gives.

    >>> scale = AgeScale.of([20, 30, 40, 50])
    >>> scale.mean, scale.years(scale.targets([35.0]).numpy())
    (35.0, array([35.], dtype=float32))
    """

    mean: float
    std: float

    @classmethod
    def of(cls, ages: ArrayLike) -> AgeScale:
        """The scale on which these ages have mean 0 and standard deviation 1 (ages all equal: only mean 0)."""
        ages = np.asarray(ages, np.float64)
        return cls(float(ages.mean()), float(ages.std()) or 1.0)

    def targets(self, ages: ArrayLike) -> Tensor:
        """Ages `(N,)` in years as what the model should give, `(N, 1)`."""
        standard = (np.asarray(ages, np.float64) - self.mean) / self.std
        return Tensor(standard.astype(np.float32)[:, None])

    def years(self, outputs: np.ndarray) -> np.ndarray:
        """What the model gave, `(N, 1)`, as ages `(N,)` in years; none is below 0."""
        return np.maximum(outputs[:, 0] * self.std + self.mean, 0).astype(np.float32)


@dataclass
class Pass:
    """What one pass over the faces gave."""

    loss: float  # mean over the faces
    errors: AgeErrors
    seconds: float
    predicted: np.ndarray  # (N,) years, in the order of the batches
    true: np.ndarray  # (N,) years

    @property
    def images_per_second(self) -> float:
        return self.errors.count / self.seconds


def train_epoch(
    model: Module,
    loader: DataLoader,
    scale: AgeScale,
    loss: Loss,
    optimizer: Optimizer,
    schedule: LRScheduler | None = None,
    title: str = "training",
) -> Pass:
    """One step of the optimiser for each batch, with a progress bar. The errors are those before each step.

    The loader gives images `(N, C, H, W)` and ages `(N,)` in years; `loss(outputs, targets)` is a batch's mean;
    `schedule` is stepped after every batch. Raises FloatingPointError as soon as the loss is no finite number,
    ValueError for a loader without faces.
    """

    def step(images: Tensor, targets: Tensor) -> tuple[float, np.ndarray]:
        # The graph lives in this frame alone: when the next batch comes, its memory is free again.
        optimizer.zero_grad()
        outputs = model(images)
        mean_loss = loss(outputs, targets)
        mean_loss.backward()
        optimizer.step()
        if schedule is not None:
            schedule.step()
        return mean_loss.item(), outputs.data

    model.train()
    return _go_through(loader, scale, step, title)


def evaluate(
    model: Module, loader: DataLoader, scale: AgeScale, loss: Loss = l1_loss, title: str = "evaluating"
) -> Pass:
    """Loss and errors of the model as it is, in evaluation mode, with a progress bar; no graph is recorded."""

    def look(images: Tensor, targets: Tensor) -> tuple[float, np.ndarray]:
        outputs = model(images)
        return loss(outputs, targets).item(), outputs.data

    model.eval()
    with no_grad():
        return _go_through(loader, scale, look, title)


def _go_through(loader: DataLoader, scale: AgeScale, step: Step, title: str) -> Pass:
    from tqdm import tqdm

    if not len(loader):
        raise ValueError(f"{title}: the loader gives no faces")
    total, errors, predicted, true = 0.0, AgeErrors(), [], []
    started = time.perf_counter()
    with (
        tqdm(desc=title, total=len(loader.dataset), unit=" images", leave=False, disable=None) as bar,
        interrupts_wait() as stop_if_interrupted,
        np.errstate(over="ignore", invalid="ignore"),  # the loss says so
    ):
        for images, age_tensor in loader:
            ages = age_tensor.numpy()
            loss, outputs = step(images, scale.targets(ages))
            if not math.isfinite(loss):
                raise FloatingPointError(
                    f"{title}: the loss became {loss} after {errors.count} images; try a lower learning rate"
                )
            predicted.append(scale.years(outputs))
            true.append(ages)
            total += loss * len(ages)
            errors.update(predicted[-1], ages)
            bar.set_postfix_str(f"loss {total / errors.count:.3f}, MAE {errors.mae:.2f} years", refresh=False)
            bar.update(len(ages))
            stop_if_interrupted()
    seconds = time.perf_counter() - started
    return Pass(total / errors.count, errors, seconds, np.concatenate(predicted), np.concatenate(true))


@contextlib.contextmanager
def interrupts_wait() -> Iterator[Callable[[], None]]:
    """Inside, Ctrl-C waits for a call of the function that this gives, which then raises KeyboardInterrupt.

    So no step of the optimiser is left half done. A second Ctrl-C does not wait. Outside the main thread, and
    where the program handles SIGINT in its own way, nothing changes.
    """
    asked = False

    def note(number: int, frame: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    def stop_if_interrupted() -> None:
        if asked:
            raise KeyboardInterrupt

    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not usual or threading.current_thread() is not threading.main_thread():
        yield stop_if_interrupted
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield stop_if_interrupted
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)

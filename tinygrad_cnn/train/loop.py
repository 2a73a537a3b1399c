"""The training loop, for any Module whose outputs a head can teach and read (see `heads`)."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ..data import DataLoader
from ..modes import no_grad
from ..nn import Module
from ..optim import EMA, Optimizer, clip_grad_norm_
from ..optim.lr_scheduler import LRScheduler
from ..tensor import Tensor
from .heads import Head
from .metrics import Errors

Step = Callable[[Tensor, Tensor], tuple[float, Tensor]]  # images and targets -> loss and predictions


@dataclass
class Pass:
    """What one pass over the faces gave."""

    loss: float  # mean over the faces
    errors: Errors
    seconds: float
    predicted: np.ndarray  # (N,) or (N, width), what the head makes of the outputs, in the order of the batches
    true: np.ndarray  # (N,) or (N, subjects)

    @property
    def images_per_second(self) -> float:
        return self.errors.count / self.seconds


def train_epoch(
    model: Module,
    loader: DataLoader,
    head: Head,
    optimizer: Optimizer,
    schedule: LRScheduler | None = None,
    title: str = "training",
    *,
    max_norm: float | None = None,
    average: EMA | None = None,
) -> Pass:
    """One step of the optimiser for each batch, with a progress bar. The errors are those before each step.

    The loader gives images `(N, C, H, W)` and targets as the head takes them. Gradients longer than `max_norm` are cut
    to it; after every step, `schedule` is stepped and `average` follows the weights. Raises FloatingPointError as soon
    as the loss is no finite number, ValueError for a loader without faces.
    """

    def step(images: Tensor, targets: Tensor) -> tuple[float, Tensor]:
        # The graph lives in this frame alone: when the next batch comes, its memory is free again.
        optimizer.zero_grad()
        outputs = model(images)
        loss = head.loss(outputs, targets)
        loss.backward()
        if max_norm is not None:
            clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
        if schedule is not None:
            schedule.step()
        if average is not None:
            average.update()
        return loss.item(), head.predict(outputs.detach())

    model.train()
    return _go_through(loader, step, head.errors(), title)


def evaluate(model: Module, loader: DataLoader, head: Head, title: str = "evaluating", *, flip: bool = False) -> Pass:
    """Loss and errors of the model as it is, in evaluation mode, with a progress bar; no graph is recorded.

    With `flip` a prediction is the mean of two: see `see`. The loss is that of the pictures as they are.
    """

    def look(images: Tensor, targets: Tensor) -> tuple[float, Tensor]:
        outputs, predicted = see(model, head, images, flip)
        return head.loss(outputs, targets).item(), predicted

    model.eval()
    with no_grad():
        return _go_through(loader, look, head.errors(), title)


def see(model: Module, head: Head, images: Tensor, flip: bool = False) -> tuple[Tensor, Tensor]:
    """The outputs for pictures `(N, C, H, W)`, and what the head reads in them.

    With `flip` a prediction is the mean of those for the picture and for its mirror image.
    """
    outputs = model(images)
    predicted = head.predict(outputs)
    if flip:
        predicted = (predicted + head.predict(model(images.flip(3)))) / 2
    return outputs, predicted


def reported(predicted: Tensor) -> np.ndarray:
    """Predictions as they are reported: float32, and no age below 0."""
    return np.maximum(predicted.data, 0).astype(np.float32)


def _go_through(loader: DataLoader, step: Step, errors: Errors, title: str) -> Pass:
    from tqdm import tqdm

    if not len(loader):
        raise ValueError(f"{title}: the loader gives no faces")
    total, predicted, true = 0.0, [], []
    started = time.perf_counter()
    with (
        tqdm(desc=title, total=len(loader.dataset), unit=" images", leave=False, disable=None) as bar,
        interrupts_wait() as stop_if_interrupted,
        np.errstate(over="ignore", invalid="ignore"),  # the loss says so
    ):
        for images, targets in loader:
            loss, answers = step(images, targets)
            if not math.isfinite(loss):
                raise FloatingPointError(
                    f"{title}: the loss became {loss} after {errors.count} images; try a lower learning rate"
                )
            predicted.append(reported(answers))
            true.append(targets.numpy())
            total += loss * len(true[-1])
            errors.update(predicted[-1], true[-1])
            bar.set_postfix_str(f"loss {total / errors.count:.3f}, {errors.words()}", refresh=False)
            bar.update(len(true[-1]))
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

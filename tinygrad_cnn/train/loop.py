"""The training loop, for any Module whose outputs a head can teach and read (see `heads`)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..arguments import checked
from ..data import DataLoader
from ..modes import no_grad
from ..nn import Module
from ..optim import EMA, Optimizer, clip_grad_norm_
from ..optim.lr_scheduler import LRScheduler
from ..progress import progress_bar
from ..tensor import Tensor
from .divergence import Rerun, first_operation, not_finite
from .heads import Head
from .interrupts import interrupts_wait
from .metrics import Errors

Step = Callable[[Tensor, Tensor], tuple[float, Tensor]]  # images and targets -> loss and predictions


class Pass:
    """What one pass over the faces has given so far; it grows with every batch that is added.

    >>> import numpy as np
    >>> from tinygrad_cnn.train import AgeErrors, Pass
    >>> seen = Pass(AgeErrors())
    >>> seen.add(0.5, predicted=np.array([20.0, 30.0]), true=np.array([22.0, 30.0]))
    >>> seen.loss, seen.errors.mae
    (0.5, 1.0)
    """

    @checked
    def __init__(self, errors: Errors) -> None:
        self.errors = errors
        self.seconds = 0.0
        self._batches: list[tuple[float, np.ndarray, np.ndarray]] = []  # loss, predicted and true
        self._total = 0.0

    @checked
    def add(self, loss: float, predicted: np.ndarray, true: np.ndarray) -> None:
        """Count one batch in: its mean loss, what the head makes of the outputs, and what is true, each `(N, ...)`."""
        self._batches.append((loss, predicted, true))
        self._total += loss * len(true)
        self.errors.update(predicted, true)

    @property
    def loss(self) -> float:
        """Mean over the faces."""
        return self._total / self.errors.count

    @property
    def predicted(self) -> np.ndarray:
        """What the head makes of the outputs, `(N,)` or `(N, width)`, in the order of the batches."""
        return np.concatenate([predicted for _, predicted, _ in self._batches] or [np.zeros(0, np.float32)])

    @property
    def true(self) -> np.ndarray:
        """`(N,)` or `(N, subjects)`, in the order of the batches."""
        return np.concatenate([true for _, _, true in self._batches] or [np.zeros(0, np.float32)])

    @property
    def images_per_second(self) -> float:
        """Faces for each second that the pass took."""
        return self.errors.count / self.seconds

    def __repr__(self) -> str:
        return f"<Pass: loss {self.loss:.4g}, {self.errors!r}>" if self.errors.count else "<Pass: no batch yet>"

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs to add the same batches again: so every sum is the same to the bit."""
        losses = np.array([loss for loss, _, _ in self._batches], np.float64)
        sizes = np.array([len(true) for _, _, true in self._batches], np.int64)
        pairs = {"predicted": self.predicted, "true": self.true}
        return {"seconds": self.seconds, "losses": losses, "sizes": sizes, **pairs}

    @checked
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Begin, in a pass without batches, where another one was when `state_dict` was called.

        Raises KeyError or ValueError for what is no such state.
        """
        self.seconds = float(state_dict["seconds"])
        ends = np.cumsum(state_dict["sizes"])
        for loss, size, end in zip(state_dict["losses"].tolist(), state_dict["sizes"], ends, strict=True):
            batch = slice(end - size, end)
            self.add(loss, state_dict["predicted"][batch], state_dict["true"][batch])


@checked
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
    so_far: Pass | None = None,
    after_step: Callable[[], object] | None = None,
) -> Pass:
    """One step of the optimiser for each batch, with a progress bar. The errors are those before each step.

    The loader gives images `(N, C, H, W)` and targets as the head takes them. Gradients longer than `max_norm` are cut
    to it; after every step, `schedule` is stepped and `average` follows the weights. The pass goes on from `so_far`,
    where the loader was told to begin in the middle of an epoch. `after_step` is called when a step is done and
    counted.

    Raises FloatingPointError as soon as the loss or a gradient is no finite number, before that step changes anything,
    and says which operation was the first to make one: the step is run again under `detect_anomaly`. Raises ValueError
    for a loader without faces, and Interrupted for a Ctrl-C or a SIGTERM.

    >>> from tinygrad_cnn import data, nn, optim, train
    >>> faces = data.SyntheticFaces(8, size=16)
    >>> loader, head = data.DataLoader(faces, batch_size=4), train.Regression.of(faces.ages)
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 1))
    >>> seen = train.train_epoch(model, loader, head, optim.AdamW(model.parameters(), lr=1e-3))
    >>> seen.errors.count, seen.predicted.shape
    (8, (8,))
    """

    def step(images: Tensor, targets: Tensor) -> tuple[float, Tensor]:
        # The graph lives in this frame alone: when the next batch comes, its memory is free again.
        before.remember()
        optimizer.zero_grad()
        outputs = model(images)
        loss = head.loss(outputs, targets)
        loss.backward()
        if (what := not_finite(loss, model)) is not None:
            why = before.explain(lambda: head.loss(model(images), targets))
            raise FloatingPointError(f"{title}: {what} after {result.errors.count} images. {why}")
        if max_norm is not None:
            clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
        if schedule is not None:
            schedule.step()
        if average is not None:
            average.update()
        return loss.item(), head.predict(outputs.detach())

    model.train()
    result, before = so_far or Pass(head.errors()), Rerun(model)
    return _go_through(loader, step, result, title, after_step)


@checked
def evaluate(model: Module, loader: DataLoader, head: Head, title: str = "evaluating", *, flip: bool = False) -> Pass:
    """Loss and errors of the model as it is, in evaluation mode, with a progress bar; no graph is recorded.

    With `flip` a prediction is its `flip_average`. The loss is that of the pictures as they are.
    Raises FloatingPointError for a loss that is no finite number, which says what was the first operation to make one;
    ValueError for a loader without faces, and Interrupted for a Ctrl-C or a SIGTERM.

    >>> from tinygrad_cnn import data, nn, train
    >>> faces = data.SyntheticFaces(8, size=16)
    >>> loader, head = data.DataLoader(faces, batch_size=4), train.Regression.of(faces.ages)
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 1))
    >>> seen = train.evaluate(model, loader, head)
    >>> seen.errors.count, seen.predicted.shape
    (8, (8,))
    """

    def look(images: Tensor, targets: Tensor) -> tuple[float, Tensor]:
        outputs, predicted = see(model, head, images, flip)
        loss = head.loss(outputs, targets).item()
        if not math.isfinite(loss):
            why = first_operation(lambda: head.loss(model(images), targets))
            raise FloatingPointError(f"{title}: the loss became {loss} after {result.errors.count} images. {why}")
        return loss, predicted

    model.eval()
    result = Pass(head.errors())
    with no_grad():
        return _go_through(loader, look, result, title)


@checked
def flip_average(function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """The mean of what `function`, such as a Module, gives for pictures `(..., H, W)` and for their mirror images.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn.train import flip_average
    >>> flip_average(lambda images: images[..., 0], tg.Tensor([[1.0, 2.0, 5.0]])).tolist()
    [3.0]
    """
    return (function(images) + function(images.flip(-1))) / 2


def see(model: Module, head: Head, images: Tensor, flip: bool = False) -> tuple[Tensor, Tensor]:
    """The outputs for pictures `(N, C, H, W)`, and what the head reads in them, or with `flip` its `flip_average`."""
    outputs = model(images)

    def read(pictures: Tensor) -> Tensor:
        return head.predict(outputs if pictures is images else model(pictures))

    return outputs, flip_average(read, images) if flip else read(images)


def reported(predicted: Tensor) -> np.ndarray:
    """Predictions as they are reported: float32, and no age below 0."""
    return np.maximum(predicted.data, 0).astype(np.float32)


def _go_through(
    loader: DataLoader, step: Step, result: Pass, title: str, after_step: Callable[[], object] | None = None
) -> Pass:
    if not isinstance(loader, DataLoader):
        raise TypeError(f"{title}: expected a DataLoader, such as DataLoader(faces), not {type(loader).__name__}")
    if not len(loader):
        raise ValueError(f"{title}: the loader gives no faces")
    errors, count = result.errors, len(loader.dataset)
    started = time.perf_counter() - result.seconds
    with (
        progress_bar(title, count, "images", errors.count) as bar,
        interrupts_wait() as stop_if_interrupted,
        np.errstate(over="ignore", invalid="ignore"),  # the loss says so
    ):
        for images, targets in loader:
            loss, answers = step(images, targets)
            result.add(loss, reported(answers), targets.numpy())
            result.seconds = time.perf_counter() - started
            bar.set_postfix_str(f"loss {result.loss:.3f}, {errors.words()}", refresh=False)
            bar.update(len(targets))
            if after_step is not None:
                after_step()
            stop_if_interrupted()
    return result

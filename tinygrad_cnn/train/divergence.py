"""When a training step gives no finite numbers: run it once more, watched, to say which operation was the first."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..anomaly import first_anomaly
from ..nn import Module
from ..random import default_generator
from ..tensor import Tensor


class Rerun:
    """Keeps what a forward pass in training mode changes: buffers, and what dropout draws from."""

    def __init__(self, model: Module) -> None:
        self.model, self.buffers = model, [*model.buffers()]
        self.remember()

    def remember(self) -> None:
        """Take this moment as the one to go back to."""
        self.values = [buffer.data.copy() for buffer in self.buffers]
        self.generator = default_generator().bit_generator.state

    def go_back(self) -> None:
        for buffer, values in zip(self.buffers, self.values, strict=True):
            buffer.data = values.copy()
        default_generator().bit_generator.state = self.generator
        self.model.zero_grad()

    def explain(self, loss_of_step: Callable[[], Tensor]) -> str:
        """What `detect_anomaly` finds in the step; afterwards all is as it was before it."""

        def step() -> Tensor:
            (loss := loss_of_step()).backward()
            return loss

        self.go_back()
        try:
            return first_operation(step)
        finally:
            self.go_back()


def first_operation(compute: Callable[[], Tensor]) -> str:
    """Which operation was the first to make a number that is not finite, and what to try, in words."""
    if (error := first_anomaly(compute)) is None:
        return "Run once more, it gave finite numbers. Try: a lower learning rate, or clipped gradients"
    return f"First: {error}"


def not_finite(loss: Tensor, model: Module) -> str | None:
    """What is no finite number after backward: the loss, or a parameter's gradient; None if all is well."""
    if not np.isfinite(loss.data):
        return f"the loss became {loss.item()}"
    for name, parameter in model.named_parameters():
        gradient = None if parameter.grad is None else parameter.grad.data
        if gradient is not None and not np.isfinite(gradient.sum()) and not np.isfinite(gradient).all():
            return f"the gradient of {name} became {'NaN' if np.isnan(gradient).any() else 'infinite'}"
    return None

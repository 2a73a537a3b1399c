"""An exponential moving average of a model's weights: smoother than the last ones, and often better."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import checked
from ..kernels.memory import Scratch
from ..kernels.piecewise import map_pieces
from ..tensor import Tensor
from .optimizer import moving_average

if TYPE_CHECKING:
    from ..nn import Module


class EMA:
    """The average of a model's parameters and buffers over the steps so far, recent ones counting most.

    average <- d average + (1 - d) weights (Polyak & Juditsky 1992 average evenly; Tarvainen & Valpola 2017 as here).
    d is `decay`, but (1 + t) / (10 + t) at step t where that is less, so that the first weights are soon forgotten.
    Running statistics of batch norm are averaged like weights; integers, such as its count of batches, are copied.
    Raises ValueError for a decay outside [0, 1).

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import optim
    >>> model = tg.nn.Linear(1, 1, bias=False)
    >>> model.weight.data[...] = 1.0
    >>> average = optim.EMA(model, decay=0.9)
    >>> model.weight.data[...] = 12.0
    >>> average.update()  # d is 2/11 here
    >>> with average.applied():
    ...     round(model.weight.item(), 5)
    10.0
    >>> model.weight.item()
    12.0
    """

    @checked
    def __init__(self, model: Module, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"EMA: decay must be at least 0 and less than 1, but is {decay}")
        self.decay, self.updates = decay, 0
        self._tensors: dict[str, Tensor] = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        self._average = {name: np.array(tensor.data, order="C") for name, tensor in self._tensors.items()}
        self._applied = False

    def update(self) -> None:
        """Follow the weights; call it after every step of the optimiser. Raises RuntimeError inside `applied`."""
        if self._applied:
            raise RuntimeError("EMA: update() inside applied(), where the model's weights are the average itself")
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, tensor in self._tensors.items():
            self._average[name] = _moved(self._average[name], tensor.data, decay)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the model holds the average, to be evaluated or saved; after it, its own weights again.

        Nothing is copied: the arrays change places. Raises RuntimeError inside another `applied`.
        """
        if self._applied:
            raise RuntimeError("EMA: applied() inside applied()")
        own = {name: tensor.data for name, tensor in self._tensors.items()}
        self._applied = True
        try:
            for name, tensor in self._tensors.items():
                tensor.data = self._average[name]
            yield
        finally:
            for name, tensor in self._tensors.items():
                tensor.data = own[name]
            self._applied = False

    def state_dict(self) -> dict[str, Any]:
        """A copy of the average by the tensors' names, and the number of updates."""
        return {"updates": self.updates, "average": {name: array.copy() for name, array in self._average.items()}}

    @checked
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned.

        Raises ValueError, and changes nothing, where names or shapes are another model's, and for what is no such
        state at all.
        """
        expected = {name: array.shape for name, array in self._average.items()}
        try:
            saved = {name: np.asarray(array) for name, array in state_dict["average"].items()}
            if {name: array.shape for name, array in saved.items()} != expected:
                raise ValueError(f"EMA: the saved average does not fit this model's names and shapes, {expected}")
            with np.errstate(over="raise", invalid="raise"):
                average = {name: saved[name].astype(own.dtype, order="C") for name, own in self._average.items()}
            updates = int(state_dict["updates"])
        except (ArithmeticError, AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"EMA: this is no state of an average: {error!r}") from error
        if updates < 0 or any(array.dtype.kind not in "fiub" for array in saved.values()):
            raise ValueError(f"EMA: this is no state of an average: it holds no real numbers, or {updates} updates")
        self._average, self.updates = average, updates


def _moved(average: np.ndarray, values: np.ndarray, decay: float) -> np.ndarray:
    """The average one step on: in place, unless a live graph still needs its array."""
    target = average if average.flags.writeable else average.copy()
    if target.dtype.kind != "f":
        target[...] = values
        return target
    mean, new = target.reshape(-1), np.ascontiguousarray(values).reshape(-1)

    def update_piece(memory: Scratch, mean: np.ndarray, new: np.ndarray) -> None:
        moving_average(mean, new, decay, memory.take("scratch", mean.shape, mean.dtype))

    map_pieces([(update_piece, {"mean": mean, "new": new})])
    return target

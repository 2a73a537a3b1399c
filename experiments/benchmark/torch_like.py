"""Tasks for the frameworks that have PyTorch's names, tinygrad_cnn and PyTorch itself: both run the same lines."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from models.age_cnn import AgeCNN

from . import networks
from .worker import Task


class Framework:
    """One of the two, as a task needs it. `channels_last` is PyTorch's other memory layout, faster on most CPUs."""

    def __init__(self, name: str, threads: int, channels_last: bool = False, fused: bool = False) -> None:
        self.module = importlib.import_module(name)
        self.nn, self.optim = self.module.nn, self.module.optim
        self.F = self.module.functional if name == "tinygrad_cnn" else self.nn.functional
        self.no_grad = self.module.no_grad if name == "tinygrad_cnn" else self.module.inference_mode
        self.layout = {"memory_format": self.module.channels_last} if channels_last else {}
        self.fused = {"fused": True} if fused else {}
        self.module.set_num_threads(threads)

    def tensor(self, array: np.ndarray, requires_grad: bool = False) -> Any:
        tensor = self.module.from_numpy(array)
        if self.layout and array.ndim == 4:
            tensor = tensor.contiguous(**self.layout)
        return tensor.requires_grad_(requires_grad)

    def network(self, name: str) -> Any:
        """With the first weights that all contenders have."""
        if name == "AgeCNN" and self.module.__name__ == "tinygrad_cnn":
            model: Any = AgeCNN()
        else:
            model = {"AgeCNN": networks.age_cnn, "small ResNet": networks.small_resnet}[name](self.nn, self.F)
        weights = networks.first_weights((name, tuple(p.shape)) for name, p in model.named_parameters())
        model.load_state_dict({name: self.tensor(array) for name, array in weights.items()}, strict=False)
        return model.to(**self.layout) if self.layout else model


def training_step(
    network: str, batch: int, per: str = "step", framework: dict[str, Any] | None = None, **settings: Any
) -> Task:
    """Forward, loss, backward, AdamW. `per` says what a unit of work is: a step or a flop."""
    step = _training(Framework(threads=settings["threads"], **framework or {}), network, batch)
    work = networks.age_cnn_training_flops(batch) if per == "flop" else 1.0
    return Task(step, work, check=lambda: [step() for _ in range(3)])


def _training(lib: Framework, network: str, batch: int) -> Callable[[], float]:
    model = lib.network(network)
    images, targets = map(lib.tensor, networks.batch(network, batch))
    optimizer = lib.optim.AdamW(model.parameters(), lr=1e-3, **lib.fused)
    loss_between = lib.F.mse_loss if network == "AgeCNN" else lib.F.cross_entropy

    def step() -> float:
        optimizer.zero_grad()
        loss = loss_between(model(images), targets)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step

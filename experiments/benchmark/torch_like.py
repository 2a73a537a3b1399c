"""Tasks for the frameworks that have PyTorch's names, tinygrad_cnn and PyTorch itself: both run the same lines."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

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
        if name == "small ResNet":
            model = networks.small_resnet(self.nn, self.F)
        elif self.module.__name__ == "tinygrad_cnn":
            from models.age_cnn import AgeCNN

            model = AgeCNN()
        else:
            model = networks.age_cnn_twin(self.nn, self.F)
        weights = networks.first_weights((name, tuple(p.shape)) for name, p in model.named_parameters())
        model.load_state_dict({name: self.tensor(array) for name, array in weights.items()}, strict=False)
        return model.to(**self.layout) if self.layout else model


def make(task: str, framework: str, threads: int, layout: str = "", fused: bool = False, **arguments: Any) -> Task:
    """The task of this name, one of those below, in this framework."""
    return TASKS[task](Framework(framework, threads, layout == "channels_last", fused), **arguments)


# -- networks -------------------------------------------------------------------------------------------------


def training_step(lib: Framework, network: str, batch: int, per: str = "step") -> Task:
    """Forward, loss, backward, AdamW. A unit of work is a step.

    With `per` "flop" it is an operation of AgeCNN's products, and there is nobody to agree with on a loss.
    """
    step = _trainer(lib, network)
    examples = _batch(lib, network, batch)
    if per == "flop":
        return Task(lambda: step(*examples), networks.age_cnn_training_flops(batch))
    return Task(lambda: step(*examples), check=lambda: [step(*examples) for _ in range(3)])


def training_memory(lib: Framework, network: str, batch: int) -> Task:
    """Bytes that training steps add, at their peak, to a new process that is warm.

    Warm: the batch is there, and steps of one example have loaded all code, started all threads and made the
    optimiser's state. Then the peak is set back (Linux can) and three steps of the whole batch are done. What is
    given is the peak of resident memory, less what was resident before: activations, gradients and scratch memory.
    A second time in a process it would be next to nothing: frameworks keep the memory that they have.
    """
    step = _trainer(lib, network)
    examples, one = _batch(lib, network, batch), _batch(lib, network, 1)

    def added() -> float:
        for _ in range(3):
            step(*one)
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # the peak becomes what is resident now
        before = _status_bytes("VmRSS")
        for _ in range(3):
            step(*examples)
        return _status_bytes("VmHWM") - before

    return Task(added, gives_cost=True)


def inference(lib: Framework, network: str, batch: int) -> Task:
    """Forward without a graph, in evaluation mode."""
    model = lib.network(network).eval()
    images, _ = _batch(lib, network, batch)

    def step() -> Any:
        with lib.no_grad():
            return model(images)

    return Task(step, check=lambda: [fingerprint(step())])


def _trainer(lib: Framework, network: str) -> Callable[[Any, Any], float]:
    model = lib.network(network)
    optimizer = lib.optim.AdamW(model.parameters(), lr=networks.LEARNING_RATES[network], **lib.fused)
    loss_between = lib.F.mse_loss if network == "AgeCNN" else lib.F.cross_entropy

    def step(images: Any, targets: Any) -> float:
        optimizer.zero_grad()
        loss = loss_between(model(images), targets)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def _batch(lib: Framework, network: str, count: int) -> tuple[Any, Any]:
    images, targets = networks.batch(network, count)
    return lib.tensor(images), lib.tensor(targets)


def _status_bytes(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


# -- layers: forward and backward -----------------------------------------------------------------------------


def convolution(lib: Framework, x: Sequence[int], weight: Sequence[int], **options: int) -> Task:
    bias = (weight[0],)
    return _layer(lib, [x, weight, bias], lambda x, w, b: lib.F.conv2d(x, w, b, **options))


def max_pooling(lib: Framework, x: Sequence[int], kernel_size: int, stride: int, padding: int) -> Task:
    return _layer(lib, [x], lambda x: lib.F.max_pool2d(x, kernel_size, stride, padding))


def batch_norm(lib: Framework, x: Sequence[int]) -> Task:
    channels = (x[1],)
    mean, variance = lib.tensor(np.zeros(channels, np.float32)), lib.tensor(np.ones(channels, np.float32))
    return _layer(
        lib, [x, channels, channels], lambda x, w, b: lib.F.batch_norm(x, mean, variance, w, b, training=True)
    )


def global_average_pooling(lib: Framework, x: Sequence[int]) -> Task:
    return _layer(lib, [x], lambda x: lib.F.adaptive_avg_pool2d(x, 1))


def log_softmax(lib: Framework, x: Sequence[int]) -> Task:
    return _layer(lib, [x], lambda x: lib.F.log_softmax(x, 1))


def cross_entropy(lib: Framework, x: Sequence[int]) -> Task:
    classes = lib.tensor(np.random.default_rng(2).integers(x[1], size=x[0]))
    return _layer(lib, [x], lambda x: lib.F.cross_entropy(x, classes))


def _layer(lib: Framework, shapes: Sequence[Sequence[int]], function: Callable[..., Any]) -> Task:
    """The function of inputs of these shapes, and the gradients of all of them."""
    generator = np.random.default_rng(0)
    inputs = [lib.tensor(generator.standard_normal(tuple(shape), np.float32), requires_grad=True) for shape in shapes]
    out_shape = tuple(function(*inputs).shape)
    cotangent = lib.tensor(generator.standard_normal(out_shape, np.float32))

    def step() -> Any:
        for x in inputs:
            x.grad = None
        out = function(*inputs)
        out.backward(cotangent)
        return out

    return Task(step, check=lambda: [fingerprint(step()), *(fingerprint(x.grad) for x in inputs)])


def fingerprint(tensor: Any) -> float:
    """A norm in which every element has a weight of its own, so that their order shows."""
    values = np.asarray(tensor.detach().numpy(), np.float64).ravel()
    return float(np.linalg.norm(values * np.linspace(1, 2, values.size)))


# -- the rest -------------------------------------------------------------------------------------------------


def optimizer_step(lib: Framework, optimizer: str, options: dict[str, Any]) -> Task:
    """One step over AgeCNN's 2.1 M parameters."""
    generator = np.random.default_rng(2)
    parameters = []
    for array in networks.first_weights(networks.AGE_CNN_SHAPES.items()).values():
        parameters.append(lib.tensor(array, requires_grad=True))
        parameters[-1].grad = lib.tensor(generator.standard_normal(array.shape, np.float32))
    step = getattr(lib.optim, optimizer)(parameters, **options, **lib.fused).step

    def check() -> list[float]:
        for _ in range(3):
            step()
        return [fingerprint(p) for p in parameters]

    return Task(step, check=check)


def chain(lib: Framework, ops: int) -> Task:
    """So many multiplications and additions of 16 numbers, one after the other, and back. A unit is an op."""
    x = lib.tensor(np.ones(16, np.float32), requires_grad=True)
    factor, term = lib.tensor(np.full(16, 0.999, np.float32)), lib.tensor(np.full(16, 0.001, np.float32))

    def step() -> None:
        x.grad = None
        y = x
        for _ in range(ops // 2):
            y = y * factor + term
        y.sum().backward()

    def check() -> list[float]:
        step()
        return [fingerprint(x.grad)]

    return Task(step, ops, check)


TASKS: dict[str, Callable[..., Task]] = {
    function.__name__: function
    for function in (
        training_step, training_memory, inference, convolution, max_pooling, batch_norm, global_average_pooling,
        log_softmax, cross_entropy, optimizer_step, chain,
    )
}  # fmt: skip

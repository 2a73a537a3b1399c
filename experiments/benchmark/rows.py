"""What is measured: each row of the benchmark, its contenders, and the figures that it is to show.

A figure is a ratio of costs, a rival's over ours: 2 is twice as fast, or half the memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

OURS, TORCH, CHANNELS_LAST, FUSED = "tinygrad_cnn", "PyTorch", "PyTorch channels_last", "PyTorch fused"
JAX, AUTOGRAD, NUMPY = "JAX jit", "HIPS autograd", "NumPy matmul"
FASTER = (TORCH, CHANNELS_LAST)  # the faster of the two is the rival


class Unit(NamedTuple):
    """How a cost is shown: times `scale`, or, where it is a rate, what is done per second."""

    name: str
    scale: float
    rate: bool = False

    def of(self, cost: float) -> float:
        return self.scale / cost if self.rate else self.scale * cost


MS, US, MB = Unit("ms", 1e3), Unit("us", 1e6), Unit("MB", 1e-6)
IMAGES, GFLOPS = Unit("images/s", 1, rate=True), Unit("GFLOP/s", 1e-9, rate=True)


class Call(NamedTuple):
    """A contender's task: "module:function" below experiments.benchmark, and its arguments."""

    where: str
    arguments: dict[str, Any]
    needs: str  # the package without which there is no such contender


@dataclass(frozen=True)
class Goal:
    """What our ratio to a rival should be: `least`, and better `aim`."""

    least: float
    aim: float | None = None
    against: tuple[str, ...] = FASTER


@dataclass(frozen=True)
class Row:
    """One race. `fresh`: every turn is in a new process. `faces`: its tasks want a folder of pictures."""

    section: str
    name: str
    title: str
    unit: Unit
    contenders: dict[str, Call]  # ours first
    goals: tuple[Goal, ...]
    fresh: bool = False
    faces: bool = False

    @property
    def ours(self) -> str:
        return next(iter(self.contenders))


def _ours(task: str, **arguments: Any) -> dict[str, Call]:
    return {OURS: Call("torch_like:make", {"task": task, "framework": "tinygrad_cnn", **arguments}, "numpy")}


def _torch(name: str, task: str, **arguments: Any) -> dict[str, Call]:
    return {name: Call("torch_like:make", {"task": task, "framework": "torch", **arguments}, "torch")}


def _three(task: str, **arguments: Any) -> dict[str, Call]:
    """Ours and both of Torch's layouts; the faster one has the faster optimiser too."""
    faster = {"layout": "channels_last", "fused": True}
    return {
        **_ours(task, **arguments),
        **_torch(TORCH, task, **arguments),
        **_torch(CHANNELS_LAST, task, **arguments, **faster),
    }


def _training(network: str, batch: int) -> dict[str, Call]:
    return _three("training_step", network=network, batch=batch)


def _import(module: str) -> Call:
    return Call("others:import_module", {"module": module}, module)


def _age_cnn_rows() -> list[Row]:
    def row(name: str, title: str, contenders: dict[str, Call], *goals: Goal, unit: Unit = MS, **options: Any) -> Row:
        return Row("AgeCNN, 128x128", name, title, unit, contenders, goals, **options)

    jax = {JAX: Call("others:jax_training_step", {"batch": 32}, "jax")}
    infer_32, infer_1, memory = (
        _three(task, network="AgeCNN", batch=batch)
        for task, batch in (("inference", 32), ("inference", 1), ("training_memory", 32))
    )
    per_flop = _ours("training_step", network="AgeCNN", batch=32, per="flop")
    per_flop[NUMPY] = Call("others:matrix_product", {}, "numpy")
    return [
        row("train-32", "training step, batch 32", _training("AgeCNN", 32) | jax,
            Goal(1.7, 2.2, (TORCH,)), Goal(1.3, 1.6, (CHANNELS_LAST,))),
        row("train-8", "training step, batch 8", _training("AgeCNN", 8), Goal(1.1, 1.5)),
        row("train-128", "training step, batch 128", _training("AgeCNN", 128), Goal(1.1, 1.5)),
        row("peak", "training step, share of matmul peak", per_flop, Goal(0.5, 0.6, (NUMPY,)), unit=GFLOPS),
        row("infer-32", "inference, batch 32", infer_32, Goal(0.7, 1.0)),
        row("infer-1", "inference, batch 1", infer_1, Goal(0.7, 1.0)),
        row("memory", "memory that a training step adds, batch 32", memory, Goal(1.0, 1.5), unit=MB, fresh=True),
    ]  # fmt: skip


def _around_rows() -> list[Row]:
    chain = _ours("chain", ops=1000) | _torch(TORCH, "chain", ops=1000)
    chain[AUTOGRAD] = Call("others:autograd_chain", {"ops": 1000}, "autograd")
    imports = {f"import {module}": _import(module) for module in ("tinygrad_cnn", "numpy", "torch")}
    loop = {
        "training loop": Call("age_job:training_loop", {}, "cv2"),
        "bare step": Call("age_job:bare_step", {}, "cv2"),
    }
    decode = {
        "UTKFace": Call("age_job:decode_and_cache", {}, "cv2"),
        "imread + resize": Call("age_job:plain_decoding", {}, "cv2"),
        "imread + area resize": Call("age_job:plain_decoding", {"interpolation": "INTER_AREA"}, "cv2"),
    }

    def row(name: str, title: str, contenders: dict[str, Call], goal: Goal, unit: Unit, faces: bool = False) -> Row:
        return Row("Around it", name, title, unit, contenders, (goal,), faces=faces)

    return [
        row("chain", "chain of 1,000 small ops, forward and backward, per op", chain, Goal(1 / 1.3, 1, (TORCH,)), US),
        row("import", "import", imports, Goal(1 / 2, 1 / 1.3, ("import numpy",)), MS),
        row("loop", "main job's loop", loop, Goal(0.93, 0.97, ("bare step",)), IMAGES, faces=True),
        row("decode", "decoding and caching", decode, Goal(1.7, None, ("imread + resize",)), IMAGES, faces=True),
    ]


def _layer(name: str, title: str, task: str, x: tuple[int, ...], **arguments: Any) -> Row:
    """Forward, and backward with all gradients. x: the input's shape; images have two layouts in PyTorch."""
    if len(x) == 4:
        contenders = _three(task, x=x, **arguments)
    else:
        contenders = _ours(task, x=x, **arguments) | _torch(TORCH, task, x=x, **arguments)
    return Row("Layers, forward and backward", name, title, MS, contenders, (Goal(0.7),))


def _convolution(name: str, title: str, x: tuple[int, ...], weight: tuple[int, ...], **options: int) -> Row:
    title = f"convolution {title}, {x[1]} to {weight[0]} channels, {x[2]}x{x[3]}"
    return _layer(f"conv-{name}", title, "convolution", x, weight=weight, **options)


def _layer_rows() -> list[Row]:
    images, logits = (32, 64, 32, 32), (256, 1000)
    return [
        _convolution("1x1", "1x1", images, (128, 64, 1, 1)),
        _convolution("5x5", "5x5", (32, 16, 64, 64), (32, 16, 5, 5), padding=2),
        _convolution("strided", "3x3, stride 2", (32, 32, 64, 64), (64, 32, 3, 3), padding=1, stride=2),
        _convolution("dilated", "3x3, dilation 2", (32, 32, 32, 32), (64, 32, 3, 3), padding=2, dilation=2),
        _convolution("grouped", "3x3, 4 groups", images, (64, 16, 3, 3), padding=1, groups=4),
        _convolution("depthwise", "3x3, depthwise", images, (64, 1, 3, 3), padding=1, groups=64),
        _layer("max-pool", "max pooling 3x3, stride 2, 32 channels, 48x48", "max_pooling", (32, 32, 48, 48),
               kernel_size=3, stride=2, padding=1),
        _layer("batch-norm", "batch norm, 64 channels, 32x32", "batch_norm", images),
        _layer("average", "global average pooling, 64 channels, 32x32", "global_average_pooling", images),
        _layer("log-softmax", "log_softmax, 256 of 1,000 classes", "log_softmax", logits),
        _layer("cross-entropy", "cross entropy, 256 of 1,000 classes", "cross_entropy", logits),
    ]  # fmt: skip


def _network_rows() -> list[Row]:
    section = "Optimisers and a deeper network"
    rows = []
    for optimizer, options in (("AdamW", {"lr": 1e-3}), ("SGD", {"lr": 1e-3, "momentum": 0.9})):
        step: dict[str, Any] = {"optimizer": optimizer, "options": options}
        contenders = {
            **_ours("optimizer_step", **step),
            **_torch(TORCH, "optimizer_step", **step),
            **_torch(FUSED, "optimizer_step", fused=True, **step),
        }
        title = f"{optimizer} step, 2.1 M parameters"
        rows.append(Row(section, optimizer.lower(), title, MS, contenders, (Goal(0.7, None, (TORCH, FUSED)),)))
    resnet = _training("small ResNet", 32)
    rows.append(Row(section, "resnet", "small ResNet training step, 96x96, batch 32", MS, resnet, (Goal(0.7),)))
    return rows


ROWS = [*_age_cnn_rows(), *_around_rows(), *_layer_rows(), *_network_rows()]

"""The networks, their first weights and their batches: the same numbers for every contender.

tinygrad_cnn has PyTorch's names, so one definition makes a network of either: `nn` and `F` are the framework's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

IMAGE_SIZES = {"AgeCNN": 128, "small ResNet": 96}  # pixels
CLASSES = 10  # of the small ResNet
LEARNING_RATES = {"AgeCNN": 1e-5, "small ResNet": 1e-4}  # the loss on a batch of noise goes down

AGE_CNN_SHAPES = {
    "conv1.weight": (16, 3, 3, 3), "conv1.bias": (16,),
    "conv2.weight": (32, 16, 3, 3), "conv2.bias": (32,),
    "conv3.weight": (64, 32, 3, 3), "conv3.bias": (64,),
    "fc1.weight": (128, 64 * 16 * 16), "fc1.bias": (128,),
    "fc2.weight": (1, 128), "fc2.bias": (1,),
}  # fmt: skip


def age_cnn_twin(nn: Any, F: Any) -> Any:
    """What models/age_cnn.py defines, for the other framework."""

    class AgeCNN(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(3, 16, 3, padding=1)
            self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
            self.conv3 = nn.Conv2d(32, 64, 3, padding=1)
            self.fc1 = nn.Linear(64 * 16 * 16, 128)
            self.fc2 = nn.Linear(128, 1)

        def forward(self, x: Any) -> Any:
            for conv in (self.conv1, self.conv2, self.conv3):
                x = F.max_pool2d(F.relu(conv(x)), 2)
            return self.fc2(F.relu(self.fc1(x.flatten(1))))

    return AgeCNN()


def small_resnet(nn: Any, F: Any) -> Any:
    """Six residual blocks after an overlapping pool: 0.7 M parameters, for 96x96 pixels (He et al., 2016)."""

    def convolution(inputs: int, outputs: int, kernel: int, stride: int) -> Any:
        return nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)

    class Block(nn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int) -> None:
            super().__init__()
            self.conv1, self.norm1 = convolution(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs)
            self.conv2, self.norm2 = convolution(outputs, outputs, 3, 1), nn.BatchNorm2d(outputs)
            self.shortcut = nn.Identity()
            if inputs != outputs:
                self.shortcut = nn.Sequential(convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

        def forward(self, x: Any) -> Any:
            out = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
            return F.relu(out + self.shortcut(x))

    class SmallResNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.norm = convolution(3, 32, 3, 1), nn.BatchNorm2d(32)
            self.pool = nn.MaxPool2d(3, stride=2, padding=1)
            self.blocks = nn.Sequential(
                Block(32, 32, 1), Block(32, 32, 1),  #  (N, 32, 48, 48)
                Block(32, 64, 2), Block(64, 64, 1),  #  (N, 64, 24, 24)
                Block(64, 128, 2), Block(128, 128, 1),  # (N, 128, 12, 12)
            )  # fmt: skip
            self.classify = nn.Linear(128, CLASSES)

        def forward(self, x: Any) -> Any:
            x = self.blocks(self.pool(F.relu(self.norm(self.stem(x)))))
            return self.classify(F.adaptive_avg_pool2d(x, 1).flatten(1))

    return SmallResNet()


def first_weights(shapes: Iterable[tuple[str, tuple[int, ...]]]) -> dict[str, Floats]:
    """Weights for parameters of these names and shapes, by He's rule; biases 0, scales of norms 1."""
    generator = np.random.default_rng(0)
    weights: dict[str, Floats] = {}
    for name, shape in shapes:
        if len(shape) > 1:
            deviation = np.sqrt(2 / np.prod(shape[1:]))
            weights[name] = generator.standard_normal(shape, np.float32) * np.float32(deviation)
        else:
            weights[name] = np.full(shape, name.endswith("weight"), np.float32)
    return weights


def batch(network: str, count: int) -> tuple[Floats, npt.NDArray[Any]]:
    """Images (N, 3, H, W), and their targets: numbers (N, 1) for AgeCNN, else classes (N,)."""
    generator = np.random.default_rng(1)
    size = IMAGE_SIZES[network]
    images = generator.standard_normal((count, 3, size, size), np.float32)
    if network == "AgeCNN":
        return images, generator.standard_normal((count, 1), np.float32)
    return images, generator.integers(CLASSES, size=count)


def age_cnn_training_flops(count: int) -> float:
    """Floating-point operations of the products in one AgeCNN training step, a multiply-add being two.

    Each layer has three: its output, its weight's gradient, and its input's, which the first layer does without.
    """
    total = 0
    side = IMAGE_SIZES["AgeCNN"]
    for name, shape in AGE_CNN_SHAPES.items():
        if len(shape) == 1:
            continue
        places = side * side if name.startswith("conv") else 1
        side //= 2
        total += 2 * count * places * int(np.prod(shape)) * (2 if name == "conv1.weight" else 3)
    return float(total)

"""AgeResNet: a residual network that sees age in a face picture of any size."""

from __future__ import annotations

from itertools import pairwise

import tinygrad_cnn.functional as F
from tinygrad_cnn import Tensor, nn

LEAST_SIZE = 32  # pixels: the last stage sees 2x2


class AgeResNet(nn.Module):
    """A strided convolution, then stages that halve the picture, widen it and refine it by what they add to it.

    `forward` takes pictures `(N, 3, H, W)` of at least 32x32 pixels and gives `(N, outputs)`; the mean over all
    places makes the size free. After He et al., "Deep residual learning for image recognition" (CVPR 2016). Each stage
    pools before it widens, which takes a quarter of the arithmetic of the other order.

    >>> import numpy as np
    >>> from models.age_resnet import AgeResNet
    >>> AgeResNet(outputs=117)(Tensor(np.zeros((2, 3, 50, 40), np.float32))).shape
    (2, 117)
    """

    def __init__(self, outputs: int = 1, widths: tuple[int, ...] = (32, 64, 128, 192)) -> None:
        self.stem = convolution(3, widths[0], kernel_size=5, stride=2)
        self.stages = [Stage(*channels) for channels in pairwise(widths)]
        self.fc = nn.Linear(widths[-1], outputs)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[1] != 3 or min(x.shape[2:]) < LEAST_SIZE:
            raise ValueError(
                f"AgeResNet expects pictures of shape (N, 3, H, W), {LEAST_SIZE}x{LEAST_SIZE} or more, got {x.shape}"
            )
        #                                                           at 96x96 pixels:  (N, 3, 96, 96)
        x = F.relu(self.stem(x))  #                                                -> (N, 32, 48, 48)
        for stage in self.stages:  #                         -> (N, 64, 24, 24), (N, 128, 12, 12), (N, 192, 6, 6)
            x = stage(x)
        return self.fc(x.mean((2, 3)))  #                                          -> (N, 192) -> (N, outputs)


class Stage(nn.Module):
    """Halve, widen, and add what two convolutions see: `(N, inputs, H, W) -> (N, outputs, H // 2, W // 2)`."""

    def __init__(self, inputs: int, outputs: int) -> None:
        self.widen = convolution(inputs, outputs)
        self.refine1 = convolution(outputs, outputs)
        self.refine2 = convolution(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.widen(F.max_pool2d(x, 2)))
        return F.relu(x + self.refine2(F.relu(self.refine1(x))))


def convolution(inputs: int, outputs: int, kernel_size: int = 3, stride: int = 1) -> nn.Sequential:
    """A convolution that keeps the size, but for its stride, and batch norm, which stands in for its bias."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size, stride, padding=kernel_size // 2, bias=False), nn.BatchNorm2d(outputs)
    )

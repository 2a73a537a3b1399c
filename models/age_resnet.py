"""AgeResNet: a residual network that tells age from a picture of a face, of any size."""

from __future__ import annotations

import tinygrad_cnn.functional as F
from tinygrad_cnn import Tensor, nn

LEAST_SIZE = 15  # pixels, of which the last stage sees one place


class AgeResNet(nn.Module):
    """A strided convolution, then three stages that widen the picture and refine it, each at half the size.

    `forward` takes pictures `(N, 3, H, W)` of at least 15x15 pixels and gives `(N, outputs)`; the mean over all
    places makes the size free. After He et al., "Deep residual learning for image recognition" (CVPR 2016), with two
    savings: pooling comes before a norm and before a stage's first convolution, where it quarters their cost.

    >>> import numpy as np
    >>> from models.age_resnet import AgeResNet
    >>> AgeResNet(outputs=117)(Tensor(np.zeros((2, 3, 50, 40), np.float32))).shape
    (2, 117)
    """

    def __init__(self, outputs: int = 1, widths: tuple[int, int, int, int] = (32, 64, 128, 192)) -> None:
        self.stem = nn.Conv2d(3, widths[0], kernel_size=5, stride=2, padding=2, bias=False)
        self.norm = nn.BatchNorm2d(widths[0])
        self.stage1 = Stage(widths[0], widths[1])
        self.stage2 = Stage(widths[1], widths[2])
        self.stage3 = Stage(widths[2], widths[3])
        self.fc = nn.Linear(widths[3], outputs)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[1] != 3 or min(x.shape[2:]) < LEAST_SIZE:
            raise ValueError(
                f"AgeResNet expects pictures of shape (N, 3, H, W), {LEAST_SIZE}x{LEAST_SIZE} or more, got {x.shape}"
            )
        #                                                        at 96x96 pixels:  (N, 3, 96, 96)
        x = F.relu(self.norm(F.max_pool2d(self.stem(x), 2)))  #                 -> (N, 32, 24, 24)
        x = self.stage1(x)  #                                                   -> (N, 64, 24, 24)
        x = self.stage2(F.max_pool2d(x, 2))  #                                  -> (N, 128, 12, 12)
        x = self.stage3(F.max_pool2d(x, 2))  #                                  -> (N, 192, 6, 6)
        return self.fc(x.mean((2, 3)))  #                                       -> (N, outputs)


class Stage(nn.Module):
    """Widen, then add what two more convolutions see in it: `(N, inputs, H, W) -> (N, outputs, H, W)`."""

    def __init__(self, inputs: int, outputs: int) -> None:
        self.widen = convolution(inputs, outputs)
        self.refine1 = convolution(outputs, outputs)
        self.refine2 = convolution(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.widen(x))
        return F.relu(x + self.refine2(F.relu(self.refine1(x))))


def convolution(inputs: int, outputs: int) -> nn.Sequential:
    """A 3x3 convolution that keeps the size, and batch norm, which stands in for its bias."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs))

"""AgeCNN: a person's age in years from a picture of their face."""

from __future__ import annotations

import tinygrad_cnn.functional as F
from tinygrad_cnn import Tensor, nn


class AgeCNN(nn.Module):
    """Three convolutions, each followed by ReLU and 2x2 max pooling, then two dense layers.

    `forward` takes pictures `(N, 3, image_size, image_size)` and gives ages `(N, 1)`. `image_size` is in pixels,
    at least 8; pooling drops the odd row and column of what does not divide by two.

    >>> import numpy as np
    >>> from models.age_cnn import AgeCNN
    >>> AgeCNN(image_size=32)(Tensor(np.zeros((4, 3, 32, 32), np.float32))).shape
    (4, 1)
    """

    def __init__(self, image_size: int = 128) -> None:
        if image_size < 8:
            raise ValueError(f"AgeCNN: image_size must be at least 8 pixels, not {image_size}")
        self.image_size = image_size
        side = image_size // 2 // 2 // 2  # what three poolings leave

        self.conv1 = nn.Conv2d(3, 16, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, kernel_size=3, padding=1)
        self.conv3 = nn.Conv2d(32, 64, kernel_size=3, padding=1)
        self.fc1 = nn.Linear(64 * side * side, 128)
        self.fc2 = nn.Linear(128, 1)

    def forward(self, x: Tensor) -> Tensor:
        size = self.image_size
        if x.ndim != 4 or x.shape[1:] != (3, size, size):
            raise ValueError(f"AgeCNN expects pictures of shape (N, 3, {size}, {size}), got {x.shape}")
        #                                                    at image_size 128:  (N, 3, 128, 128)
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)  #                         -> (N, 16, 64, 64)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)  #                         -> (N, 32, 32, 32)
        x = F.max_pool2d(F.relu(self.conv3(x)), 2)  #                         -> (N, 64, 16, 16)
        x = F.relu(self.fc1(x.flatten(1)))  #                                 -> (N, 128)
        return self.fc2(x)  #                                                 -> (N, 1)

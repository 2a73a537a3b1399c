"""Small picture files for the tests."""

from pathlib import Path

import cv2
import numpy as np


def photo(seed=0, size=200):
    """Something smooth with edges, as uint8 RGB (size, size, 3)."""
    generator = np.random.default_rng(seed)
    image = cv2.resize(generator.integers(256, size=(5, 5, 3)).astype(np.uint8), (size, size))
    for _ in range(6):
        x, y, radius = (generator.uniform(0.1, 0.9, 3) * size).astype(int)
        cv2.circle(image, (int(x), int(y)), int(radius) // 4, generator.integers(256, size=3).tolist(), -1)
    return image


def write(path: Path, image):
    """Save `image` (RGB) under `path`, as JPEG unless the name ends with .png."""
    ok, data = cv2.imencode(".png" if path.suffix == ".png" else ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    assert ok
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.tobytes())
    return path

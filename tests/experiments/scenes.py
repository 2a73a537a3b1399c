"""Photographs that are drawn: grey walls, and drawn faces on them."""

import functools
from pathlib import Path

import cv2
import numpy as np

from tinygrad_cnn.data import SyntheticFaces


@functools.cache
def drawn_face():
    """A drawn face that the detector accepts, as it does three in four of them."""
    return SyntheticFaces(7, 200, seed=9)[6][0]


def scene(*places, height=400, width=600):
    """A photograph of grey shades, with a drawn face of the given side at each place (x, y, side)."""
    across, down = np.meshgrid(np.linspace(90, 160, width), np.linspace(0, 40, height))
    image = np.repeat((across + down)[:, :, None], 3, axis=2).astype(np.uint8)
    for x, y, side in places:
        image[y : y + side, x : x + side] = cv2.resize(drawn_face(), (side, side), interpolation=cv2.INTER_AREA)
    return image


def save(name, image):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(cv2.imencode(Path(name).suffix, image[:, :, ::-1])[1].tobytes())
    return Path(name)


def about(box, x, y, side):
    """Whether the box is roughly there: within a fifth of its side."""
    return max(abs(box[0] - x), abs(box[1] - y), abs(box[2] - side)) < side / 5

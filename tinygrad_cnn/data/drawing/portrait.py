"""Draws one face: shapes first, then the light, then what a camera adds.

The face's frame has its origin between eyes and nose, x to the right, y down, and one picture's width as unit.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from ...extras import optional_import
from .canvas import Canvas, Floats, Image
from .face import (
    head_outline,
    paint_body,
    paint_creases,
    paint_eye,
    paint_glasses,
    paint_mouth,
    paint_nose,
    paint_shade,
    paint_spots,
)
from .hair import paint_beard, paint_hair, paint_hair_behind
from .traits import Traits

Box = tuple[int, int, int, int]

SUPERSAMPLING = 2


def draw(traits: Traits, size: int) -> Image:
    """The face as uint8 RGB (size, size, 3)."""
    with optional_import():
        import cv2

    pixels = size * SUPERSAMPLING
    coarse = traits.background.astype(np.uint8)
    background = cv2.resize(coarse, (pixels, pixels), interpolation=cv2.INTER_CUBIC)
    canvas = Canvas(np.asarray(background, np.uint8), traits.origin, traits.tilt, traits.zoom)
    generator = np.random.default_rng(traits.seed)
    head = head_outline(traits)
    paint_hair_behind(canvas, traits)
    paint_body(canvas, traits)
    canvas.fill(head, traits.skin)
    paint_shade(canvas, traits)
    paint_creases(canvas, traits)
    paint_spots(canvas, traits, generator)
    if traits.beard:
        paint_beard(canvas, traits, generator)
    paint_nose(canvas, traits)
    paint_mouth(canvas, traits)
    for side in (-1, 1):
        paint_eye(canvas, traits, side)
    paint_hair(canvas, traits, generator)
    if traits.glasses:
        paint_glasses(canvas, traits)
    return _photograph(canvas, traits, head, size, generator)


def _photograph(canvas: Canvas, t: Traits, head: Floats, size: int, generator: np.random.Generator) -> Image:
    """Shrink, light from a side, the texture of the skin, the exposure, a colour cast, grain."""
    import cv2

    picture = cv2.resize(canvas.image, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)
    skin = Canvas(np.zeros((size, size), np.uint8), t.origin, t.tilt, t.zoom)
    skin.fill(head, np.array([255.0]))
    across = np.linspace(-1, 1, size, dtype=np.float32)
    light = 1 + np.float32(t.light[0]) * across + np.float32(t.light[1]) * across[:, None]
    x, y, u, v = generator.integers(256, size=4)
    rough, grain = _noise(size + 256)
    light *= 1 + np.float32(t.roughness / 255) * skin.image * rough[y : y + size, x : x + size]
    picture *= cv2.merge([light * tint for tint in t.tint.astype(np.float32)])
    picture *= np.float32(np.clip(t.brightness / picture.mean(), 0.75, 1.4))
    picture += cv2.merge([np.float32(t.grain) * grain[v : v + size, u : u + size]] * 3)
    return np.clip(picture, 0, 255, out=picture).astype(np.uint8)


@cache
def _noise(size: int) -> tuple[Floats, Floats]:
    """Two fields of unit variance to cut from: one of the coarseness of wrinkled skin, one of grain."""
    import cv2

    white = np.random.default_rng(0).standard_normal((size, size), np.float32)
    rough = cv2.GaussianBlur(white, (0, 0), 0.6) - cv2.GaussianBlur(white, (0, 0), 1.6)
    return rough / rough.std(), white


def cue_boxes(t: Traits, size: int) -> dict[str, Box]:
    """Where the signs of age lie: name -> (x0, y0, x1, y1) in pixels, the ends not included."""
    frame = Canvas(np.zeros((size, size, 3), np.uint8), t.origin, t.tilt, t.zoom)
    w, brow, below = t.half_width, t.eye_y - 1.7 * t.eye_size, t.eye_y + 2.0 * t.eye_size
    shift = 0.035 * t.turn
    places = {
        "hair": (-1.1 * w, -1.15 * t.crown, 1.1 * w, -0.62 * t.crown),
        "forehead": (-0.7 * w, -0.72 * t.crown, 0.7 * w, brow),
        "left_eye": (shift - 0.98 * w, brow, shift - 0.06 * w, below),
        "right_eye": (shift + 0.06 * w, brow, shift + 0.98 * w, below),
        "mouth": (shift - 0.7 * w, t.nose_y - 0.02, shift + 0.7 * w, t.mouth_y + 0.09),
    }
    boxes: dict[str, Box] = {}
    for name, (x0, y0, x1, y1) in places.items():
        corners = frame.to_pixels(np.array([(x0, y0), (x1, y0), (x0, y1), (x1, y1)]))
        low = np.clip(corners.min(0).round(), 0, size - 1).astype(int)
        high = np.clip(corners.max(0).round(), low + 1, size).astype(int)
        boxes[name] = (int(low[0]), int(low[1]), int(high[0]), int(high[1]))
    return boxes

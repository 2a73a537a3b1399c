"""A canvas for smooth shapes, in a frame of its own that may be moved, turned and enlarged."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Image = npt.NDArray[np.uint8]

_SUBPIXELS = 4  # bits


class Canvas:
    """Paints on `image`, uint8 (size, size, 3) or (size, size), in a frame whose unit is the image's width.

    The frame's origin lies at `origin`, in that unit from the image's upper left corner; it is turned clockwise
    by `tilt` radians and enlarged by `zoom`. Colours are RGB from 0 to 255.
    """

    def __init__(self, image: Image, origin: Floats, tilt: float = 0.0, zoom: float = 1.0) -> None:
        self.image = image
        size = image.shape[0]
        cos, sin = np.cos(tilt) * zoom * size, np.sin(tilt) * zoom * size
        self._turn = np.array([[cos, sin], [-sin, cos]])
        self._origin = origin * size
        # OpenCV's whole numbers are pixel centres, in 1/16 pixels.
        self._fixed_turn = self._turn * 2**_SUBPIXELS
        self._fixed_origin = (self._origin - 0.5) * 2**_SUBPIXELS

    def to_pixels(self, points: Floats) -> Floats:
        """Where `points` (..., 2) of the frame, x and y, lie on the image."""
        return points @ self._turn + self._origin

    def fill(self, outline: Floats, colour: Floats) -> None:
        """The inside of a polygon (P, 2)."""
        import cv2

        cv2.fillPoly(self.image, [self._fixed(outline)], colour.tolist(), cv2.LINE_AA, shift=_SUBPIXELS)

    def stroke(self, line: Floats, width: float, colour: Floats) -> None:
        """A brush stroke along a line (P, 2), `width` wide in its middle and tapering to both ends."""
        self.strokes(line[None], np.array([width]), colour[None])

    def strokes(self, lines: Floats, widths: Floats, colours: Floats) -> None:
        """Brush strokes along lines (L, P, 2), each with its width and colour (L, 3)."""
        import cv2

        ahead = np.empty(lines.shape)
        ahead[:, 1:-1] = lines[:, 2:] - lines[:, :-2]
        ahead[:, [0, -1]] = lines[:, [1, -1]] - lines[:, [0, -2]]
        length = np.maximum(np.hypot(ahead[..., 0], ahead[..., 1]), 1e-9)
        across = ahead[..., ::-1] * [-0.5, 0.5]
        across *= (widths[:, None] * _taper(lines.shape[1]) / length)[..., None]
        outlines = self._fixed(np.concatenate([lines + across, (lines - across)[:, ::-1]], axis=1))
        for outline, colour in zip(outlines, colours.tolist(), strict=True):
            cv2.fillPoly(self.image, [outline], colour, cv2.LINE_AA, shift=_SUBPIXELS)

    def threads(self, lines: Floats, colour: Floats) -> None:
        """Lines (L, P, 2) one pixel thin."""
        import cv2

        paths = list(self._fixed(lines))
        cv2.polylines(self.image, paths, False, colour.tolist(), 1, cv2.LINE_AA, _SUBPIXELS)

    def _fixed(self, points: Floats) -> npt.NDArray[np.int32]:
        return np.rint(points @ self._fixed_turn + self._fixed_origin).astype(np.int32)


def smooth(points: Any, closed: bool = False) -> Floats:
    """Smooth lines (Catmull-Rom) through `points` (..., K, 2), with four steps from each to the next."""
    points = np.asarray(points, float)
    return _spline_weights(points.shape[-2], closed) @ points


def ellipse(x: float, y: float, x_radius: float, y_radius: float) -> Floats:
    """The outline of an ellipse about (x, y)."""
    return _circle() * [x_radius, y_radius] + [x, y]


def mirrored(right: Any) -> Floats:
    """A line across the face from its right half (K, 2), which ends on the middle line."""
    right = np.asarray(right, float)
    return np.concatenate([right, right[-2::-1] * [-1, 1]])


def moved(points: Any, x: float, y: float) -> Floats:
    """`points` (..., 2), to the right by `x` and down by `y`."""
    return np.asarray(points, float) + np.array([x, y])


@cache
def _taper(count: int) -> Floats:
    return np.sin(np.linspace(0.15, np.pi - 0.15, count))


@cache
def _circle() -> Floats:
    angle = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


@cache
def _spline_weights(count: int, closed: bool, steps: int = 4) -> Floats:
    """(samples, count): what each given point contributes to each sample of the line."""
    t = np.arange(steps)[:, None] / steps
    cubic = 0.5 * np.concatenate(
        [-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, -(t**2) + t**3], axis=1
    )
    spans = count if closed else count - 1
    weights = np.zeros((spans * steps + (not closed), count))
    for span in range(spans):
        for k in range(4):
            point = span + k - 1
            point = point % count if closed else min(max(point, 0), count - 1)
            weights[span * steps : (span + 1) * steps, point] += cubic[:, k]
    if not closed:
        weights[-1, -1] = 1
    return weights


def mix(a: Floats, b: Floats, share: float) -> Floats:
    """The colour that is `b` to this share, and `a` for the rest."""
    return a + (b - a) * share

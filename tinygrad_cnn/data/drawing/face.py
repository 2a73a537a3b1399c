"""The head and its features, in the order in which they are painted."""

from __future__ import annotations

from typing import Any

import numpy as np

from .canvas import Canvas, Floats, ellipse, mirrored, mix, moved, smooth
from .traits import DARK, GREY_HAIR, WHITE, Traits

SHADOW = np.array([0.34, 0.48, 0.52])  # what a crease takes off a skin colour, at full strength


def head_outline(t: Traits) -> Floats:
    """The outline, clockwise from the left ear over the crown."""
    top = skull(t, np.linspace(np.pi, 0, 32))
    jaw = t.jaw * t.half_width
    right = [
        (0.99 * t.half_width, 0.04),
        (0.42 * t.half_width + 0.58 * jaw, 0.40 * t.chin),
        (jaw * (0.90 + 0.12 * t.jowls), (0.66 + 0.03 * t.jowls) * t.chin),
        (jaw * (0.55 + 0.12 * t.jowls), 0.91 * t.chin),
        (0, t.chin),
    ]
    return np.concatenate([top, smooth(mirrored(right))])


def skull(t: Traits, angle: Floats, widen: float | Floats = 1.0) -> Floats:
    """Points of the upper half of the head: angle 0 is its right side, pi / 2 the crown."""
    cos, sin = np.cos(angle), np.sin(angle)
    x = t.half_width * np.sign(cos) * np.abs(cos) ** 0.86
    y = -t.crown * np.abs(sin) ** 0.86
    return np.stack([x, y], axis=-1) * np.asarray(widen)[..., None]


def turned(t: Traits, points: Any, depth: float = 1.0) -> Floats:
    """Features in front of the head move sidewards as it turns."""
    return moved(points, 0.035 * depth * t.turn, 0)


def darker(colour: Floats, strength: float) -> Floats:
    return colour * (1 - strength * SHADOW)


def paint_body(canvas: Canvas, t: Traits) -> None:
    w, neck = t.half_width, 0.60 * t.jaw * t.half_width
    shoulder = t.chin + 0.06
    right = [(neck, 0.5 * t.chin), (0.96 * neck, t.chin), (1.25 * neck, shoulder + 0.02), (2 * neck, shoulder + 0.06)]
    contour = smooth(right)
    canvas.fill(np.concatenate([contour, (contour * [-1, 1])[::-1]]), darker(t.skin, 0.5))
    sleeve = [(2.9 * w, 1.0), (2.4 * w, shoulder + 0.16), (1.5 * w, shoulder + 0.05)]
    collar = [(1.3 * neck, shoulder), (0.8 * neck, shoulder + 0.05), (0, shoulder + 0.075)]
    canvas.fill(smooth(mirrored(sleeve + collar)), t.clothes)
    canvas.stroke(smooth(moved(mirrored(collar), 0, 0.012)), 0.02, t.clothes * 0.78)
    for side in (-1, 1):
        canvas.fill(ellipse(side * w * 1.01, 0.02, 0.035, t.ears), darker(t.skin, 0.12))
        canvas.fill(ellipse(side * w * 1.015, 0.02, 0.016, 0.6 * t.ears), darker(t.skin, 0.45))


def paint_shade(canvas: Canvas, t: Traits) -> None:
    """Soft shadows and colours of the skin, painted small, blurred, and multiplied into the picture."""
    import cv2

    pixels = canvas.image.shape[0]
    small = Canvas(np.full((pixels // 8, pixels // 8, 3), 128, np.uint8), t.origin, t.tilt, t.zoom)

    def paint(outline: Floats, red: float, rest: float, strength: float = 1.0) -> None:
        small.fill(outline, 128 * (1 + strength * (np.array([red, rest, rest]) - 1)))

    w, nose, mouth, chin = t.half_width, t.nose_y, t.mouth_y, t.chin
    shift = 0.035 * t.turn
    paint(ellipse(0, chin + 0.05, 0.7 * w, 0.06), 0.72, 0.66)
    dark = -1.0 if t.light[0] > 0 else 1.0
    inner = [(1.0, -0.6 * t.crown), (0.8, -0.2 * t.crown), (0.78, 0.5 * chin), (0.3, chin)]
    paint(smooth([*inner, (1.0, chin), (1.3, 0)], closed=True) * [dark * w, 1], 0.88, 0.84)
    paint(ellipse(-0.25 * dark * w, -0.52 * t.crown, 0.4 * w, 0.16 * t.crown), 1.06, 1.06)
    for side in (-1, 1):
        x = side * 0.46 * w + shift
        paint(ellipse(x, t.eye_y - 0.012, 1.35 * t.eye_size, 0.9 * t.eye_size), 0.93, 0.88)
        paint(ellipse(x, t.eye_y + 1.15 * t.eye_size, 1.0 * t.eye_size, 0.35 * t.eye_size), 0.86, 0.80, t.bags)
        paint(ellipse(x * 1.18, 0.55 * nose + 0.45 * mouth, 0.26 * w, 0.045), 1.03, 0.90)
        paint(ellipse(x * 1.3, 0.3 * nose + 0.7 * mouth, 0.16 * w, 0.06), 0.90, 0.86, t.jowls)
        half_way = 0.5 * (nose + mouth)
        fold = [(0.62 * x, nose), (0.95 * x, half_way), (x, mouth + 0.01), (0.8 * x, half_way)]
        paint(smooth(fold, closed=True), 0.84, 0.80, t.folds)
    flank = smooth([(0.25, t.eye_y), (1.1, nose), (0.4, nose)], closed=True) * [dark * t.nose_width, 1]
    paint(moved(flank, shift, 0), 0.90, 0.86)
    paint(ellipse(shift, nose + 0.012, 1.1 * t.nose_width, 0.018), 0.84, 0.78)
    paint(ellipse(shift - 0.2 * dark * t.nose_width, nose - 0.03, 0.3 * t.nose_width, 0.03), 1.08, 1.08)
    paint(ellipse(shift, mouth + 0.8 * t.lips + 0.035, 0.5 * t.mouth_width, 0.014), 0.86, 0.80)
    paint(ellipse(0, chin - 0.035, 0.3 * w, 0.02), 1.05, 1.05)
    blurred = cv2.GaussianBlur(small.image, (0, 0), pixels / 220)
    light = cv2.resize(blurred, (pixels, pixels), interpolation=cv2.INTER_LINEAR)
    cv2.multiply(canvas.image, light, dst=canvas.image, scale=1 / 128)


def paint_creases(canvas: Canvas, t: Traits) -> None:
    lines: list[Any] = []
    strengths: list[float] = []
    w, mouth = t.half_width, t.mouth_y
    brow = t.eye_y - 1.7 * t.eye_size
    for k in range(4):  # across the forehead
        y = brow - 0.022 - 0.036 * k
        lines.append([(-0.52 * w, y + 0.012), (-0.18 * w, y - 0.006), (0.14 * w, y - 0.001), (0.52 * w, y + 0.010)])
        strengths.append(t.forehead * (1.1 - 0.15 * k) - 0.12 * k)
    for side in (-1, 1):
        x, eye = side * 0.46 * w, t.eye_size
        lines.append(np.linspace((side * 0.07 * w, brow - 0.002), (side * 0.055 * w, t.eye_y - 0.018), 4))
        strengths.append(0.9 * t.forehead)
        corner = x + side * 1.2 * eye
        for k in (-1, 0, 1):
            y = t.eye_y + 0.008 * k
            lines.append([(corner + side * 0.017 * i, y + 0.010 * k * i + 0.0008 * i**2) for i in range(4)])
            strengths.append(t.crows_feet)
        for k in (0, 1):
            y = t.eye_y + (0.75 + 0.38 * k) * eye
            bag = np.array([(-0.9, -0.014), (-0.3, 0.008), (0.4, 0.008), (0.9, -0.006)])
            lines.append(moved(bag * [side * eye, 1], x, y))
            strengths.append(t.bags * (1 - 0.35 * k))
        edge = side * (0.5 * t.mouth_width + 0.022)
        nose, cheek = side * 1.25 * t.nose_width, side * 0.34 * w + 0.25 * edge
        upper = (0.4 * nose + 0.6 * cheek, 0.7 * t.nose_y + 0.3 * mouth)
        lower = (0.7 * cheek + 0.4 * edge, 0.4 * t.nose_y + 0.6 * mouth)
        lines.append([(nose, t.nose_y - 0.014), upper, lower, (edge * 1.12, mouth - 0.005)])
        lines.append([(edge * k, mouth + y) for k, y in ((1, 0.018), (1.06, 0.035), (1.08, 0.055), (1.02, 0.075))])
        strengths += [t.folds, t.folds - 0.3]
    strength = np.array(strengths)
    seen = strength > 0.05
    if seen.any():
        strength = strength[seen, None]
        paths = smooth(turned(t, np.array(lines)[seen], 0.7))
        deep = strength[:, 0] > 0.3
        canvas.strokes(moved(paths, 0, 0.008)[deep], np.full(deep.sum(), 0.007), t.skin * (1 + 0.10 * strength[deep]))
        canvas.strokes(paths, 0.004 + 0.0065 * strength[:, 0], t.skin * (1 - (0.25 + 0.75 * strength) * SHADOW))


def paint_spots(canvas: Canvas, t: Traits, generator: np.random.Generator) -> None:
    w = t.half_width
    if t.freckles:
        for x, y in generator.normal((0, 0.5 * (t.eye_y + t.nose_y) + 0.03), (0.42 * w, 0.02), (22, 2)):
            canvas.fill(ellipse(np.clip(x, -0.75 * w, 0.75 * w), y, 0.0035, 0.0035), darker(t.skin, 0.55))
    for x, y, radius in generator.uniform((-0.8, -0.75, 0.006), (0.8, 0.5, 0.014), (t.spots, 3)):
        canvas.fill(ellipse(x * w, y * t.crown, radius, 0.8 * radius), darker(t.skin, 0.38))


def paint_nose(canvas: Canvas, t: Traits) -> None:
    w, y = t.nose_width, t.nose_y
    shadow = darker(t.skin, 0.95)
    line = smooth(mirrored([(-1.05 * w, y - 0.022), (-1.06 * w, y + 0.002), (-0.62 * w, y + 0.010), (0, y + 0.017)]))
    canvas.stroke(turned(t, line, 1.4), 0.009, shadow)
    for side in (-1, 1):
        nostril = smooth([(side * 0.78 * w, y + 0.004), (side * 0.5 * w, y - 0.002), (side * 0.25 * w, y + 0.008)])
        canvas.stroke(turned(t, nostril, 1.4), 0.013, darker(t.skin, 1.4))


def paint_mouth(canvas: Canvas, t: Traits) -> None:
    half, y = 0.5 * t.mouth_width, t.mouth_y
    lift = 0.028 * t.smile
    lip = mix(mix(t.skin, np.array([176.0, 84.0, 84.0]), 0.45), np.array([188.0, 38.0, 60.0]), 0.8 * t.makeup)
    opening = 0.026 * t.mouth_open
    corner = (-half * (1 + 0.12 * t.smile), y - lift)

    def lip_line(*points: tuple[float, float]) -> Floats:
        return smooth(turned(t, mirrored([corner, *((x * half, y + down) for x, down in points)]), 1.1))

    upper = lip_line((-0.5, -0.75 * t.lips - 0.2 * lift), (-0.13, -t.lips), (0, -0.8 * t.lips))
    middle = lip_line((-0.5, 0.2 * lift), (0, 0.35 * lift))
    inner = lip_line((-0.5, 0.2 * lift + opening), (0, 0.35 * lift + 1.3 * opening))
    lower = lip_line((-0.5, 0.95 * t.lips + opening + 0.1 * lift), (0, 1.25 * t.lips + 1.3 * opening + 0.3 * lift))
    canvas.fill(np.concatenate([inner, lower[::-1]]), lip * 1.06)
    canvas.fill(np.concatenate([upper, middle[::-1]]), lip * 0.88)
    if t.mouth_open:
        canvas.fill(np.concatenate([middle, inner[::-1]]), np.array([70.0, 24.0, 28.0]))
        teeth = np.minimum(moved(middle, 0, 0.014), inner)[3:-3]
        canvas.fill(np.concatenate([middle[3:-3], teeth[::-1]]), WHITE * 0.97)
    canvas.stroke(middle, 0.008, darker(lip, 1.1))


def paint_eye(canvas: Canvas, t: Traits, side: int) -> None:
    size = t.eye_size * (1 - 0.12 * side * t.turn)
    x = side * 0.46 * t.half_width
    across = np.linspace(-1, 1, 17)
    arch = 1 - across**2
    slant = -0.10 * size * side * across
    open_lids = size * 0.62 * (1 - 0.45 * t.lids) * (1 - 0.12 * t.smile)
    upper = np.stack([across * size, slant - open_lids * arch**0.75], axis=1)
    lower = np.stack([across * size, slant + 0.36 * size * arch], axis=1)
    place = turned(t, (x, t.eye_y))
    canvas.fill(place + np.concatenate([upper, lower[::-1]]), WHITE * 0.95)

    def inside(radius: float, colour: Floats) -> None:
        disc = ellipse(0.25 * size * t.gaze, -0.06 * size, radius, radius)
        disc[:, 1] = np.maximum(disc[:, 1], np.interp(disc[:, 0], upper[:, 0], upper[:, 1]))
        disc[:, 1] = np.minimum(disc[:, 1], np.interp(disc[:, 0], lower[:, 0], lower[:, 1]))
        canvas.fill(place + disc, colour)

    iris = 0.26 * t.eye_size + 0.014
    inside(iris, t.iris * 0.55)
    inside(0.84 * iris, t.iris)
    inside(0.45 * iris, np.array([16.0, 12.0, 12.0]))
    canvas.fill(place + ellipse(0.25 * size * t.gaze - 0.3 * iris, -0.42 * iris, 0.24 * iris, 0.24 * iris), WHITE)
    lashes = mix(DARK, darker(t.skin, 1.2), 0.35 * (1 - t.makeup))
    fold = moved(upper * [1.12, 1.0], 0, 0.004 * t.lids - 0.016)
    canvas.strokes(
        place + np.stack([lower, upper * [1.06, 1.02], fold]),
        np.array([0.006, 0.013 + 0.008 * t.makeup, 0.007 + 0.006 * t.lids]),
        np.stack([darker(t.skin, 0.8), lashes, darker(t.skin, 0.55 + 0.5 * t.lids)]),
    )
    brow_y = t.eye_y - 1.55 * t.eye_size - 0.008
    tilt = 0.010 - 0.012 * t.lids
    start, middle = (side * 0.17 * t.half_width, brow_y + 0.008), (x - side * 0.01, brow_y - 0.012)
    brow = smooth([start, middle, (x + side * 1.05 * t.eye_size, brow_y + tilt)])
    hair = mix(mix(t.hair, DARK, 0.35), GREY_HAIR, 0.7 * t.grey)
    canvas.stroke(turned(t, brow), t.brow, mix(t.skin, hair, 0.25 + 0.65 * t.hair_cover))


def paint_glasses(canvas: Canvas, t: Traits) -> None:
    frame = np.array([44.0, 36.0, 40.0])
    rim = 0.42 * t.half_width
    for side in (-1, 1):
        centre = turned(t, (side * 0.48 * t.half_width, t.eye_y + 0.008), 1.2)
        ring = ellipse(centre[0], centre[1], rim * 0.96, rim * 0.80)
        ring = np.concatenate([ring, ring[:1]])
        thick = np.array([1.0, 0.985, 0.97, 0.955])[:, None, None]
        canvas.threads((ring - centre) * thick + centre, frame)
        hinge = moved(centre, side * 0.9 * rim, -0.01)
        canvas.stroke(np.array([hinge, (side * t.half_width, t.eye_y - 0.006)]), 0.012, frame)
    bridge = [(-0.08 * t.half_width, t.eye_y), (0, t.eye_y - 0.012), (0.08 * t.half_width, t.eye_y)]
    canvas.stroke(smooth(turned(t, bridge, 1.2)), 0.012, frame)

"""Hair and beard: a shape of their colour, and single threads of hair over it."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, Floats, mirrored, mix, smooth
from .face import head_outline, skull, turned
from .traits import GREY_HAIR, WHITE, Traits


def paint_hair_behind(canvas: Canvas, t: Traits) -> None:
    if t.hair_length > 0.15:
        right = _lock(t, 1)[12:]
        outline = np.concatenate([[(0, 0.9 * right[0, 1])], right, [(0, right[-1, 1])]])
        canvas.fill(mirrored(outline), mix(t.hair, GREY_HAIR, t.grey) * 0.66)


def _lock(t: Traits, side: int) -> Floats:
    """Long hair beside the face: down its inner edge, and up its outer one."""
    w, end = t.half_width, t.chin * (0.35 + 0.85 * t.hair_length)
    bow = 0.05 + 0.10 * t.curl
    inner = [(0.93, -0.52 * t.crown), (1.0, 0.0), (0.93 - bow, 0.55 * end), (0.84, end)]
    outer = [(1.0, 1.06 * end), (1.14, 0.96 * end), (1.20 + bow, 0.55 * end), (1.17, 0.0), (0.95, -0.62 * t.crown)]
    return smooth(inner + outer) * [side * w, 1]


def paint_hair(canvas: Canvas, t: Traits, generator: np.random.Generator) -> None:
    """From a hairline on the forehead to an outer edge above the skull; both come together on a bald head."""
    angle = np.linspace(np.pi + 0.12, -0.12, 49)
    top = np.clip(np.sin(angle), 0, 1)
    bare = np.clip(t.bald * 1.5 - 1.1 * (1 - top), 0, 1)  # where the hair is gone
    temples = np.sin(2 * angle) ** 2 * (top > 0)
    low = 0.97 - 0.36 * top**1.5 - 0.18 * t.fringe * top**3 - 0.10 * (1 - t.bald) * temples
    low += 0.12 * np.cos(angle) * t.comb * top * temples + 0.14 * (1 - t.hair_cover) * top
    line = low + (1.0 - low) * np.clip(bare + 0.5 * t.bald * temples, 0, 1)
    volume = 1.0 + (0.03 + 0.12 * t.hair_cover * (0.6 + 0.4 * t.curl)) * (1 - bare) * np.sqrt(top)
    line = np.minimum(line, volume)
    inner = turned(t, skull(t, angle, line), 0.35)
    outer = skull(t, angle, volume)
    outer = outer * (1 + 0.02 * t.curl * top * np.sin(np.arange(49) * 1.9))[:, None]
    base = mix(t.hair, GREY_HAIR, t.grey)
    seen = mix(t.skin, base, t.hair_cover)
    canvas.fill(np.concatenate([outer, inner[::-1]]), seen)
    count = 90
    where = generator.uniform(0.04, 0.96, count)
    steps = np.linspace(0, 1, 6)[:, None]
    place = np.clip(where + 0.28 * t.comb * (1 - steps) * np.sin(np.pi * where), 0, 1) * 48  # (6, count)
    place += t.curl * 1.3 * np.sin(steps * 9 + where * 40)
    place = np.clip(place, 0, 47.999)
    index, part = place.astype(int), (place % 1)[..., None]
    both = np.concatenate([inner, outer], axis=1)
    ends = both[index] + (both[index + 1] - both[index]) * part
    roots, tips = ends[..., :2], ends[..., 2:]
    lines = np.swapaxes(roots + (tips - roots) * (0.04 + 0.92 * steps[..., None]), 0, 1)
    lines = lines[np.abs(lines[:, 0] - lines[:, -1]).sum(1) > 0.03]
    paint_threads(canvas, lines, seen, mix(seen, GREY_HAIR, 0.8), t.grey)
    if t.hair_length > 0.15:
        for side in (-1, 1):
            lock = _lock(t, side)
            canvas.fill(lock, base)
            share = generator.random((14, 1, 1))
            strands = lock[:13:2] * (1 - share) + lock[-13::2][::-1] * share
            strands[..., 0] += 0.008 * t.curl * np.sin(strands[..., 1] * 55 + 20 * share[..., 0])
            paint_threads(canvas, strands, base, mix(base, GREY_HAIR, 0.8), t.grey)


def paint_beard(canvas: Canvas, t: Traits, generator: np.random.Generator) -> None:
    w, under_nose = t.half_width, t.nose_y + 0.022
    outside = head_outline(t)[32:]  # from the right ear round the chin to the left one
    left = [(-0.90 * w, 0.10), (-0.66 * w, 0.55 * t.mouth_y), (-0.36 * w, under_nose + 0.013), (0, under_nose)]
    inside = turned(t, smooth(mirrored(left)), 0.6)
    colour = mix(t.hair, GREY_HAIR, t.grey)
    canvas.fill(np.concatenate([outside * [1, 1.01], inside]), mix(t.skin * 0.92, colour, t.beard))
    place, start, length = generator.random((3, 80, 1))
    a = outside[(place[:, 0] * len(outside)).astype(int)]
    b = inside[::-1][(place[:, 0] * len(inside)).astype(int)]
    steps = np.linspace(0, 1, 3)[:, None, None]
    lines = b + (a - b) * np.minimum(0.7 * start + (0.2 + 0.3 * length) * steps, 1.0)
    grey = mix(colour, GREY_HAIR, min(1, 1.5 * t.grey))
    paint_threads(canvas, np.swapaxes(lines, 0, 1), mix(t.skin, colour, t.beard), grey, t.grey)


def paint_threads(canvas: Canvas, lines: Floats, colour: Floats, grey: Floats, share: float) -> None:
    """Single hairs: some darker, some lighter, and some grey."""
    count = len(lines)
    greys = int(0.45 * share * count)
    canvas.threads(lines[greys:][::2], colour * 0.78)
    canvas.threads(lines[greys:][1::2], mix(colour, WHITE, 0.14))
    canvas.threads(lines[:greys], mix(grey, WHITE, 0.3))

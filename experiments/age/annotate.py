"""A picture with what was predicted for it written below."""

from __future__ import annotations

import numpy as np

NARROWEST = 240  # pixels: smaller pictures are enlarged, so that the text fits and can be read
DARK = 34  # grey level of what is added


def annotated(image: np.ndarray, answer: str, note: str = "") -> np.ndarray:
    """`image`, uint8 RGB `(H, W, 3)`, on top of a dark band that says the answer, and a smaller note.

    A picture narrower than the text is enlarged, by not more than makes its longer side `2 * NARROWEST`, and
    then widened with the band's grey.
    """
    import cv2

    height, width = image.shape[:2]
    if width < NARROWEST:
        factor = max(1.0, min(NARROWEST / width, 2 * NARROWEST / height))
        image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        left, spare = divmod(NARROWEST - image.shape[1], 2)
        image = np.pad(image, ((0, 0), (left, left + spare), (0, 0)), constant_values=DARK)
        width = NARROWEST
    unit = width / NARROWEST  # one pixel of the narrowest picture
    band = np.full((round((58 if note else 40) * unit), width, 3), DARK, np.uint8)
    lines = [(answer, 0.8, 28)] + ([(note, 0.42, 48)] if note else [])
    for text, size, baseline in lines:
        scale, stroke = size * unit, max(1, round(1.4 * size * unit))
        (text_width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, stroke)
        if text_width > 0.95 * width:
            scale *= 0.95 * width / text_width
            (text_width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, stroke)
        place = (max(0, (width - text_width) // 2), round(baseline * unit))
        cv2.putText(band, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (240, 240, 240), stroke, cv2.LINE_AA)
    return np.concatenate([image, band])

"""Pictures with what was predicted written into them: at each face's box, or below the whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from experiments.age.faces_in_photo import Box

NARROWEST = 240  # pixels: smaller pictures are enlarged, so that the text fits and can be read
DARK = 34  # grey level of what is added
LIGHT = (240, 240, 240)
FRAME = (255, 196, 0)  # RGB of a box

Label = tuple[int, int, int, int]  # left, top, right, bottom in pixels


def annotated(image: np.ndarray, answer: str, note: str = "") -> np.ndarray:
    """`image`, uint8 RGB `(H, W, 3)`, on top of a dark band that says the answer, and a smaller note.

    A picture narrower than the text is enlarged, by not more than makes its longer side `2 * NARROWEST`, and
    then widened with the band's grey.
    """
    image, _ = enlarged(image)
    unit = image.shape[1] / NARROWEST  # one pixel of the narrowest picture
    lines = [(answer, 0.8, 28)] * bool(answer) + [(note, 0.42, 48 if answer else 12)] * bool(note)
    if not lines:
        return image
    band = np.full((round((lines[-1][2] + (10 if note else 12)) * unit), image.shape[1], 3), DARK, np.uint8)
    for text, size, baseline in lines:
        _write(band, text, size * unit, round(baseline * unit))
    return np.concatenate([image, band])


def with_boxes(photo: np.ndarray, faces: Sequence[tuple[Box, str]], note: str = "") -> np.ndarray:
    """A copy of `photo`, uint8 RGB `(H, W, 3)`, with each box drawn and its answer beside it, inside the picture."""
    import cv2

    image, factor = enlarged(photo)
    image = np.ascontiguousarray(image) if factor != 1 else image.copy()
    height, width = image.shape[:2]
    left = (width - round(photo.shape[1] * factor)) // 2  # of the photo in the picture
    boxes = [[round(side * factor) for side in box] for box, _ in faces]
    placed: list[Label] = []
    for (x, y, side), (_, text) in zip(boxes, faces, strict=True):
        x += left
        line = max(1, round(min(max(side, 40), min(height, width)) / 90))
        cv2.rectangle(image, (x, y), (x + side - 1, y + side - 1), FRAME, line)
        scale, (text_width, text_height) = _fitting(text, side, width)
        room_x, room_y = text_width + text_height, 2 * text_height  # with a margin
        column = min(max(0, x), max(0, width - room_x))
        rows = [y - room_y, y + side, y, y + side - room_y]  # above the box, below it, or in it
        labels = [(column, row, column + room_x, row + room_y) for row in rows if 0 <= row <= height - room_y]
        labels = labels or [(column, max(0, height - room_y), column + room_x, height)]
        label = next((one for one in labels if not any(_meet(one, other) for other in placed)), labels[0])
        placed.append(label)
        cv2.rectangle(image, label[:2], (label[2] - 1, label[3] - 1), (DARK,) * 3, -1)
        foot = (label[0] + text_height // 2, label[3] - round(0.55 * text_height))
        cv2.putText(image, text, foot, cv2.FONT_HERSHEY_SIMPLEX, scale, LIGHT, _stroke(scale), cv2.LINE_AA)
    return annotated(image, "" if faces else "no face found", note)


def enlarged(image: np.ndarray) -> tuple[np.ndarray, float]:
    """The picture at `NARROWEST` or wider, and how much larger what it shows has become."""
    import cv2

    height, width = image.shape[:2]
    if width >= NARROWEST:
        return image, 1.0
    factor = max(1.0, min(NARROWEST / width, 2 * NARROWEST / height))
    image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    left, spare = divmod(max(0, NARROWEST - image.shape[1]), 2)
    return np.pad(image, ((0, 0), (left, left + spare), (0, 0)), constant_values=DARK), factor


def _fitting(text: str, side: int, width: int) -> tuple[float, tuple[int, int]]:
    """The scale at which a box's text can be read and is not wider than the picture; and its size in pixels."""
    height = min(max(11, 0.13 * side, 0.016 * width), 0.09 * width)
    scale = height / 22  # the font's capitals are 22 pixels high at scale 1
    across, _ = _size(text, scale)
    scale *= min(1.0, 0.95 * (width - height) / across)
    return scale, _size(text, scale)


def _write(band: np.ndarray, text: str, scale: float, baseline: int) -> None:
    """Write `text` into the middle of the band, smaller where it would be cut off."""
    import cv2

    width = band.shape[1]
    scale *= min(1.0, 0.95 * width / _size(text, scale)[0])
    place = (max(0, (width - _size(text, scale)[0]) // 2), baseline)
    cv2.putText(band, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, LIGHT, _stroke(scale), cv2.LINE_AA)


def _size(text: str, scale: float) -> tuple[int, int]:
    """Width and height of a text in pixels."""
    import cv2

    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, _stroke(scale))
    return max(1, width), max(1, height)


def _stroke(scale: float) -> int:
    return max(1, round(1.4 * scale))


def _meet(one: Label, other: Label) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]

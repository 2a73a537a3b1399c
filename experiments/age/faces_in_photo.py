"""Where the faces in an ordinary photograph are, and how each is cut out as the faces in UTKFace are.

OpenCV's own detector finds them: boosted cascades of Haar features (Viola and Jones, "Rapid object detection using a
boosted cascade of simple features", CVPR 2001). It sees upright faces from the front, and nothing in profile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from experiments.age.faces import UserError
from tinygrad_cnn.data.decode import centre_square

CASCADES = ("haarcascade_frontalface_alt.xml", "haarcascade_frontalface_alt2.xml")
LONGEST = 1200  # pixels of the longer side; larger photographs are shrunk to it before faces are looked for
SHORTEST = 120  # pixels of the shorter side; smaller ones are enlarged to it
SMALLEST = 28  # pixels of a face there
STEP = 1.1  # from one size of face that is looked for to the next
BORDER = 0.25  # of the shorter side, added around the photograph: an aligned crop cuts through hair and chin
OVERLAP = 0.35  # intersection over union from which two boxes are one face

# A cascade's windows that agree on a face are votes for it, and both cascades' are added. On 44 composites of pictures
# without people and 72 of UTKFace's faces, 40 to 300 pixels wide, 8 votes find 60 faces with 4 false ones (4 votes: 62
# with 19; 10 votes: 59 with 2). A box that fills the photograph has few chances to be wrong: 3 windows of one cascade
# find 98 % of 300 aligned crops, and take 1 of 625 crops of the same size without a face.
VOTES, VOTES_IF_IT_FILLS = 8, 3
FILLS = 0.6  # of the photograph's shorter side

# How the detector's box lies within UTKFace's 200x200 crops, medians over 500 of the training faces whose border was
# continued by 50 pixels: its centre at (99, 82), its side 204 (a tenth of them below 186, a tenth above 221).
CROP_SIDE = 200 / 204  # of the box's side
CROP_BELOW = (100 - 82) / 204  # of the box's side, by which the crop's centre is below the box's


class Box(NamedTuple):
    """A square in a picture, in its pixels; it may reach beyond the border."""

    x: int
    y: int
    side: int


FindFaces = Callable[[np.ndarray], list[Box]]  # in uint8 RGB (H, W, 3)


def face_finder() -> FindFaces:
    """What finds faces: their boxes, framed as UTKFace frames a face, from left to right.

    Raises UserError where OpenCV came without its detectors.
    """
    import cv2

    try:
        from cv2.data import haarcascades
    except ImportError as error:  # as in the builds of some systems
        raise UserError(
            "this OpenCV carries no face detector, as opencv-python 4 does; --no-detect takes aligned faces"
        ) from error
    cascades = [cv2.CascadeClassifier(haarcascades + name) for name in CASCADES]

    def find(photo: np.ndarray) -> list[Box]:
        height, width = photo.shape[:2]
        scale = min(LONGEST / max(height, width), max(1.0, SHORTEST / min(height, width)))
        if scale * min(height, width) < SMALLEST:
            return []
        resampling = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=resampling)
        shorter = min(grey.shape)
        border = round(BORDER * shorter)
        grey = cv2.equalizeHist(grey)
        grey = cv2.copyMakeBorder(grey, border, border, border, border, cv2.BORDER_REPLICATE)
        votes = []
        for cascade in cascades:
            found, counts = cascade.detectMultiScale2(grey, STEP, 1, minSize=(SMALLEST, SMALLEST))
            votes += [(int(count), Box(*map(int, box[:3]))) for box, count in zip(found, counts, strict=True)]
        faces = [
            box
            for count, box in merged(votes)
            if count >= (VOTES_IF_IT_FILLS if box.side >= FILLS * shorter else VOTES)
        ]
        return sorted(framed(box, border, scale) for box in faces)

    return find


def whole(photo: np.ndarray) -> list[Box]:
    """The largest centred square, as the one face of a picture that was cut out before."""
    height, width = photo.shape[:2]
    side = min(height, width)
    return [Box((width - side) // 2, (height - side) // 2, side)]


def described(number: int, box: Box) -> dict[str, int]:
    """Which face of a photograph is meant, by name: its number, counted from the left, and its box."""
    return {"face": number, "x": box.x, "y": box.y, "width": box.side, "height": box.side}


def merged(votes: list[tuple[int, Box]]) -> list[tuple[int, Box]]:
    """Boxes that overlap as one: the one with the most votes of them, with the votes of all."""
    faces: list[tuple[int, Box]] = []
    for count, box in sorted(votes, key=lambda vote: (-vote[0], vote[1])):
        for i, (total, face) in enumerate(faces):
            if overlap(box, face) > OVERLAP:
                faces[i] = (total + count, face)
                break
        else:
            faces.append((count, box))
    return faces


def overlap(one: Box, other: Box) -> float:
    """The area of two boxes' intersection over that of their union."""
    across = min(one.x + one.side, other.x + other.side) - max(one.x, other.x)
    down = min(one.y + one.side, other.y + other.side) - max(one.y, other.y)
    shared = max(0, across) * max(0, down)
    return shared / (one.side**2 + other.side**2 - shared)


def framed(found: Box, border: int, scale: float) -> Box:
    """UTKFace's frame around what the detector found in a picture with a border, shrunk by `scale`."""
    side = CROP_SIDE * found.side
    middle_x = found.x - border + found.side / 2
    middle_y = found.y - border + found.side * (0.5 + CROP_BELOW)
    x, y = (round((middle - side / 2) / scale) for middle in (middle_x, middle_y))
    return Box(x, y, max(1, round(side / scale)))


def cut_out(photo: np.ndarray, box: Box, size: int) -> np.ndarray:
    """The face in the box, uint8 RGB (size, size, 3); what is beyond the border continues it.

    So an aligned crop may be cut out again: of 400 of UTKFace's validation faces 98.5 % are found, and a residual
    network's error on those is 6.08 years, 6.13 for the crops as they are, and 6.14 for boxes pushed inside the border.
    """
    import cv2

    height, width = photo.shape[:2]
    x, y, side = box
    inside = photo[max(0, y) : max(0, y + side), max(0, x) : max(0, x + side)]
    above, below = max(0, -y), max(0, y + side - height)
    left, right = max(0, -x), max(0, x + side - width)
    inside = np.asarray(cv2.copyMakeBorder(inside, above, below, left, right, cv2.BORDER_REPLICATE))
    return centre_square(inside, size)

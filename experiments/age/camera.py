"""A window in which a camera's pictures carry the ages that a model sees, until it is closed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np

from experiments.age.faces import UserError
from tinygrad_cnn.data.quiet import quiet

TITLE = "ages: q ends"
ENDS = (ord("q"), 27)  # the keys, 27 being Esc
OPEN_A_WINDOW = "import cv2; cv2.namedWindow('test'); cv2.destroyAllWindows()"


def watch(number: int, annotate: Callable[[np.ndarray], np.ndarray]) -> None:
    """Show what camera `number` sees, each picture, uint8 RGB (H, W, 3), through `annotate`.

    Ends when the window is closed or q or Esc is pressed. Raises UserError where there is no camera or no display.
    """
    import cv2

    with quiet():  # each of OpenCV's ways to a camera says why it is not the one
        camera = cv2.VideoCapture(number)
    try:
        if not camera.isOpened():
            raise UserError(f"there is no camera {number} here")
        if not has_display():
            raise UserError("there is no display here to show the camera's pictures on")
        cv2.namedWindow(TITLE)
        while True:
            seen, picture = camera.read()
            if not seen:
                raise UserError(f"camera {number} gives no pictures")
            cv2.imshow(TITLE, np.ascontiguousarray(annotate(picture[:, :, ::-1])[:, :, ::-1]))
            if cv2.waitKey(1) & 0xFF in ENDS or cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1:
                cv2.destroyAllWindows()
                return
    finally:
        camera.release()


def has_display() -> bool:
    """Whether a window can be opened: tried in another process, for without a display Qt ends the one that tries."""
    return subprocess.run([sys.executable, "-c", OPEN_A_WINDOW], capture_output=True).returncode == 0

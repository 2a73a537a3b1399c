"""`predict --camera`: a window with what a camera sees, or one line that says why there is none."""

import subprocess
import sys

import cv2
import numpy as np
import pytest

from experiments.age import camera
from tests.experiments.scenes import scene


class Camera:
    """Gives a scene with a face, as often as it is asked."""

    def __init__(self, opened=True, pictures=99):
        self.opened, self.left, self.released = opened, pictures, False

    def isOpened(self):
        return self.opened

    def read(self):
        self.left -= 1
        return self.left >= 0, np.ascontiguousarray(scene((350, 60, 200))[:, :, ::-1])

    def release(self):
        self.released = True


@pytest.fixture
def screen(monkeypatch):
    """What is shown in the window; the key q is pressed at the third picture."""
    shown = []
    monkeypatch.setattr(camera, "has_display", lambda: True)
    monkeypatch.setattr(cv2, "namedWindow", lambda *_: None)
    monkeypatch.setattr(cv2, "imshow", lambda _, picture: shown.append(picture))
    monkeypatch.setattr(cv2, "waitKey", lambda _: ord("q") if len(shown) == 3 else -1)
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: 1.0)
    monkeypatch.setattr(cv2, "destroyAllWindows", lambda: None)
    return shown


def test_the_camera_shows_ages_until_q_is_pressed(predict, monkeypatch, screen):
    fake, asked = Camera(), []
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: asked.append(number) or fake)
    outcome = predict("--camera", "2")
    assert (outcome.status, outcome.err) == (0, [])
    assert asked == [2]
    assert len(screen) == 3
    assert all((picture == (0, 196, 255)).all(2).any() for picture in screen)  # the box, in OpenCV's order of colours
    assert fake.released


def test_a_window_that_is_closed_ends_it_too(predict, monkeypatch, screen):
    monkeypatch.setattr(cv2, "VideoCapture", lambda _: Camera())
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: 0.0)
    assert predict("--camera").status == 0
    assert len(screen) == 1


@pytest.mark.parametrize(
    ("fake", "display", "line"),
    [
        (Camera(opened=False), True, "there is no camera 0 here"),
        (Camera(), False, "there is no display here to show the camera's pictures on"),
        (Camera(pictures=1), True, "camera 0 gives no pictures"),
    ],
)
def test_without_camera_display_or_pictures_there_is_one_line(predict, monkeypatch, screen, fake, display, line):
    monkeypatch.setattr(cv2, "VideoCapture", lambda _: fake)
    monkeypatch.setattr(camera, "has_display", lambda: display)
    outcome = predict("--camera")
    assert (outcome.status, outcome.err) == (2, [f"utkface_age.py predict: {line}"])
    assert fake.released


def test_where_there_is_no_camera_opencv_adds_no_line(script, trained):
    run = subprocess.run(
        [sys.executable, script, "predict", "--camera", "77", "--weights", trained[0] / "best.safetensors"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (2, "utkface_age.py predict: there is no camera 77 here\n")


@pytest.mark.skipif(sys.platform != "linux", reason="takes the display away as X11 does")
def test_a_display_that_is_not_there_is_noticed(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not camera.has_display()

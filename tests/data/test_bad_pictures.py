"""Files of every kind: each gives its pixels or one reason, in little memory, and stderr stays quiet."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from tinygrad_cnn.data import UnreadableImage, UTKFace, printable, read_image
from tinygrad_cnn.data.quiet import quiet

from . import zoo
from .pictures import photo, write

READABLE, UNREADABLE = zoo.readable(), zoo.unreadable()


@pytest.fixture
def silent(capfd):
    """Holds that nothing was written to stderr, by Python or past it."""
    yield
    assert capfd.readouterr().err == ""


def put(folder, name, content):
    (folder / name).write_bytes(content)
    return folder / name


@pytest.mark.usefixtures("silent")
class TestReading:
    @pytest.mark.parametrize("name", READABLE, ids=printable)
    def test_a_picture_gives_its_pixels(self, tmp_path, name):
        content, pixels, off = READABLE[name]
        image = read_image(put(tmp_path, name, content))
        assert (image.shape, image.dtype) == (pixels.shape, np.uint8)
        assert np.abs(image.astype(int) - pixels).mean() <= off
        assert read_image(tmp_path / name, 16).shape == (16, 16, 3)

    def test_another_turn_would_be_noticed(self):
        for turn in (2, 3, 4):
            assert np.abs(zoo.as_stored(turn).astype(int) - zoo.PICTURE).mean() > 20

    @pytest.mark.parametrize("turn", range(1, 9))
    def test_a_picture_that_is_shrunk_while_it_is_decoded_is_upright_too(self, tmp_path, turn):
        content = zoo.encoded("JPEG", zoo.as_stored(turn), exif=zoo.exif(turn))
        plain = read_image(put(tmp_path, "plain.png", zoo.encoded("PNG")), 12)
        assert np.abs(read_image(put(tmp_path, "a.jpg", content), 12).astype(int) - plain).mean() < 3

    @pytest.mark.parametrize("name", UNREADABLE, ids=printable)
    def test_what_is_no_picture_gives_its_reason(self, tmp_path, name):
        content, reason = UNREADABLE[name]
        with pytest.raises(UnreadableImage) as caught:
            read_image(put(tmp_path, name, content))
        assert str(caught.value).startswith(reason)
        assert "\n" not in str(caught.value)

    def test_what_is_no_file_gives_its_reason_at_once(self, tmp_path):
        start = time.monotonic()
        for name, reason in zoo.no_files(tmp_path).items():
            with pytest.raises(UnreadableImage, match=reason):
                read_image(tmp_path / name)
        assert time.monotonic() - start < 1

    def test_a_file_that_may_not_be_read_gives_its_reason(self, tmp_path, monkeypatch):
        path = put(tmp_path, "locked.jpg", READABLE["plain.jpg"][0])

        def refuse(*_, **__):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr("builtins.open", refuse)  # root may read what it likes
        with pytest.raises(UnreadableImage, match=r"^Permission denied$"):
            read_image(path)

    def test_a_damaged_jpeg_is_read_without_a_word(self, tmp_path):
        damaged = bytearray(READABLE["plain.jpg"][0])
        damaged[len(damaged) // 2 : len(damaged) // 2 + 4] = b"\xff\xd0\xff\xd3"  # libjpeg has something to say to it
        assert read_image(put(tmp_path, "a.jpg", damaged)).shape == zoo.PICTURE.shape


def test_no_memory_is_taken_for_the_pixels_that_a_header_claims(tmp_path):
    names = [str(put(tmp_path, name, UNREADABLE[name][0])) for name in ("huge.jpg", "huge.png", "huge.webp")]
    code = (
        "import contextlib, resource, sys; from tinygrad_cnn.data import UnreadableImage, read_image\n"
        f"read_image({str(put(tmp_path, 'a.png', READABLE['plain.png'][0]))!r})\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"for name in {names}:\n"
        "    with contextlib.suppress(UnreadableImage): read_image(name)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(run.stdout) * unit < 20e6  # of the 10.8 GB that were claimed
    assert run.stderr == ""


@pytest.mark.usefixtures("silent")
def test_a_folder_of_them_is_decoded_and_each_that_can_not_be_read_is_named_once(tmp_path):
    expected = {}
    usual = [name for name in READABLE if not name.startswith("turn")]
    for number, name in enumerate([*usual, *UNREADABLE]):
        content, reason = READABLE[name][0] if name in READABLE else UNREADABLE[name][0], UNREADABLE.get(name)
        path = put(tmp_path, f"{number}_0_0_{name}", content)
        if path.suffix == ".webp":  # the dataset has none
            path.unlink()
        elif reason:
            expected[path.name] = reason[1]
    expected |= zoo.no_files(tmp_path)
    faces = UTKFace(tmp_path, 24, progress=False)
    assert sorted(path.name for path, _ in faces.skipped) == sorted(expected)
    for path, why in faces.skipped:
        assert why.startswith(expected[path.name])
    assert len(faces) == sum(not name.endswith(".webp") for name in usual)
    whole = faces.batch(range(len(faces)))[0]
    assert (whole.reshape(len(faces), -1).max(1) > 0).all()


class TestQuiet:
    def test_what_c_libraries_write_is_dropped_and_what_follows_is_not(self, capfd):
        with quiet(), quiet() as shown:
            os.write(2, b"libpng warning\n")
            print("a bar", file=shown)
        os.write(2, b"after\n")
        assert capfd.readouterr().err.replace("a bar\n", "") == "after\n"

    def test_a_bar_is_seen_where_stderr_is_the_descriptor(self):
        code = (
            "import os, sys; from tinygrad_cnn.data.quiet import quiet\n"
            "with quiet() as shown: os.write(2, b'noise'); print('bar', file=shown)\n"
            "print('after', file=sys.stderr)"
        )
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert run.stderr.split() == ["bar", "after"]

    def test_without_a_stderr_nothing_is_dropped_and_nothing_fails(self, tmp_path):
        path = write(tmp_path / "a.png", photo(size=8))
        code = (
            f"import os; os.close(2); from tinygrad_cnn.data import read_image; print(read_image({str(path)!r}).shape)"
        )
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert run.stdout == "(8, 8, 3)\n"

    def test_an_error_inside_leaves_stderr_as_it_was(self, capfd):
        with pytest.raises(ValueError, match="inside"), quiet():
            raise ValueError("inside")
        os.write(2, b"after\n")
        assert capfd.readouterr().err == "after\n"

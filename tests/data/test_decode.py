import contextlib

import cv2
import numpy as np
import pytest

from tinygrad_cnn.data import UnreadableImage, decode, read_image
from tinygrad_cnn.data.decode import picture_size

from .pictures import photo, write
from .zoo import encoded, exif, jpeg_header, png_header, webp_header


def test_a_png_comes_back_as_it_was_in_rgb(tmp_path):
    image = photo(size=50)
    np.testing.assert_array_equal(read_image(write(tmp_path / "a.png", image)), image)


def test_red_stays_red_in_a_jpeg(tmp_path):
    red = np.zeros((40, 40, 3), np.uint8) + np.array([220, 30, 20], np.uint8)
    np.testing.assert_allclose(read_image(write(tmp_path / "a.jpg", red)).mean((0, 1)), [220, 30, 20], atol=3)


def test_shrinking_takes_means_of_areas(tmp_path):
    image = photo(size=96)
    means = image.reshape(32, 3, 32, 3, 3).mean((1, 3))
    np.testing.assert_allclose(read_image(write(tmp_path / "a.png", image), 32), means, atol=0.51)


@pytest.mark.parametrize("size", [128, 100, 64, 33, 10])
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_every_way_of_shrinking_gives_nearly_the_means_of_areas(tmp_path, size, suffix):
    path = write(tmp_path / f"a{suffix}", photo())
    whole = read_image(path)
    expected = cv2.resize(whole, (size, size), interpolation=cv2.INTER_AREA)
    difference = np.abs(read_image(path, size).astype(int) - expected).mean()
    assert difference < 2  # of 255
    assert np.abs(expected[:, ::-1].astype(int) - expected).mean() > 20  # which another picture would fail


def test_an_oblong_picture_gives_its_largest_centred_square(tmp_path):
    image = photo(size=60)
    wide = np.pad(image, ((0, 0), (10, 10), (0, 0)))
    np.testing.assert_array_equal(read_image(write(tmp_path / "a.png", wide), 60), image)
    np.testing.assert_array_equal(read_image(write(tmp_path / "b.png", wide.swapaxes(0, 1)), 60), image.swapaxes(0, 1))


def test_a_small_picture_is_enlarged(tmp_path):
    assert read_image(write(tmp_path / "a.png", photo(size=7)), 64).shape == (64, 64, 3)


def test_the_header_tells_the_size(tmp_path):
    for name in ("a.jpg", "a.png"):
        assert picture_size(write(tmp_path / name, photo()[:33, :47]).read_bytes()) == (47, 33)
    assert picture_size(jpeg_header(65000, 12)) == (65000, 12)
    for options in ({"lossless": True}, {"quality": 50}, {"quality": 50, "exif": exif(1)}):
        assert picture_size(encoded("WEBP", photo()[:33, :47], **options)) == (47, 33)
    assert picture_size(b"\xff\xd8\xff\xff\xff" + jpeg_header(5, 6)[3:]) == (5, 6)  # padded with 0xFF


@pytest.mark.parametrize("header", [jpeg_header, png_header, webp_header])
def test_a_huge_picture_is_refused_by_its_header_alone(tmp_path, header, monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("the picture was decoded"))
    path = tmp_path / "a.jpg"
    path.write_bytes(header(60000, 60000) + bytes(1000))
    with pytest.raises(UnreadableImage, match="60000x60000 pixels, more than"):
        read_image(path)


def test_large_pictures_are_decoded_one_at_a_time(tmp_path, monkeypatch):
    path = write(tmp_path / "a.jpg", photo())
    seen = []
    original = cv2.imdecode

    def watched(*args):
        seen.append(decode._one_large_picture.locked())
        return original(*args)

    monkeypatch.setattr(cv2, "imdecode", watched)
    read_image(path)
    monkeypatch.setattr(decode, "LARGE_PIXELS", 100)
    read_image(path)
    assert seen == [False, True]
    assert not decode._one_large_picture.locked()


def test_a_file_that_is_too_long_is_not_read(tmp_path):
    with open(tmp_path / "a.jpg", "wb") as file:
        file.truncate(decode.MAX_BYTES + 1)
    with pytest.raises(UnreadableImage, match="bytes, more than"):
        read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"hello", "neither a JPEG nor a PNG"),
        (b"GIF89a" + bytes(50), "neither a JPEG nor a PNG"),
        (b"RIFF\4\0\0\0WEBP" + bytes(30), "damaged WebP header"),
        (b"RIFF\4\0\0\0WEBP", "neither a JPEG nor a PNG"),
        (b"\xff\xd8", "damaged JPEG header"),
        (b"\xff\xd8\xff", "damaged JPEG header"),
        (b"\xff\xd8" + b"\xff\xe0\x00\x00" * 10, "damaged JPEG header"),
        (b"\xff\xd8\xff\xe0\x00\x10" + b"x" * 100, "damaged JPEG header"),
        (b"\x89PNG\r\n\x1a\n", "neither a JPEG nor a PNG"),
        (jpeg_header(40, 40), "damaged"),
        (png_header(40, 40), "damaged"),
        (jpeg_header(0, 40) + bytes(100), "damaged"),
    ],
)
def test_what_is_no_picture_has_a_reason(tmp_path, content, reason):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(UnreadableImage, match=reason):
        read_image(tmp_path / "a.jpg", 32)


def test_random_damage_gives_a_picture_or_a_reason(tmp_path):
    path = write(tmp_path / "a.jpg", photo())
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(whole[: generator.integers(1, len(whole))])
        for place in generator.integers(len(damaged), size=8):
            damaged[place] = generator.integers(256)
        path.write_bytes(damaged)
        with contextlib.suppress(UnreadableImage):
            assert read_image(path, 16).shape == (16, 16, 3)

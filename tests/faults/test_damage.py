"""One wrong bit anywhere in a file is found; the file before it, or its source, stands in, and it is said."""

import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest

import tinygrad_cnn as tg
from models.age_cnn import AgeCNN
from tinygrad_cnn.data import LoadError
from tinygrad_cnn.data.cache import SourceFile, cached_images
from tinygrad_cnn.train import AgeModel, Checkpoints, Regression, load_age_model
from tinygrad_cnn.train.resume import read_checkpoint


def flipped(content, bit):
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def places(content, count=60):
    """Bits of the first 300 bytes and of the last 100, and some of those between, the same at every call."""
    generator = np.random.default_rng(0)
    size = 8 * len(content)
    return {*range(0, min(2400, size), 7), *range(max(0, size - 800), size, 7), *generator.integers(size, size=count)}


def test_in_a_checkpoint(tmp_path):
    """Every bit of it: of the header's length, of names, shapes, offsets, metadata, padding and numbers."""
    checkpoints = Checkpoints(tmp_path)
    for step in (1, 2):
        newest = checkpoints.write({"step": step, "weight": np.arange(4, dtype=np.float32), "half": np.ones(3, "f2")})
    content = newest.read_bytes()
    for bit in range(8 * len(content)):
        newest.write_bytes(flipped(content, bit))
        with pytest.raises(ValueError, match=newest.name):
            read_checkpoint(newest)
        if bit % 97 == 0:
            state, problems = Checkpoints(tmp_path).latest()
            assert state["step"] == 1, bit
            assert str(newest) in problems[0]


def test_in_both_checkpoints(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for step in (1, 2):
        path = checkpoints.write({"step": step})
        path.write_bytes(flipped(path.read_bytes(), 900))
    with pytest.raises(ValueError, match=r"checkpoint-\d\.safetensors.*; .*checkpoint-\d\.safetensors"):
        Checkpoints(tmp_path).latest()


def test_in_a_models_weights(tmp_path):
    path = tmp_path / "best.safetensors"
    model = AgeModel(AgeCNN(16), 16, Regression(30.0, 10.0), 30.0, "synthetic faces")
    tg.save(model.model.state_dict(), path, model.metadata())
    content = path.read_bytes()
    assert load_age_model(path, {"AgeCNN": AgeCNN}).image_size == 16
    for bit in places(content):
        path.write_bytes(flipped(content, bit))
        with pytest.raises(ValueError, match=r"best\.safetensors"):
            tg.load(path)


@pytest.fixture
def faces(tmp_path):
    files = []
    for i in range(40):
        path = tmp_path / f"{i}.png"
        cv2.imwrite(str(path), np.random.default_rng(i).integers(256, size=(6, 6, 3), dtype=np.uint8))
        files.append(SourceFile(path, path.stat().st_size, 1))
    return files


@pytest.mark.parametrize("kind", ["*.json", "*.npy"])
def test_in_a_cache(tmp_path, faces, kind):
    cache = cached_images(faces, 6, tmp_path / "cache")
    rows, expected = np.arange(40), np.array(cache.images)
    (path,) = (tmp_path / "cache").glob(kind)
    content = path.read_bytes()
    for bit in sorted(places(content, 20))[::6]:
        path.write_bytes(flipped(content, bit))
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            images = cached_images(faces, 6, tmp_path / "cache").take(rows)
        assert ["is damaged" in str(warning.message) for warning in said] == [True], bit
        np.testing.assert_array_equal(images, expected)
        assert path.read_bytes() == content  # and it is mended


def test_in_an_image_whose_file_is_gone(tmp_path, faces):
    cache = cached_images(faces, 6, tmp_path / "cache")
    content = cache.path.read_bytes()
    cache.path.write_bytes(content[: -2 * 108] + bytes(108) + content[-108:])  # none of those that are looked at first
    faces[38].path.unlink()
    with pytest.raises(LoadError, match=r"damaged in image 38, and .*38\.png does not give it again: delete it"):
        cached_images(faces, 6, tmp_path / "cache").take(np.arange(40))


def test_in_what_is_derived_from_the_images(tmp_path, faces):
    cache = cached_images(faces, 6, tmp_path / "cache")
    expected = cache.derived("numbers", lambda: np.arange(9))
    path = next(Path(tmp_path / "cache").glob("*numbers*"))
    content = path.read_bytes()
    for bit in sorted(places(content))[::5]:
        path.write_bytes(flipped(content, bit))
        np.testing.assert_array_equal(cache.derived("numbers", lambda: np.arange(9)), expected)
        assert path.read_bytes() == content

import cv2
import numpy as np
import pytest

from tinygrad_cnn.data import ArrayDataset, photo_groups

from .pictures import photo


def groups(images):
    return photo_groups(ArrayDataset(np.stack(images), np.zeros(len(images)))).tolist()


def recompressed(image):
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 30])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


ALTERED = {
    "exact": lambda image: image,
    "mirrored": lambda image: image[:, ::-1],
    "recompressed": recompressed,
    "mirrored and recompressed": lambda image: recompressed(image[:, ::-1]),
    "brighter": lambda image: np.clip(image.astype(int) * 1.15 + 10, 0, 255).astype(np.uint8),
    "grey": lambda image: cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB),
    "blurred": lambda image: cv2.GaussianBlur(image, (0, 0), 2),
}


@pytest.mark.parametrize("alter", ALTERED.values(), ids=ALTERED.keys())
def test_a_copy_is_found_among_other_photos(alter):
    images = [photo(i, 64) for i in range(40)]
    found = groups([*images, np.ascontiguousarray(alter(images[7]))])
    assert found == [*range(40), 7]


def test_different_photos_stay_apart():
    assert groups([photo(i, 64) for i in range(300)]) == list(range(300))


def test_copies_of_copies_form_one_group():
    a, b, c = (photo(i, 64) for i in range(3))
    assert groups([a, b, a[:, ::-1], c, b, recompressed(a), c[:, ::-1]]) == [0, 1, 0, 2, 1, 0, 2]


def test_many_copies_of_one_photo_are_one_group():
    assert groups([photo(0, 64)] * 60 + [photo(1, 64)]) == [0] * 60 + [1]


def test_few_images_and_none_are_fine():
    assert groups([photo(0, 64), photo(0, 64)]) == [0, 0]
    assert groups([photo(0, 64)]) == [0]
    empty = photo_groups(ArrayDataset(np.zeros((0, 64, 64, 3), np.uint8), np.zeros(0)))
    assert empty.tolist() == []


def test_blank_images_are_no_copies_of_photos():
    found = groups([np.full((64, 64, 3), 90, np.uint8), photo(0, 64), np.full((64, 64, 3), 160, np.uint8)])
    assert found[1] not in (found[0], found[2])


def test_small_images_work_too():
    assert groups([photo(0, 16), photo(1, 16), photo(0, 16)[:, ::-1]]) == [0, 1, 0]


def test_the_result_is_the_same_each_time():
    images = [photo(i % 50, 64) for i in range(80)]
    assert groups(images) == groups(images)


def test_float_images_are_refused():
    with pytest.raises(TypeError, match="uint8 images"):
        photo_groups(ArrayDataset(np.zeros((2, 3, 8, 8), np.float32), np.zeros(2)))

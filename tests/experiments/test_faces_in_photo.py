"""Where faces are found in a photograph, how they are cut out, and what is drawn of them."""

import cv2
import numpy as np
import pytest

from experiments.age.annotate import annotated, with_boxes
from experiments.age.faces_in_photo import Box, cut_out, face_finder, framed, merged, whole
from tests.experiments.scenes import about, drawn_face, scene
from tinygrad_cnn.data import read_image

# -- finding faces -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def find():
    return face_finder()


def test_each_face_of_a_photograph_is_found_once_from_left_to_right(find):
    boxes = find(scene((350, 60, 200), (60, 150, 140)))
    assert len(boxes) == 2
    assert about(boxes[0], 83, 189, 99)  # the drawn head, without the background that was drawn around it
    assert about(boxes[1], 384, 119, 136)


def test_a_face_that_fills_the_picture_is_found_by_its_continued_border(find):
    face = drawn_face()[30:, 20:180]
    (box,) = find(face)
    assert box.side > 120


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (9000, 1), (40, 40), (300, 500)])
def test_where_there_is_no_face_none_is_found(find, size):
    assert find(np.full((*size, 3), 128, np.uint8)) == []
    noise = np.random.default_rng(0).integers(256, size=(*size, 3)).astype(np.uint8)
    assert find(noise) == []


def test_a_tiny_face_is_found(find):
    face = cv2.resize(drawn_face(), (32, 32), interpolation=cv2.INTER_AREA)
    (box,) = find(face)
    assert 16 < box.side < 32


def test_a_face_in_a_scene_that_is_nearly_black_is_found(find):
    image = scene((350, 60, 200)) // 16
    assert image.max() < 16
    (box,) = find(image)
    assert about(box, 384, 119, 136)


def test_a_large_photograph_is_searched_in_a_small_copy_and_boxes_are_in_its_own_pixels(find):
    image = cv2.resize(scene((350, 60, 200)), None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    (box,) = find(image)
    assert about(box, 4 * 384, 4 * 119, 4 * 136)


def test_a_photograph_of_a_person_is_found_to_show_one(find):
    cbook = pytest.importorskip("matplotlib.cbook")  # carries a photograph by the US Navy, in the public domain
    try:
        image = read_image(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    except (FileNotFoundError, OSError):
        pytest.skip("this matplotlib comes without its sample pictures")
    (box,) = find(image)
    assert about(box, 152, 126, 222)


def test_boxes_of_one_face_are_one_with_the_votes_of_all():
    first, near, far = Box(10, 10, 100), Box(20, 15, 100), Box(200, 10, 90)
    assert merged([(3, near), (5, first), (2, far)]) == [(8, first), (2, far)]
    assert merged([]) == []


def test_the_frame_is_utkfaces():
    assert framed(Box(0, 0, 204), 0, 1.0) == Box(2, 20, 200)
    assert framed(Box(50, 50, 204), 50, 0.5) == Box(4, 40, 400)


def test_what_is_cut_out_beyond_the_border_continues_it():
    image = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
    cut = cut_out(image, Box(-1, -2, 8), 8)
    np.testing.assert_array_equal(cut[2:7, 1:5], image)
    np.testing.assert_array_equal(cut[0, 1:5], image[0])
    np.testing.assert_array_equal(cut[2:7, 7], image[:, 3])
    assert cut_out(image, Box(1, 1, 3), 6).shape == (6, 6, 3)


def test_the_whole_picture_is_its_largest_centred_square():
    assert whole(np.zeros((10, 31, 3), np.uint8)) == [Box(10, 0, 10)]


# -- what is drawn -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(300, 400), (60, 60), (9000, 1), (1, 9000), (1, 1), (2000, 30)])
def test_the_answer_below_a_picture_of_any_proportions_is_not_cut_off(shape):
    for answer, note in (("34 years", ""), ("34 years, female, 30-39", "trained on synthetic faces"), ("", "a note")):
        image = annotated(np.full((*shape, 3), 128, np.uint8), answer, note)
        assert image.shape[1] == max(240, shape[1])
        assert shape[0] < image.shape[0] < 4 * max(*shape, 240)
        band = image[-int(0.06 * image.shape[1]) :]
        assert (band[:, [0, -1]] == 34).all()  # no letter touches the edges


@pytest.mark.parametrize(
    "box", [(0, 0, 50), (350, 250, 50), (150, 100, 100), (-20, -20, 440), (390, 290, 400), (5, 0, 20)]
)
@pytest.mark.parametrize("text", ["7 years", "34 years, female, 30-39"])
def test_a_boxes_label_lies_within_the_picture(box, text):
    photo = np.full((300, 400, 3), 128, np.uint8)
    image = with_boxes(photo, [(Box(*box), text)])
    assert image.shape == photo.shape
    assert (photo == 128).all()
    dark = np.argwhere((image == 34).all(2))
    top, left = dark.min(0)
    bottom, right = dark.max(0)
    for edge in (image[top : bottom + 1, left], image[top : bottom + 1, right], image[bottom, left : right + 1]):
        assert not (edge > 200).all(1).any()  # the text ends before its background does
    assert (image[top : bottom + 1, left : right + 1] > 200).all(2).any()


def test_labels_of_neighbours_do_not_cover_each_other():
    boxes = [Box(100, 100, 60), Box(150, 100, 60)]
    one = with_boxes(np.full((300, 400, 3), 128, np.uint8), [(boxes[0], "20 years")])
    both = with_boxes(np.full((300, 400, 3), 128, np.uint8), [(box, "20 years") for box in boxes])
    assert ((both == 34).all(2).sum()) > 1.8 * ((one == 34).all(2).sum())


def test_a_small_picture_is_enlarged_with_its_boxes():
    image = with_boxes(np.full((48, 48, 3), 128, np.uint8), [(Box(4, 4, 40), "7 years")])
    assert image.shape == (240, 240, 3)
    frame = np.argwhere((image == (255, 196, 0)).all(2))
    assert np.abs(frame.min(0) - 20).max() <= 1  # 4 pixels, five times as large, and half of the line
    assert np.abs(frame.max(0) - 219).max() <= 1


def test_a_box_in_a_picture_that_is_too_narrow_for_a_text_moves_with_the_picture_to_the_middle():
    photo = np.full((200, 30, 3), 128, np.uint8)  # 72 pixels wide when it is as high as it may be, with 84 on each side
    image = with_boxes(photo, [(Box(5, 150, 20), "7 years")])
    assert image.shape == (480, 240, 3)
    frame = np.argwhere((image == (255, 196, 0)).all(2))
    assert np.abs(frame.min(0) - (360, 84 + 12)).max() <= 1
    assert np.abs(frame.max(0) - (407, 84 + 59)).max() <= 1


def test_a_picture_without_a_face_says_so_below():
    assert with_boxes(np.full((300, 400, 3), 128, np.uint8), []).shape[0] > 300

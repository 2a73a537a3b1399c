import numpy as np
import pytest

from tinygrad_cnn.data import DataLoader, Subset, SyntheticFaces
from tinygrad_cnn.data.drawing import cue_boxes, draw


@pytest.fixture(scope="module")
def faces():
    return SyntheticFaces(500, size=64)


@pytest.fixture(scope="module")
def images(faces):
    return faces.batch(np.arange(len(faces)))[0]


def explained(features, ages):
    """Share of the variance of age that linear regression on `features` explains."""
    columns = np.column_stack([features, np.ones(len(features))])
    rest = ages - columns @ np.linalg.lstsq(columns, ages, rcond=None)[0]
    return 1 - rest.var() / ages.var()


def test_images_and_ages_have_the_shapes_and_types_of_a_dataset(faces, images):
    assert images.shape == (500, 64, 64, 3)
    assert images.dtype == np.uint8
    assert faces.ages.dtype == np.float32
    assert faces.targets is faces.ages


def test_ages_are_whole_years_from_1_to_90_evenly(faces):
    ages = SyntheticFaces(4000, size=16).ages
    assert ages.min() == 1
    assert ages.max() == 90
    assert (ages == ages.round()).all()
    assert np.histogram(ages, bins=9, range=(1, 91))[0].min() > 350


def test_a_face_depends_on_seed_and_index_alone(faces, images):
    others = SyntheticFaces(20, size=64)
    order = [19, 3, 7]
    np.testing.assert_array_equal(others.batch(order)[0], images[order])
    assert others.ages.tolist() == faces.ages[:20].tolist()
    assert (SyntheticFaces(20, size=64, seed=1).batch(range(20))[0] != images[:20]).any((1, 2, 3)).all()


def test_a_face_is_the_same_at_another_size_but_for_its_grain():
    large, small = SyntheticFaces(3, size=128)[2][0], SyntheticFaces(3, size=64)[2][0]
    shrunk = large.reshape(64, 2, 64, 2, 3).mean((1, 3))
    assert np.abs(shrunk - small).mean() < 12


def test_a_face_is_drawn_once(monkeypatch):
    from tinygrad_cnn.data import synthetic

    drawn = []
    monkeypatch.setattr(synthetic, "draw", lambda *args: drawn.append(1) or draw(*args))
    few = SyntheticFaces(6, size=32)
    assert len(drawn) == 0
    few.batch([1, 1, 4])
    few.batch([4, 1])
    assert len(drawn) == 2


def test_what_is_handed_out_can_be_changed_without_harm():
    few = SyntheticFaces(3, size=32)
    before = few.batch([0, 1])[0].copy()
    few.batch([0, 1])[0][...] = 0
    few[0][0][...] = 0
    np.testing.assert_array_equal(few.batch([0, 1])[0], before)


def test_every_face_is_a_picture(images):
    assert images.std((1, 2, 3)).min() > 15
    assert (images.max((1, 2, 3)) > 150).all()


def test_mean_colour_does_not_give_the_age_away(faces, images):
    assert explained(images.mean((1, 2)), faces.ages) < 0.10
    corners = images[:, :6, :6].mean((1, 2))
    assert explained(corners, faces.ages) < 0.10


def test_the_face_as_a_whole_gives_the_age_away(faces, images):
    """Ridge regression on small grey pictures explains the ages of faces that it has not seen."""
    pixels = images.reshape(500, 16, 4, 16, 4, 3).mean((2, 4, 5)).reshape(500, -1)
    seen, unseen = slice(0, 400), slice(400, 500)
    pixels = (pixels - pixels[seen].mean(0)) / pixels[seen].std(0)
    mean = faces.ages[seen].mean()
    weights = pixels[seen].T @ np.linalg.solve(
        pixels[seen] @ pixels[seen].T + 300 * np.eye(400), faces.ages[seen] - mean
    )
    error = pixels[unseen] @ weights + mean - faces.ages[unseen]
    assert 1 - (error**2).mean() / faces.ages[unseen].var() > 0.4


CUES = {
    "forehead": {"forehead": 1.0},
    "left_eye right_eye": {"crows_feet": 1.0, "bags": 1.0, "lids": 1.0},
    "mouth": {"folds": 1.0},
    "hair": {"grey": 1.0},
}


@pytest.mark.parametrize("names", CUES)
def test_a_sign_of_age_changes_the_picture_in_its_box(names, faces):
    for i in range(8):
        traits = faces.traits(i)
        traits.glasses, traits.beard, traits.hair_length, traits.fringe, traits.bald = False, 0.0, 0.0, 0.0, 0.0
        for cue in CUES[names]:
            setattr(traits, cue, 0.0)
        young = draw(traits, 128).astype(float)
        for cue, strength in CUES[names].items():
            setattr(traits, cue, strength)
        old = draw(traits, 128).astype(float)
        old *= np.median((young + 1) / (old + 1))  # the exposure
        change = np.abs(old - young).sum(2)
        change = np.where(change > 20, change, 0)
        inside = 0
        for name in names.split():
            x0, y0, x1, y1 = cue_boxes(traits, 128)[name]
            assert change[y0:y1, x0:x1].sum() > 500
            inside += change[y0:y1, x0:x1].sum()
        assert inside > 0.6 * change.sum()


def test_cue_boxes_lie_in_the_picture_and_follow_the_face(faces):
    for i in range(50):
        boxes = faces.cue_boxes(i)
        assert list(boxes) == ["hair", "forehead", "left_eye", "right_eye", "mouth"]
        for x0, y0, x1, y1 in boxes.values():
            assert 0 <= x0 < x1 <= 64
            assert 0 <= y0 < y1 <= 64
        assert boxes["hair"][1] <= boxes["forehead"][1] < boxes["left_eye"][1] < boxes["mouth"][1]
        assert boxes["left_eye"][0] < boxes["right_eye"][0]
    large = SyntheticFaces(50, size=128).cue_boxes(7)
    assert large["mouth"] == pytest.approx(tuple(2 * edge for edge in faces.cue_boxes(7)["mouth"]), abs=2)


def test_the_eyes_are_in_their_boxes(faces):
    """Eyes of another colour change the picture in their boxes alone."""
    for i in range(10):
        traits = faces.traits(i)
        traits.glasses = False
        traits.grain = 0.0
        whole = draw(traits, 64).astype(int)
        traits.iris = 255 - traits.iris
        x, y = np.nonzero(np.abs(draw(traits, 64) - whole).max(2) > 12)[::-1]
        assert len(x)
        boxes = faces.cue_boxes(i)
        inside = [
            (x >= x0) & (x < x1) & (y >= y0) & (y < y1) for x0, y0, x1, y1 in (boxes["left_eye"], boxes["right_eye"])
        ]
        assert (inside[0] | inside[1]).all()
        assert inside[0].any()
        assert inside[1].any()


@pytest.mark.parametrize("size", [16, 17, 50, 224])
def test_any_size_can_be_drawn(size):
    images, _ = SyntheticFaces(3, size=size).batch([0, 1, 2])
    assert images.shape == (3, size, size, 3)
    assert images.std() > 10


def test_works_with_loader_and_subset():
    ((images, ages),) = DataLoader(Subset(SyntheticFaces(8, size=32), [5, 1]))
    assert images.shape == (2, 3, 32, 32)
    assert ages.tolist() == SyntheticFaces(8, size=32).ages[[5, 1]].tolist()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n": 0}, "n must be at least 1, not 0"),
        ({"n": 3, "size": 8}, "size must be at least 16, not 8"),
        ({"n": 3, "seed": -1}, "seed must be at least 0, not -1"),
    ],
)
def test_a_bad_argument_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        SyntheticFaces(**arguments)


def test_half_of_the_faces_are_drawn_as_women_and_it_shows_in_their_hair(faces):
    genders = np.array(faces.genders)
    assert 0.4 < genders.mean() < 0.6
    long = np.array([faces.traits(i).hair_length > 0 for i in range(len(faces))])
    beard = np.array([faces.traits(i).beard > 0 for i in range(len(faces))])
    assert not long[genders == 0].any()
    assert long[genders == 1].mean() > 0.5
    assert not beard[genders == 1].any()

import numpy as np
import pytest

from tinygrad_cnn.data.transforms import (
    AUGMENTATIONS,
    MEAN,
    STD,
    ColourJitter,
    Compose,
    RandomAffine,
    RandomBrightness,
    RandomColour,
    RandomContrast,
    RandomCrop,
    RandomErase,
    RandomFlip,
    RandomRotation,
    RandomScale,
    RandomShift,
    Resize,
    augmentation,
    to_float,
)

EVERY_TRANSFORM = [
    RandomAffine(flip=0.5, shift=0.1, rotate=20, scale=0.2),
    RandomFlip(0.5),
    RandomShift(0.2),
    RandomRotation(30),
    RandomScale(0.3),
    RandomCrop(12),
    ColourJitter(0.3, 0.3, 0.2),
    RandomBrightness(0.3),
    RandomContrast(0.3),
    RandomColour(0.3),
    RandomErase(1.0),
    augmentation(),
]


def rng(seed=0):
    return np.random.default_rng(seed)


def pictures(count=6, height=16, width=16, channels=3):
    return rng(7).integers(256, size=(count, height, width, channels)).astype(np.uint8)


def a_spot(count=64, size=33):
    """A white spot a little to the right of the middle of a black picture."""
    batch = np.zeros((count, size, size, 1), np.uint8)
    batch[:, 15:18, 22:25] = 255
    return batch


def centres(batch):
    """(N, 2): x and y of each picture's centre of brightness."""
    weight = batch[..., 0].astype(float)
    y, x = np.mgrid[: batch.shape[1], : batch.shape[2]]
    total = weight.sum((1, 2))
    return np.stack([(weight * x).sum((1, 2)) / total, (weight * y).sum((1, 2)) / total], axis=1)


@pytest.mark.parametrize("transform", EVERY_TRANSFORM, ids=lambda transform: type(transform).__name__)
class TestEveryTransform:
    def test_the_same_generator_gives_the_same_bits(self, transform):
        np.testing.assert_array_equal(transform(pictures(), rng(3)), transform(pictures(), rng(3)))

    def test_another_seed_gives_another_result(self, transform):
        assert (transform(pictures(), rng(3)) != transform(pictures(), rng(4))).any()

    def test_the_batch_that_came_in_is_left_as_it_was(self, transform):
        batch = pictures()
        before = batch.copy()
        result = transform(batch, rng())
        np.testing.assert_array_equal(batch, before)
        assert not np.shares_memory(batch, result)

    def test_each_image_gets_its_own_draw(self, transform):
        batch = np.repeat(pictures(1), 24, axis=0)
        result = transform(batch, rng())
        assert (result != result[:1]).any()

    def test_works_on_grey_images_on_oblong_ones_and_on_none(self, transform):
        for batch in (pictures(3, 14, 20, 1), pictures(3, 20, 13, 3), pictures(0)):
            result = transform(batch, rng())
            assert result.dtype == np.uint8
            assert result.ndim == 4
            assert len(result) == len(batch)

    def test_a_read_only_or_strided_batch_is_fine(self, transform):
        batch = pictures(6)
        strided = np.repeat(batch, 2, axis=0)[::2]
        strided.flags.writeable = False
        np.testing.assert_array_equal(transform(strided, rng()), transform(batch, rng()))

    def test_floats_are_refused(self, transform):
        with pytest.raises(TypeError, match="uint8 images"):
            transform(np.zeros((2, 3, 16, 16), np.float32), rng())


class TestToFloat:
    def test_is_the_documented_formula_in_nchw(self):
        batch = pictures(4, 10, 12)
        expected = ((batch / 255 - MEAN) / STD).transpose(0, 3, 1, 2)
        result = to_float(batch)
        assert result.dtype == np.float32
        assert result.flags.c_contiguous
        np.testing.assert_allclose(result, expected, atol=1e-6)

    def test_black_is_minus_one_and_white_is_one(self):
        assert to_float(np.array([[[[0, 255, 0]]]], np.uint8)).ravel() == pytest.approx([-1, 1, -1], abs=1e-6)

    def test_does_not_depend_on_the_rest_of_the_batch(self):
        np.testing.assert_array_equal(to_float(pictures(5))[2:3], to_float(pictures(5)[2:3]))

    def test_an_empty_batch_stays_empty(self):
        assert to_float(pictures(0)).shape == (0, 3, 16, 16)

    def test_refuses_what_is_no_batch_of_bytes(self):
        with pytest.raises(TypeError, match=r"uint8 images \(N, H, W, C\)"):
            to_float(np.zeros((16, 16, 3), np.uint8))


class TestGeometry:
    def test_a_certain_flip_is_exact(self):
        np.testing.assert_array_equal(RandomFlip(1.0)(pictures(), rng()), pictures()[:, :, ::-1])
        np.testing.assert_array_equal(RandomAffine(flip=1.0)(pictures(), rng()), pictures()[:, :, ::-1])

    def test_doing_nothing_is_exact(self):
        np.testing.assert_array_equal(RandomAffine()(pictures(), rng()), pictures())
        np.testing.assert_array_equal(RandomFlip(0.0)(pictures(), rng()), pictures())

    def test_half_of_the_images_are_flipped(self):
        flipped = centres(RandomFlip(0.5)(a_spot(400), rng()))[:, 0] < 16
        assert 0.4 < flipped.mean() < 0.6

    def test_a_shift_moves_evenly_up_to_its_limit_in_both_directions(self):
        moves = centres(RandomShift(0.2)(a_spot(400), rng())) - centres(a_spot(1))
        limit = 0.2 * 33
        assert np.abs(moves).max() <= limit + 0.1
        assert (moves.max(0) > 0.9 * limit).all()
        assert (moves.min(0) < -0.9 * limit).all()
        assert np.abs(moves.mean(0)).max() < 0.1 * limit

    def test_a_shift_is_a_share_of_the_width_and_of_the_height(self):
        oblong = np.zeros((400, 40, 120, 1), np.uint8)
        oblong[:, 18:21, 58:61] = 255
        moves = np.abs(centres(RandomShift(0.2)(oblong, rng())) - centres(oblong[:1])).max(0)
        assert 0.9 * 24 < moves[0] <= 24.1
        assert 0.9 * 8 < moves[1] <= 8.1

    def test_what_comes_in_at_an_edge_is_the_picture_mirrored(self):
        ramp = np.tile(np.arange(0, 160, 10, dtype=np.uint8), (60, 16, 1))[..., None]
        for row in RandomShift(0.25)(ramp, rng())[:, 8, :, 0].astype(float):
            seen = np.arange(16) + (row[8] - 80) / 10  # at which places of the picture
            np.testing.assert_allclose(row, 10 * (15 - np.abs(15 - np.abs(seen))), atol=2)

    def test_a_rotation_keeps_the_distance_from_the_middle_and_stays_in_its_limit(self):
        x, y = (centres(RandomRotation(30)(a_spot(200), rng())) - 16).T
        np.testing.assert_allclose(np.hypot(x, y), 7, atol=0.1)
        angles = np.degrees(np.arctan2(y, x))
        assert 27 < angles.max() < 31
        assert -31 < angles.min() < -27

    def test_a_scale_moves_away_from_the_middle_or_to_it(self):
        distance = centres(RandomScale(0.25)(a_spot(400), rng()))[:, 0] - 16
        assert 7 * 1.22 < distance.max() < 7 * 1.27
        assert 7 / 1.27 < distance.min() < 7 / 1.22

    def test_flip_and_turn_combine_about_the_centre(self):
        x, y = (centres(RandomAffine(flip=1.0, rotate=20)(a_spot(100), rng())) - 16).T
        assert (x < 0).all()
        np.testing.assert_allclose(np.hypot(x, y), 7, atol=0.1)

    def test_no_black_border_comes_in(self):
        white = np.full((32, 16, 16, 3), 255, np.uint8)
        assert RandomAffine(shift=0.5, rotate=90, scale=1)(white, rng()).min() == 255

    def test_a_crop_is_a_window_of_the_image(self):
        batch = pictures(8, 14, 18)
        for window, image in zip(RandomCrop(10)(batch, rng()), batch, strict=True):
            places = [
                (window == image[top : top + 10, left : left + 10]).all() for top in range(5) for left in range(9)
            ]
            assert sum(places) == 1

    def test_a_crop_of_the_whole_image_is_the_image(self):
        np.testing.assert_array_equal(RandomCrop(16)(pictures(), rng()), pictures())

    def test_a_crop_larger_than_the_image_is_refused(self):
        with pytest.raises(ValueError, match="size 17 must be from 1 to the image's 16x16"):
            RandomCrop(17)(pictures(), rng())

    def test_an_erased_rectangle_has_the_promised_area(self):
        batch = np.zeros((200, 40, 40, 3), np.uint8)
        erased = RandomErase(1.0, smallest=0.1, largest=0.2)(batch, rng())[..., 0] == 128
        share = erased.mean((1, 2))
        assert 0.08 < share.min() < 0.11
        assert 0.19 < share.max() < 0.22
        for mask in erased[:20]:
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()

    def test_everything_can_be_erased(self):
        assert (RandomErase(1.0, smallest=1.0, largest=1.0)(pictures(50), rng()) == 128).mean() > 0.7


class TestColour:
    def test_brightness_multiplies_within_its_limit(self):
        grey = np.full((300, 2, 2, 3), 100, np.uint8)
        values = RandomBrightness(0.3)(grey, rng())
        assert (values == values[:, :1, :1, :1]).all()
        assert 70 <= values.min() <= 74
        assert 126 <= values.max() <= 130

    def test_contrast_leaves_mid_grey_and_moves_the_rest_apart(self):
        batch = np.array([27, 127, 128, 227], np.uint8).reshape(1, 1, 4, 1).repeat(300, 0)
        values = RandomContrast(0.5)(batch, rng()).astype(int)[:, 0, :, 0]
        assert set(values[:, 1]) | set(values[:, 2]) <= {127, 128}
        assert values[:, 0].min() == 0
        assert values[:, 3].max() == 255
        assert values[:, 3].min() < 180

    def test_colour_changes_the_channels_apart_from_each_other(self):
        values = RandomColour(0.2)(np.full((300, 1, 1, 3), 100, np.uint8), rng()).reshape(300, 3)
        assert 80 <= values.min() <= 83
        assert 117 <= values.max() <= 120
        assert np.abs(np.corrcoef(values.T)[np.triu_indices(3, 1)]).max() < 0.2

    def test_no_change_is_exact_and_extremes_are_clipped(self):
        np.testing.assert_array_equal(ColourJitter()(pictures(), rng()), pictures())
        assert set(np.unique(ColourJitter(1.0)(np.full((40, 1, 1, 3), 255, np.uint8), rng()))) <= set(range(256))


class TestResize:
    def test_a_smaller_picture_holds_the_means_of_the_larger_one(self):
        batch = pictures(5, 12, 12)
        means = batch.reshape(5, 4, 3, 4, 3, 3).mean((2, 4))
        assert np.abs(Resize(4)(batch, rng()) - means).max() <= 0.5 + 1e-9

    def test_a_pixel_that_is_cut_counts_for_its_share(self):
        batch = np.array([0, 90, 180], np.uint8).reshape(1, 1, 3, 1).repeat(3, 1)
        assert Resize(2)(batch, rng())[0, 0, :, 0].tolist() == [30, 150]

    def test_nothing_is_drawn_and_the_batch_is_left_alone(self):
        batch, generator = pictures(3, 8, 10, 1), rng(1)
        before = batch.copy()
        assert Resize(4)(batch, generator).shape == (3, 4, 4, 1)
        assert generator.random() == rng(1).random()
        np.testing.assert_array_equal(batch, before)

    def test_the_same_size_is_a_copy_and_no_pictures_stay_none(self):
        batch = pictures()
        same = Resize(16)(batch, rng())
        np.testing.assert_array_equal(same, batch)
        assert not np.shares_memory(same, batch)
        assert Resize(4)(pictures(0), rng()).shape == (0, 4, 4, 3)


class TestAugmentation:
    def test_each_change_is_one_of_its_own(self):
        changed = {}
        for name in AUGMENTATIONS:
            result = augmentation([name])(np.repeat(pictures(1), 40, axis=0), rng())
            changed[name] = (result != pictures(1)).any()
        assert all(changed.values())
        np.testing.assert_array_equal(augmentation([])(pictures(), rng()), pictures())

    def test_the_order_of_the_names_does_not_matter(self):
        assert repr(augmentation(["erase", "flip"])) == repr(augmentation(["flip", "erase"]))

    def test_the_changes_are_of_a_size_that_suits_faces(self):
        assert augmentation().transforms == [
            RandomAffine(flip=0.5, shift=0.05, rotate=10.0, scale=0.1),
            ColourJitter(brightness=0.2, contrast=0.2, colour=0.05),
            RandomErase(probability=0.25, smallest=0.02, largest=0.15),
        ]

    def test_an_unknown_change_is_an_error(self):
        with pytest.raises(ValueError, match="no change is called 'blur'; there are flip, shift"):
            augmentation(["flip", "blur"])


def test_compose_passes_one_generator_along_and_shows_its_parts():
    both = Compose([RandomFlip(0.5), RandomErase(1.0)])
    generator = rng(5)
    expected = RandomErase(1.0)(RandomFlip(0.5)(pictures(), generator), generator)
    np.testing.assert_array_equal(both(pictures(), rng(5)), expected)
    assert repr(both).startswith("Compose([RandomFlip(probability=0.5), RandomErase(probability=1.0")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: RandomFlip(1.5), "RandomFlip: probability must be between 0 and 1, not 1.5"),
        (lambda: RandomShift(-0.1), "shift must be between 0 and 1"),
        (lambda: RandomRotation(200), "rotate must be between 0 and 180"),
        (lambda: RandomScale(-1), "scale must be"),
        (lambda: RandomBrightness(2), "brightness must be between 0 and 1, not 2"),
        (lambda: ColourJitter(contrast=-1), "contrast must be"),
        (lambda: ColourJitter(colour=float("nan")), "colour must be"),
        (lambda: Resize(0), "size must be at least 1 pixel, not 0"),
        (lambda: RandomErase(0.5, smallest=0.3, largest=0.2), "smallest must be between 0 and 0.2, not 0.3"),
    ],
)
def test_a_value_out_of_range_is_refused_at_once(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_one_name_is_no_list_of_changes():
    with pytest.raises(TypeError, match="augmentation: names must be a tuple of strings, got 'flip'"):
        augmentation("flip")

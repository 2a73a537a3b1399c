import numpy as np
import pytest

from tinygrad_cnn.data import ArrayDataset, Dataset, Relabelled, Subset


class Squares(Dataset):
    def __len__(self):
        return 5

    def __getitem__(self, index):
        return np.full((2, 2, 3), index, np.uint8), index**2


def numbered(count=6):
    images = np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)
    return ArrayDataset(images, np.arange(count) * 10)


def test_a_dataset_that_defines_only_length_and_getitem_has_batches():
    images, targets = Squares().batch([3, 1])
    assert images.shape == (2, 2, 2, 3)
    assert images[:, 0, 0, 0].tolist() == [3, 1]
    assert targets.tolist() == [9, 1]


def test_the_base_class_names_what_a_subclass_must_define():
    with pytest.raises(NotImplementedError, match="Dataset must define __len__"):
        len(Dataset())
    with pytest.raises(NotImplementedError, match="__getitem__"):
        Dataset()[0]


def test_an_array_dataset_gives_single_images_and_batches_alike():
    dataset = numbered()
    images, targets = dataset.batch([5, 0, 5])
    assert targets.tolist() == [50, 0, 50]
    for position, index in enumerate([5, 0, 5]):
        image, target = dataset[index]
        np.testing.assert_array_equal(images[position], image)
        assert target == targets[position]


def test_a_batch_is_a_copy():
    dataset = numbered()
    images, targets = dataset.batch([1])
    images[...], targets[...] = 99, 99
    assert dataset[1][0].max() == 1
    assert dataset[1][1] == 10


def test_indices_count_from_the_end_when_negative():
    assert numbered().batch([-1, -6])[1].tolist() == [50, 0]
    assert Subset(numbered(), [-1]).indices.tolist() == [5]


@pytest.mark.parametrize("index", [6, -7])
def test_an_index_outside_is_named(index):
    with pytest.raises(IndexError, match=f"index {index} is outside a dataset of 6 images"):
        numbered().batch([0, index])
    with pytest.raises(IndexError, match="outside"):
        Subset(numbered(), [index])
    with pytest.raises(IndexError):
        numbered()[index]


def test_masks_and_floats_are_no_indices():
    with pytest.raises(TypeError, match="flatnonzero"):
        numbered().batch(np.ones(6, bool))
    with pytest.raises(TypeError, match="float64"):
        numbered().batch(np.array([0.0, 1.0]))
    with pytest.raises(TypeError, match="one-dimensional"):
        numbered().batch(np.zeros((2, 2), int))


def test_no_indices_give_an_empty_batch():
    images, targets = numbered().batch([])
    assert images.shape == (0, 4, 4, 3)
    assert targets.shape == (0,)


def test_a_subset_keeps_the_order_it_was_given_and_nests():
    subset = Subset(Subset(numbered(), [4, 2, 0]), [2, 0])
    assert len(subset) == 2
    assert subset.targets.tolist() == [0, 40]
    assert subset.batch([1, 0])[1].tolist() == [40, 0]
    assert subset[1][1] == 40
    assert subset.describe(1) == "index 4"


def test_a_subset_of_a_dataset_without_targets_has_none_either():
    assert not hasattr(Subset(Squares(), [0]), "targets")


@pytest.mark.parametrize(
    ("images", "targets", "error", "words"),
    [
        (np.zeros((3, 4, 4, 3), np.int64), np.zeros(3), TypeError, "uint8 or floating point, not int64"),
        (np.zeros((4, 4, 3), np.uint8), np.zeros(4), ValueError, r"\(4, 4, 3\)"),
        (np.zeros((3, 4, 4, 3), np.uint8), np.zeros(2), ValueError, "3 images need as many targets"),
        (np.zeros((3, 4, 4, 3), np.uint8), np.float32(1), ValueError, "3 images need as many targets"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(images, targets, error, words):
    with pytest.raises(error, match=words):
        ArrayDataset(images, targets)


def test_other_targets_go_with_the_same_images():
    ages = ArrayDataset(np.arange(4 * 12).reshape(4, 2, 2, 3).astype(np.uint8), [5, 15, 25, 35])
    pairs = Relabelled(ages, [[0, 1], [1, 0], [2, 1], [3, 0]])
    images, targets = Subset(pairs, [3, 1]).batch([0, -1])
    np.testing.assert_array_equal(images, ages.images[[3, 1]])
    assert targets.tolist() == [[3, 0], [1, 0]]
    assert pairs[2][1].tolist() == [2, 1]
    assert ages[2][1] == 25  # as it was
    assert (len(pairs), pairs.describe(1)) == (4, ages.describe(1))


def test_each_image_needs_its_other_target():
    ages = ArrayDataset(np.zeros((4, 2, 2, 3), np.uint8), [5, 15, 25, 35])
    for targets in ([1, 2, 3], 7):
        with pytest.raises(ValueError, match="4 images need as many targets"):
            Relabelled(ages, targets)

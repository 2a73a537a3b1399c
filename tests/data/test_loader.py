import contextlib
import gc
import threading
import time
import weakref

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.data import ArrayDataset, DataLoader, Dataset, Subset, augmentation, to_float
from tinygrad_cnn.data.transforms import RandomFlip


def faces(count=20, size=16):
    images = np.random.default_rng(0).integers(256, size=(count, size, size, 3)).astype(np.uint8)
    return ArrayDataset(images, np.arange(count))


def epoch(loader):
    return [(images.numpy().copy(), targets.numpy().copy()) for images, targets in loader]


def assert_same(first, second):
    assert len(first) == len(second)
    for (images, targets), (other_images, other_targets) in zip(first, second, strict=True):
        np.testing.assert_array_equal(images, other_images)
        np.testing.assert_array_equal(targets, other_targets)


def targets_of(loader):
    return [target for _, targets in loader for target in targets.tolist()]


def loader_threads():
    return [thread for thread in threading.enumerate() if thread.name == "DataLoader"]


class Failing(Dataset):
    """Cannot load the image at `bad`."""

    def __init__(self, bad):
        self.bad = bad

    def __len__(self):
        return 12

    def __getitem__(self, index):
        if index == self.bad:
            raise KeyError("no such face")
        return np.zeros((4, 4, 3), np.uint8), float(index)

    def describe(self, index):
        return f"face-{index}.jpg"


@pytest.fixture(autouse=True)
def _no_thread_stays_behind():
    yield
    assert loader_threads() == []


@pytest.mark.parametrize("prefetch", [0, 1, 5])
class TestBatches:
    def test_in_order_with_a_smaller_last_one(self, prefetch):
        loader = DataLoader(faces(10), batch_size=4, prefetch=prefetch)
        assert len(loader) == 3
        batches = list(loader)
        assert [images.shape for images, _ in batches] == [(4, 3, 16, 16), (4, 3, 16, 16), (2, 3, 16, 16)]
        assert [targets.tolist() for _, targets in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
        assert all(isinstance(images, tg.Tensor) for images, _ in batches)

    def test_are_float32_nchw_as_to_float_makes_them(self, prefetch):
        dataset = faces(3)
        ((images, targets),) = DataLoader(dataset, prefetch=prefetch)
        assert images.dtype == np.float32
        np.testing.assert_array_equal(images.numpy(), to_float(dataset.images))
        assert targets.numpy().dtype == dataset.targets.dtype

    def test_drop_last_leaves_the_rest_out(self, prefetch):
        loader = DataLoader(faces(10), batch_size=4, drop_last=True, prefetch=prefetch)
        assert len(loader) == len(list(loader)) == 2
        assert len(DataLoader(faces(8), batch_size=4, drop_last=True)) == 2
        assert len(DataLoader(faces(3), batch_size=4, drop_last=True)) == 0

    def test_an_empty_dataset_has_no_batches(self, prefetch):
        assert list(DataLoader(Subset(faces(4), []), prefetch=prefetch)) == []

    def test_float_images_pass_as_they_are(self, prefetch):
        pictures = np.random.default_rng(0).normal(size=(3, 1, 5, 7))
        ((images, targets),) = DataLoader(ArrayDataset(pictures, [0.5, 1.5, 2.5]), prefetch=prefetch)
        np.testing.assert_array_equal(images.numpy(), pictures.astype(np.float32))
        assert targets.dtype == np.float32

    def test_a_dataset_without_its_own_batch_works(self, prefetch):
        assert targets_of(DataLoader(Failing(None), batch_size=5, prefetch=prefetch)) == list(range(12))

    def test_an_image_that_cannot_be_loaded_is_named(self, prefetch):
        loader = DataLoader(Subset(Failing(7), [0, 1, 2, 7, 4]), batch_size=2, prefetch=prefetch)
        batches = iter(loader)
        next(batches)
        with pytest.raises(RuntimeError, match=r"batch 1 of epoch 0: cannot load face-7.jpg: KeyError") as caught:
            next(batches)
        assert isinstance(caught.value.__cause__, KeyError)
        with pytest.raises(StopIteration):
            next(batches)

    def test_a_transform_that_fails_is_named(self, prefetch):
        def broken(batch, generator):
            raise ZeroDivisionError("oh")

        with pytest.raises(RuntimeError, match="batch 0 of epoch 0: transform failed: ZeroDivisionError: oh"):
            list(DataLoader(faces(), transform=broken, prefetch=prefetch))


class TestOrder:
    def test_each_epoch_shuffles_anew_and_holds_every_image_once(self):
        loader = DataLoader(faces(), batch_size=3, shuffle=True)
        first, second = targets_of(loader), targets_of(loader)
        assert sorted(first) == sorted(second) == list(range(20))
        assert first != second
        assert first != list(range(20))

    def test_the_same_seed_gives_the_same_epochs(self):
        loaders = [DataLoader(faces(), 3, shuffle=True, seed=5, transform=augmentation()) for _ in "ab"]
        for _ in range(3):
            assert_same(*map(epoch, loaders))

    def test_another_seed_gives_another_order(self):
        assert targets_of(DataLoader(faces(), shuffle=True, seed=1)) != targets_of(
            DataLoader(faces(), shuffle=True, seed=2)
        )

    def test_set_epoch_brings_an_epoch_back(self):
        loader = DataLoader(faces(), 4, shuffle=True, transform=augmentation())
        epochs = [epoch(loader) for _ in range(3)]
        loader.set_epoch(1)
        assert_same(epoch(loader), epochs[1])
        assert_same(epoch(loader), epochs[2])

    def test_an_epoch_can_be_taken_up_in_its_middle(self):
        loader = DataLoader(faces(), 4, shuffle=True, transform=augmentation())
        whole = epoch(loader)
        loader.set_epoch(0, batch=3)
        assert_same(epoch(loader), whole[3:])
        assert len(epoch(loader)) == 5

    @pytest.mark.parametrize("prefetch", [0, 1, 5])
    def test_the_saved_place_is_after_the_last_batch_that_was_handed_out(self, prefetch):
        def loader(seed=3):
            return DataLoader(faces(), 4, True, seed, transform=augmentation(), prefetch=prefetch)

        straight = loader()
        epochs = [epoch(straight) for _ in range(3)]
        for taken in range(6):
            first, resumed = loader(), loader(seed=9)
            list(first)
            batches = iter(first)
            before = [next(batches) for _ in range(taken)]
            assert first.state_dict() == {"seed": 3, "epoch": 1, "batch": taken}
            resumed.load_state_dict(first.state_dict())
            assert resumed.state_dict() == first.state_dict()
            assert_same([*before, *resumed], epochs[1])  # after the last batch there is nothing left of it
            assert_same(epoch(resumed), epochs[2])
            batches.close()

    @pytest.mark.parametrize("change", [{"seed": -1}, {"batch": -1}, {"epoch": None}, {"epoch": float("inf")}])
    def test_what_is_no_state_of_a_loader_is_refused_and_changes_nothing(self, change):
        these = DataLoader(faces(), 4, prefetch=0)
        saved = these.state_dict()
        with pytest.raises(ValueError, match="DataLoader: "):
            these.load_state_dict({"seed": 7, "epoch": 5, "batch": 1} | change)
        assert these.state_dict() == saved

    def test_a_broken_off_epoch_counts_as_one(self):
        loader, other = (DataLoader(faces(), 4, shuffle=True) for _ in "ab")
        for _ in loader:
            break
        list(other)
        assert targets_of(loader) == targets_of(other)

    def test_the_bits_do_not_depend_on_prefetch_or_timing(self):
        class Sleepy(ArrayDataset):
            def batch(self, indices):
                time.sleep(0.003 * (indices[0] % 3))
                return super().batch(indices)

        plain = faces()
        sleepy = Sleepy(plain.images, plain.targets)
        options = {"batch_size": 4, "shuffle": True, "transform": augmentation()}
        expected = epoch(DataLoader(plain, prefetch=0, **options))
        assert_same(epoch(DataLoader(sleepy, prefetch=1, **options)), expected)
        assert_same(epoch(DataLoader(sleepy, prefetch=4, **options)), expected)

    def test_the_draws_of_a_batch_depend_on_its_number_and_epoch(self):
        same = ArrayDataset(np.repeat(faces(1).images, 64, axis=0), np.zeros(64))
        loader = DataLoader(same, batch_size=16, transform=RandomFlip(0.5))
        batches = [images for images, _ in epoch(loader) + epoch(loader)]
        assert len({images.tobytes() for images in batches}) == len(batches)

    def test_two_iterations_at_once_do_not_disturb_each_other(self):
        loader, other = (DataLoader(faces(), 4, shuffle=True, prefetch=1) for _ in "ab")
        pairs = list(zip(loader, loader, strict=True))
        first, second = targets_of(other), targets_of(other)
        assert [t for (_, targets), _ in pairs for t in targets.tolist()] == first
        assert [t for _, (_, targets) in pairs for t in targets.tolist()] == second


class TestPrefetch:
    def test_batches_are_made_ready_while_the_consumer_is_busy(self):
        loaded = []

        class Watched(ArrayDataset):
            def batch(self, indices):
                loaded.append(int(indices[0]))
                return super().batch(indices)

        dataset = faces()
        batches = iter(DataLoader(Watched(dataset.images, dataset.targets), batch_size=2, prefetch=3))
        next(batches)
        deadline = time.monotonic() + 5
        while len(loaded) < 5 and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.02)
        assert len(loaded) == 5  # one was taken, three are ready, and one waits for room
        del batches

    def test_breaking_out_ends_the_thread_at_once(self):
        for _ in DataLoader(faces(), batch_size=1, prefetch=2):
            assert loader_threads()
            break
        assert loader_threads() == []

    def test_an_error_in_the_consumer_ends_the_thread(self):
        def consume():
            for _ in DataLoader(faces(), batch_size=1):
                raise ValueError("mine")

        with pytest.raises(ValueError, match="mine"):
            consume()
        assert loader_threads() == []

    def test_an_iterator_that_is_never_used_starts_no_thread(self):
        batches = iter(DataLoader(faces()))
        assert loader_threads() == []
        del batches

    @pytest.mark.parametrize("taken", [1, 3, None])
    def test_nothing_is_kept_once_the_iteration_is_over(self, taken):
        dataset = faces()
        loader = DataLoader(dataset, batch_size=4)
        gc.disable()
        try:
            batches = iter(loader)
            for count, _ in enumerate(batches, start=1):
                if count == taken:
                    break
            del batches, _
            alive = weakref.ref(dataset)
            del dataset, loader
            assert alive() is None
        finally:
            gc.enable()

    def test_an_error_is_freed_without_the_cyclic_collector(self):
        gc.disable()
        try:
            dataset = Failing(0)
            alive = weakref.ref(dataset)
            with contextlib.suppress(RuntimeError):
                list(DataLoader(dataset))
            del dataset
            assert alive() is None
        finally:
            gc.enable()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1, not 0"),
        ({"seed": -1}, "seed must be at least 0, not -1"),
        ({"prefetch": -1}, "prefetch must be at least 0, not -1"),
    ],
)
def test_a_bad_option_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        DataLoader(faces(), **options)
    with pytest.raises(ValueError, match="count from 0"):
        DataLoader(faces()).set_epoch(-1)


def test_what_is_no_dataset_is_refused_at_once():
    with pytest.raises(TypeError, match=r"DataLoader: dataset must be a Dataset, got"):
        DataLoader([(np.zeros((3, 8, 8), np.float32), 1.0)])


def test_a_transform_that_cannot_be_called_is_refused_at_once():
    with pytest.raises(TypeError, match="DataLoader: transform must be a function or None, got 'flip'"):
        DataLoader(faces(), transform="flip")

"""Batches of a dataset, made ready by a thread while the trainer is busy with the ones before.

What a batch holds depends on the seed, the epoch and the batch's number alone: it is the same whatever the
timing, and an epoch can be taken up in its middle.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..arguments import checked
from .dataset import Array, Dataset, LoadError
from .transforms import Transform, to_float

if TYPE_CHECKING:
    from ..tensor import Tensor

Item = TypeVar("Item")


class DataLoader:
    """Iterates over `dataset` in batches of Tensors: float32 images (N, C, H, W) and targets (N, ...).

    uint8 images (H, W, C) pass through `transform(batch, generator)` and `to_float`; float images through
    `transform` alone. Targets keep their type, float64 becoming float32. Each ``iter(loader)`` is the next epoch,
    with its own order where `shuffle` is set; `set_epoch` chooses another. A last batch that isn't full is
    left out where `drop_last` is set. A thread keeps up to `prefetch` batches ready; 0 does without it.

    Raises ValueError or TypeError for a bad option. While iterating, an image that can't be loaded raises LoadError,
    which names its index or its file, and a transform that fails RuntimeError.

    >>> import numpy as np
    >>> from tinygrad_cnn.data import ArrayDataset, DataLoader
    >>> dataset = ArrayDataset(np.zeros((10, 8, 8, 3), np.uint8), np.arange(10))
    >>> [images.shape for images, ages in DataLoader(dataset, batch_size=4)]
    [(4, 3, 8, 8), (4, 3, 8, 8), (2, 3, 8, 8)]
    """

    @checked
    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 32,
        shuffle: bool = False,
        seed: int = 0,
        drop_last: bool = False,
        transform: Transform | None = None,
        prefetch: int = 2,
    ) -> None:
        for name, value, least in (
            ("batch_size", batch_size, 1),
            ("seed", seed, 0),
            ("prefetch", prefetch, 0),
        ):
            if value < least:
                raise ValueError(f"DataLoader: {name} must be at least {least}, not {value}")
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        self.transform = transform
        self.prefetch = prefetch
        self.set_epoch(0)

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __repr__(self) -> str:
        return f"<DataLoader: {len(self):,} batches of {self.batch_size} from {self.dataset!r}>"

    @checked
    def set_epoch(self, epoch: int, batch: int = 0) -> None:
        """Make the next iteration that of `epoch` (from 0), starting with its batch number `batch`."""
        if epoch < 0 or batch < 0:
            raise ValueError(f"DataLoader: epoch and batch count from 0, so not {epoch} and {batch}")
        self._epoch, self._first_batch = epoch, batch
        self._handed_out = epoch, batch

    def state_dict(self) -> dict[str, int]:
        """The seed, and the place in the epoch: the batch after the last one that was handed out.

        Batches that the thread holds ready are not counted: whoever goes on from here gets them again, the same.
        """
        epoch, batch = self._handed_out
        return {"seed": self.seed, "epoch": epoch, "batch": batch}

    @checked
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Make the next iteration go on where `state_dict` was called; after an epoch's last batch it gives none.

        Raises ValueError, and changes nothing, for what is no such state.
        """
        try:
            seed, epoch, batch = (int(state_dict[name]) for name in ("seed", "epoch", "batch"))
        except (KeyError, OverflowError, TypeError) as error:
            raise ValueError(f"DataLoader: this is no state of a loader: {error!r}") from error
        if seed < 0:
            raise ValueError(f"DataLoader: seed must be at least 0, not {seed}")
        self.set_epoch(epoch, batch)
        self.seed = seed

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        epoch, first = self._epoch, self._first_batch
        self.set_epoch(epoch + 1)
        self._handed_out = epoch, first
        batches = self._batches(epoch, first)
        return self._hand_out(_ahead(batches, self.prefetch) if self.prefetch else batches, epoch, first)

    def _hand_out(
        self, batches: Iterator[tuple[Array, Array]], epoch: int, first: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        from ..creation import from_numpy

        for number, (images, targets) in enumerate(batches, first):
            self._handed_out = epoch, number + 1
            yield from_numpy(images), from_numpy(targets)

    def _batches(self, epoch: int, first: int) -> Iterator[tuple[Array, Array]]:
        order = np.arange(len(self.dataset))
        if self.shuffle:
            np.random.default_rng((self.seed, epoch, 0)).shuffle(order)
        for number in range(first, len(self)):
            indices = order[number * self.batch_size : (number + 1) * self.batch_size]
            where = f"DataLoader, batch {number} of epoch {epoch}"
            try:
                images, targets = self.dataset.batch(indices)
            except Exception as error:
                culprit = self._culprit(indices)
                raise LoadError(f"{where}: cannot load {culprit}: {type(error).__name__}: {error}") from error
            try:
                if self.transform is not None:
                    images = self.transform(images, np.random.default_rng((self.seed, epoch, 1 + number)))
                if images.dtype == np.uint8:
                    images = to_float(images)
            except Exception as error:
                raise RuntimeError(f"{where}: transform failed: {type(error).__name__}: {error}") from error
            if targets.dtype == np.float64:
                targets = targets.astype(np.float32)
            yield images.astype(np.float32, copy=False), targets

    def _culprit(self, indices: Array) -> str:
        """The first of the images that can't be loaded on its own, in words."""
        for index in indices:
            try:
                self.dataset.batch([int(index)])
            except Exception:
                return self.dataset.describe(int(index))
        return f"the images {indices.tolist()} together"


def _ahead(items: Iterator[Item], depth: int) -> Iterator[Item]:
    """The items, taken from their iterator by a thread that keeps up to `depth` of them ready.

    The thread ends with the iterator, or as soon as this generator is closed, which `break` does.
    """
    ready: queue.Queue[Item | _End] = queue.Queue(depth)
    stop = threading.Event()

    def work() -> None:
        try:
            for item in items:
                ready.put(item)
                if stop.is_set():
                    return
            ready.put(_End(None))
        except BaseException as error:
            ready.put(_End(error))

    thread = threading.Thread(target=work, name="DataLoader", daemon=True)
    try:
        thread.start()  # in here: a Ctrl-C may come before it returns
        while not isinstance(item := ready.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        item = _End(None)  # an error's traceback leads back to this frame: don't close the circle
        stop.set()
        while not ready.empty():  # make room for a put that waits, after which the thread sees `stop`
            ready.get_nowait()
        if thread.is_alive():  # else it is over, or ends at its first item if it ever begins
            thread.join()


class _End:
    """Comes after the last item, with the error that ended the iteration, if any."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error

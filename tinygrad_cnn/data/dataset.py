"""A dataset is a length and a way to fetch images with their targets, preferably many at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arguments import checked

Array = npt.NDArray[Any]
Indices = Sequence[int] | npt.NDArray[np.integer[Any]]


class LoadError(RuntimeError):
    """An image that a dataset has could not be loaded; the message names it."""


class Dataset:
    """Base class: define ``__len__`` and ``__getitem__``, and ``batch`` where many at once is faster.

    >>> import numpy as np
    >>> from tinygrad_cnn.data import Dataset
    >>> class Greys(Dataset):
    ...     def __len__(self):
    ...         return 256
    ...     def __getitem__(self, index):
    ...         return np.full((8, 8, 3), index, np.uint8), index / 255
    >>> images, targets = Greys().batch([0, 255])
    >>> images.shape, targets
    ((2, 8, 8, 3), array([0., 1.]))
    """

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must define __len__")

    def __getitem__(self, index: int) -> tuple[Array, Any]:
        """The image and the target at `index`: a uint8 (H, W, C) or a float (C, H, W) array, and a number."""
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__")

    @checked
    def batch(self, indices: Indices) -> tuple[Array, Array]:
        """The images and the targets at `indices`, stacked into two fresh arrays."""
        images, targets = zip(*(self[int(index)] for index in indices), strict=True)
        return np.stack(images), np.asarray(targets)

    def describe(self, index: int) -> str:
        """What an error message calls the image at `index`."""
        return f"index {index}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self):,} images>"


class ArrayDataset(Dataset):
    """Images and targets held in memory, or in a memory-mapped file.

    `images` is uint8 (N, H, W, C) or float (N, C, H, W); `targets` has N entries. Raises TypeError for
    another type of images and ValueError for shapes that don't fit.

    >>> import numpy as np
    >>> from tinygrad_cnn.data import ArrayDataset
    >>> dataset = ArrayDataset(np.zeros((10, 8, 8, 3), np.uint8), np.arange(10))
    >>> len(dataset), dataset[3][0].shape, dataset.batch([1, 5])[1]
    (10, (8, 8, 3), array([1, 5]))
    """

    @checked
    def __init__(self, images: npt.ArrayLike, targets: npt.ArrayLike) -> None:
        self.images, self.targets = np.asarray(images), np.asarray(targets)
        if self.images.dtype != np.uint8 and not np.issubdtype(self.images.dtype, np.floating):
            raise TypeError(f"ArrayDataset: images must be uint8 or floating point, not {self.images.dtype}")
        if self.images.ndim != 4:
            raise ValueError(
                "ArrayDataset: images must be uint8 (N, H, W, C) or float (N, C, H, W), "
                f"but have shape {self.images.shape}"
            )
        if self.targets.shape[:1] != self.images.shape[:1]:
            raise ValueError(
                f"ArrayDataset: {len(self.images)} images need as many targets, "
                f"but targets has shape {self.targets.shape}"
            )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Array, Any]:
        return self.images[index], self.targets[index]

    @checked
    def batch(self, indices: Indices) -> tuple[Array, Array]:
        chosen = as_indices(indices, len(self))
        return np.asarray(self.images[chosen]), self.targets[chosen]


class Subset(Dataset):
    """The images of `dataset` at `indices`, in that order. Raises IndexError for an index that isn't there.

    >>> import numpy as np
    >>> from tinygrad_cnn.data import ArrayDataset, Subset
    >>> dataset = ArrayDataset(np.zeros((10, 8, 8, 3), np.uint8), np.arange(10))
    >>> Subset(dataset, [7, 2]).targets
    array([7, 2])
    """

    @checked
    def __init__(self, dataset: Dataset, indices: Indices) -> None:
        self.dataset = dataset
        self.indices = as_indices(indices, len(dataset))

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> tuple[Array, Any]:
        return self.dataset[int(self.indices[index])]

    @checked
    def batch(self, indices: Indices) -> tuple[Array, Array]:
        return self.dataset.batch(self.indices[as_indices(indices, len(self))])

    def describe(self, index: int) -> str:
        return self.dataset.describe(int(self.indices[index]))

    @property
    def targets(self) -> Array:
        """The targets of these images; AttributeError where the dataset doesn't keep them in an array."""
        targets: Array = self.dataset.targets  # type: ignore[attr-defined]
        return targets[self.indices]


class Relabelled(Dataset):
    """The images of `dataset` with other targets, one for each. Raises ValueError for another number of them.

    >>> import numpy as np
    >>> from tinygrad_cnn.data import ArrayDataset, Relabelled
    >>> ages = ArrayDataset(np.zeros((3, 8, 8, 3), np.uint8), [12, 47, 80])
    >>> Relabelled(ages, ages.targets // 10).batch([2, 1])[1]
    array([8, 4])
    """

    @checked
    def __init__(self, dataset: Dataset, targets: npt.ArrayLike) -> None:
        self.dataset, self.targets = dataset, np.asarray(targets)
        if self.targets.shape[:1] != (len(dataset),):
            raise ValueError(
                f"Relabelled: {len(dataset)} images need as many targets, but targets has shape {self.targets.shape}"
            )

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Array, Any]:
        return self.dataset[index][0], self.targets[index]

    @checked
    def batch(self, indices: Indices) -> tuple[Array, Array]:
        chosen = as_indices(indices, len(self))
        return self.dataset.batch(chosen)[0], self.targets[chosen]

    def describe(self, index: int) -> str:
        return self.dataset.describe(index)


def as_indices(indices: Indices, length: int) -> npt.NDArray[np.int64]:
    """`indices` as non-negative int64. IndexError for one outside `length`, TypeError if not integers."""
    chosen = np.asarray(indices)
    if chosen.ndim != 1:
        raise TypeError(f"indices must be one-dimensional, but have shape {chosen.shape}")
    if chosen.size == 0:
        return np.zeros(0, np.int64)
    if not np.issubdtype(chosen.dtype, np.integer):
        raise TypeError(f"indices must be integers, not {chosen.dtype} (for a mask: np.flatnonzero(mask))")
    low, high = int(chosen.min()), int(chosen.max())
    if low < -length or high >= length:
        raise IndexError(f"index {low if low < -length else high} is outside a dataset of {length} images")
    return np.where(chosen < 0, chosen + length, chosen).astype(np.int64)

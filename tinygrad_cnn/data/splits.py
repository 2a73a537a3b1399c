"""Which images train, which choose among models, and which test: by photo, at random, or as a file says."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..arguments import checked
from .copies import photo_groups
from .dataset import Dataset
from .decode import printable
from .utkface import UTKFace

Integers = npt.NDArray[np.int64]

FRACTIONS = (0.8, 0.1, 0.1)  # of train, validation and test


class Split(NamedTuple):
    """The indices of each part, int64 and ascending.

    From a file also what did not fit: names of the file that are not in the dataset, names of the dataset that are not
    in the file (these belong to no part), and how many rows of the file repeat another.

    >>> from tinygrad_cnn.data import SyntheticFaces, splits
    >>> train, val, test, *_ = splits.random(SyntheticFaces(20, size=16))
    >>> len(train), len(val), len(test)
    (16, 2, 2)
    """

    train: Integers
    val: Integers
    test: Integers
    not_in_dataset: Sequence[str] = ()
    not_in_file: Sequence[str] = ()
    repeated: int = 0


@checked
def random(dataset: Dataset, seed: int = 0) -> Split:
    """80 % train, 10 % validation, 10 % test, each image by itself: the kind of split that most papers use.

    UTKFace holds copies of the same photo, and this split tests on some photos that it trained on.

    >>> from tinygrad_cnn.data import SyntheticFaces, splits
    >>> splits.random(SyntheticFaces(20, size=16), seed=1).test
    array([1, 3])
    """
    return _cut(np.arange(len(dataset)), seed)


@checked
def by_photo(dataset: Dataset, seed: int = 0) -> Split:
    """80 % train, 10 % validation, 10 % test, with copies of one photo in one part (see `photo_groups`).

    >>> import numpy as np
    >>> from tinygrad_cnn.data import ArrayDataset, splits
    >>> photos = np.random.default_rng(0).integers(256, size=(10, 32, 32, 3)).astype(np.uint8)
    >>> dataset = ArrayDataset(np.concatenate([photos, photos[:, :, ::-1]]), np.arange(20))
    >>> train, val, test, *_ = splits.by_photo(dataset)
    >>> len(train), len(val), len(test), set(train % 10) & set(test % 10)
    (16, 2, 2, set())
    """
    if isinstance(dataset, UTKFace):
        return _cut(dataset.photo_groups(), seed)
    return _cut(photo_groups(dataset), seed)


def _cut(groups: Integers, seed: int) -> Split:
    """Deal out whole groups in random order until each part has its share of the images."""
    count = len(groups)
    draws = np.random.default_rng(seed).random(count)  # one for each image: where a few group otherwise, few move
    _, first = np.unique(groups, return_index=True)
    rank = np.argsort(np.argsort(draws[first], kind="stable"))[groups]  # of each image's group
    ends = np.cumsum(np.bincount(rank))[rank]  # how many images there are, up to the end of the group
    train_end, val_end = np.rint(np.cumsum(FRACTIONS)[:2] * count)
    train, val = ends <= train_end, (ends > train_end) & (ends <= val_end)
    return Split(np.flatnonzero(train), np.flatnonzero(val), np.flatnonzero(~train & ~val))


@checked
def from_file(dataset: UTKFace, path: str | os.PathLike[str]) -> Split:
    """The split that a csv file gives in its columns `file` and `split` (train, val or test).

    A part may have no rows, and a row may be repeated. Names are compared, never opened. Raises ValueError, which
    names the line, for a file that can't be understood or that fits none of the dataset's images, and OSError if it
    can't be read.

    >>> import tempfile
    >>> import cv2
    >>> from tinygrad_cnn.data import SyntheticFaces, UTKFace, splits
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for i, (image, age) in enumerate(SyntheticFaces(3, size=32)):
    ...         _ = cv2.imwrite(f"{folder}/{age:.0f}_{i % 2}_0_{i}.jpg", image)
    ...     faces = UTKFace(folder, image_size=32, cache_dir=f"{folder}/cache")
    ...     with open(f"{folder}/split.csv", "w") as file:
    ...         _ = file.write(f"file,split\\n{faces.files[0].name},train\\n{faces.files[2].name},test\\n")
    ...     train, val, test, _, not_in_file, _ = splits.from_file(faces, f"{folder}/split.csv")
    >>> train, val, test, len(not_in_file)
    (array([0]), array([], dtype=int64), array([2]), 1)
    """
    parts, repeated = _read_parts(path)
    names = [file.name for file in dataset.files]
    assigned = np.array([parts.get(name, "") for name in names])
    if not assigned.any():
        raise ValueError(f"{path}: names none of the {len(names)} images in {dataset.root}")
    known = set(names)
    train, val, test = (np.flatnonzero(assigned == part) for part in ("train", "val", "test"))
    return Split(
        train,
        val,
        test,
        not_in_dataset=[name for name in parts if name not in known],
        not_in_file=[name for name in names if name not in parts],
        repeated=repeated,
    )


def _read_parts(path: str | os.PathLike[str]) -> tuple[dict[str, str], int]:
    """File name -> train, val or test; and how many rows say again what one said before."""
    parts: dict[str, str] = {}
    repeated = 0
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        try:
            missing = {"file", "split"} - set(rows.fieldnames or ())
            if missing:
                first = ",".join(rows.fieldnames or ())
                raise ValueError(f"{path}: no column {' and '.join(sorted(missing))} in its first line, {first!r}")
            for row in rows:
                name, part = row["file"], row["split"]
                where = f"{path}, line {rows.line_num}"
                if part not in ("train", "val", "test"):
                    raise ValueError(f"{where}: split must be train, val or test, not {part!r}")
                if parts.get(name, part) != part:
                    raise ValueError(f"{where}: {printable(name)} is in {part} here, and in {parts[name]} before")
                repeated += name in parts
                parts[name] = part
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is not UTF-8 text: {error}") from error
        except csv.Error as error:
            raise ValueError(f"{path}, line {rows.reader.line_num}: {error}") from error
    return parts, repeated

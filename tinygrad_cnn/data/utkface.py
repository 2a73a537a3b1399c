"""UTKFace: photographs of faces with their ages, read from a folder in the dataset's own layout.

Zhang, Song and Qi, "Age progression/regression by conditional adversarial autoencoder", CVPR 2017;
https://susanqq.github.io/UTKFace/.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
import stat
import threading
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..arguments import checked
from ..extras import optional_import
from ..progress import progress_bar
from .cache import SourceFile, cached_images
from .copies import photo_groups
from .dataset import Array, Dataset, Indices, as_indices
from .decode import printable

KAGGLE_HANDLE = "jangedoo/utkface-new/versions/1"  # a numbered version is found offline once downloaded
KAGGLE_SECONDS = 10  # how long Kaggle may take to answer
OLDEST = 130  # years
GENDERS = ("male", "female")  # the dataset's own names for 0, 1, ...
RACES = ("White", "Black", "Asian", "Indian", "Others")

_EXTENSIONS = (".jpg", ".jpeg", ".png")
_FULL_NAME = re.compile(r"([0-9]{1,3})_([01])_([0-4])_[0-9]+\.(jpe?g|png)(\.chip\.jpg)?", re.IGNORECASE)
_AGE_FIRST = re.compile(r"\s*([0-9]{1,3})_")


class KaggleUnreachable(ConnectionError):
    """Kaggle could not be reached, or did not give the dataset."""


class Label(NamedTuple):
    """What a file name says: the age in years, and the places of gender and race in `GENDERS` and `RACES` if it can."""

    age: int
    gender: int | None
    race: int | None


class UTKFace(Dataset):
    """The labelled faces in the folder `root`: uint8 RGB (image_size, image_size, 3), with ages in years.

    The pictures are decoded once, into `cache_dir` (see `cache_folder`). `root` may hold the images itself or
    be the Kaggle archive, which has many of them in two folders or three: each file name counts once, and the
    copy nearest to `root` is taken. Images are in the order of their file names; `limit` takes that many,
    evenly spread.

    `files`, `ages` (float32), `genders` and `races` describe them. `skipped` lists the files that were left
    out, each with the reason. Raises FileNotFoundError or NotADirectoryError for a bad `root` and ValueError
    where no usable image is found in it.

    >>> import tempfile
    >>> import cv2
    >>> from tinygrad_cnn.data import SyntheticFaces, UTKFace
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for i, (image, age) in enumerate(SyntheticFaces(3, size=32)):
    ...         _ = cv2.imwrite(f"{folder}/{age:.0f}_{i % 2}_0_{i}.jpg", image)
    ...     faces = UTKFace(folder, image_size=32, cache_dir=f"{folder}/cache")
    ...     image, age = faces[0]
    >>> len(faces), image.shape, faces.ages, faces.genders
    (3, (32, 32, 3), array([47., 77., 89.], dtype=float32), [1, 0, 0])
    """

    name = "UTKFace"

    @checked
    def __init__(
        self,
        root: str | os.PathLike[str],
        image_size: int = 128,
        cache_dir: str | os.PathLike[str] | None = None,
        limit: int | None = None,
        progress: bool = True,
    ) -> None:
        if image_size < 1:
            raise ValueError(f"UTKFace: image_size must be at least 1 pixel, not {image_size}")
        if limit is not None and limit < 1:
            raise ValueError(f"UTKFace: limit must be at least 1 image, not {limit}")
        self.root = Path(root)
        self.image_size = image_size
        self.skipped: list[tuple[Path, str]] = []
        labelled = self._find()
        if limit is not None and limit < len(labelled):
            labelled = [labelled[i] for i in np.linspace(0, len(labelled) - 1, limit).round().astype(int)]
        if labelled:
            self._cache = cached_images([file for file, _ in labelled], image_size, cache_dir, progress)
            self.skipped += [(labelled[row][0].path, why) for row, why in self._cache.unreadable.items()]
            usable = [row for row in range(len(labelled)) if row not in self._cache.unreadable]
        if not labelled or not usable:
            raise ValueError(self._nothing_usable())
        self._rows = np.array(usable, np.int64)
        self.files = [labelled[row][0].path for row in usable]
        labels = [labelled[row][1] for row in usable]
        self.ages = np.array([label.age for label in labels], np.float32)
        self.genders = [label.gender for label in labels]
        self.races = [label.race for label in labels]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> tuple[Array, Any]:
        return self._cache.take(self._rows[[index]])[0], self.ages[index]

    @checked
    def batch(self, indices: Indices) -> tuple[Array, Array]:
        chosen = as_indices(indices, len(self))
        return self._cache.take(self._rows[chosen]), self.ages[chosen]

    def describe(self, index: int) -> str:
        return printable(self.files[index])

    @property
    def targets(self) -> npt.NDArray[np.float32]:
        """The ages."""
        return self.ages

    def photo_groups(self) -> npt.NDArray[np.int64]:
        """For each image the number of its photo (see `photo_groups`), kept in the cache."""
        return self._cache.derived("photos-1", lambda: photo_groups(self))

    @property
    def checksum(self) -> str:
        """Identifies the decoded images."""
        return self._cache.checksum

    @staticmethod
    def download() -> Path:
        """Fetch the dataset (331 MB) from Kaggle through kagglehub, which keeps it; gives the folder it is in.

        A bar shows how far it is where anybody sees one.
        Raises KaggleUnreachable, after at most about ten seconds if Kaggle doesn't answer at all.
        """
        with optional_import():
            import kagglehub
        import requests
        from kagglehub.exceptions import BackendError, CredentialError, DataCorruptionError, UnauthenticatedError

        if not _downloaded_before():
            _check_connection()
        with progress_bar("", None, "bytes", delay=math.inf) as bar:
            watched = not bar.disable
        try:
            with contextlib.nullcontext() if watched else contextlib.redirect_stderr(io.StringIO()):  # its own bar
                return Path(kagglehub.dataset_download(KAGGLE_HANDLE))
        except (
            requests.RequestException, BackendError, CredentialError, DataCorruptionError, UnauthenticatedError,
        ) as error:  # fmt: skip
            raise KaggleUnreachable(f"Kaggle did not give the dataset: {error}") from error

    def _find(self) -> list[tuple[SourceFile, Label]]:
        """The labelled picture files below the root, each name once, in the order of their names."""
        found: dict[str, tuple[SourceFile, Label]] = {}
        folders = [self.root]
        while folders:
            below: list[Path] = []
            for folder in folders:  # level by level and by name: the first of a name is the one to take
                try:
                    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
                except OSError as error:
                    if folder == self.root:
                        raise
                    self.skipped.append((folder, str(error.strerror)))
                    continue
                for entry in entries:
                    if entry.name.lower().endswith(_EXTENSIONS):
                        if entry.name not in found:
                            self._add(entry, found)
                    elif entry.is_dir(follow_symlinks=False):
                        below.append(Path(entry.path))
            folders = below
        return [found[name] for name in sorted(found)]

    def _add(self, entry: os.DirEntry[str], found: dict[str, tuple[SourceFile, Label]]) -> None:
        label = parse_name(entry.name)
        try:
            status = entry.stat()
        except OSError as error:  # such as a link that leads nowhere
            self.skipped.append((Path(entry.path), str(error.strerror)))
            return
        if not stat.S_ISREG(status.st_mode):
            self.skipped.append((Path(entry.path), "not a regular file"))
        elif label is None:
            self.skipped.append((Path(entry.path), f"no age from 0 to {OLDEST} at the start of its name"))
        else:
            found[entry.name] = SourceFile(Path(entry.path), status.st_size, status.st_mtime_ns), label

    def _nothing_usable(self) -> str:
        message = f"UTKFace: no usable image [age]_[gender]_[race]_[date].jpg in {self.root} or below it"
        if self.skipped:
            path, why = self.skipped[0]
            message += f"; {len(self.skipped)} files were skipped, the first, {printable(path.name)}: {why}"
        return message


def parse_name(name: str) -> Label | None:
    """The label in a file's name; None if it has no age from 0 to 130 years.

    Names in the documented layout tell everything. A few in the dataset lack a field or a dot, or have a
    stray space: their age is still what comes before the first underscore, and the rest isn't trusted.

    >>> from tinygrad_cnn.data.utkface import parse_name
    >>> parse_name("26_1_2_20170116184024662.jpg.chip.jpg")
    Label(age=26, gender=1, race=2)
    >>> parse_name("61_1_20170109142408075.jpg.chip.jpg")
    Label(age=61, gender=None, race=None)
    """
    whole = _FULL_NAME.fullmatch(name)
    start = whole or _AGE_FIRST.match(name)
    if start is None or int(start[1]) > OLDEST:
        return None
    return Label(int(start[1]), *(int(whole[i]) if whole else None for i in (2, 3)))


def _downloaded_before() -> bool:
    import kagglehub.config

    dataset, _, version = KAGGLE_HANDLE.partition("/versions/")
    return Path(kagglehub.config.get_cache_folder(), "datasets", dataset, f"{version}.complete").exists()


def _check_connection() -> None:
    """Raise KaggleUnreachable unless Kaggle answers soon; kagglehub itself may wait for minutes."""
    import requests

    problem = [f"no answer within {KAGGLE_SECONDS} seconds"]

    def ask() -> None:
        try:
            requests.head("https://www.kaggle.com", timeout=KAGGLE_SECONDS)
            problem.clear()
        except requests.RequestException as error:
            problem[:] = [f"no connection to www.kaggle.com ({type(error).__name__})"]

    thread = threading.Thread(target=ask, daemon=True)  # looking up the name has no time limit of its own
    thread.start()
    thread.join(KAGGLE_SECONDS)
    if problem:
        raise KaggleUnreachable(f"Kaggle can't be reached: {problem[0]}")

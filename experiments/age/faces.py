"""The faces of a run: found on disk, fetched from Kaggle or drawn, and split into train, val and test."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from experiments.age.tasks import labels
from tinygrad_cnn.data import (
    DataLoader,
    KaggleUnreachable,
    Relabelled,
    Subset,
    SyntheticFaces,
    UTKFace,
    printable,
    splits,
)
from tinygrad_cnn.data.transforms import Transform
from tinygrad_cnn.data.utkface import GENDERS, RACES
from tinygrad_cnn.train import fingerprint

REAL, SYNTHETIC = "UTKFace", "synthetic faces"
SYNTHETIC_COUNT = 4000
REASONS = 3  # for skipping files, that are told one by one
SYNTHETIC_BYTES = 4 * 2**30  # they are kept in memory
Say = Callable[..., object]


class UserError(Exception):
    """Something that the user asked for can't be done; the message, one line, says what and why."""


@dataclass
class Faces:
    """A dataset, what kind of faces it holds, and the indices of its parts."""

    dataset: UTKFace | SyntheticFaces
    kind: str  # REAL or SYNTHETIC: every artefact of a run says it
    source: str
    split_name: str
    parts: dict[str, np.ndarray]  # train, val, test and all
    skipped: Sequence[tuple[Path, str]] = ()  # files that could not be used, each with the reason
    subjects: tuple[str, ...] = ("age",)  # what a model is to learn of them

    @property
    def test_part(self) -> str:
        """The part to report on at the end: a split file may have no test faces, and then it is val."""
        return "test" if len(self.parts["test"]) else "val"

    def ages(self, part: str) -> np.ndarray:
        """The true ages of a part, in years."""
        return np.asarray(self.dataset.targets)[self.parts[part]]

    def targets(self, part: str) -> np.ndarray:
        """What a model is to learn of a part: float32 `(N,)`, or `(N, subjects)` of more than one subject."""
        return self._targets()[self.parts[part]]

    def _targets(self) -> np.ndarray:
        columns = [labels(self.dataset, subject) for subject in self.subjects]
        return columns[0] if len(columns) == 1 else np.stack(columns, axis=1)

    def groups(self, part: str) -> dict[str, list[str]]:
        """By gender and by race, of those that the data have: the group of each face of a part."""
        given: list[tuple[str, Sequence[int | None], Sequence[str]]] = [("gender", self.dataset.genders, GENDERS)]
        if isinstance(self.dataset, UTKFace):
            given.append(("race", self.dataset.races, RACES))
        return {
            kind: ["unknown" if (group := numbers[i]) is None else names[group] for i in self.parts[part]]
            for kind, numbers, names in given
        }

    def for_subjects(self, subjects: tuple[str, ...], say: Say) -> Faces:
        """These faces for a model of `subjects`, but for those whose gender it is to learn and is not known."""
        faces = replace(self, subjects=subjects)
        known = np.isfinite(faces._targets()).reshape(len(self.dataset), -1).all(axis=1)
        if not known.all():
            say(f"{np.sum(~known):,} faces are left out: their names do not tell the gender")
            faces.parts = {part: rows[known[rows]] for part, rows in self.parts.items()}
        return faces

    def images(self, part: str, places: np.ndarray) -> np.ndarray:
        """uint8 RGB `(N, H, W, 3)` of the faces at some places of a part."""
        return self.dataset.batch(self.parts[part][places])[0]

    def loader(self, part: str, batch_size: int, transform: Transform | None = None, **options: Any) -> DataLoader:
        labelled = Relabelled(self.dataset, self._targets())
        return DataLoader(Subset(labelled, self.parts[part]), batch_size, transform=transform, **options)

    def identity(self) -> dict[str, Any]:
        """What says, in a run's config.json, exactly which faces it saw, and which of them for what."""
        about = {"data": self.kind, "source": self.source, "count": len(self.dataset), "split": self.split_name}
        parts = {part: len(self.parts[part]) for part in ("train", "val", "test")}
        if isinstance(self.dataset, SyntheticFaces):
            return {**about, "parts": parts}
        names = [path.name for path in self.dataset.files]
        return {
            **about,
            "skipped": len(self.skipped),
            "files": fingerprint(names),
            "decoded_checksum": self.dataset.checksum,
            "parts": {part: fingerprint(names[i] for i in self.parts[part]) for part in parts},
        }


def find_faces(options: argparse.Namespace, image_size: int, say: Say) -> Faces:
    """The faces that the options ask for. Raises UserError where there are none.

    Where neither a folder nor UTKFace was asked for and Kaggle can't be reached, says so and draws faces.
    """
    wants_real = options.data == "utkface" or options.data_dir is not None or options.split_file is not None
    if options.data == "synthetic":
        if wants_real:
            raise UserError("--data synthetic takes neither --data-dir nor --split-file: it draws its own faces")
        return _drawn(options, image_size, say)
    folder = options.data_dir
    if folder is None:
        try:
            folder = UTKFace.download()
        except KaggleUnreachable as error:
            if wants_real:
                raise UserError(f"{error}; --data-dir FOLDER takes a local copy of UTKFace") from error
            say(f"{error}; going on with {SYNTHETIC} (--data-dir FOLDER takes a local copy of UTKFace)")
            return _drawn(options, image_size, say)
    return _read(Path(folder), options, image_size, say)


def _drawn(options: argparse.Namespace, image_size: int, say: Say) -> Faces:
    count = options.limit or SYNTHETIC_COUNT
    size_in_memory = count * image_size * image_size * 3
    if size_in_memory > SYNTHETIC_BYTES:
        raise UserError(
            f"{count:,} {SYNTHETIC} take {size_in_memory / 2**30:.0f} GiB of memory; ask for less with --limit"
        )
    say(f"faces: {count:,} {SYNTHETIC}, drawn at {image_size}x{image_size} pixels")
    dataset = SyntheticFaces(count, image_size, seed=options.split_seed)
    split = splits.random(dataset, options.split_seed)  # each face is drawn once: there are no copies to group
    return Faces(dataset, SYNTHETIC, f"drawn from seed {options.split_seed}", "random", _parts(split, count))


def _read(folder: Path, options: argparse.Namespace, image_size: int, say: Say) -> Faces:
    try:
        dataset = UTKFace(folder, image_size, options.cache_dir, options.limit)
    except ValueError as error:
        raise UserError(str(error)) from error
    say(f"faces: {len(dataset):,} of {REAL} in {printable(folder)}, {said_skipped(dataset)}")
    name = options.split
    try:
        if options.split_file is not None:
            name = str(options.split_file)
            split = splits.from_file(dataset, options.split_file)
        elif options.split == "random":
            split = splits.random(dataset, options.split_seed)
        else:
            split = splits.by_photo(dataset, options.split_seed)
    except ValueError as error:
        raise UserError(str(error)) from error
    if misfits := said_misfits(split):
        say(f"{printable(options.split_file)}: {misfits}")
    return Faces(dataset, REAL, str(folder.resolve()), name, _parts(split, len(dataset)), dataset.skipped)


def said_skipped(dataset: UTKFace) -> str:
    """How many files were left out and why, the commonest reasons by name; the log names the files."""
    reasons = Counter(why for _, why in dataset.skipped).most_common()
    listed = [f"{count:,} {why}" for why, count in reasons[:REASONS]]
    if others := sum(count for _, count in reasons[REASONS:]):
        listed.append(f"{others:,} for other reasons")
    unknown = sum(gender is None or race is None for gender, race in zip(dataset.genders, dataset.races, strict=True))
    return (
        f"{len(dataset.skipped):,} files skipped"
        + (f" ({'; '.join(listed)})" if listed else "")
        + (f"; {unknown:,} names tell the age alone" if unknown else "")
    )


def said_misfits(split: splits.Split) -> str:
    """What of a split file did not fit the faces, counted; nothing where all of it did."""
    counts = {
        "{:,} faces of it are not in the data": len(split.not_in_dataset),
        "{:,} faces are not in it and are left out": len(split.not_in_file),
        "{:,} rows are repeated": split.repeated,
    }
    return "; ".join(words.format(count) for words, count in counts.items() if count)


def _parts(split: splits.Split, count: int) -> dict[str, np.ndarray]:
    return {"train": split.train, "val": split.val, "test": split.test, "all": np.arange(count)}

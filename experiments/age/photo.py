"""The `predict` command: what a model sees in the faces of photographs, as lines, csv or json.

Pictures are taken one by one: however many there are, one is in memory. Of a table's columns, `file` is the picture as
it was named or found, `face` counts its faces from the left, `x, y, width, height` is the square that the model was
shown, in the upright picture's pixels (beyond its border where the numbers say so), and the rest is what the model
tells. A picture without a face has a row with the file alone; one that can't be read has a line on stderr and no row.
"""

from __future__ import annotations

import argparse
import csv
import glob
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from experiments.age.annotate import annotated, with_boxes
from experiments.age.camera import watch
from experiments.age.faces import REAL
from experiments.age.faces_in_photo import Box, FindFaces, cut_out, described, face_finder, whole
from experiments.age.log import complain, say
from experiments.age.tasks import answer_names, answers, cells, columns, in_short
from experiments.age.weights import load_model
from tinygrad_cnn.data import UnreadableImage, printable, read_image
from tinygrad_cnn.files import write_file
from tinygrad_cnn.progress import progress_bar
from tinygrad_cnn.train import AgeModel

ENDINGS = (".jpg", ".jpeg", ".png", ".webp")  # of the files that are taken from a folder
COLUMNS = ("file", "face", "x", "y", "width", "height")  # a table's first
NAMED = 60  # letters of a picture's name in that of the annotated one: with escapes, still a name for a file

Faces = list[tuple[Box, np.ndarray]]  # where each is, and what was predicted: (1,) or (1, width)
Row = dict[str, Any]


def predict(options: argparse.Namespace) -> int:
    """Run the command. Gives the exit status: 2 where a picture can't be read."""
    model = load_model(options.weights)
    find = face_finder() if options.detect else whole
    if options.camera is not None:
        watch(options.camera, lambda picture: drawn(picture, seen(model, find, picture), model, True))
        return 0
    try:
        return look_through(options, model, find)
    except BrokenPipeError:  # whoever reads has seen enough, as `| head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def look_through(options: argparse.Namespace, model: AgeModel, find: FindFaces) -> int:
    """Write and draw what the model sees in picture after picture; gives the exit status."""
    if options.annotate is not None:
        options.annotate.mkdir(parents=True, exist_ok=True)
    status = 0
    hidden = options.out is None and sys.stdout.isatty()  # where the rows are seen themselves
    found = [*pictures(options.images)]  # so that the bar knows how many
    bar = progress_bar("predicting", len(found), "pictures", delay=1, shown=not hidden)
    with table(options, model) as write, bar:
        for number, (path, problem) in enumerate(found, 1):
            bar.update()
            try:
                if problem:
                    raise UnreadableImage(problem)
                picture = read_image(path)
            except UnreadableImage as error:
                why = f"can't read {printable(path)}: {error}"
                complain(f"utkface_age.py predict: {why}", event="unreadable", picture=str(path))
                status = 2
                continue
            faces = seen(model, find, picture)
            write(path, faces)
            if options.annotate is not None:
                save(drawn(picture, faces, model, options.detect), options.annotate, number, path)
    return status


def seen(model: AgeModel, find: FindFaces, picture: np.ndarray) -> Faces:
    """The faces in a picture, uint8 RGB (H, W, 3), and what the model says of each."""
    boxes = find(picture)
    if not boxes:
        return []
    crops = np.stack([cut_out(picture, box, model.image_size) for box in boxes])
    return list(zip(boxes, np.split(model.predict(crops), len(boxes)), strict=True))


# -- where the pictures are -------------------------------------------------------------------------------


def pictures(places: Iterable[str]) -> Iterator[tuple[Path, str]]:
    """The picture files of files, folders and patterns, each sorted; beside a path that gives none, why."""
    for place in places:
        if os.path.isdir(place):
            yield from _in_folder(Path(place))
        elif _is_pattern(place):
            matches = sorted(glob.glob(place, recursive=True))
            for match in matches:
                if os.path.isfile(match):
                    yield Path(match), ""
            if not any(map(os.path.isfile, matches)):
                yield Path(place), "no file has such a name"
        else:
            yield Path(place), ""


def _is_pattern(place: str) -> bool:
    return not os.path.lexists(place) and glob.has_magic(place)


def _in_folder(folder: Path) -> Iterator[tuple[Path, str]]:
    """The picture files in a folder and below it; links to folders are not followed."""
    found = False
    for path, problem in _below(folder):
        found = True
        yield path, problem
    if not found:
        yield folder, f"no {', '.join(ENDINGS)} in this folder"


def _below(folder: Path) -> Iterator[tuple[Path, str]]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield folder, str(error.strerror)
        return
    for entry in entries:
        if entry.name.lower().endswith(ENDINGS):
            yield Path(entry.path), ""
        elif entry.is_dir(follow_symlinks=False):
            yield from _below(Path(entry.path))


# -- what comes out ---------------------------------------------------------------------------------------


def form(options: argparse.Namespace) -> str:
    """text, csv or json: as asked for, else as the file's name ends, else csv for folders and patterns."""
    if options.format is not None:
        return str(options.format)
    if options.out is not None:
        return str(options.out.suffix[1:].lower())
    return "csv" if any(os.path.isdir(place) or _is_pattern(place) for place in options.images) else "text"


@contextmanager
def table(options: argparse.Namespace, model: AgeModel) -> Iterator[Callable[[Path, Faces], None]]:
    """What writes a picture's rows, as they come, to stdout or the file."""
    kind = form(options)
    if options.out is None:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="backslashreplace")  # a name may hold what the terminal can't show
        yield from _FORMS[kind](sys.stdout, model)
    else:
        try:
            with open(options.out, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
                yield from _FORMS[kind](file, model)
        except OSError as error:  # of writing, which names no file
            raise OSError(error.errno, error.strerror or str(error), error.filename or str(options.out)) from error


def rows(model: AgeModel, path: Path, faces: Faces) -> list[Row]:
    """A table's rows for one picture: one for each face, or one without."""
    if not faces:
        return [{**dict.fromkeys((*COLUMNS, *answer_names(model.head))), "file": str(path)}]
    return [
        {
            "file": str(path),
            **described(number, box),
            **{name: _rounded(answer) for name, answer in answers(model.head, predicted).items()},
        }
        for number, (box, predicted) in enumerate(faces, 1)
    ]


def _rounded(answer: str | float) -> str | float:
    return answer if isinstance(answer, str) else round(answer, 4)


def _csv(file: TextIO, model: AgeModel) -> Iterator[Callable[[Path, Faces], None]]:
    writer = csv.DictWriter(file, [*COLUMNS, *answer_names(model.head)], lineterminator="\n")
    writer.writeheader()
    file.flush()

    def write(path: Path, faces: Faces) -> None:
        writer.writerows(rows(model, path, faces))
        file.flush()

    yield write


def _json(file: TextIO, model: AgeModel) -> Iterator[Callable[[Path, Faces], None]]:
    before = "["

    def write(path: Path, faces: Faces) -> None:
        nonlocal before
        for row in rows(model, path, faces):
            file.write(f"{before}\n  {json.dumps(row)}")
            before = ","
        file.flush()

    try:
        yield write
    finally:
        file.write("[]\n" if before == "[" else "\n]\n")


def _text(file: TextIO, model: AgeModel) -> Iterator[Callable[[Path, Faces], None]]:
    """Lines for a reader; for `--log-format json`, what they say by name as well."""
    names = columns(model.head)
    say("   ".join([*names, "picture"]))

    def write(path: Path, faces: Faces) -> None:
        for number, (box, predicted) in enumerate(faces, 1):
            which = f", face {number} of {len(faces)}" if len(faces) > 1 else ""
            line = "   ".join([*cells(model.head, predicted), printable(path) + which])
            about = {"picture": str(path), **described(number, box), **answers(model.head, predicted)}
            say(line, event="prediction", **about)
        if not faces:
            nothing = ["-".rjust(len(name)) for name in names]
            say("   ".join([*nothing, f"{printable(path)}: no face found"]), event="no_face", picture=str(path))

    yield write
    size = model.image_size
    say(f"{type(model.model).__name__} trained on {model.data}, {size}x{size} pixels")


_FORMS = {"text": _text, "csv": _csv, "json": _json}


def drawn(picture: np.ndarray, faces: Faces, model: AgeModel, boxes: bool) -> np.ndarray:
    """The picture with what was predicted: at each face's box, or below the whole."""
    note = "" if model.data == REAL else f"trained on {model.data}"
    answers = [(box, in_short(model.head, predicted)) for box, predicted in faces]
    return with_boxes(picture, answers, note) if boxes else annotated(picture, answers[0][1], note)


def save(picture: np.ndarray, folder: Path, number: int, path: Path) -> None:
    """Write an annotated picture under a name of its own."""
    import cv2

    _, content = cv2.imencode(".png", picture[:, :, ::-1])
    write_file(folder / f"{number:04d}-{printable(path.stem)[:NAMED]}.png", content.tobytes())

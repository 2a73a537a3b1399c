"""Tasks of the main job around the training step: its loop over real batches, and decoding pictures."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

import tinygrad_cnn as tg
from experiments.age.fit import make_optimizer, make_schedule
from experiments.age.options import parse
from experiments.age.tasks import LOSSES, make_head
from models.age_cnn import AgeCNN
from tinygrad_cnn.data import DataLoader, SyntheticFaces, UTKFace, augmentation
from tinygrad_cnn.train import train_epoch

from .worker import Task

IMAGE_SIZE = 128  # pixels
FILE_SIZE = 200  # pixels of the pictures that are decoded, as in UTKFace
DRAWN = 64  # different faces
MANY_STEPS = 1_000_000


def training_loop(threads: int, folder: str) -> Task:
    """An epoch of ``utkface_age.py`` with its default options: loader, augmentation, schedule, progress bar."""
    tg.set_num_threads(threads)
    options = parse(["--image-size", str(IMAGE_SIZE)])
    with tempfile.TemporaryDirectory() as cache:
        faces = UTKFace(folder, IMAGE_SIZE, cache, progress=False)
        faces.batch(np.arange(len(faces)))  # mapped, and in the system's file cache
    model = AgeCNN(IMAGE_SIZE)
    optimizer = make_optimizer(model, options)
    schedule = make_schedule(optimizer, options, MANY_STEPS)
    loader = DataLoader(faces, options.batch_size, shuffle=True, transform=augmentation(options.augment))
    head = make_head(options, faces.ages)
    _draw_progress()
    return Task(lambda: train_epoch(model, loader, head, optimizer, schedule), work=len(faces))


def bare_step(threads: int, folder: str) -> Task:
    """Its training step, over and over on one batch in memory. A unit of work is an image, as in the loop."""
    tg.set_num_threads(threads)
    options = parse(["--image-size", str(IMAGE_SIZE)])
    model = AgeCNN(IMAGE_SIZE)
    optimizer = make_optimizer(model, options)
    generator = np.random.default_rng(0)
    images = tg.from_numpy(generator.standard_normal((options.batch_size, 3, IMAGE_SIZE, IMAGE_SIZE), np.float32))
    targets = tg.from_numpy(generator.standard_normal((options.batch_size, 1), np.float32))

    def step() -> None:
        optimizer.zero_grad()
        LOSSES[options.loss](model(images), targets).backward()
        optimizer.step()

    return Task(step, work=options.batch_size)


def decode_and_cache(threads: int, folder: str) -> Task:
    """Seconds from picture files to the cache that training reads, an image being a unit of work."""
    count = len(list(Path(folder).iterdir()))

    def step() -> float:
        with tempfile.TemporaryDirectory() as cache:
            started = time.perf_counter()
            UTKFace(folder, IMAGE_SIZE, cache)
            return time.perf_counter() - started

    return Task(step, work=count, gives_cost=True)


def plain_decoding(threads: int, folder: str, interpolation: str = "INTER_LINEAR") -> Task:
    """The loop that it replaces: imread, resize, one picture after the other on one thread.

    INTER_LINEAR is what resize does by itself; INTER_AREA, slower, is often advised for making pictures smaller.
    """
    import cv2

    cv2.setNumThreads(1)
    how = getattr(cv2, interpolation)
    paths = sorted(map(str, Path(folder).iterdir()))

    def step() -> float:
        started = time.perf_counter()
        for path in paths:
            image = cv2.imread(path)
            assert image is not None, path
            cv2.resize(image, (IMAGE_SIZE, IMAGE_SIZE), interpolation=how)
        return time.perf_counter() - started

    return Task(step, work=len(paths), gives_cost=True)


def fill_with_faces(folder: Path, count: int, source: Path | None = None) -> str:
    """Links to `count` labelled JPEG files below `source`, evenly spread; or as many drawn faces. Says which.

    Raises ValueError where `source` holds fewer.
    """
    if source is not None:
        found = sorted({path.name: path.resolve() for path in source.rglob("*_*.jpg")}.items())
        if len(found) < count:
            raise ValueError(f"{source} holds {len(found)} pictures [age]_*.jpg; {count} are needed")
        for i in np.linspace(0, len(found) - 1, count).round().astype(int):
            (folder / found[i][0]).symlink_to(found[i][1])
        return f"{count} files of {source.name}"
    import cv2

    faces = SyntheticFaces(min(count, DRAWN), FILE_SIZE)
    images, ages = faces.batch(np.arange(len(faces)))
    for i in range(count):
        face = i % len(faces)
        path = folder / f"{ages[face]:.0f}_0_0_{i:017d}.jpg.chip.jpg"
        cv2.imwrite(str(path), images[face][:, :, ::-1])
    return f"{count} files of {len(faces)} synthetic faces, {FILE_SIZE}x{FILE_SIZE} pixels"


def _draw_progress() -> None:
    """Make stderr a terminal that nobody looks at: the progress bar is drawn there as in a run by hand."""
    outside, inside = os.openpty()
    os.dup2(inside, 2)

    def drain() -> None:
        while os.read(outside, 4096):
            pass

    threading.Thread(target=drain, daemon=True).start()

"""Files that others wrote, or that a disk has damaged, mutated by the thousand: a value or a documented error.

Never a crash, a hang, another exception, or much more memory than the file is long. A run with `-m long` tries
hundreds of thousands. What these found stands as a case of its own in the tests of the part that was wrong.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import resource
import time
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save as to_bytes

import tinygrad_cnn as tg
from tests.mutations import mutated_bytes, mutated_json, mutated_safetensors, pick
from tinygrad_cnn import nn, optim
from tinygrad_cnn.data import ArrayDataset, DataLoader
from tinygrad_cnn.data.cache import SourceFile, cached_images
from tinygrad_cnn.io import load, load_metadata
from tinygrad_cnn.optim import lr_scheduler
from tinygrad_cnn.optim.lr_scheduler import ReduceLROnPlateau
from tinygrad_cnn.train import AgeModel, Binary, Checkpoints, ExpectedAge, Regression, Several, load_age_model
from tinygrad_cnn.train.resume import write_checkpoint

TRACED = 500  # files, the first ones, of which the memory is followed to the byte
SECONDS = 5.0  # of the processor's time, for the slowest file
CONSTANT = 2**18  # bytes that reading takes whatever the file: messages, the reader's own objects


class TinyNet(nn.Module):
    """Small, but its size depends on what the file says of the picture's size and on the head."""

    def __init__(self, image_size: int, outputs: int = 1) -> None:
        self.conv = nn.Conv2d(3, 2, 3)
        self.norm = nn.BatchNorm2d(2)
        self.fc = nn.Linear(2 * (image_size - 2) ** 2, outputs)

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        return self.fc(self.norm(self.conv(x)).flatten(1))


MODELS = {"TinyNet": TinyNet}


def survey(
    read: Callable[[], object],
    write: Callable[[np.random.Generator], object],
    errors: tuple[type[Exception], ...],
    count: int,
    memory: Callable[[], float] | None = None,
) -> dict[str, int]:
    """Read so many mutated files; gives how many were read, and how many were refused with each error."""
    outcomes: dict[str, int] = {}
    for number in range(count):
        write(np.random.default_rng((2026, number)))
        started = time.process_time()
        try:
            read()
            outcome = "read"
        except errors as error:
            outcome = type(error).__name__
        except Exception as error:
            raise AssertionError(f"file {number}: an error that is not documented") from error
        finally:
            seconds = time.process_time() - started
        assert seconds < SECONDS, f"file {number} took {seconds:.1f} s"
        if memory is not None and number < TRACED:
            allowed = memory() + CONSTANT
            peak = peak_memory(read, errors)
            if peak > allowed:
                peak = min(peak, peak_memory(read, errors))
            assert peak <= allowed, f"file {number} took {peak:,} bytes of memory, twice"
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    return outcomes


def peak_memory(read: Callable[[], object], errors: tuple[type[Exception], ...]) -> int:
    """Bytes that the process took while a file was read: also for what other threads and finalisers did meanwhile.

    So a peak that is too high is the reader's only if it comes again.
    """
    tracemalloc.start()
    try:
        with contextlib.suppress(*errors):
            read()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def model_and_head(rng: np.random.Generator) -> AgeModel:
    head: Any = [
        Regression(33.3, 19.9),
        ExpectedAge(oldest=9),
        Several((ExpectedAge(oldest=9), Binary("gender", ("male", "female"))), (1.0, 0.5)),
    ][rng.integers(3)]
    return AgeModel(TinyNet(4, head.outputs), 4, head, 29.0, "synthetic faces", bool(rng.integers(2)))


def fuzz_weights(folder: Path, count: int) -> dict[str, int]:
    """Files as other programs write them: with bfloat16, and no checksum."""
    path = folder / "w.safetensors"
    state = {
        "conv1.weight": np.linspace(-1, 1, 60, dtype=np.float32).reshape(5, 3, 2, 2),
        "empty": np.zeros((0, 3)),
        "steps": np.array(7),
        "half": np.ones(9, np.float16),
        "flags": np.array([True, False]),
    }
    plain = to_bytes(state, {"epoch": "3", "state": "{}"})
    content = plain.replace(b'"F16"', b'"BF16"')
    content = bytes([plain[0] + len(content) - len(plain)]) + content[1:]

    def read() -> None:
        arrays, about = load(path), load_metadata(path)
        assert sum(array.nbytes for array in arrays.values()) <= 2 * path.stat().st_size
        assert all(isinstance(text, str) for text in [*arrays, *about, *about.values()])

    return survey(
        read,
        lambda rng: path.write_bytes(mutated_safetensors(content, rng)),
        (ValueError,),
        count,
        lambda: 2 * path.stat().st_size,
    )


def fuzz_models(folder: Path, count: int) -> dict[str, int]:
    """Half of them are whole files that say wild things."""
    path = folder / "w.safetensors"

    def write(rng: np.random.Generator) -> None:
        model = model_and_head(rng)
        state, about = model.model.state_dict(), model.metadata()
        kind = rng.integers(4)
        if kind < 2:
            changed = mutated_json(about, rng) or {}
            about = {str(key).replace("\ud800", "?"): str(value).replace("\ud800", "?")
                     for key, value in changed.items()}  # fmt: skip
        elif kind == 2:
            changed = mutated_json(state, rng)
            state = {str(key).replace("\ud800", "?"): value for key, value in changed.items()
                     if isinstance(value, np.ndarray) and key != "__metadata__"}  # fmt: skip
        tg.save(state, path, metadata=about)
        if kind == 3:
            path.write_bytes(mutated_safetensors(path.read_bytes(), rng))

    def read() -> None:
        model = load_age_model(path, MODELS)
        assert all(np.isfinite(array).all() for array in model.model.state_dict().values())
        repr(model.predict(np.zeros((2, model.image_size, model.image_size, 3), np.uint8)))

    return survey(read, write, (ValueError,), count)  # what is taken but never filled is no memory: see the long form


def checkpoint_state() -> dict[str, Any]:
    return {
        "optimizer": {"state": {"0": {"step": 3, "exp_avg": np.ones((2, 3), np.float32)}}, "empty": {}},
        "counts": [np.array(3, np.int64), np.zeros(0), np.array([True])],
        "rate": 0.1,
        "generator": 2**100,
        "name": "Zoë",
        "nothing": None,
    }


def fuzz_checkpoints(folder: Path, count: int) -> dict[str, int]:
    """Some with a checksum that is right."""
    good = Checkpoints(folder).write(checkpoint_state())
    content = good.read_bytes()

    def write(rng: np.random.Generator) -> None:
        if rng.integers(2):
            good.write_bytes(mutated_safetensors(content, rng))
        else:
            try:
                write_checkpoint(good, mutated_json({"number": 1, "state": checkpoint_state()}, rng))
            except (TypeError, ValueError):  # what json can't hold
                good.write_bytes(b"")

    def read() -> None:
        state, problems = Checkpoints(folder).latest()
        assert isinstance(state, dict)
        assert problems == []

    return survey(read, write, (ValueError,), count, lambda: 6 * good.stat().st_size)


def fuzz_cache(folder: Path, count: int) -> dict[str, int]:
    """The pictures stay what they are, whatever stands in their cache; some of it with a checksum that is right."""
    cv2 = pytest.importorskip("cv2")
    files = []
    for number in range(3):
        path = folder / f"{number}.png"
        cv2.imwrite(str(path), np.random.default_rng(number).integers(0, 256, (4, 4, 3), np.uint8))
        files.append(SourceFile(path, path.stat().st_size, path.stat().st_mtime_ns))
    rows = np.arange(len(files))
    cache = cached_images(files, 4, folder / "cache", progress=False)
    right, mean = cache.take(rows), cache.derived("mean", lambda: cache.images.mean((1, 2, 3)))
    kept = {path: path.read_bytes() for path in (folder / "cache").iterdir()}

    def write(rng: np.random.Generator) -> None:
        for path, content in kept.items():
            path.write_bytes(content)
        path = pick(rng, sorted(kept))
        content = mutated_bytes(kept[path], rng)
        if path.suffix == ".json" and rng.integers(2):
            tree = mutated_json(json.loads(kept[path][:-32]), rng)
            content = json.dumps(tree, default=np.ndarray.tolist).encode()
            content += hashlib.sha256(content).digest()
        path.write_bytes(content)

    def read() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            cache = cached_images(files, 4, folder / "cache", progress=False)
            np.testing.assert_array_equal(cache.take(rows), right)
        np.testing.assert_array_equal(cache.derived("mean", lambda: cache.images.mean((1, 2, 3))), mean)

    return survey(read, write, (), count)


def fuzz_states(_: Path, count: int) -> dict[str, int]:
    """What a training goes on from, part by part: loaded, or refused without a change."""
    holder: list[Any] = []

    def write(rng: np.random.Generator) -> None:
        tg.manual_seed(0)
        model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
        kind = pick(rng, [optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad])
        more = {"momentum": 0.9} if kind is optim.SGD else {}
        optimizer = kind(model.parameters(), lr=0.1, **more)
        schedule = pick(rng, SCHEDULES)(optimizer)
        average = optim.EMA(model)
        loader = DataLoader(ArrayDataset(np.zeros((5, 2, 2, 3), np.uint8), np.arange(5)), 2, shuffle=True)
        parts = {"model": model, "optimizer": optimizer, "schedule": schedule, "average": average, "loader": loader}

        with np.errstate(all="ignore"):
            model(tg.ones(4, 2)).sum().backward()
            optimizer.step()
            schedule.step(*[1.0] * isinstance(schedule, ReduceLROnPlateau))
            average.update()
        name = pick(rng, list(parts))
        before = parts[name].state_dict()
        holder[:] = [parts[name], before, mutated_json(before, rng)]

    def read() -> None:
        part, before, state = holder
        try:
            part.load_state_dict(state)
        except Exception:
            assert same(part.state_dict(), before)
            raise

    return survey(read, write, (ValueError, RuntimeError), count)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return isinstance(other, dict) and list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    return bool(np.array_equal(one, other, equal_nan=isinstance(one, np.ndarray) and one.dtype.kind == "f"))


SCHEDULES = [
    lambda optimizer: lr_scheduler.OneCycleLR(optimizer, max_lr=0.5, total_steps=50, cycle_momentum=False),
    lambda optimizer: lr_scheduler.StepLR(optimizer, step_size=3),
    lambda optimizer: lr_scheduler.ReduceLROnPlateau(optimizer),
    lambda optimizer: lr_scheduler.SequentialLR(
        optimizer,
        [lr_scheduler.LinearLR(optimizer, total_iters=5), lr_scheduler.CosineAnnealingLR(optimizer, T_max=9)],
        milestones=[5],
    ),
]


FUZZERS = {"weights": fuzz_weights, "models": fuzz_models, "checkpoints": fuzz_checkpoints, "states": fuzz_states,
           "cache": fuzz_cache}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "count"), [("weights", 800), ("models", 300), ("checkpoints", 500), ("states", 300), ("cache", 200)]
)
def test_what_is_wrong_is_read_or_refused(kind: str, count: int, tmp_path: Path) -> None:
    outcomes = FUZZERS[kind](tmp_path, count)
    assert kind == "cache" or outcomes["ValueError"] > count / 4
    assert outcomes["read"] > count / 50


@pytest.mark.parametrize("before", [0, 1])  # of a file that is read: to see how long it takes, then to see its memory
def test_memory_counts_that_is_taken_at_every_reading_of_a_file(before: int) -> None:
    readings = 0

    def survey_where_memory_is_taken(times: int) -> None:
        nonlocal readings
        readings = 0

        def read() -> None:
            nonlocal readings
            readings += 1
            if before < readings <= before + times:
                np.zeros(2 * CONSTANT, np.uint8)

        survey(read, lambda _: None, (), 1, lambda: 0)

    survey_where_memory_is_taken(1)  # by another thread, say
    with pytest.raises(AssertionError, match=r"file 0 took 524,\d+ bytes of memory, twice"):
        survey_where_memory_is_taken(3)


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "count"),
    [("weights", 100_000), ("models", 20_000), ("checkpoints", 40_000), ("states", 20_000), ("cache", 20_000)],
)
def test_by_the_hundred_thousand(kind: str, count: int, tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes = FUZZERS[kind](tmp_path, count)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"\n{kind}: {outcomes}, {grown / 1024:.0f} MB more memory")
    assert grown < 2**16  # KiB

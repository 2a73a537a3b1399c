"""A run that is killed by SIGKILL at any moment, and resumed, ends with the bits of one that was left alone."""

import os
import shutil
import signal
import threading
import time

import numpy as np
import pytest

from tests.runs import assert_same_end

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="looks up files by their descriptors")

EVERY = 2
FEW = ["--image-size", 16, "--epochs", 2, "--batch-size", 8, "--threads", 1, "--checkpoint-every", EVERY]
KINDS = {
    "plain": FEW,
    "averaged": [*FEW, "--ema", "0.9", "--schedule", "cosine", "--augment", "full", "--optimizer", "sgd"],
}
MOMENTS = {
    "in the cache's images": ("plain", {"at": "pwrite", "count": 2}),
    "before the cache's description": ("plain", {"at": "rename", "file": r"px-.*\.json$"}),
    "before the first step": ("plain", {"at": "write", "file": "checkpoint-1"}),
    "in a step": ("averaged", {"at": "step", "count": 7}),
    "in the writing of a checkpoint": ("plain", {"at": "write", "file": "checkpoint-2", "count": 2}),
    "before a checkpoint is on the disk": ("averaged", {"at": "sync", "file": "checkpoint-1", "count": 2}),
    "after a checkpoint is renamed": ("plain", {"at": "renamed", "file": "checkpoint-2", "count": 2}),
    "before the best weights are renamed": ("averaged", {"at": "rename", "file": "best.safetensors"}),
    "in the writing of the report": ("plain", {"at": "write", "file": "report.html", "count": 2}),
    "in the writing of the predictions": ("plain", {"at": "write", "file": "predictions.csv"}),
}


@pytest.fixture(scope="module")
def whole(nursery, photos, tmp_path_factory):
    """Gives the folder of a run of a kind that was left alone."""
    folders = {}

    def run(start, kind):
        if kind not in folders:
            folders[kind] = tmp_path_factory.mktemp(kind)
            assert start(folders[kind], "--data-dir", photos, *KINDS[kind], "--out", "run").end() == 0
        return folders[kind]

    return run


def steps(folder):
    return len((folder / "steps").read_text().splitlines()) if (folder / "steps").exists() else 0


def resume(start, folder, arguments):
    """Go on, or, where it was killed before it had a folder, begin again; gives what it has said."""
    begun = (folder / "run" / "config.json").exists()
    run = start(folder, *(["--resume", "run"] if begun else arguments))
    assert run.end() == 0, run.said()
    return run.said()


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed(start, whole, photos, tmp_path, moment):
    kind, dies = MOMENTS[moment]
    arguments = ["--data-dir", photos, *KINDS[kind], "--out", "run"]
    assert start(tmp_path, *arguments, dies=dies).end() == -signal.SIGKILL
    assert list(tmp_path.rglob(".*.tmp")) or dies["at"] in ("step", "renamed"), "it died in the middle of a file"
    resume(start, tmp_path, arguments)
    assert_same_end(tmp_path / "run", whole(start, kind) / "run")
    assert steps(tmp_path) - steps(whole(start, kind)) <= EVERY
    assert not list(tmp_path.rglob(".*.tmp"))


@pytest.fixture(scope="module")
def timed(nursery, photos, tmp_path_factory):
    """Gives how many seconds a run of a kind takes, with its pictures."""
    seconds = {}

    def time_of(start, kind):
        if kind not in seconds:
            begun, folder = time.monotonic(), tmp_path_factory.mktemp("timed")
            assert start(folder, "--data-dir", photos, *KINDS[kind], "--out", "run", pictures=True).end() == 0
            seconds[kind] = time.monotonic() - begun
        return seconds[kind]

    return time_of


@pytest.mark.long
@pytest.mark.parametrize("number", range(100))
def test_killed_at_any_moment(start, whole, timed, photos, tmp_path, number):
    kind = list(KINDS)[number % 2]
    arguments = ["--data-dir", photos, *KINDS[kind], "--out", "run"]
    seconds = timed(start, kind) * np.random.default_rng(number).random()
    while not killed_after(seconds, start(tmp_path, *arguments, pictures=True)):  # it was over before
        shutil.rmtree(tmp_path)
        seconds /= 2
    print("killed after", steps(tmp_path), "steps")
    resume(start, tmp_path, arguments)
    print("done again:", steps(tmp_path) - steps(whole(start, kind)))
    assert steps(tmp_path) - steps(whole(start, kind)) <= EVERY
    assert_same_end(tmp_path / "run", whole(start, kind) / "run")
    assert not list(tmp_path.rglob(".*.tmp"))


def killed_after(seconds, run):
    """Send SIGKILL after so long; whether it came before the run's end."""
    timer = threading.Timer(seconds, run.signal, [signal.SIGKILL])
    timer.start()
    ended = run.end()
    timer.cancel()
    assert ended in (0, -signal.SIGKILL)
    return ended != 0

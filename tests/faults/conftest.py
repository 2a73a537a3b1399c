"""Runs of the command line in processes of their own, which may be killed, and what they leave compared."""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.data import SyntheticFaces
from tinygrad_cnn.io import load_metadata
from tinygrad_cnn.train import Checkpoints

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 300  # after which a run counts as hanging


class Run:
    """A run that has been started in `folder`: signals go to it, and `end` waits for how it ends."""

    def __init__(self, nursery, folder):
        self.nursery, self.folder = nursery, folder
        self.pid = int(nursery.stdout.readline())

    def signal(self, number):
        os.kill(self.pid, number)

    def wait_for(self, text):
        """Wait until the run has said something."""
        deadline = time.monotonic() + SECONDS
        while text not in self.said():
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.005)

    def said(self):
        path = self.folder / "said"
        return path.read_text() if path.exists() else ""

    def end(self):
        """The status; a negative one is the number of the signal that it died of."""
        timer = threading.Timer(SECONDS, self.signal, [signal.SIGKILL])
        timer.start()
        try:
            return int(self.nursery.stdout.readline())
        finally:
            timer.cancel()


@pytest.fixture(scope="session")
def nursery():
    """The process that forks runs; see forks.py."""
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", Path(__file__).with_name("forks.py")],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg", "OPENBLAS_NUM_THREADS": "1"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:  # fmt: skip
        assert process.stdout.readline() == "ready\n"
        yield process
        process.stdin.close()


@pytest.fixture
def start(nursery):
    """Starts the command line in a folder: `start(folder, *arguments, dies={"at": ..., "file": ..., "count": ...})`."""

    def start(folder, *arguments, dies=None, pictures=False, cleans_up=False):
        folder.mkdir(exist_ok=True)
        (folder / "said").unlink(missing_ok=True)
        job = {
            "folder": str(folder), "arguments": [str(argument) for argument in arguments],
            "dies": dies or {"at": ""}, "pictures": pictures, "cleans_up": cleans_up,
        }  # fmt: skip
        nursery.stdin.write(json.dumps(job) + "\n")
        return Run(nursery, folder)

    return start


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """Forty drawn faces, as files in UTKFace's layout."""
    import cv2

    folder = tmp_path_factory.mktemp("photos")
    faces = SyntheticFaces(40, 24, seed=5)
    for i in range(40):
        image, age = faces[i]
        cv2.imwrite(str(folder / f"{age:.0f}_{i % 2}_{i % 5}_{20170100000000000 + i}.jpg.chip.jpg"), image[:, :, ::-1])
    return folder


def history(folder):
    """Its rows, but for what a clock has measured."""
    with open(folder / "history.csv", newline="") as file:
        return [{k: v for k, v in row.items() if "second" not in k} for row in csv.DictReader(file)]


def leaves(state, path=""):
    """Every number, string and array of a state, by its path."""
    if isinstance(state, (dict, list)):
        pairs = state.items() if isinstance(state, dict) else enumerate(state)
        return {name: leaf for key, value in pairs for name, leaf in leaves(value, f"{path}/{key}").items()}
    return {path: state}


def assert_same_end(run, other):
    """Weights, optimiser, schedule, generators and history are the same to the bit, but for times of the clock."""
    assert history(run) == history(other)
    for name in ("best.safetensors", "last.safetensors"):
        assert load_metadata(run / name) == load_metadata(other / name)
        weights, others = tg.load(run / name), tg.load(other / name)
        assert weights.keys() == others.keys()
        assert all(weights[key].tobytes() == others[key].tobytes() for key in weights)
    first, second = (leaves(Checkpoints(folder).latest()[0]) for folder in (run, other))
    assert first.keys() == second.keys()
    for path, value in first.items():
        if not path.startswith(("/settings/", "/faces/source")) and "second" not in path:
            np.testing.assert_array_equal(value, second[path], err_msg=path)
    for name in ("metrics.json", "predictions.csv"):
        assert (run / name).read_bytes() == (other / name).read_bytes()
    assert not list(run.glob(".*")), "litter"

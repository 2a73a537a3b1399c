"""Runs of the command line in processes of their own, which may be killed, each of which must come to an end."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.runs import draw_photos

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
    """Starts the command line in a folder: `start(folder, *arguments)`.

    With `dies={"at": ..., "file": ..., "count": ...}` it kills itself there. With `sent={"part": ..., "count": ...,
    "seconds": ..., "number": ...}` another process sends it that signal, or SIGKILL, so long after a part of its work
    begins. See forks.py.
    """

    def start(folder, *arguments, dies=None, sent=None, pictures=False, dropout=False):
        folder.mkdir(exist_ok=True)
        (folder / "said").unlink(missing_ok=True)
        job = {
            "folder": str(folder), "arguments": [str(argument) for argument in arguments],
            "dies": dies or {"at": ""}, "sent": sent or {},
            "pictures": pictures, "dropout": dropout,
        }  # fmt: skip
        nursery.stdin.write(json.dumps(job) + "\n")
        return Run(nursery, folder)

    return start


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """Forty drawn faces, as files in UTKFace's layout."""
    return draw_photos(tmp_path_factory.mktemp("photos"), 40, 24)

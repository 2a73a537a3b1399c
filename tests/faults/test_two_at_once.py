"""Two runs at once: a folder belongs to one of them, a cache to both, and a killed one holds nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runs import assert_same_end
from tinygrad_cnn.train import RunFolder

ROOT = Path(__file__).resolve().parents[2]
LONG = ["--image-size", 16, "--epochs", 500, "--batch-size", 8, "--threads", 1]


def test_the_second_in_a_folder_is_refused_and_the_first_goes_on(start, photos, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "run")
    with RunFolder(tmp_path / "run") as first:
        for place in ("run", "link"):
            run = start(tmp_path, "--data-dir", photos, *LONG, "--out", place)
            assert run.end() == 2
            assert run.said() == f"utkface_age.py train: {place}: another run is writing there\n"
        first.log("still mine")
    assert (tmp_path / "run" / "log.txt").read_text() == "still mine\n"


def test_a_killed_one_holds_no_folder_and_a_moved_one_can_be_resumed(start, photos, tmp_path):
    few = ["--data-dir", photos, "--image-size", 16, "--epochs", 2, "--batch-size", 8, "--threads", 1]
    dies = {"at": "step", "count": 6}
    assert start(tmp_path, *few, "--checkpoint-every", 2, "--out", "run", dies=dies).end() == -signal.SIGKILL
    (tmp_path / "run").rename(tmp_path / "moved")
    run = start(tmp_path, "--resume", "moved")
    assert run.end() == 0, run.said()
    assert start(tmp_path, *few, "--out", "whole").end() == 0
    assert_same_end(tmp_path / "moved", tmp_path / "whole")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_what_a_killed_one_has_started_holds_no_folder(tmp_path):
    """Not a process forked off it, which shares its open files, nor a program that it called."""
    program = """
import os, signal, subprocess, sys, time
from pathlib import Path
from tinygrad_cnn.train import RunFolder
run = RunFolder(Path(sys.argv[1]))
has_let_go, let_go = os.pipe()
if not (forked := os.fork()):
    os.write(let_go, b".")
    time.sleep(60)
    os._exit(0)
os.read(has_let_go, 1)
called = subprocess.Popen(["sleep", "60"], close_fds=False)
print(forked, called.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    process = subprocess.Popen([sys.executable, "-c", program, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with process:
        pids = [int(pid) for pid in process.stdout.readline().split()]
        try:
            assert process.wait() == -signal.SIGKILL
            RunFolder(tmp_path).close()
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGKILL)


def test_a_fork_that_ends_leaves_the_folder_to_its_parent(tmp_path):
    program = """
import os, sys
from pathlib import Path
from tinygrad_cnn.train import RunFolder
run = RunFolder(Path(sys.argv[1]))
if not os.fork():
    run.close()
    sys.exit()
os.wait()
try:
    RunFolder(Path(sys.argv[1]))
except BlockingIOError:
    print("still held")
"""
    told = subprocess.run([sys.executable, "-c", program, tmp_path], cwd=ROOT, capture_output=True, text=True)
    assert (told.stdout, told.stderr) == ("still held\n", "")

"""A process that has imported everything once, and forks a run of the command line for each job that it is given.

Jobs come as lines of json on stdin, and each is answered by two lines on stdout: the run's process id, and how it
ended. A run may be told to die by SIGKILL at a certain moment, and writes a line to the file `steps` for each step.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import re
import shutil
import signal
import sys
from typing import Any

from experiments.utkface_age import main
from tinygrad_cnn import files
from tinygrad_cnn.train import Checkpoints, RunFolder

MATPLOTLIB_IS_SLOW = b"a picture"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Moment:
    """The so-many-th time that something happens to a file whose name matches."""

    def __init__(self, at: str, file: str = "", count: int = 1) -> None:
        self.at, self.file, self.left = at, file, count

    def has_come(self, at: str, path: Any = "") -> bool:
        if at != self.at or not re.search(self.file, os.path.basename(str(path))):
            return False
        self.left -= 1
        return self.left == 0


def arrange_death(moment: Moment) -> None:
    """Make this process die at that moment: in a step, or before, in the middle of and after the writing of a file."""
    replace, fsync, pwrite = os.replace, os.fsync, os.pwrite

    class Dying(io.FileIO):
        def write(self, content: Any) -> int:
            if moment.has_come("write", self.name):
                super().write(content[: len(content) // 2])
                die()
            return super().write(content)

    def dying_open(path: Any, mode: str, buffering: int = -1) -> Any:
        return Dying(path, mode.replace("b", "")) if "x" in mode else open(path, mode, buffering)

    def dying_pwrite(descriptor: int, content: Any, offset: int) -> int:
        if moment.has_come("pwrite"):
            pwrite(descriptor, content[: len(content) // 2], offset)
            die()
        return pwrite(descriptor, content, offset)

    def dying_fsync(descriptor: int) -> None:
        if moment.has_come("sync", os.readlink(f"/proc/self/fd/{descriptor}")):
            die()
        fsync(descriptor)

    def dying_replace(source: Any, target: Any) -> None:
        if moment.has_come("rename", target):
            die()
        replace(source, target)
        if moment.has_come("renamed", target):
            die()

    files.open, os.pwrite, os.fsync, os.replace = dying_open, dying_pwrite, dying_fsync, dying_replace  # type: ignore


def count_steps(moment: Moment) -> None:
    usual = Checkpoints.step

    def step(self: Checkpoints, state: Any) -> None:
        with open("steps", "a") as file:
            file.write("step\n")
        if moment.has_come("step"):
            die()
        usual(self, state)

    Checkpoints.step = step  # type: ignore[method-assign]


def run(job: dict[str, Any]) -> int:
    os.chdir(job["folder"])
    os.environ["TINYGRAD_CNN_CACHE"] = os.path.join(job["folder"], "cache")
    said = os.open("said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    moment = Moment(**job["dies"])
    count_steps(moment)
    if job["dies"]["at"]:
        arrange_death(moment)
    else:
        os.fsync = lambda descriptor: None  # type: ignore[assignment]
    shutil.which = lambda name: None  # type: ignore[assignment]  # no dot: a drawing takes longer than the training
    if not job["pictures"]:
        RunFolder.write_figure = lambda self, name, figure: self.write(name, MATPLOTLIB_IS_SLOW)  # type: ignore
    if not job["cleans_up"]:
        Checkpoints.remove = lambda self: None  # type: ignore[method-assign]  # to be compared
    try:
        return main(job["arguments"])
    except SystemExit as stop:
        return int(stop.code or 0)


def serve() -> None:
    for line in sys.stdin:
        child = os.fork()
        if not child:
            status = 99
            try:
                status = run(json.loads(line))
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                sys.stdout.flush()
                os._exit(status)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    for name in ("cv2", "tqdm", "safetensors.numpy", "tinygrad_cnn.viz.plots", "tinygrad_cnn.viz.report"):
        importlib.import_module(name)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print("ready", flush=True)
    serve()

"""A process that has imported everything once, and forks a run of the command line for each job that it is given.

Jobs come as lines of json on stdin, and each is answered by two lines on stdout: the run's process id, and how it
ended. A run may be told to die by SIGKILL at a certain moment. It writes a line to the file `steps` for each step, and
two to the file `doing` for each part of its work: when it began, and when it was done.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import tinygrad_cnn.functional as F
from experiments import utkface_age
from experiments.age import fit, page
from models.age_cnn import AgeCNN
from tests.runs import leave_out_pictures
from tinygrad_cnn import files
from tinygrad_cnn.data import cache
from tinygrad_cnn.train import Checkpoints, RunFolder, resume


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


def killer(number: int, seconds: float) -> Callable[[], object]:
    """Another process, which sends this one a signal so many seconds after the call of what this gives."""
    reading, writing = os.pipe()
    victim = os.getpid()
    if not os.fork():
        os.close(writing)
        if os.read(reading, 1):  # nothing, where the run has ended before
            time.sleep(seconds)
            with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                os.kill(victim, number)
        os._exit(0)
    os.close(reading)
    return lambda: os.write(writing, b"!")


def tell_what_it_does(part: str = "", count: int = 0, seconds: float = 0.0, number: int = signal.SIGKILL) -> None:
    """Keep the file `doing`; let a signal come so long after the so-many-th beginning of a part."""
    doing = os.open("doing", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    moment, kill = Moment(part, count=count), killer(number, seconds) if part else None

    def tell(edge: str, part: str) -> None:
        os.write(doing, f"{edge} {part} {time.monotonic()}\n".encode())
        if edge == "begin" and moment.has_come(part) and kill:
            kill()

    def watch(owner: Any, name: str, part: str, inside: str = "begin", outside: str = "end") -> None:
        usual = getattr(owner, name)

        def watched(*arguments: Any, **options: Any) -> Any:
            tell(inside, part)
            try:
                return usual(*arguments, **options)
            finally:
                tell(outside, part)

        setattr(owner, name, watched)

    watch(cache, "_build", "cache")
    watch(resume, "write_checkpoint", "checkpoint")
    watch(fit, "train_epoch", "step")
    watch(Checkpoints, "step", "step", "end", "begin")  # it is called when a step is done
    watch(fit, "evaluate", "validation")
    watch(utkface_age, "measure", "test")
    watch(page.Page, "_write", "report")
    watch(utkface_age, "write_report", "report")
    watch(RunFolder, "write_figure", "report")


def drop_out() -> None:
    """Give the network what the models of this project do without."""
    usual = AgeCNN.forward
    AgeCNN.forward = lambda self, x: usual(self, F.dropout(x, 0.2, self.training))  # type: ignore[method-assign]


def run(job: dict[str, Any]) -> int:
    os.chdir(job["folder"])
    os.environ["TINYGRAD_CNN_CACHE"] = os.path.join(job["folder"], "cache")
    said = os.open("said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    count_steps(moment := Moment(**job["dies"]))
    if job["dies"]["at"]:
        arrange_death(moment)
    else:
        os.fsync = lambda descriptor: None  # type: ignore[assignment]
    if job["dropout"]:
        drop_out()
    shutil.which = lambda name: None  # type: ignore[assignment]  # no dot: a drawing takes longer than the training
    if not job["pictures"]:
        leave_out_pictures(setattr)
    Checkpoints.remove = lambda self: None  # type: ignore[method-assign]  # to be compared
    tell_what_it_does(**job["sent"])
    try:
        return utkface_age.main(job["arguments"])
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
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # tests run by nohup would hand on that they ignore it
    print("ready", flush=True)
    serve()

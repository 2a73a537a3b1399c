"""A command line to call, a run that has been trained, and a folder of pictures in UTKFace's layout."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.utkface_age import main
from tests.runs import draw_photos

SCRIPT = Path(__file__).resolve().parents[2] / "experiments" / "utkface_age.py"
SMALL = ["--data", "synthetic", "--limit", "200", "--image-size", "32", "--epochs", "2"]


class Outcome:
    """What a command line came to: status, and the lines on stdout and stderr."""

    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out.splitlines(), err.splitlines()


@pytest.fixture
def command(capsys, tmp_path, monkeypatch):
    """Runs the command line in this process, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINYGRAD_CNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # nobody pulls the plug, and it takes its time

    def run(*arguments):
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            status = stop.code
        return Outcome(status, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def script():
    """The script, as called from anywhere."""
    return SCRIPT


@pytest.fixture(scope="session")
def small():
    """Options of a training run of a few seconds."""
    return SMALL


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A finished run on drawn faces: its folder and its output."""
    folder = tmp_path_factory.mktemp("runs") / "drawn"
    run = subprocess.run(
        [sys.executable, SCRIPT, *SMALL, "--out", folder], cwd=folder.parent, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return folder, Outcome(run.returncode, run.stdout, run.stderr)


@pytest.fixture
def predict(command, trained):
    """Runs `predict` with the weights of that run."""
    return lambda *arguments: command("predict", *arguments, "--weights", trained[0] / "best.safetensors")


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """A folder in UTKFace's layout: 60 pictures, one that can't be read, one without an age."""
    folder = draw_photos(tmp_path_factory.mktemp("photos"), 60, 48)
    (folder / "30_0_0_20170199999999999.jpg.chip.jpg").write_bytes(b"no picture")
    (folder / "unknown_0_0_20170199999999998.jpg.chip.jpg").write_bytes(b"")
    return folder

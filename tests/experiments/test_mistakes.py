"""How the main job says no, or stops: one clear line and a status, never a traceback."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tinygrad_cnn as tg
from models.age_cnn import AgeCNN
from tinygrad_cnn.io import load_metadata
from tinygrad_cnn.train import load_age_model

EXPECTED = ["--model", "AgeResNet", "--head", "expected"]
MISTAKES = {
    "no epochs": (["--epochs", "0"], "--epochs: must be a whole number of at least 1"),
    "half an epoch": (["--epochs", "1.5"], "whole number"),
    "a rate of nothing": (["--lr", "0"], "--lr: must be more than 0"),
    "a rate that is no number": (["--lr", "nan"], "--lr: must be a number"),
    "negative decay": (["--weight-decay", "-1"], "--weight-decay"),
    "a tiny image": (["--image-size", "8"], "from 16 to 1024"),
    "a huge image": (["--image-size", "9999"], "from 16 to 1024"),
    "no threads": (["--threads", "0"], "--threads"),
    "a negative seed": (["--seed", "-1"], "--seed"),
    "an unknown optimiser": (["--optimizer", "lion"], "invalid choice: 'lion'"),
    "an unknown loss": (["--loss", "hinge"], "invalid choice: 'hinge'"),
    "a head that AgeCNN lacks": (["--head", "expected"], "AgeCNN has one output and one image size: --head expected"),
    "an age group of AgeCNN": (["--task", "age_group"], "AgeCNN has one output and one image size: --task age_group"),
    "all tasks of AgeCNN": (["--task", "multi"], "--task multi takes another --model"),
    "a task that there is not": (["--task", "race"], "invalid choice: 'race'"),
    "an age's head for a gender": (["--task", "gender", "--head", "regression"], "--head has no meaning for --task"),
    "an age's loss for a gender": (["--task", "gender", "--loss", "l1"], "--loss has no meaning for --task gender"),
    "sizes that AgeCNN can't take": (["--progressive", "64,128"], "--progressive takes another --model"),
    "smoothing without bins": (["--sigma", "3"], "--sigma has no meaning for --head regression"),
    "a weight without bins": (["--l1-weight", "1"], "--l1-weight has no meaning for --head regression"),
    "a loss for bins": ([*EXPECTED, "--loss", "l1"], "--loss has no meaning for --head expected"),
    "shrinking sizes": ([*EXPECTED, "--progressive", "96,64"], "growing sizes, such as 64,96,128, not '96,64'"),
    "sizes that are none": ([*EXPECTED, "--progressive", "64,,96"], "--progressive: must be a whole number"),
    "more sizes than epochs": ([*EXPECTED, "--progressive", "64,96", "--epochs", "1"], "2 sizes for --epochs 1"),
    "two last sizes": ([*EXPECTED, "--progressive", "64,96", "--image-size", "99"], "--image-size 99 is not the last"),
    "a size too small for the network": ([*EXPECTED, "--image-size", "31"], "AgeResNet needs faces of at least 32"),
    "an unknown network": (["--model", "VGG"], "invalid choice: 'VGG'"),
    "an unknown change": (["--augment", "flip,blur"], "must be none, light, full or some of flip,shift"),
    "no change by name": (["--augment", ""], "must be none, light, full or some of"),
    "an average that never moves": (["--ema", "1"], "--ema: must be less than 1"),
    "a gradient of no length": (["--clip", "0"], "--clip: must be more than 0"),
    "no patience": (["--patience", "0"], "--patience: must be a whole number of at least 1"),
    "an unknown option": (["--epoch", "3"], "unrecognized arguments"),
    "an unknown command": (["test"], "no command 'test'; there are train, evaluate, predict, explain, export"),
    "a misspelt command": (["evalute", "--weights", "w"], "no command 'evalute'"),
    "no steps between checkpoints": (["--checkpoint-every", "0"], "--checkpoint-every: must be a whole number"),
    "a run that is not there": (["--resume", "nowhere"], "nowhere holds no checkpoint"),
    "a run without checkpoints": (["--resume", "empty"], "empty holds no checkpoint, so there is nothing to resume"),
    "two places to write to": (["--name", "a", "--out", "b"], "not allowed with"),
    "an empty path": (["--out", ""], "--out: must not be empty"),
    "a name that is a path": (["--name", "../a", "--data", "synthetic"], "--name"),
    "an empty name": (["--name", "", "--data", "synthetic"], "--name"),
    "a seed beyond all bounds": (["--seed", "99999999999"], "--seed: must be a whole number from 0 to 2147483647"),
    "the parent folder as a name": (["--name", "..", "--data", "synthetic"], "--name"),
    "a folder that is not there": (["--data-dir", "nowhere", "--out", "r"], "nowhere: No such file"),
    "a file for a folder": (["--data-dir", "file", "--out", "r"], "file: Not a directory"),
    "an empty folder": (["--data-dir", "empty", "--out", "r"], "no usable image"),
    "drawn faces from a folder": (["--data", "synthetic", "--data-dir", "empty", "--out", "r"], "takes neither"),
    "too few faces": (["--data", "synthetic", "--limit", "2", "--out", "r"], "more are needed"),
    "too many faces": (["--data", "synthetic", "--limit", "99999999", "--out", "r"], "GiB of memory"),
    "a file for a run folder": (["--data", "synthetic", "--out", "file"], "file: File exists"),
    "a run folder below a file": (["--data", "synthetic", "--out", "file/run"], "Not a directory"),
    "nothing to predict": (["predict", "--weights", "w"], "one of the arguments IMAGE --camera is required"),
    "pictures and a camera": (["predict", "a.jpg", "--camera"], "--camera: not allowed with argument IMAGE"),
    "a picture without a name": (["predict", ""], "IMAGE: must not be empty"),
    "a camera's table": (["predict", "--camera", "--out", "a.csv"], "in a window: --out is for pictures"),
    "a camera's format": (["predict", "--camera", "--format", "csv"], "in a window: --format is for pictures"),
    "a camera's pictures": (["predict", "--camera", "--annotate", "a"], "in a window: --annotate is for pictures"),
    "a camera that is no number": (["predict", "--camera", "front"], "--camera: must be a whole number"),
    "no weights": (["predict", "a.jpg"], "there are no trained weights in"),
    "a table of no kind": (["predict", "a.jpg", "--out", "a.xls"], "--out: must end in .csv, .json, not 'a.xls'"),
    "a table over the picture": (["predict", "a.jpg", "--out", "a.jpg"], "--out: must end in .csv, .json"),
    "weights that are not there": (["predict", "a.jpg", "--weights", "nowhere"], "nowhere"),
    "a folder for weights": (["predict", "a.jpg", "--weights", "empty"], "empty"),
    "a file that holds no weights": (["predict", "a.jpg", "--weights", "file"], "safetensors"),
    "weights of something else": (["predict", "a.jpg", "--weights", "other.safetensors"], "metadata lacks"),
    "weights of another size": (
        ["predict", "a.jpg", "--weights", "resized.safetensors"],
        "does not fit AgeCNN at 64x64",
    ),
    "exporting what is not there": (["export", "--weights", "nowhere"], "nowhere"),
    "exporting what holds no weights": (["export", "--weights", "file"], "safetensors"),
    "exporting to another kind of file": (["export", "--weights", "w", "--out", "age.pt"], "must end in .onnx"),
    "evaluating without weights": (["evaluate", "--data-dir", "empty"], "required: --weights"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_one_clear_line_and_status_2(command, trained, mistake, monkeypatch):
    monkeypatch.setattr("experiments.age.weights.FOLDER", Path("nowhere"))
    Path("empty").mkdir()
    Path("file").write_text("a file")
    arguments, message = MISTAKES[mistake]
    if mistake.startswith("weights of"):
        tg.save(AgeCNN(16).state_dict(), "other.safetensors")
        about = {**load_metadata(trained[0] / "best.safetensors"), "image_size": "64"}
        tg.save(AgeCNN(16).state_dict(), "resized.safetensors", metadata=about)
    outcome = command(*arguments)
    assert outcome.status == 2
    assert len(outcome.err) == 1
    assert outcome.err[0].startswith(("utkface_age.py ", "utkface_age.py: "))
    assert message in outcome.err[0]


@pytest.mark.parametrize("place", [[], ["--out", "mine"]])
def test_a_run_that_finds_no_faces_leaves_no_folder_behind_and_no_other_file_is_touched(command, place):
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("mine")
    assert command("--data-dir", "nowhere", *place).status == 2
    assert not list(Path(".").glob("runs/*"))
    assert [path.name for path in Path("mine").iterdir()] == ["notes.txt"]


def test_a_picture_cut_short_gets_one_line(tmp_path, script, trained):
    import cv2

    content = cv2.imencode(".png", np.zeros((40, 40, 3), np.uint8))[1].tobytes()
    (tmp_path / "cut.png").write_bytes(content[:60])
    outcome = subprocess.run(
        [sys.executable, script, "predict", "cut.png", "--weights", trained[0] / "best.safetensors"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert outcome.returncode == 2
    assert outcome.stderr == "utkface_age.py predict: can't read cut.png: damaged: its end is missing\n"


def test_a_split_file_with_a_mistake_gets_one_line(command, photos):
    for text, message in (
        ("a,b\n1,2\n", "column"),
        ("file,split\nx.jpg,train\n", "names none"),
        (f"file,split\n{'x' * 200_000},train\n", "split.csv, line 2"),
        (None, "No such file"),
    ):
        Path("split.csv").unlink(missing_ok=True)
        if text is not None:
            Path("split.csv").write_text(text)
        outcome = command("--data-dir", photos, "--split-file", "split.csv", "--image-size", 16, "--out", "run")
        assert (outcome.status, len(outcome.err)) == (2, 1)
        assert message in outcome.err[0]


def test_the_weights_of_an_earlier_run_are_not_overwritten(command, trained, small):
    before = (trained[0] / "best.safetensors").read_bytes()
    outcome = command(*small, "--out", trained[0])
    assert (outcome.status, len(outcome.err)) == (2, 1)
    assert "already holds a run" in outcome.err[0]
    assert (trained[0] / "best.safetensors").read_bytes() == before


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_can_not_be_written_gets_one_line(command, small):
    Path("locked").mkdir(mode=0o500)
    outcome = command(*small, "--out", "locked/run")
    assert (outcome.status, len(outcome.err)) == (2, 1)


def test_a_bug_is_not_passed_off_as_a_mistake(command, monkeypatch):
    def broken(*_):
        raise KeyError("a bug")

    monkeypatch.setattr("experiments.utkface_age.find_faces", broken)
    with pytest.raises(KeyError):
        command("--data", "synthetic", "--out", "run")


def test_without_libgl_the_line_names_the_headless_package(tmp_path, script, small):
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    run = subprocess.run(
        [sys.executable, script, *small, "--out", tmp_path / "run"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 2
    assert len(run.stderr.splitlines()) == 1
    assert "libGL.so.1" in run.stderr
    assert "opencv-python-headless" in run.stderr


def test_a_dot_that_fails_costs_only_the_picture(command, small, tmp_path, monkeypatch):
    broken = tmp_path / "bin" / "dot"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{broken.parent}:{os.environ['PATH']}")
    outcome = command(*small[:-1], "1", "--out", "run")
    assert outcome.status == 0
    assert "no graph.svg: dot failed with status 3" in outcome.out
    assert Path("run/graph.gv").exists()
    assert not Path("run/graph.svg").exists()


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_saves_the_last_weights_and_says_where(tmp_path, script, small):
    folder = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, script, *small[:-1], "9999", "--out", folder],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (folder / "history.png").exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err == ""
    assert (
        f"--resume {folder} goes on from here; the last weights are in {folder / 'last.safetensors'}"
        in out.splitlines()[-1]
    )
    assert out.splitlines()[-1].endswith("data: synthetic faces")
    model = load_age_model(folder / "last.safetensors", {"AgeCNN": AgeCNN})
    assert np.isfinite(model.predict(np.zeros((1, 32, 32, 3), np.uint8))).all()
    assert not [name for name in os.listdir(folder) if name.startswith(".")]


def test_without_a_writer_for_tensorboard_one_line_says_what_to_install(command, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    outcome = command("--data", "synthetic", "--tensorboard", "--out", "run")
    assert (outcome.status, len(outcome.err)) == (2, 1)
    assert 'pip install "tinygrad-cnn[tensorboard]"' in outcome.err[0]
    assert not Path("run").exists()

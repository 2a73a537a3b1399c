"""A run that was cut short and resumed ends with the same bits as one that was left alone."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.age import fit
from tests.runs import assert_same_end
from tinygrad_cnn.train import Checkpoints

FEW = ["--data", "synthetic", "--limit", 40, "--batch-size", 8, "--threads", 1]  # 4 steps in an epoch
EVERYTHING = [
    "--model", "AgeResNet", "--head", "expected", "--progressive", "32,40", "--epochs", 2, "--augment", "full",
    "--ema", "0.9", "--clip", 1, "--flip-average", "--patience", 3,
]  # fmt: skip
PLAIN = ["--image-size", 16, "--epochs", 2, "--optimizer", "sgd", "--schedule", "cosine"]
REMOVE = Checkpoints.remove
MULTI = ["--model", "AgeResNet", "--task", "multi", "--image-size", 32, "--epochs", 2]
RUNS = {"everything": [*FEW, *EVERYTHING], "plain": [*FEW, *PLAIN], "multi": [*FEW, *MULTI]}


class Killed(BaseException):
    """Nothing in the program expects it."""


@pytest.fixture(autouse=True)
def _checkpoints_stay(monkeypatch):
    """So that the state at the end can be compared."""
    monkeypatch.setattr(Checkpoints, "remove", lambda self: None)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Gives the folder of a run that was left alone."""
    from experiments.utkface_age import main

    folders = {}

    def run(kind):
        if kind not in folders:
            folders[kind] = tmp_path_factory.mktemp(kind) / "run"
            assert main([str(option) for option in [*RUNS[kind], "--out", folders[kind]]]) == 0
        return folders[kind]

    return run


@pytest.fixture
def stop(monkeypatch):
    """Makes something happen after so many steps of the optimiser, or before a validation."""

    def arrange(what, step=None, validation=None):
        seen = {"step": 0, "validation": 0}
        usual_step, usual_evaluate = Checkpoints.step, fit.evaluate

        def counted_step(self, state):
            usual_step(self, state)
            seen["step"] += 1
            if seen["step"] == step:
                what()

        def counted_evaluate(*arguments, **options):
            seen["validation"] += 1
            if seen["validation"] == validation:
                what()
            return usual_evaluate(*arguments, **options)

        monkeypatch.setattr(Checkpoints, "step", counted_step)
        monkeypatch.setattr(fit, "evaluate", counted_evaluate)

    return arrange


def ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


def die():
    raise Killed


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
@pytest.mark.parametrize("step", [1, 4, 6])
@pytest.mark.parametrize("kind", RUNS)
def test_after_ctrl_c_at_any_step(command, whole, stop, kind, step):
    stop(ctrl_c, step=step)
    outcome = command(*RUNS[kind], "--out", "run")
    assert outcome.status == 130
    assert "--resume run goes on from here" in outcome.out[-1]
    assert command("--resume", "run").status == 0
    assert_same_end("run", whole(kind))


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_after_ctrl_c_while_validating(command, whole, stop):
    stop(ctrl_c, validation=2)
    assert command(*RUNS["everything"], "--out", "run").status == 130
    assert command("--resume", "run").status == 0
    assert_same_end("run", whole("everything"))


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
@pytest.mark.parametrize("epochs", [1, 2])
def test_after_ctrl_c_between_two_epochs_and_after_the_last(command, whole, monkeypatch, epochs):
    usual, seen = fit.Training.begin_epoch, []

    def begin_epoch(self, epoch):
        usual(self, epoch)
        seen.append(epoch)
        if len(seen) == epochs + 1:
            ctrl_c()

    with monkeypatch.context() as patch:
        patch.setattr(fit.Training, "begin_epoch", begin_epoch)
        assert command(*RUNS["plain"], "--out", "run").status == 130
    assert command("--resume", "run").status == 0
    assert_same_end("run", whole("plain"))


@pytest.mark.parametrize(("every", "step"), [(1, 5), (3, 7)])
def test_after_a_death_that_nothing_could_foresee(command, whole, stop, every, step):
    stop(die, step=step)
    with pytest.raises(Killed):
        command(*RUNS["everything"], "--checkpoint-every", every, "--out", "run")
    assert command("--resume", "run").status == 0
    assert_same_end("run", whole("everything"))


@pytest.mark.skipif(os.name != "posix", reason="sends SIGKILL")
def test_after_kill_9(command, whole, script, tmp_path):
    arguments = [str(option) for option in RUNS["everything"]]
    process = subprocess.Popen(
        [sys.executable, script, *arguments, "--checkpoint-every", "1", "--out", "run"],
        cwd=tmp_path, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in process.stdout:  # in the second epoch, somewhere
        if line.startswith("epoch 1/2"):
            break
    time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert command("--resume", "run").status == 0
    assert_same_end("run", whole("everything"))


@pytest.fixture
def interrupted(command, stop):
    """A run that was interrupted in its second epoch, below the working directory."""
    stop(ctrl_c, step=6)
    assert command(*RUNS["plain"], "--checkpoint-every", 4, "--out", "run").status == 130
    stop(None)
    return Path("run")


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_is_used(command, whole, interrupted):
    newest = max(interrupted.glob("checkpoint-?.safetensors"), key=lambda path: path.stat().st_mtime_ns)
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 4
    newest.write_bytes(content)
    outcome = command("--resume", "run")
    assert outcome.status == 0
    assert f"warning: '{newest}' is damaged" in "\n".join(outcome.out)
    assert "resumed in epoch 1, after 4 of its steps" in outcome.out
    assert_same_end("run", whole("plain"))


def test_the_log_goes_on_and_says_where(command, interrupted):
    before = (interrupted / "log.txt").read_text()
    config = (interrupted / "config.json").read_text()
    assert command("--resume", "run").status == 0
    after = (interrupted / "log.txt").read_text()
    assert after.startswith(before)
    assert "resumed in epoch 2, after 2 of its steps" in after
    assert (interrupted / "config.json").read_text() == config


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", 3], "--epochs was 2, not 3; only --threads, "),
        (["--out", "other"], "--out was run, not other"),
        (["--no-augment"], "--augment was ['flip', 'shift'], not []"),
    ],
)
def test_other_options_than_the_runs_own_are_refused(command, interrupted, options, message):
    before = sorted((path.name, path.read_bytes()) for path in interrupted.iterdir())
    outcome = command("--resume", "run", *options)
    assert (outcome.status, len(outcome.err)) == (2, 1)
    assert message in outcome.err[0]
    assert sorted((path.name, path.read_bytes()) for path in interrupted.iterdir()) == before


def test_the_runs_own_options_may_be_repeated_and_threads_may_change(command, interrupted):
    assert command(*RUNS["plain"], "--threads", 2, "--checkpoint-every", 1, "--resume", "run").status == 0


def test_other_faces_are_refused(command, photos):
    import shutil

    shutil.copytree(photos, "photos")
    few = ["--data-dir", "photos", "--image-size", 16, "--epochs", 1, "--threads", 1]
    assert command(*few, "--out", "run").status == 0
    next(iter(sorted(Path("photos").glob("2*_1_*")))).unlink()
    outcome = command("--resume", "run")
    assert (outcome.status, len(outcome.err)) == (2, 1)
    assert "not the faces that the run began with: count is 59, and was 60" in outcome.err[0]
    outcome = command("--resume", "run", "--data-dir", photos)  # the same faces, in another place
    assert outcome.status == 0
    assert outcome.out[-1].endswith("data: UTKFace")


@pytest.mark.parametrize(
    "damage",
    [{"network": None}, {"optimizer": {"state": {"a": 1}}}, {"loader": []}, {"epoch": "x"}, {"so_far": {"seconds": 0}}],
)
def test_a_state_that_does_not_fit_is_told_in_one_line(command, interrupted, damage):
    checkpoints = Checkpoints(interrupted)
    state, _ = checkpoints.latest()
    checkpoints.write({**state, **damage})
    outcome = command("--resume", "run")
    assert (outcome.status, len(outcome.err)) == (2, 1)
    assert "the run's checkpoint was written by another version: " in outcome.err[0]


def test_a_finished_run_has_no_checkpoints_and_nothing_to_resume(command):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoints, "remove", REMOVE)
        assert command(*RUNS["plain"], "--out", "run").status == 0
    assert not list(Path("run").glob("*checkpoint*"))
    outcome = command("--resume", "run")
    assert (outcome.status, len(outcome.err)) == (2, 1)
    assert "run holds no checkpoint" in outcome.err[0]


def test_the_curves_of_a_run_that_goes_on_are_those_of_its_history(command, stop):
    pytest.importorskip("tensorboardX")
    from tests.train.test_curves import scalars

    few = ["--data", "synthetic", "--limit", 40, "--image-size", 16, "--epochs", 4, "--batch-size", 16]
    stop(die, validation=4)
    with pytest.raises(Killed):
        command(*few, "--checkpoint-every", 5, "--tensorboard", "--out", "run")
    assert len(scalars(Path("run/tensorboard"))["learning_rate"]) == 3
    assert command("--resume", "run").status == 0  # in epoch 3
    curves = scalars(Path("run/tensorboard"))
    for name, tag in (("val_mae_years", "mae_years/validation"), ("learning_rate", "learning_rate")):
        with open("run/history.csv", newline="") as file:
            assert curves[tag] == {int(row["epoch"]): float(row[name]) for row in csv.DictReader(file)}

"""Ctrl-C and SIGTERM: the step is finished, all is saved, how to go on is said; a second one stops at once."""

import signal

import pytest

from tests.runs import assert_same_end

LONG = ["--image-size", 16, "--epochs", 500, "--batch-size", 8, "--threads", 2, "--lr", "1e-4"]
BOTH = pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])


@BOTH
def test_in_the_middle_of_training(start, photos, tmp_path, number, status):
    run = start(tmp_path, "--data-dir", photos, *LONG, "--out", "run")
    run.wait_for("epoch   1/500")
    run.signal(number)
    assert run.end() == status
    last = run.said().splitlines()[-1]
    assert "interrupted; --resume run goes on from here; the last weights are in run/last.safetensors" in last
    assert not list(tmp_path.rglob(".*.tmp"))
    run = start(tmp_path, "--resume", "run")  # and it can be interrupted again
    run.wait_for("resumed in epoch")
    run.signal(number)
    assert run.end() == status


@BOTH
def test_before_the_first_step_while_faces_are_drawn(start, tmp_path, number, status):
    run = start(tmp_path, "--data", "synthetic", "--limit", 200_000, "--image-size", 16, "--out", "run")
    run.wait_for("faces: 200,000")
    run.signal(number)
    assert run.end() == status
    assert run.said().splitlines()[-1] == "interrupted"
    assert not (tmp_path / "run").exists()  # nothing was begun, so nothing is left


@BOTH
def test_a_second_one_stops_at_once_and_the_run_can_be_resumed(start, photos, tmp_path, number, status):
    few = ["--data-dir", photos, "--image-size", 16, "--epochs", 3, "--batch-size", 8, "--threads", 1]
    assert start(tmp_path / "whole", *few, "--out", "run").end() == 0
    run = start(tmp_path / "run", *few, "--checkpoint-every", 1, "--out", "run")
    run.wait_for("epoch 1/3")
    for _ in range(2):
        run.signal(number)
    assert run.end() in (status, 0)
    if run.said().splitlines()[-1].startswith("interrupted"):
        assert start(tmp_path / "run", "--resume", "run").end() == 0
    assert_same_end(tmp_path / "run" / "run", tmp_path / "whole" / "run")

"""Ctrl-C and SIGTERM: the step is finished, all is saved, how to go on is said; a second one stops at once."""

import os
import signal
import threading

import pytest

from experiments.utkface_age import main
from tests.runs import assert_same_end, leave_out_pictures

LONG = ["--image-size", 16, "--epochs", 500, "--batch-size", 8, "--threads", 2, "--lr", "1e-4"]
FEW = ["--image-size", 16, "--epochs", 2, "--batch-size", 8, "--threads", 1, "--checkpoint-every", 3]
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


@pytest.fixture(scope="module")
def whole(nursery, photos, tmp_path_factory):
    """Gives the folder of a run that was left alone."""
    folder = tmp_path_factory.mktemp("whole")

    def run(start):
        if not (folder / "run").exists():
            assert start(folder, "--data-dir", photos, *FEW, "--out", "run").end() == 0
        return folder

    return run


def steps(folder):
    return (folder / "steps").read_text() if (folder / "steps").exists() else ""


MOMENTS = [
    ("cache", 1), ("step", 1), ("step", 5), ("step", 8), ("checkpoint", 1), ("checkpoint", 3), ("validation", 1),
    ("validation", 2), ("report", 3), ("test", 1),
]  # fmt: skip


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="forks.py looks up files by their descriptors")
@pytest.mark.parametrize(("part", "count"), MOMENTS)
@BOTH
def test_in_any_part_of_the_work(start, whole, photos, tmp_path, part, count, number, status):
    sent = {"part": part, "count": count, "seconds": 0.0005, "number": number}
    run = start(tmp_path, "--data-dir", photos, *FEW, "--out", "run", sent=sent)
    assert run.end() == status, run.said()
    last = run.said().splitlines()[-1]
    if part == "cache":
        assert last == "interrupted"
        assert not (tmp_path / "run").exists()
        assert not list(tmp_path.glob("cache/*"))
        return
    assert last.startswith("interrupted; --resume run goes on from here")
    run = start(tmp_path, "--resume", "run")
    assert run.end() == 0, run.said()
    assert_same_end(tmp_path / "run", whole(start) / "run")
    assert steps(tmp_path) == steps(whole(start))  # none was done twice


def test_a_terminal_that_is_closed_ends_it_as_a_kill_does(start, whole, photos, tmp_path):
    sent = {"part": "step", "count": 5, "number": signal.SIGHUP}
    assert start(tmp_path, "--data-dir", photos, *FEW, "--out", "run", sent=sent).end() == -signal.SIGHUP
    assert start(tmp_path, "--resume", "run").end() == 0
    assert_same_end(tmp_path / "run", whole(start) / "run")


def test_in_another_thread_no_handler_is_set_and_nothing_is_raised(photos, tmp_path, monkeypatch, capsys):
    """As in a notebook's worker, or a server's."""
    monkeypatch.chdir(tmp_path)
    leave_out_pictures(monkeypatch.setattr)
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    statuses, options = [], ["--data-dir", photos, *FEW, "--cache-dir", "cache", "--out", "run"]
    thread = threading.Thread(target=lambda: statuses.append(main([str(option) for option in options])))
    thread.start()
    thread.join()
    assert statuses == [0], capsys.readouterr().err
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@BOTH
def test_before_the_first_step_while_faces_are_drawn(start, tmp_path, number, status):
    run = start(tmp_path, "--data", "synthetic", "--limit", 200_000, "--image-size", 16, "--out", "run")
    run.wait_for("faces: 200,000")
    run.signal(number)
    assert run.end() == status
    assert run.said().splitlines()[-1] == "interrupted"
    assert not (tmp_path / "run").exists()  # nothing was begun, so nothing is left


@BOTH
def test_a_second_one_stops_at_once_and_the_run_can_be_resumed(start, whole, photos, tmp_path, number, status):
    run = start(tmp_path, "--data-dir", photos, *FEW, "--out", "run")
    run.wait_for("epoch 1/2")
    for _ in range(2):
        run.signal(number)
    assert run.end() in (status, 0)
    if run.said().splitlines()[-1].startswith("interrupted"):
        assert start(tmp_path, "--resume", "run").end() == 0
    assert_same_end(tmp_path / "run", whole(start) / "run")

"""A run's folder: whole files, or none; nothing of an earlier run lost."""

import csv
import json
import os

import numpy as np
import pytest
from matplotlib.figure import Figure

import tinygrad_cnn as tg
from tinygrad_cnn.io import load_metadata
from tinygrad_cnn.train import Checkpoints, RunFolder, environment, fingerprint


@pytest.fixture
def run(tmp_path):
    return RunFolder(tmp_path / "deep" / "run")


def test_history_grows_by_a_row_for_each_epoch(run):
    for epoch in (1, 2):
        run.append_history({"epoch": epoch, "val_mae_years": 10 / epoch, "data": "synthetic faces"})
        with open(run.path / "history.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == epoch
    assert rows[1] == {"epoch": "2", "val_mae_years": "5.0", "data": "synthetic faces"}


def test_json_is_indented_and_strict(run):
    run.write_json("metrics.json", {"mae_years": 7.25, "data": "UTKFace"})
    assert json.loads((run.path / "metrics.json").read_text()) == {"mae_years": 7.25, "data": "UTKFace"}
    with pytest.raises(ValueError, match="JSON compliant"):
        run.write_json("metrics.json", {"mae_years": float("nan")})
    assert json.loads((run.path / "metrics.json").read_text())["mae_years"] == 7.25  # as it was


def test_weights_carry_their_metadata(run):
    run.write_weights("best.safetensors", {"w": np.ones(2, np.float32)}, {"data": "synthetic faces"})
    assert tg.load(run.path / "best.safetensors")["w"].tolist() == [1, 1]
    assert load_metadata(run.path / "best.safetensors") == {"data": "synthetic faces"}


def test_a_figures_title_stands_in_the_files_metadata_too(run):
    figure = Figure()
    figure.suptitle("AgeCNN on synthetic faces")
    content = run.write_figure("scatter.png", figure).read_bytes()
    assert content.startswith(b"\x89PNG")
    assert b"Title\x00AgeCNN on synthetic faces" in content


def test_what_is_said_is_printed_and_logged_and_what_is_logged_is_not_printed(run, capsys):
    run.say("one", "two")
    run.log("three")
    assert capsys.readouterr().out == "one\ntwo\n"
    assert (run.path / "log.txt").read_text() == "one\ntwo\nthree\n"


def test_a_write_that_fails_leaves_the_old_file_and_no_other(run, monkeypatch):
    run.write("graph.gv", "old")
    before = sorted(os.listdir(run.path))

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        run.write("graph.gv", "new")
    assert (run.path / "graph.gv").read_text() == "old"
    assert sorted(os.listdir(run.path)) == before


@pytest.mark.parametrize("name", ["best.safetensors", "last.safetensors"])
def test_weights_of_an_earlier_run_are_never_overwritten(run, name):
    run.write_weights(name, {"w": np.ones(1, np.float32)}, {})
    run.close()
    with pytest.raises(FileExistsError, match=f"already holds a run \\({name}\\); choose"):
        RunFolder(run.path)


def test_the_command_line_can_be_pasted_where_it_was_typed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for called, shown in (
        ("experiments/age.py", "experiments/age.py"),
        ("../project/age.py", "../project/age.py"),
        (str(tmp_path / "experiments" / "age.py"), "experiments/age.py"),  # as `python -m` has it
        ("/elsewhere/age.py", "/elsewhere/age.py"),
    ):
        monkeypatch.setattr("sys.argv", [called, "--epochs", "3"])
        assert environment()["command_line"] == [shown, "--epochs", "3"]


def test_nor_is_a_run_that_can_be_resumed(run):
    Checkpoints(run.path).write({})
    run.close()
    with pytest.raises(FileExistsError, match=r"--resume .*run goes on with it"):
        RunFolder(run.path)


def test_a_folder_has_one_run_at_a_time(run):
    for resume in (False, True):
        with pytest.raises(BlockingIOError, match="another run is writing there"):
            RunFolder(run.path, resume=resume)
    with run:
        pass
    with RunFolder(run.path) as other, pytest.raises(BlockingIOError):
        RunFolder(other.path)
    RunFolder(run.path)


@pytest.mark.parametrize("name", ["../x", "a/b", "/tmp/x", "", ".."])
def test_nothing_is_written_outside_the_folder(run, name):
    with pytest.raises(ValueError, match="lies in the run's folder"):
        run.write(name, "text")
    with pytest.raises(ValueError, match="lies in the run's folder"):
        run.write_weights(name, {}, {})
    assert [path.name for path in run.path.parent.rglob("*")] == ["run", "log.txt"]


def test_a_run_that_is_resumed_goes_on_in_its_folder(run):
    run.write_weights("best.safetensors", {"w": np.ones(1, np.float32)}, {})
    run.log("one")
    run.append_history({"epoch": 1})
    run.append_history({"epoch": 2})
    (run.path / f".best.safetensors.{32 * 'f'}.tmp").write_bytes(b"half")
    run.close()
    again = RunFolder(run.path, resume=True)
    assert not list(run.path.glob(".*"))
    again.log("two")
    again.write_history([{"epoch": 1}])
    again.append_history({"epoch": 2})
    assert (run.path / "log.txt").read_text() == "one\ntwo\n"
    assert (run.path / "history.csv").read_text() == "epoch\n1\n2\n"
    again.write_history([])
    assert not (run.path / "history.csv").exists()


def test_a_folder_without_weights_can_be_used_again(run):
    run.say("a run that failed early")
    run.close()
    assert RunFolder(run.path).path == run.path


def test_a_file_in_the_folders_place_is_an_error(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(OSError, match="exists"):
        RunFolder(tmp_path / "run")


def test_a_fingerprint_knows_every_name_and_no_order():
    assert fingerprint(["a", "b"]) == fingerprint(["b", "a"])
    assert fingerprint(["a", "b"])["count"] == 2
    hashes = {fingerprint(names)["sha256_of_names"] for names in (["a", "b"], ["a"], ["a", "c"], ["ab"], [])}
    assert len(hashes) == 5


def test_the_environment_names_versions_and_is_json():
    about = json.loads(json.dumps(environment()))
    assert about["versions"]["numpy"] == np.__version__
    assert about["versions"]["tinygrad-cnn"] == tg.__version__
    assert about["command_line"]


def test_without_git_there_is_no_commit(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert environment()["git_commit"] is None

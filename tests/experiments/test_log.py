"""What the commands say to a program: every line is a JSON object with documented fields."""

import io
import json
import os
import sys
import warnings
from datetime import datetime
from pathlib import Path

import pytest

from experiments.age import log
from experiments.age.log import JsonLines, as_json, say
from experiments.utkface_age import main
from tests.experiments.scenes import save, scene

QUICK = ["--data", "synthetic", "--limit", 40, "--image-size", 16, "--epochs", 2]
EVENTS = {
    "message": set(),
    "setup": {"parts", "to_beat", "parameters", "threads", "folder"},
    "epoch": {"epoch", "epochs", "best", "data", "train_loss", "val_loss", "learning_rate", "images_per_second"},
    "result": {"folder", "data", "trained_on", "part", "faces"},
    "prediction": {"picture", "face", "x", "y", "width", "height"},
    "no_face": {"picture"},
    "unreadable": {"picture"},
    "explained": {"picture", "face", "x", "y", "width", "height", "file", "answer"},
    "exported": {"file"},
    "interrupted": set(),
    "failed": set(),
    "crashed": {"traceback"},
}


def parsed(lines):
    """The objects; each has what every object has, and what its event has."""
    objects = [json.loads(line) for line in lines]
    for one in objects:
        assert list(one)[:4] == ["time", "level", "event", "message"]
        assert datetime.fromisoformat(one["time"]).tzinfo is not None
        assert one["level"] in ("info", "warning", "error")
        assert EVENTS[one["event"]] <= set(one)
        assert EVENTS[one["event"]] or set(one) == {"time", "level", "event", "message"}
    return objects


def test_the_events_are_those_of_the_documentation():
    documented = {line.split()[0] for line in log.__doc__.splitlines() if line.startswith("    ") and line[4] != " "}
    assert documented == {*EVENTS, "time", "level", "event"}


def interrupt(*_):
    raise KeyboardInterrupt


@pytest.fixture
def photo():
    import cv2

    from tinygrad_cnn.data import SyntheticFaces

    cv2.imwrite("face.png", SyntheticFaces(1, 32)[0][0])
    return "face.png"


def test_every_line_of_train_evaluate_predict_and_explain_is_an_object(command, photo):
    trained = command(*QUICK, "--model", "AgeCNN", "--out", "run", "--log-format", "json")
    assert (trained.status, trained.err) == (0, [])
    said = parsed(trained.out)
    (setup,), epochs, (result,) = (
        [one for one in said if one["event"] == event] for event in ("setup", "epoch", "result")
    )
    assert setup["parts"] == {"train": 32, "val": 4, "test": 4}
    assert [row["epoch"] for row in epochs] == [1, 2]
    assert epochs[0]["best"] is True
    assert epochs[0]["message"].startswith("epoch 1/2  loss ")
    metrics = json.loads(Path("run/metrics.json").read_text())
    assert metrics.items() <= result.items()
    assert any("\nall " in one["message"] for one in said)  # a table is one message

    weights = ["--weights", "run/best.safetensors", "--log-format=json"]
    evaluated = command("evaluate", "--data", "synthetic", "--limit", 20, *weights, "--out", "e")
    assert (evaluated.status, evaluated.err) == (0, [])
    assert parsed(evaluated.out)[-1]["event"] == "result"

    predicted = command("predict", photo, "nothing.png", "--no-detect", *weights)
    assert predicted.status == 2
    (prediction,) = [one for one in parsed(predicted.out) if one["event"] == "prediction"]
    assert prediction["picture"] == photo
    assert f"{prediction['age_years']:.1f}" == prediction["message"].split()[0]
    (failed,) = parsed(predicted.err)
    assert (failed["event"], failed["level"], failed["picture"]) == ("unreadable", "error", "nothing.png")

    explained = command("explain", photo, "--no-detect", *weights, "--out", "why.png")
    assert (explained.status, explained.err) == (0, [])
    (answer,) = parsed(explained.out)
    assert (answer["event"], answer["picture"], answer["file"]) == ("explained", photo, "why.png")


def test_every_line_of_a_run_that_goes_on_is_an_object(command, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("experiments.utkface_age.measure", interrupt)
        assert command(*QUICK, "--out", "run").status == 130
    resumed = command("--resume", "run", "--log-format", "json")
    assert (resumed.status, resumed.err) == (0, [])
    said = parsed(resumed.out)
    assert [one["event"] for one in said if one["event"] != "message"] == ["setup", "result"]
    assert any(one["message"].startswith("resumed") for one in said)


def test_an_export_is_an_object_too(command, trained):
    pytest.importorskip("onnx")
    weights = trained[0] / "best.safetensors"
    (exported,) = parsed(command("export", "--weights", weights, "--out", "age.onnx", "--log-format", "json").out)
    assert (exported["event"], exported["file"]) == ("exported", "age.onnx")


def test_a_name_of_any_bytes_is_told_whole(command, trained):
    name = os.fsdecode(b"\xff.png")
    save(name, scene())
    weights = ["--weights", trained[0] / "best.safetensors", "--log-format", "json"]
    outcome = command("predict", name, "no" + name, *weights)
    assert [one["picture"] for one in parsed(outcome.out) if one["event"] == "no_face"] == [name]
    assert [one["picture"] for one in parsed(outcome.err)] == ["no" + name]


def test_the_log_of_the_run_stays_text(command):
    outcome = command(*QUICK[:-1], 1, "--out", "run", "--log-format", "json")
    lines = Path("run/log.txt").read_text().splitlines()
    assert any(line.startswith("epoch 1/1  loss") for line in lines)
    messages = "\n".join(json.loads(line)["message"] for line in outcome.out)
    assert [line for line in lines if line.strip()] == [line for line in messages.splitlines() if line.strip()]


@pytest.mark.parametrize("arguments", [["--epochs", "none"], ["nonsense"], ["predict"], ["--data-dir", "nowhere"]])
def test_a_mistake_is_one_object_on_stderr(command, arguments):
    outcome = command(*arguments, "--log-format", "json")
    assert (outcome.status, outcome.out) == (2, [])
    (failed,) = parsed(outcome.err)
    assert (failed["event"], failed["level"]) == ("failed", "error")


def test_ctrl_c_is_a_warning_and_the_status_stays(command, monkeypatch):
    monkeypatch.setattr("experiments.utkface_age.measure", interrupt)
    outcome = command(*QUICK[:-1], 1, "--out", "run", "--log-format", "json")
    assert outcome.status == 130
    last = parsed(outcome.out)[-1]
    assert (last["event"], last["level"]) == ("interrupted", "warning")
    assert "last.safetensors" in last["message"]


def test_a_bug_is_one_object_with_its_traceback(command, monkeypatch):
    def broken(*_):
        raise KeyError("a bug")

    monkeypatch.setattr("experiments.utkface_age.find_faces", broken)
    outcome = command(*QUICK, "--out", "run", "--log-format", "json")
    assert outcome.status == 1
    (crashed,) = parsed(outcome.err)
    assert (crashed["event"], crashed["message"]) == ("crashed", "KeyError: 'a bug'")
    assert "in broken" in crashed["traceback"]


def test_whatever_else_is_printed_is_an_object_and_so_is_a_warning(capsys):
    with as_json():
        warnings.simplefilter("always")
        print("one", 2, end="")
        print(" three\n\nfour")
        say("warning: mind this")
        warnings.warn("old", stacklevel=1)
        say("", "a table", "", event="result", mae_years=float("nan"))
        print("from a library", file=sys.stderr)
        print("no end", end="")
    out, err = capsys.readouterr()
    said = [(one["level"], one["message"]) for one in map(json.loads, out.splitlines())]
    assert said == [
        ("info", "one 2 three"), ("info", "four"), ("warning", "mind this"), ("warning", "old"), ("info", "a table"),
        ("info", "no end"),
    ]  # fmt: skip
    assert json.loads(out.splitlines()[4])["mae_years"] is None
    assert json.loads(err)["level"] == "error"
    assert not isinstance(sys.stdout, JsonLines)


def test_what_json_has_no_number_for_is_null_however_deep_it_stands(capsys):
    def refused(name):
        raise AssertionError(f"{name} is no JSON")

    infinite, nan = float("inf"), float("nan")
    with as_json():
        say("result", event="result", high=infinite, low=-infinite, rows=[{"mae": nan}, (1.5, infinite)], count=2)
    said = json.loads(capsys.readouterr().out, parse_constant=refused)
    assert [said[name] for name in ("high", "low", "rows", "count")] == [None, None, [{"mae": None}, [1.5, None]], 2]


def test_each_object_can_be_read_as_soon_as_it_is_said():
    pipe = io.BytesIO()
    stream = JsonLines(io.TextIOWrapper(pipe), "info")
    stream.put("one", "message", {})
    assert json.loads(pipe.getvalue())["message"] == "one"
    stream.write("two\n")
    assert json.loads(pipe.getvalue().splitlines()[1])["message"] == "two"


def test_help_is_still_help(capsys):
    with pytest.raises(SystemExit):
        main(["predict", "--help"])
    assert "--log-format" in capsys.readouterr().out

"""The main job from end to end, on drawn faces: what it prints and what it writes."""

import csv
import json
import os
import re
import shutil
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

import tinygrad_cnn as tg
from models.age_cnn import AgeCNN
from tinygrad_cnn.data import KaggleUnreachable, SyntheticFaces, UTKFace, splits
from tinygrad_cnn.io import load_metadata
from tinygrad_cnn.train import load_age_model

PICTURES = ["history.png", "predictions.png", "scatter.png", "error_by_age.png", "filters.png"]
FILES = [
    "config.json", "history.csv", "metrics.json", "predictions.csv", "best.safetensors", "last.safetensors", "graph.gv",
    "log.txt", "report.html",
]  # fmt: skip


# -- training on drawn faces ------------------------------------------------------------------------------


def test_it_prints_sizes_the_line_to_beat_epochs_and_the_test_table(trained):
    out = "\n".join(trained[1].out)
    assert "160 train, 20 val, 20 test" in out
    assert re.search(
        r"predicting the training median, [\d.]+ years, is off by [\d.]+ years on val and [\d.]+ years on test", out
    )
    assert re.search(r"^epoch 1/2  loss [\d.]+  MAE +[\d.]+  val MAE +[\d.]+ years  [\d,]+ images/s", out, re.MULTILINE)
    assert re.search(r"^epoch 2/2", out, re.MULTILINE)
    assert re.search(r"^all +20 +[\d.]+ +[\d.]+$", out, re.MULTILINE)
    assert trained[1].err == []  # no bars where no terminal is


def test_it_writes_every_artefact_and_leaves_nothing_else(trained):
    graphs = ["graph.svg"] if shutil.which("dot") else []
    assert sorted(os.listdir(trained[0])) == sorted(FILES + PICTURES + graphs)


@pytest.mark.parametrize("name", FILES + PICTURES)
def test_every_artefact_says_synthetic_faces(trained, name):
    assert b"synthetic faces" in (trained[0] / name).read_bytes()


def test_the_last_line_says_synthetic_faces(trained):
    assert trained[1].out[-1].endswith("data: synthetic faces")
    assert str(trained[0]) in trained[1].out[-1]


def test_the_log_holds_what_was_printed(trained):
    assert (trained[0] / "log.txt").read_text().splitlines() == trained[1].out


def test_the_config_holds_settings_data_versions_and_seed(trained):
    config = json.loads((trained[0] / "config.json").read_text())
    assert config["settings"]["epochs"] == 2
    assert config["settings"]["seed"] == 0
    assert config["faces"]["count"] == 200
    assert config["faces"]["parts"] == {"train": 160, "val": 20, "test": 20}
    assert config["versions"]["numpy"] == np.__version__
    assert config["command_line"][0].endswith("experiments/utkface_age.py")
    assert config["settings"]["split"] == "random"  # no two of them are copies of one photo


def test_the_history_has_a_row_for_each_epoch(trained):
    with open(trained[0] / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert {row["data"] for row in rows} == {"synthetic faces"}
    assert all(float(row[name]) > 0 for row in rows for name in ("train_loss", "val_mae_years", "learning_rate"))


def test_the_metrics_are_those_of_the_best_weights_on_the_test_faces(trained):
    metrics = json.loads((trained[0] / "metrics.json").read_text())
    faces = SyntheticFaces(200, 32)
    test = splits.random(faces).test
    images, ages = faces.batch(test)
    off = np.abs(load_age_model(trained[0] / "best.safetensors", {"AgeCNN": AgeCNN}).predict(images) - ages)
    assert metrics["part"] == "test"
    assert metrics["faces"] == 20
    assert metrics["mae_years"] == pytest.approx(off.mean(), rel=1e-5)
    assert metrics["rmse_years"] == pytest.approx(np.sqrt((off**2).mean()), rel=1e-5)
    assert metrics["share_within_5_years"] == pytest.approx((off <= 5).mean())
    median = np.median(faces.ages[splits.random(faces).train])
    assert metrics["predicting_the_median"]["mae_years"] == pytest.approx(np.abs(ages - median).mean())


def test_the_predictions_are_those_that_the_metrics_sum_up(trained):
    with open(trained[0] / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    off = [abs(float(row["true_years"]) - float(row["predicted_years"])) for row in rows]
    assert len(rows) == 20
    assert np.mean(off) == pytest.approx(json.loads((trained[0] / "metrics.json").read_text())["mae_years"], abs=1e-3)


def test_the_best_weights_are_of_the_epoch_with_the_smallest_validation_error(trained):
    with open(trained[0] / "history.csv", newline="") as file:
        best = min(csv.DictReader(file), key=lambda row: float(row["val_mae_years"]))
    assert load_metadata(trained[0] / "best.safetensors")["epoch"] == best["epoch"]
    assert load_metadata(trained[0] / "last.safetensors")["epoch"] == "2"


def test_the_weights_file_alone_says_how_to_use_it(trained):
    about = load_metadata(trained[0] / "best.safetensors")
    assert {about["model"], about["image_size"], about["data"]} == {"AgeCNN", "32", "synthetic faces"}
    assert 1 < float(about["age_mean_years"]) < 90


def test_the_graph_names_the_models_parameters(trained):
    source = (trained[0] / "graph.gv").read_text()
    parts = {part for name, _ in AgeCNN(32).named_parameters() for part in name.split(".")}  # modules, and their own
    assert all(f"<b>{part}</b>" in source for part in parts)
    if shutil.which("dot"):
        assert "synthetic faces" in (trained[0] / "graph.svg").read_text()


def test_the_same_command_gives_the_same_bits_on_one_thread(trained, command, small):
    assert command(*small, "--out", "again", "--threads", "1").status == 0
    for name in ("best.safetensors", "last.safetensors"):
        first, again = tg.load(trained[0] / name), tg.load(Path("again", name))
        assert all(np.array_equal(first[key], again[key]) for key in first)
        assert load_metadata(trained[0] / name) == load_metadata(Path("again", name))


def test_another_seed_gives_other_weights_on_the_same_split(trained, command, small):
    outcome = command(*small, "--out", "other", "--seed", "1")
    first, other = (tg.load(Path(folder, "last.safetensors"))["conv1.weight"] for folder in (trained[0], "other"))
    assert not np.array_equal(first, other)
    assert outcome.out[2].split("years, is")[1] == trained[1].out[2].split("years, is")[1]


def test_the_options_are_settled_in_the_config(trained):
    settings = json.loads((trained[0] / "config.json").read_text())["settings"]
    assert (settings["model"], settings["head"], settings["loss"]) == ("AgeCNN", "regression", "smooth_l1")
    assert (settings["sigma"], settings["ema"], settings["image_size"]) == (None, None, 32)
    assert settings["augment"] == ["flip", "shift"]


@pytest.mark.parametrize(
    "options",
    [
        ["--optimizer", "sgd", "--schedule", "cosine", "--loss", "mse", "--no-augment"],
        ["--optimizer", "rmsprop", "--schedule", "constant", "--loss", "l1", "--augment", "full"],
        ["--optimizer", "adagrad", "--weight-decay", "0.1", "--lr", "0.01", "--decay-all"],
        ["--ema", "0.9", "--clip", "1", "--augment", "colour,erase", "--flip-average", "--patience", "1"],
    ],
)
def test_every_choice_trains(command, options):
    outcome = command("--data", "synthetic", "--limit", 40, "--image-size", 16, "--epochs", 1, "--name", "x", *options)
    assert outcome.status == 0
    assert Path("runs/x/metrics.json").exists()


@pytest.mark.parametrize("head", ["regression", "expected"])
@pytest.mark.parametrize("extra", [[], ["--ema", "0.99", "--flip-average", "--progressive", "32,40"]])
def test_the_residual_network_trains_is_evaluated_and_predicts_with_every_head(command, head, extra, tmp_path):
    import cv2

    drawn = ["--data", "synthetic", "--limit", "40"]
    size = [] if "--progressive" in extra else ["--image-size", "32"]
    options = ["--model", "AgeResNet", "--head", head, *size, *extra, "--epochs", "2"]
    assert command(*drawn, *options, "--out", "run").status == 0
    weights = "run/best.safetensors"
    assert command("evaluate", *drawn, "--part", "test", "--weights", weights, "--out", "e").status == 0
    first, again = (json.loads(Path(folder, "metrics.json").read_text()) for folder in ("run", "e"))
    assert again["mae_years"] == pytest.approx(first["mae_years"], rel=1e-5)
    cv2.imwrite("face.png", SyntheticFaces(1, 64)[0][0])
    outcome = command("predict", "face.png", "--weights", weights, "--no-detect")
    assert outcome.status == 0
    assert 0 <= float(outcome.out[1].split()[0]) <= 130
    assert outcome.out[-1].startswith("AgeResNet trained on synthetic faces")


def test_with_an_average_it_is_the_average_that_is_kept(command):
    few = ["--data", "synthetic", "--limit", 20, "--image-size", 16, "--epochs", 1, "--threads", 1]
    kept = {}
    for name, extra in {"plain": [], "zero": ["--ema", "0"], "slow": ["--ema", "0.999"]}.items():
        assert command(*few, *extra, "--out", name).status == 0
        kept[name] = tg.load(f"{name}/best.safetensors")["conv1.weight"]
    np.testing.assert_array_equal(kept["plain"], kept["zero"])  # an average without a memory
    assert not np.array_equal(kept["plain"], kept["slow"])


def test_training_stops_when_patience_is_at_an_end(command):
    # At so small a rate the error on the two faces that choose stays the same to the bit, or moves one way.
    few = ["--data", "synthetic", "--limit", 20, "--image-size", 16, "--epochs", 9]
    outcome = command(*few, "--lr", "1e-30", "--patience", 2, "--out", "run")
    assert outcome.status == 0
    assert "no better epoch than the 1. in 2: training ends here" in outcome.out
    assert len(Path("run/history.csv").read_text().splitlines()) == 4


def test_drawing_the_graph_leaves_the_networks_first_statistics_alone(command):
    few = ["--data", "synthetic", "--limit", 20, "--model", "AgeResNet", "--image-size", 32, "--epochs", 1]
    assert command(*few, "--out", "run").status == 0
    assert tg.load("run/last.safetensors")["norm.num_batches_tracked"] == 1


def test_a_run_without_a_name_is_named_after_the_time(command):
    assert command("--data", "synthetic", "--limit", 20, "--image-size", 16, "--epochs", 1).status == 0
    (run,) = Path("runs").iterdir()
    assert re.fullmatch(r"train-\d{8}-\d{6}", run.name)


def test_two_runs_begun_in_the_same_second_do_not_share_a_folder(command, monkeypatch):
    class OneSecond(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2020, 1, 2, 3, 4, 5)

    monkeypatch.setattr("experiments.utkface_age.datetime", OneSecond)
    for _ in range(2):
        assert command("--data", "synthetic", "--limit", 20, "--image-size", 16, "--epochs", 1).status == 0
    assert sorted(os.listdir("runs")) == ["train-20200102-030405", "train-20200102-030405-2"]


def test_help_shows_defaults(command):
    text = " ".join(command("--help").out)
    assert re.search(r"--lr RATE.*default: 0\.\d+", text)
    assert re.search(r"--seed N.*default: 0\b", text)
    assert not any(word in text for word in ("None", "default: False", "default: ()"))
    for name in ("evaluate", "predict", "explain"):
        assert command(name, "--help").status == 0


# -- photographs ------------------------------------------------------------------------------------------


def test_a_folder_of_photos_is_trained_on_and_what_is_unusable_is_logged(command, photos):
    outcome = command("--data-dir", photos, "--image-size", 32, "--epochs", 1, "--out", "run")
    assert outcome.status == 0
    assert outcome.out[-1].endswith("data: UTKFace")
    assert "60 of UTKFace" in outcome.out[0]
    assert "2 files skipped" in outcome.out[0]
    log = Path("run/log.txt").read_text()
    assert "30_0_0_20170199999999999" in log
    assert "unknown_0_0" in log
    config = json.loads(Path("run/config.json").read_text())
    assert config["data"] == "UTKFace"
    assert sum(part["count"] for part in config["faces"]["parts"].values()) == 60
    assert config["settings"]["split"] == "grouped"
    assert b"synthetic" not in b"".join(Path("run", name).read_bytes() for name in (*FILES, *PICTURES))


def test_a_split_file_without_test_faces_reports_on_the_validation_faces(command, photos):
    names = sorted(path.name for path in photos.iterdir())[:40]
    rows = [f"{name},{'val' if i % 4 == 0 else 'train'}" for i, name in enumerate(names)]
    Path("split.csv").write_text("\n".join(["file,split", *rows]))
    outcome = command(
        "--data-dir", photos, "--split-file", "split.csv", "--image-size", 32, "--epochs", 1, "--out", "r"
    )
    assert outcome.status == 0
    assert "are not in it and are left out" in "\n".join(outcome.out)
    assert json.loads(Path("r/metrics.json").read_text())["part"] == "val"
    settings = json.loads(Path("r/config.json").read_text())["settings"]
    assert (settings["split"], settings["split_file"]) == ("file", "split.csv")
    assert outcome.out[-1].startswith("val MAE")


def test_what_is_wrong_with_labels_is_counted_in_one_line(command, photos, tmp_path):
    shutil.copytree(photos, tmp_path / "faces")
    some = iter(sorted((tmp_path / "faces").glob("[1-9]*_1_*")))
    for name in ("-5_0_0_1", "999_0_0_1", "_0_0_1", "old_0_0_1", "40_7_0_1", "41_0_9_1", "42_0_0_0_1"):
        next(some).rename(tmp_path / "faces" / f"{name}\n.jpg")
    rows = [f"{path.name},{'val' if i % 4 else 'train'}" for i, path in enumerate(some)]
    Path("split.csv").write_bytes("\r\n".join(["\ufefffile,split", *rows, rows[0], "../x.jpg,test"]).encode())
    options = ["--data-dir", "faces", "--split-file", "split.csv", "--image-size", 16, "--epochs", 1, "--out", "run"]
    outcome = command(*options)
    assert outcome.status == 0
    assert outcome.out[0] == (
        "faces: 56 of UTKFace in faces, 6 files skipped (5 no age from 0 to 130 at the start of its name; "
        "1 neither a JPEG nor a PNG nor a WebP file); 3 names tell the age alone"
    )
    assert outcome.out[1].startswith("split.csv: 1 faces of it are not in the data; ")
    assert outcome.out[1].endswith(" faces are not in it and are left out; 1 rows are repeated")
    log = Path("run/log.txt").read_text().splitlines()
    assert sum(line.startswith("skipped ") for line in log) == 6
    assert sum("-5_0_0_1\\n.jpg" in line for line in log) == 1


def unreachable():
    raise KaggleUnreachable("Kaggle can't be reached: no answer")


def test_without_kaggle_it_says_so_in_one_line_and_goes_on_with_synthetic_faces(command, monkeypatch):
    monkeypatch.setattr(UTKFace, "download", staticmethod(unreachable))
    outcome = command("--limit", 20, "--image-size", 16, "--epochs", 1, "--out", "run")
    assert outcome.status == 0
    assert outcome.out[0].startswith("Kaggle can't be reached")
    assert "--data-dir" in outcome.out[0]
    assert outcome.out[-1].endswith("data: synthetic faces")
    assert json.loads(Path("run/config.json").read_text())["data"] == "synthetic faces"


@pytest.mark.parametrize("options", [["--data", "utkface"], ["--split-file", "split.csv"]])
def test_who_asks_for_utkface_never_gets_other_faces(command, monkeypatch, options):
    monkeypatch.setattr(UTKFace, "download", staticmethod(unreachable))
    outcome = command(*options, "--out", "run")
    assert (outcome.status, len(outcome.err)) == (2, 1)
    assert "--data-dir" in outcome.err[0]


def test_a_download_is_trained_on(command, monkeypatch, photos):
    monkeypatch.setattr(UTKFace, "download", staticmethod(lambda: photos))
    outcome = command("--image-size", 16, "--epochs", 1, "--limit", 30, "--out", "run")
    assert outcome.out[-1].endswith("data: UTKFace")


# -- evaluate ---------------------------------------------------------------------------------


def test_evaluating_the_test_part_repeats_the_figures_of_the_training_run(command, trained):
    weights = trained[0] / "best.safetensors"
    outcome = command(
        "evaluate", "--weights", weights, "--data", "synthetic", "--limit", 200, "--part", "test", "--out", "e"
    )
    assert outcome.status == 0
    again, first = (json.loads(Path(folder, "metrics.json").read_text()) for folder in ("e", trained[0]))
    assert again["mae_years"] == pytest.approx(first["mae_years"], rel=1e-6)
    assert again["predicting_the_median"]["mae_years"] == first["predicting_the_median"]["mae_years"]
    assert outcome.out[-1].endswith("data: synthetic faces")


def test_evaluating_a_folder_takes_all_its_faces_and_says_what_the_weights_have_seen(command, trained, photos):
    outcome = command("evaluate", "--weights", trained[0] / "best.safetensors", "--data-dir", photos, "--out", "e")
    assert outcome.status == 0
    metrics = json.loads(Path("e/metrics.json").read_text())
    assert (metrics["faces"], metrics["data"], metrics["trained_on"]) == (60, "UTKFace", "synthetic faces")
    assert outcome.out[-1].endswith("data: UTKFace, weights trained on synthetic faces")
    page = Path("e/report.html").read_text(encoding="utf-8")
    assert f'value="{metrics["mae_years"]!r}"' in page
    assert "AgeCNN on UTKFace, trained on synthetic faces" in page
    assert "Faces that the weights were trained on, if any are in this folder, flatter the figure" in page
    for name in ("scatter.png", "predictions.png", "error_by_age.png"):
        assert b"trained on synthetic faces" in Path("e", name).read_bytes()

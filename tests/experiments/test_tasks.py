"""The main job's tasks on drawn faces: gender, age group, and the three of them by one network."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from experiments.age.faces import find_faces
from experiments.age.networks import MODELS
from experiments.age.options import parse
from experiments.age.tasks import AGE_GROUPS, TASKS, labels, make_head
from tinygrad_cnn.data import SyntheticFaces, splits
from tinygrad_cnn.train import load_age_model

DRAWN = ["--data", "synthetic", "--limit", "60"]
SMALL = ["--image-size", "32", "--epochs", "1"]
MODEL_OF = {"gender": "AgeCNN", "age_group": "AgeResNet", "multi": "AgeResNet"}


def train(command, task, *more, out="run"):
    outcome = command(*DRAWN, *SMALL, "--task", task, "--model", MODEL_OF[task], *more, "--out", out)
    assert outcome.status == 0, outcome.err
    return outcome, json.loads(Path(out, "metrics.json").read_text())


@pytest.mark.parametrize("task", ["gender", "age_group"])
def test_a_run_of_classes_writes_accuracy_matrix_history_and_predictions(command, task):
    outcome, metrics = train(command, task)
    matrix = np.array(metrics["confusion_matrix"])
    assert metrics["faces"] == matrix.sum() == 6
    assert metrics["accuracy"] == np.trace(matrix) / 6
    assert len(metrics["classes"]) == len(matrix)
    with open("run/history.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert metrics["best"] == {"epoch": 1, "val_accuracy": pytest.approx(float(row["val_accuracy"]), abs=1e-4)}
    with open("run/predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert np.mean([row[f"true_{task}"] == row[f"predicted_{task}"] for row in rows]) == metrics["accuracy"]
    assert {"confusion.png", "history.png", "report.html"} < set(os.listdir("run"))
    assert "scatter.png" not in os.listdir("run")
    assert "the commonest class for everybody is right for" in "\n".join(outcome.out)
    assert outcome.out[-1].startswith(f"test accuracy {metrics['accuracy']:.1%} (the commonest class: ")


@pytest.mark.parametrize("head", ["regression", "expected"])
def test_one_network_tells_age_gender_and_age_group(command, head):
    outcome, metrics = train(command, "multi", "--head", head, "--flip-average")
    assert {"mae_years", "mae_years_by_gender", "gender", "age_group", "predicting_the_median"} < set(metrics)
    assert sum(map(sum, metrics["age_group"]["confusion_matrix"])) == metrics["faces"]
    assert {"report.html", "scatter.png", "confusion_gender.png", "confusion_age_group.png"} < set(os.listdir("run"))
    with open("run/history.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert {"val_mae_years", "val_gender_accuracy", "train_age_group_accuracy"} < set(row)
    model = load_age_model("run/best.safetensors", MODELS)
    faces = SyntheticFaces(60, 32)
    test = splits.random(faces).test
    predicted = model.predict(faces.batch(test)[0])
    assert np.abs(predicted[:, 0] - faces.ages[test]).mean() == pytest.approx(metrics["mae_years"], rel=1e-5)
    right = predicted[:, 1:3].argmax(1) == np.array(faces.genders)[test]
    assert right.mean() == metrics["gender"]["accuracy"]
    assert "gender accuracy" in outcome.out[-1]


@pytest.mark.parametrize("task", MODEL_OF)
def test_evaluate_repeats_the_figures_and_predict_prints_what_the_task_tells(command, task, photos):
    _, first = train(command, task)
    weights = "run/best.safetensors"
    assert command("evaluate", *DRAWN, "--part", "test", "--weights", weights, "--out", "again").status == 0
    again = json.loads(Path("again/metrics.json").read_text())
    shared = set(first) - {"best"}
    assert {key: again[key] for key in shared} == {key: first[key] for key in shared}
    pages = [Path(folder, "report.html").read_text(encoding="utf-8") for folder in ("run", "again")]
    for page in pages:
        assert f'value="{first["accuracy" if "accuracy" in first else "mae_years"]!r}"' in page
        assert page.count("<h3>What is taken for what</h3>") == len(set(TASKS[task]) - {"age"})
    assert ["<h3>Loss</h3>" in page for page in pages] == [True, False]
    picture = sorted(photos.glob("[1-9]*_1_*"))[0]
    outcome = command("predict", picture, "--weights", weights, "--no-detect", "--annotate", "a")
    assert outcome.status == 0
    heading, line = outcome.out[:2]
    assert heading.index("picture") == line.index(str(picture))
    for subject in TASKS[task]:
        assert {"age": "age (years)", "gender": "gender", "age_group": "age group"}[subject] in heading
    if "gender" in TASKS[task]:
        assert any(f"{name} " in line for name in ("male", "female"))
    assert len(os.listdir("a")) == 1


@pytest.mark.parametrize(("task", "subject"), [("gender", None), ("age_group", None), ("multi", "gender")])
def test_what_a_task_tells_is_explained(command, photos, task, subject):
    train(command, task)
    picture = sorted(photos.glob("[1-9]*_1_*"))[0]
    which = ["--subject", subject] if subject else []
    outcome = command("explain", picture, "--weights", "run/best.safetensors", "--out", "why.jpg", *which)
    assert (outcome.status, outcome.err) == (0, [])
    assert Path("why.jpg").exists()
    assert outcome.out[0].split(",")[0] in (AGE_GROUPS if task == "age_group" else ("male", "female"))


# -- labels -----------------------------------------------------------------------------------------------


def test_age_groups_are_decades_and_the_last_is_open():
    class Faces:
        ages = np.array([0, 9, 10, 89, 90, 116], np.float32)

    assert [AGE_GROUPS[int(group)] for group in labels(Faces, "age_group")] == [
        "0-9", "0-9", "10-19", "80-89", "90+", "90+",
    ]  # fmt: skip


def test_faces_whose_names_do_not_tell_the_gender_are_left_out_where_it_is_learnt(command, photos, tmp_path):
    import shutil

    shutil.copytree(photos, tmp_path / "some")
    named = sorted((tmp_path / "some").glob("[1-9]*_1_*"))[0]
    named.rename(named.with_name("61_1_20170109142408075.jpg.chip.jpg"))
    outcome = command("--data-dir", "some", *SMALL, "--task", "gender", "--out", "run")
    assert outcome.status == 0
    assert "1 faces are left out: their names do not tell the gender" in outcome.out
    assert (
        sum(part["count"] for part in json.loads(Path("run/config.json").read_text())["faces"]["parts"].values()) == 59
    )
    assert command("--data-dir", "some", *SMALL, "--out", "age").status == 0
    audit = json.loads(Path("age/metrics.json").read_text())
    assert set(audit["mae_years_by_gender"]) <= {"male", "female", "unknown"}


def test_the_errors_of_an_age_model_are_audited_by_gender_and_race(command, photos):
    assert command("--data-dir", photos, *SMALL, "--out", "run").status == 0
    evaluation = command("evaluate", "--data-dir", photos, "--weights", "run/best.safetensors", "--out", "e")
    assert evaluation.status == 0
    metrics = json.loads(Path("e/metrics.json").read_text())
    for kind, names in (("gender", 2), ("race", 5)):
        groups = metrics[f"mae_years_by_{kind}"].values()
        assert len(groups) == names
        assert sum(group["faces"] for group in groups) == metrics["faces"] == 60
        total = sum(group["faces"] * group["mae_years"] for group in groups)
        assert total / 60 == pytest.approx(metrics["mae_years"])


def test_drawn_faces_have_a_gender_but_no_race(command):
    _, metrics = train(command, "multi")
    assert set(metrics["mae_years_by_gender"]) <= {"male", "female"}
    assert "mae_years_by_race" not in metrics


def test_no_task_learns_and_no_head_predicts_race(photos, tmp_path):
    assert not any("race" in subject for subjects in TASKS.values() for subject in subjects)
    faces = find_faces(parse(["--data-dir", str(photos), "--cache-dir", str(tmp_path)]), 32, print)
    races = np.array(faces.dataset.races, np.float32)
    for task, subjects in TASKS.items():
        options = parse(["--task", task, "--model", "AgeResNet"])
        assert make_head(options, faces.dataset.ages).subjects == subjects
        targets = faces.for_subjects(subjects, print).targets("all").reshape(60, -1)
        assert not any(np.array_equal(column, races) for column in targets.T)
    with pytest.raises(ValueError, match="race"):
        labels(faces.dataset, "race")

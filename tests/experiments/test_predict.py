"""The `predict` command: what is printed and drawn of the faces in photographs, and every kind of file."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from experiments.age import photo
from experiments.age.faces import UserError
from experiments.age.photo import pictures
from experiments.age.tasks import AGE_GROUPS
from experiments.age.weights import BEST_FIRST, default_weights, load_model
from models.age_cnn import AgeCNN
from tests.data import zoo
from tests.experiments.scenes import about, drawn_face, save, scene
from tinygrad_cnn.data import SyntheticFaces, printable
from tinygrad_cnn.train import AgeModel, Binary, Classes, Regression, Several, load_age_model

HEADING = ["file", "face", "x", "y", "width", "height", "age_years"]


def table(lines):
    return list(csv.DictReader(lines))


# -- the command -------------------------------------------------------------------------------------------


def test_an_aligned_face_is_taken_whole_with_no_detect(predict, trained):
    faces = SyntheticFaces(3, 32, seed=9)
    paths = [save(f"face {i}.png", faces[i][0]) for i in range(3)]
    outcome = predict(*paths, "--no-detect")
    ages = load_age_model(trained[0] / "best.safetensors", {"AgeCNN": AgeCNN}).predict(faces.batch(range(3))[0])
    assert outcome.status == 0
    assert outcome.out[0].split() == ["age", "(years)", "picture"]
    assert [line.split(maxsplit=1) for line in outcome.out[1:4]] == [
        [f"{age:.1f}", str(path)] for age, path in zip(ages, paths, strict=True)
    ]
    assert outcome.out[4:] == ["AgeCNN trained on synthetic faces, 32x32 pixels"]


def test_each_face_of_a_photograph_has_its_line_and_is_drawn(predict):
    save("two.jpg", scene((350, 60, 200), (60, 150, 140)))
    outcome = predict("two.jpg", "--annotate", "new/a")
    assert (outcome.status, outcome.err) == (0, [])
    assert re.fullmatch(r" +[\d.]+   two.jpg, face 1 of 2", outcome.out[1])
    assert re.fullmatch(r" +[\d.]+   two.jpg, face 2 of 2", outcome.out[2])
    (path,) = Path("new/a").iterdir()
    image = cv2.imread(str(path))
    assert image.shape[1] == 600
    assert image.shape[0] > 400  # what the weights were trained on is said below
    assert (image == (0, 196, 255)).all(2).any()


def test_a_photograph_is_turned_upright_before_faces_are_looked_for(predict):
    image = scene((350, 60, 200))
    boxes = {}
    for turn, stored in ((1, image), (6, np.rot90(image)), (3, image[::-1, ::-1])):
        Path(f"{turn}.jpg").write_bytes(zoo.encoded("JPEG", np.ascontiguousarray(stored), exif=zoo.exif(turn)))
        (row,) = table(predict(f"{turn}.jpg", "--format", "csv").out)
        boxes[turn] = [int(row[name]) for name in ("x", "y", "width")]
    assert about(boxes[1], 384, 119, 136)
    assert about(boxes[6], *boxes[1])
    assert about(boxes[3], *boxes[1])


def test_a_photograph_without_a_face_says_so_and_has_an_empty_row(predict):
    save("wall.png", scene())
    outcome = predict("wall.png", "--annotate", "a")
    assert (outcome.status, outcome.err) == (0, [])
    assert outcome.out[1].split() == ["-", "wall.png:", "no", "face", "found"]
    assert len(os.listdir("a")) == 1
    outcome = predict("wall.png", "--log-format", "json")
    assert [json.loads(line)["event"] for line in outcome.out] == ["message", "no_face", "message"]
    outcome = predict("wall.png", "--format", "csv")
    assert (outcome.status, outcome.out[1]) == (0, "wall.png,,,,,,")
    outcome = predict("wall.png", "--format", "json")
    assert json.loads("\n".join(outcome.out)) == [dict.fromkeys(HEADING) | {"file": "wall.png"}]


def test_a_folder_or_a_pattern_gives_sorted_csv_and_json_on_demand(predict):
    for name in ("b.jpg", "A.PNG", "sub/c.webp", "10.jpeg"):
        save(f"album/{name}", scene((350, 60, 200)))
    Path("album/notes.txt").write_text("no picture's name")
    names = ["album/10.jpeg", "album/A.PNG", "album/b.jpg", "album/sub/c.webp"]
    outcome = predict("album")
    assert (outcome.status, outcome.err) == (0, [])
    rows = table(outcome.out)
    assert outcome.out[0].split(",") == HEADING
    assert [row["file"] for row in rows] == names
    assert all(row["face"] == "1" and 0 <= float(row["age_years"]) <= 130 for row in rows)
    assert [row["file"] for row in table(predict("album/*.jp*g").out)] == ["album/10.jpeg", "album/b.jpg"]
    outcome = predict("album", "--out", "ages.json")
    assert outcome.out == []
    read = json.loads(Path("ages.json").read_text())
    assert [{name: str(value) for name, value in row.items()} for row in read] == rows
    assert predict("album/b.jpg", "--out", "ages.CSV").status == 0
    assert table(Path("ages.CSV").read_text().splitlines()) == rows[2:3]


def test_pictures_come_by_their_names_in_whatever_order_the_disk_has_them(tmp_path, monkeypatch):
    names = ["a.png", "b/1.png", "b/2.png", "c.png"]
    for name in names:
        save(tmp_path / name, scene(height=9, width=9))
    scandir, paths = os.scandir, [str(tmp_path / name) for name in names]
    for backwards in (False, True):

        def listed(folder, backwards=backwards):
            return sorted(scandir(folder), key=lambda entry: entry.name, reverse=backwards)

        def matching(pattern, recursive, backwards=backwards):
            return sorted(paths, reverse=backwards)

        monkeypatch.setattr(photo.os, "scandir", listed)
        monkeypatch.setattr(photo.glob, "glob", matching)
        assert [str(path) for path, _ in pictures([str(tmp_path)])] == paths
        assert [str(path) for path, _ in pictures([f"{tmp_path}/**/*.png"])] == paths


def test_rows_come_as_pictures_are_read(predict, monkeypatch):
    """So that of a folder of any size one picture at a time is in memory, and what is done is not lost."""
    for name in ("a.png", "b.png", "c.png"):
        save(f"album/{name}", scene())
    seen = []
    original = photo.read_image

    def watched(path):
        seen.append(Path("out.csv").read_text().count("\n"))
        if len(seen) == 3:
            raise KeyboardInterrupt
        return original(path)

    monkeypatch.setattr(photo, "read_image", watched)
    assert predict("album", "--out", "out.csv").status == 130
    assert seen == [1, 2, 3]
    seen.clear()
    assert predict("album", "--format", "json", "--out", "out.csv").status == 130
    assert len(json.loads(Path("out.csv").read_text())) == 2


def test_files_are_found_one_by_one_in_folders_of_any_depth(monkeypatch):
    class Endless:
        name, path = "a.jpg", "x/a.jpg"

    monkeypatch.setattr(photo, "_below", lambda _: ((Path(f"{i}.jpg"), "") for i in iter(int, 1)))
    monkeypatch.setattr(os.path, "isdir", lambda _: True)
    found = pictures(["x"])
    assert next(found) == next(found) == (Path("0.jpg"), "")


@pytest.mark.parametrize(
    ("head", "names"),
    [
        (Binary("gender", ("male", "female")), ["gender", "gender_probability"]),
        (Classes("age_group", AGE_GROUPS), ["age_group", "age_group_probability"]),
        (
            Several((Regression(35, 20), Binary("gender", ("male", "female"))), (1.0, 1.0)),
            ["age_years", "gender", "gender_probability"],
        ),
    ],
)
def test_every_task_has_its_columns(command, monkeypatch, head, names):
    class Model(AgeModel):
        def predict(self, images):
            return np.tile(np.linspace(0.2, 0.8, head.width, dtype=np.float32), (len(images), 1))

    model = Model(AgeCNN(16), 16, head, 30.0, "UTKFace")
    monkeypatch.setattr(photo, "load_model", lambda _: model)
    save("two.png", scene((350, 60, 200), (60, 150, 140)))
    save("wall.png", scene())
    rows = table(command("predict", "two.png", "wall.png", "--format", "csv").out)
    assert list(rows[0]) == [*HEADING[:6], *names]
    assert [row["face"] for row in rows] == ["1", "2", ""]
    assert {row[names[-1]] for row in rows} == {"0.8", ""}
    assert command("predict", "two.png", "--annotate", "a").status == 0


def test_an_opencv_without_detectors_is_told_in_one_line(predict, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2.data", None)
    save("face.png", drawn_face())
    outcome = predict("face.png")
    assert (outcome.status, len(outcome.err)) == (2, 1)
    assert "carries no face detector" in outcome.err[0]
    assert predict("face.png", "--no-detect").status == 0


# -- files of every kind -----------------------------------------------------------------------------------


def test_every_kind_of_file_gives_rows_or_exactly_one_line_with_its_name(script, trained, tmp_path):
    folder, readable, unreadable = tmp_path / "all", zoo.readable(), zoo.unreadable()
    folder.mkdir()
    for name, content in {**readable, **unreadable}.items():
        (folder / name).write_bytes(content[0])
    reasons = {name: reason for name, (_, reason) in unreadable.items()} | zoo.no_files(folder)
    run = subprocess.run(
        [sys.executable, script, "predict", folder, "--weights", trained[0] / "best.safetensors", "--no-detect",
         "--annotate", tmp_path / "a", "--out", tmp_path / "ages.csv"],
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert (run.returncode, run.stdout) == (2, "")
    with open(tmp_path / "ages.csv", newline="") as file:
        assert [Path(row["file"]).name for row in csv.DictReader(file)] == sorted(readable)
    lines = run.stderr.splitlines()
    assert len(lines) == len(reasons)
    for line, name in zip(lines, sorted(reasons), strict=True):
        assert line.startswith(f"utkface_age.py predict: can't read {printable(folder / name)}: {reasons[name]}")
    assert len(os.listdir(tmp_path / "a")) == len(readable)


def test_what_is_not_there_is_named_and_the_rest_goes_on(predict):
    save("good.png", scene())
    Path("empty").mkdir()
    outcome = predict("missing.jpg", "empty", "no*.jpg", "good.png", "--format", "csv")
    assert outcome.status == 2
    assert [line.partition("can't read ")[2] for line in outcome.err] == [
        "missing.jpg: No such file or directory",
        "empty: no .jpg, .jpeg, .png, .webp in this folder",
        "no*.jpg: no file has such a name",
    ]
    assert [row["file"] for row in table(outcome.out)] == ["good.png"]


def test_names_of_any_letters_come_out_whole(predict):
    names = ["größe 顔.png", "two\nlines.png", 'a,b"c.png', os.fsdecode(b"\xff.png"), "x" * 200 + ".png", "[1].png"]
    names.append("😀" * 62 + ".png")  # 252 of the 255 bytes that a name may have
    for name in names:
        save(f"album/{name}", scene(height=90, width=90))
    rows = json.loads("\n".join(predict("album", "--format", "json", "--annotate", "a").out))
    assert sorted(row["file"] for row in rows) == sorted(f"album/{name}" for name in names)
    assert len(os.listdir("a")) == len(names)
    assert f"0005-{60 * 'x'}.png" in os.listdir("a")
    assert predict("album", "--out", "names.csv").status == 0
    with open("names.csv", newline="", encoding="utf-8") as file:
        read = {row["file"] for row in csv.DictReader(file)}
    assert {f"album/{name}" for name in names if name != names[3]} < read
    assert predict("album/[1].png").out[1].endswith("[1].png: no face found")  # a file is no pattern


def test_an_annotated_picture_never_takes_the_place_of_the_picture(predict):
    before = save("0001-a.png", scene()).read_bytes()
    assert predict("0001-a.png", "--annotate", ".").status == 0
    assert Path("0001-a.png").read_bytes() == before


@pytest.mark.parametrize("asked", [[], ["--log-format", "json", "--format", "json"]])
def test_a_reader_that_leaves_early_is_no_error(script, trained, tmp_path, asked):
    for i in range(40):
        save(tmp_path / "album" / f"{i}.png", scene(height=20, width=20))
    command = [sys.executable, script, "predict", tmp_path / "album", "--weights", trained[0] / "best.safetensors"]
    with subprocess.Popen([*command, *asked], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout.readline()
        run.stdout.close()
        assert run.stderr.read() == ""
    assert run.returncode == 0


# -- weights -----------------------------------------------------------------------------------------------


def test_the_best_of_the_shipped_weights_is_the_default(tmp_path, command, trained, monkeypatch):
    monkeypatch.setattr("experiments.age.weights.FOLDER", tmp_path)
    for name in reversed(BEST_FIRST):
        (tmp_path / name).write_bytes((trained[0] / "best.safetensors").read_bytes())
        assert default_weights() == tmp_path / name
    save("face.png", SyntheticFaces(1, 32, seed=9)[0][0])
    assert command("predict", "face.png", "--no-detect").status == 0
    assert command("explain", "face.png", "--no-detect", "--out", "why.png").status == 0


def test_a_weights_file_that_is_not_there_is_the_users_mistake(tmp_path):
    with pytest.raises(UserError, match=re.escape(str(tmp_path / "best.safetensors"))):
        load_model(tmp_path / "best.safetensors")


@pytest.mark.parametrize("words", [["predict"], ["explain"]])
def test_without_weights_one_line_says_what_to_name(tmp_path, command, monkeypatch, words):
    monkeypatch.setattr("experiments.age.weights.FOLDER", tmp_path / "weights")
    outcome = command(*words, "face.png")
    assert (outcome.status, len(outcome.err)) == (2, 1)
    assert f"there are no trained weights in {tmp_path / 'weights'}: --weights takes" in outcome.err[0]

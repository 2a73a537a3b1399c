"""The `predict` command: faces in photographs, what is printed and drawn of them, and every kind of file."""

import csv
import functools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from experiments.age import camera, photo
from experiments.age.annotate import annotated, with_boxes
from experiments.age.faces_in_photo import Box, cut_out, face_finder, framed, merged, whole
from experiments.age.photo import pictures
from experiments.age.tasks import AGE_GROUPS
from experiments.age.weights import BEST_FIRST, default_weights
from models.age_cnn import AgeCNN
from tests.data import zoo
from tinygrad_cnn.data import SyntheticFaces, printable, read_image
from tinygrad_cnn.train import AgeModel, Binary, Classes, Regression, Several, load_age_model

HEADING = ["file", "face", "x", "y", "width", "height", "age_years"]


@functools.cache
def drawn_face():
    """A drawn face that the detector accepts, as it does three in four of them."""
    return SyntheticFaces(7, 200, seed=9)[6][0]


def scene(*places, height=400, width=600):
    """A photograph of grey shades, with a drawn face of the given side at each place (x, y, side)."""
    across, down = np.meshgrid(np.linspace(90, 160, width), np.linspace(0, 40, height))
    image = np.repeat((across + down)[:, :, None], 3, axis=2).astype(np.uint8)
    for x, y, side in places:
        image[y : y + side, x : x + side] = cv2.resize(drawn_face(), (side, side), interpolation=cv2.INTER_AREA)
    return image


def save(name, image):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(cv2.imencode(Path(name).suffix, image[:, :, ::-1])[1].tobytes())
    return Path(name)


def about(box, x, y, side):
    """Whether the box is roughly there: within a fifth of its side."""
    return max(abs(box[0] - x), abs(box[1] - y), abs(box[2] - side)) < side / 5


@pytest.fixture
def predict(command, trained):
    return lambda *arguments: command("predict", *arguments, "--weights", trained[0] / "best.safetensors")


def table(lines):
    return list(csv.DictReader(lines))


# -- finding faces ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def find():
    return face_finder()


def test_each_face_of_a_photograph_is_found_once_from_left_to_right(find):
    boxes = find(scene((350, 60, 200), (60, 150, 140)))
    assert len(boxes) == 2
    assert about(boxes[0], 83, 189, 99)  # the drawn head, without the background that was drawn around it
    assert about(boxes[1], 384, 119, 136)


def test_a_face_that_fills_the_picture_is_found_by_its_continued_border(find):
    face = drawn_face()[30:, 20:180]
    (box,) = find(face)
    assert box.side > 120


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (9000, 1), (40, 40), (300, 500)])
def test_where_there_is_no_face_none_is_found(find, size):
    assert find(np.full((*size, 3), 128, np.uint8)) == []
    noise = np.random.default_rng(0).integers(256, size=(*size, 3)).astype(np.uint8)
    assert find(noise) == []


def test_a_tiny_face_is_found(find):
    face = cv2.resize(drawn_face(), (32, 32), interpolation=cv2.INTER_AREA)
    (box,) = find(face)
    assert 16 < box.side < 32


def test_a_large_photograph_is_searched_in_a_small_copy_and_boxes_are_in_its_own_pixels(find):
    image = cv2.resize(scene((350, 60, 200)), None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    (box,) = find(image)
    assert about(box, 4 * 384, 4 * 119, 4 * 136)


def test_a_photograph_of_a_person_is_found_to_show_one(find):
    cbook = pytest.importorskip("matplotlib.cbook")  # carries a photograph by the US Navy, in the public domain
    try:
        image = read_image(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    except (FileNotFoundError, OSError):
        pytest.skip("this matplotlib comes without its sample pictures")
    (box,) = find(image)
    assert about(box, 152, 126, 222)


def test_an_opencv_without_detectors_is_told_in_one_line(predict, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2.data", None)
    save("face.png", drawn_face())
    outcome = predict("face.png")
    assert (outcome.status, len(outcome.err)) == (2, 1)
    assert "carries no face detector" in outcome.err[0]
    assert predict("face.png", "--no-detect").status == 0


def test_boxes_of_one_face_are_one_with_the_votes_of_all():
    first, near, far = Box(10, 10, 100), Box(20, 15, 100), Box(200, 10, 90)
    assert merged([(3, near), (5, first), (2, far)]) == [(8, first), (2, far)]
    assert merged([]) == []


def test_the_frame_is_utkfaces():
    assert framed(Box(0, 0, 204), 0, 1.0) == Box(2, 20, 200)
    assert framed(Box(50, 50, 204), 50, 0.5) == Box(4, 40, 400)


def test_what_is_cut_out_beyond_the_border_continues_it():
    image = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
    cut = cut_out(image, Box(-1, -2, 8), 8)
    np.testing.assert_array_equal(cut[2:7, 1:5], image)
    np.testing.assert_array_equal(cut[0, 1:5], image[0])
    np.testing.assert_array_equal(cut[2:7, 7], image[:, 3])
    assert cut_out(image, Box(1, 1, 3), 6).shape == (6, 6, 3)


# -- what is drawn ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(300, 400), (60, 60), (9000, 1), (1, 9000), (1, 1), (2000, 30)])
def test_the_answer_below_a_picture_of_any_proportions_is_not_cut_off(shape):
    for answer, note in (("34 years", ""), ("34 years, female, 30-39", "trained on synthetic faces"), ("", "a note")):
        image = annotated(np.full((*shape, 3), 128, np.uint8), answer, note)
        assert image.shape[1] == max(240, shape[1])
        assert shape[0] < image.shape[0] < 4 * max(*shape, 240)
        band = image[-int(0.06 * image.shape[1]) :]
        assert (band[:, [0, -1]] == 34).all()  # no letter touches the edges


@pytest.mark.parametrize(
    "box", [(0, 0, 50), (350, 250, 50), (150, 100, 100), (-20, -20, 440), (390, 290, 400), (5, 0, 20)]
)
@pytest.mark.parametrize("text", ["7 years", "34 years, female, 30-39"])
def test_a_boxes_label_lies_within_the_picture(box, text):
    photo = np.full((300, 400, 3), 128, np.uint8)
    image = with_boxes(photo, [(Box(*box), text)])
    assert image.shape == photo.shape
    assert (photo == 128).all()
    dark = np.argwhere((image == 34).all(2))
    top, left = dark.min(0)
    bottom, right = dark.max(0)
    for edge in (image[top : bottom + 1, left], image[top : bottom + 1, right], image[bottom, left : right + 1]):
        assert not (edge > 200).all(1).any()  # the text ends before its background does
    assert (image[top : bottom + 1, left : right + 1] > 200).all(2).any()


def test_labels_of_neighbours_do_not_cover_each_other():
    boxes = [Box(100, 100, 60), Box(150, 100, 60)]
    one = with_boxes(np.full((300, 400, 3), 128, np.uint8), [(boxes[0], "20 years")])
    both = with_boxes(np.full((300, 400, 3), 128, np.uint8), [(box, "20 years") for box in boxes])
    assert ((both == 34).all(2).sum()) > 1.8 * ((one == 34).all(2).sum())


def test_a_small_picture_is_enlarged_with_its_boxes():
    image = with_boxes(np.full((48, 48, 3), 128, np.uint8), [(Box(4, 4, 40), "7 years")])
    assert image.shape == (240, 240, 3)
    frame = np.argwhere((image == (255, 196, 0)).all(2))
    assert np.abs(frame.min(0) - 20).max() <= 1  # 4 pixels, five times as large, and half of the line
    assert np.abs(frame.max(0) - 219).max() <= 1


def test_a_picture_without_a_face_says_so_below():
    assert with_boxes(np.full((300, 400, 3), 128, np.uint8), []).shape[0] > 300


# -- the command ------------------------------------------------------------------------------------------


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


# -- files of every kind ----------------------------------------------------------------------------------


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
    for name in names:
        save(f"album/{name}", scene())
    rows = json.loads("\n".join(predict("album", "--format", "json", "--annotate", "a").out))
    assert sorted(row["file"] for row in rows) == sorted(f"album/{name}" for name in names)
    assert len(os.listdir("a")) == len(names)
    assert predict("album", "--out", "names.csv").status == 0
    with open("names.csv", newline="", encoding="utf-8") as file:
        read = {row["file"] for row in csv.DictReader(file)}
    assert {f"album/{name}" for name in names if name != names[3]} < read
    assert predict("album/[1].png").out[1].endswith("[1].png: no face found")  # a file is no pattern


def test_an_annotated_picture_never_takes_the_place_of_the_picture(predict):
    before = save("0001-a.png", scene()).read_bytes()
    assert predict("0001-a.png", "--annotate", ".").status == 0
    assert Path("0001-a.png").read_bytes() == before


def test_a_reader_that_leaves_early_is_no_error(script, trained, tmp_path):
    for i in range(40):
        save(tmp_path / "album" / f"{i}.png", scene(height=20, width=20))
    weights = trained[0] / "best.safetensors"
    run = subprocess.run(
        ["bash", "-c", f"'{sys.executable}' '{script}' predict '{tmp_path}/album' --weights '{weights}' | head -n 1"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert (run.stdout, run.stderr) == (",".join(HEADING) + "\n", "")


# -- weights ----------------------------------------------------------------------------------------------


def test_the_best_of_the_shipped_weights_is_the_default(tmp_path, command, trained, monkeypatch):
    monkeypatch.setattr("experiments.age.weights.FOLDER", tmp_path)
    for name in reversed(BEST_FIRST):
        (tmp_path / name).write_bytes((trained[0] / "best.safetensors").read_bytes())
        assert default_weights() == tmp_path / name
    save("face.png", SyntheticFaces(1, 32, seed=9)[0][0])
    assert command("predict", "face.png", "--no-detect").status == 0
    assert command("explain", "face.png", "--out", "why.png").status == 0


@pytest.mark.parametrize("words", [["predict"], ["explain"]])
def test_without_weights_one_line_says_what_to_name(tmp_path, command, monkeypatch, words):
    monkeypatch.setattr("experiments.age.weights.FOLDER", tmp_path / "weights")
    outcome = command(*words, "face.png")
    assert (outcome.status, len(outcome.err)) == (2, 1)
    assert f"there are no trained weights in {tmp_path / 'weights'}: --weights takes" in outcome.err[0]


# -- the camera -------------------------------------------------------------------------------------------


class Camera:
    """Gives a scene with a face, as often as it is asked."""

    def __init__(self, opened=True, pictures=99):
        self.opened, self.left, self.released = opened, pictures, False

    def isOpened(self):
        return self.opened

    def read(self):
        self.left -= 1
        return self.left >= 0, np.ascontiguousarray(scene((350, 60, 200))[:, :, ::-1])

    def release(self):
        self.released = True


@pytest.fixture
def screen(monkeypatch):
    """What is shown in the window; the key q is pressed at the third picture."""
    shown = []
    monkeypatch.setattr(camera, "has_display", lambda: True)
    monkeypatch.setattr(cv2, "namedWindow", lambda *_: None)
    monkeypatch.setattr(cv2, "imshow", lambda _, picture: shown.append(picture))
    monkeypatch.setattr(cv2, "waitKey", lambda _: ord("q") if len(shown) == 3 else -1)
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: 1.0)
    monkeypatch.setattr(cv2, "destroyAllWindows", lambda: None)
    return shown


def test_the_camera_shows_ages_until_q_is_pressed(predict, monkeypatch, screen):
    fake, asked = Camera(), []
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: asked.append(number) or fake)
    outcome = predict("--camera", "2")
    assert (outcome.status, outcome.err) == (0, [])
    assert asked == [2]
    assert len(screen) == 3
    assert all((picture == (0, 196, 255)).all(2).any() for picture in screen)  # the box, in OpenCV's order of colours
    assert fake.released


def test_a_window_that_is_closed_ends_it_too(predict, monkeypatch, screen):
    monkeypatch.setattr(cv2, "VideoCapture", lambda _: Camera())
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: 0.0)
    assert predict("--camera").status == 0
    assert len(screen) == 1


@pytest.mark.parametrize(
    ("fake", "display", "line"),
    [
        (Camera(opened=False), True, "there is no camera 0 here"),
        (Camera(), False, "there is no display here to show the camera's pictures on"),
        (Camera(pictures=1), True, "camera 0 gives no pictures"),
    ],
)
def test_without_camera_display_or_pictures_there_is_one_line(predict, monkeypatch, screen, fake, display, line):
    monkeypatch.setattr(cv2, "VideoCapture", lambda _: fake)
    monkeypatch.setattr(camera, "has_display", lambda: display)
    outcome = predict("--camera")
    assert (outcome.status, outcome.err) == (2, [f"utkface_age.py predict: {line}"])
    assert fake.released


def test_where_there_is_no_camera_opencv_adds_no_line(script, trained):
    run = subprocess.run(
        [sys.executable, script, "predict", "--camera", "77", "--weights", trained[0] / "best.safetensors"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (2, "utkface_age.py predict: there is no camera 77 here\n")


@pytest.mark.skipif(sys.platform != "linux", reason="takes the display away as X11 does")
def test_a_display_that_is_not_there_is_noticed(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not camera.has_display()


def test_the_whole_picture_is_its_largest_centred_square():
    assert whole(np.zeros((10, 31, 3), np.uint8)) == [Box(10, 0, 10)]

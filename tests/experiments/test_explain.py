"""The `explain` command: its picture shows the numbers, each with its unit, and a mistake gets one clear line."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from experiments.age.explain import YEARS, Explanation, Score, explanation, plot_explanation
from experiments.age.options import PICTURES
from models.age_resnet import AgeResNet
from tests.experiments.scenes import drawn_face, save, scene
from tinygrad_cnn import explain, nn
from tinygrad_cnn.data import SyntheticFaces, to_float
from tinygrad_cnn.train import AgeModel, Binary, Classes, ExpectedAge, Regression, Several

SIZE = 32
FIELDS = ("face", "x", "y", "width", "height")


class Deep(nn.Module):
    """Batch norm, leaky units that leave negative values, global average pooling, and long names."""

    def __init__(self):
        convolutions = [nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 12, 3, stride=2)]
        self.convolutions_of_the_deep_network = nn.ModuleList(convolutions)
        self.head = nn.Linear(12, 1)

    def forward(self, x):
        for layer in self.convolutions_of_the_deep_network:
            x = F.leaky_relu(layer(x), 0.2)
        return self.head(x.mean((2, 3)))


@pytest.fixture(scope="module")
def face():
    return SyntheticFaces(1, SIZE, seed=9)[0][0]


@pytest.fixture(scope="module")
def small_explanation(face):
    return explanation(age_model(Deep()), face)


@pytest.fixture
def photo(command):
    return save("face.png", drawn_face())


def age_model(network):
    return AgeModel(network, SIZE, Regression(35.0, 20.0), 30.0, "synthetic faces")


# -- the numbers ------------------------------------------------------------------------------------------


def test_the_explanation_is_in_years(face):
    tg.manual_seed(0)
    model = age_model(Deep())
    why = explanation(model, face)
    x = to_float(face[None])
    assert why.predicted == pytest.approx(float(model.predict(face[None])[0]))
    np.testing.assert_allclose(why.saliency, 20 * explain.saliency(model.model, x)[0], rtol=1e-5)
    np.testing.assert_allclose(why.grad_cam, 20 * explain.grad_cam(model.model, x)[0], rtol=1e-5)
    np.testing.assert_allclose(why.occlusion, 20 * explain.occlusion(model.model, x, 4, 1)[0], rtol=1e-3, atol=1e-5)
    assert why.smooth_grad.shape == (SIZE, SIZE)
    assert why.grad_cam.shape == (15, 15)
    assert why.layer == "convolutions_of_the_deep_network.2"


def test_an_age_that_is_the_mean_of_two_looks_is_explained_as_that(face):
    """At the face and at its mirror image: the maps are those of both looks together, here of a distribution's mean."""
    tg.manual_seed(0)
    network = AgeResNet(outputs=91)
    network.fc.weight.data[...] *= 50  # so that the age depends on the face
    model = AgeModel(network, SIZE, ExpectedAge(oldest=90), 30.0, "synthetic faces", flip=True)
    why, mirrored = explanation(model, face), explanation(model, face[:, ::-1])
    assert why.predicted == pytest.approx(mirrored.predicted, abs=1e-4)
    for name in ("saliency", "occlusion", "grad_cam"):
        found, again = getattr(why, name), getattr(mirrored, name)[:, ::-1]
        np.testing.assert_allclose(found, again, rtol=1e-3, atol=1e-3 * abs(found).max())
    x = tg.Tensor(to_float(face[None]), requires_grad=True)
    (gradient,) = tg.grad(model.see(x).sum(), x)
    np.testing.assert_allclose(why.saliency, abs(gradient.data[0]).max(0), rtol=1e-4, atol=1e-7)
    assert why.layer == "stage3"


def test_an_age_at_the_bound_of_0_is_explained_all_the_same(face):
    network = Deep()
    network.head.bias.data[...] = -99.0
    why = explanation(age_model(network), face)
    assert why.predicted == 0
    assert why.saliency.max() > 0


# -- classes -----------------------------------------------------------------------------------------------


FACE_HEADS = {
    "gender": Binary("gender", ("male", "female")),
    "age_group": Classes("age_group", ("child", "adult", "old")),
}


def test_a_class_is_explained_by_its_log_odds(face):
    """Of the class that is seen: what the network gives for it, against all others together."""
    x = to_float(face[None])
    for subject, head in FACE_HEADS.items():
        tg.manual_seed(0)
        network = AgeResNet(outputs=head.outputs)
        model = AgeModel(network, SIZE, head, 30.0, "synthetic faces")
        probability = model.predict(face[None])[0]
        why = explanation(model, face)
        assert why.predicted == pytest.approx(probability.max())
        assert why.answer == f"{head.names[probability.argmax()]}, {probability.max():.0%}"
        number = int(probability.argmax())
        for k in range(len(head.names)):
            odds = Score(model, subject, k)(tg.Tensor(x)).item()
            assert odds == pytest.approx(np.log(probability[k] / (1 - probability[k])), abs=1e-4)
        found = explain.saliency(Score(model, subject, number), x)[0]
        np.testing.assert_allclose(why.saliency, found, rtol=1e-5)
        assert why.scale.more == head.names[number]


def test_log_odds_do_not_drown_where_the_probability_is_all_but_1():
    model = AgeModel(nn.Flatten(), 1, FACE_HEADS["age_group"], 30.0, "synthetic faces")
    logits = tg.Tensor([[300.0, 100.0, -50.0]], requires_grad=True)
    score = Score(model, "age_group", 0).of(logits)
    (gradient,) = tg.grad(score.sum(), logits)
    assert score.item() == pytest.approx(200)
    np.testing.assert_allclose(gradient.data, [[1, -1, 0]], atol=1e-6)


def test_each_of_several_answers_can_be_explained(face):
    head = Several((ExpectedAge(oldest=90), *FACE_HEADS.values()), (1.0, 1.0, 1.0))
    model = AgeModel(AgeResNet(outputs=head.outputs), SIZE, head, 30.0, "synthetic faces", flip=True)
    years, gender, group = (explanation(model, face, subject=name) for name in (None, "gender", "age_group"))
    assert years.scale == YEARS
    assert {gender.scale.more, gender.scale.less} == {"male", "female"}
    assert group.scale.less == "another age group"
    assert len({why.saliency.tobytes() for why in (years, gender, group)}) == 3
    for why in (years, gender, group):
        FigureCanvasAgg(plot_explanation(why, "face.png")).draw()


# -- the picture ------------------------------------------------------------------------------------------


def test_the_picture_shows_the_maps_and_names_their_units(face):
    why = explanation(age_model(Deep()), face)
    figure = plot_explanation(why, "face.png")
    shown = [np.asarray(image.get_array()) for axes in figure.axes for image in axes.images]
    for values in (face, why.saliency, why.smooth_grad):
        assert any(np.array_equal(values, one) for one in shown)
    texts = [text.get_text() for text in figure.texts]
    units = [axes.get_xlabel() or axes.get_ylabel() for axes in figure.axes if axes.get_xlabel() or axes.get_ylabel()]
    assert units == [
        "years per unit of pixel value", "years per unit of pixel value", "years, by place of 15 × 15",  # noqa: RUF001
        "years, with 4 × 4 pixels hidden", "activation", "activation",  # noqa: RUF001
    ]  # fmt: skip
    assert f"Deep sees {why.predicted:.0f} years" in texts
    assert any("trained on synthetic faces" in text for text in texts)
    assert {"The face", "Saliency", "SmoothGrad", "Grad-CAM", "Occlusion"} <= set(texts)


def test_red_speaks_for_older_and_blue_for_younger_over_the_face_in_pale_grey():
    """In Grad-CAM red is a positive value; in occlusion a negative one: to hide it made the age fall."""
    cam, hiding, nothing = np.zeros((3, 8, 8))
    cam[0, 0], cam[0, 7] = 3.0, -3.0
    hiding[7, 0], hiding[7, 7] = -2.0, 2.0
    half_black = np.zeros((8, 8, 3), np.uint8)
    half_black[:, 4:] = 102  # 0.4 of white
    maps = {"conv": np.zeros((1, 8, 8))}
    why = Explanation(
        "Net", "faces", half_black, "30 years", 30.0, YEARS, "conv", cam, nothing, nothing, 2, hiding, maps
    )
    panels = [axes.images[0].get_array() for axes in plot_explanation(why, "face.png").axes if axes.images]
    for panel, older, younger in ((panels[3], (0, 0), (0, 7)), (panels[4], (7, 0), (7, 7))):
        red, _, blue = panel[older]
        assert red > 2 * blue
        red, _, blue = panel[younger]
        assert blue > 2 * red
        elsewhere = np.ones((8, 8), bool)
        elsewhere[older] = elsewhere[younger] = False
        grey = np.where(half_black == 0, 0.45, 0.45 + 0.55 * 0.4)
        np.testing.assert_allclose(panel[elsewhere], grey[elsewhere])


def test_one_layer_of_each_resolution_is_shown_with_its_strongest_maps_first(face):
    why = explanation(age_model(Deep()), face)
    figure = plot_explanation(why, "face.png")
    numbers = [int(axes.get_title()) for axes in figure.axes if axes.get_title()]
    last = why.maps["convolutions_of_the_deep_network.2"]
    strength = abs(last).mean((1, 2))
    assert numbers[-8:] == sorted(range(12), key=lambda k: -strength[k])[:8]
    assert any("The last layer of each resolution" in text.get_text() for text in figure.texts)
    assert len(numbers) == 4 + 8  # the second layer hides the first, of the same size
    (map_axes,) = [axes for axes in figure.axes if axes.get_title() == str(numbers[-8])][-1:]
    np.testing.assert_array_equal(map_axes.images[0].get_array(), last[numbers[-8]])
    assert map_axes.images[0].get_clim() == (-abs(last).max(), abs(last).max())  # for some values are negative


@pytest.mark.parametrize("name", ["face.png", "a$b$ \udcff\n_^{.png", "W" * 200 + ".jpg"])
def test_every_text_fits_on_the_page(face, name):
    figure = plot_explanation(explanation(age_model(Deep()), face), name)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    page = figure.bbox
    for text in figure.texts:
        box = text.get_window_extent(canvas.get_renderer())
        assert page.x0 <= box.x0 <= box.x1 <= page.x1, text.get_text()
        assert page.y0 <= box.y0 <= box.y1 <= page.y1, text.get_text()


def test_a_network_that_sees_nothing_can_be_drawn(face):
    network = Deep()
    for parameter in network.parameters():
        parameter.data[...] = 0
    canvas = FigureCanvasAgg(plot_explanation(explanation(age_model(network), face), "face.png"))
    canvas.draw()


# -- the command ------------------------------------------------------------------------------------------


def test_it_writes_one_picture_and_prints_the_age_that_predict_prints(command, trained, photo):
    weights = trained[0] / "best.safetensors"
    outcome = command("explain", photo, "--weights", weights)
    assert outcome.status == 0
    assert outcome.err == []
    (line,) = outcome.out
    age = command("predict", photo, "--weights", weights).out[1].split()[0]
    assert line.startswith(f"{age} years: face-explained.png")
    assert line.endswith("trained on synthetic faces")
    assert sorted(path.name for path in Path().iterdir()) == ["face-explained.png", "face.png"]


def test_of_several_faces_the_largest_is_explained_or_the_one_that_is_asked_for(command, trained):
    weights = ["--weights", trained[0] / "best.safetensors"]
    save("two.png", scene((60, 150, 140), (350, 60, 200)))
    rows = [json.loads(line) for line in command("predict", "two.png", *weights, "--log-format", "json").out[1:3]]
    for asked, number in (([], 2), (["--face", 1], 1), (["--face", 2], 2)):
        outcome = command("explain", "two.png", *weights, *asked, "--log-format", "json")
        assert (outcome.status, outcome.err) == (0, [])
        said = json.loads(outcome.out[0])
        assert {name: said[name] for name in FIELDS} == {name: rows[number - 1][name] for name in FIELDS}
        assert said["answer"] == f"{rows[number - 1]['age_years']:.1f} years"
        assert f"what in two.png, face {number} of 2 made" in said["message"]


def test_with_no_detect_the_whole_picture_is_explained(command, trained, photo):
    weights = ["--weights", trained[0] / "best.safetensors", "--no-detect"]
    age = command("predict", photo, *weights).out[1].split()[0]
    said = json.loads(command("explain", photo, *weights, "--log-format", "json").out[0])
    assert said["answer"] == f"{age} years"
    assert [said[name] for name in FIELDS] == [1, 0, 0, 200, 200]


def test_a_picture_in_which_no_face_is_found_is_taken_whole_and_that_is_said(command, trained):
    save("wall.png", scene())
    outcome = command("explain", "wall.png", "--weights", trained[0] / "best.safetensors", "--log-format", "json")
    assert (outcome.status, outcome.err) == (0, [])
    said = json.loads(outcome.out[0])
    assert [said[name] for name in FIELDS] == [0, 100, 0, 400, 400]
    assert "what in wall.png (no face found: its middle) made AgeCNN" in said["message"]


def test_the_same_face_gives_the_same_picture(command, trained, photo):
    weights = trained[0] / "best.safetensors"
    assert command("explain", photo, "--weights", weights, "--out", "a.png").status == 0
    assert command("explain", photo, "--weights", weights, "--out", "b.png", "--threads", "1").status == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


@pytest.mark.parametrize("out", [f"why{suffix}" for suffix in PICTURES] + ["why.PNG", "why.JpG", "why.PDF"])
def test_every_format_that_is_offered_is_written_in_any_letter_case(face, out, tmp_path, small_explanation):
    plot_explanation(small_explanation, "face.png").savefig(tmp_path / out)
    begins = {"png": b"\x89PNG", "jpg": b"\xff\xd8", "webp": b"RIFF", "pdf": b"%PDF", "svg": b"<?xml", "ps": b"%!PS"}
    content = (tmp_path / out).read_bytes()
    assert len(content) > 1000
    assert content.startswith(begins.get(out[4:].lower(), b""))


@pytest.mark.parametrize("out", ["why.JPEG", "why.pdf"])
def test_it_writes_other_formats_and_grad_cam_of_another_layer(command, trained, photo, out):
    outcome = command("explain", photo, "--weights", trained[0] / "best.safetensors", "--out", out, "--layer", "conv1")
    assert outcome.status == 0
    assert Path(out).stat().st_size > 10_000


def test_a_picture_of_any_size_and_name_is_explained(command, trained):
    import cv2

    cv2.imwrite("wide.png", np.full((40, 900, 3), 90, np.uint8))
    shutil.move("wide.png", "顔 $1.png")
    outcome = command("explain", "顔 $1.png", "--weights", trained[0] / "best.safetensors")
    assert (outcome.status, outcome.err) == (0, [])
    assert Path("顔 $1-explained.png").exists()


MISTAKES = {
    "no picture": (["explain", "--weights", "W"], "required: IMAGE"),
    "no weights": (["explain", "face.png"], "there are no trained weights in"),
    "two pictures": (["explain", "face.png", "face.png", "--weights", "W"], "unrecognized arguments: face.png"),
    "a picture that is not there": (["explain", "no.png", "--weights", "W"], "can't read no.png: No such file"),
    "a folder for a picture": (["explain", "folder", "--weights", "W"], "can't read folder: not a regular file"),
    "text for a picture": (["explain", "text.png", "--weights", "W"], "can't read text.png: neither a JPEG nor a PNG"),
    "a face of a wall": (
        ["explain", "wall.png", "--weights", "W", "--face", "1"],
        "--face 1: no face found in wall.png",
    ),
    "a face that is not there": (
        ["explain", "face.png", "--weights", "W", "--face", "2"],
        "--face 2: 1 face found in face.png",
    ),
    "a face of no number": (["explain", "face.png", "--face", "0"], "--face: must be a whole number of at least 1"),
    "a face where none is looked for": (
        ["explain", "face.png", "--face", "1", "--no-detect"],
        "--no-detect: not allowed with argument --face",
    ),
    "weights that are not there": (["explain", "face.png", "--weights", "nowhere"], "nowhere"),
    "text for weights": (["explain", "face.png", "--weights", "text.png"], "safetensors"),
    "a layer that is none": (
        ["explain", "face.png", "--weights", "W", "--layer", "conv9"],
        "--layer: no layer 'conv9' gives feature maps; those that do: conv1, conv2, conv3",
    ),
    "a layer without maps": (["explain", "face.png", "--weights", "W", "--layer", "fc1"], "no layer 'fc1'"),
    "a subject that it does not tell": (
        ["explain", "face.png", "--weights", "W", "--subject", "gender"],
        "tells age, and no gender",
    ),
    "a subject that is none": (
        ["explain", "face.png", "--weights", "W", "--subject", "race"],
        "invalid choice: 'race'",
    ),
    "a picture without a suffix": (
        ["explain", "face.png", "--weights", "W", "--out", "why"],
        "--out: must end in .png",
    ),
    "an empty layer": (["explain", "face.png", "--weights", "W", "--layer", ""], "no layer ''"),
    "to write text": (["explain", "face.png", "--weights", "W", "--out", "a.txt"], "--out: must end in .png"),
    "to write nowhere": (
        ["explain", "face.png", "--weights", "W", "--out", "no/a.png"],
        "there is no folder no to write to",
    ),
    "to write over a folder": (
        ["explain", "face.png", "--weights", "W", "--out", "dir.png"],
        "--out dir.png is a folder",
    ),
    "to write over the face": (
        ["explain", "face.png", "--weights", "W", "--out", "./face.png"],
        "overwrite the picture",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_one_clear_line_and_status_2(command, trained, photo, mistake, monkeypatch):
    monkeypatch.setattr("experiments.age.weights.FOLDER", Path("nowhere"))
    Path("folder").mkdir()
    Path("dir.png").mkdir()
    Path("text.png").write_text("text")
    save("wall.png", scene())
    before = photo.read_bytes()
    arguments, message = MISTAKES[mistake]
    outcome = command(*(trained[0] / "best.safetensors" if word == "W" else word for word in arguments))
    assert (outcome.status, len(outcome.err)) == (2, 1)
    assert outcome.err[0].startswith("utkface_age.py explain: ")
    assert message in outcome.err[0]
    assert photo.read_bytes() == before
    assert not list(Path().glob("*-explained.png"))

"""The export command: a file that ONNX Runtime alone turns pictures into years with."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from experiments.age import export as exporting
from experiments.age import weights
from experiments.age.networks import MODELS
from models.age_cnn import AgeCNN
from models.age_resnet import AgeResNet
from tinygrad_cnn.train import AgeModel, Binary, Classes, ExpectedAge, Regression, Several, load_age_model

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

GROUPS = ("young", "old", "ancient")
EACH = (ExpectedAge(), Binary("gender", ("male", "female")), Classes("age_group", GROUPS))
AGE_MODELS = {
    "AgeCNN": lambda: AgeModel(AgeCNN(32), 32, Regression(33.0, 20.0), 30.0, "drawn faces"),
    "AgeResNet": lambda: AgeModel(AgeResNet(), 32, Regression(33.0, 20.0), 30.0, "drawn faces", flip=True),
    "expected age": lambda: AgeModel(AgeResNet(117), 40, EACH[0], 30.0, "drawn faces"),
    "gender": lambda: AgeModel(AgeCNN(32), 32, EACH[1], 30.0, "drawn faces"),
    "age group": lambda: AgeModel(AgeResNet(3), 32, EACH[2], 30.0, "drawn faces"),
    "several": lambda: AgeModel(AgeResNet(121), 32, Several(EACH, (1.0, 1.0, 0.5)), 30.0, "drawn faces", flip=True),
}


def faces(count, size):
    return np.random.default_rng(count).integers(0, 256, (count, size, size, 3)).astype(np.uint8)


@pytest.mark.parametrize("kind", AGE_MODELS)
def test_an_exported_model_says_of_pictures_what_the_model_does(kind, tmp_path):
    model = AGE_MODELS[kind]()
    exporting.export(model, tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    assert [output.name for output in session.get_outputs()] == list(model.head.subjects)
    assert session.get_inputs()[0].shape == ["batch", model.image_size, model.image_size, 3]
    for count in (1, 3):
        images = faces(count, model.image_size)
        expected = model.predict(images)
        parts = model.head.split(expected) if isinstance(model.head, Several) else [expected]
        for got, part in zip(session.run(None, {"faces": images}), parts, strict=True):
            assert got.shape == part.shape
            np.testing.assert_allclose(got, part, rtol=1e-4, atol=1e-4)


def test_the_file_says_what_goes_in_and_what_comes_out(tmp_path):
    exporting.export(AGE_MODELS["several"](), tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    about = session.get_modelmeta().custom_metadata_map
    assert about["model"] == "AgeResNet"
    assert about["image_size"] == "32"
    assert about["input"].startswith("uint8 RGB (batch, 32, 32, 3)")
    assert about["preprocessing"] == "inside the graph: RGB, (value / 255 - 0.5) / 0.5, channels first"
    assert json.loads(about["outputs"]) == {
        "age": "years",
        "gender": "probabilities of male, female",
        "age_group": "probabilities of young, old, ancient",
    }


def test_a_run_is_exported_and_the_example_runs_on_the_file_without_this_package(command, trained, tmp_path):
    trained_weights = trained[0] / "best.safetensors"
    outcome = command("export", "--weights", trained_weights, "--out", "age.onnx")
    assert (outcome.status, outcome.err) == (0, [])
    assert outcome.out == ["age.onnx: age from uint8 RGB pictures of 32x32 pixels; AgeCNN trained on synthetic faces"]
    code = "import sys; sys.modules['tinygrad_cnn'] = None\n"
    code += textwrap.dedent(exporting.__doc__.split("takes:\n", 1)[1])
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    black = load_age_model(trained_weights, MODELS).predict(np.zeros((2, 32, 32, 3), np.uint8))
    assert run.stdout.startswith("age years [")
    said = run.stdout.split("[")[1].strip("]\n ").split()
    np.testing.assert_allclose(np.array(said, float), black, rtol=1e-4)


def test_without_weights_the_best_that_ship_are_exported_to_where_the_user_is(command, trained, tmp_path, monkeypatch):
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    monkeypatch.setattr(weights, "FOLDER", shipped)
    outcome = command("export")
    assert outcome.status == 2
    assert "there are no trained weights in" in outcome.err[0]
    shutil.copy(trained[0] / "best.safetensors", shipped / "age_cnn_utkface.safetensors")
    assert command("export").out[0].startswith("age_cnn_utkface.onnx: age from uint8 RGB pictures of 32x32 pixels")
    assert command("export", "--weights", shipped / "age_cnn_utkface.safetensors").status == 0
    whole = (tmp_path / "age_cnn_utkface.onnx").read_bytes()
    assert (shipped / "age_cnn_utkface.onnx").read_bytes() == whole


@pytest.mark.parametrize(
    ("out", "message"), [("nowhere/age.onnx", "no folder 'nowhere'"), ("dir.onnx", "'dir.onnx' is a folder")]
)
def test_a_place_that_cannot_be_written_to_is_one_line(out, message, command, trained, tmp_path):
    (tmp_path / "dir.onnx").mkdir()
    outcome = command("export", "--weights", trained[0] / "best.safetensors", "--out", out)
    assert outcome.status == 2
    assert len(outcome.err) == 1
    assert message in outcome.err[0]

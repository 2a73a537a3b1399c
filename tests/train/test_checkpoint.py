"""A weights file is all that is needed to predict; what is wrong with one is said in one line."""

import json
import resource
import time

import numpy as np
import pytest

import tinygrad_cnn as tg
from models.age_cnn import AgeCNN
from models.age_resnet import AgeResNet
from tinygrad_cnn.train import AgeModel, ExpectedAge, Regression, load_age_model

MODELS = {"AgeCNN": AgeCNN, "AgeResNet": lambda image_size, outputs=1: AgeResNet(outputs)}
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3)).astype(np.uint8)


@pytest.fixture
def model():
    tg.manual_seed(3)
    return AgeModel(AgeCNN(16), 16, Regression(33.3, 19.9), 29.0, "synthetic faces")


@pytest.fixture
def path(model, tmp_path):
    tg.save(model.model.state_dict(), tmp_path / "w.safetensors", metadata=model.metadata())
    return tmp_path / "w.safetensors"


def test_a_model_comes_back_from_its_file_and_predicts_the_same(model, path):
    images = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3)).astype(np.uint8)
    loaded = load_age_model(path, MODELS)
    np.testing.assert_array_equal(loaded.predict(images), model.predict(images))
    assert loaded.head == model.head
    assert (loaded.image_size, loaded.median, loaded.data) == (16, 29.0, "synthetic faces")


def test_predictions_are_years_and_record_no_graph(model):
    ages = model.predict(np.zeros((2, 16, 16, 3), np.uint8))
    assert ages.shape == (2,)
    assert np.all((ages > 0) & (ages < 100))
    assert not model.model.training


def test_a_file_says_what_made_it_and_all_that_using_it_takes(path):
    assert tg.io.load_metadata(path) == {
        "format": "1",
        "made_by": f"tinygrad_cnn {tg.__version__}",
        "model": "AgeCNN",
        "image_size": "16",
        "pixels": "RGB, (value / 255 - 0.5) / 0.5",
        "head": "regression",
        "age_mean_years": "33.3",
        "age_std_years": "19.9",
        "flip_averaging": "no",
        "median_age_years": "29.0",
        "data": "synthetic faces",
    }


def test_a_file_from_before_there_were_heads_and_formats_still_loads(model, tmp_path):
    new = ("format", "made_by", "head", "flip_averaging")
    about = {key: text for key, text in model.metadata().items() if key not in new}
    tg.save(model.model.state_dict(), tmp_path / "w.safetensors", metadata=about)
    loaded = load_age_model(tmp_path / "w.safetensors", MODELS)
    assert (loaded.head, loaded.flip) == (model.head, False)


@pytest.mark.parametrize("flip", [False, True])
def test_an_expected_age_and_flip_averaging_come_back_from_the_file(tmp_path, flip):
    model = AgeModel(AgeResNet(outputs=91), 32, ExpectedAge(oldest=90, sigma=3.0), 29.0, "synthetic faces", flip)
    tg.save(model.model.state_dict(), tmp_path / "w.safetensors", metadata=model.metadata())
    loaded = load_age_model(tmp_path / "w.safetensors", MODELS)
    assert (loaded.head.outputs, loaded.flip) == (91, flip)
    np.testing.assert_array_equal(loaded.predict(IMAGES), model.predict(IMAGES))
    mirrored = loaded.predict(np.ascontiguousarray(IMAGES[:, :, ::-1]))
    assert np.allclose(mirrored, loaded.predict(IMAGES), atol=1e-3) == flip


def test_an_age_has_a_gradient_for_every_pixel(model):
    model.flip = True
    pictures = tg.randn(2, 3, 16, 16, requires_grad=True)
    years = model.see(pictures)
    assert years.shape == (2,)
    (gradient,) = tg.grad(years[0], pictures)
    assert np.abs(gradient.data[0]).min() > 0
    assert not gradient.data[1].any()


def test_no_predicted_age_is_negative(model):
    model.head = Regression(-50.0, 1.0)
    assert model.predict(IMAGES[:, :16, :16]).tolist() == [0.0] * 5


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.safetensors"):
        load_age_model(tmp_path / "none.safetensors", MODELS)


def test_a_file_of_another_kind_is_an_error(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"not weights")
    with pytest.raises(ValueError, match="safetensors"):
        load_age_model(tmp_path / "w.safetensors", MODELS)


def test_a_cut_file_is_an_error(path):
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="safetensors"):
        load_age_model(path, MODELS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"format": "2", "made_by": "tinygrad_cnn 9.0"},
            "made by tinygrad_cnn 9.0, in format '2'; this version reads '1'",
        ),
        ({"format": "", "made_by": None}, "made by another program, in format ''"),
        ({"model": None}, "lacks.*model"),
        ({"age_mean_years": None}, "lacks.*age_mean_years"),
        ({"image_size": "big"}, "lacks.*big"),
        ({"model": "OtherNet"}, "weights of 'OtherNet'; known models: AgeCNN, AgeResNet"),
        ({"pixels": "BGR"}, "trained on pixels 'BGR'"),
        ({"image_size": "32"}, r"does not fit AgeCNN at 32x32 pixels: .*fc1\.weight"),
        ({"image_size": "2"}, "image_size must be at least"),
        ({"image_size": "0"}, "pictures of 0x0 pixels; possible are 1 to 4096"),
        ({"image_size": "1" + "0" * 30}, "possible are 1 to 4096"),
        ({"image_size": "4096"}, "does not fit AgeCNN at 4096x4096 pixels: "),
        ({"head": "expected", "oldest_years": "1" + "0" * 30}, "does not fit AgeCNN"),
        ({"head": "classes", "subject": "x", "classes": "[" * 100_000}, "lacks what predicting needs: .*recursion"),
        ({"head": "classes", "subject": "x", "classes": "[1, 2]"}, "expected a list of words"),
        ({"head": "classes", "subject": "x", "classes": '["a", "\\ud800"]'}, "surrogates not allowed"),
        ({"head": "several", "subjects": '["x"]', "loss_weights": "[1]"}, "lacks .*age_mean_years"),
        ({"age_mean_years": "nan"}, "scale of ages: mean nan"),
        ({"age_mean_years": "1e999"}, "scale of ages: mean inf"),
        ({"age_std_years": "0.0"}, r"scale of ages: .* standard deviation 0\.0"),
        ({"head": "oracle"}, "no head is called 'oracle'; there are regression, expected, binary"),
        ({"head": "expected"}, "lacks.*oldest_years"),
        ({"head": "expected", "oldest_years": "-1"}, "oldest must be a number of at least 1"),
        ({"head": "expected", "oldest_years": "9"}, "does not fit AgeCNN"),
        ({"head": "classes"}, "lacks.*subject"),
        ({"head": "binary", "subject": "coin", "classes": "3"}, "lacks what predicting needs"),
        ({"head": "several", "subjects": "[]", "loss_weights": "[]"}, "0 heads"),
        ({"head": "several", "subjects": '["age"]', "loss_weights": "[1]"}, "lacks.*age_mean_years"),
        ({"median_age_years": "-inf"}, r"median .*-inf"),
    ],
)
def test_metadata_that_does_not_fit_is_an_error(model, tmp_path, change, message):
    about = {key: value for key, value in {**model.metadata(), **change}.items() if value is not None}
    tg.save(model.model.state_dict(), tmp_path / "w.safetensors", metadata=about)
    with pytest.raises(ValueError, match=message) as raised:
        load_age_model(tmp_path / "w.safetensors", MODELS)
    assert "\n" not in str(raised.value)


def test_weights_that_are_no_finite_numbers_are_an_error(model, tmp_path):
    state = model.model.state_dict()
    state["fc2.bias"][0] = np.nan
    tg.save(state, tmp_path / "w.safetensors", metadata=model.metadata())
    with pytest.raises(ValueError, match=r"fc2\.bias holds values that are no finite numbers"):
        load_age_model(tmp_path / "w.safetensors", MODELS)


def test_the_size_that_a_file_asks_for_costs_no_memory(model, tmp_path):
    tg.save(model.model.state_dict(), tmp_path / "w.safetensors", metadata={**model.metadata(), "image_size": "2000"})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="more elements than are allowed"):  # its first dense layer would take 2 GB
        load_age_model(tmp_path / "w.safetensors", MODELS)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**16  # KiB


def test_a_value_beyond_float32_is_an_error(model, tmp_path):
    state = model.model.state_dict()
    state["fc2.bias"] = np.array([1e300])
    tg.save(state, tmp_path / "w.safetensors", metadata=model.metadata())
    with pytest.raises(ValueError, match=r"does not fit AgeCNN .*fc2\.bias holds some that float32 can't"):
        load_age_model(tmp_path / "w.safetensors", MODELS)


def test_thousands_of_subjects_cost_no_more_than_their_file_is_long(model, tmp_path):
    about = {f"s{i}.age_mean_years": "1" for i in range(20_000)} | {f"s{i}.age_std_years": "1" for i in range(20_000)}
    about |= {"head": "several", "subjects": json.dumps([f"s{i}" for i in range(20_000)]), "loss_weights": "[1]"}
    tg.save({}, tmp_path / "w.safetensors", metadata=model.metadata() | about)
    started = time.process_time()
    with pytest.raises(ValueError, match="20000 heads need as many weights"):
        load_age_model(tmp_path / "w.safetensors", MODELS)
    assert time.process_time() - started < 5

"""The weights that ship: each file is what its card says, and sees in made pictures what the card says it sees."""

import re
from pathlib import Path

import numpy as np
import pytest

import tinygrad_cnn as tg
from experiments.age.networks import MODELS
from experiments.age.records import read_record
from experiments.ship import MOST_BYTES, probes, seen_in_probes
from tinygrad_cnn.io import load_metadata
from tinygrad_cnn.train import load_age_model

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "models" / "weights").glob("*.safetensors"))


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def shipped(request):
    return request.param


@pytest.fixture
def card(shipped):
    return shipped.with_suffix(".md").read_text(encoding="utf-8")


def test_agecnn_and_the_residual_network_ship():
    assert [path.stem for path in FILES] == ["age_cnn_utkface", "age_resnet_utkface"]


def test_the_predictions_are_those_of_the_card(shipped, card):
    said = dict(re.findall(r"^\| (\w+) \| (-?\d+\.\d{4}) \|$", card, re.MULTILINE))
    seen = seen_in_probes(load_age_model(shipped, MODELS))
    assert seen.keys() == said.keys()
    assert seen == pytest.approx({name: float(age) for name, age in said.items()}, abs=1e-3)


def test_the_probes_are_told_apart(shipped):
    ages = np.array(list(seen_in_probes(load_age_model(shipped, MODELS)).values()))
    assert np.isfinite(ages).all()
    assert np.ptp(ages) > 1  # years: a file of zeros would pass nothing else


def test_the_file_is_small_and_its_kernels_are_half_precision(shipped):
    assert shipped.stat().st_size <= MOST_BYTES
    assert {array.dtype for array in tg.load(shipped).values() if array.ndim >= 2} == {np.dtype(np.float16)}
    assert load_metadata(shipped)["data"] == "UTKFace"


def test_the_figures_and_the_command_of_the_card_are_the_records(shipped, card):
    (name,) = re.findall(r"experiments/records/(\w+)\)", card)
    record = read_record(ROOT / "experiments" / "records" / name)
    assert f"**{record.metrics['mae_years']:.2f} years**" in card
    assert record.command in card
    assert record.metrics["part"] == "val"
    for kind in ("decade", "gender", "race"):
        for group, figures in record.metrics[f"mae_years_by_{kind}"].items():
            assert group in card
            assert f"{figures['mae_years']:.2f}" in card


def test_the_probes_are_pictures_of_any_size():
    for size in (32, 96, 128):
        pictures = probes(size)
        assert all(picture.shape == (1, size, size, 3) and picture.dtype == np.uint8 for picture in pictures.values())
        assert pictures["shade"][0, :, 0, 0].tolist() == [row * 256 // size for row in range(size)]
        assert (pictures["disc"].max(), pictures["disc"].min()) == (255, 0)

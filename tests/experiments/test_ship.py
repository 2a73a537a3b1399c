"""Shipping a run: its weights in half precision, a card with its figures, and what must not ship."""

import errno
import json
import os

import numpy as np
import pytest

import tinygrad_cnn as tg
from experiments.age.networks import MODELS
from experiments.ship import halved, main, seen_in_probes
from experiments.tables import main as tables
from tinygrad_cnn.io import load_metadata
from tinygrad_cnn.train import load_age_model


@pytest.fixture
def root(tmp_path, trained):
    """A project whose run says that it was trained on photographs, and measured on validation faces."""
    run = tmp_path / "run"
    run.mkdir()
    for name in ("config.json", "history.csv", "metrics.json", "predictions.csv"):
        (run / name).write_text((trained[0] / name).read_text().replace("synthetic faces", "UTKFace"))
    metrics = json.loads((run / "metrics.json").read_text())
    metrics |= {"part": "val", "mae_years_by_race": {"Other": {"faces": 3, "mae_years": 7.25}}}
    (run / "metrics.json").write_text(json.dumps(metrics))
    weights = trained[0] / "best.safetensors"
    tg.save(tg.load(weights), run / "best.safetensors", load_metadata(weights) | {"data": "UTKFace"})
    (tmp_path / "README.md").write_text("<!-- results -->\n<!-- /results -->\n")
    assert tables(["keep", str(run), "cnn"], tmp_path) == 0
    return tmp_path


def test_the_weights_ship_in_half_precision_and_predict_the_same_to_a_tenth_of_a_year(root):
    assert main([str(root / "run"), "cnn"], root) == 0
    path = root / "models/weights/age_cnn_utkface.safetensors"
    assert path.stat().st_size < 0.6 * (root / "run/best.safetensors").stat().st_size
    before = seen_in_probes(load_age_model(root / "run/best.safetensors", MODELS))
    assert seen_in_probes(load_age_model(path, MODELS)) == pytest.approx(before, abs=0.1)
    assert load_metadata(path) == load_metadata(root / "run/best.safetensors")


def test_the_card_holds_the_figures_the_command_and_the_probes(root):
    assert main([str(root / "run"), "cnn"], root) == 0
    card = (root / "models/weights/age_cnn_utkface.md").read_text()
    metrics = json.loads((root / "run/metrics.json").read_text())
    assert f"**{metrics['mae_years']:.2f} years**" in card
    assert "python experiments/utkface_age.py --data synthetic --limit 200" in card
    assert "| error | 7.25 |" in card
    seen = seen_in_probes(load_age_model(root / "models/weights/age_cnn_utkface.safetensors", MODELS))
    assert all(f"| {name} | {age:.4f} |" in card for name, age in seen.items())
    assert "{" not in card


def test_the_card_says_by_how_much_each_decade_is_made_older_or_younger(root):
    rows = ["file,true_years,predicted_years", "a,3,4.5", "b,5,6", "c,95,80", "d,99,90"]
    (root / "experiments/records/cnn/predictions.csv").write_text("\n".join(rows) + "\n")
    assert main([str(root / "run"), "cnn"], root) == 0
    assert "| lean | +1.25 | -12.00 |" in (root / "models/weights/age_cnn_utkface.md").read_text()


def test_kernels_are_halved_and_all_else_is_kept():
    assert halved(np.ones((2, 3), np.float32)).dtype == np.float16
    assert halved(np.ones(3, np.float32)).dtype == np.float32
    assert halved(np.array(7)).dtype == np.array(7).dtype
    with pytest.raises(ValueError, match="70000 is beyond the range of float16"):
        halved(np.full((1, 1), -70000.0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda about, metrics: about.update(data="synthetic faces"), "from synthetic faces, not ages from UTKFace"),
        (lambda about, metrics: metrics.update(part="test"), "was not measured on validation faces"),
    ],
)
def test_what_must_not_ship_gets_one_line_and_leaves_no_file(root, capsys, change, message):
    weights, record = root / "run/best.safetensors", root / "experiments/records/cnn/metrics.json"
    about, metrics = load_metadata(weights), json.loads(record.read_text())
    change(about, metrics)
    tg.save(tg.load(weights), weights, about)
    record.write_text(json.dumps(metrics))
    assert main([str(root / "run"), "cnn"], root) == 2
    assert message in capsys.readouterr().err
    assert not (root / "models").exists()


@pytest.mark.parametrize("file", ["age_cnn_utkface.safetensors", "age_cnn_utkface.md"])
def test_a_full_disk_gives_one_line_and_1_and_what_shipped_before_stays(root, capsys, monkeypatch, file):
    def rename(source, target):
        if target.name == file:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    replace = os.replace
    assert main([str(root / "run"), "cnn"], root) == 0
    before = (root / "models/weights" / file).read_bytes()
    monkeypatch.setattr(os, "replace", rename)
    assert main([str(root / "run"), "cnn"], root) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"ship.py: {root / 'models/weights' / file}: No space left on device"
    ]
    assert (root / "models/weights" / file).read_bytes() == before

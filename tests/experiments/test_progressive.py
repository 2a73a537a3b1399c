"""Progressive sizes: training and validation at growing pictures, and what is the best epoch then."""

import csv
import json
import os
import signal
from pathlib import Path

import pytest

from experiments.age import fit
from experiments.age.records import read_record
from tinygrad_cnn.io import load_metadata

GROWING = ["--data", "synthetic", "--limit", 20, "--model", "AgeResNet", "--progressive", "32,40"]


def test_sizes_grow_over_the_epochs_and_the_last_is_the_models(command):
    options = ["--model", "AgeResNet", "--progressive", "32,40,48", "--epochs", 4, "--augment", "full"]
    assert command("--data", "synthetic", "--limit", 20, *options, "--out", "run").status == 0
    with open("run/history.csv", newline="") as file:
        assert [row["image_size"] for row in csv.DictReader(file)] == ["32", "32", "40", "48"]
    assert load_metadata("run/best.safetensors")["image_size"] == "48"


def seen_with(monkeypatch, errors):
    """Makes validations come to these errors in turn; gives the shapes of the pictures that they are asked to see."""
    usual, shapes = fit.evaluate, []

    def measured(network, loader, *arguments, **options):
        val = usual(network, loader, *arguments, **options)
        images, _ = next(iter(loader))
        val.errors._absolute = errors[len(shapes)] * val.errors.count
        shapes.append(images.shape[2:])
        return val

    monkeypatch.setattr(fit, "evaluate", measured)
    return shapes


def test_each_epoch_is_validated_at_its_own_size_and_the_best_is_one_of_the_last_size(command, monkeypatch):
    shapes = seen_with(monkeypatch, [3.0, 2.0, 9.0, 7.0, 8.0])
    outcome = command(*GROWING, "--epochs", 5, "--out", "run")
    assert outcome.status == 0
    assert shapes == [(32, 32)] * 3 + [(40, 40)] * 2
    said = [line for line in outcome.out if line.startswith("epoch ")]
    assert [line.endswith("best so far") for line in said] == [True, True, False, True, False]
    assert [line[10:18] for line in said] == ["at 32x32"] * 3 + ["at 40x40"] * 2
    assert json.loads(Path("run/metrics.json").read_text())["best"] == {"epoch": 4, "val_mae_years": 7.0}
    assert load_metadata("run/best.safetensors")["epoch"] == "4"
    assert read_record(Path("run")).best == (4, 7.0)


def test_patience_counts_only_the_epochs_of_the_last_size(command, monkeypatch):
    seen_with(monkeypatch, [1.0, 2.0, 3.0, 4.0, 9.0, 9.5, 9.5, 9.5])
    outcome = command(*GROWING, "--epochs", 8, "--patience", 2, "--out", "run")
    assert "no better epoch than the 5. in 2: training ends here" in outcome.out
    assert len(Path("run/history.csv").read_text().splitlines()) == 8


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_weights_that_are_kept_before_the_last_size_say_which_they_saw(command, monkeypatch):
    def stop(*arguments, **options):
        os.kill(os.getpid(), signal.SIGINT)
        return usual(*arguments, **options)

    usual = fit.evaluate
    monkeypatch.setattr(fit, "evaluate", stop)
    assert command(*GROWING, "--epochs", 2, "--out", "run").status == 130
    assert load_metadata("run/last.safetensors")["image_size"] == "32"

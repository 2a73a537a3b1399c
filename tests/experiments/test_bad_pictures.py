"""A folder of every kind of picture file, through the command line: pixels or one line each, and the run goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data import zoo
from tinygrad_cnn.data import printable


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Readable and unreadable files, under names with ages; and what is no file. With the names of the unreadable."""
    place = tmp_path_factory.mktemp("zoo")
    readable = {name: content for name, (content, *_) in zoo.readable().items() if not name.endswith(".webp")}
    unreadable = {name: content for name, (content, _) in zoo.unreadable().items() if not name.endswith(".webp")}
    for number, (name, content) in enumerate({**readable, **unreadable}.items()):
        (place / f"{number % 90 + 1}_0_0_{name}").write_bytes(content)
    bad = [path.name for path in place.iterdir() if path.name.split("_", 3)[3] in unreadable]
    return place, [*bad, *zoo.no_files(place)]


def test_training_and_evaluating_go_on_and_the_log_names_each_that_can_not_be_read(command, folder):
    place, bad = folder
    options = ["--image-size", 16, "--epochs", 1, "--split", "random"]  # by photo all are one: they show the same
    outcome = command("--data-dir", place, *options, "--out", "run")
    assert outcome.status == 0, outcome.err
    log = Path("run/log.txt").read_text(encoding="utf-8")
    for name in bad:
        assert log.count(f"{printable(name)}: ") == 1, name
    outcome = command("evaluate", "--weights", "run/best.safetensors", "--data-dir", place, "--out", "tested")
    assert outcome.status == 0, outcome.err


def test_predicting_goes_on_behind_what_can_not_be_read(command, folder, trained):
    place, bad = folder
    bad = [name for name in bad if not (place / name).is_dir()]  # of a folder all pictures are meant
    good = sorted(path for path in place.iterdir() if path.name.endswith(("plain.jpg", "grey.png")))
    pictures = [good[0], *(place / name for name in bad), good[1]]
    outcome = command("predict", *pictures, "--weights", trained[0] / "best.safetensors")
    assert outcome.status == 2
    assert [sum(printable(name) in line for line in outcome.err) for name in bad] == [1] * len(bad)
    assert len(outcome.err) == len(bad)
    assert all(any(path.name in line for line in outcome.out) for path in good)


@pytest.mark.parametrize("subcommand", ["predict", "explain"])
def test_a_picture_that_can_not_be_read_is_one_line(command, folder, trained, subcommand):
    place, bad = folder
    for name in bad[:4]:
        outcome = command(subcommand, place / name, "--weights", trained[0] / "best.safetensors")
        assert (outcome.status, len(outcome.err)) == (2, 1), outcome.err
        assert printable(name) in outcome.err[0]

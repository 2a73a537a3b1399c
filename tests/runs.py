"""Folders of training runs, compared, and a folder of pictures to train on."""

import csv
import shutil
from pathlib import Path

import numpy as np

import tinygrad_cnn as tg
from tinygrad_cnn import viz
from tinygrad_cnn.data import SyntheticFaces
from tinygrad_cnn.io import load_metadata
from tinygrad_cnn.train import Checkpoints, RunFolder


def draw_photos(folder, count, side):
    """Fill a folder with drawn faces, as files in UTKFace's layout; gives the folder."""
    import cv2

    faces = SyntheticFaces(count, side, seed=5)
    for i in range(count):
        image, age = faces[i]
        cv2.imwrite(str(folder / f"{age:.0f}_{i % 2}_{i % 5}_{20170100000000000 + i}.jpg.chip.jpg"), image[:, :, ::-1])
    return folder


def leave_out_pictures(replace):
    """Drawing takes longer than a small training: nothing is drawn, and a few bytes stand in for each picture."""
    for name in ("confusion", "error_by_age", "filters", "history", "predictions", "scatter"):
        replace(viz, f"plot_{name}", lambda *arguments, **options: None)
    replace(RunFolder, "write_figure", lambda run, name, figure: run.write(name, b"a picture"))
    replace(shutil, "which", lambda name: None)  # no dot


def history(folder):
    """The rows of history.csv, but for what a clock has measured."""
    with open(Path(folder, "history.csv"), newline="") as file:
        return [{k: v for k, v in row.items() if "second" not in k} for row in csv.DictReader(file)]


def leaves(state, path=""):
    """Every number, string and array of a state, by its path."""
    if isinstance(state, (dict, list)):
        pairs = state.items() if isinstance(state, dict) else enumerate(state)
        return {name: leaf for key, value in pairs for name, leaf in leaves(value, f"{path}/{key}").items()}
    return {path: state}


def assert_same_end(run, other):
    """Weights, optimiser, schedule, generators and history are the same to the bit, but for times of the clock."""
    run, other = Path(run), Path(other)
    assert history(run) == history(other)
    for name in ("best.safetensors", "last.safetensors"):
        assert load_metadata(run / name) == load_metadata(other / name)
        weights, others = tg.load(run / name), tg.load(other / name)
        assert weights.keys() == others.keys()
        assert all(weights[key].tobytes() == others[key].tobytes() for key in weights)
    first, second = (leaves(Checkpoints(folder).latest()[0]) for folder in (run, other))
    assert first.keys() == second.keys()
    for path, value in first.items():
        if not path.startswith(("/settings/", "/faces/source")) and "second" not in path:
            np.testing.assert_array_equal(value, second[path], err_msg=path)
    for name in ("metrics.json", "predictions.csv"):
        assert (run / name).read_bytes() == (other / name).read_bytes()
    assert not list(run.glob(".*")), "litter"

"""A package that a plain install leaves out: what needs it says in one line how to get it, and nothing else minds."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from tinygrad_cnn.extras import EXTRA_OF, MissingExtra, optional_import

ROOT = Path(__file__).resolve().parents[1]
NEEDS = {  # code that needs a package, and which
    "data.read_image('face.jpg')": "cv2",
    "data.SyntheticFaces(2, 32)[0]": "cv2",
    "data.photo_groups(data.ArrayDataset(np.zeros((2, 8, 8, 3), np.uint8), np.zeros(2)))": "cv2",
    "data.transforms.RandomFlip()(np.zeros((2, 8, 8, 3), np.uint8), np.random.default_rng(0))": "cv2",
    "data.transforms.RandomAffine(rotate=9)(np.zeros((2, 8, 8, 3), np.uint8), np.random.default_rng(0))": "cv2",
    "data.transforms.ColourJitter()(np.zeros((2, 8, 8, 3), np.uint8), np.random.default_rng(0))": "cv2",
    "data.transforms.Resize(4)(np.zeros((2, 8, 8, 3), np.uint8), np.random.default_rng(0))": "cv2",
    "viz.report.markup.picture(np.zeros((4, 4, 3), np.uint8))": "cv2",
    "data.UTKFace.download()": "kagglehub",
    "data.UTKFace('.', cache_dir='cache')": "tqdm",
    "train.evaluate(nn.Identity(), loader, train.Regression(0, 1))": "tqdm",
    "tg.explain.smooth_grad(nn.Flatten(), np.ones((1, 1, 1, 1), np.float32))": "tqdm",
    "train.Curves('curves').add({'epoch': 1})": "tensorboardX",
    "tg.draw(tg.ones(2).requires_grad_().sum())": "graphviz",
    "viz.plot_filters(np.zeros((2, 3, 3, 3)))": "matplotlib",
    "viz.plot_scatter([1.0], [2.0])": "matplotlib",
    "tg.export_onnx(nn.Linear(1, 1), tg.ones(1, 1), 'm.onnx')": "onnx",
}
COMMANDS = {  # what the main job's commands need
    "train --data synthetic": {"cv2", "tqdm", "matplotlib", "graphviz"},
    "evaluate --weights W": {"cv2", "tqdm", "matplotlib"},
    "train --data synthetic --tensorboard": {"tensorboardX"},
    "predict photo.jpg --weights W": {"cv2", "tqdm"},
    "explain photo.jpg --weights W": {"cv2", "tqdm", "matplotlib"},
    "export --weights W": {"cv2", "onnx"},
}


def advice(package: str) -> str:
    return f'{package} is not installed: pip install "tinygrad-cnn[{EXTRA_OF[package]}]"'


def run_without(packages: set[str], code: str, folder: Path) -> str:
    """What code prints where some packages can't be imported."""
    blocked = f"import sys; sys.path.insert(0, {str(ROOT)!r}); sys.modules |= dict.fromkeys({sorted(packages)})\n"
    run = subprocess.run([sys.executable, "-c", blocked + code], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What each piece of code comes to where none of the packages can be imported."""
    folder = tmp_path_factory.mktemp("faces")
    (folder / "26_1_2_20170116184024662.jpg.chip.jpg").write_bytes(b"a face")
    code = f"""
import numpy as np, tinygrad_cnn as tg, tinygrad_cnn.viz.report.markup
from tinygrad_cnn import data, nn, train, viz
loader = data.DataLoader(data.ArrayDataset(np.zeros((1, 1, 1, 1), np.float32), [0.0]), 1)
for code in {[*NEEDS]}:
    try:
        eval(code)
        print("nothing")
    except Exception as error:
        print(type(error).__name__, error, sep=": ")
"""
    return dict(zip(NEEDS, run_without({*EXTRA_OF}, code, folder).splitlines(), strict=True))


@pytest.mark.parametrize("code", NEEDS)
def test_what_needs_a_missing_package_names_the_extra_that_brings_it(code, said):
    assert said[code] == f"MissingExtra: {advice(NEEDS[code])}"


def test_every_part_can_be_imported_with_none_of_them(tmp_path):
    on_use = ROOT / "tinygrad_cnn/viz/graph/drawing.py"  # a graphviz.Digraph itself, so imported by `draw` alone
    files = sorted({*(ROOT / "tinygrad_cnn").rglob("*.py")} - {on_use})
    parts = [path.relative_to(ROOT).with_suffix("") for path in files]
    modules = [".".join(path.parts).removesuffix(".__init__") for path in parts]
    run_without({*EXTRA_OF}, f"import importlib\nfor name in {modules}: importlib.import_module(name)", tmp_path)


@pytest.mark.parametrize("package", ["cv2", "tqdm", "matplotlib", "graphviz", "tensorboardX", "onnx"])
def test_the_command_line_says_it_in_one_line_before_it_starts(package, tmp_path):
    commands = [command for command, needed in COMMANDS.items() if package in needed]
    code = f"""
sys.stderr = sys.stdout
from experiments.utkface_age import main
for command in {commands}:
    print(main(command.split()))
"""
    said = [line for each in commands for line in (f"utkface_age.py {each.split()[0]}: {advice(package)}", "2")]
    assert run_without({package}, code, tmp_path).splitlines() == said


def test_each_extra_brings_the_package_that_it_is_named_for():
    tomllib = pytest.importorskip("tomllib", reason="a part of Python since 3.11")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    distributions = metadata.packages_distributions()
    for package, extra in EXTRA_OF.items():
        asked_for = " ".join(extras[extra])
        assert any(name in asked_for for name in distributions[package]), f"[{extra}] should bring {package}"


def test_other_missing_modules_are_left_alone():
    with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_module'") as caught, optional_import():
        import no_such_module  # noqa: F401
    assert not isinstance(caught.value, MissingExtra)

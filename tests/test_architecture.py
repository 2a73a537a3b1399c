"""The promises about the code itself: what imports what, how long files are, what importing loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "tinygrad_cnn"
SOURCES = sorted(path for folder in ("tinygrad_cnn", "models", "experiments") for path in (ROOT / folder).rglob("*.py"))

# Each room, and the rooms that a module-level import in it may reach.
ENGINE = {"autograd", "dtypes", "guard", "modes", "tensor", "inplace", "protocols", "random", "creation"}
BELOW = {
    "kernels": set(),
    "ops": {"kernels", "autograd", "modes"},
    "nn": ENGINE | {"kernels", "ops", "functional", "optim", "losses"},
    "optim": ENGINE | {"kernels", "ops"},
    "data": ENGINE | {"kernels"},
    "io": ENGINE,
    "viz": ENGINE | {"kernels", "ops", "nn", "io"},
    "train": ENGINE | {"losses", "ops", "functional", "nn", "optim", "data", "viz", "io"},
}


def imported_rooms(path: Path) -> set[str]:
    """The parts of the package that a file imports when it is itself imported."""
    room = path.relative_to(PACKAGE).parts[0]
    depth = len(path.relative_to(PACKAGE).parts)
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            found |= {node.module.split(".")[0]} if node.module else {name.name for name in node.names}
    return found - {room}


@pytest.mark.parametrize("room", BELOW)
def test_imports_point_down_only(room):
    for path in sorted((PACKAGE / room).rglob("*.py")):
        assert imported_rooms(path) <= BELOW[room], path.relative_to(ROOT)


def test_the_engine_stays_under_600_lines():
    lines = [len((PACKAGE / name).read_text().splitlines()) for name in ("tensor.py", "autograd.py")]
    assert sum(lines) < 600


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_short_and_says_what_it_is_about(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400, "a file over 400 lines is asking to be two"
    assert not text or ast.get_docstring(ast.parse(text)), "a file's first docstring gives its one idea"


def test_importing_the_package_loads_numpy_and_nothing_heavier():
    heavy = [
        "cv2",
        "matplotlib",
        "kagglehub",
        "graphviz",
        "tqdm",
        "safetensors",
        "threadpoolctl",
        "torch",
        "onnx",
        "PIL",
    ]
    code = f"import sys, tinygrad_cnn; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

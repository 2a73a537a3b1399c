"""The promises about the code itself: what imports what, how long files are, what importing loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import tinygrad_cnn as tg

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "tinygrad_cnn"
SOURCES = sorted(path for folder in ("tinygrad_cnn", "models", "experiments") for path in (ROOT / folder).rglob("*.py"))

# Each room, and the rooms that a module-level import in it may reach.
ENGINE = {"arguments", "autograd", "dtypes", "guard", "modes", "tensor", "inplace", "protocols", "random", "creation"}
ENGINE |= {"extras", "progress"}
BELOW = {
    "kernels": set(),
    "ops": {"arguments", "kernels", "autograd", "dtypes", "modes"},
    "nn": ENGINE | {"kernels", "ops", "functional", "optim", "losses"},
    "optim": ENGINE | {"kernels", "ops"},
    "data": ENGINE | {"files", "kernels"},
    "io": ENGINE | {"files"},
    "viz": ENGINE | {"kernels", "ops", "nn", "io"},
    "train": ENGINE | {"anomaly", "files", "losses", "ops", "functional", "nn", "optim", "data", "viz", "io"},
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


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_importing_the_package_loads_numpy_and_nothing_heavier():
    heavy = {"cv2", "matplotlib", "kagglehub", "graphviz", "tqdm", "safetensors", "threadpoolctl"}
    heavy |= {"torch", "onnx", "PIL"}
    slow = {"numpy.random", "dataclasses", "html", "inspect", "json", "pathlib"}  # milliseconds each
    later = {f"tinygrad_cnn.{name}" for name in tg._rooms}
    new = python("import sys, numpy; before = {*sys.modules}; import tinygrad_cnn; print(*{*sys.modules} - before)")
    assert not (heavy | slow | later) & set(new.split())
    assert "tinygrad_cnn.nn" in new


@pytest.mark.parametrize("name", sorted({*tg._rooms, *tg._rooms_of}))
def test_a_name_that_is_not_needed_at_once_is_there_when_asked_for(name):
    code = f"import tinygrad_cnn as tg; print({name!r} in dir(tg)); tg.{name}"
    assert python(f"{code}; from tinygrad_cnn import {name}; print(tg.{name} is {name})").split() == ["True", "True"]


def test_type_checkers_see_the_names_that_are_imported_later():
    (block,) = [node for node in ast.parse((PACKAGE / "__init__.py").read_text()).body if isinstance(node, ast.If)]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    seen = {name.name: node.module for node in imports for name in node.names}
    assert seen == dict.fromkeys(tg._rooms) | tg._rooms_of


def test_every_public_name_is_declared_so():
    """A type checker takes what a typed package imports and does not declare for private."""
    public = {name for name in dir(tg) if not name.startswith("_") and not isinstance(getattr(tg, name), ModuleType)}
    modules = {name for name in tg.__all__ if isinstance(getattr(tg, name), ModuleType)}
    assert {*tg.__all__} == public - {"TYPE_CHECKING", "import_module"} | modules
    python("from tinygrad_cnn import *; Tensor, nn, draw, export_onnx, einsum")


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'tinygrad_cnn' has no attribute 'zeross'"):
        _ = tg.zeross
    with pytest.raises(ImportError):
        from tinygrad_cnn import zeross  # noqa: F401

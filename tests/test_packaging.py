"""What is built to be installed: the package alone, typed and small; and one version everywhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import tinygrad_cnn as tg

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [path for path in (ROOT / "tinygrad_cnn").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
NAMES = {path.relative_to(ROOT).as_posix() for path in SOURCES}
VERSION = tg.__version__
PROGRAM = Path(__file__).parent / "small_network.py"  # what somebody who has installed the package writes


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy to build in: what one build leaves behind would be packed by the next."""
    pytest.importorskip("build")
    pytest.importorskip("setuptools", minversion="77")
    left_out = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "runs", "site")
    return shutil.copytree(ROOT, tmp_path_factory.mktemp("copy") / "checkout", ignore=left_out)


@pytest.fixture(scope="module")
def built(checkout, tmp_path_factory):
    """The source distribution and the wheel that is built from it."""
    return build(checkout, tmp_path_factory.mktemp("dist"))


def build(source: Path, out: Path, *kinds: str) -> Path:
    """Run `python -m build`, which builds the source distribution and from it the wheel; gives the folder."""
    command = [sys.executable, "-m", "build", "--no-isolation", *kinds, "--outdir", out, source]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return out


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def wheel_in(folder: Path) -> Path:
    return folder / f"tinygrad_cnn-{VERSION}-py3-none-any.whl"


def test_the_wheel_holds_the_package_and_nothing_else(built):
    about = f"tinygrad_cnn-{VERSION}.dist-info/"
    names = {name for name in contents(wheel_in(built)) if not name.startswith(about)}
    assert names == NAMES
    assert "tinygrad_cnn/py.typed" in names


def test_the_wheel_is_small(built):
    """About 200 kB of code, 85 of docstrings and comments, 40 of names, places and what the README says."""
    assert wheel_in(built).stat().st_size < 360_000


def test_the_source_distribution_holds_the_package_and_what_builds_it(built):
    with tarfile.open(built / f"tinygrad_cnn-{VERSION}.tar.gz") as archive:
        names = {name.partition("/")[2] for name in archive.getnames() if archive.getmember(name).isfile()}
    beside = {"LICENSE", "MANIFEST.in", "PKG-INFO", "README.md", "pyproject.toml", "setup.cfg"}
    assert {name for name in names if not name.startswith("tinygrad_cnn.egg-info/")} == NAMES | beside


def test_a_wheel_built_from_the_checkout_is_the_same(checkout, built, tmp_path):
    assert contents(wheel_in(build(checkout, tmp_path, "--wheel"))) == contents(wheel_in(built))


def test_a_plain_install_asks_for_what_numpy_needs_and_no_more(built):
    metadata = contents(wheel_in(built))[f"tinygrad_cnn-{VERSION}.dist-info/METADATA"].decode()
    always = re.findall(r"^Requires-Dist: ([\w-]+)[^;\n]*$", metadata, flags=re.MULTILINE)
    assert sorted(always) == ["numpy", "safetensors", "threadpoolctl"]


@pytest.fixture(scope="module")
def alone(built, tmp_path_factory):
    """The Python of an environment with the wheel and what it asks for."""
    folder = tmp_path_factory.mktemp("alone") / "venv"
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", wheel_in(built)], check=True)
    return python


@pytest.mark.network
def test_installed_alone_it_trains_a_small_network(alone, tmp_path):
    code = PROGRAM.read_text(encoding="utf-8")
    run = subprocess.run([alone, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) < 0.05


@pytest.mark.network
def test_a_program_that_uses_it_passes_the_strictest_type_check(alone, tmp_path):
    pytest.importorskip("mypy")
    shutil.copy(PROGRAM, tmp_path)
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", alone, PROGRAM.name]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("CHANGELOG.md", r"^## \[(.+?)\] - \d{4}-\d{2}-\d{2}$"),
        ("CITATION.cff", r"^version: (.+)$"),
    ],
)
def test_the_version_is_the_packages_own(name, pattern):
    first = re.search(pattern, (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert first is not None
    assert first[1] == VERSION

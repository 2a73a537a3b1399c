"""What the site shows is so: each page's code runs, prints what the page says, and draws the page's pictures.

After a change of the pictures that is meant: `pytest tests/docs --update-golden`, and look at them.
"""

from __future__ import annotations

import contextlib
import io
import re
import shutil
from pathlib import Path

import cv2
import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "```python" in path.read_text(encoding="utf-8"))
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", flags=re.DOTALL | re.MULTILINE)


def agree(picture: Path, golden: Path) -> bool:
    """Of drawings the nodes, arrows and texts, which do not depend on graphviz's version as their places do.

    Of plots the size, to a hundredth: what was learnt differs in the last bits from one machine to another, and letters
    are a pixel wider in one version of Matplotlib than in another.
    """
    if picture.suffix == ".svg":
        return texts(picture) == texts(golden)
    return cv2.imread(str(picture)).shape == pytest.approx(cv2.imread(str(golden)).shape, rel=0.01)


def texts(drawing: Path) -> list[str]:
    return sorted(re.findall(r"<(?:title|text)[^>]*>(.*?)</", drawing.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_a_page_does_what_it_says(page, tmp_path, monkeypatch, request):
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    names: dict[str, object] = {"__name__": "page"}
    for block in BLOCK.finditer(text):
        first_line = text.count("\n", 0, block.start(1))
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile("\n" * first_line + block[1], str(page), "exec"), names)
        if block[2] is not None:
            assert printed.getvalue() == block[2], f"line {first_line}"
    if not shutil.which("dot"):
        return
    for name in re.findall(r"\]\((?:\.\./)?img/([^)]+)\)", text):
        if request.config.getoption("--update-golden"):
            shutil.copy(tmp_path / name, DOCS / "img" / name)
        assert agree(tmp_path / name, DOCS / "img" / name), f"{name}: see --update-golden"


def test_no_line_of_code_is_wider_than_a_page():
    blocks = [(page, code) for page in PAGES for code, _ in BLOCK.findall(page.read_text(encoding="utf-8"))]
    assert [(page.name, line) for page, code in blocks for line in code.splitlines() if len(line) > 80] == []


def test_no_picture_is_left_over():
    shown = {name for page in PAGES for name in re.findall(r"img/([^)]+)\)", page.read_text(encoding="utf-8"))}
    assert {path.name for path in (DOCS / "img").iterdir()} == shown

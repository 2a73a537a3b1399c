"""What the README shows runs, and what it points at is there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[1] / "README.md"
DOCS = README.parent / "docs"
TEXT = README.read_text(encoding="utf-8")
PYTHON_BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
LINKS = sorted(set(re.findall(r"(?:\]\(|src=\")(?!https?:)([^)#\"]+)", TEXT)))


@pytest.mark.parametrize("code", PYTHON_BLOCKS, ids=range(len(PYTHON_BLOCKS)))
def test_every_python_example_runs(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(code, str(README), "exec"), names)
    if "loss" in names:
        assert names["loss"].item() < 0.5, "the first example should have learnt something"
        if not shutil.which("dot"):
            assert (tmp_path / "graph.gv").read_text(encoding="utf-8").startswith("digraph")
        else:  # and the picture in the README is the one that it draws
            drawn, shown = ((folder / "graph.svg").read_text(encoding="utf-8") for folder in (tmp_path, DOCS))
            assert re.findall("<text.*?>(.*?)</text>", drawn) == re.findall("<text.*?>(.*?)</text>", shown)


@pytest.mark.parametrize("link", LINKS)
def test_every_link_into_the_repository_leads_somewhere(link):
    assert (README.parent / link).exists(), f"README.md links to {link}"

"""What the README shows runs, and what it points at is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")
PYTHON_BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
LINKS = sorted(set(re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT)))


@pytest.mark.parametrize("code", PYTHON_BLOCKS, ids=range(len(PYTHON_BLOCKS)))
def test_every_python_example_runs(code, tmp_path, monkeypatch):
    graphviz = pytest.importorskip("graphviz")
    monkeypatch.chdir(tmp_path)
    # Without graphviz's dot the example's last line could not render; its text is written all the same.
    monkeypatch.setattr(graphviz.Digraph, "render", lambda self, outfile: self.save(Path(outfile).with_suffix(".gv")))
    names: dict[str, object] = {}
    exec(compile(code, str(README), "exec"), names)
    if "loss" in names:
        assert names["loss"].item() < 0.5, "the first example should have learnt something"
        assert (tmp_path / "graph.gv").read_text().lstrip().startswith("digraph")


@pytest.mark.parametrize("link", LINKS)
def test_every_link_into_the_repository_leads_somewhere(link):
    assert (README.parent / link).exists(), f"README.md links to {link}"

"""A drawing on disk: graphviz text, or what graphviz's `dot` makes of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .theme import dark_style

if TYPE_CHECKING:
    import graphviz

SUFFIXES = (".svg", ".png", ".pdf", ".gv")
DPI = 144  # of a png: two pixels for each of graphviz's points
GET_DOT = "apt install graphviz, brew install graphviz, or https://graphviz.org/download"


def checked(file: str | os.PathLike[str]) -> Path:
    """The path of a file to draw to; ValueError for a suffix of none of its kinds, TypeError for no path."""
    if not isinstance(file, (str, os.PathLike)):
        raise TypeError(f"draw: file should be a path such as 'graph.svg', got {file!r:.80}")
    path = Path(file)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"draw: file should end in .svg, .png, .pdf or .gv (graphviz text), got {str(path)!r}")
    return path


def save(drawing: graphviz.Digraph, path: Path, theme: str) -> None:
    """Write the drawing as its suffix says; where `dot` can't, write its text, and say why in one line."""
    import graphviz

    suffix = path.suffix.lower()
    if suffix == ".gv":
        path.write_text(drawing.source, encoding="utf-8")
        return
    try:
        if suffix == ".svg":
            path.write_text(svg(drawing, theme), encoding="utf-8")
        else:
            copy = drawing.copy()
            copy.graph_attr["dpi"] = str(DPI)
            path.write_bytes(_rendered(copy, suffix[1:]))
    except (graphviz.ExecutableNotFound, subprocess.CalledProcessError) as error:
        text = path.with_suffix(".gv")
        text.write_text(drawing.source, encoding="utf-8")
        print(f"draw: wrote {text}, not {path.name}: {why_not(error)}", file=sys.stderr)


def why_not(error: graphviz.ExecutableNotFound | subprocess.CalledProcessError) -> str:
    """Why there is no picture, in one line."""
    if isinstance(error, subprocess.CalledProcessError):
        said = " ".join(error.stderr.decode(errors="replace").split())
        return f"graphviz's dot failed with status {error.returncode}: {said}"
    return f"to see the graph, get graphviz's dot: {GET_DOT}"


def svg(drawing: graphviz.Digraph, theme: str = "auto") -> str:
    """The drawing as one <svg> element, for a file or a page; with "auto" it is dark for readers who prefer that.

    Needs graphviz's `dot`: raises graphviz.ExecutableNotFound without it, subprocess.CalledProcessError if it fails.
    """
    text = _rendered(drawing, "svg").decode()
    text = re.sub(r"<!--.*?-->\n", "", text[text.index("<svg") :], flags=re.DOTALL)
    if theme == "auto":
        text = text.replace("<svg ", '<svg class="autograd" ', 1)
        end = text.index(">") + 1
        text = f"{text[:end]}\n<style>{dark_style('.autograd')}</style>{text[end:]}"
    return text


def _rendered(drawing: graphviz.Digraph, kind: str) -> bytes:
    """What `dot` makes of it. Not by `Digraph.pipe`, where a dot that ends early is a BrokenPipeError, or is not."""
    import graphviz

    command = ["dot", f"-T{kind}"]
    try:
        return subprocess.run(command, input=drawing.source.encode(), capture_output=True, check=True).stdout
    except FileNotFoundError:
        raise graphviz.ExecutableNotFound(command) from None

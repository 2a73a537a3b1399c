"""draw(file=...): svg, png and pdf by graphviz's dot, and the text where there is no dot."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
from xml.etree import ElementTree

import graphviz
import pytest

import tinygrad_cnn as tg
from models.age_cnn import AgeCNN
from tests.viz.drawings import (
    Recurrent,
    Residual,
    Shortcut,
    arrows,
    boxes,
    clusters,
    forks,
    gradient_penalty,
    shapes,
    shortcuts,
    small_network,
    zeros,
)
from tinygrad_cnn import nn
from tinygrad_cnn.viz.graph import svg

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="needs graphviz's dot")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def without_dot(monkeypatch):
    monkeypatch.setenv("PATH", "")


def loss():
    return (tg.Tensor([1.0, 2.0], requires_grad=True) * 3).sum()


@needs_dot
@pytest.mark.parametrize(
    ("suffix", "begins"), [("svg", b"<svg"), ("png", b"\x89PNG"), ("pdf", b"%PDF"), ("PNG", b"\x89PNG")]
)
def test_the_suffix_says_what_is_written(tmp_path, suffix, begins):
    path = tmp_path / f"graph.{suffix}"
    drawing = tg.draw(loss(), file=path)
    assert path.read_bytes().startswith(begins)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert isinstance(drawing, graphviz.Digraph)


@needs_dot
def test_a_png_has_two_pixels_for_each_of_graphvizs_points(tmp_path):
    drawing = tg.draw(loss(), file=tmp_path / "graph.png")
    pixels = struct.unpack(">II", (tmp_path / "graph.png").read_bytes()[16:24])  # the header's width and height
    points = re.search(r'width="(\d+)pt" height="(\d+)pt"', svg(drawing)).groups()
    assert pixels == pytest.approx([2 * int(size) for size in points], abs=2)


def test_gv_is_the_text_and_needs_no_dot(tmp_path, without_dot, capsys):
    drawing = tg.draw(loss(), file=str(tmp_path / "graph.gv"))
    assert (tmp_path / "graph.gv").read_text(encoding="utf-8") == drawing.source
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_without_dot_the_text_is_written_and_one_line_says_how_to_get_dot(tmp_path, without_dot, capsys, suffix):
    drawing = tg.draw(loss(), file=tmp_path / f"graph.{suffix}")
    assert (tmp_path / "graph.gv").read_text(encoding="utf-8") == drawing.source
    assert not (tmp_path / f"graph.{suffix}").exists()
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert re.search(rf"wrote .*graph\.gv, not graph\.{suffix}.*apt install graphviz", said)


@pytest.mark.skipif(os.name != "posix", reason="the stand-in for dot is a shell script")
def test_a_dot_that_fails_costs_only_the_picture_and_one_line_says_why(tmp_path, monkeypatch, capsys):
    dot = tmp_path / "bin" / "dot"
    dot.parent.mkdir()
    dot.write_text("#!/bin/sh\necho 'no formats\nfound' >&2\nexit 3\n")
    dot.chmod(0o755)
    monkeypatch.setenv("PATH", f"{dot.parent}:{os.environ['PATH']}")
    drawing = tg.draw(loss(), file=tmp_path / "graph.png")
    assert (tmp_path / "graph.gv").read_text(encoding="utf-8") == drawing.source
    assert not (tmp_path / "graph.png").exists()
    said = capsys.readouterr().err
    assert said.endswith("graph.gv, not graph.png: graphviz's dot failed with status 3: no formats found\n")
    assert said.count("\n") == 1


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        tg.draw(loss(), file=tmp_path / "nowhere" / "graph.gv")


@needs_dot
def test_an_svg_follows_the_reader_unless_a_theme_is_asked_for(tmp_path):
    for theme in ("auto", "light", "dark"):
        tg.draw(loss(), theme=theme, file=tmp_path / f"{theme}.svg")
    auto, light, dark = ((tmp_path / f"{theme}.svg").read_text(encoding="utf-8") for theme in ("auto", "light", "dark"))
    assert "prefers-color-scheme:dark" in auto
    assert "<style>" not in light + dark
    assert re.sub("<style>.*</style>", "", auto).count("#") == light.count("#")
    style = re.search("<style>(.*)</style>", auto)[1]
    for color in set(re.findall('(?:fill|stroke)="(#[0-9a-f]{6})"', auto)):
        assert f'[fill="{color}"]' in style


@needs_dot
def test_an_svg_is_one_element_that_a_page_can_hold():
    text = svg(tg.draw(AgeCNN(16), zeros(1, 3, 16, 16)))
    assert text.startswith("<svg")
    assert ElementTree.fromstring(text).tag == f"{SVG}svg"
    assert "<!--" not in text


def models():
    network = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1))
    return {
        "AgeCNN": lambda: tg.draw(AgeCNN(16), zeros(1, 3, 16, 16)),
        "a model that applies a layer three times": lambda: tg.draw(Recurrent(), zeros(2, 4), title="<&> \"'\\N"),
        "one that applies it in one box each": lambda: tg.draw(Recurrent(), zeros(2, 4), depth=1),
        "blocks with a convolution for a shortcut": lambda: tg.draw(shortcuts(), zeros(2, 3, 8, 8)),
        "one such block alone": lambda: tg.draw(Shortcut(3, 4), zeros(2, 3, 8, 8)),
        "a residual network": lambda: tg.draw(Residual(2), zeros(2, 3, 8, 8), color_by="flops"),
        "a folded one": lambda: tg.draw(Residual(2), zeros(2, 3, 8, 8), color_by="grad_norm", depth=2),
        "a gradient penalty": lambda: tg.draw(gradient_penalty(network), constants=True),
        "one of three hundred boxes": lambda: tg.draw(Residual(22), zeros(1, 3, 8, 8)),
    }


def extent(texts):
    """The frame of one line of text, at half its font's size for each letter."""
    lefts, rights = [], []
    for text in texts:
        x, width = float(text.get("x")), len(text.text.strip()) * float(text.get("font-size")) / 2
        lefts.append(x - {"start": 0, "middle": width / 2}[text.get("text-anchor")])
        rights.append(lefts[-1] + width)
    baseline, size = float(texts[0].get("y")), max(float(text.get("font-size")) for text in texts)
    return min(lefts), baseline - 0.75 * size, max(rights), baseline + 0.2 * size


def rendered(drawing):
    """The nodes of dot's svg: identity -> its frame (left, top, right, bottom); and how many edges there are."""
    root = ElementTree.fromstring(svg(drawing))
    groups = [(group, group.get("class")) for group in root.iter(f"{SVG}g")]
    frames = {}
    for group, kind in groups:
        if kind == "node":
            outline = group.find(f".//{SVG}path")
            outline = group.find(f".//{SVG}polygon") if outline is None else outline
            if outline is not None:
                points = [float(n) for n in re.findall(r"-?[\d.]+", outline.get("d") or outline.get("points"))]
                xs, ys = points[::2], points[1::2]
                frames[group.find(f"{SVG}title").text] = (min(xs), min(ys), max(xs), max(ys))
            elif (dot := group.find(f".//{SVG}ellipse")) is not None:
                x, y, r = (float(dot.get(name)) for name in ("cx", "cy", "rx"))
                frames[group.find(f"{SVG}title").text] = (x - r, y - r, x + r, y + r)
            else:  # a title or a shape: nothing but text
                frames[group.find(f"{SVG}title").text] = extent(group.findall(f".//{SVG}text"))
    return frames, sum(kind == "edge" for _, kind in groups)


@needs_dot
@pytest.mark.parametrize("name", models())
def test_dot_draws_every_box_and_every_arrow_and_no_box_over_another(name):
    drawing = models()[name]()
    frames, edges = rendered(drawing)
    assert set(boxes(drawing)) <= set(frames)
    assert edges == len(arrows(drawing)) + len(shapes(drawing)) + len(forks(drawing))
    placed = list(frames.values())
    for i, (left, top, right, bottom) in enumerate(placed):
        for other_left, other_top, other_right, other_bottom in placed[:i]:
            apart = right <= other_left or other_right <= left or bottom <= other_top or other_bottom <= top
            assert apart, name


def points_along(path):
    """Points of a path of cubic Bezier curves, eight of each."""
    numbers = [float(n) for n in re.findall(r"-?[\d.]+", path)]
    knots = [complex(x, y) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]
    for a, b, c, d in zip(knots[0::3], knots[1::3], knots[2::3], knots[3::3], strict=False):
        for t in (i / 8 for i in range(9)):
            yield (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d


def crossed(drawing):
    """The arrows of data that lead through a cluster in which they neither start nor end."""
    groups = [*ElementTree.fromstring(svg(drawing)).iter(f"{SVG}g")]
    outline = {group.find(f"{SVG}title").text: group.find(f"{SVG}path").get("d")
               for group in groups if group.get("class") == "cluster"}  # fmt: skip
    members = {}
    for name in outline:
        text = drawing.source[drawing.source.index(f"subgraph {name} ") :]
        indent = re.search(rf"\n(\t*)subgraph {name} ", drawing.source)[1]
        members[name] = set(re.findall(r"^\t*(\w+) \[", text[: text.index(f"\n{indent}}}")], re.MULTILINE))
    beside = {identity for identity, lines in boxes(drawing).items() if lines[0] in ("weight", "bias")}
    found = []
    for edge in (group for group in groups if group.get("class") == "edge"):
        start, end = edge.find(f"{SVG}title").text.split("->")
        for name, path in outline.items():
            xs, ys = ([float(n) for n in re.findall(r"-?[\d.]+", path)][i::2] for i in (0, 1))
            inside = [p for p in points_along(edge.find(f"{SVG}path").get("d"))
                      if min(xs) + 2 < p.real < max(xs) - 2 and min(ys) + 2 < p.imag < max(ys) - 2]  # fmt: skip
            if inside and start not in beside and not {start, end} & members[name]:
                found.append((start, end, name))
    return found


@needs_dot
@pytest.mark.parametrize("name", models())
def test_no_arrow_leads_through_a_module_that_it_has_no_part_in(name):
    assert crossed(models()[name]()) == []


def test_an_arrow_that_goes_two_ways_in_a_module_forks_in_there():
    block = Shortcut(3, 4)
    alone, after = tg.draw(block, zeros(2, 3, 8, 8)), tg.draw(shortcuts(), zeros(2, 3, 8, 8))
    assert forks(alone) == ["f0"]
    assert forks(after) == []  # its shape is where the arrow forks
    assert arrows(alone)[:2] == arrows(tg.draw(block, zeros(1, 3, 8, 8)))[:2]
    around = {title for titles in clusters(alone).values() for title in titles}
    assert len(around) == 1 + 5 + 2


@needs_dot
def test_names_and_titles_are_escaped():
    class Odd(nn.Module):
        def __init__(self):
            self.layers = {'<b> & "quotes" \\N \x00': nn.Linear(2, 1)}

        def forward(self, x):
            return next(iter(self.layers.values()))(x)

    drawing = tg.draw(Odd(), tg.Tensor([[1.0, 2.0]]), title="a < b & c\n")
    assert "layers.&lt;b&gt; &amp; &quot;quotes&quot;" in drawing.source
    shown = [text.text.strip() for text in ElementTree.fromstring(svg(drawing)).iter(f"{SVG}text")]
    assert 'layers.<b> & "quotes" \\N' in shown
    assert "a < b & c" in shown


@needs_dot
def test_dot_finds_nothing_amiss_in_a_graph_of_three_hundred_boxes():
    drawing = tg.draw(Residual(22), zeros(1, 3, 8, 8))
    assert len(boxes(drawing)) > 290
    done = subprocess.run(["dot", "-Tsvg"], input=drawing.source, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert not done.stderr


@needs_dot
def test_a_notebook_shows_the_drawing_in_its_theme():
    for theme, style in (("auto", True), ("light", False), ("dark", False)):
        shown = tg.draw(small_network(), zeros(1, 4), theme=theme)._repr_mimebundle_()["image/svg+xml"]
        assert shown.startswith("<svg")
        assert ("prefers-color-scheme" in shown) == style


def test_a_notebook_without_dot_shows_the_text_and_how_to_get_dot(without_dot):
    drawing = tg.draw(small_network(), zeros(1, 4))
    (first, *rest) = drawing._repr_mimebundle_()["text/plain"].splitlines()
    assert first.startswith("There is no picture: to see the graph, get graphviz's dot: apt install graphviz")
    assert rest[1:] == drawing.source.splitlines()


@needs_dot
def test_a_notebook_shows_the_text_of_what_dot_cannot_draw():
    drawing = tg.draw(loss())
    drawing.body.append("}{")
    assert drawing._repr_mimebundle_()["text/plain"].startswith(
        "There is no picture: graphviz's dot failed with status 1: Error: "
    )

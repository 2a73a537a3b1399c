"""A graph as graphviz text: boxes in nested clusters, shapes on the arrows, a scale if figures were measured."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

from ...extras import optional_import
from ...tensor import Tensor
from .forks import Point, Ways, clusters
from .measure import Measured
from .recorded import BESIDE, Box, Graph
from .regions import Region, around
from .theme import AROUND, ARROW, FILL_AND_BORDER, INK, MUTED, NOT_FINITE, PAGE, RAMP, Color, Scale, ink_on, pick

if TYPE_CHECKING:
    import graphviz

Inside = dict[Region | None, dict[Region | Box | Point, None]]  # in order
SPACE = "&#160;"  # one at which browsers, too, keep texts apart
LOWER = '<font point-size="3"> <br/></font>'  # moves a label's text to the middle of its box
FONT = "Helvetica,Arial,sans-serif"


class Writer:
    """Writes one drawing. What was measured, if anything, shades its boxes on a scale."""

    def __init__(self, graph: Graph, theme: str, measured: Measured | None) -> None:
        self.graph, self.measured = graph, measured
        self.theme, self.color = theme, pick(theme)
        self.scale = Scale([*measured.figures.values()], measured.kind.logarithmic) if measured else None
        self.ways = Ways(graph)
        self.identity: dict[Box | Point, str] = {box: f"v{place}" for place, box in enumerate(graph.boxes)}
        for place, point in enumerate(self.ways.points):
            self.identity[point] = f"{'f' if point.shape is None else 's'}{place}"
        self.titles: dict[Region, str] = {}  # of the clusters: boxes of their own, which no arrow crosses
        self.with_parameters = {arrow.target for arrow in graph.arrows if arrow.source.kind in BESIDE}
        self.runs: dict[int, int] = {}  # id of a module, 0 for sweeps -> how many runs are drawn
        for region in {region: None for box in graph.boxes for region in around(box.region)}:
            key = id(region.module) if region.module else 0
            self.runs[key] = max(self.runs.get(key, 0), region.run)

    def digraph(self, title: str) -> graphviz.Digraph:
        with optional_import():
            from .drawing import Drawing

        color = self.color
        drawing = Drawing("autograd")
        drawing.theme = self.theme
        drawing.attr(rankdir="TB", nodesep="0.25", ranksep="0.18", newrank="true", bgcolor=color(PAGE), pad="0.15")
        drawing.attr(fontname=FONT, fontsize="11", fontcolor=color(INK), labelloc="t")
        if title or self.measured:
            drawing.attr(label=self._head(title))
        drawing.attr("node", shape="box", style="filled,rounded", fontname=FONT, fontsize="11")
        drawing.attr("node", height="0", width="0.5", margin="0.13,0.055", fontcolor=color(INK))
        drawing.attr("edge", color=color(ARROW), arrowsize="0.55")
        self._fill(drawing, self._contents(), None)
        for point in self.ways.points:
            start, entered = self.ways.start(point)
            self._lead(drawing, start, point, 1 + entered, arrowhead="none")
        for arrow in self.graph.arrows:
            if arrow.source.kind in BESIDE:
                drawing.edge(self.identity[arrow.source], self.identity[arrow.target])
            else:
                start, entered = self.ways.start(arrow)
                beside = entered > 0 and arrow.target in self.with_parameters
                self._lead(drawing, start, arrow.target, 1 + entered + beside)
        for above, below in self._below_titles():
            drawing.edge(above, below, style="invis")
        return drawing

    def _lead(self, drawing: graphviz.Digraph, start: Box | Point, end: Box | Point, ranks: int, **look: str) -> None:
        """A piece of the way that data take: straight down if it can be, past titles and what is beside."""
        look |= {"minlen": str(ranks)} if ranks > 1 else {}
        drawing.edge(self.identity[start], self.identity[end], weight="9", **look)

    def _below_titles(self) -> dict[tuple[str, str], None]:
        """Each title, and what must stand below it: the parameters there, and where data come in."""
        fed: dict[Box, set[Region]] = {}  # the clusters from which a box gets data
        for arrow in self.graph.arrows:
            if arrow.source.kind not in BESIDE:
                fed.setdefault(arrow.target, set()).update(clusters(arrow.source))
        pairs: dict[tuple[str, str], None] = {}
        for box in self.graph.boxes:
            below = self.identity[box]
            for region in clusters(box):
                if region in fed.get(box, ()):
                    break
                pairs[self.titles[region], below] = None
                if box.kind in BESIDE:
                    break
                below = self.titles[region]
        for point in self.ways.points:
            if point.region is not None and point.region not in clusters(point.source):
                pairs[self.titles[point.region], self.identity[point]] = None
        return pairs

    def _contents(self) -> Inside:
        """What lies directly in each cluster: boxes, clusters, and the shapes of values that go to a box there."""
        inside: Inside = {}
        for box in self.graph.boxes:
            child: Region | Box = box
            for region in (*clusters(box), None):
                inside.setdefault(region, {})[child] = None
                child = region or box
        for point in self.ways.points:
            inside.setdefault(point.region, {})[point] = None
        return inside

    def _fill(self, drawing: graphviz.Digraph, inside: Inside, at: Region | None) -> None:
        """Write what lies in a region: boxes, and regions as clusters within."""
        for child in inside.get(at, {}):
            if isinstance(child, Box):
                drawing.node(self.identity[child], **self._look(child))
                continue
            if isinstance(child, Point):
                drawing.node(self.identity[child], **self._point(child))
                continue
            fill, border = AROUND["sweep" if child.module is None else ("even", "odd")[child.level % 2]]
            self.titles[child] = f"t{len(self.titles)}"
            with drawing.subgraph(name=f"cluster_{self.titles[child]}") as cluster:
                cluster.attr(
                    style="filled,rounded", label="", margin="8", fillcolor=self.color(fill), color=self.color(border)
                )
                cluster.node(
                    self.titles[child], f"<{self._title(child)}>", shape="plaintext", style="", margin="0", height="0"
                )
                self._fill(cluster, inside, child)

    def _point(self, point: Point) -> dict[str, str]:
        if point.shape is None:
            return {"label": "", "shape": "point", "width": "0.05", "height": "0.05", "color": self.color(ARROW)}
        small = {"fontsize": "9", "fontcolor": self.color(MUTED)}
        return {"label": _shape(point.shape), "shape": "plaintext", "style": "", "margin": "0.04,0", **small}

    def _look(self, box: Box) -> dict[str, str]:
        """A box's text and colours."""
        kind = "backward" if box.kind == "module" and box.region and box.region.module is None else box.kind
        fill, border = FILL_AND_BORDER[kind]
        lines = []
        if box.kind == "module":
            count = sum(not isinstance(edge, Tensor) for edge in box.stands_for)
            lines.append(f"{count} operation" + "s" * (count != 1))
        elif box.kind not in ("operation", "backward") and box.shape is not None:
            many = box.kind == "parameter" and len(box.shape) > 1
            lines.append(_shape(box.shape) + (f" = {math.prod(box.shape):,}" if many else ""))
        if self.measured and self.scale:
            fill = FILL_AND_BORDER["operation"][0]
            if (figure := self.measured.figures.get(box)) is not None:
                fill = self.scale.color(figure)
                lines.append(self.measured.kind.prefix + _figure(figure, self.measured.kind.unit))
        ink, small = (ink_on(fill), ink_on(fill)) if fill in (*RAMP, NOT_FINITE) else (INK, MUTED)
        first = f"<b>{_text(box.name)}</b>" + (SPACE + _text(box.detail) if box.detail else "")
        if box.kind == "module" and box.region:
            first = self._title(box.region, small)
        below = "".join(f'<br/><font point-size="10" color="{self.color(small)}">{line}</font>' for line in lines)
        look = {"label": f"<{LOWER}{first}{below}>", "fillcolor": self.color(fill), "color": self.color(border)}
        return look if ink is INK else look | {"fontcolor": self.color(ink)}

    def _title(self, region: Region, small: Color = MUTED) -> str:
        """A module's name, class and parameters, and which of its runs this is."""
        runs = self.runs[id(region.module) if region.module else 0]
        if region.module is None:
            return "<b>backward pass</b>" + (f" {region.run}" if runs > 1 else "")
        kind = _text(type(region.module).__name__)
        title = f"<b>{_text(region.name)}</b>{SPACE}{kind}" if region.name else f"<b>{kind}</b>"
        notes = []
        if region.parameters:
            share = "" if region.share is None else f", {_percent(region.share)}"
            notes.append(f"{region.parameters:,} parameter" + "s" * (region.parameters > 1) + share)
        if runs > 1:
            notes.append(f"run {region.run} of {runs}")
        if not notes:
            return title
        return f'{title}{2 * SPACE}<font point-size="10" color="{self.color(small)}">{_text("; ".join(notes))}</font>'

    def _head(self, title: str) -> str:
        """The drawing's title, and the scale of its figures."""
        rows = [f'<tr><td colspan="9"><font point-size="15"><b>{_text(title)}</b></font></td></tr>'] if title else []
        if self.measured and self.scale:
            kind = self.measured.kind
            unit, text = kind.unit, kind.title
            if unit:
                text += f", {_figure(kind.together([*self.measured.figures.values()]), unit)} in all"
            rows.append(f'<tr><td colspan="9">{_text(text)}</td></tr>')
            cell = '<td width="30" height="10" fixedsize="true" bgcolor="{}"></td>'
            rows.append(f"<tr>{''.join(cell.format(self.color(color)) for color in RAMP)}</tr>")
            ticks = zip(("left", "center", "right"), self.scale.ticks(), strict=True)
            small = f'<font point-size="10" color="{self.color(MUTED)}">'
            texts = (f'<td colspan="3" align="{at}">{small}{_figure(tick, unit)}</font></td>' for at, tick in ticks)
            rows.append(f"<tr>{''.join(texts)}</tr>")
        return f'<<table border="0" cellborder="0" cellspacing="0" cellpadding="2">{"".join(rows)}</table>>'


def _text(text: str) -> str:
    """Any text, as an HTML-like label can hold it."""
    return html.escape("".join(c if c.isprintable() else " " for c in text)).replace("\\", "\\\\")


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "scalar"  # noqa: RUF001 - times, not x


def _percent(share: float) -> str:
    return "< 0.1 %" if share < 0.001 else f"{100 * share:.1f} %"


def _figure(value: float, unit: str) -> str:
    """With three digits, in a unit of about its size: `12.3 ms`; with two without a unit: `1.2e-05`."""
    if not unit or not math.isfinite(value):
        return f"{value:.2g}"
    value = float(f"{value:.3g}")
    prefixes = {"T": 1e12, "G": 1e9, "M": 1e6, "k": 1e3, "": 1.0}
    if unit == "s" and 0 < value < 1:
        prefixes = {"m": 1e-3, "µ": 1e-6}
    prefix = next((prefix for prefix, size in prefixes.items() if value >= size), [*prefixes][-1])
    return f"{value / prefixes[prefix]:.3g} {prefix}{unit}"

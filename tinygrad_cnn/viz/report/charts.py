"""Charts as inline SVG that stretches with the page, under HTML labels that keep their size.

The drawing is 100 wide and 100 high and is stretched to its box; its strokes are not (`non-scaling-stroke`). So a
chart is as sharp and its text as large on a phone as on a desk. Colours come from the page's style sheet.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .markup import Html, tag

LEVELS = 6  # shades of the density


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high`, with labels at `ticks`."""

    label: str
    low: float
    high: float
    ticks: Sequence[float]

    def place(self, value: float) -> float:
        """Where a value stands, in per cent of the axis."""
        return 100 * (value - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class Line:
    """One quantity, epoch by epoch; `kind` is its class in the style sheet."""

    name: str
    kind: str
    values: Sequence[float]


def step_of(span: float, count: int) -> float:
    """The step 1, 2 or 5 times a power of ten that cuts `span` into at most `count` pieces.

    >>> step_of(14, 5), step_of(0.9, 5), step_of(1, 5)
    (5.0, 0.2, 0.2)
    """
    rough = span / count
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step for step in (power, 2 * power, 5 * power, 10 * power) if step >= rough * (1 - 1e-9))


def line_chart(
    title: str,
    unit: str,
    lines: Sequence[Line],
    epochs: int,
    level: tuple[str, float] | None = None,
    mark: tuple[int, int] | None = None,
    form: str = ",.2f",
    growth: Sequence[tuple[int, int]] = (),
) -> Html:
    """Lines over the epochs 1 to `epochs`, with a readout for each epoch that the mouse is over.

    `level` is a name and a value for a dashed line across, `mark` the place in `lines` of the line whose best
    epoch, the second number, is ringed. `growth` has the epochs from which the pictures are larger, and how large
    (pixels): an upright line stands before each.
    """
    finite = [value for line in lines for value in line.values if math.isfinite(value)]
    top = max([*finite, level[1] if level else 0]) * 1.06 or 1.0
    step = step_of(top, 4)
    y = Axis(unit, 0, top, [n * step for n in range(int(top / step) + 1)])
    stride = max(1, round(step_of(epochs, 8)))
    x = Axis("epoch", 0.5, epochs + 0.5, range(stride, epochs + 1, stride))

    drawing = [tag("path", class_="grid", d="".join(f"M0 {100 - y.place(tick):.2f}H100" for tick in y.ticks))]
    if growth:
        uprights = "".join(f"M{x.place(epoch - 0.5):.2f} 0V100" for epoch, _ in growth)
        drawing.append(tag("path", class_="line growth", d=uprights))
    if level:
        drawing.append(tag("path", class_="line median", d=f"M0 {100 - y.place(level[1]):.2f}H100"))
    for line in lines:
        points = [(x.place(epoch), 100 - y.place(value)) for epoch, value in enumerate(line.values, 1)]
        drawing.append(tag("path", class_=f"line {line.kind}", d=_path(points)))
        if epochs <= 40:
            dots = "".join(f"M{h:.2f} {v:.2f}h0" for h, v in points if math.isfinite(v))
            drawing.append(tag("path", class_=f"dots {line.kind}", d=dots))
    best = ""
    if mark:
        line, epoch = lines[mark[0]], mark[1]
        ring = f"M{x.place(epoch):.2f} {100 - y.place(line.values[epoch - 1]):.2f}h0"
        drawing += [tag("path", class_=f"{kind} {line.kind}", d=ring) for kind in ("ring", "ring inner")]
        best = f"best {line.values[epoch - 1]:{form}}, epoch {epoch}"
    entries = [(line.kind, line.name) for line in lines] if len(lines) > 1 or level else []
    if best:
        entries.append((f"best {line.kind}", best))
    if level:
        entries.append(("median", f"{level[0]} {level[1]:{form}}"))
    if growth:
        larger = ", ".join(f"{size}x{size} from epoch {epoch}" for epoch, size in growth)
        entries.append(("growth", f"larger pictures: {larger}"))
    last = ", ".join(f"{line.name} {line.values[-1]:{form}}" for line in lines)
    description = f"{title}, {unit}, over {len(lines[0].values)} epochs. In the last: {last}."
    return tag(
        "figure",
        tag("figcaption", tag("h3", title), tag("span", unit, class_="unit"), legend(entries)),
        _plot(drawing, x, y, description, _readouts(lines, x, form)),
        class_="chart",
    )


def density(true: np.ndarray, predicted: np.ndarray) -> Html:
    """Predicted against true ages: how many faces fall into each square of a few years, on a logarithmic scale."""
    top, bottom = max(true.max(), predicted.max()), min(0.0, true.min(), predicted.min())
    width = max(1, round(step_of(top - bottom + 1, 60)))  # years
    whole = max(width, 10)  # both axes begin and end at a multiple of it, and so of the width
    low, high = whole * (bottom // whole), whole * (1 + top // whole)
    edges = np.arange(low, high + 1, width)
    counts, _, _ = np.histogram2d(true, predicted, bins=(edges, edges))

    step = step_of(high - low, 6)
    ticks = [n * step for n in range(math.ceil(low / step), int(high / step) + 1)]
    x, y = Axis("true age (years)", low, high, ticks), Axis("predicted age (years)", low, high, ticks)
    grid = "".join(f"M0 {100 - y.place(t):.2f}H100M{x.place(t):.2f} 0V100" for t in ticks)
    near = 5 * 100 / (high - low)
    shades, scale = _shades(counts)
    drawing = [
        tag("path", class_="grid", d=grid),
        tag("path", class_="near", d=f"M0 {100 - near:.2f}L{100 - near:.2f} 0H100V{near:.2f}L{near:.2f} 100H0Z"),
        *shades,
        tag("path", class_="line ideal", d="M0 100L100 0"),
    ]
    error = np.abs(predicted - true)
    description = (
        f"Predicted against true age of {len(true):,} faces. {np.mean(error <= 5):.0%} lie within 5 years of the "
        f"diagonal, where both are equal; half are off by less than {np.median(error):.1f} years."
    )
    unit = f"faces in each square of {'1 year' if width == 1 else f'{width} years'}"
    marks = legend([*scale, ("near", "within 5 years")])
    return tag(
        "figure",
        tag("figcaption", tag("h3", "Predicted against true age"), tag("span", unit, class_="unit"), marks),
        _plot(drawing, x, y, description, square=True),
        class_="chart",
    )


def _shades(counts: np.ndarray) -> tuple[list[Html], list[tuple[str, str]]]:
    """The squares `(columns, rows)` that hold anything, as one path for each shade, and the legend to them."""
    most = counts.max()
    shade = np.where(counts > 0, np.ceil(LEVELS * np.log(counts.clip(1) + 0.5) / np.log(most + 0.5)), 0)
    side = 100 / len(counts)
    paths, scale = [], []
    for level in range(1, LEVELS + 1):
        inside = counts[shade == level]
        if inside.size:
            corners = [(side * i, 100 - side * (j + 1)) for i, j in np.argwhere(shade == level)]
            squares = "".join(f"M{h:.2f} {v:.2f}h{side:.2f}v{side:.2f}h-{side:.2f}z" for h, v in corners)
            paths.append(tag("path", class_=f"shade{level}", d=squares))
            few, many = int(inside.min()), int(inside.max())
            scale.append((f"shade{level}", f"{few}" if few == many else f"{few}-{many}"))
    return paths, scale


def bar(value: float, most: float, kind: str) -> Html:
    """A horizontal bar, as long as `value` is to `most`."""
    length = f"{100 * value / most:.2f}%" if most else 0
    return tag("svg", tag("rect", width=length, height="100%", rx=2), class_=f"bar {kind}", aria_hidden="true")


def _plot(
    drawing: Sequence[Html], x: Axis, y: Axis, description: str, over: Html | None = None, square: bool = False
) -> Html:
    """A drawing between its axes. Labels are hidden from screen readers, which read the description."""
    svg = tag("svg", *drawing, viewBox="0 0 100 100", preserveAspectRatio="none", role="img", aria_label=description)
    return tag(
        "div",
        tag("div", [tag("span", f"{t:,g}", style=f"bottom:{y.place(t):.2f}%") for t in y.ticks],
            class_="y", aria_hidden="true"),
        tag("div", svg, over, class_="box"),
        tag("div", [tag("span", f"{t:,g}", style=f"left:{x.place(t):.2f}%") for t in x.ticks],
            class_="x", aria_hidden="true"),
        tag("div", x.label, class_="xlabel", aria_hidden="true"),
        tag("div", y.label, class_="ylabel", aria_hidden="true") if square else None,
        class_="plot square" if square else "plot",
    )  # fmt: skip


def _readouts(lines: Sequence[Line], x: Axis, form: str) -> Html:
    """Over each epoch a strip that shows the epoch's figures under the mouse; of very many epochs, over some."""
    done = len(lines[0].values)
    every = -(-done // 200)
    width = every * 100 / (x.high - x.low)
    strips = []
    for epoch in range(done, 0, -every):
        figures = [tag("span", tag("i", class_=f"swatch {line.kind}"), f" {line.name} {line.values[epoch - 1]:{form}}")
                   for line in lines]  # fmt: skip
        place = x.place(epoch)
        side = "left" if place < 50 else "right"
        strips.append(
            tag("div", tag("div", tag("b", f"epoch {epoch}"), figures, class_=f"readout {side}"),
                class_="strip", style=f"left:{place - width / 2:.2f}%;width:{width:.2f}%")
        )  # fmt: skip
    return tag("div", strips, class_="strips", aria_hidden="true")


def legend(entries: Sequence[tuple[str, str]]) -> Html | None:
    """What each kind of mark, a class of the style sheet, stands for."""
    if not entries:
        return None
    items = [tag("li", tag("i", class_=f"swatch {kind}"), " ", name) for kind, name in entries]
    return tag("ul", items, class_="legend")


def _path(points: Sequence[tuple[float, float]]) -> str:
    """A line through the points, broken where a value is no finite number."""

    def pieces() -> Iterator[str]:
        start = "M"
        for h, v in points:
            finite = math.isfinite(v)
            if finite:
                yield f"{start}{h:.2f} {v:.2f}"
            start = "L" if finite else "M"

    return "".join(pieces())

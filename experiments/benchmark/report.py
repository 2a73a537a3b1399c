"""The figures as a table in Markdown and as a bar chart."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .figures import Figure
from .rows import Unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Picture

FAST, FAIR, POOR, PLAIN = "#1f5fa8", "#8fb4dc", "#c8553d", "#c3c9d1"
INK, GREY, PALE = "#2b2f36", "#69717c", "#dfe3e8"
COLUMNS = ("ours", "rival", "ratio", "half of the rounds", "at least", "aim", "")
LEFT = (0, 2, 7)  # columns of words

WIDTH = 12.5  # of the chart, in inches
TITLES, OURS, AXES_LEFT, AXES_RIGHT, RIVALS = 0.015, 0.385, 0.395, 0.8, 0.81  # places across it
WIDEST = 16.0  # a ratio beyond this, or its inverse, is drawn as this


def about(machine: Mapping[str, Any], rounds: int, seconds: float) -> list[str]:
    """What was measured on, and how, in a few lines."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    cores = f"{machine['cores']} core{'s' * (machine['cores'] > 1)}"
    lines = [
        f"{machine['processor']}, {cores}, {machine['memory_bytes'] / 2**30:.0f} GiB, {machine['system']}",
        versions,
        f"{machine['threads']} threads each; medians of {rounds} interleaved rounds, turns of {seconds:g} s",
    ]
    if machine["load_before"] > 0.3:
        lines.append(
            f"Other programs were running before the start (load {machine['load_before']}): figures may be off."
        )
    return lines


def table(found: Sequence[Figure]) -> str:
    """Markdown, a table for each section, with columns that line up as plain text too.

    A ratio is the rival's cost over ours. The column after it holds the middle half of the rounds' ratios.
    """
    parts = []
    for section, group in itertools.groupby(found, key=lambda figure: figure.section):
        lines = [(section, *COLUMNS), *(_cells(figure) for figure in group)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        head, *body = ("| " + " | ".join(_padded(cells, widths)) + " |" for cells in lines)
        marks = [("-" * width if i in LEFT else "-" * (width - 1) + ":") for i, width in enumerate(widths)]
        parts.append("\n".join([head, "| " + " | ".join(marks) + " |", *body]))
    return "\n\n".join(parts)


def _cells(figure: Figure) -> tuple[str, ...]:
    return (
        figure.title,
        value(figure.unit, figure.ours),
        f"{figure.rival}: {value(figure.unit, figure.theirs)}",
        times(figure.ratio.median),
        f"{times(figure.ratio.low)} to {times(figure.ratio.high)}",
        "" if figure.least is None else times(figure.least),
        "" if figure.aim is None else times(figure.aim),
        figure.verdict,
    )


def _padded(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        cell.ljust(width) if i in LEFT else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]


def value(unit: Unit, cost: float) -> str:
    """Three digits and the unit."""
    return f"{_three_digits(unit.of(cost))} {unit.name}"


def times(ratio: float) -> str:
    return f"{_three_digits(ratio)}x"


def _three_digits(number: float) -> str:
    decimals = 0 if abs(number) >= 99.95 else 1 if abs(number) >= 9.995 else 2
    return f"{number:,.{decimals}f}"


def chart(found: Sequence[Figure], caption: Sequence[str]) -> Picture:
    """A bar for each figure, from "as good as the rival" outwards, on a logarithmic scale; ours left, rivals right.

    A black stroke is what the figure should be at least, a diamond what it aims at; the grey line across a bar's
    end holds the middle half of the rounds.
    """
    from matplotlib.figure import Figure as Picture
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    sections = [list(group) for _, group in itertools.groupby(found, key=lambda figure: figure.section)]
    height = 2.2 + 0.27 * sum(len(group) + 1.5 for group in sections)  # inches
    picture = Picture(figsize=(WIDTH, height), dpi=130, facecolor="white")
    axes = picture.add_axes((AXES_LEFT, 1.3 / height, AXES_RIGHT - AXES_LEFT, 1 - 1.9 / height))
    _scale(axes, found)
    place = 0.0
    for group in sections:
        place -= 1
        _text(axes, TITLES, place, group[0].section, fontweight="bold", fontsize=10.5)
        for title, figures in itertools.groupby(group, key=lambda figure: figure.title):
            _text(axes, TITLES, place - 1, title)
            for figure in figures:
                place -= 1
                _bar(axes, figure, place)
        place -= 0.5
    axes.set_ylim(place, -0.4)

    handles: list[Any] = [
        Patch(color=FAST, label="goal reached"),
        Patch(color=FAIR, label="reached, short of the aim"),
        Patch(color=POOR, label="below the goal"),
        Patch(color=PLAIN, label="no goal"),
        Line2D([], [], color=INK, marker="|", markersize=10, markeredgewidth=2, linestyle="", label="at least"),
        Line2D([], [], color=INK, marker="D", markersize=5, markerfacecolor="white", linestyle="", label="aim"),
    ]
    picture.legend(handles=handles, loc="upper right", ncols=6, frameon=False, fontsize=8.5, columnspacing=1.4,
                   handletextpad=0.5, bbox_to_anchor=(0.985, 1 - 0.12 / height))  # fmt: skip
    picture.text(TITLES, 1 - 0.3 / height, "tinygrad_cnn against its rivals", fontsize=14, fontweight="bold",
                 color=INK, va="center")  # fmt: skip
    for i, line in enumerate(caption[:4]):
        picture.text(TITLES, (0.6 - 0.16 * i) / height, line, fontsize=7.5, color=GREY)
    return picture


def _bar(axes: Axes, figure: Figure, place: float) -> None:
    median, low, high = (min(max(number, 1 / WIDEST), WIDEST) for number in figure.ratio)
    short = figure.verdict == "reached" and figure.aim is not None
    colour = {"below": POOR, "": PLAIN}.get(figure.verdict, FAIR if short else FAST)
    axes.barh(place, median - 1, left=1, height=0.62, color=colour)
    axes.plot([low, high], [place, place], color=GREY, linewidth=1.2, solid_capstyle="butt")
    if figure.least is not None:
        axes.plot(figure.least, place, "|", color="white", markersize=11, markeredgewidth=3.6)
        axes.plot(figure.least, place, "|", color=INK, markersize=11, markeredgewidth=1.8)
    if figure.aim is not None:
        axes.plot(figure.aim, place, "D", color=INK, markersize=4, markerfacecolor="white")
    ends = [median, low, high, 1, figure.least or 1, figure.aim or 1]
    end, shift, side = (max(ends), 7, "left") if median >= 1 else (min(ends), -7, "right")
    axes.annotate(times(figure.ratio.median), (end, place), xytext=(shift, 0), textcoords="offset points", ha=side,
                  va="center", fontsize=8.5, color=INK)  # fmt: skip
    _text(axes, OURS, place, value(figure.unit, figure.ours), ha="right")
    _text(axes, RIVALS, place, f"{figure.rival}: {value(figure.unit, figure.theirs)}", color=GREY)


def _text(axes: Axes, across: float, place: float, text: str, **style: Any) -> None:
    """Text at a place across the picture, and at a bar's height."""
    x = (across - AXES_LEFT) / (AXES_RIGHT - AXES_LEFT)
    style = {"fontsize": 8.5, "color": INK, "va": "center", **style}
    axes.text(x, place, text, transform=axes.get_yaxis_transform(), **style)


def _scale(axes: Axes, found: Sequence[Figure]) -> None:
    smallest = min([0.5, *(max(figure.ratio.low, 1 / WIDEST) for figure in found)]) / 1.6
    largest = max([2.5, *(min(figure.ratio.high, WIDEST) for figure in found)]) * 1.6
    axes.set_xscale("log", base=2)
    axes.set_xlim(smallest, largest)
    ticks = [t for t in (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16) if smallest <= t <= largest]
    axes.set_xticks(ticks, [f"1/{1 / t:g}x" if t < 1 else f"{t:g}x" for t in ticks])
    axes.set_xlabel("as fast as the rival, or as small", fontsize=9, color=INK)
    axes.axvline(1, color=INK, linewidth=1)
    axes.set_yticks([])
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(labelsize=9, colors=INK)
    axes.grid(axis="x", color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)

"""The sections of a report below its curves: predictions, faces, filters, graph and configuration."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..plots import filter_images
from .charts import bar, density, legend
from .classes import class_faces
from .markup import Html, picture, row_of_faces, shown_face, table, tag
from .state import Outcome, Report

SHOWN_ELSEWHERE = {"data", "settings", "faces", "versions", "command_line", "started"}


def folded(summary: str, name: str, *content: Any) -> Html:
    """What the reader may open; whether it is open outlives a refresh."""
    return tag("details", tag("summary", summary, id=f"{name}-summary"), *content, id=name)


def history_table(report: Report) -> Html:
    """The numbers behind the curves."""
    columns = {name: measure(name) for name in report.history[0] if name.endswith(("_mae_years", "_accuracy"))}
    columns |= {
        "train_loss": ("training loss", ".4f"), "val_loss": ("validation loss", ".4f"),
        "learning_rate": ("learning rate", ".2e"), "images_per_second": ("faces/s", ",.0f"),
        "seconds": ("seconds", ",.1f"),
    }  # fmt: skip
    if report.growth:
        columns["image_size"] = ("pixels", "d")
    rows = [[row["epoch"], *(f"{row[name]:{form}}" for name, (_, form) in columns.items())] for row in report.history]
    heads = ["epoch", *(name for name, _ in columns.values())]
    return folded("The numbers behind the curves", "history", table("Epoch by epoch", heads, rows))


def measure(column: str) -> tuple[str, str]:
    """The heading of a column of errors or accuracies, and the form of its figures.

    >>> measure("val_gender_accuracy")
    ('validation gender accuracy', '.1%')
    """
    part, _, rest = column.partition("_")
    name = {"train": "training", "val": "validation"}[part]
    if rest == "mae_years":
        return f"{name} error (years)", ".2f"
    return f"{name} {rest.replace('_', ' ')}", ".1%"


def predictions(report: Report) -> Html | None:
    """The density of predicted against true ages, and the error in each decade."""
    outcome = report.outcome
    if outcome is None:
        return None
    intro = f"{outcome.metrics['faces']:,} {outcome.faces_are}"
    if report.state == "running":
        intro += ", predicted after the last epoch"
    return tag(
        "div",
        tag("p", intro + ".", class_="lead"),
        tag("div", density(outcome.true, outcome.predicted), _decades(outcome), class_="charts"),
        _spread(outcome),
    )


def _decades(outcome: Outcome) -> Html:
    model, median = outcome.metrics["mae_years_by_decade"], outcome.metrics["predicting_the_median"]
    of_median = median["mae_years_by_decade"]
    most = max(of["mae_years"] for of in (*model.values(), *of_median.values()))
    rows = [
        [name, f"{of['faces']:,}",
         tag("div", bar(of["mae_years"], most, "validation"), bar(of_median[name]["mae_years"], most, "median")),
         tag("data", f"{of['mae_years']:.1f}", value=repr(of["mae_years"]), data_figure=name),
         f"{of_median[name]['mae_years']:.1f}"]
        for name, of in model.items()
    ]  # fmt: skip
    kinds = legend([("validation", "network"), ("median", f"guessing {median['median_years']:g}")])
    heads = ["age", "faces", "error", "network", "guess"]
    unit = tag("span", "mean absolute error, years", class_="unit")
    return tag(
        "figure",
        tag("figcaption", tag("h3", "Error in each decade of age"), unit, kinds),
        table("Mean absolute error in years by decade of true age", heads, rows, "bars decades"),
        class_="chart",
    )  # fmt: skip


def _spread(outcome: Outcome) -> Html:
    """The numbers behind the density: of the faces of each decade, how many were seen in which."""
    true, predicted = (np.asarray(ages // 10, int) for ages in (outcome.true, outcome.predicted))
    rows_of, columns_of = np.unique(true), np.unique(predicted)
    rows = [[_decade(i), *(f"{np.sum((true == i) & (predicted == j)):,}" for j in columns_of)] for i in rows_of]
    heads = ["true age", *(f"seen as {_decade(j)}" for j in columns_of)]
    return folded("The numbers behind the picture", "spread", table("Faces by true and predicted age", heads, rows))


def _decade(number: int) -> str:
    return f"{10 * number}-{10 * number + 9}"


def faces(report: Report) -> Html | None:
    """The faces whose age was seen best, and worst."""
    outcome = report.outcome
    if outcome is None:
        return class_faces(report.classes[0]) if report.classes else None
    if not outcome.images:
        return None
    best, worst = outcome.extremes()
    return tag(
        "div",
        tag("p", f"Of the {len(outcome.true):,} {outcome.faces_are}, in years.", class_="lead"),
        _row_of_faces("Closest", best, outcome),
        _row_of_faces("Farthest off", worst, outcome),
    )


def _row_of_faces(title: str, places: Sequence[int], outcome: Outcome) -> Html:
    def one(place: int) -> Html:
        true, predicted = float(outcome.true[place]), float(outcome.predicted[place])
        off = round(predicted - true, 1)
        kind = "good" if abs(off) <= 5 else "fair" if abs(off) <= 10 else "poor"
        alt = f"a face of age {true:.0f}, predicted {predicted:.0f}"
        verdict = f"{off:+.1f}".replace("-", "\u2212") if off else "0.0"
        return shown_face(outcome.images[place], alt, [f"age {true:.0f}", f"seen as {predicted:.0f}"], verdict, kind)

    return row_of_faces(title, [one(place) for place in places if place in outcome.images])


def filters(report: Report) -> Html | None:
    """The first convolution's kernels as small pictures."""
    if report.filters is None:
        return None
    count, _, height, width = report.filters.shape
    shown = [tag("li", tag("img", src=picture(image, "png"), alt=f"filter {number}"))
             for number, image in enumerate(filter_images(report.filters), 1)]  # fmt: skip
    what = (
        f"The {count} filters of the first convolution, {height} by {width} pixels each. "
        "Mid grey is a weight of zero; what looks like a filter excites it most."
    )
    return tag("div", tag("p", what, class_="lead"), tag("ul", shown, class_="filters"))


def graph(report: Report) -> Html | None:
    """What autograd recorded, as graphviz drew it."""
    if report.graph is None:
        return None
    if "<svg" not in report.graph:
        return tag("p", "There is no drawing of the graph: it needs Graphviz's dot (apt install graphviz, "
                   "brew install graphviz) on the machine that trains.", class_="lead")  # fmt: skip
    svg = report.graph[report.graph.index("<svg") :]
    drawing = re.sub(
        r"<svg\b", '<svg role="img" aria-label="The graph of operations that autograd recorded"', svg, count=1
    )
    return tag(
        "div",
        tag("p", "What autograd recorded on the way from two faces to their loss.", class_="lead"),
        tag("div", Html(drawing), class_="graph", role="region", aria_label="The graph, which scrolls", tabindex=0),
    )  # fmt: skip


def configuration(report: Report) -> Html | None:
    """What was asked for, of what, on which machine, and how to ask for it again."""
    config = report.config
    if not config:
        return None
    rest = {name: value for name, value in config.items() if name not in SHOWN_ELSEWHERE}
    groups = [("Settings", config.get("settings", {})), ("Faces", config.get("faces", {})),
              ("Machine", {**rest, **config.get("versions", {})})]  # fmt: skip
    command = shlex.join(config.get("command_line", []))
    return tag(
        "div",
        tag("div", tag("h3", "Command"), tag("code", f"python {command}", class_="command")) if command else None,
        tag("div", [tag("div", tag("h3", name), tag("dl", _pairs(values))) for name, values in groups if values],
            class_="groups"),
    )  # fmt: skip


def _pairs(values: Mapping[str, Any], before: str = "") -> list[Html]:
    """Names and values, those of inner mappings after their own name; what was left open is left out."""
    pairs = []
    for name, value in values.items():
        name = f"{before}{name.replace('_', ' ')}"
        if isinstance(value, Mapping):
            pairs += _pairs(value, f"{name}, ")
        elif value is not None and value != []:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            text = {"True": "yes", "False": "no"}.get(text, text)
            short = f"{text[:12]}\u2026" if re.fullmatch("[0-9a-f]{32,}", text) else text
            pairs.append(tag("div", tag("dt", name), tag("dd", short, title=text if short != text else None)))
    return pairs

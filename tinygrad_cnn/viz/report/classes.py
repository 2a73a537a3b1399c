"""The sections of a report on a network that tells classes: what it takes for what, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .charts import LEVELS, bar, legend
from .markup import Html, row_of_faces, shown_face, table, tag
from .state import Classification

MANY = 6  # classes, whose matrix takes the whole width


def classification(classes: Classification, running: bool) -> Html:
    """The confusion matrix, and the figures of each class."""
    intro = f"{classes.metrics['faces']:,} {classes.faces_are}"
    if running:
        intro += ", seen after the last epoch"
    return tag(
        "div",
        tag("p", intro + ".", class_="lead"),
        tag("div", _matrix(classes), _each_class(classes), class_="charts"),
    )


def _matrix(classes: Classification) -> Html:
    names, matrix = classes.metrics["classes"], np.array(classes.metrics["confusion_matrix"])
    faces = np.maximum(matrix.sum(axis=1, keepdims=True), 1)

    def cell(count: int, share: float) -> Html:
        return tag("span", f"{count:,}", class_=f"cell shade{math.ceil(LEVELS * share)}", title=f"{share:.0%}")

    each = zip(names, matrix, matrix / faces, strict=True)
    rows = [[name, *map(cell, counts, shares)] for name, counts, shares in each]
    steps = [(f"shade{level}", f"to {level / LEVELS:.0%}") for level in range(1, LEVELS + 1)]
    unit = tag("span", "faces; the colour is their share of the true class", class_="unit")
    return tag(
        "figure",
        tag("figcaption", tag("h3", "What is taken for what"), unit, legend(steps)),
        table("Faces by true class and the class that was seen", ["true, seen as", *names], rows, "matrix"),
        class_="chart wide" if len(names) > MANY else "chart",
    )


def _each_class(classes: Classification) -> Html:
    matrix, names = np.array(classes.metrics["confusion_matrix"]), classes.metrics["classes"]
    seen = dict(zip(names, matrix.sum(axis=0).tolist(), strict=True))
    right = dict(zip(names, matrix.diagonal().tolist(), strict=True))
    rows = [
        [name, f"{of['faces']:,}", bar(of["accuracy"], 1, "validation"),
         tag("data", f"{of['accuracy']:.0%}", value=repr(of["accuracy"]), data_figure=f"{classes.subject} {name}"),
         f"{right[name] / seen[name]:.0%}" if seen[name] else "never said"]
        for name, of in classes.metrics["accuracy_by_class"].items()
    ]  # fmt: skip
    heads = ["class", "faces", "seen as such", "", "right when said"]
    unit = tag("span", "share of its faces", class_="unit")
    return tag(
        "figure",
        tag("figcaption", tag("h3", "Accuracy of each class"), unit),
        table(f"Accuracy by {classes.subject}", heads, rows, "bars"),
        class_="chart",
    )


def class_faces(classes: Classification) -> Html | None:
    """The surest answers, right and wrong."""
    if not classes.images:
        return None
    names, kinds = classes.metrics["classes"], ("good", "poor")

    def one(place: int) -> Html:
        true, seen = int(classes.true[place]), int(classes.predicted[place].argmax())
        words = [names[true], f"seen as {names[seen]}"]
        sure = f"{classes.predicted[place].max():.1%}"
        return shown_face(classes.images[place], f"a face, {', '.join(words)}", words, sure, kinds[true != seen])

    def row(title: str, places: Sequence[int]) -> Html | None:
        shown = [one(place) for place in places if place in classes.images]
        return row_of_faces(title, shown) if shown else None

    right, wrong = classes.extremes()
    intro = f"Of the {len(classes.true):,} {classes.faces_are}; the figure is the probability that the network gives."
    return tag("div", tag("p", intro, class_="lead"), row("Surest and right", right), row("Surest and wrong", wrong))

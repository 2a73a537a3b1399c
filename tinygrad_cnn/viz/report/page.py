"""The page: a run's report as one HTML text. It says in its own head that nothing may be loaded from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from .charts import Line, bar, line_chart
from .classes import classification
from .markup import Html, tag, together
from .sections import configuration, faces, filters, graph, history_table, predictions
from .state import Report
from .words import duration, in_words

HERE = Path(__file__).parent


def render(report: Report) -> str:
    """The report as HTML. While the run is running the page refreshes itself, as long as there is news."""
    script = (HERE / "page.js").read_text(encoding="utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(script)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", href="data:,"),
        tag("title", _title(report)),
        tag("style", Html((HERE / "page.css").read_text(encoding="utf-8"))),
        _refresh_without_scripts(report),
    )
    of_classes = [(of.subject.capitalize(), classification(of, report.state == "running")) for of in report.classes]
    sections = [
        ("Summary", _summary(report)),
        ("Training", _training(report)),
        ("Predictions", predictions(report)),
        *of_classes,
        ("Faces", faces(report)),
        ("First filters", filters(report)),
        ("Graph", graph(report)),
        ("Configuration", configuration(report)),
    ]
    shown = [(name, re.sub(r"\W+", "-", name.lower()), content) for name, content in sections if content]
    body = tag(
        "body",
        tag("a", "Skip to the summary", href="#summary", class_="skip"),
        _header(report, [(name, place) for name, place, _ in shown]),
        tag("main", [
            tag("section", tag("h2", name, id=f"{place}-title"), content, id=place,
                aria_labelledby=f"{place}-title", tabindex=-1)
            for name, place, content in shown
        ]),
        _footer(report),
        tag("script", Html(script)),
    )  # fmt: skip
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _policy(script: str) -> str:
    """Allows what stands in the page: its style, its one script, pictures in data URIs."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'"


def _title(report: Report) -> str:
    error = None if report.best is None else report.error(report.best)
    if report.state == "finished" and report.outcome is not None:
        error = report.outcome.metrics["mae_years"]
    elif report.state == "finished" and report.classes:
        error = 1 - report.classes[0].metrics["accuracy"]
    parts = [f"{len(report.history)}/{report.epochs}"] if report.state != "finished" and report.epochs else []
    if error is not None:
        parts.append(f"{error:.2f} years" if report.tells_age else f"{1 - error:.1%} right")
    return " \u00b7 ".join([*parts, report.name])


class _Pace(NamedTuple):
    """When a running page looks for news, all in seconds."""

    due: float  # from one epoch to the next
    interval: float  # between two looks, once it is due
    patience: float  # without news, after which the run is taken for dead

    @classmethod
    def of(cls, report: Report) -> _Pace:
        due = report.seconds_per_epoch
        if due is None:  # nobody knows yet how long an epoch takes
            return cls(0.0, 10.0, 3600.0)
        return cls(round(due, 3), min(30.0, max(2.0, round(due / 20, 3))), max(60.0, round(3 * due, 3)))


def _refresh_without_scripts(report: Report) -> Html | None:
    if report.state != "running":
        return None
    pace = _Pace.of(report)
    return tag("noscript", tag("meta", http_equiv="refresh", content=round(max(pace.due, pace.interval))))


# -- the top of the page ----------------------------------------------------------------------------------


def _header(report: Report, places: list[tuple[str, str]]) -> Html:
    links = [tag("li", tag("a", name, href=f"#{place}")) for name, place in places]
    return tag(
        "header",
        tag("p", report.subject, class_="subject"),
        tag("h1", report.name),
        _state(report),
        tag("nav", tag("ul", links), aria_label="Sections"),
    )


def _state(report: Report) -> Html:
    """Progress, time left, and how fresh the page is; the script reads when there should be news."""
    done, epochs = len(report.history), report.epochs
    per_epoch = report.seconds_per_epoch
    took = duration((report.written - report.started).total_seconds())
    if report.state == "finished":
        text = f"{_epochs(done)} in {took}" if done else f"took {took}"
    elif report.state == "stopped":
        text = f"after {done} of {_epochs(epochs)}: {report.reason}"
    elif per_epoch is None:
        text = f"epoch 1 of {epochs} is under way"
    elif done < epochs:
        left = (epochs - done) * per_epoch
        until = _clock(report.written + timedelta(seconds=left), report.written)
        text = f"epoch {done} of {epochs} done, {duration(left)} left, until about {until}"
    else:
        text = f"all {epochs} epochs are done; the best weights are being tested"
    progress = tag("progress", value=done, max=max(epochs, 1), aria_label="epochs done")
    timing: dict[str, Any] = {}
    if report.state == "running":
        timing = {f"data_{name}": seconds for name, seconds in _Pace.of(report)._asdict().items()}
        timing["data_written"] = round(report.written.timestamp(), 3)
        timing["data_clock"] = _clock(report.written, report.written)
    return tag(
        "div",
        tag("p", tag("strong", report.state.capitalize(), class_=f"pill {report.state}"), " ", tag("span", text),
            id="state-text"),
        progress if report.state != "finished" else None,
        tag("p", tag("span", _written(report), id="news", role="status"),
            tag("button", "Pause refreshing", type="button", id="pause", aria_pressed="false", hidden=True)
            if report.state == "running" else None, class_="news"),
        id="state", data_state=report.state, **timing,
    )  # fmt: skip


def _written(report: Report) -> Html:
    stamp = tag("time", f"{report.written:%d %B %Y, %H:%M:%S %Z}".lstrip("0"), datetime=report.written.isoformat())
    return together("Written ", stamp, "." if report.state != "running" else ", refreshes itself.")


def _clock(when: datetime, now: datetime) -> str:
    return f"{when:%H:%M}" if when.date() == now.date() else f"{when:%A, %H:%M}"


def _epochs(count: int) -> str:
    return "1 epoch" if count == 1 else f"{count:,} epochs"


# -- summary and curves -----------------------------------------------------------------------------------


def _summary(report: Report) -> Html:
    """The figures that matter most, and what they mean."""
    sentences = in_words(report) or ["The first epoch is under way. Figures and curves appear when it is done."]
    figures: list[tuple[str, Html, str, str]] = []  # name, figure, unit, note
    if report.outcome is not None:
        metrics, faces_are = report.outcome.metrics, report.outcome.faces_are
        figures += [
            ("within 5 years", _data("share_within_5_years", metrics["share_within_5_years"], ".0%"), "", faces_are),
            ("root mean square error", _data("rmse_years", metrics["rmse_years"]), "years", "large errors count more"),
        ]
    for of in report.classes if report.outcome is not None else ():  # else the headline says it
        accuracy, always = of.metrics["accuracy"], of.metrics["always_the_commonest"]
        note = f"always {always['class']}: {always['accuracy']:.1%}"
        figures.append((f"{of.subject} seen rightly", _data(f"{of.subject} accuracy", accuracy, ".1%"), "", note))
    if (best := report.best) is not None:
        speed, note = sum(report.column("images_per_second")) / len(report.history), f"epoch {best['epoch']}"
        if report.tells_age:
            figures.append(("best validation error", _data("val_mae_years", best["val_mae_years"]), "years", note))
        else:
            figures.append(("best validation accuracy", _data("val_accuracy", best["val_accuracy"], ".1%"), "", note))
        figures += [
            ("training speed", _data("images_per_second", speed, ",.0f"), "faces/s", "mean over the epochs"),
        ]
    cards = [
        tag("div", tag("dt", name), tag("dd", value, " ", tag("small", unit), class_="value"), tag("dd", note))
        for name, value, unit, note in figures
    ]
    words = tag("div", tag("h3", "What the figures mean"), tag("ul", [tag("li", text) for text in sentences]))
    return tag(
        "div",
        tag("div", _headline(report), words, class_="top"),
        tag("dl", cards, class_="figures") if cards else None,
        class_="summary",
    )


def _headline(report: Report) -> Html | None:
    """The figure that matters most, large, over two bars that set it beside that of one answer for everybody."""
    if report.outcome is not None:
        metrics, median = report.outcome.metrics, report.outcome.metrics["predicting_the_median"]
        large: tuple[Any, ...] = _data("mae_years", metrics["mae_years"]), " ", tag("small", "years")
        lead = f"mean absolute error on {metrics['faces']:,} {report.outcome.faces_are}"
        guess, form = f"guessing {median['median_years']:g}", ".2f"
        both = {"network_mae_years": metrics["mae_years"], "median_mae_years": median["mae_years"]}
    elif report.classes:
        first, *_ = report.classes
        always = first.metrics["always_the_commonest"]
        large = (_data("accuracy", first.metrics["accuracy"], ".1%"),)
        lead = f"of {first.metrics['faces']:,} {first.faces_are} have their {first.subject} seen rightly"
        guess, form = f"always {always['class']}", ".1%"
        both = {"network_accuracy": first.metrics["accuracy"], "commonest_accuracy": always["accuracy"]}
    else:
        return None
    bars = [
        tag("div", tag("dt", name), tag("dd", bar(value, max(both.values()), kind), _data(key, value, form)))
        for name, kind, (key, value) in zip(("network", guess), ("validation", "median"), both.items(), strict=True)
    ]
    return tag(
        "div",
        tag("p", large, class_="large"),
        tag("p", lead, class_="lead"),
        tag("dl", bars, class_="beside"),
    )


def _data(key: str, value: float, form: str = ".2f") -> Html:
    """A figure to read, with its exact value for a program to read."""
    return tag("data", f"{value:{form}}", value=repr(float(value)), data_figure=key)


def _training(report: Report) -> Html | None:
    if not report.history:
        return None
    done, shown = len(report.history), len(report.history)
    if report.state == "running":
        shown = min(report.epochs, max(10, 2 * done))
    mark = None if report.best is None else (1, report.best["epoch"])
    grown = report.growth
    guess = None if report.baseline is None else ("median", report.baseline)
    if guess and not report.tells_age:
        guess = ("commonest class", 100 * guess[1])
    errors = []
    for name in report.history[0]:
        if name == "val_mae_years":
            lines = _both(report, "mae_years")
            errors.append(line_chart("Mean absolute error", "years", lines, shown, guess, mark, growth=grown))
        elif name == "val_accuracy":
            lines = _both(report, "accuracy", 100)
            errors.append(line_chart("Accuracy", "% of the faces", lines, shown, guess, mark, ",.1f", grown))
        elif name.startswith("val_") and name.endswith("_accuracy"):
            quantity = name.removeprefix("val_")
            title = quantity.replace("_", " ").capitalize()
            lines = _both(report, quantity, 100)
            errors.append(line_chart(title, "% of the faces", lines, shown, form=",.1f", growth=grown))
    return tag(
        "div",
        tag("div",
            errors,
            line_chart("Loss", "mean over the faces", _both(report, "loss"), shown, form=",.4f", growth=grown),
            line_chart("Learning rate", "at the start of the epoch",
                       [Line("learning rate", "validation", report.column("learning_rate"))], shown, form=",.2e"),
            line_chart("Throughput", "faces trained on per second",
                       [Line("faces/s", "validation", report.column("images_per_second"))], shown, form=",.0f",
                       growth=grown),
            class_="charts"),
        history_table(report),
    )  # fmt: skip


def _both(report: Report, quantity: str, scale: float = 1) -> list[Line]:
    """A quantity of the training faces and of the validation faces."""
    parts = {"train": "training", "val": "validation"}
    return [
        Line(name, name, [scale * value for value in report.column(f"{part}_{quantity}")])
        for part, name in parts.items()
    ]


def _footer(report: Report) -> Html:
    version = report.config.get("versions", {}).get("tinygrad-cnn", "")
    return tag(
        "footer",
        tag("p", f"tinygrad_cnn {version}".rstrip(), ". This page is complete in itself and loads nothing."),
        tag("p", "It holds pictures of the faces it was measured on: mind their terms of use before you pass it on.")
        if any(of.images for of in (report.outcome, *report.classes) if of) and not report.synthetic else None,
    )  # fmt: skip

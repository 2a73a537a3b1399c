"""What the figures of a run mean, in plain sentences that are computed from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .state import Outcome, Report

ENOUGH = 20  # faces: the mean error of fewer says little
RECENT = 3  # epochs
CLEAR = 0.01  # a change of the error by less than this share is none
RISE = 0.05  # of the validation loss above its least, as a share, that is called overfitting


def in_words(report: Report) -> list[str]:
    """A few sentences: how good, where weak, which way it leans, and whether it still improves."""
    about = (
        []
        if report.outcome is None
        else [how_good(report.outcome), where_weak(report.outcome), leaning(report.outcome)]
    )
    return [sentence for sentence in [*about, trend(report)] if sentence]


def how_good(outcome: Outcome) -> str:
    """The error beside that of predicting the median for everybody."""
    metrics, median = outcome.metrics, outcome.metrics["predicting_the_median"]
    error, to_beat = metrics["mae_years"], median["mae_years"]
    off = f"On {metrics['faces']:,} {outcome.faces_are} the predicted age is off by {error:.2f} years on average"
    guess = (
        f"guessing {median['median_years']:.0f}, the training faces' median age, for everybody is off by {to_beat:.2f}"
    )
    close = f"{metrics['share_within_5_years']:.0%} of the faces are within 5 years."
    if error >= to_beat:
        return f"{off}; {guess}. So far it is no better than that guess. {close}"
    return f"{off}; {guess}. The network thus takes away {1 - error / to_beat:.0%} of that error. {close}"


def where_weak(outcome: Outcome) -> str:
    """The decades of age with the smallest and the largest error, and those where the median does better."""
    decades = {name: of for name, of in outcome.metrics["mae_years_by_decade"].items() if of["faces"] >= ENOUGH}
    if len(decades) < 2:
        return ""
    by_error = sorted(decades, key=lambda name: decades[name]["mae_years"])

    def figures(name: str) -> str:
        return f"{name} ({decades[name]['mae_years']:.1f} years, {decades[name]['faces']:,} faces)"

    sentence = f"The network is best at ages {figures(by_error[0])} and weakest at {figures(by_error[-1])}"
    median = outcome.metrics["predicting_the_median"]["mae_years_by_decade"]
    worse = [name for name, of in decades.items() if of["mae_years"] > median[name]["mae_years"]]
    if worse and len(worse) < len(decades):
        close = all(_close(name, outcome.metrics["predicting_the_median"]["median_years"]) for name in worse)
        sentence += f"; at {_listed(worse)}{', close to the median,' if close else ''} the plain guess does better"
    rare = sum(of["faces"] < ENOUGH for of in outcome.metrics["mae_years_by_decade"].values())
    return sentence + (f". Decades with fewer than {ENOUGH} faces say little." if rare else ".")


def _close(decade: str, median: float) -> bool:
    """Whether a decade, `"30-39"`, holds the median or is next to the one that does."""
    return abs(int(decade.split("-")[0]) // 10 - median // 10) <= 1


def leaning(outcome: Outcome) -> str:
    """Whether the youngest and the oldest fifth of the faces are drawn towards the middle."""
    if len(outcome.true) < 5 * ENOUGH:
        return ""
    order = np.argsort(outcome.true, kind="stable")
    fifth = len(order) // 5
    error = outcome.predicted - outcome.true
    texts = []
    for who, places in (("youngest", order[:fifth]), ("oldest", order[-fifth:])):
        by = float(error[places].mean())
        if abs(by) >= 1 and abs(by) >= np.abs(error[places]).mean() / 3:
            texts.append(f"the {who} fifth of the faces {abs(by):.1f} years too {'old' if by > 0 else 'young'}")
    return f"On average it sees {' and '.join(texts)}." if texts else ""


def trend(report: Report) -> str:
    """Whether the validation error still falls, stands or rises while the training loss falls."""
    rows, best = report.history, report.best
    if best is None:
        return ""
    if len(rows) < 3:
        return "After so few epochs the curves do not tell yet where they are going."
    last = rows[-1]
    least = min(rows, key=lambda row: row["val_loss"])
    rise = last["val_loss"] / least["val_loss"] - 1 if least["val_loss"] else 0.0
    if rise > RISE and last["train_loss"] < least["train_loss"]:
        return (
            f"Since epoch {least['epoch']} the validation loss has risen by {rise:.0%} while the training loss fell: "
            "the network learns its training faces by heart (overfitting). More augmentation or weight decay may help."
        )
    if last["epoch"] - best["epoch"] >= RECENT:
        return f"The validation error has not improved since epoch {best['epoch']}."
    then = rows[-1 - min(RECENT, len(rows) - 1)]
    gain = 1 - best["val_mae_years"] / then["val_mae_years"] if then["val_mae_years"] else 0.0
    span = f"the last {last['epoch'] - then['epoch']} epochs"
    if gain > 5 * CLEAR:
        more = "; more epochs may well bring more" if report.state == "finished" else ""
        return f"The validation error still falls, by {gain:.0%} over {span}{more}."
    if gain > CLEAR:
        return f"The validation error falls slowly now, by {gain:.1%} over {span}{_gap(last)}."
    return f"The validation error has levelled off: {gain:.1%} over {span}{_gap(last)}."


def _gap(row: Mapping[str, Any]) -> str:
    """How far the training error is below the validation error, where that is much."""
    gap = 1 - row["train_mae_years"] / row["val_mae_years"] if row["val_mae_years"] else 0.0
    return f"; the training error is {gap:.0%} lower, so there is room for regularisation" if gap > 0.15 else ""


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def duration(seconds: float) -> str:
    """A length of time, to about two digits.

    >>> [duration(seconds) for seconds in (0.4, 48, 200, 4000, 86_400)]
    ['under 1 s', '48 s', '3 min', '1 h 7 min', '1 d']
    """
    if seconds < 1:
        return "under 1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    hours, days = minutes // 60, minutes // 1440
    larger, smaller = ((days, "d"), (hours % 24, "h")) if days else ((hours, "h"), (minutes % 60, "min"))
    return " ".join(f"{count} {unit}" for count, unit in (larger, smaller) if count)

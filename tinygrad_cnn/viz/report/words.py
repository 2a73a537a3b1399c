"""What the figures of a run mean, in plain sentences that are computed from them."""

from __future__ import annotations

import numpy as np

from .state import Classification, Outcome, Report

ENOUGH = 20  # faces: the mean error of fewer says little
RECENT = 3  # epochs
SURE = 0.9  # probability
CLEAR = 0.01  # a change of the error by less than this share is none
RISE = 0.05  # of the validation loss above its least, as a share, that is called overfitting


def in_words(report: Report) -> list[str]:
    """A few sentences: how good, where weak, which way it leans, and whether it still improves."""
    about = [report.note]
    if report.outcome is not None:
        about += [how_good(report.outcome), where_weak(report.outcome), leaning(report.outcome)]
    for classes in report.classes:
        about += [how_many_right(classes), what_is_confused(classes), how_sure(classes)]
    return [sentence for sentence in [*about, trend(report)] if sentence]


def how_good(outcome: Outcome) -> str:
    """The error beside that of predicting the median for everybody."""
    metrics, median = outcome.metrics, outcome.metrics["predicting_the_median"]
    error, to_beat = metrics["mae_years"], median["mae_years"]
    off = f"On {metrics['faces']:,} {outcome.faces_are} the predicted age is off by {error:.2f} years on average"
    guess = (
        f"guessing {median['median_years']:g}, the training faces' median age, for everybody is off by {to_beat:.2f}"
    )
    close = f"{metrics['share_within_5_years']:.0%} of the faces are within 5 years."
    if error >= to_beat:
        return f"{off}; {guess}. The network is no better than that guess. {close}"
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


def how_many_right(classes: Classification) -> str:
    """The accuracy beside that of answering the commonest class for everybody."""
    metrics, always = classes.metrics, classes.metrics["always_the_commonest"]
    accuracy, to_beat = metrics["accuracy"], always["accuracy"]
    sentence = (
        f"Of {metrics['faces']:,} {classes.faces_are} the {classes.subject} is seen rightly in {accuracy:.1%}; "
        f"answering {always['class']}, the commonest, for everybody is right for {to_beat:.1%}."
    )
    if accuracy <= to_beat:
        return f"{sentence} The network is no better than that answer."
    return f"{sentence} The network makes {1 - (1 - accuracy) / (1 - to_beat):.0%} fewer mistakes than that."


def what_is_confused(classes: Classification) -> str:
    """The classes known best and worst, and the commonest mistake, where there is a choice; or the only answer."""
    of_class = classes.metrics["accuracy_by_class"]
    known = {name: of for name, of in of_class.items() if of["faces"] >= ENOUGH}
    if len(known) < 2:
        return ""
    names, matrix = classes.metrics["classes"], np.array(classes.metrics["confusion_matrix"], float)
    (answers,) = matrix.any(axis=0).nonzero()
    if len(answers) == 1:
        return f"It answers {names[answers[0]]} for everybody."
    by_accuracy = sorted(known, key=lambda name: known[name]["accuracy"])

    def figures(name: str) -> str:
        return f"{name} ({known[name]['accuracy']:.0%} of {known[name]['faces']:,} faces)"

    sentence = f"It knows {figures(by_accuracy[-1])} best and {figures(by_accuracy[0])} worst"
    wrong = matrix * (1 - np.eye(len(names)))
    share = wrong / [[known[name]["faces"] if name in known else np.inf] for name in names]
    true, seen = np.unravel_index(share.argmax(), share.shape)
    if len(names) > 2 and share.max() > 0:
        sentence += f"; the commonest mistake: {share.max():.0%} of {names[true]} are taken for {names[seen]}"
    rare = len(known) < len(of_class)
    return sentence + (f". Classes with fewer than {ENOUGH} faces say little." if rare else ".")


def how_sure(classes: Classification) -> str:
    """How often the network is right where it is sure."""
    sure = classes.predicted.max(axis=1) >= SURE
    right = (classes.predicted.argmax(axis=1) == classes.true)[sure]
    if sure.sum() < ENOUGH:
        return ""
    return f"Where it gives its answer {SURE:.0%} or more, for {sure.sum():,} faces, {right.mean():.1%} are right."


def trend(report: Report) -> str:
    """Whether the best validation error still falls, or stands, or the loss rises while the training loss falls."""
    rows, best = report.comparable, report.best
    if best is None:
        return ""
    if len(rows) < 3:
        larger = f" with larger pictures, {rows[0]['image_size']}x{rows[0]['image_size']}," if report.growth else ""
        return f"After so few epochs{larger} the curves do not tell yet where they are going."
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
    gain = 1 - report.error(best) / report.error(then) if report.error(then) else 0.0
    span = f"the last {last['epoch'] - then['epoch']} epochs"
    if gain > 5 * CLEAR:
        more = "; more epochs may well bring more" if report.state == "finished" else ""
        return f"The best validation error still falls, by {gain:.0%} over {span}{more}."
    if gain > CLEAR:
        return f"The best validation error falls slowly now, by {gain:.1%} over {span}{_gap(report)}."
    return f"The validation error has levelled off: {gain:.1%} over {span}{_gap(report)}."


def _gap(report: Report) -> str:
    """How far the training error is below the validation error, where that is much."""
    training, validation = (report.error(report.history[-1], part) for part in ("train", "val"))
    gap = 1 - training / validation if validation else 0.0
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

"""What a model's errors on some faces come to: a table, figures and `metrics.json`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from experiments.age.faces import Faces
from experiments.age.tasks import by_subject
from tinygrad_cnn import viz
from tinygrad_cnn.train import AgeErrors, AgeModel, Confusion, Pass, RunFolder

PART_NAMES = {"train": "training faces", "val": "validation faces", "test": "test faces", "all": "faces"}
SHOWN_FACES = 24


def baseline(median: float, ages: np.ndarray) -> AgeErrors:
    """The errors of predicting one age for everybody: the line that a model has to beat."""
    return AgeErrors().update(np.full(len(ages), median), ages)


def to_beat(model: AgeModel, faces: Faces, part: str) -> float:
    """The error in years of the median age, or the accuracy of the commonest class, for everybody in a part."""
    if "age" in model.head.subjects:
        return baseline(model.median, faces.ages(part)).mae
    _, counts = np.unique(faces.targets(part), return_counts=True)
    return float(counts.max() / counts.sum())


def said_to_beat(model: AgeModel, figures: dict[str, float]) -> str:
    """What `to_beat` gives for some parts, in words."""
    if "age" in model.head.subjects:
        each = [f"{error:.2f} years on {part}" for part, error in figures.items()]
        return f"predicting the training median, {model.median:g} years, is off by {' and '.join(each)}"
    each = [f"{accuracy:.1%} of {part}" for part, accuracy in figures.items()]
    return f"answering the commonest class for everybody is right for {' and '.join(each)}"


def write_report(run: RunFolder, model: AgeModel, faces: Faces, part: str, result: Pass, **more: Any) -> list[str]:
    """Write metrics, predictions, and pictures of them, of the errors and of the first filters; gives the tables."""
    subject = f"{type(model.model).__name__} on {result.errors.count:,} {PART_NAMES[part]}: {faces.kind}"
    if model.data != faces.kind:
        subject += f" (trained on {model.data})"
    metrics = result.errors.as_dict()
    columns: dict[str, list[str]] = {}
    lines: list[str] = []
    for name, own in by_subject(model.head, result).items():
        if isinstance(own.errors, Confusion):
            columns |= {
                f"true_{name}": [own.errors.names[int(true)] for true in own.true],
                f"predicted_{name}": [own.errors.names[best] for best in own.predicted.argmax(1)],
                f"{name}_probability": [f"{best:.4f}" for best in own.predicted.max(1)],
            }
            title = f"{subject}\n{name.replace('_', ' ')}: {own.errors.words()}"
            picture = viz.plot_confusion(own.errors.matrix, own.errors.names, title)
            run.write_figure("confusion.png" if own is result else f"confusion_{name}.png", picture)
            lines += [*([""] if lines else []), *class_table(name, own.errors)]
        else:
            columns |= {
                "true_years": [f"{true:g}" for true in own.true],
                "predicted_years": [f"{predicted:.3f}" for predicted in own.predicted],
            }
            metrics |= {**figures(own, model.median), **audit(faces, part, own)}
            _draw_ages(run, model, faces, part, own, subject)
            lines += table(AgeErrors().update(own.predicted, own.true), baseline(model.median, own.true))
    about = {"data": faces.kind, "trained_on": model.data, "part": part}
    run.write_json("metrics.json", {**about, **metrics, **more})
    columns["data"] = [faces.kind] * result.errors.count
    rows = [list(columns), *zip(*columns.values(), strict=True)]
    run.write("predictions.csv", "".join(",".join(row) + "\n" for row in rows))
    if (weight := first_filters(model)) is not None:
        run.write_figure("filters.png", viz.plot_filters(weight, f"Filters of the first convolution: {model.data}"))
    return lines


def _draw_ages(run: RunFolder, model: AgeModel, faces: Faces, part: str, result: Pass, subject: str) -> None:
    places = _spread_over_ages(result.true, SHOWN_FACES)
    run.write_figure(
        "predictions.png",
        viz.plot_predictions(faces.images(part, places), result.true[places], result.predicted[places], subject),
    )
    scores = f"{subject}\nmean absolute error {result.errors.error:.2f} years"
    run.write_figure("scatter.png", viz.plot_scatter(result.true, result.predicted, scores))
    run.write_figure("error_by_age.png", viz.plot_error_by_age(result.true, result.predicted, model.median, subject))


def audit(faces: Faces, part: str, result: Pass) -> dict[str, Any]:
    """The mean absolute error in years of each gender and, in photographs, each race that is in the data."""
    return {
        f"mae_years_by_{kind}": {name: {"faces": n, "mae_years": mae} for name, n, mae in _by_group(groups, result)}
        for kind, groups in faces.groups(part).items()
    }


def _by_group(groups: list[str], result: Pass) -> Iterable[tuple[str, int, float]]:
    of = np.array(groups)
    for name in dict.fromkeys(sorted(groups)):
        errors = AgeErrors().update(result.predicted[of == name], result.true[of == name])
        yield name, errors.count, errors.mae


def figures(result: Pass, median: float) -> dict[str, Any]:
    """The errors as plain numbers, and those of predicting the median (years) for everybody beside them."""
    of_median = baseline(median, result.true).as_dict()
    return {**result.errors.as_dict(), "predicting_the_median": {"median_years": median, **of_median}}


def first_filters(model: AgeModel) -> np.ndarray | None:
    """The kernels `(O, 3, H, W)` of the model's first convolution; None where they can't be shown as pictures."""
    weight = next((parameter.data for parameter in model.model.parameters() if parameter.ndim == 4), None)
    return weight if weight is not None and weight.shape[1] == 3 and np.isfinite(weight).all() else None


def table(model: AgeErrors, median: AgeErrors) -> list[str]:
    """The mean absolute error in years for each decade of age, beside that of predicting the median."""
    lines = ["age          faces   MAE (years)   predicting the median"]
    of_median = median.by_decade()
    for first, (count, mae) in model.by_decade().items():
        lines.append(f"{f'{first}-{first + 9}':<9}{count:>9,}{mae:>14.2f}{of_median[first][1]:>24.2f}")
    lines.append(f"{'all':<9}{model.count:>9,}{model.mae:>14.2f}{median.mae:>24.2f}")
    lines.append(f"{'RMSE':<18}{model.rmse:>14.2f}{median.rmse:>24.2f}")
    lines.append(f"{'within 5 years':<18}{model.share_close:>14.1%}{median.share_close:>24.1%}")
    return lines


def class_table(subject: str, errors: Confusion) -> list[str]:
    """How many faces of each class there are, and the share of them that was seen as such."""
    lines = [f"{subject.replace('_', ' '):<18}faces      accuracy"]
    for name, of in errors.as_dict()["accuracy_by_class"].items():
        lines.append(f"{name:<12}{of['faces']:>11,}{of['accuracy']:>14.1%}")
    name, share = errors.commonest
    return [*lines, f"{'all':<12}{errors.count:>11,}{errors.accuracy:>14.1%}", f"{f'always {name}':<23}{share:>14.1%}"]


def _spread_over_ages(ages: np.ndarray, count: int) -> np.ndarray:
    """The places of up to so many faces, evenly spread from the youngest to the oldest."""
    order = np.argsort(ages, kind="stable")
    return order[np.unique(np.linspace(0, len(order) - 1, count).round().astype(int))]

"""What a model's errors on some faces come to: a table, figures and `metrics.json`."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.age.faces import Faces
from tinygrad_cnn import viz
from tinygrad_cnn.train import AgeErrors, AgeModel, Pass, RunFolder

PART_NAMES = {"train": "training faces", "val": "validation faces", "test": "test faces", "all": "faces"}
SHOWN_FACES = 24


def baseline(median: float, ages: np.ndarray) -> AgeErrors:
    """The errors of predicting one age for everybody: the line that a model has to beat."""
    return AgeErrors().update(np.full(len(ages), median), ages)


def write_report(run: RunFolder, model: AgeModel, faces: Faces, part: str, result: Pass, **more: Any) -> list[str]:
    """Write metrics, predictions, and pictures of them, of the errors and of the first filters; gives the table."""
    median = baseline(model.median, result.true)
    subject = f"{type(model.model).__name__} on {result.errors.count:,} {PART_NAMES[part]}: {faces.kind}"
    if model.data != faces.kind:
        subject += f" (trained on {model.data})"
    run.write_json(
        "metrics.json",
        {"data": faces.kind, "trained_on": model.data, "part": part, **figures(result, model.median), **more},
    )
    pairs = zip(result.true, result.predicted, strict=True)
    lines = (f"{true:g},{predicted:.3f},{faces.kind}\n" for true, predicted in pairs)
    run.write("predictions.csv", "true_years,predicted_years,data\n" + "".join(lines))
    places = _spread_over_ages(result.true, SHOWN_FACES)
    run.write_figure(
        "predictions.png",
        viz.plot_predictions(faces.images(part, places), result.true[places], result.predicted[places], subject),
    )
    scores = f"{subject}\nmean absolute error {result.errors.mae:.2f} years"
    run.write_figure("scatter.png", viz.plot_scatter(result.true, result.predicted, scores))
    run.write_figure("error_by_age.png", viz.plot_error_by_age(result.true, result.predicted, model.median, subject))
    if (weight := first_filters(model)) is not None:
        run.write_figure("filters.png", viz.plot_filters(weight, f"Filters of the first convolution: {model.data}"))
    return table(result.errors, median)


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


def _spread_over_ages(ages: np.ndarray, count: int) -> np.ndarray:
    """The places of up to so many faces, evenly spread from the youngest to the oldest."""
    order = np.argsort(ages, kind="stable")
    return order[np.unique(np.linspace(0, len(order) - 1, count).round().astype(int))]

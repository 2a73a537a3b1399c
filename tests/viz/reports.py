"""Reports of runs that never were: what the page says of them is known beforehand."""

from datetime import datetime, timedelta, timezone

import numpy as np

from tinygrad_cnn.train import AgeErrors, Confusion
from tinygrad_cnn.viz.report import Classification, Outcome, Report

START = datetime(2024, 2, 28, 21, 0, tzinfo=timezone.utc)
TRUE = np.array([2.0] * 30 + [25.0] * 40 + [31.0] * 40 + [62.0] * 25 + [101.0])
PREDICTED = TRUE + np.array([4.0] * 30 + [-2.0] * 40 + [5.0] * 40 + [-12.0] * 25 + [-60.0])
MEDIAN = 31.0


def outcome(true=TRUE, predicted=PREDICTED, median=MEDIAN, **more):
    """The outcome of these ages, its figures as the main job makes them."""
    true, predicted = np.asarray(true, float), np.asarray(predicted, float)
    of_median = AgeErrors().update(np.full(len(true), median), true).as_dict()
    metrics = {
        **AgeErrors().update(predicted, true).as_dict(),
        "predicting_the_median": {"median_years": median, **of_median},
    }
    return Outcome("test faces", metrics, true, predicted, **more)


MATRIX = [[40, 10, 0], [30, 60, 10], [0, 0, 5]]


def classification(matrix=MATRIX, names=("child", "adult", "old"), subject="age group", sure=0.95, **more):
    """The outcome of as many faces as the matrix counts, row by row, each answer given this probability."""
    pairs = [pair for pair, count in np.ndenumerate(np.array(matrix)) for _ in range(count)]
    true, seen = np.array(pairs).T
    predicted = np.full((len(true), len(names)), (1 - sure) / (len(names) - 1))
    predicted[np.arange(len(true)), seen] = sure
    metrics = Confusion(names).update(predicted, true).as_dict()
    return Classification(subject, "test faces", metrics, true, predicted, **more)


def history_of_classes(val_accuracy, **more):
    """A row for each epoch of a network that tells classes."""
    return [
        {name.replace("mae_years", "accuracy"): value for name, value in row.items()}
        for row in history(val_accuracy, **more)
    ]


def history(val_mae, val_loss=None, train_loss=None, sizes=None):
    """A row for each epoch; what is not given follows the validation error. `sizes` are those of the pictures."""
    rows = []
    for i, mae in enumerate(val_mae):
        rows.append(
            {
                "epoch": i + 1,
                "train_loss": train_loss[i] if train_loss else mae / 10,
                "val_loss": val_loss[i] if val_loss else mae / 10,
                "train_mae_years": mae,
                "val_mae_years": mae,
                "learning_rate": 1e-3,
                "images_per_second": 150.0 + i,
                "seconds": 60.0,
                **({"image_size": sizes[i]} if sizes else {}),
            }
        )
    return rows


def report(state="running", epochs=10, minutes=8, **more):
    """A run of 4 epochs so far, two minutes each."""
    more.setdefault("history", history([14.0, 11.0, 9.0, 8.0]))
    more.setdefault("outcome", outcome())
    more.setdefault("started", START)
    more.setdefault("written", START + timedelta(minutes=minutes))
    return Report(more.pop("name", "first try"), "AgeCNN on UTKFace", state, epochs=epochs, **more)

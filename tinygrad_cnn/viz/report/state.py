"""What a report is made from: the state of one run, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from math import isfinite
from typing import Any, Literal

import numpy as np

EXTREMES = 8  # faces shown as the best, and as the worst


@dataclass(frozen=True)
class Outcome:
    """How far the predicted ages of some faces were off.

    `metrics` holds what the run's `metrics.json` does of them: `faces`, `mae_years`, `rmse_years`,
    `share_within_5_years`, `mae_years_by_decade`, and the same again under `predicting_the_median`.
    """

    faces_are: str  # "test faces"
    metrics: Mapping[str, Any]
    true: np.ndarray  # (N,) years
    predicted: np.ndarray  # (N,) years
    images: Mapping[int, np.ndarray] = field(default_factory=dict)  # place among the N -> uint8 RGB (H, W, 3)

    def extremes(self) -> tuple[list[int], list[int]]:
        """The places of the faces with the smallest errors, and of those with the largest; none is in both."""
        order = np.argsort(np.abs(self.predicted - self.true), kind="stable").tolist()
        count = min(EXTREMES, len(order) // 2)
        return order[:count], order[::-1][:count]


@dataclass(frozen=True)
class Classification:
    """Which of several classes some faces were taken for.

    `metrics` holds what `Confusion.as_dict` gives: `faces`, `accuracy`, `accuracy_by_class`, `classes`,
    `confusion_matrix` and `always_the_commonest`.
    """

    subject: str  # "age group"
    faces_are: str  # "test faces"
    metrics: Mapping[str, Any]
    true: np.ndarray  # (N,) the classes' numbers
    predicted: np.ndarray  # (N, classes) probabilities
    images: Mapping[int, np.ndarray] = field(default_factory=dict)  # place among the N -> uint8 RGB (H, W, 3)

    def extremes(self) -> tuple[list[int], list[int]]:
        """The places of the surest answers, those that are right and those that are wrong."""
        order = np.argsort(-self.predicted.max(axis=1), kind="stable")
        right = self.predicted.argmax(axis=1)[order] == self.true[order]
        return order[right][:EXTREMES].tolist(), order[~right][:EXTREMES].tolist()


@dataclass(frozen=True)
class Report:
    """One run at one moment: the training of a network, or, of 0 epochs, its evaluation.

    `history` holds a row for each finished epoch, as the run's `history.csv` does. Epochs of one `image_size` are
    compared by the mean absolute error of the ages, `val_mae_years`, or where it tells no age by `val_accuracy`.
    """

    name: str  # of the run
    subject: str  # "AgeCNN on UTKFace"
    state: Literal["running", "finished", "stopped"]
    started: datetime
    written: datetime
    epochs: int  # to be trained
    history: Sequence[Mapping[str, Any]]
    baseline: float | None = None  # validation error of predicting the median (years), or accuracy of one class
    outcome: Outcome | None = None  # of the ages, if it tells them
    classes: Sequence[Classification] = ()
    filters: np.ndarray | None = None  # of the first convolution, (O, I, H, W)
    graph: str | None = None  # svg; empty where it could not be drawn, None where there is nothing to draw
    config: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""  # why the run stopped
    note: str = ""  # a sentence on what the figures mean
    synthetic: bool = False  # the faces are drawn: nobody's terms of use hold for them

    @property
    def seconds_per_epoch(self) -> float | None:
        """Mean time from one finished epoch to the next; None before the first."""
        return (self.written - self.started).total_seconds() / len(self.history) if self.history else None

    @property
    def comparable(self) -> list[Mapping[str, Any]]:
        """The epochs with pictures as large as in the last one, whose validation errors are finite numbers."""
        size = self.history[-1].get("image_size") if self.history else None
        return [row for row in self.history if row.get("image_size") == size and isfinite(self.error(row))]

    @property
    def growth(self) -> list[tuple[int, int]]:
        """The epochs in which the pictures are larger than before, each with their side in pixels."""
        pairs = pairwise(self.history)
        return [(row["epoch"], row["image_size"]) for before, row in pairs
                if row.get("image_size") != before.get("image_size")]  # fmt: skip

    @property
    def best(self) -> Mapping[str, Any] | None:
        """The one of them with the smallest validation error; None before there is one."""
        return min(self.comparable, key=self.error, default=None)

    @property
    def tells_age(self) -> bool:
        return "val_mae_years" in self.history[0] if self.history else not self.classes

    def error(self, row: Mapping[str, Any], part: str = "val") -> float:
        """The error of an epoch: years, or without ages the share of wrong answers."""
        return float(row[f"{part}_mae_years"] if self.tells_age else 1 - row[f"{part}_accuracy"])

    def column(self, name: str) -> list[float]:
        """One quantity, epoch by epoch."""
        return [row[name] for row in self.history]

"""What a report is made from: the state of one run, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import numpy as np

EXTREMES = 8  # faces shown as the best, and as the worst


@dataclass(frozen=True)
class Outcome:
    """How far the predicted ages of some faces were off.

    `metrics` holds what the run's `metrics.json` does: `faces`, `mae_years`, `rmse_years`,
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
class Report:
    """One run at one moment. `history` holds a row for each finished epoch, as the run's `history.csv` does."""

    name: str  # of the run
    subject: str  # "AgeCNN on UTKFace"
    state: Literal["running", "finished", "stopped"]
    started: datetime
    written: datetime
    epochs: int  # to be trained
    history: Sequence[Mapping[str, Any]]
    baseline: float | None = None  # validation error of predicting the median, in years
    outcome: Outcome | None = None
    filters: np.ndarray | None = None  # of the first convolution, (O, I, H, W)
    graph: str | None = None  # svg
    config: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""  # why the run stopped
    synthetic: bool = False  # the faces are drawn: nobody's terms of use hold for them

    @property
    def seconds_per_epoch(self) -> float | None:
        """Mean time from one finished epoch to the next; None before the first."""
        return (self.written - self.started).total_seconds() / len(self.history) if self.history else None

    @property
    def best(self) -> Mapping[str, Any] | None:
        """The epoch with the smallest validation error; None before the first."""
        return min(self.history, key=lambda row: row["val_mae_years"], default=None)

    def column(self, name: str) -> list[float]:
        """One quantity, epoch by epoch."""
        return [row[name] for row in self.history]

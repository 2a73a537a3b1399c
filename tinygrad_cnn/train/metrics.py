"""How far predicted ages are off: running sums, so that a million faces take the memory of one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

CLOSE = 5  # years: an error of at most this counts as close


class AgeErrors:
    """The errors, in years, of any number of predicted ages; summed in float64.

    >>> errors = AgeErrors().update(predicted=[23.0, 31.0, 8.0], true=[20, 35, 9])
    >>> round(errors.mae, 3), errors.share_close
    (2.667, 1.0)
    >>> errors.by_decade()
    {0: (1, 1.0), 20: (1, 3.0), 30: (1, 4.0)}
    """

    def __init__(self) -> None:
        self.count = 0
        self._absolute = 0.0
        self._squared = 0.0
        self._close = 0
        self._decades: dict[int, tuple[int, float]] = {}  # first age of the decade -> (faces, summed error)

    def update(self, predicted: ArrayLike, true: ArrayLike) -> AgeErrors:
        """Add one batch; both are ages in years, of one shape. Returns itself.

        Raises ValueError where the shapes differ: `(N, 1)` against `(N,)` would broadcast to N² errors.
        """
        predicted, true = np.asarray(predicted, np.float64), np.asarray(true, np.float64)
        if predicted.shape != true.shape:
            raise ValueError(f"AgeErrors: predicted and true ages differ in shape: {predicted.shape} and {true.shape}")
        error = np.abs(predicted - true).ravel()
        self.count += error.size
        self._absolute += float(error.sum())
        self._squared += float(np.square(error).sum())
        self._close += int((error <= CLOSE).sum())
        decade = true.ravel() // 10
        for first in np.unique(decade):
            inside = error[decade == first]
            faces, total = self._decades.get(int(first) * 10, (0, 0.0))
            self._decades[int(first) * 10] = (faces + inside.size, total + float(inside.sum()))
        return self

    @property
    def mae(self) -> float:
        """Mean absolute error in years."""
        return self._absolute / self._counted()

    @property
    def rmse(self) -> float:
        """Root of the mean squared error, in years."""
        return math.sqrt(self._squared / self._counted())

    @property
    def share_close(self) -> float:
        """The share of faces, 0 to 1, whose error is at most 5 years."""
        return self._close / self._counted()

    def by_decade(self) -> dict[int, tuple[int, float]]:
        """First age of each decade that has faces -> (number of faces, their mean absolute error in years)."""
        return {first: (n, total / n) for first, (n, total) in sorted(self._decades.items())}

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain numbers, ready for a json file."""
        return {
            "faces": self.count,
            "mae_years": self.mae,
            "rmse_years": self.rmse,
            f"share_within_{CLOSE}_years": self.share_close,
            "mae_years_by_decade": {
                f"{first}-{first + 9}": {"faces": n, "mae_years": mae} for first, (n, mae) in self.by_decade().items()
            },
        }

    def _counted(self) -> int:
        if not self.count:
            raise ValueError("AgeErrors: no age has been added yet, so there is no error to report")
        return self.count

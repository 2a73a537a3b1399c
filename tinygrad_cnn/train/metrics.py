"""How far off predictions are: running sums, so that a million faces take the memory of one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from ..arguments import checked

CLOSE = 5  # years: an error of at most this counts as close


class Errors(Protocol):
    """The errors of any number of predictions."""

    @property
    def count(self) -> int:
        """Of faces."""

    @property
    def error(self) -> float:
        """The figure by which models are compared: the smaller, the better."""

    def update(self, predicted: ArrayLike, true: ArrayLike) -> Errors:
        """Add one batch. Returns itself."""

    def figures(self) -> dict[str, float]:
        """The figures that are followed from epoch to epoch."""

    def words(self, units: bool = True) -> str:
        """The same for a reader."""

    def as_dict(self) -> dict[str, Any]:
        """All figures as plain numbers, ready for a json file."""


def _shown(errors: Errors) -> str:
    said = f", {errors.words()}" if errors.count else ""
    return f"<{type(errors).__name__}: {errors.count:,} faces{said}>"


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

    @checked
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
    def error(self) -> float:
        return self.mae

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

    __repr__ = _shown

    def figures(self) -> dict[str, float]:
        return {"mae_years": self.mae}

    @checked
    def words(self, units: bool = True) -> str:
        return f"MAE {self.mae:.2f}" + (" years" if units else "")

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


class Confusion:
    """Which class was taken for which: `matrix[i, j]` faces of the class `names[i]` were taken for `names[j]`.

    >>> errors = Confusion(("cat", "dog")).update(predicted=[[0.9, 0.1], [0.3, 0.7], [0.2, 0.8]], true=[0, 0, 1])
    >>> errors.matrix.tolist(), round(errors.accuracy, 3)
    ([[1, 1], [0, 1]], 0.667)
    """

    @checked
    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        self.matrix = np.zeros((len(self.names), len(self.names)), np.int64)

    @property
    def count(self) -> int:
        return int(self.matrix.sum())

    @checked
    def update(self, predicted: ArrayLike, true: ArrayLike) -> Confusion:
        """Add one batch: probabilities `(N, classes)`, the first of the largest counts, and true classes `(N,)`.

        Raises ValueError where the shapes don't fit, and for a class that isn't there. Returns itself.
        """
        predicted, true = np.asarray(predicted), np.asarray(true)
        classes = len(self.names)
        if true.ndim != 1 or predicted.shape != (len(true), classes):
            raise ValueError(f"Confusion: {classes} classes need probabilities (N, {classes}) and true classes (N,), "
                             f"not {predicted.shape} and {true.shape}")  # fmt: skip
        if not np.isin(true, np.arange(classes)).all():
            raise ValueError(f"Confusion: true classes must be whole numbers from 0 to {classes - 1}")
        np.add.at(self.matrix, (true.astype(np.int64), predicted.argmax(1)), 1)
        return self

    @property
    def accuracy(self) -> float:
        """The share of faces, 0 to 1, whose class was seen."""
        return float(np.trace(self.matrix)) / self._counted()

    @property
    def error(self) -> float:
        return 1 - self.accuracy

    @property
    def commonest(self) -> tuple[str, float]:
        """The class of most faces, and its share: the accuracy of seeing it in everybody."""
        faces = self.matrix.sum(axis=1)
        return self.names[faces.argmax()], float(faces.max()) / self._counted()

    __repr__ = _shown

    def figures(self) -> dict[str, float]:
        return {"accuracy": self.accuracy}

    @checked
    def words(self, units: bool = True) -> str:
        return f"accuracy {self.accuracy:.1%}"

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain numbers, ready for a json file; the matrix has a row for each true class."""
        faces = self.matrix.sum(axis=1).tolist()
        right = np.diag(self.matrix).tolist()
        return {
            "faces": self.count,
            "accuracy": self.accuracy,
            "accuracy_by_class": {
                name: {"faces": n, "accuracy": seen / n}
                for name, n, seen in zip(self.names, faces, right, strict=True)
                if n
            },
            "classes": list(self.names),
            "confusion_matrix": self.matrix.tolist(),
            "always_the_commonest": dict(zip(("class", "accuracy"), self.commonest, strict=True)),
        }

    def _counted(self) -> int:
        if not self.count:
            raise ValueError("Confusion: no face has been added yet, so there is no accuracy to report")
        return self.count


class Together:
    """The errors of several subjects in the same faces; the first is that by which models are compared.

    `split` takes predictions apart into those of each subject; true values `(N, subjects)` have a column for each.
    """

    def __init__(self, each: Mapping[str, Errors], split: Callable[[Any], Sequence[Any]]) -> None:
        self.each = dict(each)
        self._split = split
        self._first, *self._rest = self.each

    @property
    def count(self) -> int:
        return self.each[self._first].count

    @property
    def error(self) -> float:
        return self.each[self._first].error

    def update(self, predicted: ArrayLike, true: ArrayLike) -> Together:
        parts = self._split(np.asarray(predicted))
        for errors, part, column in zip(self.each.values(), parts, np.asarray(true).T, strict=True):
            errors.update(part, column)
        return self

    __repr__ = _shown

    def figures(self) -> dict[str, float]:
        """Those of the first under their own names, those of the others with their subjects."""
        rest = {f"{name}_{key}": value for name in self._rest for key, value in self.each[name].figures().items()}
        return {**self.each[self._first].figures(), **rest}

    @checked
    def words(self, units: bool = True) -> str:
        others = [f"{name.replace('_', ' ')} {self.each[name].words(units)}" for name in self._rest]
        return ", ".join([self.each[self._first].words(units), *others])

    def as_dict(self) -> dict[str, Any]:
        return {**self.each[self._first].as_dict(), **{name: self.each[name].as_dict() for name in self._rest}}

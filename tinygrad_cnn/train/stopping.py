"""Early stopping: which epoch was the best, and whether to wait for a better one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..arguments import checked


class EarlyStopping:
    """Remembers the epoch with the smallest error; after `patience` epochs without a better one it is time to stop.

    Goodfellow, Bengio & Courville, "Deep Learning" (2016), algorithm 7.1. With `patience=None` it never is. Epochs
    count from 1; of equal errors the first is the best, and NaN is worse than any. ValueError for a patience below 1.

    >>> from tinygrad_cnn.train import EarlyStopping
    >>> stopping = EarlyStopping(patience=2)
    >>> for error in (9.0, 7.0, 7.5, 7.0, 6.0):
    ...     improved = stopping.update(error)
    ...     if stopping.is_over:
    ...         break
    >>> stopping.epochs, stopping.best, stopping.error
    (4, 2, 7.0)
    """

    @checked
    def __init__(self, patience: int | None = None) -> None:
        if patience is not None and patience < 1:
            raise ValueError(f"EarlyStopping: patience must be at least 1 epoch, not {patience}")
        self.patience = patience
        self.epochs = 0  # so far
        self.restart()

    def restart(self) -> None:
        """Wait anew: the errors that follow are not to be compared with those before."""
        self.best, self.error = 0, math.inf  # the epoch, 0 for none yet, and its error
        self._waiting_since = self.epochs

    @checked
    def update(self, error: float) -> bool:
        """Count an epoch with this error; gives whether it is the best so far."""
        self.epochs += 1
        if not error < self.error:
            return False
        self.best, self.error = self.epochs, float(error)
        self._waiting_since = self.epochs
        return True

    @property
    def is_over(self) -> bool:
        """Whether none of the last `patience` epochs was the best so far."""
        return self.patience is not None and self.epochs - self._waiting_since >= self.patience

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs, in plain numbers."""
        names = ("epochs", "best", "error")
        return {name: getattr(self, name) for name in names} | {"waiting_since": self._waiting_since}

    @checked
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from where `state_dict` was called; the patience is this one's own."""
        self.epochs, self.best = int(state_dict["epochs"]), int(state_dict["best"])
        self.error, self._waiting_since = float(state_dict["error"]), int(state_dict["waiting_since"])

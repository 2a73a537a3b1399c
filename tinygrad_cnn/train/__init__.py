"""Training: the loop, its figures, and the folder that a run leaves behind."""

from .checkpoint import AgeModel, load_age_model
from .heads import ExpectedAge, Head, Regression, load_head
from .loop import Pass, evaluate, train_epoch
from .metrics import AgeErrors
from .record import RunFolder, environment, fingerprint

__all__ = [
    "AgeErrors",
    "AgeModel",
    "ExpectedAge",
    "Head",
    "Pass",
    "Regression",
    "RunFolder",
    "environment",
    "evaluate",
    "fingerprint",
    "load_age_model",
    "load_head",
    "train_epoch",
]

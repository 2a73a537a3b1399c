"""Training: the loop, its figures, and the folder that a run leaves behind."""

from .checkpoint import AgeModel, load_age_model
from .heads import Binary, Classes, ExpectedAge, Head, Regression, Several, load_head
from .loop import Pass, evaluate, train_epoch
from .metrics import AgeErrors, Confusion, Errors
from .record import RunFolder, environment, fingerprint

__all__ = [
    "AgeErrors",
    "AgeModel",
    "Binary",
    "Classes",
    "Confusion",
    "Errors",
    "ExpectedAge",
    "Head",
    "Pass",
    "Regression",
    "RunFolder",
    "Several",
    "environment",
    "evaluate",
    "fingerprint",
    "load_age_model",
    "load_head",
    "train_epoch",
]

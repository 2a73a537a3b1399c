"""Training: the loop, its figures, and the folder that a run leaves behind."""

from .checkpoint import AgeModel, load_age_model
from .loop import AgeScale, Pass, evaluate, train_epoch
from .metrics import AgeErrors
from .record import RunFolder, environment, fingerprint

__all__ = [
    "AgeErrors",
    "AgeModel",
    "AgeScale",
    "Pass",
    "RunFolder",
    "environment",
    "evaluate",
    "fingerprint",
    "load_age_model",
    "train_epoch",
]

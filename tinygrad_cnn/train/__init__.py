"""Training: the loop, its figures, and the folder that a run leaves behind."""

from .checkpoint import AgeModel, load_age_model
from .curves import Curves
from .heads import Binary, Classes, ExpectedAge, Head, Regression, Several, load_head
from .interrupts import Interrupted, Stopped, interrupts_wait, sigterm_stops
from .loop import Pass, evaluate, flip_average, train_epoch
from .metrics import AgeErrors, Confusion, Errors
from .record import WEIGHTS, RunFolder, environment, fingerprint
from .resume import Checkpoints
from .stopping import EarlyStopping

__all__ = [
    "WEIGHTS",
    "AgeErrors",
    "AgeModel",
    "Binary",
    "Checkpoints",
    "Classes",
    "Confusion",
    "Curves",
    "EarlyStopping",
    "Errors",
    "ExpectedAge",
    "Head",
    "Interrupted",
    "Pass",
    "Regression",
    "RunFolder",
    "Several",
    "Stopped",
    "environment",
    "evaluate",
    "fingerprint",
    "flip_average",
    "interrupts_wait",
    "load_age_model",
    "load_head",
    "sigterm_stops",
    "train_epoch",
]

"""What the main job can learn of a face: its tasks, their heads, and how an answer reads.

Labels of race serve only to audit the errors in age by group: no task has them as its target.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import tinygrad_cnn.functional as F
from tinygrad_cnn.data import SyntheticFaces, UTKFace
from tinygrad_cnn.data.utkface import GENDERS
from tinygrad_cnn.train import Binary, Classes, ExpectedAge, Head, Pass, Regression, Several

TASKS = {
    "age": ("age",),
    "gender": ("gender",),
    "age_group": ("age_group",),
    "multi": ("age", "gender", "age_group"),
}
LOSS_WEIGHTS = {"age": 1.0, "gender": 1.0, "age_group": 0.5}  # of the losses that multi adds
LAST_GROUP = 9  # of the decades, which holds all from 90 years up
AGE_GROUPS = (*(f"{10 * decade}-{10 * decade + 9}" for decade in range(LAST_GROUP)), f"{10 * LAST_GROUP}+")
LOSSES = {"mse": F.mse_loss, "l1": F.l1_loss, "smooth_l1": F.smooth_l1_loss}


def labels(dataset: UTKFace | SyntheticFaces, subject: str) -> np.ndarray:
    """What a head for `subject` learns of each face, float32 `(N,)`; NaN where it is not known."""
    if subject == "age":
        return dataset.ages
    if subject == "age_group":
        return np.minimum(dataset.ages // 10, LAST_GROUP)
    if subject == "gender":
        return np.array(dataset.genders, np.float32)
    raise ValueError(f"nothing learns {subject!r} of a face")


def make_head(options: argparse.Namespace, ages: np.ndarray) -> Head:
    """The head that the options name, for training faces of these ages in years."""
    if options.task == "multi":
        heads = tuple(_head(subject, options, ages) for subject in TASKS["multi"])
        return Several(heads, tuple(LOSS_WEIGHTS[subject] for subject in TASKS["multi"]))
    return _head(options.task, options, ages)


def _head(subject: str, options: argparse.Namespace, ages: np.ndarray) -> Head:
    if subject == "gender":
        return Binary(subject, GENDERS)
    if subject == "age_group":
        return Classes(subject, AGE_GROUPS)
    if options.head == "expected":
        return ExpectedAge(sigma=options.sigma, l1_weight=options.l1_weight)
    return Regression.of(ages, LOSSES[options.loss])


def by_subject(head: Head, result: Pass) -> dict[str, Pass]:
    """A pass, taken apart into those of each subject."""
    if not isinstance(head, Several):
        return {head.subjects[0]: result}
    parts = {}
    for own, predicted, true in zip(head.heads, head.split(result.predicted), result.true.T, strict=True):
        parts[own.subjects[0]] = part = Pass(own.errors())
        part.add(result.loss, predicted, true)
        part.seconds = result.seconds
    return parts


def columns(head: Head) -> list[str]:
    """The names of the columns in which `cells` are printed, each as wide as they."""
    if isinstance(head, Several):
        return [column for own in head.heads for column in columns(own)]
    if isinstance(head, Classes):
        return [f"{head.subject.replace('_', ' '):>{max(map(len, head.names)) + 6}}"]
    return ["age (years)"]


def cells(head: Head, predicted: np.ndarray) -> list[str]:
    """What a head says of one face, column by column; `predicted` is `(1,)` or `(1, width)`."""
    if isinstance(head, Several):
        parts = zip(head.heads, head.split(predicted), strict=True)
        return [cell for own, part in parts for cell in cells(own, part)]
    (width,) = map(len, columns(head))
    if isinstance(head, Classes):
        return [f"{head.names[predicted.argmax()]} {predicted.max():4.0%}".rjust(width)]
    return [f"{predicted[0]:{width}.1f}"]


def answers(head: Head, predicted: np.ndarray) -> dict[str, Any]:
    """The same by name: the age in years, and each class with its probability."""
    if isinstance(head, Several):
        parts = zip(head.heads, head.split(predicted), strict=True)
        return {name: answer for own, part in parts for name, answer in answers(own, part).items()}
    if isinstance(head, Classes):
        return {head.subject: head.names[predicted.argmax()], f"{head.subject}_probability": float(predicted.max())}
    return {"age_years": float(predicted[0])}


def in_short(head: Head, predicted: np.ndarray) -> str:
    """The same, without probabilities."""
    if isinstance(head, Several):
        return ", ".join(in_short(own, part) for own, part in zip(head.heads, head.split(predicted), strict=True))
    return head.names[predicted.argmax()] if isinstance(head, Classes) else f"{predicted[0]:.0f} years"


def answer_names(head: Head) -> list[str]:
    """The names of `answers`, which a table's columns have before there are any."""
    if isinstance(head, Several):
        return [name for own in head.heads for name in answer_names(own)]
    return [head.subject, f"{head.subject}_probability"] if isinstance(head, Classes) else ["age_years"]

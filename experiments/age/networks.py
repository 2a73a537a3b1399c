"""The models that the main job can train, by name, and the heads that fit them."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

import tinygrad_cnn.functional as F
from models.age_cnn import AgeCNN
from models.age_resnet import AgeResNet
from tinygrad_cnn import nn
from tinygrad_cnn.train import ExpectedAge, Head, Regression

# make(image_size), or make(image_size, outputs) where a head takes more than one output
MODELS: dict[str, Callable[..., nn.Module]] = {
    "AgeCNN": AgeCNN,
    "AgeResNet": lambda image_size, outputs=1: AgeResNet(outputs),
}
LOSSES = {"mse": F.mse_loss, "l1": F.l1_loss, "smooth_l1": F.smooth_l1_loss}


def make_head(options: argparse.Namespace, ages: np.ndarray) -> Head:
    """The head that the options name, for training faces of these ages in years."""
    if options.head == "expected":
        return ExpectedAge(sigma=options.sigma, l1_weight=options.l1_weight)
    return Regression.of(ages, LOSSES[options.loss])


def make_model(options: argparse.Namespace, head: Head) -> nn.Module:
    """The network that the options name, with as many outputs as the head takes."""
    make = MODELS[options.model]
    return make(options.image_size) if head.outputs == 1 else make(options.image_size, head.outputs)

"""The models that the main job can train, by name."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from models.age_cnn import AgeCNN
from models.age_resnet import AgeResNet
from tinygrad_cnn import nn
from tinygrad_cnn.train import Head

# make(image_size), or make(image_size, outputs) where a head takes more than one output
MODELS: dict[str, Callable[..., nn.Module]] = {
    "AgeCNN": AgeCNN,
    "AgeResNet": lambda image_size, outputs=1: AgeResNet(outputs),
}


def make_model(options: argparse.Namespace, head: Head) -> nn.Module:
    """The network that the options name, with as many outputs as the head takes."""
    make = MODELS[options.model]
    return make(options.image_size) if head.outputs == 1 else make(options.image_size, head.outputs)

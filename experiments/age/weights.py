"""The trained weights that ship with the project, and which of them a command takes where none are named."""

from __future__ import annotations

from pathlib import Path

from experiments.age.faces import UserError
from experiments.age.networks import MODELS
from tinygrad_cnn.train import AgeModel, load_age_model

FOLDER = Path(__file__).resolve().parents[2] / "models" / "weights"
BEST_FIRST = ("age_resnet_utkface.safetensors", "age_cnn_utkface.safetensors")  # by their error on validation faces


def default_weights(folder: Path | None = None) -> Path:
    """The best of the weights in `folder`, or in models/weights. Raises UserError where there are none."""
    folder = FOLDER if folder is None else folder
    for name in BEST_FIRST:
        if (folder / name).is_file():
            return folder / name
    raise UserError(f"there are no trained weights in {folder}: --weights takes the best.safetensors of a run")


def load_model(path: Path | None) -> AgeModel:
    """The model in a weights file, or in the best that ship. Raises UserError where there is none."""
    try:
        return load_age_model(default_weights() if path is None else path, MODELS)
    except (ValueError, FileNotFoundError) as error:
        raise UserError(str(error)) from error

"""A trained age model in one file: the weights, and in the file's metadata all that is needed to use them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..data.transforms import MEAN, STD, to_float
from ..io import load, load_metadata
from ..modes import no_grad
from ..nn import Module
from ..tensor import Tensor
from .loop import AgeScale


@dataclass
class AgeModel:
    """A model that takes pictures `(N, 3, image_size, image_size)`, and how its outputs become years."""

    model: Module
    image_size: int  # pixels
    scale: AgeScale
    median: float  # of the training faces' ages, in years
    data: str  # what it was trained on

    def metadata(self) -> dict[str, str]:
        """What stands beside the weights in their file."""
        return {
            "model": type(self.model).__name__,
            "image_size": str(self.image_size),
            "pixels": PIXELS,
            "age_mean_years": repr(self.scale.mean),
            "age_std_years": repr(self.scale.std),
            "median_age_years": repr(self.median),
            "data": self.data,
        }

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Ages `(N,)` in years of faces in uint8 RGB `(N, image_size, image_size, 3)`."""
        self.model.eval()
        with no_grad():
            return self.scale.years(self.model(Tensor(to_float(images))).data)


PIXELS = f"RGB, (value / 255 - {MEAN}) / {STD}"


def load_age_model(path: str | Path, models: Mapping[str, Callable[[int], Module]]) -> AgeModel:
    """Read a file that training wrote. `models` maps a model's name to what makes it for an image size.

    Raises FileNotFoundError, or ValueError where the file is damaged or does not hold such a model.
    """
    about = load_metadata(path)
    try:
        name, size, data = about["model"], int(about["image_size"]), about["data"]
        scale = AgeScale(float(about["age_mean_years"]), float(about["age_std_years"]))
        median = float(about["median_age_years"])
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path} holds weights, but its metadata lacks what predicting needs: {error}") from None
    if not (math.isfinite(scale.mean) and 0 < scale.std < math.inf and math.isfinite(median)):
        raise ValueError(f"{path} holds no usable scale of ages, {scale}, or median age, {median}")
    if name not in models:
        raise ValueError(f"{path} holds weights of {name!r}; known models: {', '.join(models)}")
    if about.get("pixels") != PIXELS:
        raise ValueError(f"{path} was trained on pixels {about.get('pixels')!r}; this version gives {PIXELS!r}")
    try:
        state = load(path)
        model = models[name](size)
        model.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(
            f"{path} does not fit {name} at {size}x{size} pixels: {' '.join(str(error).split())}"
        ) from None
    damaged = [key for key, array in state.items() if not np.isfinite(array).all()]
    if damaged:
        raise ValueError(f"{path}: {damaged[0]} holds values that are no finite numbers")
    return AgeModel(model, size, scale, median, data)

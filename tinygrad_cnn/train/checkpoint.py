"""A trained model of faces in one file: the weights, and in the file's metadata all that is needed to use them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..arguments import checked
from ..data.transforms import MEAN, STD, to_float
from ..io import load, load_metadata
from ..modes import no_grad
from ..nn import Module
from ..nn.parameter import at_most
from ..tensor import Tensor
from .heads import Head, load_head
from .loop import reported, see


@checked
@dataclass
class AgeModel:
    """A model that takes pictures `(N, 3, image_size, image_size)`, and how its outputs are read.

    `median` is that of the training faces' ages, in years, and `data` what it was trained on. With `flip` a prediction
    is the mean of that for the picture and that for its mirror image.

    >>> from tinygrad_cnn import data, nn, train
    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 1))
    >>> head = train.Regression(mean=33.0, std=20.0)
    >>> model = train.AgeModel(network, 16, head, median=29.0, data="nothing")
    >>> model.predict(data.SyntheticFaces(2, size=16).batch([0, 1])[0]).shape
    (2,)
    """

    model: Module
    image_size: int  # pixels
    head: Head
    median: float  # of the training faces' ages, in years
    data: str  # what it was trained on
    flip: bool = False  # a prediction is the mean of that for the picture and that for its mirror image

    def metadata(self) -> dict[str, str]:
        """What stands beside the weights in their file."""
        from .. import __version__

        return {
            "format": FORMAT,
            "made_by": f"tinygrad_cnn {__version__}",
            "model": type(self.model).__name__,
            "image_size": str(self.image_size),
            "pixels": PIXELS,
            **self.head.metadata(),
            "flip_averaging": "yes" if self.flip else "no",
            "median_age_years": repr(self.median),
            "data": self.data,
        }

    @checked
    def see(self, pictures: Tensor) -> Tensor:
        """What the head reads in pictures `(N, 3, image_size, image_size)` as `to_float` gives them.

        For the model in the mode that it is in; recorded, so that an age has a gradient for every pixel.
        """
        return see(self.model, self.head, pictures, self.flip)[1]

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Ages in years `(N,)`, or what else the head tells, for uint8 RGB `(N, image_size, image_size, 3)`.

        In evaluation mode, without a graph; no age is below 0.
        """
        self.model.eval()
        with no_grad():
            return reported(self.see(Tensor(to_float(images))))


FORMAT = "1"  # of this metadata; a file from before formats had numbers is of format 1
ROOM = 2**20  # elements that a model may have more than its file: near misses are told by the layer's name
LARGEST = 4096  # pixels: what a file may ask pictures to be enlarged to
PIXELS = f"RGB, (value / 255 - {MEAN}) / {STD}"


@checked
def load_age_model(path: str | Path, models: Mapping[str, Callable[..., Module]]) -> AgeModel:
    """Read a file that training wrote.

    `models` maps a model's name to what makes it: `make(image_size)`, or `make(image_size, outputs)` for a head that
    takes more than one output. Raises FileNotFoundError, or ValueError where the file is damaged or does not hold
    such a model; a file that asks for more than it holds is refused before memory is taken for it.

    >>> import os, tempfile
    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn, train
    >>> class Tiny(nn.Sequential):
    ...     def __init__(self, size):
    ...         super().__init__(nn.Flatten(), nn.Linear(3 * size * size, 1))
    >>> model = train.AgeModel(Tiny(16), 16, train.Regression(33.0, 20.0), median=29.0, data="nothing")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "age.safetensors")
    ...     tg.save(model.model.state_dict(), path, metadata=model.metadata())
    ...     train.load_age_model(path, {"Tiny": Tiny}).head.mean
    33.0
    """
    about = load_metadata(path)
    if about.get("format", FORMAT) != FORMAT:
        made_by = about.get("made_by", "another program")
        raise ValueError(
            f"{path} was made by {made_by}, in format {about['format']!r}; this version reads {FORMAT!r}: update it"
        )
    try:
        name, size, data = about["model"], int(about["image_size"]), about["data"]
        head, median = load_head(about), float(about["median_age_years"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} holds weights, but its metadata lacks what predicting needs: {error}") from None
    if not math.isfinite(median):
        raise ValueError(f"{path} holds no usable median age, {median}")
    if not 1 <= size <= LARGEST:
        raise ValueError(f"{path} is for pictures of {size}x{size} pixels; possible are 1 to {LARGEST}")
    if name not in models:
        raise ValueError(f"{path} holds weights of {name!r}; known models: {', '.join(models)}")
    if about.get("pixels") != PIXELS:
        raise ValueError(f"{path} was trained on pixels {about.get('pixels')!r}; this version gives {PIXELS!r}")
    state = load(path)
    try:
        with at_most(sum(array.size for array in state.values()) + ROOM):
            model = models[name](size) if head.outputs == 1 else models[name](size, head.outputs)
        model.load_state_dict(state)
    except (RuntimeError, TypeError, ValueError, OverflowError, MemoryError) as error:
        raise ValueError(
            f"{path} does not fit {name} at {size}x{size} pixels: {' '.join(str(error).split())}"
        ) from None
    damaged = [key for key, array in state.items() if not np.isfinite(array).all()]
    if damaged:
        raise ValueError(f"{path}: {damaged[0]} holds values that are no finite numbers")
    return AgeModel(model, size, head, median, data, about.get("flip_averaging") == "yes")

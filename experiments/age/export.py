"""A trained model as an ONNX file that takes pictures and gives years and probabilities.

Scaling of pixels and reading of outputs are inside, so ONNX Runtime is all that using it takes:

    import json
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession("age.onnx")
    about = session.get_modelmeta().custom_metadata_map
    side = session.get_inputs()[0].shape[1]  # pixels
    faces = np.zeros((2, side, side, 3), np.uint8)  # yours: RGB, upright, each face in the middle of its square
    for output, values in zip(session.get_outputs(), session.run(None, {"faces": faces})):
        print(output.name, json.loads(about["outputs"])[output.name], values)
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import tinygrad_cnn as tg
from tinygrad_cnn import Tensor, nn
from tinygrad_cnn.data.transforms import MEAN, STD
from tinygrad_cnn.train import AgeModel, Classes, Several
from tinygrad_cnn.train.loop import see


class Reader(nn.Module):
    """An AgeModel from uint8 RGB pictures (N, size, size, 3) to what its head tells, by subject."""

    def __init__(self, model: AgeModel) -> None:
        self.network, self.head, self.flip = model.model, model.head, model.flip

    def forward(self, faces: Tensor) -> dict[str, Tensor]:
        """Years (N,), none below 0, and probabilities (N, classes)."""
        pixels = faces.float().permute(0, 3, 1, 2) * (1 / (255 * STD)) - MEAN / STD
        _, predicted = see(self.network, self.head, pixels, self.flip)
        predicted = predicted.clamp(min=0)
        parts = self.head.split(predicted) if isinstance(self.head, Several) else [predicted]
        return dict(zip(self.head.subjects, parts, strict=True))


def described(model: AgeModel) -> dict[str, str]:
    """What the file says of itself, beside what the weights' file does."""
    heads = model.head.heads if isinstance(model.head, Several) else (model.head,)
    size = model.image_size
    outputs = {
        head.subjects[0]: f"probabilities of {', '.join(head.names)}" if isinstance(head, Classes) else "years"
        for head in heads
    }
    about = model.metadata()
    pixels = about.pop("pixels")
    del about["format"]  # of a weights' file
    return {
        **about,
        "input": f"uint8 RGB (batch, {size}, {size}, 3): upright pictures, each of one face in the middle",
        "preprocessing": f"inside the graph: {pixels}, channels first",
        "outputs": json.dumps(outputs),
    }


def export(model: AgeModel, path: Path) -> None:
    """Write the model as an ONNX file. Raises FileNotFoundError where there is no such folder."""
    faces = np.zeros((1, model.image_size, model.image_size, 3), np.uint8)
    tg.export_onnx(Reader(model), faces, path, metadata=described(model))

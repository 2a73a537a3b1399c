"""Drawn faces whose age can be seen, for tests and for machines without photographs.

Age shows where it does in people: in proportions, skin, creases, lids, lips and hair, each with its own scatter
from person to person. Skin, hair colour, clothes, background, light, exposure and pose tell nothing about it.
Half of them are drawn as women: by long hair, make-up and finer jaws, brows and lips, never by a beard or a bald head.
They have no race.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arguments import checked
from .dataset import Array, Dataset, Indices, as_indices
from .drawing import Box, Traits, cue_boxes, draw, person

YOUNGEST, OLDEST = 1, 90  # years


class SyntheticFaces(Dataset):
    """`n` drawn faces, uint8 RGB (size, size, 3), with whole ages from 1 to 90 years, each as likely.

    A face depends on `seed` and its index alone. It is drawn when first asked for, and kept. Raises ValueError for an
    `n` below 1, a size below 16 pixels and a negative seed.

    >>> from tinygrad_cnn.data import SyntheticFaces
    >>> faces = SyntheticFaces(4, size=64)
    >>> image, age = faces[0]
    >>> image.shape, faces.ages.shape, sorted(faces.cue_boxes(0))
    ((64, 64, 3), (4,), ['forehead', 'hair', 'left_eye', 'mouth', 'right_eye'])
    """

    name = "synthetic faces"

    @checked
    def __init__(self, n: int, size: int = 128, seed: int = 0) -> None:
        for name, value, least in (("n", n, 1), ("size", size, 16), ("seed", seed, 0)):
            if value < least:
                raise ValueError(f"SyntheticFaces: {name} must be at least {least}, not {value}")
        self.image_size = size
        self.seed = seed
        self.ages = np.empty(n, np.float32)
        for i in range(n):
            self.ages[i] = self._generator(i).integers(YOUNGEST, OLDEST + 1)
        self._images = np.empty((n, size, size, 3), np.uint8)
        self._drawn = np.zeros(n, bool)

    def __len__(self) -> int:
        return len(self.ages)

    def __getitem__(self, index: int) -> tuple[Array, Any]:
        images, ages = self.batch([index])
        return images[0], ages[0]

    @checked
    def batch(self, indices: Indices) -> tuple[Array, Array]:
        chosen = as_indices(indices, len(self))
        for index in np.unique(chosen[~self._drawn[chosen]]):
            self._images[index] = draw(self.traits(int(index)), self.image_size)
            self._drawn[index] = True
        return self._images[chosen], self.ages[chosen]

    @property
    def targets(self) -> npt.NDArray[np.float32]:
        """The ages."""
        return self.ages

    @functools.cached_property
    def genders(self) -> list[int]:
        """0 for those drawn as men, 1 for those drawn as women."""
        return [int(self.traits(index).feminine) for index in range(len(self))]

    @checked
    def cue_boxes(self, index: int) -> dict[str, Box]:
        """Where the signs of age lie in an image: name -> (x0, y0, x1, y1) in pixels, ends not included."""
        return cue_boxes(self.traits(index), self.image_size)

    @checked
    def traits(self, index: int) -> Traits:
        """What the face at `index` looks like."""
        generator = self._generator(index)
        return person(float(generator.integers(YOUNGEST, OLDEST + 1)), generator)

    def _generator(self, index: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, index))

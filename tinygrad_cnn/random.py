"""Where random numbers come from: one NumPy Generator that `manual_seed` starts again."""

from __future__ import annotations

import numpy as np

_generator = np.random.default_rng(0)


def manual_seed(seed: int) -> np.random.Generator:
    """Start the default generator again from `seed`; the same seed gives the same bits.

    >>> import tinygrad_cnn as tg
    >>> a = tg.manual_seed(7).random()
    >>> a == tg.manual_seed(7).random()
    True
    """
    global _generator
    _generator = np.random.default_rng(seed)
    return _generator


def default_generator() -> np.random.Generator:
    """The generator that initialisers and dropout draw from when none is given."""
    return _generator

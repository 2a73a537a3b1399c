"""Where random numbers come from: one NumPy Generator that `manual_seed` starts again."""

from __future__ import annotations

import numpy as np

from .arguments import checked

# Empty until its first use: to load numpy.random takes half as long as to load all of this package.
_default: dict[str, np.random.Generator] = {}


@checked
def manual_seed(seed: int) -> np.random.Generator:
    """Start the default generator again from `seed`; the same seed gives the same bits.

    >>> import tinygrad_cnn as tg
    >>> a = tg.manual_seed(7).random()
    >>> a == tg.manual_seed(7).random()
    True
    """
    _default["generator"] = generator = np.random.default_rng(seed)
    return generator


def default_generator() -> np.random.Generator:
    """The generator that initialisers and dropout draw from when none is given; `manual_seed` starts it again.

    >>> import tinygrad_cnn as tg
    >>> tg.manual_seed(7) is tg.default_generator()
    True
    """
    return _default.get("generator") or _default.setdefault("generator", np.random.default_rng(0))

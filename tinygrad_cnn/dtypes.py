"""Which type a result has: that of its inputs, as in Torch, also where NumPy would make a float64."""

from __future__ import annotations

from typing import Any

import numpy as np


def is_float64_due(arrays: list[Any]) -> bool:
    """Whether a float64 result is due: NumPy makes one of integers, of its scalars, and of any 0-d float64.

    Here, as in Torch, it comes from float64 arrays alone, and from 0-d ones only where no float has axes.
    """
    floats = [a for a in arrays if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
    ranked = [a for a in floats if a.ndim] or floats
    return any(a.dtype.type is np.float64 for a in ranked)

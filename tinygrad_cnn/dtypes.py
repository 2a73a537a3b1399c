"""Which arrays take part, and which type a result has: its inputs', as in Torch, also where NumPy would widen it."""

from __future__ import annotations

from typing import Any

import numpy as np


def constant(x: Any, taker: Any) -> Any:
    """An array or a NumPy number as the operand of `taker`: a name, or what has a `public_name`.

    Of a subclass such as np.matrix the plain array is taken. TypeError for what holds no real numbers, or hides some.
    """
    if not isinstance(x, (np.ndarray, np.generic)):
        problem = f"expected a Tensor, an array or a number, got {type(x).__name__}"
    elif x.dtype.kind not in "fiub":
        problem = f"expected numbers (float, int or bool), got {x.dtype} from {type(x).__name__}"
    elif hasattr(x, "filled"):
        problem = "a masked array hides numbers, which no gradient knows of; use array.filled(value)"
    else:
        return np.asarray(x) if isinstance(x, np.ndarray) else x
    raise TypeError(f"{getattr(taker, 'public_name', taker)}: {problem}")


def array_of(x: Any) -> np.ndarray:
    """The values of a Tensor, of PyTorch's, or of what NumPy makes an array of; bfloat16, which it lacks, as float32.

    TypeError, ValueError or RuntimeError for what is none.
    """
    x = x.detach() if hasattr(x, "detach") else x
    if str(getattr(x, "dtype", None)) == "torch.bfloat16":
        x = x.float()
    if isinstance(x, np.ndarray) and hasattr(x, "filled"):
        raise TypeError("a masked array hides numbers; use array.filled(value)")
    return np.asarray(x.numpy() if hasattr(x, "numpy") else x)


def is_float64_due(arrays: list[Any]) -> bool:
    """Whether a float64 result is due: NumPy makes one of integers, of its scalars, and of any 0-d float64.

    Here, as in Torch, it comes from float64 arrays alone, and from 0-d ones only where no float has axes.
    """
    floats = [a for a in arrays if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
    ranked = [a for a in floats if a.ndim] or floats
    return any(a.dtype.type is np.float64 for a in ranked)

"""float16 is a type to store numbers in; to compute, they are widened.

Its largest number is 65,504, so a sum of squares soon overflows, and NumPy's arithmetic in it is slower than float32's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def in_float32(kernel: Kernel) -> Kernel:
    """The same function, which takes float16 arrays as float32, and rounds once at the end if the first one was.

    >>> import numpy as np
    >>> from tinygrad_cnn.kernels.half import in_float32
    >>> length = in_float32(lambda x: np.sqrt(np.sum(x * x)))
    >>> length(np.array([300, 400], np.float16))
    np.float16(500.0)
    """

    @functools.wraps(kernel)
    def widened(first: Any, *others: Any, **options: Any) -> Any:
        result = kernel(_wide(first), *map(_wide, others), **options)
        return _narrow(result) if _is_half(first) else result

    return widened  # type: ignore[return-value]


def _is_half(value: Any) -> bool:
    return getattr(value, "dtype", None) == np.float16


def _wide(value: Any) -> Any:
    return value.astype(np.float32) if _is_half(value) else value


def _narrow(result: Any) -> Any:
    """float32 as float16; statistics in float64 stay."""
    if isinstance(result, tuple):
        return tuple(map(_narrow, result))
    return result.astype(np.float16) if result.dtype == np.float32 else result

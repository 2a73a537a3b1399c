"""What several operations check and compute before they call a primitive: tensors, axes, shapes, pairs."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from ..dtypes import constant

if TYPE_CHECKING:
    from ..tensor import Tensor


def as_array(data: Any, dtype: DTypeLike | None = None) -> np.ndarray:
    """A new array of `data`: Python floats become float32, arrays keep their dtype."""
    source = _plain(data)
    try:
        array = np.array(source, dtype=dtype)
    except (TypeError, ValueError) as error:
        raise (TypeError if isinstance(error, TypeError) else ValueError)(f"Tensor: {error}") from error
    if dtype is None and array.dtype == np.float64 and not _holds_float64(source):
        array = array.astype(np.float32)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        raise TypeError(f"Tensor: expected numbers (float, int or bool), got {array.dtype} from {type(data).__name__}")
    return array


def _holds_float64(source: Any) -> bool:
    """Whether NumPy's float64, rather than Python's float, is among the numbers."""
    if isinstance(source, (list, tuple)):
        return any(map(_holds_float64, source))
    return isinstance(source, (np.ndarray, np.generic)) and source.dtype == np.float64


def _plain(data: Any) -> Any:
    """Nested lists with arrays in place of the Tensors among them."""
    if isinstance(data, (list, tuple)):
        return [_plain(item) for item in data]
    return constant(data, "Tensor") if isinstance(data, np.ndarray) else getattr(data, "_array", data)


def as_tensor(x: Any, name: str = "as_tensor") -> Tensor:
    """x itself if it is a Tensor, else a constant of it, of its shape; an array's memory is shared.

    Raises TypeError, with the operation's name, for what is not numbers.

    >>> import tinygrad_cnn as tg
    >>> tg.as_tensor([1.0, 2.0])
    Tensor([1., 2.])
    """
    from ..tensor import Tensor

    if isinstance(x, Tensor):
        return x
    if isinstance(x, np.ndarray):
        return Tensor._make(constant(x, name), None)
    try:
        return Tensor(x)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: expected a Tensor, got {type(x).__name__}") from None


def axis(x: Tensor, dim: int, name: str) -> int:
    """dim as a number from 0; a 0-d tensor has axis 0 and -1, as in Torch."""
    if isinstance(dim, bool) or not hasattr(dim, "__index__"):
        raise TypeError(f"{name}: dim must be an int, got {dim!r}")
    dim = operator.index(dim)
    bound = max(x.ndim, 1)
    if not -bound <= dim < bound:
        raise IndexError(
            f"{name}: dim {dim} is out of range for shape {x.shape}; it must lie in [{-bound}, {bound - 1}]"
        )
    return dim % bound


def axes(x: Tensor, dim: int | tuple[int, ...] | list[int] | None, name: str) -> tuple[int, ...]:
    """dim as a tuple of axis numbers from 0; None and () are all axes, as in Torch."""
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return tuple(range(x.ndim))
    dims = tuple(axis(x, d, name) for d in (dim if isinstance(dim, (tuple, list)) else (dim,)))
    if len(set(dims)) != len(dims):
        raise ValueError(f"{name}: dim {dim} names an axis of shape {x.shape} twice")
    return dims if x.ndim else ()


def kept_shape(shape: tuple[int, ...], dim: tuple[int, ...]) -> tuple[int, ...]:
    """The shape after a reduction over `dim` that keeps its axes with length 1."""
    return tuple(1 if i in dim else n for i, n in enumerate(shape))


def pair(value: int | tuple[int, int] | list[int], name: str, argument: str, least: int) -> tuple[int, int]:
    """An int or a pair of ints, as a pair; ValueError below `least`."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    values = values * 2 if len(values) == 1 else values
    try:
        height, width = (operator.index(v) for v in values)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: {argument} must be an int or a pair of ints, got {value!r}") from None
    if min(height, width) < least:
        raise ValueError(f"{name}: {argument} must be at least {least}, got {value!r}")
    return height, width


def reflected(operation: Callable[..., Tensor]) -> Callable[[Tensor, Any], Tensor]:
    """The operation with its operands exchanged: what `other - tensor` calls."""

    def exchanged(x: Tensor, other: Any) -> Tensor:
        return operation(other, x)

    return exchanged

"""New tensors: from data, of constants, of random numbers. Floats are float32 unless a dtype says otherwise."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .dtypes import constant
from .random import default_generator
from .tensor import Tensor


def _shape(size: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(size[0]) if len(size) == 1 and isinstance(size[0], (tuple, list)) else size


def tensor(data: ArrayLike | Tensor, requires_grad: bool = False, dtype: DTypeLike | None = None) -> Tensor:
    """A Tensor of a copy of `data`; see `Tensor`."""
    return Tensor(data, requires_grad, dtype)


def from_numpy(array: np.ndarray) -> Tensor:
    """A Tensor that shares the array's memory: a write to one is seen in the other.

    Raises TypeError for what is not an array of floats, integers or bools in this machine's byte order.

    >>> import numpy as np
    >>> import tinygrad_cnn as tg
    >>> a = np.zeros(2, np.float32)
    >>> t = tg.from_numpy(a)
    >>> a[0] = 1
    >>> t
    Tensor([1., 0.])
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: expected an array of floats, integers or bools, got {type(array).__name__}")
    if not array.dtype.isnative:
        raise TypeError("from_numpy: the array has another byte order than this machine; use Tensor(array), a copy")
    return Tensor._make(constant(array, "from_numpy"), None)


def from_dlpack(x: Any) -> Tensor:
    """A Tensor that shares the memory of another library's tensor, such as PyTorch's, or of an array.

    Raises BufferError for a tensor that requires grad or is not in the main memory.

    >>> import numpy as np
    >>> import tinygrad_cnn as tg
    >>> a = np.zeros(2, np.float32)
    >>> t = tg.from_dlpack(a)
    >>> a[0] = 1
    >>> t
    Tensor([1., 0.])
    """
    return from_numpy(np.from_dlpack(x))


def _filled(size: tuple[Any, ...], value: Any, dtype: DTypeLike, requires_grad: bool) -> Tensor:
    shape = _shape(size)
    if any(not isinstance(n, numbers.Integral) or n < 0 for n in shape):
        raise ValueError(f"a shape is made of sizes of at least 0, got {shape}")
    return Tensor._make(np.full(shape, value, dtype), None).requires_grad_(requires_grad)


def zeros(*size: Any, dtype: DTypeLike = np.float32, requires_grad: bool = False) -> Tensor:
    """Zeros of the given shape.

    >>> import tinygrad_cnn as tg
    >>> tg.zeros(2, 2)
    Tensor([[0., 0.],
            [0., 0.]])
    """
    return _filled(size, 0, dtype, requires_grad)


def ones(*size: Any, dtype: DTypeLike = np.float32, requires_grad: bool = False) -> Tensor:
    """Ones of the given shape."""
    return _filled(size, 1, dtype, requires_grad)


def full(
    size: tuple[int, ...], fill_value: float, dtype: DTypeLike | None = None, requires_grad: bool = False
) -> Tensor:
    """The given shape, filled with one value."""
    return _filled((size,), fill_value, Tensor(fill_value).dtype if dtype is None else dtype, requires_grad)


def zeros_like(x: Tensor) -> Tensor:
    """Zeros of x's shape and dtype."""
    return zeros(x.shape, dtype=x.dtype)


def ones_like(x: Tensor) -> Tensor:
    """Ones of x's shape and dtype."""
    return ones(x.shape, dtype=x.dtype)


def arange(*bounds: float, dtype: DTypeLike | None = None) -> Tensor:
    """start (default 0), start + step, ... below stop, as in `range`; floats if any argument is one."""
    array = np.arange(*bounds, dtype=dtype)
    return from_numpy(array.astype(np.float32) if dtype is None and array.dtype.kind == "f" else array)


def linspace(start: float, end: float, steps: int, dtype: DTypeLike = np.float32) -> Tensor:
    """`steps` numbers at equal distances from start to end."""
    return from_numpy(np.linspace(start, end, steps, dtype=dtype))


def eye(n: int, m: int | None = None, dtype: DTypeLike = np.float32) -> Tensor:
    """The n x m matrix with ones on its diagonal."""
    return from_numpy(np.eye(n, m, dtype=dtype))


def rand(*size: Any, generator: np.random.Generator | None = None, requires_grad: bool = False) -> Tensor:
    """Uniform random numbers in [0, 1)."""
    drawn = (generator or default_generator()).random(_shape(size), dtype=np.float32)
    return Tensor._make(np.asarray(drawn), None).requires_grad_(requires_grad)


def randn(*size: Any, generator: np.random.Generator | None = None, requires_grad: bool = False) -> Tensor:
    """Normal random numbers with mean 0 and variance 1."""
    drawn = (generator or default_generator()).standard_normal(_shape(size), dtype=np.float32)
    return Tensor._make(np.asarray(drawn), None).requires_grad_(requires_grad)

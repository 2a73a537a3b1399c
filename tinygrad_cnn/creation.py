"""New tensors: from data, of constants, of random numbers. Floats are float32 unless a dtype says otherwise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .arguments import checked, taken
from .dtypes import constant
from .random import default_generator
from .tensor import Tensor


def _shape(size: tuple[Any, ...], name: str) -> tuple[int, ...]:
    sizes = size[0] if len(size) == 1 and isinstance(size[0], (tuple, list)) else size
    shape = tuple(taken(n, "int", name, "each size") for n in sizes)
    if min(shape, default=0) < 0:
        raise ValueError(f"{name}: a shape is made of sizes of at least 0, got {shape}")
    return shape


def tensor(data: ArrayLike | Tensor, requires_grad: bool = False, dtype: DTypeLike | None = None) -> Tensor:
    """A Tensor of a copy of `data`, of its shape; see `Tensor`.

    >>> import tinygrad_cnn as tg
    >>> tg.tensor([[1, 2], [3, 4]])
    Tensor([[1, 2],
            [3, 4]])
    """
    return Tensor(data, requires_grad, dtype)


def from_numpy(array: np.ndarray) -> Tensor:
    """A Tensor that shares the array's memory and has its shape: a write to one is seen in the other.

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


@checked
def from_dlpack(x: Any) -> Tensor:
    """A Tensor that shares memory and shape of another library's tensor, such as PyTorch's, or of an array.

    That library's own `from_dlpack` is the way back. Raises TypeError for what is no tensor or holds no real numbers,
    BufferError for one that requires grad, is not in the main memory, or is of a type that NumPy lacks.

    >>> import numpy as np
    >>> import tinygrad_cnn as tg
    >>> ours = tg.zeros(2)
    >>> theirs = np.from_dlpack(ours)  # or torch.from_dlpack(ours)
    >>> again = tg.from_dlpack(theirs)
    >>> ours += 1
    >>> theirs, again
    (array([1., 1.], dtype=float32), Tensor([1., 1.]))
    """
    if not hasattr(x, "__dlpack__"):
        raise TypeError(f"from_dlpack: expected another library's tensor, got {type(x).__name__}")
    try:
        array = np.from_dlpack(x)
    except RuntimeError as error:
        raise BufferError(f"from_dlpack: NumPy has no such type of numbers ({error}); convert it to float32") from error
    return Tensor._make(constant(array, "from_dlpack"), None)


def _filled(size: tuple[Any, ...], value: Any, dtype: DTypeLike, requires_grad: bool, name: str) -> Tensor:
    return Tensor._make(np.full(_shape(size, name), value, dtype), None).requires_grad_(requires_grad)


def zeros(*size: Any, dtype: DTypeLike = np.float32, requires_grad: bool = False) -> Tensor:
    """Zeros of the given shape.

    >>> import tinygrad_cnn as tg
    >>> tg.zeros(2, 2)
    Tensor([[0., 0.],
            [0., 0.]])
    """
    return _filled(size, 0, dtype, requires_grad, "zeros")


def ones(*size: Any, dtype: DTypeLike = np.float32, requires_grad: bool = False) -> Tensor:
    """Ones of the given shape.

    >>> import tinygrad_cnn as tg
    >>> tg.ones(3)
    Tensor([1., 1., 1.])
    """
    return _filled(size, 1, dtype, requires_grad, "ones")


@checked
def full(
    size: tuple[int, ...], fill_value: bool | float, dtype: DTypeLike | None = None, requires_grad: bool = False
) -> Tensor:
    """The shape `size`, filled with one value.

    >>> import tinygrad_cnn as tg
    >>> tg.full((2,), 7.0)
    Tensor([7., 7.])
    """
    return _filled((size,), fill_value, Tensor(fill_value).dtype if dtype is None else dtype, requires_grad, "full")


@checked
def zeros_like(x: Tensor) -> Tensor:
    """Zeros of x's shape and dtype.

    >>> import tinygrad_cnn as tg
    >>> tg.zeros_like(tg.Tensor([1, 2]))
    Tensor([0, 0])
    """
    return zeros(x.shape, dtype=x.dtype)


@checked
def ones_like(x: Tensor) -> Tensor:
    """Ones of x's shape and dtype.

    >>> import tinygrad_cnn as tg
    >>> tg.ones_like(tg.Tensor([1.0, 2.0]))
    Tensor([1., 1.])
    """
    return ones(x.shape, dtype=x.dtype)


@checked
def arange(*bounds: float, dtype: DTypeLike | None = None) -> Tensor:
    """start (default 0), start + step, ... below stop, as in `range`: shape (count,); floats if any argument is one.

    Raises ValueError for a step of 0, and for what is not finite.

    >>> import tinygrad_cnn as tg
    >>> tg.arange(1, 7, 2)
    Tensor([1, 3, 5])
    """
    bounds = tuple(taken(bound, "int | float", "arange", "each of start, stop and step") for bound in bounds)
    if not all(map(math.isfinite, bounds)) or bounds[2:] == (0,):
        raise ValueError(f"arange: start, stop and step must be finite, and step not 0, got {bounds}")
    array = np.arange(*bounds, dtype=dtype)
    return from_numpy(array.astype(np.float32) if dtype is None and array.dtype.kind == "f" else array)


@checked
def linspace(start: float, end: float, steps: int, dtype: DTypeLike = np.float32) -> Tensor:
    """`steps` numbers at equal distances from start to end, which are met exactly: shape (steps,).

    Raises ValueError for fewer than 0 steps.

    >>> import tinygrad_cnn as tg
    >>> tg.linspace(0, 1, 5)
    Tensor([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    if steps < 0:
        raise ValueError(f"linspace: steps must be at least 0, got {steps}")
    i, step = np.arange(steps), (end - start) / max(steps - 1, 1)
    with np.errstate(invalid="ignore", over="ignore"):  # of infinite ends, as in Torch
        return from_numpy(
            np.where(i < max(steps // 2, 1), start + i * step, end - (steps - 1 - i) * step).astype(dtype)
        )


@checked
def eye(n: int, m: int | None = None, dtype: DTypeLike = np.float32) -> Tensor:
    """The matrix with ones on its diagonal, of shape (n, m); m is n unless given.

    >>> import tinygrad_cnn as tg
    >>> tg.eye(2)
    Tensor([[1., 0.],
            [0., 1.]])
    """
    return from_numpy(np.eye(n, m, dtype=dtype))


def rand(*size: Any, generator: np.random.Generator | None = None, requires_grad: bool = False) -> Tensor:
    """Uniform random numbers in [0, 1), of the given shape, from `generator` or the default one.

    >>> import tinygrad_cnn as tg
    >>> tg.rand(2, 3).shape
    (2, 3)
    """
    drawn = (generator or default_generator()).random(_shape(size, "rand"), dtype=np.float32)
    return Tensor._make(np.asarray(drawn), None).requires_grad_(requires_grad)


def randn(*size: Any, generator: np.random.Generator | None = None, requires_grad: bool = False) -> Tensor:
    """Normal random numbers with mean 0 and variance 1, of the given shape, from `generator` or the default one.

    >>> import numpy as np
    >>> import tinygrad_cnn as tg
    >>> tg.randn(1000, generator=np.random.default_rng(0)).std().round().item()
    1.0
    """
    drawn = (generator or default_generator()).standard_normal(_shape(size, "randn"), dtype=np.float32)
    return Tensor._make(np.asarray(drawn), None).requires_grad_(requires_grad)

"""The tensors that a module owns: parameters, which are trained, and buffers, which are only kept."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..tensor import Tensor

__all__ = ["Buffer", "Parameter", "at_most", "overwrite"]


class _Allowed(threading.local):
    elements: int | None = None  # of parameters, in all


_allowed = _Allowed()


class Parameter(Tensor):
    """A tensor, of any shape, that a module trains: it requires a gradient, and `Module.parameters` finds it.

    Raises ValueError where a file from elsewhere would have it larger than its reader allows; see `at_most`.

    >>> from tinygrad_cnn import nn
    >>> class Scale(nn.Module):
    ...     def __init__(self):
    ...         self.factor = nn.Parameter([2.0])
    >>> list(Scale().parameters())
    [Parameter([2.])]
    """

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        if _allowed.elements is not None:
            _allowed.elements -= np.size(data.data if isinstance(data, Tensor) else data)
            if _allowed.elements < 0:
                raise ValueError("its parameters would have more elements than are allowed here")
        super().__init__(data, requires_grad=requires_grad)


class Buffer(Tensor):
    """A tensor that belongs to a module's state but is not trained, such as a running mean. Any shape.

    One with `persistent=False` is left out of `state_dict`. A plain Tensor assigned to the attribute gives it new
    values; it stays a buffer.

    >>> from tinygrad_cnn import nn
    >>> norm = nn.BatchNorm1d(2)
    >>> norm.running_mean
    Buffer([0., 0.])
    """

    def __init__(self, data: Any, persistent: bool = True) -> None:
        super().__init__(data)
        self.persistent = persistent


@contextlib.contextmanager
def at_most(elements: int) -> Iterator[None]:
    """Inside, parameters that this thread makes have at most so many elements in all.

    Beyond that they raise ValueError before memory is filled: for models whose size a file from elsewhere decides.
    """
    before, _allowed.elements = _allowed.elements, elements
    try:
        yield
    finally:
        _allowed.elements = before


def overwrite(tensor: Tensor, values: Any) -> None:
    """Give a tensor new values of its own shape and dtype, outside the graph.

    Writes in place where it may. An array that a live graph still needs is read-only; the tensor then moves to
    a new array and the graph keeps the old one, so that gradients stay right.
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"expected a Tensor to write to, got {type(tensor).__name__}")
    if tensor.data.flags.writeable:
        tensor.data[...] = values
    else:
        tensor.data = np.broadcast_to(values, tensor.shape).astype(tensor.dtype)

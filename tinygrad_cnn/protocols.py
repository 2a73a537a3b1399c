"""A Tensor as Python and NumPy meet it: length, iteration, truth, numbers, text, copies."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from . import ops


class Protocols:
    """The special methods that are neither arithmetic nor part of the graph."""

    __slots__ = ()

    __array_ufunc__ = None  # array * tensor is the tensor's business

    def __array__(self: Any, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __len__(self: Any) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-d tensor")
        return self.shape[0]

    def __iter__(self: Any) -> Iterator[Any]:
        if not self.shape:
            raise TypeError("iteration over a 0-d tensor")
        return (self[i] for i in range(len(self)))

    def __bool__(self: Any) -> bool:
        if self._data.size != 1:
            raise ValueError(f"the truth value of a tensor of shape {self.shape} is ambiguous; use .any() or .all()")
        return bool(self._data)

    def __float__(self: Any) -> float:
        return float(self.item())

    def __int__(self: Any) -> int:
        return int(self.item())

    def __index__(self: Any) -> int:
        if self._data.dtype.kind == "f":
            raise TypeError(f"only an integer tensor can be an index, this one is {self.dtype}")
        return int(self.item())

    def __contains__(self: Any, value: Any) -> bool:
        return bool((self._data == (getattr(value, "_data", value))).any())

    def __format__(self: Any, specification: str) -> str:
        return format(self.item(), specification) if not self.shape else format(repr(self), specification)

    def __repr__(self: Any) -> str:
        values = np.array2string(self._data, separator=", ", prefix="Tensor(", threshold=100)
        extra = "" if self.dtype in (np.float32, np.int64, np.bool_) else f", dtype={self.dtype}"
        if not self.is_leaf:
            extra += f", made_by={self._source.primitive.public_name}"
        elif self.requires_grad:
            extra += ", requires_grad=True"
        if not self._data.size and self.ndim > 1:
            extra = f", shape={self.shape}" + extra
        return f"Tensor({values}{extra})"

    def __deepcopy__(self: Any, memo: dict[int, Any]) -> Any:
        if not self.is_leaf:
            raise RuntimeError("deepcopy: only leaf tensors can be copied; use detach() first")
        copy = memo[id(self)] = object.__new__(type(self))
        copy._data, copy._source, copy._requires_grad = self._data.copy(), None, self._requires_grad
        copy.grad = deepcopy(self.grad, memo)
        return copy

    def __eq__(self: Any, other: object) -> Any:
        return False if other is None else ops.eq(self, other)

    def __ne__(self: Any, other: object) -> Any:
        return True if other is None else ops.ne(self, other)

    def __pos__(self: Any) -> Any:
        return self

    __hash__ = object.__hash__

"""A Tensor as Python and NumPy meet it: length, iteration, truth, numbers, text, copies."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from . import ops
from .guard import is_held

if TYPE_CHECKING:
    from .tensor import Tensor

SHOWN = 100  # elements, in a repr


def _rebuilt(kind: type, array: np.ndarray, requires_grad: bool) -> Any:
    """A leaf of class `kind` around `array` itself, without a gradient yet."""
    tensor: Any = object.__new__(kind)
    tensor._array, tensor._source, tensor.grad, tensor._requires_grad = array, None, None, requires_grad
    return tensor


class Protocols:
    """The special methods that are neither arithmetic nor part of the graph."""

    __slots__ = ()

    def __array__(self: Any, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        from .array_protocol import call_ufunc

        return call_ufunc(ufunc, method, inputs, options)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        from .array_protocol import call_function

        return call_function(function, types, args, options)

    def __dlpack__(self: Any, **wanted: Any) -> Any:
        if self.requires_grad:
            raise BufferError("from_dlpack: this tensor requires grad; use tensor.detach()")
        if not wanted.get("copy") and (is_held(self._array) or not self._array.flags.writeable):
            raise BufferError(
                "from_dlpack: a live graph needs this memory, or it is read-only, and not every library that shares it "
                "would know; use tensor.detach().clone()"
            )
        if not wanted.get("copy") and min(self._array.strides, default=0) < 0:  # PyTorch would end the process
            raise BufferError("from_dlpack: not every library reads memory backwards; use tensor.contiguous()")
        return self._array.__dlpack__(**wanted)

    def __dlpack_device__(self: Any) -> Any:
        return self._array.__dlpack_device__()

    def __len__(self: Any) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-d tensor")
        return self.shape[0]

    def __iter__(self: Any) -> Iterator[Any]:
        if not self.shape:
            raise TypeError("iteration over a 0-d tensor")
        return (self[i] for i in range(len(self)))

    def __bool__(self: Any) -> bool:
        if self._array.size != 1:
            raise ValueError(f"the truth value of a tensor of shape {self.shape} is ambiguous; use .any() or .all()")
        return bool(self._array)

    def __float__(self: Any) -> float:
        return float(self.item())

    def __int__(self: Any) -> int:
        return int(self.item())

    def __index__(self: Any) -> int:
        if self._array.dtype.kind == "f":
            raise TypeError(f"only an integer tensor can be an index, this one is {self.dtype}")
        return int(self.item())

    def __contains__(self: Any, value: Any) -> bool:
        return bool((self._array == (getattr(value, "_array", value))).any())

    def __format__(self: Any, specification: str) -> str:
        return format(self.item(), specification) if not self.shape else format(repr(self), specification)

    def __repr__(self: Any) -> str:
        kind = type(self).__name__
        values = np.array2string(self._array, separator=", ", prefix=f"{kind}(", threshold=SHOWN)
        extra = "" if self.dtype in (np.float32, np.int64, np.bool_) else f", dtype={self.dtype}"
        if not self.is_leaf:
            extra += f", made_by={self._source.primitive.public_name}"
        elif self.requires_grad != (kind == "Parameter"):  # which is the rule for it
            extra += f", requires_grad={self.requires_grad}"
        if self._array.size > SHOWN or (not self._array.size and self.ndim > 1):  # the values do not tell it
            extra = f", shape={self.shape}" + extra
        return f"{kind}({values}{extra})"

    def _repr_html_(self: Any) -> str | None:
        from .notebook import tensor_html

        return tensor_html(self)

    def __deepcopy__(self: Any, memo: dict[int, Any]) -> Any:
        if not self.is_leaf:
            raise RuntimeError("deepcopy: only leaf tensors can be copied; use detach() first")
        copy = memo[id(self)] = _rebuilt(type(self), self._array.copy(), self._requires_grad)
        copy.grad = deepcopy(self.grad, memo)
        vars(copy).update(deepcopy(vars(self), memo))
        return copy

    def __reduce_ex__(self: Any, protocol: Any) -> tuple[Any, ...]:
        """What copy.copy, which shares the array, and processes that send tensors do: a leaf, as in Torch."""
        return _rebuilt, (type(self), self._array, self._requires_grad), vars(self) or None

    def __eq__(self: Any, other: object) -> Any:
        return False if other is None else ops.eq(self, other)

    def __ne__(self: Any, other: object) -> Any:
        return True if other is None else ops.ne(self, other)

    def __pos__(self: Any) -> Any:
        return self

    __hash__ = object.__hash__

    # Last in the class: above, bool and float are Python's.

    def float(self: Any) -> Tensor:
        """In float32."""
        return self.to(np.float32)

    def double(self: Any) -> Tensor:
        """In float64, as gradient checks need it."""
        return self.to(np.float64)

    def long(self: Any) -> Tensor:
        """In int64, as indices are; floats lose what is behind the point."""
        return self.to(np.int64)

    def bool(self: Any) -> Tensor:
        """Whether each element is not 0."""
        return self.to(np.bool_)

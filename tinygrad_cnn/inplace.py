"""Writing into a tensor: recorded as a new link in the graph, or into the array where nothing needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import ops
from .arguments import checked
from .guard import is_held
from .modes import is_grad_enabled

if TYPE_CHECKING:
    from .tensor import Tensor


WRITE = "x[index] = value"


class InPlace:
    """The operations that change a Tensor; each works out the new value with the ordinary one first."""

    __slots__ = ()

    def _overwrite(self: Any, name: str, new: Tensor) -> Any:
        """Take on `new`'s value in place: as a new link in the graph if one is recorded, else into the array.

        What is recorded changes this tensor alone: views of it, and what it is a view of, keep their values.
        """
        if new.shape != self.shape:
            raise ValueError(f"{name}: a result of shape {new.shape} does not fit into {self.shape}")
        if not np.can_cast(new.dtype, self.dtype, "same_kind"):
            raise TypeError(f"{name}: a result of {new.dtype} does not fit into {self.dtype}")
        if is_grad_enabled() and (self.requires_grad or new.requires_grad):
            if self.is_leaf and self.requires_grad:
                raise RuntimeError(
                    f"{name}: a leaf that requires grad cannot be changed in place while recording; "
                    "do it inside `with tg.no_grad():`"
                )
            is_view = isinstance(self._array.base, np.ndarray) and (self.is_leaf or self._edge.primitive.name == "take")
            if name == WRITE and is_view:
                raise NotImplementedError(
                    "x[i][j] = value: writing into a view while recording does not reach x; write x[i, j] = value, "
                    "or take a copy first: y = x[i].clone()"
                )
            new = new.to(self.dtype)
            self._array, self._source, self._requires_grad = new._array, new._source, new.requires_grad
            return self
        if is_held(self._array):
            raise RuntimeError(
                f"{name}: a live graph still needs this tensor's values, so a gradient would be wrong after the "
                "write; call backward() first, drop the graph's results, or work on x.detach().clone()"
            )
        if not self._array.flags.writeable:
            raise RuntimeError(f"{name}: this tensor is a read-only view of another's memory; work on x.clone()")
        self._array[...] = new._array
        return self

    def __iadd__(self: Any, other: Any) -> Any:
        return self._overwrite("+=", self + other)

    def __isub__(self: Any, other: Any) -> Any:
        return self._overwrite("-=", self - other)

    def __imul__(self: Any, other: Any) -> Any:
        return self._overwrite("*=", self * other)

    def __itruediv__(self: Any, other: Any) -> Any:
        return self._overwrite("/=", self / other)

    def __setitem__(self: Any, index: Any, value: Any) -> None:
        self._overwrite(WRITE, ops.setitem(self, index, value))

    @checked
    def copy_(self: Any, other: Any) -> Any:
        """Take over `other`'s values (broadcast), in place."""
        return self._overwrite("copy_", ops.expand(ops.as_tensor(other), *self.shape))

    @checked
    def fill_(self: Any, value: float) -> Any:
        """Set every element to one value, in place."""
        return self.copy_(np.asarray(value, self.dtype))

    def zero_(self: Any) -> Tensor:
        """Set every element to 0, in place."""
        return self.fill_(0)

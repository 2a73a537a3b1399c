"""Tensor: an array, its gradient, and its place in the graph.

The operators and methods here are names for the primitives in `ops/`; what happens when one is called is in
`autograd.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from . import autograd, ops
from .arguments import checked
from .autograd import Edge, Node
from .inplace import InPlace
from .ops.support import as_array
from .protocols import Protocols


class Tensor(InPlace, Protocols):
    """An n-dimensional array that remembers how it was computed.

    `Tensor(data, requires_grad=False)` copies `data`: an array (float32 and float64 are kept), or numbers in
    nested lists (Python floats become float32). A Tensor that requires grad collects its gradient in `.grad`
    when a result's `backward()` runs. Raises TypeError for what is not numbers.

    >>> x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    Tensor([2., 4., 6.])
    """

    __slots__ = ("__dict__", "__weakref__", "_array", "_requires_grad", "_source", "grad")

    _array: np.ndarray
    _source: Edge | None  # where its gradient goes on to: the Node that made it, or the leaf that it stands for
    grad: Tensor | None
    _requires_grad: bool

    def __init__(self, data: ArrayLike | Tensor, requires_grad: bool = False, dtype: DTypeLike | None = None) -> None:
        self._array, self._source, self.grad, self._requires_grad = as_array(data, dtype), None, None, False
        self.requires_grad_(requires_grad)

    @staticmethod
    def _make(array: np.ndarray, source: Edge | None) -> Tensor:
        """A Tensor around `array` itself, which requires grad if its gradient has somewhere to go."""
        tensor = object.__new__(Tensor)
        tensor._array, tensor._source, tensor.grad = array, source, None
        tensor._requires_grad = source is not None
        return tensor

    # -- what it is ---------------------------------------------------------------------------------------

    @property
    def data(self) -> np.ndarray:
        """The array itself. While a graph needs its values it is read-only: a write raises ValueError."""
        return self._array

    @data.setter
    def data(self, value: ArrayLike | Tensor) -> None:
        self._array = value if isinstance(value, np.ndarray) else as_array(value)

    @property
    def shape(self) -> tuple[int, ...]:
        """How long each axis is: a plain tuple."""
        return self._array.shape

    @property
    def ndim(self) -> int:
        """How many axes; 0 for a single number."""
        return self._array.ndim

    @property
    def dtype(self) -> np.dtype:
        """NumPy's type of the elements: float32 unless data or caller said otherwise."""
        return self._array.dtype

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by the user rather than by a recorded operation."""
        return not isinstance(self._source, Node)

    @property
    def _edge(self) -> Edge:
        return self if self._source is None else self._source

    @checked
    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for a gradient, or no longer; TypeError for integers and bools, RuntimeError for a result."""
        if requires_grad and self._array.dtype.kind != "f":
            raise TypeError(f"requires_grad: only floating-point tensors can have gradients, this one is {self.dtype}")
        if not requires_grad and not self.is_leaf:
            raise RuntimeError("requires_grad_(False): this tensor was computed; use detach() instead")
        self._requires_grad = requires_grad
        return self

    @property
    def requires_grad(self) -> bool:
        """Whether `backward()` works out a gradient for it; to be set on leaves only."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def numel(self) -> int:
        """How many elements."""
        return self._array.size

    @checked
    def size(self, dim: int | None = None) -> Any:
        """The shape, or its entry `dim`."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        """The same as `ndim`."""
        return self._array.ndim

    def numpy(self) -> np.ndarray:
        """The array, shared; RuntimeError if the tensor requires grad (then: `.detach().numpy()`)."""
        if self.requires_grad:
            raise RuntimeError("numpy(): this tensor requires grad; use tensor.detach().numpy()")
        return self._array

    def item(self) -> Any:
        """The single element as a Python number; ValueError if there is not exactly one."""
        if self._array.size != 1:
            raise ValueError(f"item(): needs exactly one element, the shape is {self.shape}")
        return self._array.item()

    def tolist(self) -> Any:
        """The elements as Python numbers, in nested lists; a single number of no axes as it is."""
        return self._array.tolist()

    def detach(self) -> Tensor:
        """The same array, outside the graph."""
        return Tensor._make(self._array, None)

    # -- gradients ----------------------------------------------------------------------------------------

    @checked
    def backward(
        self,
        gradient: Tensor | np.ndarray | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
    ) -> None:
        """Add the gradient of this tensor (times `gradient`, of its shape) to `.grad` of every leaf below it.

        A single number needs no `gradient`. What the graph kept is freed unless `retain_graph` (default: as
        `create_graph`); with `create_graph=True` the gradients can be differentiated in turn. Raises
        RuntimeError if nothing below requires grad, for a wrong shape, and for a graph that has been freed.
        """
        autograd.backward(self, gradient, retain_graph, create_graph)

    # -- operators and methods: names for ops ---------------------------------------------------------------

    __add__ = __radd__ = add = ops.add
    __sub__ = sub = ops.sub
    __mul__ = __rmul__ = mul = ops.mul
    __truediv__ = div = ops.div
    __floordiv__, __mod__, __pow__ = ops.floor_divide, ops.remainder, ops.pow
    __neg__, __abs__ = ops.neg, ops.abs
    __matmul__ = matmul = ops.matmul
    __getitem__, eq, ne = ops.getitem, ops.eq, ops.ne
    __lt__ = lt = ops.lt
    __le__ = le = ops.le
    __gt__ = gt = ops.gt
    __ge__ = ge = ops.ge
    __and__ = __rand__ = bitwise_and = ops.bitwise_and
    __or__ = __ror__ = bitwise_or = ops.bitwise_or
    __xor__ = __rxor__ = bitwise_xor = ops.bitwise_xor
    __invert__ = bitwise_not = ops.bitwise_not
    logical_and, logical_or = ops.logical_and, ops.logical_or
    logical_xor, logical_not = ops.logical_xor, ops.logical_not

    __rsub__, __rtruediv__ = ops.reflected(ops.sub), ops.reflected(ops.div)
    __rfloordiv__, __rmod__ = ops.reflected(ops.floor_divide), ops.reflected(ops.remainder)
    __rpow__, __rmatmul__ = ops.reflected(ops.pow), ops.reflected(ops.matmul)
    neg, pow, remainder, floor_divide = ops.neg, ops.pow, ops.remainder, ops.floor_divide
    exp, log, log1p, expm1 = ops.exp, ops.log, ops.log1p, ops.expm1
    sqrt, rsqrt, square, abs, sign = ops.sqrt, ops.rsqrt, ops.square, ops.abs, ops.sign
    reciprocal, sin, cos = ops.reciprocal, ops.sin, ops.cos
    tanh, sigmoid, erf = ops.tanh, ops.sigmoid, ops.erf
    relu, softmax, log_softmax = ops.relu, ops.softmax, ops.log_softmax
    maximum, minimum, clamp, where = ops.maximum, ops.minimum, ops.clamp, ops.where_method
    isnan, isinf, isfinite = ops.isnan, ops.isinf, ops.isfinite
    floor, ceil, round = ops.floor, ops.ceil, ops.round
    sum, mean, var, std, prod = ops.sum, ops.mean, ops.var, ops.std, ops.prod
    amax, amin, max, min, argmax, argmin = ops.amax, ops.amin, ops.max, ops.min, ops.argmax, ops.argmin
    any, all, logsumexp, cumsum, norm = ops.any, ops.all, ops.logsumexp, ops.cumsum, ops.norm
    reshape, view, flatten = ops.reshape, ops.reshape, ops.flatten
    squeeze, unsqueeze, transpose, permute = ops.squeeze, ops.unsqueeze, ops.transpose, ops.permute
    flip, expand, broadcast_to, sum_to = ops.flip, ops.expand, ops.broadcast_to, ops.sum_to
    split, chunk, gather, masked_fill = ops.split, ops.chunk, ops.gather, ops.masked_fill
    clone, contiguous, to, type_as = ops.clone, ops.contiguous, ops.to, ops.type_as
    T, mT = property(ops.reverse_axes), property(ops.matrix_transpose)


autograd.Tensor = Tensor  # type: ignore[misc]

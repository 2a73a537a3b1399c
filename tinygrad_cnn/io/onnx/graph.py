"""An ONNX graph as it grows: nodes, initializers, and a name for every value."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from .batch import Dim, Filled, Varying
from .trace import Step, Value

Size = int | Dim
OPSET = 23
IR_VERSION = 11  # the oldest that knows the opset


def element_type(dtype: Any) -> int:
    """ONNX's number for a dtype; NotImplementedError where it has none."""
    from onnx import helper

    try:
        return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    except ValueError:
        raise NotImplementedError(f"export_onnx: ONNX has no type for {np.dtype(dtype)}") from None


class Graph:
    """Nodes in the order of computation; `reserved` are the inputs' and outputs' names, which no weight can have."""

    def __init__(self, inputs: Sequence[Value], state: Mapping[str, np.ndarray], reserved: Collection[str]) -> None:
        self.nodes: list[Any] = []  # NodeProtos
        self.initializers: dict[str, np.ndarray] = {}
        self.state = state
        self.taken = {*reserved, *state}
        self.named = {key: key if key not in {*reserved} else self.unique(key) for key in state}
        self.names: dict[tuple[str, Any], str] = {("input", value.key): value.key for value in inputs}
        self.constants: dict[tuple[Any, ...], str] = {}  # small ones, by what they hold
        self.batch_of = next((value.key for value in inputs if value.shape and isinstance(value.shape[0], Dim)), "")
        self.dims: dict[Dim, str] = {}

    def unique(self, name: str) -> str:
        """The name, numbered where it is taken."""
        found, number = name, 1
        while found in self.taken:
            found, number = f"{name}_{number}", number + 1
        self.taken.add(found)
        return found

    def node(self, path: str, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node of one output, named after the module that it belongs to; gives the output's name."""
        from onnx import helper

        name = self.unique(f"{path.replace('.', '/')}/{kind}" if path else kind)
        plain: dict[str, Any] = {key: list(a) if isinstance(a, tuple) else a for key, a in attributes.items()}
        self.nodes.append(helper.make_node(kind, inputs, [name], name, **plain))
        return name

    def constant(self, array: Any) -> str:
        """The name of an initializer with these elements; small ones are shared."""
        array = np.asarray(array)
        key = (array.dtype, array.shape, array.tobytes()) if array.size <= 16 else (id(array),)
        if key not in self.constants:
            self.constants[key] = self.unique("constant")
            self.initializers[self.constants[key]] = array
        return self.constants[key]

    def value(self, value: Value) -> str:
        """The name of a value that has been computed; a module's state becomes an initializer when it is used."""
        if value.source == "state" and value[:2] not in self.names:
            name = self.names[value[:2]] = self.named[value.key]
            self.initializers[name] = self.state[value.key]
        return self.names[value[:2]]

    def size(self, size: Size) -> str:
        """A size as an int64 array of one element."""
        if not isinstance(size, Dim):
            return self.constant(np.array([size], np.int64))
        if size not in self.dims:
            name = self.node("batch", "Shape", self.batch_of, start=0, end=1)
            if size.per_item != 1:
                name = self.node("batch", "Mul", name, self.size(size.per_item))
            if size.extra:
                name = self.node("batch", "Add", name, self.size(size.extra))
            self.dims[size] = name
        return self.dims[size]

    def sizes(self, sizes: Sequence[Size]) -> str:
        """Sizes as an int64 array (n,)."""
        if not any(isinstance(size, Dim) for size in sizes):
            return self.constant(np.array(sizes, np.int64))
        return self.node("batch", "Concat", *map(self.size, sizes), axis=0)


class Call:
    """One step, as its builder sees it: inputs by name, shapes and dtypes, options, and nodes to add."""

    def __init__(self, graph: Graph, step: Step) -> None:
        self.graph, self.step, self.options = graph, step, step.options
        self.shape, self.dtype = step.out.shape, step.out.dtype

    def __len__(self) -> int:
        return len(self.step.inputs)

    @property
    def inputs(self) -> list[str]:
        """The names of all inputs, in the dtype of the result."""
        return [self.input(i) for i in range(len(self))]

    def input(self, i: int, dtype: Any = None) -> str:
        """The name of input i in a dtype (default: the result's)."""
        return self.name(self.step.inputs[i], np.dtype(dtype or self.dtype))

    def name(self, thing: Any, dtype: Any = None) -> str:
        """The name of a value, array or number in a dtype (default for the first two: its own)."""
        if isinstance(thing, Value):
            name = self.graph.value(thing)
            return name if dtype is None or dtype == thing.dtype else self.cast(name, dtype)
        if isinstance(thing, Dim):
            return self.node("Squeeze", self.cast(self.graph.size(thing), dtype))
        if isinstance(thing, Filled):
            number = self.constant(thing.value, dtype)
            return self.node("Expand", number, self.graph.sizes(thing.shape))
        if isinstance(thing, Varying):
            self.refuse_varying(thing)
        return self.constant(thing, dtype)

    def constant(self, thing: Any, dtype: Any = None) -> str:
        array = np.asarray(thing)
        return self.graph.constant(array if dtype is None else array.astype(dtype, copy=False))

    def input_shape(self, i: int = 0) -> tuple[Size, ...]:
        thing = self.step.inputs[i]
        return thing.shape if isinstance(thing, (Value, Filled)) else np.shape(thing)

    def input_dtype(self, i: int = 0) -> np.dtype:
        thing = self.step.inputs[i]
        return np.dtype(np.int64) if isinstance(thing, Dim) else np.result_type(getattr(thing, "dtype", thing))

    def common_dtype(self) -> np.dtype:
        """The dtype in which NumPy compares the inputs; Python numbers take the others'."""
        plain = [0 if isinstance(x, Dim) else x for x in self.step.inputs]
        return np.result_type(*(x if isinstance(x, (int, float)) else getattr(x, "dtype", x) for x in plain))

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        return self.graph.node(self.step.path, kind, *inputs, **attributes)

    def over(self, kind: str, name: str, dim: Sequence[int], keepdim: bool) -> str:
        """A reduction over axes."""
        return self.node(kind, name, self.graph.sizes(dim), keepdims=int(keepdim))

    def cast(self, name: str, dtype: Any) -> str:
        return self.node("Cast", name, to=element_type(dtype))

    def reshape(self, name: str, shape: Sequence[Size]) -> str:
        """Reshape to sizes of which those that grow with the batch are worked out."""
        grown = [isinstance(n, Dim) for n in shape]
        if 0 in shape:
            return self.node("Reshape", name, self.graph.sizes(shape), allowzero=1)
        if sum(grown) == 1:
            shape = [-1 if grows else n for n, grows in zip(shape, grown, strict=True)]
        return self.node("Reshape", name, self.graph.sizes(shape))

    def refuse(self, why: str) -> NoReturn:
        where = f" in {self.step.path!r}" if self.step.path else ""
        raise NotImplementedError(f"export_onnx: {self.step.primitive.public_name}{where} has no ONNX form: {why}")

    def refuse_varying(self, thing: Varying) -> NoReturn:
        self.refuse(
            f"it takes {thing}, which changes with the batch size or the input's values and was not computed by "
            "recorded operations"
        )

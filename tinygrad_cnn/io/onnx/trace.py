"""What a function computes, written down as it runs: each operation, and where its inputs came from.

Values are told apart by their arrays, so that `x.detach()` and `x.data` are still x. Gradients are recorded
meanwhile, for then an in-place write gives a tensor a new array, and other writes raise.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ...autograd import Primitive
from ...modes import Event, enable_grad, mode, observe
from ...tensor import Tensor


class Value(NamedTuple):
    """An array that the trace knows: an input, a module's state, or an operation's result."""

    source: str  # "input", "state" or "step"
    key: Any  # its name, or the step's number
    shape: tuple[Any, ...]
    dtype: np.dtype


class Step(NamedTuple):
    """One operation. Inputs and options hold Values, and arrays and numbers that are none."""

    primitive: Primitive
    inputs: tuple[Any, ...]
    options: dict[str, Any]
    out: Value
    path: str  # of the module that ran it, by dotted names; empty for the outermost one


class Trace(NamedTuple):
    inputs: tuple[Value, ...]
    steps: list[Step]
    outputs: dict[str, Any]  # Values, or arrays that nothing computed


class Tracer:
    """Writes down the operations that run in one call of a function, in this thread."""

    def __init__(self, state: Mapping[str, Tensor], paths: Mapping[int, str]) -> None:
        self.paths = paths  # by the module's id
        self.values: dict[int, Value] = {}  # by the array's id
        self.alive: list[np.ndarray] = []  # an id is an array's for as long as that lives
        self.steps: list[Step] = []
        self.thread = threading.get_ident()
        for name, tensor in state.items():
            self.know("state", name, tensor.data)

    def know(self, source: str, key: Any, array: np.ndarray) -> Value:
        value = Value(source, key, array.shape, array.dtype)
        self.values[id(array)] = value
        self.alive.append(array)
        return value

    def read(self, thing: Any) -> Any:
        """The thing with Values in place of the arrays that are known, however deep in tuples."""
        if isinstance(thing, Tensor):
            thing = thing.data
        if isinstance(thing, np.ndarray):
            return self.values.get(id(thing), thing)
        if isinstance(thing, (tuple, list)):
            parts = [self.read(part) for part in thing]
            return type(thing)(*parts) if hasattr(thing, "_fields") else tuple(parts)
        return thing

    def __call__(self, event: Event) -> None:
        if threading.get_ident() != self.thread:
            return
        inputs, array = self.read(event.inputs), event.out.data
        options = event.primitive.defaults | {name: self.read(option) for name, option in event.options.items()}
        array.flags.writeable = False  # a write would go unseen
        out = self.know("step", len(self.steps), array)
        self.steps.append(Step(event.primitive, inputs, options, out, self.path()))

    def path(self) -> str:
        """Where in the model this thread is."""
        place, inner = mode.place, ""
        while place is not None:
            reference, place = place
            module = reference and reference()
            if id(module) in self.paths:
                return ".".join(filter(None, (self.paths[id(module)], inner)))
            inner = ".".join(filter(None, (type(module).__name__, inner))) if module is not None else inner
        return inner


def trace(
    function: Callable[[list[Tensor]], Any],
    inputs: Mapping[str, np.ndarray],
    state: Mapping[str, Tensor],
    paths: Mapping[int, str],
) -> Trace:
    """What `function` computes of a Tensor for each of the inputs."""
    tracer = Tracer(state, paths)
    with enable_grad():
        # Results, rather than leaves, may be written to while gradients are recorded.
        tensors = [Tensor(x, requires_grad=x.dtype.kind == "f").clone() for x in inputs.values()]
        known = [tracer.know("input", name, x.data) for name, x in zip(inputs, tensors, strict=True)]
        for x in tensors:
            x.data.flags.writeable = False
        with observe(tracer):
            try:
                result = function(tensors)
            except (RuntimeError, ValueError) as error:
                if "read-only" not in str(error):
                    raise
                raise NotImplementedError(
                    "export_onnx: a write that is not recorded, into an array or under no_grad, has no ONNX form: "
                    f"{error}"
                ) from error
    outputs = {name: tracer.read(y) for name, y in named(result)}
    return Trace(tuple(known), tracer.steps, outputs)


def named(result: Any, name: str = "output") -> Iterable[tuple[str, Any]]:
    """The tensors of a result by name: a dict's keys, a named tuple's fields, or numbers behind `output`.

    Raises TypeError for what is none.
    """
    if isinstance(result, Tensor):
        return [(name, result)]
    prefix = "" if name == "output" else f"{name}."
    if isinstance(result, dict):
        members = [(f"{prefix}{key}", member) for key, member in result.items()]
    elif hasattr(result, "_fields"):
        members = [(f"{prefix}{key}", member) for key, member in zip(result._fields, result, strict=True)]
    elif isinstance(result, (tuple, list)):
        members = [(f"{name}_{i}", member) for i, member in enumerate(result)]
    else:
        raise TypeError(f"export_onnx: a model should return Tensors, {name} is {type(result).__name__}")
    return [pair for key, member in members for pair in named(member, key)]

"""Running what is to be drawn: a function's inputs, its results, and how long each operation took."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ...autograd import Node
from ...modes import Event, enable_grad, mode, observe
from ...nn import Module
from ...random import default_generator
from ...tensor import Tensor
from .measure import Figures
from .recorded import Labels


def as_inputs(function: Callable[..., Any], inputs: tuple[Any, ...]) -> tuple[tuple[Any, ...], Labels]:
    """The inputs on which to run a function, recorded from there on, and the names of the tensors among them."""
    name = getattr(function, "__name__", type(function).__name__)
    if isinstance(function, type):
        raise TypeError(f"draw: {name} is a class; make one of it first: draw({name}(...), x)")
    if not inputs:
        raise TypeError(f"draw: draw({name}, x) needs the input x to run it on")
    tensors: list[Tensor] = []

    def leaf(x: Any) -> Any:
        if isinstance(x, Tensor):
            tensors.append(x.detach().requires_grad_() if x.dtype.kind == "f" else x)
            return tensors[-1]
        if type(x) in (list, tuple):
            return type(x)(map(leaf, x))
        if type(x) is dict:
            return {key: leaf(value) for key, value in x.items()}
        if hasattr(x, "__array__"):
            kind = f"{type(x).__module__}.{type(x).__name__}"
            raise TypeError(f"draw: inputs should be Tensors, got {kind}; tg.Tensor makes one of it")
        return x

    leaves = leaf(inputs)
    if not tensors:
        raise TypeError(f"draw: there should be a Tensor among the inputs of {name}, got {inputs[0]!r:.80}")
    names = ["input"] if len(tensors) == 1 else [f"input {place}" for place in range(len(tensors))]
    labels: Labels = {}
    for tensor, label in zip(tensors, names, strict=True):
        labels.setdefault(id(tensor.data), ("input", label))
    return leaves, labels


def run(function: Callable[..., Any], inputs: tuple[Any, ...], model: Module | None) -> tuple[Any, Figures]:
    """What the function gives, and how long each operation took; random numbers and buffers stay as they were."""
    seconds: Figures = {}

    def note(event: Event) -> None:
        if isinstance(event.out._edge, Node):
            seconds[event.out._edge] = event.seconds

    place, mode.place = mode.place, None  # also where a module or a sweep draws
    random = default_generator().bit_generator
    state = random.state
    buffers = [(buffer, buffer.data.copy()) for buffer in model.buffers()] if model else []
    try:
        with enable_grad(), observe(note):
            return function(*inputs), seconds
    finally:
        mode.place, random.state = place, state
        for buffer, values in buffers:
            buffer.data = values


def tensors_in(output: Any, strict: bool = False) -> Iterator[Tensor]:
    """The tensors that a result is, or holds in lists, tuples and dicts; TypeError for what is none if `strict`."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, (list, tuple, dict)) and (output or not strict):
        for item in output.values() if isinstance(output, dict) else output:
            yield from tensors_in(item, strict)
    elif strict:
        raise TypeError(f"draw: expected a Tensor, some Tensors, or a Module and its input, got {output!r:.80}")

"""Figures by which a graph is coloured: each box's gradient, time, memory or arithmetic."""

from __future__ import annotations

import contextlib
import contextvars
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...autograd import Edge, Node, sweep
from ...modes import Event, mode, observe
from ...ops.flops import flops
from ...tensor import Tensor
from .recorded import Box, Graph, dropped

# Whether a sweep that measures is running: what it calls, a hook say, may draw, but not measure again.
is_measuring = contextvars.ContextVar("is_measuring", default=False)
Figures = dict[Edge, float]  # of nodes and leaves; what has no figure is not in it


@dataclass(frozen=True)
class Kind:
    """What `color_by` names: how it is called, its unit, and how the figures of a folded box become one."""

    title: str
    unit: str
    prefix: str  # of a figure in its box
    logarithmic: bool
    together: Callable[[Sequence[float]], float]


@dataclass(frozen=True)
class Measured:
    """Figures of boxes; a box that has none is not among them."""

    kind: Kind
    figures: dict[Box, float]


MEASURES = {
    "grad_norm": Kind("norm of the gradient", "", "grad ", True, lambda norms: math.hypot(*norms)),
    "time": Kind("time, forward and backward", "s", "", False, sum),
    "memory": Kind("memory held for the backward pass", "B", "", False, sum),
    "flops": Kind("floating-point operations", "FLOP", "", False, sum),
}


def measure(
    color_by: str, graph: Graph, outputs: Sequence[Tensor], nodes: Sequence[Node], forward: Figures | None
) -> Measured:
    """Each box's figure. `forward` is how long the nodes took that were seen to run; None where none were."""
    kind = MEASURES[color_by]
    edges = [edge for box in graph.boxes for edge in box.stands_for]
    leaves = [edge for edge in edges if isinstance(edge, Tensor)]
    freed = color_by != "flops" and any(map(dropped, nodes))
    if freed and (color_by != "grad_norm" or all(leaf.grad is None for leaf in leaves)):
        raise RuntimeError(
            f"draw: color_by={color_by!r} needs what backward() has freed; draw before it, or keep the graph with "
            "loss.backward(retain_graph=True)"
        )
    if freed:
        figures = {leaf: _norm(leaf.grad) for leaf in leaves if leaf.grad is not None}
        kind = replace(kind, title="norm of the .grad of each leaf")
    elif color_by == "grad_norm":
        figures = gradient_norms(outputs, nodes, [leaf for leaf in leaves if leaf.requires_grad])
    elif color_by == "time":
        figures = backward_seconds(outputs, nodes)
        if forward is not None:
            figures = {node: seconds + forward.get(node, 0.0) for node, seconds in figures.items()}
        kind = replace(kind, title="time of the backward pass" if forward is None else kind.title)
    elif color_by == "memory":
        figures = bytes_held(nodes, leaves)
    else:
        figures = forward_flops(nodes)
    return Measured(kind, _of_boxes(graph, figures, kind))


def gradient_norms(outputs: Sequence[Tensor], nodes: Sequence[Node], leaves: Sequence[Tensor]) -> Figures:
    """The Euclidean norm of d (sum of all outputs) / d (each result and leaf)."""
    arrived = _swept(outputs, {*nodes, *leaves})
    return {edge: _norm(gradient) for edge, gradient in arrived.items()}


def backward_seconds(outputs: Sequence[Tensor], nodes: Sequence[Node]) -> Figures:
    """How long each node's rules run; the second time, when memory and threads are there."""
    _swept(outputs, None)
    seconds: Figures = dict.fromkeys(nodes, 0.0)

    def note(event: Event) -> None:
        if event.rule_of in seconds:
            seconds[event.rule_of] += event.seconds

    with observe(note):
        _swept(outputs, None)
    return seconds


def bytes_held(nodes: Sequence[Node], leaves: Sequence[Tensor]) -> Figures:
    """Bytes that the graph keeps alive: a leaf's own, and of each array the first node that needs it for a rule."""
    counted: set[int] = set()

    def new_bytes(value: Any) -> int:
        if isinstance(value, (tuple, list)):
            return sum(map(new_bytes, value))
        array = value.data if isinstance(value, Tensor) else value
        if not isinstance(array, np.ndarray):
            return 0
        while isinstance(array.base, np.ndarray):
            array = array.base
        if id(array) in counted:
            return 0
        counted.add(id(array))
        return array.nbytes

    held: Figures = {leaf: new_bytes(leaf) for leaf in leaves}
    return held | {node: new_bytes([*node.kept.values()]) for node in nodes}


def forward_flops(nodes: Sequence[Node]) -> Figures:
    """The arithmetic of each node's forward pass, where the graph still knows the shapes that it takes to tell."""
    figures: Figures = {}
    for node in nodes:
        shapes = [_input_shape(node, index) for index in range(len(node.edges))]
        with contextlib.suppress(TypeError):
            figures[node] = flops(node.primitive.name, shapes, node.shape, node.kept)
    return figures


def _of_boxes(graph: Graph, figures: Figures, kind: Kind) -> dict[Box, float]:
    found = {}
    gives: dict[Box, set[Any]] = {}  # the values that leave a box
    for arrow in graph.arrows:
        gives.setdefault(arrow.source, set()).add(arrow.value)
    for box in graph.boxes:
        known = [figures[edge] for edge in box.stands_for if edge in figures]
        if box.kind == "module" and kind.logarithmic:  # a module's gradient is that of its parameters, if it has any
            given = gives.get(box, set())
            parameters = [edge for edge in box.stands_for if isinstance(edge, Tensor)]
            chosen = parameters or [edge for edge in box.stands_for if edge in given]
            known = [figures[edge] for edge in chosen if edge in figures]
        if known:
            found[box] = kind.together(known)
    return found


def _norm(gradient: Tensor) -> float:
    with np.errstate(all="ignore"):
        return float(np.sqrt(np.sum(np.square(gradient.data, dtype=np.float64))))


def _swept(outputs: Sequence[Tensor], targets: set[Edge] | None) -> dict[Edge, Tensor]:
    """A sweep that leaves the graph as it was, and so the sweep during which it may be."""
    roots = [(tensor._edge, Tensor(np.ones_like(tensor.data))) for tensor in outputs if tensor.requires_grad]
    rule_of, before = mode.rule_of, is_measuring.set(True)
    try:
        return sweep(roots, targets, retain_graph=True, create_graph=False)
    finally:
        mode.rule_of = rule_of
        is_measuring.reset(before)


def _input_shape(node: Node, index: int) -> tuple[int, ...] | None:
    if (wanted := node.wanted[index]) is not None:
        return wanted[1]
    primitive = node.primitive
    name = primitive.variadic or primitive.inputs[index]
    for key, shape_of in ((f"{name}_shape", tuple), (name, np.shape)):
        if key in node.kept:
            value = node.kept[key][index] if primitive.variadic else node.kept[key]
            return shape_of(getattr(value, "data", value))
    return None

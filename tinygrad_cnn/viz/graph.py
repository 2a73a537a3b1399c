"""A drawing of what autograd recorded: operations as boxes, the tensors that they start from around them.

Two steps: `recorded` reads the graph into a plain list of vertices, `draw` writes that list as graphviz.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..autograd import Node
from ..kernels import Geometry, Windows
from ..modes import enable_grad
from ..nn import Module
from ..ops.names import public_name
from ..tensor import Tensor

if TYPE_CHECKING:
    import graphviz


Labels = dict[int, tuple[str, str]]  # id of a leaf's array -> the leaf's kind and name


@dataclass(frozen=True)
class Vertex:
    """One box of the drawing; `sources` are the places, in the same list, of what it is computed from."""

    kind: str  # "operation", "output", "parameter" (a leaf that collects a gradient) or "input" (another leaf)
    name: str
    options: str  # of an operation
    shape: tuple[int, ...]
    sources: tuple[int, ...] = ()


def draw(
    output: Tensor | Sequence[Tensor] | Module, *inputs: Any, model: Module | None = None, title: str = ""
) -> graphviz.Digraph:
    """Draw the graph of one or more results, or that of `model(*inputs)`; gives a `graphviz.Digraph`.

    `draw(loss)` shows what has been recorded; with `model=` the parameters carry its names for them.
    `draw(model, x)` runs the forward pass first, in the mode (training or not) in which the model is. An
    operation shows the options that its rules kept, so draw before `backward()` frees them. Numbers are left
    out. `.source` is the drawing's text, `.render("graph", format="svg")` calls graphviz's `dot`.

    Raises ValueError where nothing was recorded, TypeError for what is neither tensors nor a module.

    >>> import tinygrad_cnn as tg
    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> drawing = draw((w * w).sum(), title="a sum of squares")
    >>> drawing.source.count("->")
    3
    """
    labels: Labels = {}
    if isinstance(output, Module):
        model = output
        if not inputs:
            raise TypeError(f"draw: draw({type(model).__name__}, x) needs the input x to run the model on")
        with enable_grad():
            inputs = tuple(x.detach().requires_grad_() if _is_real(x) else x for x in inputs)
            output = model(*inputs)
        labels.update((id(x.data), ("input", "input")) for x in inputs if isinstance(x, Tensor))
    elif inputs:
        raise TypeError("draw: inputs go with a module, draw(model, x); a result needs none, draw(loss)")
    outputs = [output] if isinstance(output, Tensor) else list(output) if isinstance(output, Iterable) else []
    if not outputs or not all(isinstance(tensor, Tensor) for tensor in outputs):
        raise TypeError(f"draw: expected a Tensor, some Tensors, or a Module and its input, got {output!r:.80}")
    if not any(isinstance(tensor._edge, Node) for tensor in outputs):
        raise ValueError(
            "draw: nothing was recorded: no input of this result requires grad, or it was computed under no_grad()"
        )
    if model is not None:
        labels.update((id(p.data), ("parameter", name)) for name, p in model.named_parameters())
        title = title or type(model).__name__
    return _as_dot(recorded(outputs, labels), title)


def recorded(outputs: Sequence[Tensor], labels: Labels) -> list[Vertex]:
    """The graph below `outputs`, every vertex behind its sources, in the order of recording."""
    vertices: list[Vertex] = []
    places: dict[Any, int] = {}  # a Node, or the id of a leaf's array -> place in vertices

    def leaf(tensor: Tensor) -> int:
        key = id(tensor.data)
        if key not in places:
            unnamed = ("parameter", "leaf") if tensor.requires_grad else ("input", "input")
            kind, name = labels.get(key, unnamed)
            places[key] = len(vertices)
            vertices.append(Vertex(kind, name, "", tensor.shape))
        return places[key]

    results = {tensor._edge for tensor in outputs}
    for node in _nodes_below(results):
        sources = []
        for index, edge in enumerate(node.edges):
            if isinstance(edge, Node):
                sources.append(places[edge])
            elif edge is not None:
                sources.append(leaf(edge))
            elif (constant := _constant(node, index)) is not None:
                sources.append(leaf(constant))
        places[node] = len(vertices)
        name = public_name(node.primitive.name)
        kind = "output" if node in results else "operation"
        vertices.append(Vertex(kind, name, _options(node), node.shape, tuple(sources)))
    return vertices


def _nodes_below(edges: Iterable[Any]) -> list[Node]:
    """Every node from which the edges come, in the order of recording, found without recursion."""
    found: set[Node] = set()
    stack = [edge for edge in edges if isinstance(edge, Node)]
    while stack:
        node = stack.pop()
        if node not in found:
            found.add(node)
            stack.extend(edge for edge in node.edges if isinstance(edge, Node))
    return sorted(found, key=lambda node: node.order)


def _constant(node: Node, index: int) -> Tensor | None:
    """Input `index`, which needs no gradient, if the node kept it and it is more than a number."""
    primitive = node.primitive
    name = primitive.variadic or primitive.inputs[index]
    value = node.kept.get(name) if name in primitive.rules else None
    if primitive.variadic and value is not None:
        value = value[index]
    return value if isinstance(value, Tensor) and value.ndim else None


def _is_real(x: Any) -> bool:
    return isinstance(x, Tensor) and x.dtype.kind == "f"


def _options(node: Node) -> str:
    """The options that the node's rules kept, such as `3x3 s1 p1` or `dim 0, 1`; '' where there are none."""
    primitive, kept = node.primitive, node.kept
    texts = []
    for name, value in sorted(kept.items()):
        if name in (*primitive.inputs, "out", "residual") or name.endswith("_shape"):
            continue
        if isinstance(value, (Geometry, Windows)):
            weight = kept.get("weight")
            kernel = kept.get("weight_shape", () if weight is None else weight.shape)[2:]
            texts.append(_movement(value, kernel if isinstance(value, Geometry) else value.kernel))
        elif name == "index":
            index = value if isinstance(value, tuple) else (value,)
            texts.append("[" + ", ".join(map(_index, index)) + "]")
        elif isinstance(value, str):
            texts.append(value)
        elif isinstance(value, (int, float, tuple)):
            texts.append(f"{name} {value}".replace("(", "").replace(",)", "").replace(")", ""))
    return ", ".join(texts)


def _movement(moves: Geometry | Windows, kernel: Sequence[int]) -> str:
    """How a kernel or a window moves: its size, stride, padding, and what else is out of the ordinary."""
    parts = ["x".join(map(str, kernel)), f"s{_pair(moves.stride)}", f"p{_pair(moves.padding)}"]
    if moves.dilation != (1, 1):
        parts.append(f"d{_pair(moves.dilation)}")
    if isinstance(moves, Geometry) and moves.groups > 1:
        parts.append(f"groups {moves.groups}")
    return " ".join(filter(None, parts))


def _pair(values: tuple[int, int]) -> str:
    return str(values[0]) if values[0] == values[1] else f"{values[0]},{values[1]}"


def _index(part: Any) -> str:
    """One axis of an index, as it is written between brackets."""
    if isinstance(part, slice):
        return ":".join("" if n is None else str(n) for n in (part.start, part.stop, part.step)[: 2 + bool(part.step)])
    return "array" if np.ndim(part) else "..." if part is Ellipsis else str(part)


# -- as graphviz ------------------------------------------------------------------------------------------

FILL_AND_BORDER = {
    "operation": ("#ffffff", "#5b6b7f"),
    "parameter": ("#fdebcd", "#c98a1b"),
    "input": ("#dcebf9", "#3f7fb8"),
    "output": ("#dff2e1", "#3b8a4a"),
}
FONT = "Helvetica,Arial,sans-serif"


def _as_dot(vertices: Sequence[Vertex], title: str) -> graphviz.Digraph:
    import graphviz

    graph = graphviz.Digraph("autograd")
    graph.attr(rankdir="TB", nodesep="0.3", ranksep="0.28", fontname=FONT, fontsize="15")
    if title:
        graph.attr(label=f"<<b>{html.escape(title)}</b><br/> >", labelloc="t")
    graph.attr(
        "node", shape="box", style="filled,rounded", fontname=FONT, fontsize="11", margin="0.14,0.06", height="0"
    )
    graph.attr("edge", color="#7d8a99", arrowsize="0.6")
    for place, vertex in enumerate(vertices):
        fill, border = FILL_AND_BORDER[vertex.kind]
        graph.node(f"v{place}", label=_label(vertex), fillcolor=fill, color=border)
        for source in vertex.sources:
            spine = vertices[source].kind != "parameter"  # drawn straight, with the parameters beside it
            graph.edge(f"v{source}", f"v{place}", weight="9" if spine else "1")
    return graph


def _label(vertex: Vertex) -> str:
    """Name and options over the shape, in graphviz's HTML-like notation."""
    shape = " × ".join(map(str, vertex.shape)) or "scalar"  # noqa: RUF001 - times, not x
    if vertex.kind == "parameter" and len(vertex.shape) > 1:
        shape += f" = {math.prod(vertex.shape):,}"
    name = f"<b>{html.escape(vertex.name)}</b> {html.escape(vertex.options)}".rstrip()
    return f'<{name}<br/><font point-size="10" color="#5f6873">{shape}</font>>'

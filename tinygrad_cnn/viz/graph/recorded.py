"""What autograd recorded, read into boxes and arrows in the order of recording."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...autograd import Edge, Node
from ...tensor import Tensor
from .options import AS_OPTIONS, options, single
from .regions import Region, Regions

Labels = dict[int, tuple[str, str]]  # id of a leaf's array -> the leaf's kind and name
BESIDE = ("parameter", "constant")  # kinds of boxes that stand beside the way that data take
DROPPED = object()  # a constant array that backward() has freed


@dataclass(eq=False)
class Box:
    """An operation, a tensor that operations start from, a result, or a module folded up."""

    kind: str  # operation, backward (an operation of a sweep), parameter, leaf, input, constant, output, module
    name: str
    detail: str = ""  # an operation's options, a module's class
    shape: tuple[int, ...] | None = None  # None: not known, or several
    region: Region | None = None
    stands_for: list[Edge] = field(default_factory=list)  # nodes and leaf tensors


@dataclass(frozen=True)
class Arrow:
    """A value on its way from one box into another."""

    source: Box
    target: Box
    value: Any  # tells values apart: a Node, or the id of a leaf's array
    shape: tuple[int, ...] | None


@dataclass(frozen=True)
class Graph:
    """Boxes, each behind those that it is computed from, and the arrows in the order of their targets."""

    boxes: list[Box]
    arrows: list[Arrow]


def nodes_below(outputs: Iterable[Tensor]) -> list[Node]:
    """Every node that leads to an output, in the order of recording, found without recursion."""
    found: set[Node] = set()
    stack = [tensor._edge for tensor in outputs if isinstance(tensor._edge, Node)]
    while stack:
        node = stack.pop()
        if node not in found:
            found.add(node)
            stack.extend(edge for edge in node.edges if isinstance(edge, Node))
    return sorted(found, key=lambda node: node.order)


class Reader:
    """Reads nodes into a Graph. `labels` name leaves; `regions` say where a box belongs.

    A constant is left out unless `constants`, or where data come in, if the labels don't name the inputs: into an
    operation that would otherwise be computed from parameters alone, on however long a way. Single numbers and masks
    are no data, nor is what meets a parameter in the shape of the module's buffers: batch norm's running statistics.
    """

    def __init__(self, labels: Labels, regions: Regions, constants: bool) -> None:
        self.labels, self.regions, self.constants = labels, regions, constants
        self.knows_data = False  # whether an operation uses what is labelled as an input
        self.graph = Graph([], [])
        self.boxes: dict[Any, Box] = {}  # by Node, or by the id of a leaf's array
        self.data: set[Box] = set()  # inputs, and what is computed from them
        self.dtypes: dict[Edge, np.dtype] = {}  # of results

    def read(self, nodes: Sequence[Node], outputs: Sequence[Tensor]) -> Graph:
        leaves = {id(edge.data) for node in nodes for edge in node.edges if isinstance(edge, Tensor)}
        self.knows_data = any(kind == "input" and key in leaves for key, (kind, _) in self.labels.items())
        self.dtypes = {tensor._edge: tensor.dtype for tensor in outputs}
        self.dtypes |= {wanted[0]: wanted[2] for node in nodes for wanted in node.wanted if wanted is not None}
        for node in nodes:
            sources = self.sources(node)
            region = self.regions.at(node.place)
            kind = "operation" if region is None or region.module else "backward"
            detail = options(node, self.dtypes[node])
            box = self.add(node, Box(kind, node.primitive.public_name, detail, node.shape, region, [node]))
            if any(source.kind == "input" or source in self.data for source, _ in sources):
                self.data.add(box)
            self.graph.arrows.extend(Arrow(source, box, value, source.shape) for source, value in sources)
        for place, tensor in enumerate(outputs):
            name = "output" if len(outputs) == 1 else f"output {place}"
            value = tensor._edge if isinstance(tensor._edge, Node) else id(tensor._edge.data)
            if value not in self.boxes and (tensor.requires_grad or value in self.labels):
                self.leaf(tensor._edge, None)
            source = self.boxes.get(value) or self.constant(tensor, value, None)
            box = self.add((tensor, place), Box("output", name, "", tensor.shape))
            self.graph.arrows.append(Arrow(source, box, value, source.shape))
        return self.graph

    def add(self, key: Any, box: Box) -> Box:
        self.boxes[key] = box
        self.graph.boxes.append(box)
        return box

    def leaf(self, tensor: Tensor, region: Region | None) -> Box:
        """The box of a leaf that operations in `region` use."""
        key = id(tensor.data)
        if key not in self.boxes:
            kind, name = self.labels.get(key, ("leaf", "leaf"))
            at, name = self.regions.owner.get(key, (region if kind == "parameter" else None, name))
            self.add(key, Box(kind, name, "", tensor.shape, at, [tensor]))
        return self.boxes[key]

    def sources(self, node: Node) -> list[tuple[Box, Any]]:
        """The boxes of a node's inputs, and the values that come from them."""
        region = self.regions.at(node.place)
        found: dict[int, tuple[Box, Any]] = {}
        unnamed: dict[int, Any] = {}
        for index, edge in enumerate(node.edges):
            if isinstance(edge, Node):
                found[index] = self.boxes[edge], edge
            elif edge is not None:
                found[index] = self.leaf(edge, region), id(edge.data)
            elif (value := _constant(node, index)) is not None:
                if isinstance(value, Tensor) and id(value.data) in self.labels:
                    found[index] = self.leaf(value, region), id(value.data)
                elif not _is_option(node, index, value):
                    unnamed[index] = value
        in_sweep = region is not None and region.module is None
        has_data = any(box.kind == "input" or box in self.data for box, _ in found.values())
        data_enters = not (self.knows_data or in_sweep or has_data or _is_from_buffers(node, region))
        for index, value in unnamed.items():
            is_data = data_enters and single(value) is None and not _is_mask(node, index, value)
            if self.constants or is_data:
                box = self.constant(value, (node, index), region)
                if is_data:
                    box.kind, box.name, box.region = "input", "input", None
                found[index] = box, id(box)
        indexed = [(self.leaf(tensor, region), id(tensor.data)) for tensor in self.indices(node)]
        return [found[index] for index in sorted(found)] + indexed

    def indices(self, node: Node) -> list[Tensor]:
        """The inputs of the drawing by which a node indexes another tensor."""
        index = node.kept.get("index")
        parts = index if isinstance(index, tuple) else (index,)
        return [Tensor._make(part, None) for part in parts if id(part) in self.labels]

    def constant(self, value: Any, use: Any, region: Region | None) -> Box:
        if value is DROPPED:
            return self.add(use, Box("constant", "constant", "", None, region))
        if (number := single(value)) is not None:
            return self.add(use, Box("constant", f"{float(number):.4g}", "", None, region))
        array = getattr(value, "_array", value)
        return self.boxes.get(id(array)) or self.add(id(array), Box("constant", "constant", "", array.shape, region))


def dropped(node: Node) -> set[str]:
    """The names of what the node's rules need and backward() has freed."""
    needed = {name for wanted in node.wanted if wanted is not None for name in wanted[3][1]}
    return needed - set(node.kept) - ({"index"} if node.primitive.variadic else set())


def _is_from_buffers(node: Node, region: Region | None) -> bool:
    """Whether a result has the shape of a buffer that belongs to the module which computed it."""
    module = region.module if region else None
    return module is not None and any(node.shape == buffer.shape for _, buffer in module.named_buffers(recurse=False))


def _is_mask(node: Node, index: int, value: Any) -> bool:
    """Whether input `index` is one of booleans; one that backward() has freed is known by its name in `where`."""
    if value is DROPPED:
        return node.primitive.inputs[index : index + 1] == ("condition",)
    return bool(np.asarray(getattr(value, "_array", value)).dtype == bool)


def _is_option(node: Node, index: int, value: Any) -> bool:
    """Whether input `index` is a number that stands in the operation's box."""
    names = AS_OPTIONS.get(node.primitive.name, {})
    return bool(names) and node.primitive.inputs[index] in names and (value is DROPPED or single(value) is not None)


def _constant(node: Node, index: int) -> Any:
    """Input `index`, which needs no gradient, if a rule asked for it; DROPPED if backward() has freed it since."""
    primitive = node.primitive
    name = primitive.variadic or primitive.inputs[index]
    if name in node.kept:
        return node.kept[name][index] if primitive.variadic else node.kept[name]
    return DROPPED if name in dropped(node) else None

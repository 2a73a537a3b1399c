"""Reverse-mode differentiation: a primitive records a node, a sweep walks the nodes back.

A primitive is a function on arrays with one vjp rule per differentiable input. The names of a rule's
parameters say what its node keeps from the forward pass, and nothing else stays alive:

    an input's name   that input            `<input>_shape`   only its shape
    `out`             the result            `residual`        what the forward pass returned beside it
    an option's name  that option           `index`           which of a variadic primitive's inputs this is

Rules are written on Tensors with the same primitives, so a gradient is itself a recorded computation and
every order of derivative is there. Nodes point to their parents only, never to their own result.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from types import MethodType
from typing import TYPE_CHECKING, Any

import numpy as np

from .guard import Guard, arrays_in
from .modes import Event, Place, mode, observers, recording

if TYPE_CHECKING:
    from .tensor import Tensor
else:
    Tensor = None  # tensor.py puts its class here: it needs the primitives, which need this module

Rule = Callable[..., "Tensor"]
Edge = Any  # where a gradient goes: the Node that made a tensor, or a leaf Tensor itself
_creation_order = itertools.count()


class Node:
    """One recorded call: which primitive, from where, and what its rules need."""

    __slots__ = ("dtype", "edges", "freed", "guard", "inputs", "kept", "order", "place", "primitive", "shape")

    primitive: Primitive
    edges: tuple[Edge | None, ...]  # one per input; None where no gradient is wanted
    inputs: tuple[tuple[tuple[int, ...], np.dtype] | None, ...]  # shape and dtype, where an edge is
    kept: dict[str, Any]  # by the names that the rules ask for
    freed: bool  # whether the arrays among them have been used and dropped
    guard: Guard | None
    place: Place  # which modules were running
    shape: tuple[int, ...]
    dtype: np.dtype
    order: int  # parents have smaller ones: descending order is a topological order

    def vjp(self, index: int, g: Tensor) -> Tensor:
        """The cotangent of input `index`, given the result's cotangent `g`."""
        kept, primitive = self.kept, self.primitive
        if self.freed:
            raise RuntimeError(
                f"backward: what {primitive.name} kept for its gradient has been used and freed; "
                "pass retain_graph=True to the first backward() or grad() to go through a graph twice"
            )
        rule, names = primitive.rules[primitive.variadic or primitive.inputs[index]]
        cotangent = rule(g, *[Tensor._make(kept[n], self) if n == "out" else kept.get(n, index) for n in names])
        shape, dtype = self.inputs[index]  # type: ignore[misc]
        if not isinstance(cotangent, Tensor) or len(cotangent._data.shape) < len(shape):
            got = getattr(cotangent, "shape", type(cotangent).__name__)
            raise TypeError(f"{primitive.name}: a rule should return a Tensor that fits an input of {shape}, got {got}")
        if cotangent._data.shape != shape:  # this input was broadcast
            cotangent = cotangent.sum_to(shape)
        if cotangent._data.dtype is not dtype:
            cotangent = cotangent.to(dtype)
        return cotangent

    def free(self) -> None:
        """Drop the arrays among what is kept; options and shapes stay, and where there are no arrays, all does."""
        if any(map(arrays_in, self.kept.values())):
            self.freed, self.guard = True, None
            self.kept = {name: value for name, value in self.kept.items() if not arrays_in(value)}

    def __repr__(self) -> str:
        return f"<Node {self.primitive.name} {self.shape}>"


def _kept(x: Any, arrays: list[np.ndarray]) -> Any:
    """x as a rule gets it, its array noted: a Tensor of its own, for the user's may take on another value."""
    if isinstance(x, Tensor):
        arrays.append(x._data)
        return Tensor._make(x._data, x._edge if x._requires_grad else None)
    if isinstance(x, np.ndarray):
        arrays.append(x)
    return x


def _is_float64(arrays: list[Any]) -> bool:
    """Whether a float64 result is due: NumPy makes one of integers, of its scalars, and of any 0-d float64.

    Here, as in Torch, it comes from float64 arrays alone, and from 0-d ones only where no float has axes.
    """
    floats = [a for a in arrays if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
    ranked = [a for a in floats if a.ndim] or floats
    return any(a.dtype.type is np.float64 for a in ranked)


class Primitive:
    """A function on arrays with its vjp rules; calling it on Tensors records a Node. See `primitive`."""

    def __init__(self, forward: Callable[..., Any], rules: dict[str, Rule], residual: bool) -> None:
        code = forward.__code__
        names, positional = code.co_varnames, code.co_argcount
        options = names[positional : positional + code.co_kwonlyargcount]
        self.forward, self.residual, self.defaults = forward, residual, forward.__kwdefaults__ or {}
        self.quiet_forward = np.errstate(all="ignore")(forward)  # 1 / 0 is inf without a warning, as in Torch
        self.name = self.__name__ = forward.__name__
        self.__doc__, self.__module__ = forward.__doc__, forward.__module__
        self.variadic = names[positional + len(options)] if code.co_flags & 0x04 else None  # *inputs
        self.inputs = (self.variadic,) if self.variadic else names[:positional]
        self.rules = {
            name: (rule, rule.__code__.co_varnames[1 : rule.__code__.co_argcount]) for name, rule in rules.items()
        }
        self.plans: dict[tuple[bool, ...], list[tuple[str, str, int]]] = {}
        known = {*self.inputs, *(f"{i}_shape" for i in self.inputs), *options, "out"}
        known |= ({"index"} if self.variadic else set()) | ({"residual"} if residual else set())
        for name, (_, needs) in self.rules.items():
            if wrong := ({name} - set(self.inputs)) | (set(needs) - known):
                raise TypeError(
                    f"primitive {self.name}: the rule {name!r} names {sorted(wrong)}; known are {sorted(known)}"
                )

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def __call__(self, *inputs: Any, **options: Any) -> Tensor:
        arrays: list[Any] = []
        edges: list[Edge | None] = []
        wanted = False
        for x in inputs:
            edge = None
            if isinstance(x, Tensor):
                arrays.append(x._data)
                if x._requires_grad:
                    edge, wanted = x if x._source is None else x._source, True
            elif isinstance(x, (int, float, np.ndarray, np.generic)):
                arrays.append(x)  # a constant; a Python number takes the other operand's dtype
            else:
                raise TypeError(f"{self.name}: expected a Tensor, an array or a number, got {type(x).__name__}")
            edges.append(edge)
        started = time.perf_counter() if observers else 0.0
        try:
            out = (self.forward if mode.quiet else self.quiet_forward)(*arrays, **options)
        except (TypeError, ValueError) as error:
            shapes = ", ".join(f"{n}: {np.shape(a)}" for n, a in zip(self.inputs * len(arrays), arrays, strict=False))
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"{self.name}: {error} ({shapes})") from error
        out, residual = out if self.residual else (out, None)
        out = out if type(out) is np.ndarray else np.asarray(out)
        if out.dtype.type is np.float64 and "dtype" not in options and not _is_float64(arrays):
            out = out.astype(np.float32)
        records = wanted and mode.recording and self.rules and out.dtype.kind == "f"
        result = Tensor._make(out, self._record(inputs, edges, options, out, residual) if records else None)
        if observers:
            seconds = time.perf_counter() - started
            for observer in tuple(observers):
                observer(Event(self, inputs, options, result, seconds, mode.rule_of))
        return result

    def _plan(self, wanted: tuple[bool, ...]) -> list[tuple[str, str, int]]:
        """What a node keeps when these inputs want gradients: each thing's name, its kind, and of which input."""
        keys = (self.variadic,) * len(wanted) if self.variadic else self.inputs
        names = {name for key, want in zip(keys, wanted, strict=False) if want for name in self.rules[key][1]}
        plan = []
        for name in sorted(names - ({"index"} if self.variadic else set())):
            of = name.removesuffix("_shape")
            if name in self.inputs:
                kind = "input"
            elif of in self.inputs:
                kind = "shape"
            else:
                kind = name if name in ("out", "residual") else "option"
            plan.append((name, kind, self.inputs.index(of) if of in self.inputs else 0))
        return plan

    def _record(
        self, inputs: tuple[Any, ...], edges: list[Edge | None], options: dict[str, Any], out: np.ndarray, residual: Any
    ) -> Node | None:
        if not self.variadic and len(self.inputs) > len(self.rules):
            edges = [edge if name in self.rules else None for name, edge in zip(self.inputs, edges, strict=False)]
            if not any(edge is not None for edge in edges):
                return None
        node = Node()
        node.primitive, node.edges, node.shape, node.dtype = self, tuple(edges), out.shape, out.dtype
        node.order, node.kept, node.freed, node.place = next(_creation_order), {}, False, mode.place
        node.inputs = tuple(
            [None if edge is None else (x._data.shape, x._data.dtype) for x, edge in zip(inputs, edges, strict=True)]
        )
        wanted = tuple([edge is not None for edge in edges])
        if (plan := self.plans.get(wanted)) is None:
            plan = self.plans[wanted] = self._plan(wanted)
        arrays: list[np.ndarray] = []
        for name, kind, position in plan:
            if kind == "input":
                kept = _kept(inputs[position], arrays) if not self.variadic else tuple(_kept(x, arrays) for x in inputs)
            elif kind == "shape":
                kept = np.shape(inputs[position]) if not self.variadic else tuple(map(np.shape, inputs))
            elif kind == "option":
                kept = options[name] if name in options else self.defaults[name]
                arrays += arrays_in(kept)  # such as an index
            elif kind == "out":
                kept = out  # not as a Tensor, which would point back to this node
                arrays.append(out)
            else:
                kept = residual
            node.kept[name] = kept
        node.guard = Guard(arrays) if arrays else None
        return node


def primitive(*bare: Any, residual: bool = False, **rules: Rule) -> Callable[[Callable[..., Any]], Primitive]:
    """Make a differentiable operation of a function on arrays.

    Positional parameters are the inputs, keyword-only ones are options. Each rule is named after an input
    and maps the result's cotangent, and what its other parameters name (see the module's docstring), to that
    input's cotangent. With `residual=True` the function returns `(out, residual)`.

    >>> import numpy as np
    >>> import tinygrad_cnn as tg
    >>> @primitive(x=lambda g, out: g * out)
    ... def exp(x):
    ...     return np.exp(x)
    >>> x = tg.Tensor([0.0], requires_grad=True)
    >>> exp(x).backward()
    >>> x.grad
    Tensor([1.])
    """
    if bare:
        raise TypeError("primitive takes its rules by name: write @primitive(x=rule), or @primitive() for none")
    return lambda forward: Primitive(forward, rules, residual)


def _leading_to(targets: set[Edge], roots: Iterable[Edge]) -> set[Edge]:
    """Every node below `roots` from which a target can be reached, and the targets."""
    below: dict[Node, None] = {}
    stack = [root for root in roots if isinstance(root, Node)]
    while stack:
        node = stack.pop()
        if node not in below:
            below[node] = None
            stack.extend(edge for edge in node.edges if isinstance(edge, Node))
    leading = set(targets)
    for node in sorted(below, key=lambda node: node.order):
        if any(edge in leading for edge in node.edges if edge is not None):
            leading.add(node)
    return leading


@np.errstate(all="ignore")
def sweep(
    roots: Sequence[tuple[Edge, Tensor]], targets: set[Edge] | None, retain_graph: bool, create_graph: bool
) -> dict[Edge, Tensor]:
    """Cotangents of `targets` (None: of every leaf), given those of `roots`.

    Nodes are visited once each, latest first, so all that flows into a node has arrived when its turn comes.
    """
    leading = None if targets is None else _leading_to(targets, (edge for edge, _ in roots))
    arrived: dict[Edge, Tensor] = {}
    owned: set[Edge] = set()  # edges whose sum this sweep allocated, and may add to in place
    queue: list[tuple[int, Node]] = []

    def arrive(edge: Edge, g: Tensor) -> None:
        before = arrived.get(edge)
        if before is None:
            arrived[edge] = g
            if isinstance(edge, Node):
                heapq.heappush(queue, (-edge.order, edge))
        elif edge in owned:
            before._data += g._data
        else:
            arrived[edge] = before + g
            if not create_graph:
                owned.add(edge)

    quiet, place, mode.quiet, mode.place = mode.quiet, mode.place, True, (None, mode.place)
    with recording(create_graph):
        try:
            for edge, g in roots:
                if leading is None or edge in leading:
                    arrive(edge, g)
            while queue:
                node = heapq.heappop(queue)[1]
                g = arrived[node] if targets is not None and node in targets else arrived.pop(node)
                mode.rule_of = node
                for i, edge in enumerate(node.edges):
                    if edge is not None and (leading is None or edge in leading):
                        arrive(edge, node.vjp(i, g))
                if not retain_graph:
                    node.free()
        finally:
            mode.rule_of, mode.place, mode.quiet = None, place, quiet
    return arrived


def _seed(output: Tensor, gradient: Tensor | np.ndarray | None, position: str) -> tuple[Edge, Tensor]:
    """Where a sweep starts, and the cotangent that it starts with."""
    if not output.requires_grad:
        raise RuntimeError(
            f"{position} does not require grad: nothing it was computed from has requires_grad=True, "
            "or it was computed under no_grad()"
        )
    if gradient is None:
        if output._data.size != 1:
            raise RuntimeError(
                f"{position} has shape {output.shape}: a gradient can be left out only for a single number; "
                "reduce it, for example with .sum() or .mean(), or pass a gradient of its shape"
            )
        gradient = Tensor._make(np.ones_like(output._data), None)
    elif not isinstance(gradient, Tensor):
        gradient = Tensor(gradient)
    if gradient.shape != output.shape:
        raise RuntimeError(f"{position} has shape {output.shape} but its gradient has {gradient.shape}")
    if gradient.dtype != output.dtype:
        gradient = gradient.to(output.dtype)
    return output._edge, gradient


def backward(
    output: Tensor,
    gradient: Tensor | np.ndarray | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
) -> None:
    """Add d output / d leaf to `.grad` of every leaf below `output`; see `Tensor.backward`."""
    roots = [_seed(output, gradient, "backward: the tensor")]
    arrived = sweep(roots, None, create_graph if retain_graph is None else retain_graph, create_graph)
    given: set[int] = {id(roots[0][1]._data)}  # arrays that somebody else holds already
    for leaf, g in arrived.items():
        if leaf.grad is not None or create_graph:
            with recording(create_graph):  # g may be another leaf's too, or the caller's: each gets its own
                leaf.grad = g.clone() if leaf.grad is None else leaf.grad + g
        else:
            array = g._data
            if isinstance(array.base, np.ndarray) or not array.flags.c_contiguous or id(array) in given:
                array = array.copy()
            given.add(id(array))
            leaf.grad = Tensor._make(array, None)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """Gradients of the sum of `outputs` with respect to `inputs`; touches no `.grad`.

    Returns one Tensor per input, of its shape; None (with `allow_unused=True`) where an output does not
    depend on it. With `create_graph=True` the results can be differentiated again. Raises RuntimeError for an
    input that is not used or does not require grad.

    >>> import tinygrad_cnn as tg
    >>> x = tg.Tensor(3.0, requires_grad=True)
    >>> (first,) = tg.grad(x**3, x, create_graph=True)
    >>> (second,) = tg.grad(first, x)
    >>> first.item(), second.item()
    (27.0, 18.0)
    """
    outputs = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    seeds = (None,) * len(outputs) if grad_outputs is None else grad_outputs
    seeds = (seeds,) if isinstance(seeds, (Tensor, np.ndarray)) else tuple(seeds)
    if len(seeds) != len(outputs):
        raise RuntimeError(f"grad: {len(outputs)} outputs but {len(seeds)} grad_outputs; give one for each")
    for i, x in enumerate(inputs):
        if not isinstance(x, Tensor):
            raise TypeError(f"grad: inputs[{i}] should be a Tensor, got {type(x).__name__}")
        if not x.requires_grad:
            raise RuntimeError(f"grad: inputs[{i}] of shape {x.shape} does not require grad")
    roots = [_seed(y, g, f"grad: outputs[{i}]") for i, (y, g) in enumerate(zip(outputs, seeds, strict=True))]
    targets = {x._edge for x in inputs}
    arrived = sweep(roots, targets, create_graph if retain_graph is None else retain_graph, create_graph)
    for i, x in enumerate(inputs):
        if x._edge not in arrived and not allow_unused:
            raise RuntimeError(
                f"grad: inputs[{i}] of shape {x.shape} was not used to compute the outputs; "
                "pass allow_unused=True to get None for it"
            )
    return tuple(arrived.get(x._edge) for x in inputs)

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

import functools
import heapq
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .arguments import checked, tensors_of
from .dtypes import constant, is_float64_due
from .guard import hold
from .modes import Event, Place, cotangent_observers, is_silent, mode, observers, recording

if TYPE_CHECKING:
    from .tensor import Tensor
else:
    Tensor = None  # tensor.py puts its class here: it needs the primitives, which need this module

Rule = Callable[..., "Tensor"]
Edge = Any  # where a gradient goes: the Node that made a tensor, or a leaf Tensor itself
# A rule, its parameters, and what a node keeps for it: each thing's name, its kind, and the place of the input meant.
Plan = tuple[Rule, tuple[str, ...], list[tuple[str, str, Any]]]
_creation_order = itertools.count()


class Node:
    """One recorded call: which primitive, from where, and what its rules need."""

    __slots__ = ("holds", "kept", "order", "place", "primitive", "shape", "wanted")

    primitive: Primitive
    wanted: list[tuple[Edge, tuple[int, ...], np.dtype, Plan] | None]  # one per input; None: it wants no gradient
    kept: dict[str, Any]  # by the names that the rules ask for
    holds: dict[str, Any]  # keeps the arrays among what is kept read-only, by the same names
    place: Place  # which modules were running
    shape: tuple[int, ...]  # the result's
    order: int  # parents have smaller ones: descending order is a topological order

    @property
    def edges(self) -> list[Edge | None]:
        """Where each input's gradient goes; None where none is wanted."""
        return [None if wanted is None else wanted[0] for wanted in self.wanted]

    def vjps(self, g: Tensor, leading: set[Edge] | None) -> list[tuple[Edge, Tensor]]:
        """The cotangents of the inputs whose edges are `leading` (None: of all), given the result's cotangent."""
        kept = self.kept
        if "out" in kept:
            kept = kept | {"out": Tensor._make(kept["out"], self)}
        cotangents = []
        for index, wanted in enumerate(self.wanted):
            if wanted is None or (leading is not None and wanted[0] not in leading):
                continue
            edge, shape, dtype, (rule, names, _) = wanted
            if self.primitive.variadic:
                kept = kept | {"index": index}
            try:
                arguments = [kept[name] for name in names] if names else ()
            except KeyError:
                raise RuntimeError(
                    f"backward: what {self.primitive.public_name} kept for its gradient has been used and freed; "
                    "pass retain_graph=True to the first backward() or grad() to go through a graph twice"
                ) from None
            cotangent = rule(g, *arguments)
            array = cotangent._array if isinstance(cotangent, Tensor) else None
            if array is not None and array.shape == shape and array.dtype is dtype:
                cotangents.append((edge, cotangent))
            elif array is not None and array.ndim >= len(shape):  # this input was broadcast, or has another type
                cotangents.append((edge, cotangent.sum_to(shape).to(dtype)))
            else:
                due = f"a rule should return a Tensor that fits an input of {shape}"
                got = type(cotangent).__name__ if array is None else array.shape
                raise TypeError(f"{self.primitive.public_name}: {due}, got {got}")
        return cotangents

    def free(self) -> None:
        """Drop the arrays among what is kept; options and shapes stay, and where there are no arrays, all does."""
        for name in self.holds:
            del self.kept[name]
        self.holds = {}

    def __repr__(self) -> str:
        return f"<Node {self.primitive.public_name} {self.shape}>"


def _snapshot(x: Any) -> Any:
    """An input as a rule gets it: a Tensor of its own, for the user's may take on another value."""
    if isinstance(x, Tensor):
        return Tensor._make(x._array, x._edge if x._requires_grad else None)
    return tuple(map(_snapshot, x)) if isinstance(x, tuple) else x


class Primitive:
    """A function on arrays with its vjp rules: see `primitive`. TypeError for a rule that names what it has not."""

    def __init__(self, forward: Callable[..., Any], rules: dict[str, Rule], residual: bool) -> None:
        code = forward.__code__
        names, positional = code.co_varnames, code.co_argcount
        options = names[positional : positional + code.co_kwonlyargcount]
        self.forward, self.residual, self.defaults = forward, residual, forward.__kwdefaults__ or {}
        self.name, self.module = forward.__name__, forward.__module__
        self.variadic = names[positional + len(options)] if code.co_flags & 0x04 else None  # *inputs
        self.inputs = (self.variadic,) if self.variadic else names[:positional]
        known = {*self.inputs, *(f"{i}_shape" for i in self.inputs), *options, "out"}
        known |= ({"index"} if self.variadic else set()) | ({"residual"} if residual else set())
        self.rules: dict[str, Plan] = {}
        for name, rule in rules.items():
            needs = rule.__code__.co_varnames[1 : rule.__code__.co_argcount]
            if wrong := ({name} - set(self.inputs)) | (set(needs) - known):
                raise TypeError(
                    f"primitive {self.name}: the rule {name!r} names {sorted(wrong)}; known are {sorted(known)}"
                )
            self.rules[name] = rule, needs, [self._kind(n) for n in needs if n != "index" or not self.variadic]
        by_place = [self.rules.get(name) for name in self.inputs]
        self.plans: Iterable[Plan | None] = itertools.repeat(by_place[0]) if self.variadic else by_place

    def _kind(self, name: str) -> tuple[str, str, Any]:
        """What a rule means by a parameter: its name, its kind, and the place of the input that is meant."""
        of = name.removesuffix("_shape")
        if of not in self.inputs:
            return name, "out" if name == "out" else "option", None
        return name, "input" if of == name else "shape", slice(None) if self.variadic else self.inputs.index(of)

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    @property
    def public_name(self) -> str:
        """Its name in tables, drawings and errors: that of the function which users call."""
        from .ops.names import public_name

        return public_name(self.name) if self.module.startswith("tinygrad_cnn.ops.") else self.name

    def function(self) -> Callable[..., Tensor]:
        """What users call: a plain function, which Python binds as a method, and calls, in half an object's time."""
        forward, record, has_residual = self.forward, self._record, self.residual

        @functools.wraps(forward)
        def operation(*inputs: Any, **options: Any) -> Tensor:
            arrays: list[Any] = []
            wanted = False
            for x in inputs:
                if isinstance(x, Tensor):
                    arrays.append(x._array)
                    if x._requires_grad:
                        wanted = True
                elif isinstance(x, (int, float)):
                    arrays.append(x)  # a number takes the other operand's dtype
                else:
                    arrays.append(constant(x, self))
            noted = options  # what rules may ask for beside inputs and the result
            started = time.perf_counter() if observers else 0.0
            try:
                out = forward(*arrays, **options) if is_silent.get() else mode.run_silently(forward, *arrays, **options)
            except (TypeError, ValueError) as error:
                names = self.inputs * len(arrays)
                shapes = ", ".join(f"{n}: {np.shape(a)}" for n, a in zip(names, arrays, strict=False))
                kind = TypeError if isinstance(error, TypeError) else ValueError
                raise kind(f"{self.public_name}: {error} ({shapes})") from error
            if has_residual or type(out) is not np.ndarray:
                out, residual = self._parts(out)
                noted = options | residual
            if out.dtype.type is np.float64 and "dtype" not in options and not is_float64_due(arrays):
                out = out.astype(np.float32)
            records = wanted and mode.recording and out.dtype.kind == "f"
            result = Tensor._make(out, record(inputs, arrays, noted, out) if records else None)
            if observers:
                seconds = time.perf_counter() - started
                for observer in tuple(observers):
                    observer(Event(self, inputs, options, result, seconds, mode.rule_of))
            return result

        operation.primitive = self  # type: ignore[attr-defined]
        return operation

    def _parts(self, result: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """The array that the function returned, and the residual if any; TypeError for what it should not return."""
        is_pair = isinstance(result, tuple) and len(result) == 2
        out, residual = result if self.residual and is_pair else (result, None)
        if isinstance(out, (np.ndarray, np.generic, int, float)) and is_pair == self.residual:
            return np.asarray(out), {"residual": residual} if is_pair else {}
        due = "(out, residual), as residual=True says" if self.residual else "an array"
        got = "None; does it end without `return`?" if result is None else type(result).__name__
        raise TypeError(f"{self.public_name}: the function should return {due}, got {got}")

    def _record(self, inputs: Sequence[Any], arrays: list[Any], options: dict[str, Any], out: Any) -> Node | None:
        node = Node()
        wanted: list[Any] = []
        kept: dict[str, Any] = {}
        node.wanted, node.kept, node.holds = wanted, kept, {}
        for x, plan in zip(inputs, self.plans):  # noqa: B905 - inputs left out have their defaults
            if plan is None or not isinstance(x, Tensor) or not x._requires_grad:
                wanted.append(None)
                continue
            wanted.append((x if x._source is None else x._source, x._array.shape, x._array.dtype, plan))
            for name, kind, place in plan[2]:
                if name in kept:
                    continue
                if kind == "shape":
                    kept[name] = tuple(map(np.shape, arrays)) if self.variadic else np.shape(arrays[place])
                    continue
                if kind == "input":
                    kept[name], array = _snapshot(inputs[place]), arrays[place]
                elif kind == "out":
                    kept[name] = array = out  # not as a Tensor, which would point back to this node
                else:
                    kept[name] = array = options[name] if name in options else self.defaults[name]
                if held := hold(array):
                    node.holds[name] = held
        if wanted.count(None) == len(wanted):
            return None
        node.primitive, node.shape, node.order, node.place = self, out.shape, next(_creation_order), mode.place
        return node


def primitive(*bare: Any, residual: bool = False, **rules: Rule) -> Callable[..., Callable[..., Tensor]]:
    """Make a differentiable operation of a function on arrays.

    Positional parameters are the inputs, keyword-only ones are options. Each rule is named after an input and maps the
    result's cotangent, and what its other parameters name (see the module's docstring), to that input's cotangent,
    in its shape or as broadcast. With `residual=True` the function returns `(out, residual)`. TypeError without names.

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
    return lambda forward: Primitive(forward, rules, residual).function()


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
    arriving = [(edge, g) for edge, g in roots if leading is None or edge in leading]
    silent, place, mode.place = is_silent.set(True), mode.place, (None, mode.place)
    with recording(create_graph):
        try:
            while True:
                for observer in cotangent_observers:
                    observer(mode.rule_of, arriving)
                for edge, g in arriving:
                    if edge not in arrived:
                        arrived[edge] = g
                        if isinstance(edge, Node):
                            heapq.heappush(queue, (-edge.order, edge))
                    elif edge in owned:
                        arrived[edge]._array += g._array
                    else:
                        arrived[edge] = arrived[edge] + g
                        if not create_graph:
                            owned.add(edge)
                if not queue:
                    return arrived
                node = heapq.heappop(queue)[1]
                g = arrived[node] if targets is not None and node in targets else arrived.pop(node)
                mode.rule_of = node
                arriving = node.vjps(g, leading)
                if not retain_graph:
                    node.free()
        finally:
            mode.rule_of, mode.place = None, place
            is_silent.reset(silent)


def _seed(output: Tensor, gradient: Tensor | np.ndarray | None, position: str) -> tuple[Edge, Tensor]:
    """Where a sweep starts, and the cotangent that it starts with."""
    if not output.requires_grad:
        raise RuntimeError(
            f"{position} does not require grad: nothing it was computed from has requires_grad=True, "
            "or it was computed under no_grad()"
        )
    if gradient is None:
        if output._array.size != 1:
            raise RuntimeError(
                f"{position} has shape {output.shape}: a gradient can be left out only for a single number; "
                "reduce it, for example with .sum() or .mean(), or pass a gradient of its shape"
            )
        gradient = Tensor._make(np.ones_like(output._array), None)
    elif not isinstance(gradient, Tensor):
        gradient = Tensor(gradient)
    if gradient.shape != output.shape:
        raise RuntimeError(f"{position} has shape {output.shape} but its gradient has {gradient.shape}")
    if gradient.dtype != output.dtype:
        gradient = gradient.to(output.dtype)
    return output._edge, gradient


def backward(
    output: Tensor, gradient: Tensor | np.ndarray | None, retain_graph: bool | None, create_graph: bool
) -> None:
    """Add d output / d leaf to `.grad` of every leaf below `output`; see `Tensor.backward`."""
    roots = [_seed(output, gradient, "backward: the tensor")]
    arrived = sweep(roots, None, create_graph if retain_graph is None else retain_graph, create_graph)
    given: set[int] = {id(roots[0][1]._array)}  # arrays that somebody else holds already
    for leaf, g in arrived.items():
        if leaf.grad is not None or create_graph:
            with recording(create_graph):  # g may be another leaf's too, or the caller's: each gets its own
                leaf.grad = g.clone() if leaf.grad is None else leaf.grad + g
        else:
            array = g._array
            if isinstance(array.base, np.ndarray) or not array.flags.c_contiguous or id(array) in given:
                array = array.copy()
            given.add(id(array))
            leaf.grad = Tensor._make(array, None)


@checked
def grad(
    outputs: Tensor | Iterable[Tensor],
    inputs: Tensor | Iterable[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """Gradients of the sum of `outputs` with respect to `inputs`; touches no `.grad`.

    Returns one Tensor per input, of its shape; None (with `allow_unused=True`) where an output does not
    depend on it. With `create_graph=True` the results can be differentiated again. Raises RuntimeError for an
    input that is not used or does not require grad, TypeError for what is no Tensor.

    >>> import tinygrad_cnn as tg
    >>> x = tg.Tensor(3.0, requires_grad=True)
    >>> (first,) = tg.grad(x**3, x, create_graph=True)
    >>> (second,) = tg.grad(first, x)
    >>> first.item(), second.item()
    (27.0, 18.0)
    """
    outputs, inputs = tensors_of(outputs, "outputs"), tensors_of(inputs, "inputs")
    seeds = (None,) * len(outputs) if grad_outputs is None else grad_outputs
    seeds = (seeds,) if isinstance(seeds, (Tensor, np.ndarray)) else tuple(seeds)
    if len(seeds) != len(outputs):
        raise RuntimeError(f"grad: {len(outputs)} outputs but {len(seeds)} grad_outputs; give one for each")
    for i, x in enumerate(inputs):
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

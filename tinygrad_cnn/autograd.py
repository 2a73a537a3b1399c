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

import contextlib
import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import MethodType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from .tensor import Tensor
else:
    Tensor = None  # tensor.py puts its class here: it needs the primitives, which need this module

Rule = Callable[..., "Tensor"]
Edge = Any  # where a gradient goes: the Node that made a tensor, or a leaf Tensor itself
FLOAT64 = np.dtype(np.float64)


class _Mode(threading.local):
    """What is on in this thread: recording, and the node whose rule is running."""

    recording = True
    rule_of: Node | None = None


_mode = _Mode()
_creation_order = itertools.count()


class set_grad_enabled(contextlib.ContextDecorator):  # noqa: N801 - Torch's name
    """Context manager and decorator: record the graph or not, in this thread.

    >>> import tinygrad_cnn as tg
    >>> x = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> with tg.no_grad():
    ...     print((x * 2).requires_grad)
    False
    """

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled

    def _recreate_cm(self) -> set_grad_enabled:
        return set_grad_enabled(self.enabled)  # a decorated function may recurse or run in two threads

    def __enter__(self) -> None:
        self.before, _mode.recording = _mode.recording, self.enabled

    def __exit__(self, *exception: object) -> None:
        _mode.recording = self.before


def no_grad() -> set_grad_enabled:
    """Record nothing inside: for evaluation and for writing parameters. See `set_grad_enabled`."""
    return set_grad_enabled(False)


def enable_grad() -> set_grad_enabled:
    """Record again inside a `no_grad` block. See `set_grad_enabled`."""
    return set_grad_enabled(True)


def is_grad_enabled() -> bool:
    """Whether operations are being recorded in this thread."""
    return _mode.recording


class Event(NamedTuple):
    """What an observer is told of one primitive's run."""

    primitive: Primitive
    inputs: tuple[Any, ...]
    options: dict[str, Any]
    out: Tensor
    seconds: float
    rule_of: Node | None  # the node whose rule made the call; None in a forward pass


_observers: list[Callable[[Event], None]] = []


@contextlib.contextmanager
def observe(observer: Callable[[Event], None]) -> Iterator[None]:
    """Call `observer(event)` after every primitive that runs inside the block, in any thread."""
    _observers.append(observer)
    try:
        yield
    finally:
        _observers.remove(observer)


class _Guard:
    """Holds an array read-only while a graph needs its values, so that a write raises at the write.

    Guards on one array are counted; when the last one goes, the array is writable again.
    """

    __slots__ = ("array",)
    counts: dict[int, int] = {}  # noqa: RUF012 - shared by all guards on purpose
    lock = threading.RLock()

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        with self.lock:
            self.counts[id(array)] = self.counts.get(id(array), 0) + 1
            array.flags.writeable = False

    def __del__(self) -> None:
        with self.lock:
            self.counts[id(self.array)] -= 1
            if not self.counts[id(self.array)]:
                del self.counts[id(self.array)]
                with contextlib.suppress(ValueError):  # a view, while what it views is still held
                    self.array.flags.writeable = True


def _guard(array: np.ndarray) -> _Guard | None:
    # A recorded result is read-only for good; where it is a view, what it views must be held.
    owner = array if array.flags.writeable or id(array) in _Guard.counts else array.base
    if isinstance(owner, np.ndarray) and (owner.flags.writeable or id(owner) in _Guard.counts):
        return _Guard(owner)
    return None


class Node:
    """One recorded call: which primitive, from where, and what its rules need."""

    __slots__ = ("dtype", "edges", "guards", "inputs", "kept", "order", "primitive", "shape")

    primitive: Primitive
    edges: tuple[Edge | None, ...]  # one per input; None where no gradient is wanted
    inputs: tuple[tuple[tuple[int, ...], np.dtype] | None, ...]  # shape and dtype, where an edge is
    kept: dict[str, Any] | None  # None once used and freed
    guards: list[_Guard | None] | None
    shape: tuple[int, ...]
    dtype: np.dtype
    order: int  # parents have smaller ones: descending order is a topological order

    def vjp(self, index: int, g: Tensor) -> Tensor:
        """The cotangent of input `index`, given the result's cotangent `g`."""
        kept, primitive = self.kept, self.primitive
        if kept is None:
            raise RuntimeError(
                f"backward: what {primitive.name} kept for its gradient has been used and freed; "
                "pass retain_graph=True to the first backward() or grad() to go through a graph twice"
            )
        rule, names = primitive.rule_for(index)
        arguments = [
            Tensor._make(kept[name], self) if name == "out" else index if name == "index" else kept[name]
            for name in names
        ]
        cotangent = rule(g, *arguments)
        shape, dtype = self.inputs[index]  # type: ignore[misc]
        if cotangent._data.shape != shape:  # this input was broadcast
            cotangent = cotangent.sum_to(shape)
        if cotangent._data.dtype != dtype:
            cotangent = cotangent.to(dtype)
        return cotangent

    def free(self) -> None:
        """Drop the kept arrays; where there were only numbers and shapes, they stay for another sweep."""
        if self.kept and any(_holds_array(value) for value in self.kept.values()):
            self.kept = self.guards = None

    def __repr__(self) -> str:
        return f"<Node {self.primitive.name} {self.shape}>"


def _holds_array(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return any(_holds_array(v) for v in value)
    return isinstance(value, (Tensor, np.ndarray))


class Primitive:
    """A function on arrays with its vjp rules; calling it on Tensors records a Node. See `primitive`."""

    def __init__(self, forward: Callable[..., Any], rules: dict[str, Rule], residual: bool) -> None:
        code = forward.__code__
        positional = code.co_argcount
        names = code.co_varnames
        keyword = names[positional : positional + code.co_kwonlyargcount]
        self.forward, self.residual = forward, residual
        self.name, self.__doc__, self.__module__ = forward.__name__, forward.__doc__, forward.__module__
        self.variadic = names[positional + len(keyword)] if code.co_flags & 0x04 else None  # *inputs
        self.inputs = (self.variadic,) if self.variadic else names[:positional]
        known = {*self.inputs, *(f"{i}_shape" for i in self.inputs), *keyword, "out"}
        known |= {"index"} if self.variadic else set()
        known |= {"residual"} if residual else set()
        self.rules: dict[str, tuple[Rule, tuple[str, ...]]] = {}
        for name, rule in rules.items():
            needs = rule.__code__.co_varnames[1 : rule.__code__.co_argcount]
            wrong = {name} - set(self.inputs) | set(needs) - known
            if wrong:
                raise TypeError(
                    f"primitive {self.name}: rule {name!r} names {sorted(wrong)}; known: {sorted(known)}"
                )
            self.rules[name] = rule, needs

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def rule_for(self, index: int) -> tuple[Rule, tuple[str, ...]]:
        """The rule of input number `index`, and the names that it needs."""
        return self.rules[self.variadic or self.inputs[index]]

    def __call__(self, *inputs: Any, **options: Any) -> Tensor:
        arrays, wanted = [], False
        for x in inputs:
            if isinstance(x, Tensor):
                arrays.append(x._data)
                wanted = wanted or x.requires_grad
            elif isinstance(x, (int, float, np.ndarray, np.generic)):
                arrays.append(x)  # a constant; a Python number takes the other operand's dtype
            else:
                raise TypeError(
                    f"{self.name}: expected a Tensor, an array or a number, got {type(x).__name__}"
                )
        started = time.perf_counter() if _observers else 0.0
        out, residual = self.forward(*arrays, **options), None
        if self.residual:
            out, residual = out
        if type(out) is not np.ndarray:
            out = np.asarray(out)
        if out.dtype is FLOAT64 and "dtype" not in options:
            # NumPy lets integers and NumPy scalars widen float32; here float64 comes from float64 alone.
            if not any(isinstance(a, np.ndarray) and a.dtype is FLOAT64 for a in arrays):
                out = out.astype(np.float32)
        if wanted and _mode.recording and self.rules and out.dtype.kind == "f":
            result = Tensor._make(out, self._record(inputs, options, out, residual))
        else:
            result = Tensor._make(out, None)
        if _observers:
            event = Event(self, inputs, options, result, time.perf_counter() - started, _mode.rule_of)
            for observer in tuple(_observers):
                observer(event)
        return result

    def _record(
        self, inputs: tuple[Any, ...], options: dict[str, Any], out: np.ndarray, residual: Any
    ) -> Node:
        node = Node()
        node.primitive, node.shape, node.dtype = self, out.shape, out.dtype
        node.order = next(_creation_order)
        node.kept, node.guards = kept, guards = {}, []
        edges: list[Edge | None] = []
        facts: list[tuple[tuple[int, ...], np.dtype] | None] = []
        names: set[str] = set()
        for i, x in enumerate(inputs):
            key = self.variadic or self.inputs[i]
            if isinstance(x, Tensor) and x.requires_grad and key in self.rules:
                edges.append(x._source if x._source is not None else x)
                facts.append((x._data.shape, x._data.dtype))
                names.update(self.rules[key][1])
            else:
                edges.append(None)
                facts.append(None)
        node.edges, node.inputs = tuple(edges), tuple(facts)

        def keep(x: Any) -> Any:
            if isinstance(x, Tensor):
                guards.append(_guard(x._data))
                return Tensor._make(x._data, x._source if x._source is not None or not x.requires_grad else x)
            if isinstance(x, np.ndarray):
                guards.append(_guard(x))
            return x

        for name in names:
            if name == "out":
                kept[name] = out
            elif name == "residual":
                kept[name] = residual
            elif name in options:
                kept[name] = options[name]
            elif name in self.inputs:
                if self.variadic:
                    kept[name] = tuple(keep(x) for x in inputs)
                else:
                    kept[name] = keep(inputs[self.inputs.index(name)])
            elif name.endswith("_shape"):
                if self.variadic:
                    kept[name] = tuple(np.shape(x) for x in inputs)
                else:
                    kept[name] = np.shape(inputs[self.inputs.index(name[:-6])])
        out.flags.writeable = False
        return node


def primitive(*, residual: bool = False, **rules: Rule) -> Callable[[Callable[..., Any]], Primitive]:
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

    with set_grad_enabled(create_graph):
        for edge, g in roots:
            if leading is None or edge in leading:
                arrive(edge, g)
        try:
            while queue:
                node = heapq.heappop(queue)[1]
                g = arrived[node] if targets is not None and node in targets else arrived.pop(node)
                _mode.rule_of = node
                for i, edge in enumerate(node.edges):
                    if edge is not None and (leading is None or edge in leading):
                        arrive(edge, node.vjp(i, g))
                if not retain_graph:
                    node.free()
        finally:
            _mode.rule_of = None
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
        if leaf.grad is not None:
            with set_grad_enabled(create_graph):
                leaf.grad = leaf.grad + g
        elif create_graph:
            leaf.grad = g
        else:
            array = g._data
            if array.base is not None or not array.flags.c_contiguous or id(array) in given:
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
    seeds = (grad_outputs,) if isinstance(grad_outputs, Tensor) else grad_outputs or (None,) * len(outputs)
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

"""detect_anomaly: the operation, the module and the pass, forward or backward, that first made a NaN.

A NaN is never meant, so the operation whose result holds one raises at once. An infinity may be: a mask of -inf before
a softmax, log(0) that is clamped later. So where it comes from is only noted, and told if it does harm: if it becomes
a NaN, if it is what backward() starts from, or if it reaches a parameter's gradient.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np

from .modes import Event, Place, cotangent_observers, mode, observe
from .nn import Module
from .tensor import Tensor

__all__ = ["AnomalyError", "detect_anomaly"]

ADVICE = "lower the learning rate, clip the gradients, or check the data and what is divided, rooted or logged"


class AnomalyError(FloatingPointError, RuntimeError):
    """A NaN, or an infinity that does harm, found by `detect_anomaly`; its argument says where."""

    def __str__(self) -> str:
        return f"{self.args[0]}. Try: {ADVICE}"


@contextlib.contextmanager
def detect_anomaly() -> Iterator[None]:
    """Raise AnomalyError where a NaN first appears: a context manager and decorator, in any thread; slow.

    The message names the operation, the modules that were running, whether it was forward or backward, and the shapes.
    An infinity alone raises only where it does harm, and the message then says where it was made.

    >>> import tinygrad_cnn as tg
    >>> x = tg.Tensor([0.0, 1.0], requires_grad=True)
    >>> with tg.detect_anomaly():  # doctest: +ELLIPSIS
    ...     (x / x).sum()
    Traceback (most recent call last):
    ...
    tinygrad_cnn.anomaly.AnomalyError: div (forward) made a NaN of finite numbers. inputs: (2,), (2,); result: (2,). ...
    """
    watch = _Watch()
    with observe(watch.ran):
        cotangent_observers.append(watch.arrived)
        try:
            yield
        finally:
            cotangent_observers.remove(watch.arrived)


class _Watch:
    """Looks at every result and every cotangent; knows where the infinities among them were made."""

    def __init__(self) -> None:
        self.origins: dict[int, tuple[weakref.ref[np.ndarray], str]] = {}  # by the id of the array that holds one
        self.of_nodes: dict[int, str] = {}  # by the order of the node whose result holds one

    def ran(self, event: Event) -> None:
        found = _worst(event.out.data)
        if found is None:
            return
        story = self._story(event, found)
        if found == "a NaN":
            raise AnomalyError(story)
        self._note(event.out, story)

    def _note(self, tensor: Tensor, story: str) -> None:
        array = tensor.data
        self.origins[id(array)] = (weakref.ref(array), story)
        if not tensor.is_leaf:
            self.of_nodes[tensor._edge.order] = story

    def _origin(self, x: Any) -> str | None:
        array = x.data if isinstance(x, Tensor) else x
        reference, story = self.origins.get(id(array), (None, None))
        return story if reference is not None and reference() is array else None

    def _story(self, event: Event, found: str) -> str:
        """What made the first of the numbers that are not finite, as far as is known."""
        inputs = [x for x in event.inputs if _worst(_array(x)) is not None]
        known = [story for x in inputs if (story := self._origin(x)) is not None]
        if known and found != "a NaN":
            return known[0]
        place = mode.place if event.rule_of is None else event.rule_of.place
        name, when = event.primitive.public_name, "forward"
        if event.rule_of is not None:
            name, when = event.rule_of.primitive.public_name, f"backward, in its rule's {name}"
        shapes = ", ".join(str(np.shape(_array(x))) for x in event.inputs)
        sizes = f"inputs: {shapes}; result: {event.out.shape}"
        what = f"{name} ({when}{_modules(place)})"
        if known:
            return f"{what} made {found} of an infinity. {sizes}. The infinity: {known[0]}"
        if inputs:
            worst = next((_worst(_array(x)) for x in inputs if _worst(_array(x)) == "a NaN"), "an infinity")
            return f"{what} met {worst} that was there before: in {_describe(inputs[0], place)}. {sizes}"
        return f"{what} made {found} of finite numbers. {sizes}"

    def arrived(self, node: Any, arriving: list[tuple[Any, Tensor]]) -> None:
        """Look at what a sweep starts from (no node), and at what each node sends on."""
        for edge, g in arriving:
            if node is None and (story := self.of_nodes.get(getattr(edge, "order", -1))) is not None:
                raise AnomalyError(f"backward() starts from an infinity: {story}")
            found = _worst(g.data)
            if found is None:
                continue
            story = self._origin(g)
            if node is None:
                story = f"the gradient that backward() was given holds {found}"
            elif story is None:
                what = f"{node.primitive.public_name} (backward{_modules(node.place)})"
                story = f"{what} gave {found} as the gradient of an input of shape {g.shape}"
            if found == "a NaN" or isinstance(edge, Tensor):
                raise AnomalyError(story)
            self._note(g, story)


def _array(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else x


def _worst(x: Any) -> str | None:
    """What there is among the numbers that is not finite; a NaN counts for more."""
    array = np.asarray(x)
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return None
    return "a NaN" if np.isnan(array).any() else "an infinity"


def _running(place: Place) -> list[Module]:
    """The modules of a place, outermost first."""
    modules: list[Module] = []
    while place is not None:
        reference, place = place
        if reference is not None and (module := reference()) is not None:
            modules.insert(0, module)
    return modules


def _modules(place: Place) -> str:
    """Where in the model a place is: `, in AgeCNN.conv1: Conv2d`."""
    modules = _running(place)
    if not modules:
        return ""
    root, inner = modules[0], modules[-1]
    name = next((name for name, module in root.named_modules() if module is inner), "")
    path = ".".join(filter(None, (type(root).__name__, name)))
    return f", in {path}" + (f": {type(inner).__name__}" if name else "")


def _describe(x: Any, place: Place) -> str:
    """An input by the name of the parameter that it is, or by its shape."""
    for module in _running(place):
        for name, parameter in module.named_parameters():
            if parameter is x:
                return f"the parameter {name} of {type(module).__name__}"
    return f"an input of shape {np.shape(_array(x))}"

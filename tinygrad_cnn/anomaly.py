"""detect_anomaly: the operation, the module and the pass, forward or backward, that first made a NaN.

A NaN is never meant, so the operation whose result holds one raises at once. An infinity may be: a mask of -inf before
a softmax, log(0) that is clamped later. So where it comes from is only noted, and told if it does harm: if it becomes
a NaN, if it is what backward() starts from, or if it reaches a parameter's gradient.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from .modes import Event, Place, cotangent_observers, mode, observe
from .nn import Module, Parameter
from .tensor import Tensor

__all__ = ["AnomalyError", "detect_anomaly"]

DATA = "check the data: what goes in must be finite numbers"
WEIGHTS = "start from earlier weights, with a lower learning rate or clipped gradients: a step before has spoilt these"
LARGE = "a lower learning rate, clipped gradients, or smaller numbers"
RULE = f"{LARGE}; where the rule is your own, check it"
HALF = "float32: float16 ends at 65,504"
DOMAIN = "keep it away from where it has no finite result: add a small number, or clamp"
POLES = {"div": 0, "log": 0, "log1p": -1, "pow": 0, "reciprocal": 0, "rsqrt": 0, "sqrt": 0}  # of them or of their slope


class AnomalyError(FloatingPointError, RuntimeError):
    """A NaN, or an infinity that does harm, found by `detect_anomaly`; its arguments say where, and what to try."""

    def __str__(self) -> str:
        return "{}. Try: {}".format(*self.args)


class _Story(NamedTuple):
    """Where a number came from that is not finite, and what may help."""

    words: str
    advice: str


@contextlib.contextmanager
def detect_anomaly() -> Iterator[None]:
    """Raise AnomalyError where a NaN first appears: a context manager and decorator, in any thread; slow.

    The message names the operation, the modules that were running, whether it was forward or backward, the shapes, and
    what may help. An infinity alone raises only where it does harm, and the message then says where it was made.

    >>> import tinygrad_cnn as tg
    >>> x = tg.Tensor([0.0, 1.0], requires_grad=True)
    >>> with tg.detect_anomaly():  # doctest: +ELLIPSIS
    ...     (x / x).sum()
    Traceback (most recent call last):
    ...
    tinygrad_cnn.anomaly.AnomalyError: div (forward) made a NaN of finite numbers. inputs: (2,), (2,); result: (2,). ...
    """
    with _watched():
        yield


def first_anomaly(compute: Callable[[], Tensor]) -> AnomalyError | None:
    """What `detect_anomaly` finds while a tensor is computed, or else where the infinity in it was made, if any."""
    try:
        with _watched() as watch:
            story = watch.origin(compute())
    except AnomalyError as error:
        return error
    return None if story is None else AnomalyError(*story)


@contextlib.contextmanager
def _watched() -> Iterator[_Watch]:
    watch = _Watch()
    with observe(watch.ran):
        cotangent_observers.append(watch.arrived)
        try:
            yield watch
        finally:
            cotangent_observers.remove(watch.arrived)


class _Watch:
    """Looks at every result and every cotangent; knows where the infinities among them were made."""

    def __init__(self) -> None:
        self.origins: dict[int, tuple[weakref.ref[np.ndarray], _Story]] = {}  # by the id of the array that holds one
        self.of_nodes: dict[int, _Story] = {}  # by the order of the node whose result holds one

    def ran(self, event: Event) -> None:
        found = _worst(event.out.data)
        if found is None:
            return
        story = self._story(event, found)
        if found == "a NaN":
            raise AnomalyError(*story)
        self._note(event.out, story)

    def _note(self, tensor: Tensor, story: _Story) -> None:
        array = tensor.data
        self.origins[id(array)] = (weakref.ref(array), story)
        if not tensor.is_leaf:
            self.of_nodes[tensor._edge.order] = story

    def origin(self, x: Any) -> _Story | None:
        """Where the infinity in an array or a Tensor was made, where that was seen."""
        array = _array(x)
        reference, story = self.origins.get(id(array), (None, None))
        return story if reference is not None and reference() is array else None

    def _story(self, event: Event, found: str) -> _Story:
        """What made the first of the numbers that are not finite, as far as is known."""
        inputs = [x for x in event.inputs if _worst(_array(x)) is not None]
        known = [story for x in inputs if (story := self.origin(x)) is not None]
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
            return _Story(
                f"{what} made {found} of an infinity. {sizes}. The infinity: {known[0].words}", known[0].advice
            )
        if inputs:
            worst = next((_worst(_array(x)) for x in inputs if _worst(_array(x)) == "a NaN"), "an infinity")
            words = f"{what} met {worst} that was there before: in {_describe(inputs[0], place)}. {sizes}"
            return _Story(words, WEIGHTS if isinstance(inputs[0], Parameter) else DATA)
        return _Story(f"{what} made {found} of finite numbers. {sizes}", _advice(event, found))

    def arrived(self, node: Any, arriving: list[tuple[Any, Tensor]]) -> None:
        """Look at what a sweep starts from (no node), and at what each node sends on."""
        for edge, g in arriving:
            if node is None and (story := self.of_nodes.get(getattr(edge, "order", -1))) is not None:
                raise AnomalyError(f"backward() starts from an infinity: {story.words}", story.advice)
            found = _worst(g.data)
            if found is None:
                continue
            story = self.origin(g)
            if node is None:
                story = _Story(f"the gradient that backward() was given holds {found}", DATA)
            elif story is None:
                what = f"{node.primitive.public_name} (backward{_modules(node.place)})"
                story = _Story(f"{what} gave {found} as the gradient of an input of shape {g.shape}", RULE)
            if found == "a NaN" or isinstance(edge, Tensor):
                raise AnomalyError(*story)
            self._note(g, story)


def _advice(event: Event, found: str) -> str:
    """What may help where an operation made a number that is not finite of finite ones."""
    pole = POLES.get(event.primitive.public_name)
    if pole is not None and (found == "a NaN" or any((np.asarray(_array(x)) == pole).any() for x in event.inputs)):
        return DOMAIN
    return HALF if event.out.dtype == np.float16 else LARGE


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

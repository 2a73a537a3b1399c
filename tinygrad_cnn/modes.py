"""What can be switched on around the engine: recording the graph, and observing every operation."""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from .arguments import checked
from .kernels.threads import set_numpy_up

if TYPE_CHECKING:
    from .autograd import Node, Primitive
    from .tensor import Tensor


# Where code runs: None; in a module's forward (a weak reference to it, where it was called); in a sweep (None, same).
Place = Any


class _Mode(threading.local):
    """This thread's switches."""

    recording = True
    rule_of: Node | None = None  # the node whose rule is running
    place: Place = None
    blocks = 0  # of `recording` entered so far: no sweep has the number of another

    def __init__(self) -> None:
        # 1 / 0 is inf without a warning, as in Torch. To enter a context that is silent costs a tenth of np.errstate,
        # which takes longer than a small operation. Other context variables stay as they are at a thread's first one.
        silent = contextvars.copy_context()
        silent.run(set_numpy_up)
        silent.run(is_silent.set, True)
        self.run_silently = silent.run


is_silent = contextvars.ContextVar("is_silent", default=False)  # whether NumPy's floating-point warnings are off
mode = _Mode()


class recording(contextlib.ContextDecorator):  # noqa: N801 - a context manager reads like a function
    """Record the graph or not, in this thread: inside a `with` block or a decorated function."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        self.before: list[bool] = []

    def _recreate_cm(self) -> recording:
        return recording(self.enabled)  # a decorated function may run in two threads at once

    def __enter__(self) -> None:
        self.before.append(mode.recording)
        mode.recording = self.enabled
        mode.blocks += 1

    def __exit__(self, *exception: object) -> None:
        mode.recording = self.before.pop()


@checked
def no_grad(function: Any = None) -> Any:
    """Record nothing inside: for evaluation, and for writing parameters. A context manager and decorator.

    >>> import tinygrad_cnn as tg
    >>> x = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> with tg.no_grad():
    ...     print((x * 2).requires_grad)
    False
    """
    return recording(False) if function is None else recording(False)(function)


@checked
def enable_grad(function: Any = None) -> Any:
    """Record again inside a `no_grad` block. A context manager and decorator.

    >>> import tinygrad_cnn as tg
    >>> x = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> with tg.no_grad(), tg.enable_grad():
    ...     print((x * 2).requires_grad)
    True
    """
    return recording(True) if function is None else recording(True)(function)


def is_grad_enabled() -> bool:
    """Whether operations are being recorded in this thread.

    >>> import tinygrad_cnn as tg
    >>> with tg.no_grad():
    ...     print(tg.is_grad_enabled())
    False
    """
    return mode.recording


class Event(NamedTuple):
    """What an observer is told of one primitive's run; see `observe`.

    `primitive`, its `inputs` as they were given (Tensors, arrays, numbers), its `options`, its result `out`, the
    `seconds` that it took, and `rule_of`: the node whose rule made the call, None in a forward pass.

    >>> import tinygrad_cnn as tg
    >>> events = []
    >>> with tg.observe(events.append):
    ...     y = tg.ones(3).exp()
    >>> events[0].primitive.name, events[0].out.shape, events[0].rule_of
    ('exp', (3,), None)
    """

    primitive: Primitive
    inputs: tuple[Any, ...]
    options: dict[str, Any]
    out: Tensor
    seconds: float
    rule_of: Node | None  # the node whose rule made the call; None in a forward pass


observers: list[Callable[[Event], None]] = []
# Told what a sweep starts from (None, [(edge, cotangent), ...]), and what each node then sends on.
cotangent_observers: list[Callable[[Node | None, list[tuple[Any, Tensor]]], None]] = []


@contextlib.contextmanager
@checked
def observe(observer: Callable[[Event], None]) -> Iterator[None]:
    """Call `observer(event)` after every primitive that runs inside the block, in any thread.

    >>> import tinygrad_cnn as tg
    >>> with tg.observe(lambda event: print(event.primitive.name, event.out.shape)):
    ...     y = tg.Tensor([1.0, 2.0]) * 3.0 + 1.0
    mul (2,)
    add (2,)
    """
    observers.append(observer)
    try:
        yield
    finally:
        observers.remove(observer)

"""Ctrl-C and SIGTERM, the two ways to ask a program to end, wait for a moment at which nothing is half done."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

Handler = Callable[[int, "FrameType | None"], None]
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """SIGTERM, or a second request to end: as for a Ctrl-C, everything is dropped at once. `number` is the signal's."""

    number = signal.SIGINT

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = signal.Signals(number)


class Interrupted(Stopped):
    """The same, but it waited for a moment between two steps: model, optimiser and loader agree on where they are."""


@contextlib.contextmanager
def sigterm_stops() -> Iterator[None]:
    """Inside, SIGTERM raises Stopped, as Ctrl-C raises KeyboardInterrupt, so that what is half done is tidied up.

    Outside the main thread, and where the program handles SIGTERM in its own way, nothing changes.

    >>> import signal
    >>> from tinygrad_cnn.train import sigterm_stops
    >>> with sigterm_stops():
    ...     signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    False
    """
    with _handled(signal.SIGTERM, (signal.SIG_DFL,), _stop):
        yield


@contextlib.contextmanager
def interrupts_wait() -> Iterator[Callable[[], None]]:
    """Inside, Ctrl-C and SIGTERM wait for a call of the function that this gives, which then raises Interrupted.

    So no step of the optimiser is left half done. A second one does not wait: it raises Stopped at once. One inside
    another waits for the calls of both, and the end of the block is such a call too. Outside the main thread, and
    where the program handles a signal in its own way, nothing changes for it.

    >>> import signal
    >>> from tinygrad_cnn.train import Interrupted, interrupts_wait
    >>> try:
    ...     with interrupts_wait() as stop_if_interrupted:
    ...         signal.raise_signal(signal.SIGINT)
    ...         print("this step is finished")
    ...         stop_if_interrupted()
    ... except Interrupted as interrupted:
    ...     print(interrupted.number.name)
    this step is finished
    SIGINT
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    around = [handler for handler in map(signal.getsignal, SIGNALS) if isinstance(handler, _Waiting)]
    if around:
        yield around[0].stop_if_interrupted
        return
    waiting = _Waiting()
    with (
        _handled(signal.SIGINT, (signal.default_int_handler,), waiting),
        _handled(signal.SIGTERM, (signal.SIG_DFL, _stop), waiting),
    ):
        yield waiting.stop_if_interrupted
    if not waiting.told:  # it came after the last call
        waiting.stop_if_interrupted()


@contextlib.contextmanager
def _handled(number: signal.Signals, usual: tuple[Any, ...], handler: Handler) -> Iterator[None]:
    before = signal.getsignal(number)
    if before not in usual or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped(number)


class _Waiting:
    """Handles signals by taking note of the first one."""

    asked = 0  # the signal that came
    told = False  # whether it was passed on

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise Stopped(number)
        self.asked = number

    def stop_if_interrupted(self) -> None:
        if self.asked:
            self.told = True
            raise Interrupted(self.asked)

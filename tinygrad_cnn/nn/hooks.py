"""Hooks: functions that a module calls around its forward, to see or to replace what goes in and what comes out."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

__all__ = ["ForwardHook", "ForwardPreHook", "RemovableHandle"]

ForwardHook = Callable[[Any, tuple[Any, ...], Any], Any]  # (module, inputs, output) -> another output, or None
ForwardPreHook = Callable[[Any, tuple[Any, ...]], Any]  # (module, inputs) -> other inputs, or None


class RemovableHandle:
    """Takes a hook off again, with `remove()` or at the end of a `with` block.

    Raises TypeError for a hook that can't be called.

    >>> import tinygrad_cnn as tg
    >>> relu = tg.nn.ReLU()
    >>> handle = relu.register_forward_pre_hook(lambda module, inputs: print("in:", inputs[0]))
    >>> y = relu(tg.Tensor([-2.0, 2.0]))
    in: Tensor([-2.,  2.])
    >>> handle.remove()
    """

    _ids = itertools.count()

    def __init__(self, hooks: dict[int, Any], hook: ForwardHook | ForwardPreHook) -> None:
        self._hooks = hooks
        self._id = next(number for number in self._ids if number not in hooks)  # a copied module brought its own
        hooks[self._id] = hook

    def remove(self) -> None:
        """Take the hook off; nothing happens if it is off already."""
        self._hooks.pop(self._id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()

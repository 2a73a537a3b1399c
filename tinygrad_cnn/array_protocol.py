"""How NumPy's functions come to take Tensors: `np.exp(t)`, `np.sum(t, axis=0)`, `array * t` have their gradients.

NumPy hands over what meets a Tensor (NEP 13 and NEP 18), and `array_table.py` says what becomes of it. What is not in
that table raises TypeError and says what to do instead. No gradient is lost in silence.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .array_table import TABLE, UFUNCS, VALUES_ALONE, on_arrays, operand
from .tensor import Tensor

REDUCTIONS: dict[np.ufunc, Callable[..., Any]] = {
    np.add: np.sum, np.multiply: np.prod, np.maximum: np.max, np.minimum: np.min,
    np.logical_and: np.all, np.logical_or: np.any,
}  # fmt: skip
INSTEAD = {  # of a ufunc's methods and options
    "reduce": "only " + ", ".join(f"np.{ufunc.__name__}" for ufunc in REDUCTIONS) + " can be reduced",
    "accumulate": "use np.cumsum",
    "reduceat": "use slices of the tensor",
    "outer": "give the operands axes of length 1: t[:, None] and u[None, :]",
    "at": "add to what is there: t[index] += values, with each index once",
    "out": "leave it out",
    "where": "use np.where(condition, result, other)",
    "dtype": "convert the tensor first, with t.to(dtype)",
}
KNOWN = (Tensor, np.ndarray, np.generic)  # others are asked in their turn
NOTHING_ASKED = {"out": (None,), "dtype": (None,), "where": (True,), "order": (None, "C", "K"), "subok": (True, False)}


def call_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """What `Tensor.__array_ufunc__` does. TypeError for what has no rule."""
    if any(hasattr(x, "__array_ufunc__") and not isinstance(x, KNOWN) for x in inputs):
        return NotImplemented
    options = _given(options)
    name = f"np.{ufunc.__name__}"
    if "out" in options:
        return _into_array(ufunc, method, inputs, options, name)
    if method == "reduce" and ufunc in REDUCTIONS:
        return call_function(REDUCTIONS[ufunc], (), inputs, {"axis": 0, **options})
    if method != "__call__":
        raise TypeError(f"{name}.{method} has no rule for Tensors; {INSTEAD[method]}, or, {VALUES_ALONE}")
    if ufunc not in UFUNCS:
        raise _no_rule(name)
    for option in options:
        raise TypeError(f"{name}: {option}= is not offered for Tensors; {INSTEAD.get(option, 'leave it out')}")
    return UFUNCS[ufunc](*map(operand, inputs))


def _into_array(ufunc: np.ufunc, method: str, inputs: Any, options: dict[str, Any], name: str) -> Any:
    """A result that goes into an array, as that of `array += t`: only where no gradient would be lost."""
    if any(isinstance(x, Tensor) for x in options["out"]):
        raise TypeError(f"{name}: out= cannot be a Tensor; use t.copy_(result), or t[...] = result")
    if any(isinstance(x, Tensor) and x.requires_grad for x in inputs):
        raise TypeError(
            f"{name}: an array cannot hold what has a gradient; write array = array + t rather than array += t, or, "
            + VALUES_ALONE
        )
    return on_arrays(getattr(ufunc, method), *inputs, **options)


def call_function(function: Callable[..., Any], types: Sequence[type], args: Any, options: dict[str, Any]) -> Any:
    """What `Tensor.__array_function__` does. TypeError for what has no rule."""
    if not all(issubclass(kind, KNOWN) for kind in types):
        return NotImplemented
    name = f"{function.__module__}.{function.__name__}".replace("numpy.", "np.", 1)
    rule = TABLE.get(function)
    if rule is None:
        raise _no_rule(name)
    options = _given(options)
    signature = inspect.signature(rule)
    try:
        signature.bind(*args, **options)
    except TypeError as error:
        offered = ", ".join(signature.parameters)
        raise TypeError(f"{name} of a Tensor: {error}; offered are {offered}; {VALUES_ALONE}") from None
    return rule(*args, **options)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """The options but for those that ask for nothing."""
    return {
        name: value
        for name, value in options.items()
        if value is not np._NoValue and not any(value is nothing for nothing in NOTHING_ASKED.get(name, ()))
    }


def _no_rule(name: str) -> TypeError:
    return TypeError(f"{name} has no rule for Tensors, so its gradient is not known; {VALUES_ALONE}")

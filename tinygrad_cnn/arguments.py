"""What a public function takes, read from its type hints: `@checked` holds its callers to them.

    bool       True, False, 0, 1          float      a number, or a Tensor that holds one
    int        an int, or its like        Tensor     a Tensor, or what can be made one (Target: only a Tensor)
    str        a string                   sequences  a tuple or a list

A value of the type that is hinted at costs a look into a set; another that means the same is converted; what means
something else is a TypeError that names the function and the argument. Other hints are not looked at: such arguments
are the function's own business. An error on the way gets the function's name, if it does not have it yet.
"""

from __future__ import annotations

import functools
import numbers
import operator
import re
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np

Function = TypeVar("Function", bound=Callable[..., Any])
Conversion = Callable[[Any], Any]


def _number(value: Any) -> Any:
    """A number out of a 0-d array or Tensor that carries no gradient; else the value itself."""
    alone = getattr(value, "shape", None) == () and not getattr(value, "requires_grad", False)
    return value.item() if alone and hasattr(value, "item") else value


def _to_bool(value: Any) -> bool:
    if isinstance(value, (bool, np.bool_, int)) and value in (0, 1):
        return bool(value)
    raise TypeError


def _to_int(value: Any) -> int:
    value = _number(value)
    if isinstance(value, bool):
        raise TypeError
    return operator.index(value)


def _to_float(value: Any) -> float:
    value = _number(value)
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        return value if isinstance(value, int) else float(value)
    raise TypeError


def _to_tensor(value: Any) -> Any:
    from .ops.support import as_tensor

    return as_tensor(value)


def _to_target(value: Any) -> Any:
    from .tensor import Tensor

    return _only(Tensor)(value)


def _to_tensors(value: Any) -> Any:
    return value if isinstance(value, (tuple, list)) else tuple(value)


def _to_floats(value: Any) -> tuple[float, ...]:
    return tuple(map(_to_float, _only(tuple, list)(value)))


def _only(*types: type) -> Conversion:
    def same(value: Any) -> Any:
        if isinstance(value, types):
            return value
        raise TypeError

    return same


# How a value becomes what a hint says, or a TypeError, and what the hint is called in one.
PAIR = _only(tuple, list), "a pair of ints"
INTS = _only(tuple, list), "a tuple of ints"
KINDS: dict[str, tuple[Conversion, str]] = {
    "None": (_only(type(None)), "None"),
    "bool": (_to_bool, "True or False"),
    "int": (_to_int, "an int"),
    "float": (_to_float, "a number"),
    "str": (_only(str), "a string"),
    "Tensor": (_to_tensor, "a Tensor"),
    "Target": (_to_target, "a Tensor to write to"),
    "Sequence[Tensor]": (_to_tensors, "a tuple or list of Tensors"),
    "Sequence[float]": (_to_floats, "a tuple of numbers"),
    "tuple[float, float]": (_to_floats, "a pair of numbers"),
    **dict.fromkeys(("Pair", "tuple[int, int]"), PAIR),
    **dict.fromkeys(("tuple[int, ...]", "list[int]", "Sequence[int]"), INTS),
}
ALIASES = {"Size": "int | Pair", "Dim": "int | tuple[int, ...] | None"}


class Kind(NamedTuple):
    """What an argument may be: conversions to try, the types that come out of one as they are, and its name."""

    conversions: tuple[Conversion, ...]
    types: set[type]  # as met so far: such a value needs no second look
    words: str


@functools.cache
def _kind(hint: str) -> Kind | None:
    """The kind that a hint, as it is written, stands for; None for one that is not looked at."""
    hint = re.sub(r"Literal\[.*\]", "str", hint)
    names = [name for part in hint.split(" | ") for name in ALIASES.get(part, part).split(" | ")]
    if not all(name in KINDS for name in names):
        return None
    conversions, words = zip(*(KINDS[name] for name in names), strict=True)
    *several, last = dict.fromkeys(words)
    return Kind(tuple(dict.fromkeys(conversions)), set(), f"{', '.join(several)} or {last}" if several else last)


def _shown(value: Any) -> str:
    """A value in an error, in a few words."""
    if isinstance(getattr(value, "shape", None), tuple):
        return f"a {type(value).__name__} of shape {value.shape}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def taken(value: Any, hint: str, name: str, argument: str) -> Any:
    """The value as a function that hints so at an argument wants it; TypeError where it cannot be that.

    >>> import numpy as np
    >>> taken(np.int64(3), "int | None", "split", "dim")
    3
    """
    kind = _kind(hint)
    if kind is None or type(value) in kind.types:
        return value
    for conversion in kind.conversions:
        try:
            converted = conversion(value)
        except (TypeError, ValueError, OverflowError):
            continue
        if converted is value:
            kind.types.add(type(value))
        return converted
    raise TypeError(f"{name}: {argument} must be {kind.words}, got {_shown(value)}")


def checked(function: Function) -> Function:
    """Make a function, or a class's __init__, hold its callers to its type hints: see the module's docstring.

    >>> @checked
    ... def scale(x: float, centered: bool = False): ...
    >>> scale(1.0, centered="yes")
    Traceback (most recent call last):
    TypeError: scale: centered must be True or False, got 'yes'
    """
    code = function.__code__
    positional = code.co_varnames[: code.co_argcount]
    passed: set[tuple[Any, ...]] = set()  # types, and options' names, of calls whose arguments were all as hinted

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        types = (*map(type, arguments), *options, *map(type, options.values())) if options else (*map(type, arguments),)
        try:
            if types not in passed:
                given = dict(zip(positional, arguments))  # noqa: B905 - what is too much or too little, Python will say
                values = settled(function, _name(function, arguments), given | options)
                if all(values[name] is value for name, value in (given | options).items()):
                    passed.add(types)
                arguments = (*(values[name] for name in given), *arguments[len(given) :])
                options = {name: values[name] for name in options}
            return function(*arguments, **options)
        except (TypeError, ValueError, IndexError, NotImplementedError, OverflowError) as error:
            name, module = _name(function, arguments), type(error).__module__.partition(".")[0]
            if name in str(error) or module not in ("builtins", "numpy"):
                raise
            kinds = (NotImplementedError, IndexError, TypeError, ValueError)
            kind = next((kind for kind in kinds if isinstance(error, kind)), ValueError)
            raise kind(f"{name}: {error}") from error

    return call  # type: ignore[return-value]


def settled(function: Callable[..., Any], name: str, values: dict[str, Any]) -> dict[str, Any]:
    """Values by the names of arguments, as the function's hints want them; TypeError, with `name`, if they can't."""
    hints = function.__annotations__
    return {argument: taken(value, hints.get(argument, ""), name, argument) for argument, value in values.items()}


def _name(function: Callable[..., Any], arguments: tuple[Any, ...]) -> str:
    of_class = function.__name__ in ("__init__", "forward") and arguments
    return type(arguments[0]).__name__ if of_class else function.__name__

"""What a public function takes, read from its type hints: `@checked` holds its callers to them.

    bool       True, False, 0, 1          float      a number, or a Tensor that holds one
    int        an int, or its like        Tensor     a Tensor, or what can be made one (Target: only a Tensor)
    str        a string                   sequences  a tuple or a list
    Callable   what can be called         ArrayLike  real numbers, in an array, lists or a Tensor
    a class of this package, such as Module or Dataset: one of its objects

A value of the type that is hinted at costs a look into a set; another that means the same is converted; what means
something else is a TypeError that names the function and the argument. Other hints are not looked at: such arguments
are the function's own business. An error on the way gets the function's name, if it does not have it yet.
"""

from __future__ import annotations

import ast
import functools
import numbers
import operator
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

if TYPE_CHECKING:
    from .tensor import Tensor

Function = TypeVar("Function", bound=Callable[..., Any])
Conversion = Callable[[Any], Any]
BY_CONTENT: set[Conversion] = set()  # look at what is inside a value: another one of its type may be wrong


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


def _to_array(value: Any) -> np.ndarray:
    array = np.asarray(getattr(value, "_array", value))
    if array.dtype.kind not in "fiub":
        raise TypeError
    return array


BY_CONTENT.add(_to_array)


def _to_callable(value: Any) -> Any:
    if not callable(value):
        raise TypeError
    return value


def _having(*names: str) -> Conversion:
    """Any object with these attributes."""

    def same(value: Any) -> Any:
        if isinstance(value, type) or not all(hasattr(value, name) for name in names):
            raise TypeError
        return value

    return same


def _several(conversion: Conversion) -> Conversion:
    """A tuple of what is converted one by one."""

    def convert(value: Any) -> Any:
        return tuple(map(conversion, _only(tuple, list)(value)))

    BY_CONTENT.add(convert)
    return convert


def _one_of(room: str, name: str) -> Conversion:
    """An object of a class, which is imported when one is asked for."""
    return lambda value: _only(getattr(import_module(room, __package__), name))(value)


def _only(*types: type) -> Conversion:
    def same(value: Any) -> Any:
        if isinstance(value, types):
            return value
        raise TypeError

    return same


# How a value becomes what a hint says, or a TypeError, and what the hint is called in one.
HEAD = _having("loss", "predict", "errors")
PAIR = _only(tuple, list), "a pair of ints"
INTS = _only(tuple, list), "a tuple of ints"
PATH = _only(str, os.PathLike), "a path"
DICT = _only(Mapping), "a dict"
CLASSES = {
    "Module": ".nn", "Dataset": ".data", "UTKFace": ".data", "DataLoader": ".data", "Optimizer": ".optim",
    "LRScheduler": ".optim.lr_scheduler", "EMA": ".optim", "Pass": ".train", "Generator": "numpy.random",
}  # fmt: skip
KINDS: dict[str, tuple[Conversion, str]] = {
    "None": (_only(type(None)), "None"),
    "bool": (_to_bool, "True or False"),
    "int": (_to_int, "an int"),
    "float": (_to_float, "a number"),
    **dict.fromkeys(("str", "Literal"), (_only(str), "a string")),
    "Tensor": (_to_tensor, "a Tensor"),
    "Target": (_to_target, "a Tensor to write to"),
    "Callable": (_to_callable, "a function"),
    "Head": (HEAD, "a head"),
    "Errors": (_having("update", "figures", "words"), "an object that adds up errors"),
    "Figure": (_having("savefig", "get_suptitle"), "a matplotlib Figure"),
    "Images": (_only(np.ndarray), "an array of images"),
    "Sequence[Tensor]": (_to_tensors, "a tuple or list of Tensors"),
    "tuple[float, float]": (_several(_to_float), "a pair of numbers"),
    "tuple[Head, ...]": (_several(HEAD), "a tuple of heads"),
    "Sequence[Transform]": (_several(_to_callable), "a list of functions"),
    **dict.fromkeys(("Sequence[float]", "tuple[float, ...]"), (_several(_to_float), "a tuple of numbers")),
    **dict.fromkeys(("Sequence[str]", "tuple[str, ...]"), (_several(_only(str)), "a tuple of strings")),
    **dict.fromkeys(("Pair", "tuple[int, int]"), PAIR),
    **dict.fromkeys(("tuple[int, ...]", "list[int]", "Sequence[int]"), INTS),
    **dict.fromkeys(("ArrayLike", "np.ndarray"), (_to_array, "an array of numbers")),
    **dict.fromkeys(("os.PathLike", "Path"), PATH),
    **dict.fromkeys(("Mapping", "dict"), DICT),
    **{name: (_one_of(room, name), f"{'an' if name[0] in 'EO' else 'a'} {name}") for name, room in CLASSES.items()},
}
ALIASES = {
    "Size": "int | Pair",
    "Dim": "int | tuple[int, ...] | None",
    "PathLike": "str | Path",
    **dict.fromkeys(("ForwardHook", "ForwardPreHook", "Loss", "Score", "Transform"), "Callable"),
    "npt.ArrayLike": "ArrayLike",
    "np.random.Generator": "Generator",
}


class Kind(NamedTuple):
    """What an argument may be: conversions to try, the types that come out of one as they are, and its name."""

    conversions: tuple[Conversion, ...]
    types: set[type]  # as met so far: such a value needs no second look
    words: str


@functools.cache
def _kind(hint: str) -> Kind | None:
    """The kind that a hint, as it is written, stands for; None for one that is not looked at."""
    kinds = list(_parts(ast.parse(hint, mode="eval").body)) if hint else []
    if not kinds or None in kinds:
        return None
    conversions, words = zip(*filter(None, kinds), strict=True)
    *several, last = dict.fromkeys(words)
    return Kind(tuple(dict.fromkeys(conversions)), set(), f"{', '.join(several)} or {last}" if several else last)


def _parts(hint: ast.expr) -> Iterator[tuple[Conversion, str] | None]:
    """The entry in KINDS of each part of a hint `a | b`: as it stands, or without what is in its brackets."""
    if isinstance(hint, ast.BinOp):
        yield from (*_parts(hint.left), *_parts(hint.right))
    elif (alias := ALIASES.get(ast.unparse(hint))) is not None:
        yield from _parts(ast.parse(alias, mode="eval").body)
    elif isinstance(hint, ast.Subscript):
        yield KINDS.get(ast.unparse(hint), KINDS.get(ast.unparse(hint.value)))
    else:
        yield KINDS.get(ast.unparse(hint))


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
        if converted is value and conversion not in BY_CONTENT:
            kind.types.add(type(value))
        return converted
    raise TypeError(f"{name}: {argument} must be {kind.words}, got {_shown(value)}")


def _is_known(value: Any, hint: str) -> bool:
    """Whether any value of this type is as hinted."""
    kind = _kind(hint)
    return kind is None or type(value) in kind.types


def checked(function: Function) -> Function:
    """Make a function, or a class by its __init__, hold its callers to its type hints: see the module's docstring.

    >>> @checked
    ... def scale(x: float, centered: bool = False): ...
    >>> scale(1.0, centered="yes")
    Traceback (most recent call last):
    TypeError: scale: centered must be True or False, got 'yes'
    """
    if isinstance(function, type):
        function.__init__ = checked(function.__init__)  # type: ignore[misc]
        return function
    code, is_method = function.__code__, "." in function.__qualname__.rpartition("<locals>.")[2]
    positional = code.co_varnames[: code.co_argcount]
    passed: set[tuple[Any, ...]] = set()  # types, and options' names, of calls whose arguments were all as hinted

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        types = (*map(type, arguments), *options, *map(type, options.values())) if options else (*map(type, arguments),)
        try:
            if types not in passed:
                given = dict(zip(positional, arguments))  # noqa: B905 - what is too much or too little, Python will say
                values = settled(function, _name(function, arguments), given | options)
                hints = function.__annotations__
                if all(_is_known(value, hints.get(name, "")) for name, value in (given | options).items()):
                    passed.add(types)
                arguments = (*(values[name] for name in given), *arguments[len(given) :])
                options = {name: values[name] for name in options}
            return function(*arguments, **options)
        except (TypeError, ValueError, IndexError, NotImplementedError, OverflowError) as error:
            name, module = _name(function, arguments), type(error).__module__.partition(".")[0]
            own_class = type(arguments[0]).__name__ if is_method and arguments else name
            is_named = name in str(error) or str(error).startswith(f"{own_class}: ")
            if is_named or module not in ("builtins", "numpy"):
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
    of_class = function.__name__ in ("__init__", "forward", "__call__") and arguments
    return type(arguments[0]).__name__ if of_class else function.__name__


def tensors_of(value: Tensor | Iterable[Tensor], argument: str) -> list[Tensor]:
    """One Tensor or several in a list; TypeError for what is none.

    >>> tensors_of([1.0], "inputs")
    Traceback (most recent call last):
    TypeError: inputs[0] must be a Tensor, got 1.0
    """
    from .tensor import Tensor

    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(f"{argument} must be a Tensor or several in a list, got {_shown(value)}")
    tensors = list(value)
    for i, x in enumerate(tensors):
        if not isinstance(x, Tensor):
            raise TypeError(f"{argument}[{i}] must be a Tensor, got {_shown(x)}")
    return tensors

"""An operation's options as they stand in its box: `3x3 s1 p1` for a convolution, `dim 0, 1` for a sum."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ...autograd import Node
from ...kernels import Geometry, Windows

AS_OPTIONS = {  # inputs that are options to whoever calls the operation, where they are numbers
    "pow": {"a": "base", "b": "exponent"},
    "clip": {"low": "min", "high": "max"},
}


def options(node: Node, dtype: np.dtype | None = None) -> str:
    """The options that the node's rules kept, such as `3x3 s1 p1` or `dim 0, 1`; '' where there are none.

    `dtype` is that of the result, which a node does not know.
    """
    primitive, kept = node.primitive, node.kept
    texts = [
        f"{called} {_text(number)}"
        for name, called in AS_OPTIONS.get(primitive.name, {}).items()
        if (number := single(kept.get(name))) is not None and not (primitive.name == "clip" and np.isinf(number))
    ]
    if primitive.name == "cast" and dtype is not None:
        texts.append(str(dtype))
    for name, value in sorted(kept.items()):
        if name in (*primitive.inputs, "out", "residual") or name.endswith("_shape"):
            continue
        if isinstance(value, Geometry):
            texts.append(_convolution(node, value))
        elif isinstance(value, Windows):
            texts.append(_movement(value, value.kernel) + _counted(value, kept.get("share")))
        elif name == "index" and primitive.name in ("take", "put", "overwrite"):
            index = value if isinstance(value, tuple) else (value,)
            texts.append("[" + ", ".join(map(_index, index)) + "]")
        elif name == "widths":
            texts.append(_widths(value))
        elif primitive.name == "dropout":  # what is kept is multiplied by 1 / (1 - p)
            texts.append(f"p {_text(1 - 1 / value if value else 1.0)}")
        elif isinstance(value, str):
            texts.append(value)
        elif isinstance(value, (int, float, tuple, np.generic)):
            texts.append(f"{name} {_text(value)}")
    return ", ".join(texts)


def single(value: Any) -> Any:
    """The number that an input of an operation is, if it is just one; else None."""
    array = getattr(value, "_array", value)
    if isinstance(array, (np.ndarray, np.generic)) and not array.ndim:
        return array.item()
    return array if isinstance(array, (int, float)) else None


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_text, value))
    return f"{value:.4g}" if isinstance(value, (float, np.floating)) else str(value)


def _convolution(node: Node, moves: Geometry) -> str:
    """A convolution's kernel and how it moves; transposed, what its padding adds to the result."""
    name, kept = node.primitive.name, node.kept
    weight = kept.get("weight")
    kernel = kept.get("weight_shape", () if weight is None else weight.shape)[2:]
    if name == "convolve_weight":
        kernel = node.shape[2:]
    text = _movement(moves, kernel)
    if name == "convolve_input" and kernel:
        sizes = zip(node.shape[2:], kernel, moves.stride, moves.padding, moves.dilation, strict=True)
        height, width = ((n + 2 * p - d * (k - 1) - 1) % s for n, k, s, p, d in sizes)
        text += f" output padding {_pair((height, width))}" if height or width else ""
    return text


def _counted(windows: Windows, share: np.ndarray | None) -> str:
    """By what an average pool divides, where that is not its windows' size."""
    if share is None or not share.size or round(1 / share.flat[0]) == prod(windows.kernel):
        return ""
    return f" divisor {1 / share.flat[0]:.4g}" if np.ptp(share) == 0 else " padding not counted"


def _widths(widths: Sequence[tuple[int, int]]) -> str:
    """A border as F.pad takes it: before and after the last axis, then the one before it, as far as there is one."""
    pairs = list(reversed(widths))
    while pairs and not any(pairs[-1]):
        pairs.pop()
    return _text(tuple(width for pair in pairs for width in pair))


def _movement(moves: Geometry | Windows, kernel: Sequence[int]) -> str:
    """How a kernel or a window moves: its size, stride, padding, and what else is out of the ordinary."""
    parts = ["x".join(map(str, kernel)), f"s{_pair(moves.stride)}", f"p{_pair(moves.padding)}"]
    if moves.dilation != (1, 1):
        parts.append(f"d{_pair(moves.dilation)}")
    if isinstance(moves, Geometry) and moves.groups > 1:
        parts.append(f"groups {moves.groups}")
    return " ".join(filter(None, parts))


def _pair(values: tuple[int, int]) -> str:
    return str(values[0]) if values[0] == values[1] else f"{values[0]},{values[1]}"


def _index(part: Any) -> str:
    """One axis of an index, as it is written between brackets."""
    if isinstance(part, slice):
        return ":".join("" if n is None else str(n) for n in (part.start, part.stop, part.step)[: 2 + bool(part.step)])
    return "array" if np.ndim(part) else "..." if part is Ellipsis else str(part)

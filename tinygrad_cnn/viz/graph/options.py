"""An operation's options as they stand in its box: `3x3 s1 p1` for a convolution, `dim 0, 1` for a sum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...autograd import Node
from ...kernels import Geometry, Windows


def options(node: Node) -> str:
    """The options that the node's rules kept, such as `3x3 s1 p1` or `dim 0, 1`; '' where there are none."""
    primitive, kept = node.primitive, node.kept
    texts = []
    for name, value in sorted(kept.items()):
        if name in (*primitive.inputs, "out", "residual") or name.endswith("_shape"):
            continue
        if isinstance(value, (Geometry, Windows)):
            weight = kept.get("weight")
            kernel = kept.get("weight_shape", () if weight is None else weight.shape)[2:]
            texts.append(_movement(value, kernel if isinstance(value, Geometry) else value.kernel))
        elif name == "index":
            index = value if isinstance(value, tuple) else (value,)
            texts.append("[" + ", ".join(map(_index, index)) + "]")
        elif isinstance(value, str):
            texts.append(value)
        elif isinstance(value, (int, float, tuple)):
            texts.append(f"{name} {value}".replace("(", "").replace(",)", "").replace(")", ""))
    return ", ".join(texts)


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

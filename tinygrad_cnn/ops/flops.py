"""How many floating-point operations a primitive's run takes, from shapes alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

Shape = tuple[int, ...]


def flops(primitive_name: str, inputs: Sequence[Shape | None], out: Shape, options: Mapping[str, Any]) -> int:
    """Floating-point operations of one run of a primitive on inputs of these shapes, None where one is not known.

    A multiply-add counts as 2: exactly for convolutions and matrix products, whose sums start from the bias. For
    other operations it is 1 for each value read or written, and 0 where values only move. Raises TypeError if a
    shape that it takes is not known.

    >>> from tinygrad_cnn.ops.flops import flops
    >>> flops("matrix_product", [(3, 4), (4, 5)], (3, 5), {})
    120
    """
    match primitive_name:
        case "convolve":  # (N, C, H, W), (O, C/groups, kh, kw) -> (N, O, H', W')
            return 2 * math.prod(out) * math.prod(_known(inputs[1])[1:])
        case "convolve_input":  # (N, O, H', W'), (O, C/groups, kh, kw): each value goes through one kernel
            return 2 * math.prod(_known(inputs[0])) * math.prod(_known(inputs[1])[1:])
        case "convolve_weight":  # (N, C, H, W), (N, O, H', W') -> (O, C/groups, kh, kw)
            return 2 * math.prod(_known(inputs[1])) * math.prod(out[1:])
        case "matrix_product":  # (..., M, K), (..., K, N)
            return 2 * math.prod(out) * (inputs[0] or _known(inputs[1])[:-1])[-1]
        case "affine":  # (N, I), (O, I)
            return 2 * math.prod(out) * _known(inputs[0] or inputs[1])[-1]
        case "contract":
            sizes: dict[str, int] = {}
            for axes, shape in zip(options["equation"].split("->")[0].split(","), inputs, strict=True):
                sizes |= zip(axes, _known(shape), strict=True)
            return len(inputs) * math.prod(sizes.values())
        case "reshape_to" | "reorder" | "clone" | "contiguous" | "cast" | "take" | "concatenate" | "pad_constant":
            return 0
    return max(math.prod(shape) for shape in (out, *inputs) if shape is not None)


def _known(shape: Shape | None) -> Shape:
    if shape is None:
        raise TypeError("flops: an input's shape is not known")
    return shape

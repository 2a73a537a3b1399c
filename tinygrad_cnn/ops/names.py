"""What the user calls an operation whose primitive has another name."""

from __future__ import annotations

import re

PUBLIC_NAMES = {  # where an operation is known by another name than its primitive's
    "convolve": "conv2d",
    "convolve_input": "conv_transpose2d",
    "convolve_weight": "conv2d_weight",
    "affine": "linear",
    "matrix_product": "matmul",
    "contract": "einsum",
    "normalize_channels": "batch_norm",
    "pool_max": "max_pool2d",
    "pool_largest": "max_pool2d",
    "pool_average": "avg_pool2d",
    "clip": "clamp",
    "cast": "to",
    "reorder": "permute",
    "broadcast": "expand",
    "take": "getitem",
    "overwrite": "setitem",
    "concatenate": "cat",
    "pad_constant": "pad",
    "max_over": "amax",
    "min_over": "amin",
    "euclidean_over": "norm",
}


def public_name(primitive_name: str) -> str:
    """The name by which a drawing or a table shows a primitive.

    >>> from tinygrad_cnn.ops.names import public_name
    >>> public_name("convolve"), public_name("sum_over"), public_name("relu")
    ('conv2d', 'sum', 'relu')
    """
    return PUBLIC_NAMES.get(primitive_name, re.sub("_(over|to|along)$", "", primitive_name))

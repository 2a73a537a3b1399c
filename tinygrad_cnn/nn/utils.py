"""Parameters taken together: gradients clipped as one, values as one long vector."""

from __future__ import annotations

import math
from collections.abc import Iterable

from .. import ops
from ..arguments import checked, tensors_of
from ..optim.clip import clip_grad_norm_, clip_grad_value_
from ..tensor import Tensor
from .parameter import overwrite

__all__ = ["clip_grad_norm_", "clip_grad_value_", "parameters_to_vector", "vector_to_parameters"]


@checked
def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All values in one tensor of one dimension, through which gradients flow to each parameter."""
    return ops.cat([parameter.reshape(-1) for parameter in tensors_of(parameters, "parameters")])


@checked
def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Write a vector's values back into the parameters; ValueError unless their sizes add up to its size."""
    parameters = tensors_of(parameters, "parameters")
    sizes = [math.prod(parameter.shape) for parameter in parameters]
    if vec.shape != (sum(sizes),):
        raise ValueError(f"vec has shape {vec.shape}, the parameters take a vector of {sum(sizes)} values")
    start = 0
    for parameter, size in zip(parameters, sizes, strict=True):
        overwrite(parameter, vec.data[start : start + size].reshape(parameter.shape))
        start += size

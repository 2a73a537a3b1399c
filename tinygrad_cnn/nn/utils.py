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
    """All values in one tensor of shape (count,), through which gradients flow to each parameter.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.utils.parameters_to_vector(tg.nn.Linear(3, 2).parameters()).shape
    (8,)
    """
    return ops.cat([parameter.reshape(-1) for parameter in tensors_of(parameters, "parameters")])


@checked
def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Write a vector's values, of shape (count,), back into the parameters.

    Raises ValueError unless their sizes add up to count.

    >>> import tinygrad_cnn as tg
    >>> layer = tg.nn.Linear(2, 1)
    >>> tg.nn.utils.vector_to_parameters(tg.Tensor([1.0, 2.0, 3.0]), layer.parameters())
    >>> layer.bias
    Parameter([3.])
    """
    parameters = tensors_of(parameters, "parameters")
    sizes = [math.prod(parameter.shape) for parameter in parameters]
    if vec.shape != (sum(sizes),):
        raise ValueError(f"vec has shape {vec.shape}, the parameters take a vector of {sum(sizes)} values")
    start = 0
    for parameter, size in zip(parameters, sizes, strict=True):
        overwrite(parameter, vec.data[start : start + size].reshape(parameter.shape))
        start += size

"""The F.* functions, with Torch's names and signatures: they check their arguments and call ops.

>>> import tinygrad_cnn as tg
>>> import tinygrad_cnn.functional as F
>>> F.relu(tg.Tensor([-1.0, 2.0]))
Tensor([0., 2.])
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from . import ops
from .arguments import checked
from .losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    huber_loss,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)
from .ops import (
    adaptive_avg_pool2d,
    avg_pool2d,
    conv2d,
    conv_transpose2d,
    linear,
    log_softmax,
    max_pool2d,
    pad,
    relu,
    sigmoid,
    softmax,
    tanh,
)
from .random import default_generator
from .tensor import Tensor

__all__ = [
    "adaptive_avg_pool2d",
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "conv2d",
    "conv_transpose2d",
    "cross_entropy",
    "dropout",
    "dropout2d",
    "elu",
    "gelu",
    "huber_loss",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "max_pool2d",
    "mse_loss",
    "nll_loss",
    "pad",
    "relu",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "tanh",
]


# -- activations ----------------------------------------------------------------------------------------------


@checked
def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """x where x > 0, else negative_slope * x; any shape. Maas, Hannun & Ng 2013.

    >>> import tinygrad_cnn as tg
    >>> import tinygrad_cnn.functional as F
    >>> F.leaky_relu(tg.Tensor([-1.0, 2.0]), 0.5)
    Tensor([-0.5,  2. ])
    """
    return ops.where(x > 0, x, x * negative_slope)


@checked
def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """x where x > 0, else alpha * (exp(x) - 1); any shape. Clevert, Unterthiner & Hochreiter 2016, equation 15.

    >>> import tinygrad_cnn as tg
    >>> import tinygrad_cnn.functional as F
    >>> F.elu(tg.Tensor([-100.0, 2.0]))
    Tensor([-1.,  2.])
    """
    return ops.where(x > 0, x, ops.expm1(ops.clamp(x, max=0.0)) * alpha)


@checked
def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """x times the normal distribution function at x; any shape. Hendrycks & Gimpel 2016, section 2.

    `approximate` is "none" or "tanh", which is off by less than 0.001; ValueError for anything else.

    >>> import tinygrad_cnn as tg
    >>> import tinygrad_cnn.functional as F
    >>> F.gelu(tg.Tensor([0.0, 100.0]))
    Tensor([  0., 100.])
    """
    if approximate == "none":
        return x * ((1 + ops.erf(x * math.sqrt(0.5))) * 0.5)
    if approximate == "tanh":
        near = ops.clamp(x, -20, 20)  # where the tanh is 1 already, so that the cube does not overflow
        return x * ((1 + ops.tanh((near + near * near * near * 0.044715) * math.sqrt(2 / math.pi))) * 0.5)
    raise ValueError(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}")


@checked
def silu(x: Tensor) -> Tensor:
    """x * sigmoid(x); any shape. Elfwing, Uchibe & Doya 2018.

    >>> import tinygrad_cnn as tg
    >>> import tinygrad_cnn.functional as F
    >>> F.silu(tg.Tensor([0.0, 100.0]))
    Tensor([  0., 100.])
    """
    return x * ops.sigmoid(x)


@checked
def softplus(x: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta * x)) / beta; x itself where beta * x > threshold, where they no longer differ; any shape.

    >>> import tinygrad_cnn as tg
    >>> import tinygrad_cnn.functional as F
    >>> F.softplus(tg.Tensor([0.0, 100.0]))
    Tensor([  0.6931472, 100.       ])
    """
    scaled = x * beta
    return ops.where(scaled > threshold, x, ops.softplus(scaled) / beta)


# -- dropout --------------------------------------------------------------------------------------------------


def _dropped(x: Tensor, shape: tuple[int, ...], p: float, generator: np.random.Generator | None) -> Tensor:
    keep = (generator or default_generator()).random(shape, dtype=np.float32) >= p
    return ops.dropout(x, keep, scale=0.0 if p == 1 else 1 / (1 - p))


def _check_probability(p: float, name: str) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: p is a probability and must lie in [0, 1], got {p}")


@checked
def dropout(
    x: Tensor, p: float = 0.5, training: bool = True, *, generator: np.random.Generator | None = None
) -> Tensor:
    """In training, each element is 0 with probability p, else divided by 1 - p; any shape. Srivastava et al. 2014.

    Draws come from `generator`, or the default one. Raises ValueError for a p outside [0, 1].

    >>> import tinygrad_cnn as tg
    >>> import tinygrad_cnn.functional as F
    >>> sorted(set(F.dropout(tg.ones(100), p=0.5).tolist()))
    [0.0, 2.0]
    """
    _check_probability(p, "dropout")
    return _dropped(x, x.shape, p, generator) if training and p else x


@checked
def dropout2d(
    x: Tensor, p: float = 0.5, training: bool = True, *, generator: np.random.Generator | None = None
) -> Tensor:
    """Dropout of whole channels. x: (N, C, ...), with three axes too. Tompson et al. 2015, section 3.2.

    Raises ValueError for fewer than two axes and for a p outside [0, 1].

    >>> import tinygrad_cnn as tg
    >>> import tinygrad_cnn.functional as F
    >>> sorted(set(F.dropout2d(tg.ones(4, 8, 2, 2), p=0.5).sum((2, 3)).flatten().tolist()))
    [0.0, 8.0]
    """
    _check_probability(p, "dropout2d")
    if x.ndim < 2:
        raise ValueError(f"dropout2d: x should be (N, C, ...), got shape {x.shape}")
    return _dropped(x, (*x.shape[:2], *(1,) * (x.ndim - 2)), p, generator) if training and p else x


# -- normalisation --------------------------------------------------------------------------------------------


@checked
def batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel with zero mean and unit variance, times weight plus bias. Ioffe & Szegedy 2015, algorithm 1.

    x: (N, C, ...); the others: (C,). In training the statistics are the batch's, and the running ones, where
    given, move towards them by `momentum` (the variance unbiased); else the running ones are used. Raises
    ValueError for one value per channel in training, and for shapes that do not fit; TypeError for what is not floats.

    >>> import tinygrad_cnn as tg
    >>> import tinygrad_cnn.functional as F
    >>> F.batch_norm(tg.Tensor([[1.0], [3.0]]), None, None, training=True).data.round(3).tolist()
    [[-1.0], [1.0]]
    """
    if x.ndim < 2:
        raise ValueError(f"batch_norm: x should be (N, C, ...), got shape {x.shape}")
    if x.dtype.kind != "f":
        raise TypeError(f"batch_norm: x should hold floats, got {x.dtype}; convert it with .float()")
    channels = x.shape[1]
    for name, t in {
        "running_mean": running_mean,
        "running_var": running_var,
        "weight": weight,
        "bias": bias,
    }.items():
        if t is not None and t.shape != (channels,):
            raise ValueError(f"batch_norm: {name} should have shape ({channels},) to fit x {x.shape}, got {t.shape}")
    if not training and (running_mean is None or running_var is None):
        raise ValueError("batch_norm: running_mean and running_var are needed when not training")
    scale, shift = (1.0 if weight is None else weight), (0.0 if bias is None else bias)
    if not training:
        scale = ops.rsqrt(running_var + eps) * scale  # type: ignore[operator]
        return ops.scale_and_shift(x, scale, shift - running_mean * scale)
    count = x.numel() // channels if channels else 0
    if count == 1:
        raise ValueError(f"batch_norm: training needs more than one value per channel, x has shape {x.shape}")
    statistics = ops.channel_statistics(x)
    if count:
        mean, variance = statistics.data
        _follow(running_mean, mean, momentum)
        _follow(running_var, variance * (count / (count - 1)), momentum)
    return ops.normalize_channels(x, scale, shift, statistics=statistics, eps=eps)


def _follow(running: Tensor | None, statistic: np.ndarray, momentum: float) -> None:
    if running is not None:
        running.data = running.data + momentum * (statistic.astype(running.dtype) - running.data)


@checked
def layer_norm(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Each item's last axes with zero mean and unit variance, times weight plus bias. Ba, Kiros & Hinton 2016.

    x: (..., *normalized_shape); weight and bias: normalized_shape. Raises ValueError where they do not fit.

    >>> import tinygrad_cnn as tg
    >>> import tinygrad_cnn.functional as F
    >>> F.layer_norm(tg.Tensor([[1.0, 3.0]]), (2,)).data.round(3).tolist()
    [[-1.0, 1.0]]
    """
    last = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not last or x.shape[-len(last) :] != last:
        raise ValueError(f"layer_norm: x of shape {x.shape} should end in normalized_shape {last}")
    for name, t in {"weight": weight, "bias": bias}.items():
        if t is not None and t.shape != last:
            raise ValueError(f"layer_norm: {name} should have shape {last}, got {t.shape}")
    scale, shift = (1.0 if weight is None else weight), (0.0 if bias is None else bias)
    return ops.layer_norm(x, scale, shift, axes=len(last), eps=eps)

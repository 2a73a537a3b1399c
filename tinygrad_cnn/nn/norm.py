"""Normalisation layers: over the batch, channel by channel, or within each example."""

from __future__ import annotations

import numpy as np

from .. import functional as F
from ..arguments import checked
from ..tensor import Tensor
from .module import Module
from .parameter import Buffer, Parameter, overwrite

__all__ = ["BatchNorm1d", "BatchNorm2d", "LayerNorm"]


class _BatchNorm(Module):
    """Both batch normalisations; they differ in the shapes they take. BatchNorm1d says what they compute."""

    expected: dict[int, str]  # the number of dimensions that it takes: their names

    @checked
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
    ) -> None:
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight = Parameter(np.ones(num_features, np.float32)) if affine else None
        self.bias = Parameter(np.zeros(num_features, np.float32)) if affine and bias else None
        self.running_mean = Buffer(np.zeros(num_features, np.float32)) if track_running_stats else None
        self.running_var = Buffer(np.ones(num_features, np.float32)) if track_running_stats else None
        self.num_batches_tracked = Buffer(np.array(0, np.int64)) if track_running_stats else None

    @checked
    def forward(self, x: Tensor) -> Tensor:
        if x.ndim not in self.expected:
            raise ValueError(
                f"{type(self).__name__}: expected {' or '.join(self.expected.values())}, got shape {x.shape}"
            )
        tracked = self.num_batches_tracked if self.track_running_stats else None
        batches = 1 if tracked is None else tracked.item() + 1
        use_running = not self.training or tracked is not None
        out = F.batch_norm(
            x,
            self.running_mean if use_running else None,
            self.running_var if use_running else None,
            self.weight,
            self.bias,
            training=self.training or self.running_mean is None,
            momentum=1 / batches if self.momentum is None else self.momentum,
            eps=self.eps,
        )
        if self.training and tracked is not None:
            overwrite(tracked, batches)
        return out

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """Normalise each channel of `(N, C)` or `(N, C, L)` over the batch. Ioffe & Szegedy 2015, algorithm 1.

    (x - mean) / sqrt(var + eps) * weight + bias. In training, mean and biased variance are the batch's own,
    and the running ones move towards the batch's mean and unbiased variance:
    running = (1 - momentum) * running + momentum * batch. In evaluation the running ones are used.
    `momentum=None` keeps the plain average over all batches; with `track_running_stats=False` there are no
    running ones, and the batch's own are used always. Raises ValueError for another number of axes.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.BatchNorm1d(1)(tg.Tensor([[1.0], [3.0]])).data.round(3).tolist()
    [[-1.0], [1.0]]
    """

    expected = {2: "(N, C)", 3: "(N, C, L)"}  # noqa: RUF012


class BatchNorm2d(_BatchNorm):
    """Normalise each channel of `(N, C, H, W)` over the batch. What it computes, and errors, as in BatchNorm1d.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.BatchNorm2d(1)(tg.Tensor([[[[1.0, 3.0]]]])).data.round(3).tolist()
    [[[[-1.0, 1.0]]]]
    """

    expected = {4: "(N, C, H, W)"}  # noqa: RUF012


class LayerNorm(Module):
    """Normalise each example, `(..., *normalized_shape)`, over those last dimensions, then scale and shift it.

    (x - mean) / sqrt(var + eps) * weight + bias, with the biased variance. Ba, Kiros & Hinton 2016.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.LayerNorm(2)(tg.Tensor([[1.0, 3.0]])).data.round(3)
    array([[-1.,  1.]], dtype=float32)
    """

    @checked
    def __init__(
        self,
        normalized_shape: int | tuple[int, ...] | list[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.normalized_shape, self.eps, self.elementwise_affine = shape, eps, elementwise_affine
        self.weight = Parameter(np.ones(shape, np.float32)) if elementwise_affine else None
        self.bias = Parameter(np.zeros(shape, np.float32)) if elementwise_affine and bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )

"""Pooling layers over `(N, C, H, W)` or `(C, H, W)`."""

from __future__ import annotations

from .. import functional as F
from ..arguments import checked
from ..tensor import Tensor
from .module import Module

__all__ = ["AdaptiveAvgPool2d", "AvgPool2d", "MaxPool2d"]

Size = int | tuple[int, int]


class MaxPool2d(Module):
    """The largest value in each window: `(N, C, H, W)` to `(N, C, H', W')`, as in `F.max_pool2d`, or without N.

    `stride` is the window's size unless given. Raises NotImplementedError for `return_indices`.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.MaxPool2d(2)(tg.Tensor([[[1.0, 2.0], [3.0, 4.0]]]))
    Tensor([[[4.]]])
    """

    @checked
    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        if return_indices:
            raise NotImplementedError("MaxPool2d: return_indices=True is not offered")
        self.kernel_size, self.padding, self.dilation = kernel_size, padding, dilation
        self.stride = kernel_size if stride is None else stride
        self.ceil_mode = ceil_mode

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, self.kernel_size, self.stride, self.padding, self.dilation, ceil_mode=self.ceil_mode)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class AvgPool2d(Module):
    """The mean of each window: `(N, C, H, W)` to `(N, C, H', W')`, as in `F.avg_pool2d`, or without N.

    `stride` is the window's size unless given. Padding counts as zeros, or with `count_include_pad=False` not at all;
    `divisor_override` replaces the number of values that the sum is divided by.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.AvgPool2d(2)(tg.Tensor([[[1.0, 2.0], [3.0, 4.0]]]))
    Tensor([[[2.5]]])
    """

    @checked
    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        self.kernel_size, self.padding, self.ceil_mode = kernel_size, padding, ceil_mode
        self.stride = kernel_size if stride is None else stride
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(
            x,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AdaptiveAvgPool2d(Module):
    """Means over as many windows as the output has pixels: `(N, C, H, W)` to `(N, C, *output_size)`, or without N.

    `output_size` is an int or a pair; None in it keeps the input's size. The windows: see `F.adaptive_avg_pool2d`.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.AdaptiveAvgPool2d(1)(tg.ones(2, 3, 8, 8)).shape
    (2, 3, 1, 1)
    """

    @checked
    def __init__(self, output_size: int | tuple[int | None, int | None] | None) -> None:
        self.output_size = output_size

    def forward(self, x: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(x, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"

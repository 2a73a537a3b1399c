"""Convolution layers over `(N, C, H, W)` or `(C, H, W)`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import functional as F
from ..arguments import checked
from ..ops.support import pair
from ..tensor import Tensor
from . import init
from .module import Module
from .parameter import Parameter

__all__ = ["Conv2d", "ConvTranspose2d"]

Pair = tuple[int, int]
PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _Conv(Module):
    """What a convolution and its transpose share: options and parameters."""

    transposed = False
    padding: Any  # a pair; a Conv2d's may also be "same" or "valid"

    @checked
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair,
        padding: int | Pair | str,
        dilation: int | Pair,
        output_padding: int | Pair,
        groups: int,
        bias: bool,
        padding_mode: str,
    ) -> None:
        name = type(self).__name__
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{name}: groups={groups} must be positive and divide in_channels={in_channels} "
                f"and out_channels={out_channels}"
            )
        if padding_mode not in PADDING_MODES:
            raise ValueError(f"{name}: padding_mode must be one of {PADDING_MODES}, not {padding_mode!r}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = pair(kernel_size, name, "kernel_size", 1)
        self.stride = pair(stride, name, "stride", 1)
        by_name = not self.transposed and padding in ("same", "valid")
        self.padding = padding if by_name else pair(padding, name, "padding", 0)  # type: ignore[arg-type]
        self.dilation = pair(dilation, name, "dilation", 1)
        self.output_padding = pair(output_padding, name, "output_padding", 0)
        self.padding_mode = padding_mode

        rows, columns = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        self.weight = Parameter(np.empty((rows, columns // groups, *self.kernel_size), np.float32))
        self.bias = Parameter(np.empty(out_channels, np.float32)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new values."""
        init.fan_in_uniform_(self.weight, self.bias)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0, 0):
            text += f", padding={self.padding}"
        if self.dilation != (1, 1):
            text += f", dilation={self.dilation}"
        if self.output_padding != (0, 0):
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


class Conv2d(_Conv):
    """Cross-correlation with a bank of kernels: `(N, in, H, W)` to `(N, out, H', W')`, or the same without N.

    `kernel_size`, `stride`, `padding` and `dilation` are numbers or pairs (height, width); `padding` may also be
    'valid' (none) or 'same' (H' = H, with stride 1), `padding_mode` 'zeros', 'reflect', 'replicate' or 'circular'. H'
    is as in `F.conv2d`. The weight is `(out, in / groups, height, width)`; it and the bias start from U(-r, r), r = 1 /
    sqrt(in / groups * height * width). Raises ValueError for options that do not fit together.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.Conv2d(3, 16, 3, padding=1)(tg.ones(2, 3, 8, 8)).shape
    (2, 16, 8, 8)
    """

    @checked
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair | str = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, 0, groups, bias, padding_mode
        )
        if padding == "same" and self.stride != (1, 1):
            raise ValueError(f"Conv2d: padding='same' needs stride 1, not {self.stride}")

    def _margins(self) -> list[int]:
        """Left, right, top and bottom, as F.pad takes them."""
        if self.padding == "same":
            height, width = (d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True))
            return [width // 2, width - width // 2, height // 2, height - height // 2]
        height, width = (0, 0) if self.padding == "valid" else self.padding
        return [width, width, height, height]

    def forward(self, x: Tensor) -> Tensor:
        if self.padding_mode == "zeros":
            return F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)
        x = F.pad(x, self._margins(), mode=self.padding_mode)
        return F.conv2d(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class ConvTranspose2d(_Conv):
    """The transpose of Conv2d, which undoes its change of shape: `(N, in, H, W)` to `(N, out, H', W')`.

    H' = (H - 1) * stride - 2 * padding + dilation * (height - 1) + output_padding + 1. A call may give the
    `output_size` it wants, (H', W'), in place of `output_padding`. The weight is `(in, out / groups, height, width)`.
    Raises ValueError for another `padding_mode` than 'zeros' and for options that do not fit together.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.ConvTranspose2d(16, 3, 2, stride=2)(tg.ones(2, 16, 4, 4)).shape
    (2, 3, 8, 8)
    """

    transposed = True

    @checked
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        output_padding: int | Pair = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | Pair = 1,
        padding_mode: str = "zeros",
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f"ConvTranspose2d: padding_mode must be 'zeros', not {padding_mode!r}")
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            output_padding,
            groups,
            bias,
            padding_mode,
        )

    def _output_padding_for(self, x: Tensor, output_size: Sequence[int]) -> Pair:
        wanted = tuple(output_size)[-2:]
        options = zip(x.shape[-2:], self.stride, self.padding, self.dilation, self.kernel_size, strict=True)
        smallest = tuple((size - 1) * s - 2 * p + d * (k - 1) + 1 for size, s, p, d, k in options)
        largest = tuple(least + s - 1 for least, s in zip(smallest, self.stride, strict=True))
        if not all(low <= w <= high for low, w, high in zip(smallest, wanted, largest, strict=True)):
            raise ValueError(
                f"ConvTranspose2d: output_size {wanted} is out of reach from an input of {x.shape[-2:]}: "
                f"it can be from {smallest} to {largest}"
            )
        return wanted[0] - smallest[0], wanted[1] - smallest[1]

    def forward(self, x: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        extra = self.output_padding if output_size is None else self._output_padding_for(x, output_size)
        return F.conv_transpose2d(
            x, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )

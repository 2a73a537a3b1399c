"""Convolution, which closes over itself.

T(x, w, y) = sum(y * conv2d(x, w)) is linear in each argument. Its partial derivatives are `convolve`,
`convolve_input` (the transposed convolution, told the input's size) and `convolve_weight` (told the kernel's
size), and each one's vjp is the other two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import kernels
from ..arguments import checked
from ..autograd import primitive
from ..kernels import Geometry
from .shape import expand_to, pad, reshape
from .support import pair

if TYPE_CHECKING:
    from ..tensor import Tensor

Size = int | tuple[int, int]


@primitive(
    x=lambda g, weight, x_shape, geometry: convolve_input(g, weight, geometry=geometry, size=x_shape[2:]),
    weight=lambda g, x, weight_shape, geometry: convolve_weight(x, g, geometry=geometry, kernel=weight_shape[2:]),
    bias=lambda g: sum_channels(g),
)
def convolve(x: np.ndarray, weight: np.ndarray, bias: Any = None, *, geometry: Geometry) -> np.ndarray:
    """(N, C, H, W), (O, C/groups, kh, kw), (O,) -> (N, O, H', W')."""
    return kernels.conv2d(x, weight, geometry, bias)


@primitive(
    g=lambda c, weight, geometry: convolve(c, weight, geometry=geometry),
    weight=lambda c, g, weight_shape, geometry: convolve_weight(c, g, geometry=geometry, kernel=weight_shape[2:]),
)
def convolve_input(g: np.ndarray, weight: np.ndarray, *, geometry: Geometry, size: tuple[int, int]) -> np.ndarray:
    """(N, O, H', W'), (O, C/groups, kh, kw) -> (N, C, *size)."""
    return kernels.conv2d_input(g, weight, geometry, size)


@primitive(
    x=lambda c, g, x_shape, geometry: convolve_input(g, c, geometry=geometry, size=x_shape[2:]),
    g=lambda c, x, geometry: convolve(x, c, geometry=geometry),
)
def convolve_weight(x: np.ndarray, g: np.ndarray, *, geometry: Geometry, kernel: tuple[int, int]) -> np.ndarray:
    """(N, C, H, W), (N, O, H', W') -> (O, C/groups, *kernel)."""
    return kernels.conv2d_weight(x, g, geometry, kernel)


@primitive(x=lambda g, x_shape: expand_to(reshape(g, (1, -1, 1, 1)), x_shape))
def sum_channels(x: np.ndarray) -> np.ndarray:
    """Each channel's sum. (N, C, H, W) -> (C,)."""
    return kernels.sum_channels(x)


def _geometry(name: str, stride: Size, padding: Size, dilation: Size, groups: int) -> Geometry:
    if not isinstance(groups, int) or groups < 1:
        raise ValueError(f"{name}: groups must be a positive int, got {groups!r}")
    return Geometry(
        pair(stride, name, "stride", 1),
        pair(padding, name, "padding", 0),
        pair(dilation, name, "dilation", 1),
        groups,
    )


def _batched(x: Tensor, weight: Tensor, bias: Tensor | None, outputs: int, name: str) -> Tensor:
    """x as (N, C, H, W), after the checks that both convolutions share."""
    if x.ndim not in (3, 4):
        raise ValueError(f"{name}: x should be (N, C, H, W) or (C, H, W), got shape {x.shape}")
    if weight.ndim != 4 or not weight.shape[2] or not weight.shape[3]:
        raise ValueError(f"{name}: weight should have 4 axes and a kernel of at least 1x1, got shape {weight.shape}")
    if bias is not None and bias.shape != (outputs,):
        raise ValueError(f"{name}: bias should have shape ({outputs},), one for each output channel, got {bias.shape}")
    for label, tensor in (("x", x), ("weight", weight)):
        if tensor.dtype.kind != "f":
            raise TypeError(f"{name}: {label} should hold floats, got {tensor.dtype}; convert it with .float()")
    return x if x.ndim == 4 else reshape(x, (1, *x.shape))


def _same(x: Tensor, weight: Tensor, stride: Size, dilation: Size) -> tuple[Tensor, Size]:
    """Padding that keeps the image's size; where it is odd, the further side gets one more."""
    if pair(stride, "conv2d", "stride", 1) != (1, 1):
        raise ValueError(f"conv2d: padding='same' needs stride 1, got {stride}")
    spare = [d * (k - 1) for d, k in zip(pair(dilation, "conv2d", "dilation", 1), weight.shape[2:], strict=True)]
    odd = [n % 2 for n in spare]
    if any(odd):
        x = pad(x, (0, odd[1], 0, odd[0]))
    return x, (spare[0] // 2, spare[1] // 2)


@checked
def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of images with kernels.

    x: (N, C, H, W) or (C, H, W); weight: (O, C/groups, kh, kw); bias: (O,) -> (N, O, H', W') or (O, H', W')
    with H' = (H + 2 padding - dilation (kh - 1) - 1) // stride + 1. padding is an int, a pair, "valid" or
    "same". Raises ValueError where channels, groups or sizes do not fit.

    >>> import tinygrad_cnn as tg
    >>> import tinygrad_cnn.functional as F
    >>> F.conv2d(tg.ones(1, 1, 3, 3), tg.ones(1, 1, 3, 3), padding=1)
    Tensor([[[[4., 6., 4.],
              [6., 9., 6.],
              [4., 6., 4.]]]])
    """
    images = _batched(x, weight, bias, weight.shape[0] if weight.ndim else 0, "conv2d")
    if padding == "same":
        images, padding = _same(images, weight, stride, dilation)
    elif padding == "valid":
        padding = 0
    elif isinstance(padding, str):
        raise ValueError(f"conv2d: padding must be an int, a pair, 'same' or 'valid', got {padding!r}")
    geometry = _geometry("conv2d", stride, padding, dilation, groups)
    expected = weight.shape[1] * groups
    shapes = f"(x: {x.shape}, weight: {weight.shape}{f', groups: {groups}' if groups > 1 else ''})"
    if images.shape[1] != expected:
        raise ValueError(f"conv2d: weight expects {expected} input channels but x has {images.shape[1]} {shapes}")
    if weight.shape[0] % groups:
        raise ValueError(f"conv2d: {weight.shape[0]} output channels cannot be split into {groups} groups {shapes}")
    if min(geometry.output_size(images.shape[2:], weight.shape[2:])) < 1:
        reach = tuple(d * (k - 1) + 1 for d, k in zip(geometry.dilation, weight.shape[2:], strict=True))
        raise ValueError(
            f"conv2d: the kernel, {reach} with its dilation, reaches beyond the image padded by "
            f"{geometry.padding} {shapes}"
        )
    inputs = (images, weight) if bias is None else (images, weight, bias)
    out = convolve(*inputs, geometry=geometry)
    return out if x.ndim == 4 else reshape(out, out.shape[1:])


@checked
def conv_transpose2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """The transposed convolution: the adjoint of conv2d with the same weight.

    x: (N, C, H, W) or (C, H, W); weight: (C, O/groups, kh, kw); bias: (O,) -> (N, O, H', W') or (O, H', W')
    with H' = (H - 1) stride - 2 padding + dilation (kh - 1) + output_padding + 1. Raises ValueError where
    channels, groups or sizes do not fit.

    >>> import tinygrad_cnn as tg
    >>> import tinygrad_cnn.functional as F
    >>> F.conv_transpose2d(tg.Tensor([[[1.0, 2.0]]]), tg.ones(1, 1, 2, 2), stride=2)
    Tensor([[[1., 1., 2., 2.],
             [1., 1., 2., 2.]]])
    """
    name = "conv_transpose2d"
    images = _batched(x, weight, bias, weight.shape[1] * groups if weight.ndim > 1 else 0, name)
    geometry = _geometry(name, stride, padding, dilation, groups)
    extra = pair(output_padding, name, "output_padding", 0)
    shapes = f"(x: {x.shape}, weight: {weight.shape}{f', groups: {groups}' if groups > 1 else ''})"
    if images.shape[1] != weight.shape[0]:
        raise ValueError(
            f"{name}: weight expects {weight.shape[0]} input channels but x has {images.shape[1]} {shapes}"
        )
    if weight.shape[0] % groups:
        raise ValueError(f"{name}: {weight.shape[0]} input channels cannot be split into {groups} groups {shapes}")
    if any(e >= max(s, d) for e, s, d in zip(extra, geometry.stride, geometry.dilation, strict=True)):
        raise ValueError(f"{name}: output_padding {extra} must be smaller than stride or dilation {shapes}")
    height, width = (
        (n - 1) * s - 2 * p + d * (k - 1) + e + 1
        for n, s, p, d, k, e in zip(
            images.shape[2:],
            geometry.stride,
            geometry.padding,
            geometry.dilation,
            weight.shape[2:],
            extra,
            strict=True,
        )
    )
    if min(height, width) < 1:
        raise ValueError(f"{name}: the result would have size {(height, width)}; use less padding {shapes}")
    # Output padding as wide as the stride makes room for more places than x has: with zeros they add nothing.
    rows, columns = geometry.output_size((height, width), weight.shape[2:])
    if (rows, columns) != images.shape[2:]:
        images = pad(images, (0, columns - images.shape[3], 0, rows - images.shape[2]))
    out = convolve_input(images, weight, geometry=geometry, size=(height, width))
    if bias is not None:
        out = out + reshape(bias, (-1, 1, 1))
    return out if x.ndim == 4 else reshape(out, out.shape[1:])

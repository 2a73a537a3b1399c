"""Pooling. A max pool is a linear gather once its winners are known; an average pool is linear anyway."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import kernels
from ..arguments import checked
from ..autograd import primitive
from ..kernels import Windows
from ..modes import is_grad_enabled
from .reduce import mean
from .shape import cat, reshape, transpose
from .support import pair

if TYPE_CHECKING:
    from ..tensor import Tensor

Size = int | tuple[int, int]


@primitive(
    residual=True,
    x=lambda g, x_shape, residual, windows: unpool_max(g, winner=residual, windows=windows, size=x_shape[2:]),
)
def pool_max(x: np.ndarray, *, windows: Windows) -> tuple[np.ndarray, np.ndarray]:
    """(N, C, H, W) -> (N, C, H', W'), and which element of each window was the largest."""
    return kernels.max_windows(x, windows)


@primitive()
def pool_largest(x: np.ndarray, *, windows: Windows) -> np.ndarray:
    """pool_max where nobody will ask which elements won: in four fifths of its time."""
    return kernels.largest_of_windows(x, windows)


@primitive(g=lambda c, winner, windows: pool_winners(c, winner=winner, windows=windows))
def unpool_max(g: np.ndarray, *, winner: np.ndarray, windows: Windows, size: tuple[int, int]) -> np.ndarray:
    """Each window's g at its winner's place, added up. (N, C, H', W') -> (N, C, *size)."""
    return kernels.spread_windows(g, winner, windows, size)


@primitive(x=lambda g, x_shape, winner, windows: unpool_max(g, winner=winner, windows=windows, size=x_shape[2:]))
def pool_winners(x: np.ndarray, *, winner: np.ndarray, windows: Windows) -> np.ndarray:
    """The elements at given winners' places. (N, C, H, W) -> (N, C, H', W')."""
    return kernels.take_windows(x, winner, windows)


@primitive(x=lambda g, x_shape, share, windows: unpool_average(g, share=share, windows=windows, size=x_shape[2:]))
def pool_average(x: np.ndarray, *, share: np.ndarray, windows: Windows) -> np.ndarray:
    """(N, C, H, W) -> (N, C, H', W'): each window's sum times its share (H', W')."""
    return kernels.average_windows(x, share, windows)


@primitive(g=lambda c, share, windows: pool_average(c, share=share, windows=windows))
def unpool_average(g: np.ndarray, *, share: np.ndarray, windows: Windows, size: tuple[int, int]) -> np.ndarray:
    """Each window's g times its share, added to all its elements. (N, C, H', W') -> (N, C, *size)."""
    return kernels.spread_average(g, share, windows, size)


def _windows(
    x: Tensor,
    name: str,
    kernel_size: Size,
    stride: Size | None,
    padding: Size,
    dilation: Size,
    ceil_mode: bool,
) -> tuple[Tensor, Windows]:
    """x as (N, C, H, W), and the windows that fit into it."""
    if x.ndim not in (3, 4):
        raise ValueError(f"{name}: x should be (N, C, H, W) or (C, H, W), got shape {x.shape}")
    if not min(x.shape[-3:]):
        raise ValueError(f"{name}: only the batch axis of x may be empty, got shape {x.shape}")
    if x.dtype.kind == "b":
        raise TypeError(f"{name}: x should hold numbers, got {x.dtype}; convert it with .float()")
    kernel = pair(kernel_size, name, "kernel_size", 1)
    step = kernel if stride is None or stride == () or stride == [] else pair(stride, name, "stride", 1)
    border, spread = pair(padding, name, "padding", 0), pair(dilation, name, "dilation", 1)
    if any(2 * p > k for p, k in zip(border, kernel, strict=True)):
        raise ValueError(f"{name}: padding {border} should be at most half of kernel_size {kernel}")
    places = []
    for n, k, s, p, d in zip(x.shape[-2:], kernel, step, border, spread, strict=True):
        room = n + 2 * p - d * (k - 1) - 1
        count = (room + s - 1) // s + 1 if ceil_mode else room // s + 1
        if ceil_mode and (count - 1) * s >= n + p:  # the last window must start inside
            count -= 1
        places.append(count)
    if min(places) < 1:
        raise ValueError(
            f"{name}: kernel_size {kernel} reaches beyond the padded image (x: {x.shape}, padding: {border})"
        )
    images = x if x.ndim == 4 else reshape(x, (1, *x.shape))
    return images, Windows(kernel, step, border, spread, (places[0], places[1]))


@checked
def max_pool2d(
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    """The largest element of each window; a tie, and its gradient, goes to the window's first element.

    x: (N, C, H, W) or (C, H, W) -> (N, C, H', W') or (C, H', W') with
    H' = (H + 2 padding - dilation (kernel_size - 1) - 1) // stride + 1, rounded up with `ceil_mode`. The
    stride is the kernel's size unless given. Padding never wins. Raises ValueError for windows that do not
    fit, and NotImplementedError for `return_indices`.

    >>> import tinygrad_cnn as tg
    >>> import tinygrad_cnn.functional as F
    >>> F.max_pool2d(tg.Tensor([[[1.0, 2.0], [3.0, 4.0]]]), 2)
    Tensor([[[4.]]])
    """
    if return_indices:
        raise NotImplementedError("max_pool2d: return_indices is not offered")
    images, windows = _windows(x, "max_pool2d", kernel_size, stride, padding, dilation, ceil_mode)
    records = is_grad_enabled() and images.requires_grad
    out = pool_max(images, windows=windows) if records else pool_largest(images, windows=windows)
    return out if x.ndim == 4 else reshape(out, out.shape[1:])


@functools.lru_cache(maxsize=64)
def _share(windows: Windows, size: tuple[int, int], count_include_pad: bool, divisor: int | None) -> np.ndarray:
    """One over the number of elements that each window averages. -> (H', W'), float64."""
    if divisor is not None:
        return np.full(windows.places, 1 / divisor)
    counts = []
    for n, p, k, s, places in zip(size, windows.padding, windows.kernel, windows.stride, windows.places, strict=True):
        start = np.arange(places) * s - p
        stop = np.minimum(start + k, n + p)
        counts.append(stop - start if count_include_pad else np.minimum(stop, n) - np.maximum(start, 0))
    return 1 / np.multiply.outer(*counts)


@checked
def avg_pool2d(
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window; shapes as in `max_pool2d`.

    Padding counts as zeros unless `count_include_pad` is False; `divisor_override` replaces the count. Raises
    ValueError for windows that do not fit and a divisor of 0, TypeError for what is not floats.

    >>> import tinygrad_cnn as tg
    >>> import tinygrad_cnn.functional as F
    >>> F.avg_pool2d(tg.Tensor([[[1.0, 2.0], [3.0, 4.0]]]), 2)
    Tensor([[[2.5]]])
    """
    if divisor_override == 0:
        raise ValueError("avg_pool2d: divisor_override must not be 0")
    if x.dtype.kind != "f":
        raise TypeError(f"avg_pool2d: x should hold floats, got {x.dtype}; convert it with .float()")
    images, windows = _windows(x, "avg_pool2d", kernel_size, stride, padding, 1, ceil_mode)
    share = _share(windows, images.shape[2:], count_include_pad, divisor_override).astype(x.dtype)
    out = pool_average(images, share=share, windows=windows)
    return out if x.ndim == 4 else reshape(out, out.shape[1:])


@checked
def adaptive_avg_pool2d(x: Tensor, output_size: Any) -> Tensor:
    """Means over a grid of output_size (an int or a pair; None keeps an axis) nearly equal windows.

    x: (N, C, H, W) or (C, H, W) -> (N, C, H', W') or (C, H', W'). Window i covers rows floor(i H / H') to
    ceil((i + 1) H / H'). Raises ValueError for other shapes and for empty images, TypeError for another output_size.

    >>> import tinygrad_cnn as tg
    >>> import tinygrad_cnn.functional as F
    >>> F.adaptive_avg_pool2d(tg.ones(2, 3, 8, 6), (4, None)).shape
    (2, 3, 4, 6)
    """
    if x.ndim not in (3, 4):
        raise ValueError(f"adaptive_avg_pool2d: x should be (N, C, H, W) or (C, H, W), got shape {x.shape}")
    sizes = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size, output_size)
    if len(sizes) != 2:
        raise TypeError(f"adaptive_avg_pool2d: output_size must be an int or a pair, got {output_size!r}")
    height, width = (n if size is None else size for size, n in zip(sizes, x.shape[-2:], strict=True))
    wanted = pair((height, width), "adaptive_avg_pool2d", "output_size", 0)
    if wanted == (1, 1) and x.shape[-2] and x.shape[-1]:
        return mean(x, (-2, -1), keepdim=True)  # both axes in one pass
    for dim, count in zip((-2, -1), wanted, strict=True):
        length = x.shape[dim]
        if not length:
            raise ValueError(f"adaptive_avg_pool2d: cannot average over an empty image (x: {x.shape})")
        if count == 1:
            x = mean(x, dim, keepdim=True)
        elif count and length % count == 0:
            shape = list(x.shape)
            at = x.ndim + dim
            x = mean(reshape(x, (*shape[:at], count, length // count, *shape[at + 1 :])), at + 1)
        else:
            edges = [(i * length // count, -(-(i + 1) * length // count)) for i in np.arange(count).tolist()]
            rows = x if dim == -1 else transpose(x, -1, -2)
            parts = [mean(rows[..., a:b], -1, keepdim=True) for a, b in edges]
            columns = cat(parts, -1) if parts else rows[..., :0]
            x = columns if dim == -1 else transpose(columns, -1, -2)
    return x

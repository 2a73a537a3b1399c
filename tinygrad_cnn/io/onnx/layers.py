"""Dense layers, convolution, pooling and normalisation in ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np

from .batch import Dim
from .graph import Call, Size


def _size(call: Call, i: int = 0) -> list[int]:
    """The size of the images or kernels that input i holds."""
    size = [n for n in call.input_shape(i)[2:] if not isinstance(n, Dim)]
    if len(size) < 2:
        call.refuse("a size of images or kernels changes with the batch's")
    return size


def affine(call: Call) -> str:
    return call.node("Gemm", *call.inputs, transB=1)


def convolve(call: Call) -> str:
    stride, padding, dilation, groups = call.options["geometry"]
    return call.node("Conv", *call.inputs, strides=stride, pads=padding * 2, dilations=dilation, group=groups)


def convolve_input(call: Call) -> str:
    stride, padding, dilation, groups = call.options["geometry"]
    images, kernels = _size(call), _size(call, 1)
    least = [
        (n - 1) * s - 2 * p + d * (k - 1) + 1
        for n, k, s, p, d in zip(images, kernels, stride, padding, dilation, strict=True)
    ]
    extra = [size - n for size, n in zip(call.options["size"], least, strict=True)]
    return call.node(
        "ConvTranspose", *call.inputs, strides=stride, pads=padding * 2, dilations=dilation, group=groups,
        output_padding=extra,
    )  # fmt: skip


def _windows(call: Call, kind: str, **attributes: Any) -> str:
    """Windows as many as there are places: padding behind the image makes room for the last ones."""
    kernel, stride, padding, dilation, places = call.options["windows"]
    sizes = _size(call)
    behind = tuple(
        max(0, (count - 1) * s + d * (k - 1) + 1 - n - p)
        for count, n, k, s, p, d in zip(places, sizes, kernel, stride, padding, dilation, strict=True)
    )
    return call.node(kind, *call.inputs, kernel_shape=kernel, strides=stride, pads=padding + behind, **attributes)


def pool_max(call: Call) -> str:
    return _windows(call, "MaxPool", dilations=call.options["windows"].dilation)


def pool_average(call: Call) -> str:
    mean = _windows(call, "AveragePool", count_include_pad=1)
    factor = call.options["share"] * np.prod(call.options["windows"].kernel)
    return mean if np.allclose(factor, 1) else call.node("Mul", mean, call.constant(factor, call.dtype))


def _along_channels(call: Call, name: str, shape: tuple[Size, ...]) -> str:
    """A name for (C,) in a shape that meets the channels of (N, C, ...)."""
    spare = len(call.input_shape()) - 2
    return call.node("Unsqueeze", name, call.graph.sizes(range(1, spare + 1))) if shape and spare else name


def scale_and_shift(call: Call) -> str:
    scale, shift = (_along_channels(call, call.input(i), call.input_shape(i)) for i in (1, 2))
    return call.node("Add", call.node("Mul", call.input(0), scale), shift)


def channel_statistics(call: Call) -> str:
    (x,) = call.inputs
    others = (0, *range(2, len(call.input_shape())))
    mean = call.over("ReduceMean", x, others, True)
    deviation = call.node("Sub", x, mean)
    variance = call.over("ReduceMean", call.node("Mul", deviation, deviation), others, True)
    return call.node("Concat", *(call.reshape(name, (1, call.shape[1])) for name in (mean, variance)), axis=0)


def normalize_channels(call: Call) -> str:
    statistics = call.name(call.options["statistics"], call.dtype)  # mean and variance: (2, C)
    mean, variance = (call.node("Gather", statistics, call.constant(i, np.int64)) for i in (0, 1))
    deviation = call.node("Sqrt", call.node("Add", variance, call.constant(call.options["eps"], call.dtype)))
    scale = call.node("Div", call.input(1), deviation)
    mean, scale = (_along_channels(call, name, (1,)) for name in (mean, scale))
    standard = call.node("Mul", call.node("Sub", call.input(0), mean), scale)
    return call.node("Add", standard, _along_channels(call, call.input(2), call.input_shape(2)))


def layer_norm(call: Call) -> str:
    axes = call.options["axes"]
    shape = call.graph.sizes(call.shape[len(call.shape) - axes :])
    weight, bias = (
        call.node("Expand", call.input(i), shape) if not call.input_shape(i) else call.input(i) for i in (1, 2)
    )
    return call.node("LayerNormalization", call.input(0), weight, bias, axis=-axes, epsilon=call.options["eps"])


LAYERS = {
    "affine": affine,
    "channel_statistics": channel_statistics,
    "convolve": convolve,
    "convolve_input": convolve_input,
    "layer_norm": layer_norm,
    "normalize_channels": normalize_channels,
    "pool_average": pool_average,
    "pool_largest": pool_max,
    "pool_max": pool_max,
    "scale_and_shift": scale_and_shift,
}

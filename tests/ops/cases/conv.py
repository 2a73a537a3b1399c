"""Convolutions over strides, paddings, dilations and groups; their shared kernel primitives."""

import tinygrad_cnn.functional as F
from tests.ops.cases.case import Case, case, normal

CONV = [
    ((1, 2, 4, 3), (2, 2, 2, 2), {}),
    ((2, 1, 3, 3), (2, 1, 3, 3), {"padding": 1}),
    ((1, 1, 5, 4), (1, 1, 2, 3), {"stride": 2}),
    ((1, 1, 5, 5), (1, 1, 3, 2), {"stride": (2, 1), "padding": (1, 2)}),
    ((1, 1, 5, 4), (1, 1, 2, 2), {"dilation": (3, 2)}),
    ((1, 1, 4, 4), (1, 1, 2, 2), {"stride": 2, "padding": 2, "dilation": 3}),
    ((1, 1, 2, 6), (1, 1, 1, 2), {"stride": 3}),
    ((1, 4, 3, 2), (4, 2, 2, 2), {"groups": 2}),
    ((1, 2, 3, 3), (2, 1, 3, 3), {"groups": 2, "padding": 1, "stride": 2}),
    ((1, 2, 2, 2), (6, 1, 1, 2), {"groups": 2}),
    ((1, 3, 2, 3), (2, 3, 1, 1), {}),
    ((2, 3, 3), (2, 2, 2, 2), {"padding": 1}),
    ((1, 1, 3, 4), (1, 1, 2, 3), {"padding": "same"}),
    ((1, 1, 4, 3), (1, 1, 2, 2), {"padding": "same", "dilation": 3}),
    ((1, 1, 3, 3), (1, 1, 2, 2), {"padding": "valid"}),
    ((0, 1, 3, 3), (2, 1, 2, 2), {}),
    ((1, 1, 1, 1), (1, 1, 3, 3), {"padding": 2}),
]
TRANSPOSED = [
    ((1, 2, 2, 3), (2, 2, 2, 2), {}),
    ((1, 1, 2, 3), (1, 1, 3, 2), {"stride": 2, "padding": 1}),
    ((1, 1, 2, 2), (1, 2, 2, 3), {"stride": (3, 2), "output_padding": (2, 1)}),
    ((1, 1, 2, 2), (1, 1, 2, 2), {"dilation": 2, "output_padding": 1}),
    ((1, 4, 2, 2), (4, 1, 2, 2), {"groups": 2, "stride": 2}),
    ((1, 2, 2), (1, 2, 3, 3), {"padding": (1, 2), "dilation": 2}),
    ((1, 1, 2, 3), (1, 1, 2, 2), {"dilation": 3, "output_padding": (2, 1), "padding": 1}),
    ((0, 1, 3, 3), (1, 2, 2, 2), {}),
]


def outputs_of(weight: tuple[int, ...], options: dict[str, object], transposed: bool) -> int:
    groups = options.get("groups", 1)
    assert isinstance(groups, int)
    return weight[1] * groups if transposed else weight[0]


CASES: list[Case] = [
    case(
        f"{op.__name__}{x}{w}{o}{' and bias' * biased}",
        lambda *inputs, op=op, o=o: op(*inputs, **o),
        normal(*x),
        normal(*w),
        *([normal(outputs_of(w, o, transposed))] if biased else []),
    )
    for op, transposed, table in [(F.conv2d, False, CONV), (F.conv_transpose2d, True, TRANSPOSED)]
    for x, w, o in table
    for biased in ([False, True] if not o else [True])
]
IMAGE = normal(1, 1, 3, 3)
CASES += [
    case("conv2d of an image with itself", lambda x: F.conv2d(x, x), normal(1, 1, 2, 2)),
    case("conv2d in its weight alone", lambda w: F.conv2d(IMAGE.astype(w.dtype), w), normal(1, 1, 2, 2)),
]

"""Pooling over strides, paddings, dilations, overlaps and windows that stick out."""

import numpy as np

import tinygrad_cnn.functional as F
from tests.ops.cases.case import Case, case, normal
from tinygrad_cnn.kernels import Windows, max_windows
from tinygrad_cnn.ops.pool import pool_winners

MAX = [
    ((1, 2, 4, 4), 2, {}),
    ((1, 1, 5, 5), 2, {}),
    ((1, 1, 5, 4), (2, 3), {"stride": 1}),
    ((1, 1, 5, 5), 3, {"stride": 2, "padding": 1}),
    ((1, 1, 5, 5), 3, {"stride": (2, 1), "padding": (1, 0)}),
    ((1, 1, 6, 5), 2, {"dilation": (3, 2), "stride": 1}),
    ((1, 1, 4, 4), 2, {"dilation": 3, "padding": 1, "stride": 1}),
    ((1, 1, 5, 4), 2, {"ceil_mode": True}),
    ((1, 1, 4, 5), 3, {"stride": 2, "padding": 1, "ceil_mode": True}),
    ((1, 1, 6, 6), 2, {"stride": 3}),
    ((2, 3, 3), 2, {"stride": 1}),
    ((1, 1, 2, 2), 1, {}),
    ((0, 1, 4, 4), 2, {}),
    ((1, 1, 2, 2), 2, {"stride": 5, "padding": 1}),
]
AVERAGE = [(shape, kernel, o) for shape, kernel, o in MAX if "dilation" not in o] + [
    ((1, 1, 4, 4), 3, {"padding": 1, "count_include_pad": False}),
    ((1, 1, 4, 5), 3, {"stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False}),
    ((1, 1, 4, 4), 3, {"divisor_override": 5}),
]
OVERLAPPING = Windows(kernel=(2, 2), stride=(1, 1), padding=(1, 0), dilation=(1, 1), places=(3, 2))
_, WINNER = max_windows(np.array([[[[1.0, 5.0, 0.0], [2.0, 3.0, 4.0]]]]), OVERLAPPING)  # the 5 wins four times
ADAPTIVE = [1, 2, 3, (2, 3), (None, 2), 4, 7, (0, 1)]

CASES: list[Case] = [
    *(case(f"max_pool2d{s} {k} {o}", lambda x, k=k, o=o: F.max_pool2d(x, k, **o), normal(*s)) for s, k, o in MAX),
    *(case(f"avg_pool2d{s} {k} {o}", lambda x, k=k, o=o: F.avg_pool2d(x, k, **o), normal(*s)) for s, k, o in AVERAGE),
    *(
        case(f"adaptive_avg_pool2d to {size}", lambda x, size=size: F.adaptive_avg_pool2d(x, size), normal(1, 4, 5))
        for size in ADAPTIVE
    ),
    case("pool_winners", lambda x: pool_winners(x, winner=WINNER, windows=OVERLAPPING), normal(1, 1, 2, 3)),
    case("max_pool2d twice", lambda x: F.max_pool2d(F.max_pool2d(x, 2), 2), normal(1, 1, 5, 5)),
]

"""ops/pool.py beside PyTorch: max, average and adaptive pooling."""

from __future__ import annotations

import numpy as np

from tests.parity.agreement import agree, agree_in_both_precisions, both_refuse, lines, normal, only_we_refuse

SHARED = """
    2  3  (2, 3)  2, 1  3, 2  3, (1, 2)  2, stride=None  kernel_size=3, stride=2  3, 2, 1  (3, 2), padding=(1, 0)
    (2, 3), (2, 1), (1, 1)  2, ceil_mode=True  3, 2, ceil_mode=True  3, 2, 1, ceil_mode=True
    3, stride=3, padding=1, ceil_mode=True  (3, 4), (2, 3), (1, 2), ceil_mode=True  1  1, 2  5, 1, 2  2, 3
    2, 4, ceil_mode=True  [2, 2], [1, 1]  (2,)  kernel_size=(3, 3), stride=(2, 2), padding=(1, 1)  2, stride=[]
    4, 3, 2, ceil_mode=True
"""
MAX = """
    2, dilation=2  3, 1, 1, 2  3, 2, 1, 2, True  (2, 3), dilation=(3, 1)  3, dilation=(1, 2), stride=1, padding=1
    2, 3, 0, 3, ceil_mode=True  kernel_size=2, stride=1, padding=1, dilation=2, ceil_mode=True, return_indices=False
"""
AVERAGE = """
    3, 2, 1, False, False  3, 2, 1, count_include_pad=False  3, 2, 1, True, False  3, divisor_override=2
    3, 2, 1, divisor_override=5  3, 2, 1, ceil_mode=True, count_include_pad=False, divisor_override=-2
    (3, 4), (2, 3), (1, 2), True, True, None  2, ceil_mode=True, count_include_pad=False
"""
ADAPTIVE = """
    1  2  3  5  7  9  (1, 1)  (2, 4)  (7, 8)  (None, 3)  (3, None)  (1, 5)  output_size=(3, 2)  [2, 2]  (10, 3)
    (14, 16)
"""


@lines("F.max_pool2d(x, {options})", options=SHARED + MAX)
def test_max_pool2d(line: str) -> None:
    agree_in_both_precisions(line, x=normal(2, 3, 7, 8))
    agree_in_both_precisions(line, x=normal(3, 8, 6))


@lines("F.avg_pool2d(x, {options})", options=SHARED + AVERAGE)
def test_avg_pool2d(line: str) -> None:
    agree_in_both_precisions(line, x=normal(2, 3, 7, 8))
    agree_in_both_precisions(line, x=normal(3, 8, 6))


@lines("F.adaptive_avg_pool2d(x, {size})", size=ADAPTIVE)
def test_adaptive_avg_pool2d(line: str) -> None:
    agree_in_both_precisions(line, x=normal(2, 3, 7, 8))
    agree_in_both_precisions(line, x=normal(3, 6, 4))


@lines(
    "F.max_pool2d({x}, 2)  F.max_pool2d({x}, 3, 1, 1)  F.avg_pool2d({x}, 2)  F.adaptive_avg_pool2d({x}, 2)",
    x="x[:0]  x.transpose(2, 3)  x[:, :, ::2, 1:]  x[:, :, :1].expand(2, 3, 4, 6)  x.flip(3)",
)
def test_pooling_of_no_images_and_of_views(line: str) -> None:
    agree_in_both_precisions(line, x=normal(2, 3, 8, 6))


@lines("F.max_pool2d(x, {options})", options="2  3, 1  3, 2, 1  2, 1, 0, 2  3, 2, ceil_mode=True  2, 2, 1")
def test_ties_of_max_pool2d_go_to_the_first(line: str) -> None:
    agree_in_both_precisions(line, x=np.random.default_rng(3).integers(0, 2, (2, 2, 6, 7)).astype(float))
    agree_in_both_precisions(line, x=np.zeros((1, 1, 5, 5)))


@lines(
    "F.max_pool2d(x, {options})  F.avg_pool2d(x, {options})  F.max_pool2d(x, 2, 1, 1, 2)",
    options="2  3, 1  3, 2, 1  3, 2, 1, ceil_mode=True",
)
def test_nan_and_infinities(line: str) -> None:
    x = normal(1, 2, 6, 6)
    x[0, 0, 1, 1] = x[0, 0, 1, 2] = x[0, 1, 0, 5] = np.nan
    x[0, 0, 4, 4] = np.inf
    x[0, 1, 2:5, 2:5] = -np.inf
    agree_in_both_precisions(line, order=1, x=x)
    agree_in_both_precisions(line, order=1, x=np.full((1, 1, 4, 4), -np.inf))


def test_max_pool2d_of_integers() -> None:
    agree("F.max_pool2d(x, 2)", x=np.arange(16).reshape(1, 1, 4, 4))


@lines("""
    F.max_pool2d(x, 2, padding=2)  F.max_pool2d(x, 9)  F.max_pool2d(x, 0)  F.max_pool2d(x, 2, 0)
    F.max_pool2d(x, 2, -1)  F.max_pool2d(x, 2, padding=-1)  F.max_pool2d(x, 2, dilation=0)  F.max_pool2d(x)
    F.max_pool2d(x[0, 0], 2)  F.max_pool2d(x, (2, 2, 2))  F.max_pool2d(x, 1.5)  F.max_pool2d(x[None], 2)
    F.avg_pool2d(x, 3, padding=2)  F.avg_pool2d(x, 9)  F.avg_pool2d(x, 2, divisor_override=0)
    F.avg_pool2d(x, 2, dilation=2)  F.avg_pool2d(x[0, 0], 2)  F.adaptive_avg_pool2d(x, -1)
    F.adaptive_avg_pool2d(x, (1, 2, 3))  F.adaptive_avg_pool2d(x, 1.5)  F.max_pool2d(x[:, :, :0], 1)
""")
def test_what_both_refuse(line: str) -> None:
    both_refuse(line, x=normal(2, 3, 5, 6))


def test_what_is_not_offered_says_so() -> None:
    only_we_refuse("F.max_pool2d(x, 2, return_indices=True)", "return_indices", x=normal(2, 3, 4, 4))

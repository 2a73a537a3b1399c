"""ops/pool.py beside PyTorch: max, average and adaptive pooling."""

from __future__ import annotations

import numpy as np
import pytest

from tests.parity.agreement import agree, agree_in_both_precisions, both_refuse, cases, floats, normal, only_we_refuse

SHARED = """
    2  3  (2, 3)  2, 1  3, 2  3, (1, 2)  2, stride=None  kernel_size=3, stride=2  3, 2, 1  (3, 2), padding=(1, 0)  (2, 3), (2, 1), (1, 1)
    2, ceil_mode=True  3, 2, ceil_mode=True  3, 2, 1, ceil_mode=True  3, stride=3, padding=1, ceil_mode=True  (3, 4), (2, 3), (1, 2), ceil_mode=True
    1  1, 2  5, 1, 2  2, 3  2, 4, ceil_mode=True  [2, 2], [1, 1]  (2,)  kernel_size=(3, 3), stride=(2, 2), padding=(1, 1)  2, stride=[]  4, 3, 2, ceil_mode=True
"""


@pytest.mark.parametrize("options", [*cases(SHARED), "2, dilation=2", "3, 1, 1, 2", "3, 2, 1, 2, True", "(2, 3), dilation=(3, 1)", "3, dilation=(1, 2), stride=1, padding=1", "2, 3, 0, 3, ceil_mode=True", "kernel_size=2, stride=1, padding=1, dilation=2, ceil_mode=True, return_indices=False"])
def test_max_pool2d(options):
    agree_in_both_precisions(f"F.max_pool2d(x, {options})", x=normal(2, 3, 7, 8))
    agree(f"F.max_pool2d(x, {options})", x=normal(3, 8, 6))


@pytest.mark.parametrize("options", [*cases(SHARED), "3, 2, 1, False, False", "3, 2, 1, count_include_pad=False", "3, 2, 1, True, False", "3, divisor_override=2", "3, 2, 1, divisor_override=5", "3, 2, 1, ceil_mode=True, count_include_pad=False, divisor_override=-2", "(3, 4), (2, 3), (1, 2), True, True, None", "2, ceil_mode=True, count_include_pad=False"])
def test_avg_pool2d(options):
    agree_in_both_precisions(f"F.avg_pool2d(x, {options})", x=normal(2, 3, 7, 8))
    agree(f"F.avg_pool2d(x, {options})", x=normal(3, 8, 6))


@pytest.mark.parametrize("size", cases("1  2  3  5  7  9  (1, 1)  (2, 4)  (7, 8)  (None, 3)  (3, None)  (1, 5)  output_size=(3, 2)  [2, 2]  (10, 3)  (14, 16)"))
def test_adaptive_avg_pool2d(size):
    agree_in_both_precisions(f"F.adaptive_avg_pool2d(x, {size})", x=normal(2, 3, 7, 8))
    agree(f"F.adaptive_avg_pool2d(x, {size})", x=normal(3, 6, 4))


@pytest.mark.parametrize("line", cases("F.max_pool2d(x, 2)  F.avg_pool2d(x, 2)  F.adaptive_avg_pool2d(x, 2)  F.max_pool2d(x, 3, 1, 1)"))
def test_pooling_no_images_and_views(line):
    agree(line, x=np.zeros((0, 3, 4, 4)))
    agree(line.replace("x,", "x.transpose(2, 3),"), x=normal(2, 3, 4, 6))
    agree(line.replace("x,", "x[:, :, ::2, 1:],"), x=normal(2, 3, 8, 6))
    agree(line.replace("x,", "x.expand(2, 3, 4, 5),"), x=normal(1, 3, 1, 5))


@pytest.mark.parametrize("options", cases("2  3, 1  3, 2, 1  2, 1, 0, 2  3, 2, ceil_mode=True  2, 2, 1"))
def test_ties_of_max_pool2d_go_to_the_first(options):
    agree_in_both_precisions(f"F.max_pool2d(x, {options})", x=np.random.default_rng(3).integers(0, 2, (2, 2, 6, 7)).astype(float))
    agree_in_both_precisions(f"F.max_pool2d(x, {options})", x=np.zeros((1, 1, 5, 5)))


@pytest.mark.parametrize("options", cases("2  3, 1  3, 2, 1  3, 2, 1, ceil_mode=True  2, 1, 1, 2"))
def test_nan_and_infinities_in_max_pool2d(options):
    x = normal(1, 2, 6, 6)
    x[0, 0, 1, 1] = x[0, 0, 1, 2] = x[0, 1, 0, 5] = np.nan
    x[0, 0, 4, 4] = np.inf
    x[0, 1, 2:5, 2:5] = -np.inf
    agree(f"F.max_pool2d(x, {options})", order=1, x=x)
    agree(f"F.max_pool2d(x, {options})", order=1, x=np.full((1, 1, 4, 4), -np.inf))
    agree(f"F.avg_pool2d(x, {options})".replace(", 1, 2)", ")"), order=1, x=x)


def test_integers():
    agree("F.max_pool2d(x, 2)", x=np.arange(16).reshape(1, 1, 4, 4))


LINES = """
    F.max_pool2d(x, 2, padding=2)  F.max_pool2d(x, 9)  F.max_pool2d(x, 0)  F.max_pool2d(x, 2, 0)  F.max_pool2d(x, 2, -1)  F.max_pool2d(x, 2, padding=-1)
    F.max_pool2d(x, 2, dilation=0)  F.max_pool2d(x)  F.max_pool2d(x[0, 0], 2)  F.max_pool2d(x, (2, 2, 2))  F.max_pool2d(x, 1.5)  F.max_pool2d(x[None], 2)
    F.avg_pool2d(x, 3, padding=2)  F.avg_pool2d(x, 9)  F.avg_pool2d(x, 2, divisor_override=0)  F.avg_pool2d(x, 2, dilation=2)  F.avg_pool2d(x[0, 0], 2)
    F.adaptive_avg_pool2d(x, -1)  F.adaptive_avg_pool2d(x, (1, 2, 3))  F.adaptive_avg_pool2d(x, 1.5)
    F.max_pool2d(x[:, :, :0], 1)
"""


@pytest.mark.parametrize("line", cases(LINES))
def test_what_both_refuse(line):
    both_refuse(line, x=normal(2, 3, 5, 6))


def test_what_is_not_offered_says_so():
    only_we_refuse("F.max_pool2d(x, 2, return_indices=True)", "return_indices", x=normal(2, 3, 4, 4))

"""ops/conv.py beside PyTorch: convolution and its transpose over strides, paddings, dilations and groups."""

from __future__ import annotations

import numpy as np
import pytest

from tests.parity.agreement import agree, agree_in_both_precisions, both_refuse, lines, normal

GEOMETRIES = [
    # options, input (N, C, H, W), weight (O, C/groups, kh, kw)
    ("", (2, 3, 5, 6), (4, 3, 3, 3)),
    ("", (1, 1, 3, 3), (1, 1, 3, 3)),
    ("", (2, 3, 4, 4), (5, 3, 1, 1)),
    ("padding=1", (2, 3, 5, 6), (4, 3, 3, 3)),
    ("padding=(2, 0)", (2, 3, 5, 6), (4, 3, 3, 2)),
    ("padding=3", (1, 2, 2, 3), (2, 2, 3, 3)),
    ("padding='same'", (2, 3, 5, 6), (4, 3, 3, 3)),
    ("padding='same'", (2, 3, 5, 6), (4, 3, 2, 4)),
    ("padding='same', dilation=2", (2, 3, 5, 6), (4, 3, 2, 3)),
    ("padding='same', dilation=(1, 2), groups=3", (2, 3, 5, 6), (3, 1, 3, 2)),
    ("padding='valid'", (2, 3, 5, 6), (4, 3, 3, 3)),
    ("padding='valid', stride=2", (2, 3, 5, 6), (4, 3, 3, 3)),
    ("stride=2", (2, 3, 7, 8), (4, 3, 3, 3)),
    ("stride=(2, 1), padding=1", (2, 3, 5, 6), (4, 3, 3, 3)),
    ("stride=3", (2, 3, 8, 7), (4, 3, 2, 2)),
    ("stride=4, padding=(1, 2)", (1, 2, 9, 9), (3, 2, 3, 5)),
    ("stride=2", (2, 3, 5, 5), (4, 3, 1, 1)),
    ("stride=[2, 2], padding=[1, 1], dilation=[1, 1]", (2, 3, 5, 6), (4, 3, 3, 3)),
    ("dilation=2", (2, 3, 7, 6), (4, 3, 3, 2)),
    ("dilation=(1, 3), padding=(0, 3)", (2, 3, 5, 6), (4, 3, 2, 3)),
    ("dilation=2, stride=2, padding=2", (2, 3, 7, 7), (4, 3, 3, 3)),
    ("groups=2", (2, 4, 5, 6), (6, 2, 3, 3)),
    ("groups=4, padding=1", (2, 4, 5, 6), (4, 1, 3, 3)),  # depthwise
    ("groups=3, stride=2, padding=1", (2, 3, 6, 5), (6, 1, 3, 3)),  # depthwise, two outputs each
    ("groups=2, stride=(1, 2), padding=(1, 0), dilation=(2, 1)", (2, 4, 6, 5), (4, 2, 2, 3)),
    ("stride=(3,), padding=(1,)", (1, 2, 7, 7), (3, 2, 3, 3)),
]


@pytest.mark.parametrize(("options", "x", "w"), GEOMETRIES)
def test_conv2d(options: str, x: tuple[int, ...], w: tuple[int, ...]) -> None:
    agree_in_both_precisions(f"F.conv2d(x, w, b, {options})", x=normal(*x), w=normal(*w), b=normal(w[0]))


@pytest.mark.parametrize(("options", "x", "w"), GEOMETRIES[::3])
def test_conv2d_of_one_image_without_a_batch(options: str, x: tuple[int, ...], w: tuple[int, ...]) -> None:
    agree_in_both_precisions(f"F.conv2d(x, w, bias=b, {options})", x=normal(*x[1:]), w=normal(*w), b=normal(w[0]))


@lines("""
    F.conv2d(x, w)  F.conv2d(x, w, None, 2)  F.conv2d(x, w, None, (2, 1), 1)  F.conv2d(x, w, b, 1, (1, 0), 2)
    F.conv2d(x, w[:, :1], b, 1, 0, 1, 3)
    F.conv2d(x, weight=w, bias=None, stride=1, padding=0, dilation=1, groups=1)
    F.conv2d(x.flip(-1), w.transpose(2, 3))  F.conv2d(x[:, :, ::2], w, b[:])  torch.conv2d(x, w, b)
    F.conv2d(x.expand(2, 3, 7, 8), w)  F.relu(F.conv2d(x, w, b)).sum()
    F.conv2d(F.conv2d(x, w), w.transpose(0, 1)[:, :3])  F.conv2d(x, w).sum((0, 2, 3))  F.conv2d(x, w * 2, b * 3)
    F.conv2d(x, x[:, :, 2:4, 2:4])  F.conv2d(x * x, W)
""")
def test_spellings_of_conv2d(line: str) -> None:
    agree_in_both_precisions(line, x=normal(1, 3, 7, 8), w=normal(3, 3, 3, 2), b=normal(3), W=normal(2, 3, 3, 3))


def test_conv2d_of_no_images() -> None:
    agree("F.conv2d(x, w, b, padding=1)", x=np.zeros((0, 3, 5, 5)), w=normal(2, 3, 3, 3), b=normal(2))


def test_a_convolution_large_enough_for_threads() -> None:
    agree("F.conv2d(x, w, b, padding=1)", order=1, x=normal(8, 8, 24, 24), w=normal(16, 8, 3, 3), b=normal(16))


TRANSPOSED = [
    # options, input (N, C, H, W), weight (C, O/groups, kh, kw)
    ("", (2, 3, 4, 5), (3, 4, 3, 3)),
    ("", (2, 3, 1, 1), (3, 4, 3, 2)),
    ("stride=2", (2, 3, 4, 5), (3, 4, 3, 3)),
    ("stride=2, padding=1", (2, 3, 4, 5), (3, 4, 3, 3)),
    ("stride=2, padding=1, output_padding=1", (2, 3, 4, 5), (3, 4, 3, 3)),
    ("stride=(3, 2), padding=(1, 0), output_padding=(2, 1)", (2, 3, 3, 4), (3, 2, 3, 2)),
    ("stride=2, padding=(0, 1), output_padding=(1, 0)", (2, 3, 4, 5), (3, 4, 2, 3)),
    ("dilation=2", (2, 3, 4, 5), (3, 4, 3, 2)),
    ("dilation=(2, 3), stride=2, padding=2, output_padding=1", (2, 3, 4, 5), (3, 4, 3, 2)),
    ("dilation=3, output_padding=2", (2, 3, 4, 5), (3, 4, 2, 2)),
    ("groups=2", (2, 4, 3, 4), (4, 3, 3, 3)),
    ("groups=4, stride=2, padding=1", (2, 4, 3, 4), (4, 1, 4, 4)),
    ("groups=2, dilation=2, stride=3, output_padding=(0, 2)", (1, 4, 3, 2), (4, 2, 2, 2)),
    ("stride=3", (2, 3, 3, 3), (3, 4, 2, 2)),
    ("stride=2", (2, 3, 3, 3), (3, 4, 1, 1)),
]


@pytest.mark.parametrize(("options", "x", "w"), TRANSPOSED)
def test_conv_transpose2d(options: str, x: tuple[int, ...], w: tuple[int, ...]) -> None:
    groups = int(options.partition("groups=")[2][:1] or 1)
    agree_in_both_precisions(
        f"F.conv_transpose2d(x, w, b, {options})", x=normal(*x), w=normal(*w), b=normal(w[1] * groups)
    )


@lines("""
    F.conv_transpose2d(x, w)  F.conv_transpose2d(x[0], w, b)  F.conv_transpose2d(x[0], w, b, 2, 1, 1)
    F.conv_transpose2d(x, w, b, 2, 1, 1, 1, 1)  F.conv_transpose2d(x, weight=w, bias=None, stride=(2,))
    F.conv_transpose2d(x, w[:, :1], None, 1, 0, 0, 3, 2)  F.conv_transpose2d(x[:0], w, b)
    F.conv2d(F.conv_transpose2d(x, w, b), w.transpose(0, 1))  F.conv_transpose2d(x.flip(-1), w.transpose(2, 3))
""")
def test_spellings_of_conv_transpose2d(line: str) -> None:
    agree_in_both_precisions(line, x=normal(2, 3, 4, 5), w=normal(3, 3, 3, 2), b=normal(3))


@lines("""
    F.conv2d(x, w[:, :2])  F.conv2d(x, w, b[:2])  F.conv2d(x, w, groups=2)  F.conv2d(x, w, stride=0)
    F.conv2d(x, w, padding=-1)  F.conv2d(x, w, dilation=0)  F.conv2d(x, w, dilation=9)
    F.conv2d(x, w, padding='full')  F.conv2d(x, w, stride=2, padding='same')  F.conv2d(x[0, 0], w)
    F.conv2d(x, w[0])  F.conv2d(x)  F.conv2d(x, w, stride=(1, 2, 3))  F.conv2d(x, w, groups=0)
    F.conv2d(x.long(), w)  F.conv2d(x[:, :, :2], w)  F.conv2d(x, w[:, :, :0])  F.conv2d(x, w, stride=1.5)
    F.conv_transpose2d(x, w[:2])  F.conv_transpose2d(x, w, b[:1])  F.conv_transpose2d(x, w, output_padding=1)
    F.conv_transpose2d(x, w, stride=2, output_padding=2)  F.conv_transpose2d(x, w, padding=9)
    F.conv_transpose2d(x, w, groups=2)  F.conv_transpose2d(x, w, padding='same')
""")
def test_what_both_refuse(line: str) -> None:
    both_refuse(line, x=normal(2, 3, 5, 6), w=normal(3, 3, 3, 3), b=normal(3))

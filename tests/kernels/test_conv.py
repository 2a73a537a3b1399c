"""The three kernels of convolution against its definition, and against each other."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings

import tinygrad_cnn as tg
from tests.kernels import reference
from tests.kernels.geometries import Convolution, convolutions, whole
from tinygrad_cnn import kernels
from tinygrad_cnn.kernels import Geometry, conv, conv_weight

# How products are cut follows from the sizes; the small ones of these tests are taken through every way.
WAYS = {
    "as the sizes say": {},
    "line by line": {"SHORTEST_LINE": 1, "LONG_LINE": 1},
    "as a whole": {"SMALL_PRODUCT": 0},
    "in bands, which threads share": {"MULTIPLICATIONS_WORTH_SHARING": 0},
    "in bands of one line": {"MOST_BYTES": 1},
    "in bands of several lines": {"MOST_BYTES": 200},
    "channels side by side": {"FEWEST_CHANNELS": 1},
    "channels side by side, as a whole": {"FEWEST_CHANNELS": 1, "SMALL_PRODUCT": 0},
}
in_every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@in_every_way
@settings(max_examples=50)
@given(c=convolutions())
def test_conv2d_is_what_six_loops_compute(way: dict[str, int], c: Convolution) -> None:
    with patch.dict(vars(conv), way), patch.dict(vars(conv_weight), way):
        out = kernels.conv2d(*c)
    assert out.dtype == c.x.dtype
    np.testing.assert_array_equal(out, reference.conv2d(*c))


@in_every_way
@settings(max_examples=50)
@given(c=convolutions())
def test_the_bias_is_added_to_every_place(way: dict[str, int], c: Convolution) -> None:
    bias = whole((len(c.w),), c.x.dtype, seed=2)
    with patch.dict(vars(conv), way), patch.dict(vars(conv_weight), way):
        np.testing.assert_array_equal(kernels.conv2d(*c, bias), kernels.conv2d(*c) + bias[:, None, None])


@in_every_way
@settings(max_examples=50)
@given(c=convolutions())
def test_the_other_two_are_its_adjoints(way: dict[str, int], c: Convolution) -> None:
    """<conv2d(x, w), g> = <x, conv2d_input(g, w)> = <w, conv2d_weight(x, g)>, exactly, for whole numbers."""
    g = c.cotangent()
    with patch.dict(vars(conv), way), patch.dict(vars(conv_weight), way):
        product = np.vdot(kernels.conv2d(*c), g)
        in_x = kernels.conv2d_input(g, c.w, c.geometry, c.x.shape[2:])
        in_w = kernels.conv2d_weight(c.x, g, c.geometry, c.w.shape[2:])
    assert in_x.shape == c.x.shape
    assert in_w.shape == c.w.shape
    assert in_x.dtype == in_w.dtype == c.x.dtype
    assert np.vdot(c.x, in_x) == product
    assert np.vdot(c.w, in_w) == product


@given(convolutions())
def test_it_is_linear_in_each_argument(c: Convolution) -> None:
    other_x, other_w = whole(c.x.shape, c.x.dtype, seed=4), whole(c.w.shape, c.w.dtype, seed=5)
    both = kernels.conv2d(c.x + 2 * other_x, c.w, c.geometry)
    np.testing.assert_array_equal(both, kernels.conv2d(*c) + 2 * kernels.conv2d(other_x, c.w, c.geometry))
    both = kernels.conv2d(c.x, c.w + 2 * other_w, c.geometry)
    np.testing.assert_array_equal(both, kernels.conv2d(*c) + 2 * kernels.conv2d(c.x, other_w, c.geometry))


@pytest.mark.parametrize("batch", [1, 2, 31, 32, 33, 50])
def test_every_image_of_a_batch_is_treated_alike(batch: int) -> None:
    geometry = Geometry(padding=(1, 1))
    x, w = whole((batch, 3, 6, 5), np.dtype(np.float32), 0), whole((4, 3, 3, 3), np.dtype(np.float32), 1)
    g = whole((batch, 4, 6, 5), np.dtype(np.float32), 2)
    np.testing.assert_array_equal(
        kernels.conv2d(x, w, geometry),
        np.concatenate([kernels.conv2d(x[n : n + 1], w, geometry) for n in range(batch)]),
    )
    np.testing.assert_array_equal(
        kernels.conv2d_input(g, w, geometry, (6, 5)),
        np.concatenate([kernels.conv2d_input(g[n : n + 1], w, geometry, (6, 5)) for n in range(batch)]),
    )
    np.testing.assert_array_equal(
        kernels.conv2d_weight(x, g, geometry, (3, 3)),
        sum(kernels.conv2d_weight(x[n : n + 1], g[n : n + 1], geometry, (3, 3)) for n in range(batch)),
    )


@pytest.mark.parametrize("geometry", [Geometry(padding=(1, 1)), Geometry((2, 2), (1, 1)), Geometry(groups=4)])
@pytest.mark.parametrize("shape", [(37, 4, 9, 8), (3, 8, 12, 40), (1, 16, 34, 33)])
def test_the_same_bits_come_from_any_number_of_threads(shape: tuple[int, ...], geometry: Geometry) -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal(shape).astype(np.float32)
    w = random.standard_normal((8, shape[1] // geometry.groups, 3, 3)).astype(np.float32)
    bias = random.standard_normal(8).astype(np.float32)

    def results(threads: int) -> list[bytes]:
        tg.set_num_threads(threads)
        out = kernels.conv2d(x, w, geometry, bias)
        in_x = kernels.conv2d_input(out, w, geometry, shape[2:])
        in_w = kernels.conv2d_weight(x, out, geometry, (3, 3))
        return [array.tobytes() for array in (out, in_x, in_w)]

    assert results(1) == results(2) == results(4)


def test_arguments_of_two_dtypes_meet_in_the_wider() -> None:
    x, w = np.ones((1, 1, 3, 3), np.float32), np.full((1, 1, 2, 2), 0.1)
    assert kernels.conv2d(x, w, Geometry()).dtype == np.float64
    assert kernels.conv2d_input(x, w, Geometry(), (4, 4)).dtype == np.float64
    assert kernels.conv2d_weight(x, w, Geometry(), (2, 2)).dtype == np.float64


def test_images_may_lie_in_any_order_in_memory() -> None:
    x, w = whole((2, 3, 5, 4), np.dtype(np.float32), 0), whole((2, 3, 2, 2), np.dtype(np.float32), 1)
    expected = kernels.conv2d(x, w, Geometry())
    for arrange in (
        np.asfortranarray,
        lambda a: a[::-1].copy()[::-1],
        lambda a: a.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2),
    ):
        np.testing.assert_array_equal(kernels.conv2d(arrange(x), arrange(w), Geometry()), expected)
        out = arrange(expected)
        np.testing.assert_array_equal(
            kernels.conv2d_input(out, arrange(w), Geometry(), (5, 4)),
            kernels.conv2d_input(expected, w, Geometry(), (5, 4)),
        )
        np.testing.assert_array_equal(
            kernels.conv2d_weight(arrange(x), out, Geometry(), (2, 2)),
            kernels.conv2d_weight(x, expected, Geometry(), (2, 2)),
        )


def test_no_inputs_channels_or_outputs_give_zeros() -> None:
    empty = np.zeros((2, 0, 3, 3))
    np.testing.assert_array_equal(kernels.conv2d(empty, np.zeros((4, 0, 2, 2)), Geometry()), np.zeros((2, 4, 2, 2)))
    none = np.zeros((0, 2, 2, 2))
    assert kernels.conv2d(np.ones((2, 2, 3, 3)), none, Geometry()).shape == (2, 0, 2, 2)
    assert not kernels.conv2d_input(np.ones((2, 0, 2, 2)), none, Geometry(), (3, 3)).any()
    assert kernels.conv2d_weight(np.ones((2, 2, 3, 3)), np.ones((2, 0, 2, 2)), Geometry(), (2, 2)).shape == (0, 2, 2, 2)
    no_lines = kernels.conv2d_input(np.ones((1, 1, 2, 6)), np.ones((1, 1, 1, 1)), Geometry(padding=(1, 1)), (0, 4))
    assert no_lines.shape == (1, 1, 0, 4)
    assert (
        kernels.conv2d_weight(np.zeros((0, 2, 3, 3)), np.zeros((0, 4, 2, 2)), Geometry(), (2, 2)).tolist()
        == np.zeros((4, 2, 2, 2)).tolist()
    )


def test_nan_stays_where_the_kernel_sees_it() -> None:
    x = np.zeros((1, 1, 5, 5), np.float32)
    x[0, 0, 0, 0] = np.nan
    out = kernels.conv2d(x, np.ones((1, 1, 2, 2), np.float32), Geometry())
    assert np.argwhere(np.isnan(out)).tolist() == [[0, 0, 0, 0]]


def test_an_infinity_reaches_no_tap_that_never_sees_it() -> None:
    """Between the lines of im2col's matrix lie elements of the next line, which must not meet a zero."""
    x, g = np.zeros((2, 1, 6, 8), np.float32), np.ones((2, 1, 4, 6), np.float32)
    x[0, 0, 2, 0] = np.inf
    in_w = kernels.conv2d_weight(x, g, Geometry(), (3, 3))
    np.testing.assert_array_equal(in_w[0, 0], [[np.inf, 0, 0]] * 3)


def test_buffers_that_are_taken_again_are_clean() -> None:
    x, w = whole((1, 8, 9, 40), np.dtype(np.float32), 0), whole((8, 8, 3, 3), np.dtype(np.float32), 1)
    g = whole((1, 8, 9, 40), np.dtype(np.float32), 2)

    def results(x: np.ndarray, g: np.ndarray) -> list[np.ndarray]:
        same = Geometry(padding=(1, 1))
        return [
            kernels.conv2d(x, w, same),
            kernels.conv2d_input(g, w, same, (9, 40)),
            kernels.conv2d_weight(x, g, same, (3, 3)),
        ]

    expected = results(x, g)
    with np.errstate(all="ignore"):
        results(np.full_like(x, np.nan), np.full_like(g, np.inf))
    for again, result in zip(results(x, g), expected, strict=True):
        np.testing.assert_array_equal(again, result)


def test_a_broadcast_gradient_has_the_same_sums_on_any_number_of_threads() -> None:
    """NumPy sums what has strides of 0 by buffers, whose length each thread sets for itself."""
    g = np.random.default_rng(0).standard_normal((64, 4, 200, 1)).astype(np.float32)
    g = np.broadcast_to(g, (64, 4, 200, 200))
    sums = set()
    for threads in (1, 2, 4, 2, 2, 2):
        tg.set_num_threads(threads)
        sums.add(kernels.sum_channels(g).tobytes())
    assert len(sums) == 1


@pytest.mark.parametrize(("kernel", "stride", "size"), [(4, 2, 9), (5, 3, 13), (2, 4, 9), (6, 4, 17)])
def test_places_that_no_window_reaches_get_no_gradient(kernel: int, stride: int, size: int) -> None:
    """Where strides leave lines over, some of the taps end before the others."""
    geometry = Geometry(stride=(stride, stride))
    x, w = whole((1, 1, size, size), np.dtype(np.float64), 0), whole((1, 1, kernel, kernel), np.dtype(np.float64), 1)
    out = kernels.conv2d(x, w, geometry)
    g = whole(out.shape, np.dtype(np.float64), 2)
    in_x = kernels.conv2d_input(g, w, geometry, (size, size))
    assert np.vdot(x, in_x) == np.vdot(out, g)
    reached = stride * (out.shape[2] - 1) + kernel
    assert not in_x[..., reached:, :].any()
    assert not in_x[..., reached:].any()

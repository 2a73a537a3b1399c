"""Into what pieces work is cut: it follows from sizes alone, and decides about speed and the order of sums."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from tinygrad_cnn import kernels
from tinygrad_cnn.kernels import Geometry, conv, conv_weight, matmul, rows, windows
from tinygrad_cnn.kernels.memory import Scratch

MATMUL = sys.modules["tinygrad_cnn.kernels.matmul"]  # the package has a function of its name
MUCH = conv.MULTIPLICATIONS_WORTH_SHARING


@pytest.mark.parametrize(
    ("count", "multiplications", "size", "bands"),
    [
        (1, MUCH, 0, 4),
        (1, MUCH - 1, 0, 1),
        (2, MUCH, 0, 2),
        (3, MUCH, 0, 1),
        (8, 100 * MUCH, 0, 1),
        (8, 0, conv.MOST_BYTES, 1),
        (8, 0, conv.MOST_BYTES + 1, 2),
        (1, MUCH, 5 * conv.MOST_BYTES, 5),
    ],
)
def test_images_are_cut_where_few_have_much_to_do_or_their_buffers_would_be_large(
    count: int, multiplications: int, size: int, bands: int
) -> None:
    assert conv._bands(count, multiplications, size) == bands


@pytest.mark.parametrize(
    ("shape", "geometry", "width", "split", "by_lines"),
    [
        ((16, 3, 3, 3), Geometry(), 128, False, True),  # AgeCNN's first
        ((64, 32, 3, 3), Geometry(), 32, True, True),
        ((64, 32, 3, 3), Geometry(), 31, True, False),
        ((64, 31, 3, 3), Geometry(), 32, False, True),
        ((64, 32, 3, 2), Geometry(), 32, False, True),
        ((64, 32, 1, 3), Geometry(), 32, False, True),
        ((64, 32, 2, 3), Geometry(stride=(2, 1)), 32, False, True),
        ((64, 16, 3, 3), Geometry(groups=2), 32, True, True),
        ((8, 1, 3, 3), Geometry(groups=8), 32, True, False),  # one output for each group
        ((2, 1, 3, 3), Geometry(groups=1), 32, True, True),
        ((100, 100, 1, 1), Geometry(), 100, False, True),
        ((100, 100, 1, 1), Geometry(), 101, False, False),
        ((100, 50, 2, 1), Geometry(stride=(2, 2)), 100, False, True),
        ((100, 50, 2, 1), Geometry(stride=(2, 2)), 101, False, False),
        ((100, 100, 2, 1), Geometry(), 100, False, False),
        ((50, 100, 2, 1), Geometry(), 200, True, True),
    ],
)
def test_a_kernel_is_split_where_its_columns_are_many_and_multiplied_line_by_line_where_these_are_long(
    shape: tuple[int, ...], geometry: Geometry, width: int, split: bool, by_lines: bool
) -> None:
    assert conv._plan(shape, geometry, (9, width)) == (split, by_lines)


@pytest.mark.parametrize(
    ("count", "weights", "stack", "chunks", "longest"),
    [
        (5, 1, 1, 5, 1),
        (32, 1, 1, 32, 1),
        (63, 1, 1, 63, 1),
        (64, 1, 1, 32, 2),
        (65, 1, 1, 33, 2),
        (64, conv_weight.LARGE_KERNEL, 1, 32, 2),
        (64, conv_weight.LARGE_KERNEL + 1, 1, 8, 8),
        (64, 1, 4, 16, 4),
        (256, 1, 4, 32, 8),
    ],
)
def test_a_batchs_weight_gradient_is_summed_in_32_to_63_chunks_or_8_to_15_large_ones(
    count: int, weights: int, stack: int, chunks: int, longest: int
) -> None:
    cut = conv_weight._chunks(count, weights, stack)
    assert len(cut) == chunks
    assert cut[0] == (0, longest)
    assert cut[-1][1] == count


@pytest.mark.parametrize(
    ("count", "size", "weights", "stride", "tile"),
    [
        (8, (12, 32), 1000, 1, (12, 1)),
        (8, (12, 32), 6000, 1, (4, 1)),
        (8, (12, 50), 5000, 1, (4, 1)),
        (8, (12, 50), 5001, 1, (3, 1)),
        (8, (12, 32), 1000, 2, (1, 1)),
        (8, (8, 4), 1000, 1, (8, 1)),
        (8, (4, 4), 1000, 1, (4, 8)),
        (100, (4, 4), 1000, 1, (4, 32)),
        (100, (7, 4), 1000, 1, (7, 18)),
        (8, (40, 40), 10**9, 1, (40, 1)),
    ],
)
def test_a_product_runs_over_lines_of_one_image_or_over_small_images_together(
    count: int, size: tuple[int, int], weights: int, stride: int, tile: tuple[int, int]
) -> None:
    assert conv_weight._tile(count, *size, weights, stride) == tile


@pytest.mark.parametrize(
    ("planes", "size", "cuts"),
    [
        (0, (128, 128), []),
        (7, (128, 128), [(0, 7)]),
        (8, (128, 128), [(0, 4), (4, 8)]),  # worth sharing
        (16, (128, 128), [(0, 8), (8, 16)]),
        (17, (128, 128), [(0, 9), (9, 17)]),
        (33, (128, 128), [(0, 9), (9, 18), (18, 27), (27, 33)]),  # an even number
        (2, (1024, 1024), [(0, 1), (1, 2)]),
    ],
)
def test_planes_are_taken_by_pieces_that_fit_a_cache_evenly_for_two_threads(
    planes: int, size: tuple[int, int], cuts: list[tuple[int, int]]
) -> None:
    assert windows.cuts(planes, size) == cuts


@pytest.mark.parametrize(
    ("count", "length", "longest", "row_by_row"),
    [
        (8, 1 << 12, 8, True),
        (8, 1 << 13, 4, True),
        (64, 1 << 13, 32, True),
        (65, 1 << 13, 17, True),
        (1, 1 << 20, 1, True),
        (3, 256, 3, True),
        (3, 255, 3, False),
    ],
)
def test_rows_are_taken_in_an_even_number_of_runs_and_long_ones_without_numpys_buffer(
    count: int, length: int, longest: int, row_by_row: bool
) -> None:
    taken: list[tuple[int, int]] = []
    smallest = set()

    def work(part: slice, scratch: Scratch) -> None:
        taken.append((part.start, part.stop))
        smallest.add(np.getbufsize() == 16)

    rows.for_rows(work, count, length)
    taken.sort()
    assert taken[0] == (0, longest)
    assert [start for start, _ in taken] == [0, *(stop for _, stop in taken[:-1])]
    assert taken[-1][1] == count
    assert smallest == {row_by_row}


def pieces_of(monkeypatch: pytest.MonkeyPatch, module: object) -> list[int]:
    """Gets the number of pieces of each job that a module shares among threads."""
    counts: list[int] = []
    share = module.parallel_for  # type: ignore[attr-defined]
    monkeypatch.setattr(module, "parallel_for", lambda work, count: (counts.append(count), share(work, count)))
    return counts


@pytest.mark.parametrize(
    ("a", "b", "pieces"),
    [
        ((128, 64), (64, 127), []),
        ((128, 64), (64, 128), [8]),
        ((64, 128), (128, 127), []),
        ((1000, 64), (64, 60), [8]),
        ((60, 64), (64, 1003), [8]),
        ((9, 8192), (8192, 20), [8]),  # along the sum
        ((1, 1 << 17), (1 << 17, 9), [5]),  # one row is not
        ((4, 90, 80), (80, 70), [4]),  # by matrices
    ],
)
def test_a_product_is_shared_in_bands_if_it_is_large(
    a: tuple[int, ...], b: tuple[int, ...], pieces: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = pieces_of(monkeypatch, MATMUL)
    out = matmul(np.ones(a, np.float32), np.ones(b, np.float32))
    assert counts == pieces
    assert (out == a[-1]).all()
    matmul(np.ones(a, np.int32), np.ones(b, np.int32))
    assert counts == pieces, "BLAS has no products of integers"


@pytest.mark.parametrize(("height", "channels", "pieces"), [(64, 32, 1), (64, 512, 4), (63, 512, 3), (61, 512, 1)])
def test_one_images_pointwise_convolution_is_shared_in_bands_of_equal_height(
    height: int, channels: int, pieces: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = pieces_of(monkeypatch, conv)
    x, w = np.ones((1, channels, height, 40), np.float32), np.ones((64, channels, 1, 1), np.float32)
    out = kernels.conv2d(x, w, Geometry())
    assert counts == [pieces]
    assert (out == channels).all()

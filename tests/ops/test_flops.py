"""How many operations a run takes, counted by hand from its shapes, of which some may not be known."""

from __future__ import annotations

from typing import Any

import pytest

from tinygrad_cnn.ops.flops import Shape, flops

X, W, Y = (2, 6, 10, 8), (4, 3, 5, 2), (2, 4, 6, 7)  # two groups: 3 of 6 channels in a kernel


@pytest.mark.parametrize(
    ("name", "inputs", "out", "options", "expected"),
    [
        ("convolve", [X, W], Y, {}, 2 * (2 * 4 * 6 * 7) * (3 * 5 * 2)),
        ("convolve", [None, W], Y, {}, 2 * (2 * 4 * 6 * 7) * (3 * 5 * 2)),
        ("convolve_input", [Y, W], X, {}, 2 * (2 * 4 * 6 * 7) * (3 * 5 * 2)),
        ("convolve_weight", [X, Y], W, {}, 2 * (2 * 4 * 6 * 7) * (3 * 5 * 2)),
        ("convolve_weight", [None, Y], W, {}, 2 * (2 * 4 * 6 * 7) * (3 * 5 * 2)),
        ("matrix_product", [(7, 3, 4), (4, 5)], (7, 3, 5), {}, 2 * 7 * 3 * 4 * 5),
        ("matrix_product", [None, (7, 4, 5)], (7, 3, 5), {}, 2 * 7 * 3 * 4 * 5),
        ("matrix_product", [(3, 4), None], (3, 5), {}, 2 * 3 * 4 * 5),
        ("affine", [(2, 3), (5, 3), (5,)], (2, 5), {}, 2 * 2 * 3 * 5),
        ("affine", [None, (5, 3)], (2, 5), {}, 2 * 2 * 3 * 5),
        ("affine", [(2, 3), None], (2, 5), {}, 2 * 2 * 3 * 5),
        ("contract", [(2, 3), (3, 5)], (2, 5), {"equation": "ij,jk->ik"}, 2 * 2 * 3 * 5),
        ("contract", [(2, 3), (3,), (2,)], (), {"equation": "ij,j,i->"}, 3 * 2 * 3),
        ("add", [(2, 3), (3,)], (2, 3), {}, 6),
        ("sum_over", [(2, 3)], (), {}, 6),
        ("relu", [None], (2, 3), {}, 6),
        ("reorder", [(2, 3)], (3, 2), {}, 0),
        ("take", [(2, 3)], (30, 3), {}, 0),
    ],
)
def test_a_multiplication_with_its_addition_counts_as_two(
    name: str, inputs: list[Shape | None], out: Shape, options: dict[str, Any], expected: int
) -> None:
    assert flops(name, inputs, out, options) == expected


@pytest.mark.parametrize(
    ("name", "inputs", "options"),
    [
        ("convolve", [X, None], {}),
        ("convolve_input", [None, W], {}),
        ("convolve_input", [Y, None], {}),
        ("convolve_weight", [X, None], {}),
        ("matrix_product", [None, None], {}),
        ("affine", [None, None], {}),
        ("contract", [(2, 3), None], {"equation": "ij,jk->ik"}),
    ],
)
def test_a_shape_that_decides_should_be_known(name: str, inputs: list[Shape | None], options: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="flops: an input's shape is not known"):
        flops(name, inputs, (2, 4, 6, 7), options)

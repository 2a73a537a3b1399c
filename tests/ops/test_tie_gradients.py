"""At kinks and ties there is a choice, and these are the choices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from tinygrad_cnn import Tensor


def gradient(function: Callable[..., Tensor], *inputs: Any) -> Any:
    """Of the sum of the function's result in its first input, as nested lists."""
    tensors = [Tensor(np.array(x, np.float64), requires_grad=True) for x in inputs]
    found = tg.grad(function(*tensors).sum(), tensors)
    lists = [g.tolist() for g in found if g is not None]
    return lists[0] if len(lists) == 1 else lists


KINKS: list[tuple[str, Callable[..., Tensor], Any, Any]] = [
    ("relu is flat at 0", tg.relu, [-1.0, 0.0, 1.0], [0.0, 0.0, 1.0]),
    ("leaky_relu has its left slope at 0", F.leaky_relu, [-1.0, 0.0, 1.0], [0.01, 0.01, 1.0]),
    ("elu has its left slope at 0", lambda x: F.elu(x, 0.5), [0.0, 1.0], [0.5, 1.0]),
    ("abs is flat at 0", tg.abs, [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]),
    ("sign is flat everywhere", tg.sign, [-2.0, 0.0, 2.0], [0.0, 0.0, 0.0]),
    ("clamp passes on its limits", lambda x: x.clamp(-1, 1), [-2.0, -1.0, 0.0, 1.0, 2.0], [0.0, 1.0, 1.0, 1.0, 0.0]),
    ("floor is flat everywhere", tg.floor, [0.0, 0.5, 1.0], [0.0, 0.0, 0.0]),
    ("amax shares evenly", lambda x: x.amax(0), [3.0, 1.0, 3.0, 3.0], [1 / 3, 0.0, 1 / 3, 1 / 3]),
    ("amin shares evenly", lambda x: x.amin(0), [3.0, 1.0, 1.0], [0.0, 0.5, 0.5]),
    ("max() shares evenly", lambda x: x.max(), [[3.0, 1.0], [3.0, 2.0]], [[0.5, 0.0], [0.5, 0.0]]),
    ("min() shares evenly", lambda x: x.min(), [[3.0, 1.0], [1.0, 2.0]], [[0.0, 0.5], [0.5, 0.0]]),
    ("max(dim) takes the first", lambda x: x.max(0).values, [3.0, 1.0, 3.0], [1.0, 0.0, 0.0]),
    ("min(dim) takes the first", lambda x: x.min(0).values, [3.0, 1.0, 1.0], [0.0, 1.0, 0.0]),
    ("the largest norm shares evenly", lambda x: x.norm(np.inf), [3.0, -3.0, 1.0], [0.5, -0.5, 0.0]),
    ("the 1-norm is flat at 0", lambda x: x.norm(1), [-1.0, 0.0, 2.0], [-1.0, 0.0, 1.0]),
    ("the l1 loss is flat at 0", lambda x: F.l1_loss(x, tg.zeros_like(x), reduction="sum"), [0.0, -3.0], [0.0, -1.0]),
]


@pytest.mark.parametrize(("name", "function", "x", "expected"), KINKS, ids=[name for name, *_ in KINKS])
def test_at_a_kink(name: str, function: Callable[..., Tensor], x: Any, expected: Any) -> None:
    assert gradient(function, x) == expected


@pytest.mark.parametrize("function", [tg.maximum, tg.minimum])
def test_equal_rivals_get_half_each(function: Callable[..., Tensor]) -> None:
    a, b = gradient(function, [1.0, 2.0, 3.0], [1.0, 5.0, 0.0])
    won = function is tg.maximum
    assert a == [0.5, 0.0 if won else 1.0, 1.0 if won else 0.0]
    assert [x + y for x, y in zip(a, b, strict=True)] == [1.0, 1.0, 1.0]


def test_a_number_as_rival_takes_its_half_too() -> None:
    assert gradient(lambda x: x.maximum(0.0), [-1.0, 0.0, 1.0]) == [0.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("window", "place"),
    [
        ([[0, 1], [1, 0]], (0, 1)),  # the first in reading order, not in reading columns
        ([[1, 0], [0, 1]], (0, 0)),
        ([[1, 1], [1, 1]], (0, 0)),
        ([[0, 0], [1, 1]], (1, 0)),
        ([[0, 1], [0, 1]], (0, 1)),
        ([[-np.inf, -np.inf], [-np.inf, -np.inf]], (0, 0)),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_pooling_tie_goes_to_the_windows_first_element(window: Any, place: tuple[int, int], dtype: Any) -> None:
    for options in ({}, {"stride": 1}, {"ceil_mode": True}, {"stride": 3}):
        x = Tensor(np.array([[window]], dtype), requires_grad=True)
        F.max_pool2d(x, 2, **options).backward()
        expected = np.zeros((1, 1, 2, 2))
        expected[0, 0][place] = 1
        assert x.grad is not None
        np.testing.assert_array_equal(x.grad.data, expected)


def test_overlapping_windows_of_one_value_share_out_by_place() -> None:
    assert gradient(lambda x: F.max_pool2d(x, 2, 1), np.zeros((1, 1, 3, 3))) == [[[[1, 1, 0], [1, 1, 0], [0, 0, 0]]]]


def test_padding_never_wins_not_even_against_what_is_lower_than_all() -> None:
    x = Tensor(np.full((1, 1, 2, 2), -np.inf), requires_grad=True)
    y = F.max_pool2d(x, 2, padding=1)
    assert (y.data == -np.inf).all()
    y.backward(np.ones((1, 1, 2, 2)))
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.data, np.ones((1, 1, 2, 2)))


def test_an_element_taken_twice_gets_both_gradients() -> None:
    assert gradient(lambda x: x[[0, 0, 2]], [1.0, 2.0, 3.0]) == [2.0, 0.0, 1.0]
    assert gradient(lambda x: x.gather(0, [1, 1, 1]), [1.0, 2.0, 3.0]) == [0.0, 3.0, 0.0]


def test_of_values_written_to_one_place_only_the_last_has_a_gradient() -> None:
    x, v = gradient(lambda x, v: tg.ops.setitem(x, [0, 0, 2], v), [1.0, 2.0, 3.0], [4.0, 5.0, 6.0])
    assert x == [0.0, 1.0, 0.0]
    assert v == [0.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ([2.0, 3.0, 4.0], [12.0, 8.0, 6.0]),
        ([0.0, 3.0, 4.0], [12.0, 0.0, 0.0]),
        ([0.0, 3.0, 0.0], [0.0, 0.0, 0.0]),
        ([0.0], [1.0]),
    ],
)
def test_a_products_gradient_is_the_product_of_the_others(factors: list[float], expected: list[float]) -> None:
    assert gradient(lambda x: x.prod(), factors) == expected
    assert gradient(lambda x: x.prod(0), factors) == expected


def test_the_gradients_of_powers_at_zero() -> None:
    for exponent, slope in ((0, 0.0), (1, 1.0), (2, 0.0), (3, 0.0), (0.5, np.inf)):
        assert gradient(lambda x, p=exponent: x**p, [0.0]) == [slope]
    base, exponents = gradient(lambda x, p: x**p, [0.0, 0.0], [0.0, 2.0])
    assert base == [0.0, 0.0]
    assert exponents == [0.0, 0.0]


def test_a_standard_deviation_of_equal_numbers_is_flat() -> None:
    assert gradient(lambda x: x.std(), [2.0, 2.0, 2.0]) == [0.0, 0.0, 0.0]


def test_a_max_pool_that_nobody_differentiates_looks_for_no_winners() -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 6, 6))
    leaf = tg.Tensor(x, requires_grad=True)
    names: list[str] = []
    with tg.observe(lambda event: names.append(event.primitive.name)):
        recorded = F.max_pool2d(leaf, 3, 2, 1)
        plain = F.max_pool2d(tg.Tensor(x), 3, 2, 1)
        with tg.no_grad():
            unrecorded = F.max_pool2d(leaf, 3, 2, 1)
    assert names == ["pool_max", "pool_largest", "pool_largest"]
    assert recorded.data.tobytes() == plain.data.tobytes() == unrecorded.data.tobytes()

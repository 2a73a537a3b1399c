"""New tensors: what dtype they have, whether they share memory, and that the same seed gives the same bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import Tensor


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, np.float32),
        (2, np.int64),
        (True, np.bool_),
        ([1.0, 2.0], np.float32),
        ([1, 2.5], np.float32),
        ([[1, 2], [3, 4]], np.int64),
        ([True, False], np.bool_),
        ([], np.float32),
        (np.float64(1.5), np.float64),
        (np.float32(1.5), np.float32),
        (np.array([1.0]), np.float64),
        (np.array([1.0], np.float16), np.float16),
        (np.array([1], np.uint8), np.uint8),
        (np.array([1.0], ">f4"), np.float32),
        (range(3), np.int64),
    ],
)
def test_arrays_keep_their_dtype_and_python_floats_become_float32(data: Any, dtype: type) -> None:
    assert Tensor(data).dtype == np.dtype(dtype)
    assert tg.tensor(data).dtype == np.dtype(dtype)
    assert Tensor(data).dtype.isnative
    np.testing.assert_array_equal(Tensor(data).data, np.array(data))


def test_a_dtype_can_be_asked_for() -> None:
    assert Tensor([1, 2], dtype=np.float64).dtype == np.float64
    assert tg.tensor([1.7], dtype="int64").tolist() == [1]
    assert tg.tensor(1, dtype=np.float32, requires_grad=True).requires_grad


def test_a_tensor_copies_its_data() -> None:
    array = np.array([1.0, 2.0])
    x = Tensor(array)
    y = Tensor(x)
    array[0] = x.data[1] = 9.0
    assert x.tolist() == [1.0, 9.0]
    assert y.tolist() == [1.0, 2.0]


def test_tensors_may_stand_in_lists() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = Tensor([[x[0], 3], [x[1] * 2, 4]])
    assert y.tolist() == [[1.0, 3.0], [4.0, 4.0]]
    assert y.is_leaf


@pytest.mark.parametrize("data", ["text", [1, "a"], None, object(), [[1], [2, 3]], 1j, {"a": 1}, np.array(["x"])])
def test_what_is_not_numbers_is_refused(data: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        Tensor(data)


def test_from_numpy_shares_memory() -> None:
    array = np.zeros((2, 2))
    x = tg.from_numpy(array)
    array[0, 0] = 1.0
    x.data[1, 1] = 2.0
    assert x.data is array
    assert x.tolist() == [[1.0, 0.0], [0.0, 2.0]]


def test_from_numpy_refuses_what_a_tensor_cannot_hold() -> None:
    with pytest.raises(TypeError, match="from_numpy: expected an array of floats, integers or bools, got list"):
        tg.from_numpy([1.0])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="got complex128"):
        tg.from_numpy(np.array([1j]))
    with pytest.raises(TypeError, match="from_numpy: the array has another byte order than this machine"):
        tg.from_numpy(np.array([1.0], np.dtype(np.float64).newbyteorder()))


FILLED: dict[str, tuple[Callable[..., Tensor], float]] = {"zeros": (tg.zeros, 0.0), "ones": (tg.ones, 1.0)}


@pytest.mark.parametrize("name", FILLED)
def test_zeros_and_ones_take_sizes_or_one_shape(name: str) -> None:
    create, value = FILLED[name]
    for x in (create(2, 3), create((2, 3)), create([2, 3]), create(np.int64(2), 3)):
        assert x.shape == (2, 3)
        assert x.dtype == np.float32
        assert (x.data == value).all()
    assert create().shape == ()
    assert create(0, 2).shape == (0, 2)
    assert create(2, dtype=np.int64, requires_grad=False).dtype == np.int64
    assert create(2, requires_grad=True).requires_grad
    with pytest.raises(ValueError, match=r"a shape is made of sizes of at least 0, got \(2, -1\)"):
        create(2, -1)
    with pytest.raises(TypeError, match=r"each size must be an int, got 1\.5"):
        create(1.5)
    with pytest.raises(TypeError, match="only floating-point tensors can have gradients"):
        create(2, dtype=np.int64, requires_grad=True)


@pytest.mark.parametrize(("steps", "numbers"), [(0, []), (1, [2.0]), (2, [2.0, 3.0]), (3, [2.0, 2.5, 3.0])])
def test_linspace_starts_at_its_start_and_ends_at_its_end(steps: int, numbers: list[float]) -> None:
    assert tg.linspace(2.0, 3.0, steps).tolist() == numbers


def test_full_takes_its_dtype_from_the_value() -> None:
    assert tg.full((2,), 1.5).dtype == np.float32
    assert tg.full((2,), 3).dtype == np.int64
    assert tg.full((2,), True).dtype == np.bool_
    assert tg.full((2,), 3, dtype=np.float64, requires_grad=True).requires_grad
    assert tg.full((), 2.0).item() == 2.0


def test_like_means_of_the_same_shape_and_dtype() -> None:
    x = Tensor(np.full((2, 3), 7.0), requires_grad=True)
    for y, value in ((tg.zeros_like(x), 0.0), (tg.ones_like(x), 1.0)):
        assert (y.shape, y.dtype, y.requires_grad) == ((2, 3), np.float64, False)
        assert (y.data == value).all()


def test_arange_counts_as_range_does() -> None:
    assert tg.arange(3).tolist() == [0, 1, 2]
    assert tg.arange(1, 7, 2).tolist() == [1, 3, 5]
    assert tg.arange(3, 0, -1).tolist() == [3, 2, 1]
    assert tg.arange(3).dtype == np.int64
    assert tg.arange(0, 1, 0.25).tolist() == [0.0, 0.25, 0.5, 0.75]
    assert tg.arange(3.0).dtype == np.float32
    assert tg.arange(3, dtype=np.float64).dtype == np.float64


def test_linspace_includes_both_ends() -> None:
    assert tg.linspace(0, 1, 5).tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert tg.linspace(0, 1, 5).dtype == np.float32


def test_eye_has_ones_on_its_diagonal() -> None:
    assert tg.eye(2).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert tg.eye(2, 3).shape == (2, 3)
    assert tg.eye(2).dtype == np.float32


RANDOM: list[Callable[..., Tensor]] = [tg.rand, tg.randn]


@pytest.mark.parametrize("create", RANDOM)
def test_the_same_seed_gives_the_same_bits(create: Callable[..., Tensor]) -> None:
    tg.manual_seed(5)
    first, second = create(3, 4), create(3, 4)
    tg.manual_seed(5)
    assert create((3, 4)).data.tobytes() == first.data.tobytes()
    assert first.data.tobytes() != second.data.tobytes()
    generator = np.random.default_rng(5)
    assert create(3, 4, generator=generator).data.tobytes() == first.data.tobytes()
    assert create(3, 4, generator=generator).data.tobytes() == second.data.tobytes()


@pytest.mark.parametrize("create", RANDOM)
def test_random_tensors_are_float32_of_any_shape(create: Callable[..., Tensor]) -> None:
    for shape in ((), (0,), (2, 3)):
        assert create(*shape).shape == shape
        assert create(*shape).dtype == np.float32
    assert create(2, requires_grad=True).requires_grad


def test_a_generator_of_its_own_leaves_the_default_one_where_it_was() -> None:
    tg.manual_seed(1)
    expected = tg.rand(2).tolist()
    tg.manual_seed(1)
    tg.rand(5, generator=np.random.default_rng(0))
    assert tg.rand(2).tolist() == expected


def test_the_distributions_are_those_promised() -> None:
    uniform, normal = tg.rand(20_000).data, tg.randn(20_000).data
    assert 0 <= uniform.min() < 0.001
    assert 0.999 < uniform.max() < 1
    assert abs(uniform.mean() - 0.5) < 0.01
    assert abs(normal.mean()) < 0.03
    assert abs(normal.std() - 1) < 0.03


def test_manual_seed_returns_the_default_generator() -> None:
    assert tg.manual_seed(3) is tg.default_generator()


def test_before_any_seed_is_given_the_default_generator_starts_from_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinygrad_cnn.random._default", {})
    first = tg.rand(2), tg.rand(2)
    tg.manual_seed(0)
    assert [x.tolist() for x in first] == [tg.rand(2).tolist(), tg.rand(2).tolist()]

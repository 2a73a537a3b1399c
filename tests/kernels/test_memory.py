"""Recycled memory: taken over only when nobody looks into it any more."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from tinygrad_cnn.kernels import memory
from tinygrad_cnn.kernels.memory import Arena, Arenas, Scratch

LARGE = memory.SMALLEST_BYTES  # bytes


@pytest.fixture
def arenas() -> Arenas:
    return Arenas()


def address(array: np.ndarray) -> int:
    return int(array.__array_interface__["data"][0])


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (5,), (LARGE // 4,), (3, LARGE), (7, 11, 1301)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, bool])
def test_an_empty_array_is_like_numpys(shape: tuple[int, ...], dtype: type) -> None:
    array = memory.empty(shape, dtype)
    assert array.shape == shape
    assert array.dtype == dtype
    assert array.flags.c_contiguous
    assert array.flags.writeable
    assert array.flags.aligned
    array[...] = 1
    assert (array == 1).all()


@pytest.mark.parametrize("shape", [(LARGE,), (3, LARGE), (7, 11, 1301)])
def test_large_arrays_start_on_a_cache_line(arenas: Arenas, shape: tuple[int, ...]) -> None:
    arrays = [arenas.empty(shape, np.float32) for _ in range(5)]
    assert [address(array) % 64 for array in arrays] == [0] * 5


def test_the_next_array_takes_over_a_dead_ones_memory(arenas: Arenas) -> None:
    first = arenas.empty((LARGE,), np.float32)
    place = address(first)
    del first
    assert address(arenas.empty((2, LARGE // 2), np.float32)) == place


def test_memory_is_not_taken_over_while_a_view_of_it_lives(arenas: Arenas) -> None:
    first = arenas.empty((4, LARGE), np.float32)
    first[...] = 1
    view = first[1:].reshape(-1)[::2]
    del first
    other = arenas.empty((4, LARGE), np.float32)
    other[...] = 2
    assert (view == 1).all()
    del view
    assert address(arenas.empty((4, LARGE), np.float32)) < address(other)


def test_two_neighbours_that_die_make_room_for_a_larger_array(arenas: Arenas) -> None:
    arrays = [arenas.empty((LARGE,), np.uint8) for _ in range(4)]
    place = address(arrays[1])
    del arrays[1:3]
    assert address(arenas.empty((2 * LARGE,), np.uint8)) == place


def test_a_large_place_is_shared_by_smaller_arrays(arenas: Arenas) -> None:
    large, after = arenas.empty((4 * LARGE,), np.uint8), arenas.empty((LARGE,), np.uint8)
    place = address(large)
    del large
    assert all(address(arenas.empty((LARGE,), np.uint8)) == place for _ in range(2))  # each dies at once
    small = [arenas.empty((LARGE,), np.uint8) for _ in range(4)]
    assert [address(array) - place for array in small] == [0, LARGE, 2 * LARGE, 3 * LARGE]
    assert address(after) == place + 4 * LARGE


def test_small_arrays_are_left_to_numpy(arenas: Arenas) -> None:
    assert arenas.empty((10,), np.float32).base is None
    assert arenas.arenas == []


def test_an_array_larger_than_an_arena_gets_one_of_its_own(arenas: Arenas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "ARENA_BYTES", 2 * LARGE)
    arrays = [arenas.empty((size * LARGE,), np.uint8) for size in (1, 5, 1)]
    assert [arena.size for arena in arenas.arenas] == [2 * LARGE, 5 * LARGE]
    assert address(arrays[2]) == address(arrays[0]) + LARGE


def test_empty_arenas_go_back_to_the_system_when_there_are_too_many(
    arenas: Arenas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "ARENA_BYTES", LARGE)
    monkeypatch.setattr(memory, "waiting", memory.Waiting())
    monkeypatch.setattr(memory, "MOST_KEPT_BYTES", 3 * LARGE)
    arrays = [arenas.empty((LARGE,), np.uint8) for _ in range(5)]
    assert len(arenas.arenas) == 5
    arrays.clear()
    array = arenas.empty((LARGE,), np.uint8)
    assert len(arenas.arenas) == 3
    array[...] = 1


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 9)), max_size=60))
def test_places_never_overlap_and_free_ones_never_touch(steps: list[tuple[bool, int]]) -> None:
    arena = Arena(30)
    taken: list[tuple[int, int]] = []
    for gives_back, number in steps:
        if gives_back and taken:
            arena.give_back(*taken.pop(number % len(taken)))
        elif (start := arena.take(number)) is not None:
            taken.append((start, start + number))
        else:
            assert all(stop - start < number for start, stop in arena.free)
        everything = sorted(taken + arena.free)
        assert [0, *(stop for _, stop in everything)] == [*(start for start, _ in everything), 30]
        assert all(stop < start for (_, stop), (start, _) in zip(arena.free, arena.free[1:], strict=False))


def test_arrays_of_several_threads_never_overlap() -> None:
    wrong: list[int] = []

    def work(mine: int) -> None:
        for _ in range(100):
            arrays = [memory.empty((LARGE // 4,), np.float32) for _ in range(3)]
            for array in arrays:
                array.fill(mine)
            wrong.extend(mine for array in arrays if not (array == mine).all())

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_scratch_memory_of_one_name_is_taken_again_and_grows() -> None:
    scratch = Scratch()
    first = scratch.take("a", (3, LARGE), np.float32)
    assert address(scratch.take("a", (2, 5), np.float32)) == address(first)
    assert address(scratch.take("b", (3, LARGE), np.float32)) != address(first)
    assert scratch.take("a", (4, LARGE), np.float32).shape == (4, LARGE)
    assert scratch.take("a", (2,), np.float64).dtype == np.float64


def forward_and_backward(side: int, channels: int) -> list[np.ndarray]:
    """A convolution and a pool, trained and then only run, on an image of a shape of its own."""
    random = np.random.default_rng(side)
    x, weight = (
        random.standard_normal(shape).astype(np.float32) for shape in ((2, channels, side, side), (4, channels, 3, 3))
    )
    leaves = [tg.Tensor(array, requires_grad=True) for array in (x, weight)]
    y = F.max_pool2d(F.conv2d(*leaves, padding=1), 3, 2)
    y.sum().backward()
    with tg.no_grad():
        again = F.max_pool2d(F.conv2d(*leaves, padding=1), 3, 2)
    return [y.data, again.data, *(leaf.grad.data for leaf in leaves)]


SHAPES = [(side, channels) for side in range(8, 58) for channels in (1, 3, 8, 9)]  # 200


def test_buffers_that_wait_stay_below_the_budget_whatever_the_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "waiting", memory.Waiting())
    expected = [forward_and_backward(*shape) for shape in SHAPES]
    everything = memory.waiting.bytes
    monkeypatch.setattr(memory, "MOST_KEPT_BYTES", everything // 10)
    for shape, results in zip(SHAPES[::-1] + SHAPES, expected[::-1] + expected, strict=True):
        for found, due in zip(forward_and_backward(*shape), results, strict=True):
            np.testing.assert_array_equal(found, due)
        assert memory.waiting.bytes <= everything // 10
    held = [size for alike in memory.waiting.buffers.values() for _, size in alike]
    assert sum(held) == memory.waiting.bytes > everything // 20


def test_buffers_used_longest_ago_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = memory.Waiting()
    monkeypatch.setattr(memory, "MOST_KEPT_BYTES", 3 * (LARGE + memory.PAGE_BYTES))

    def use(name: str) -> None:
        waiting.give_back(make, (name,), waiting.take(make, (name,)))

    def make(name: str) -> np.ndarray:
        made.append(name)
        return memory.empty((LARGE,), np.uint8)

    made: list[str] = []
    for name in "abcadabcd":  # b goes for d, c for b, d for c, a for d
        use(name)
    assert "".join(made) == "abcdbcd"


def test_threads_share_waiting_buffers_safely(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = SHAPES[::5]
    expected = [forward_and_backward(*shape) for shape in shapes]
    monkeypatch.setattr(memory, "waiting", memory.Waiting())
    monkeypatch.setattr(memory, "MOST_KEPT_BYTES", 1 << 20)
    wrong: list[tuple[int, int]] = []

    def work(seed: int) -> None:
        for i in np.random.default_rng(seed).permutation(len(shapes)):
            found = forward_and_backward(*shapes[i])
            if not all(map(np.array_equal, found, expected[i])):
                wrong.append(shapes[i])

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert memory.waiting.bytes <= 1 << 20

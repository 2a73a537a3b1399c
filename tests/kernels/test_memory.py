"""Recycled memory: taken over only when nobody looks into it any more."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from tinygrad_cnn.kernels import memory

LARGE = memory.SMALLEST  # bytes


@pytest.fixture(autouse=True)
def _no_free_blocks() -> Iterator[None]:
    memory.release()
    yield
    memory.release()


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
def test_large_arrays_start_on_a_cache_line(shape: tuple[int, ...]) -> None:
    arrays = [memory.empty(shape, np.float32) for _ in range(5)]
    assert [address(array) % 64 for array in arrays] == [0] * 5


def test_the_next_array_of_its_size_takes_over_a_dead_ones_memory() -> None:
    first = memory.empty((LARGE,), np.float32)
    place = address(first)
    del first
    assert address(memory.empty((2, LARGE // 2), np.float32)) == place


def test_memory_is_not_taken_over_while_a_view_of_it_lives() -> None:
    first = memory.empty((4, LARGE), np.float32)
    first[...] = 1
    view = first[1:].reshape(-1)[::2]
    del first
    other = memory.empty((4, LARGE), np.float32)
    other[...] = 2
    assert (view == 1).all()
    del view
    assert address(memory.empty((4, LARGE), np.float32)) != address(other)


def test_a_block_much_too_large_is_left_for_a_larger_array() -> None:
    large = memory.empty((8, LARGE), np.uint8)
    place = address(large)
    del large
    assert address(memory.empty((4, LARGE), np.uint8)) != place
    assert address(memory.empty((7, LARGE), np.uint8)) == place


def test_the_block_that_fits_best_is_taken() -> None:
    arrays = [memory.empty((n, LARGE), np.uint8) for n in (10, 8, 9)]
    places = [address(a) for a in arrays]
    del arrays
    assert address(memory.empty((8, LARGE), np.uint8)) == places[1]


def test_small_arrays_are_left_to_numpy() -> None:
    small = memory.empty((10,), np.float32)
    assert small.base is None
    del small
    assert memory.release() == 0


def test_release_gives_the_free_blocks_back() -> None:
    lent, freed = memory.empty((LARGE,), np.uint8), memory.empty((2 * LARGE,), np.uint8)
    del freed
    assert memory.release() == 2 * LARGE
    assert memory.release() == 0
    del lent
    assert memory.release() == LARGE


def test_the_oldest_free_blocks_go_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MOST_KEPT", 3 * LARGE)
    arrays = [memory.empty((LARGE,), np.uint8) for _ in range(5)]
    kept = [address(a) for a in arrays[2:]]
    while arrays:
        del arrays[0]
    taken = [memory.empty((LARGE,), np.uint8) for _ in range(3)]
    assert sorted(address(a) for a in taken) == sorted(kept)
    assert memory.release() == 0


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

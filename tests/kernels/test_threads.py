"""Work in numbered pieces: all of it done, once, on as many threads as asked for, whoever calls."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
import weakref
from collections import Counter

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.kernels import get_num_threads, parallel_for, set_num_threads


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 100])
def test_every_piece_is_done_once(threads: int, count: int) -> None:
    set_num_threads(threads)
    done: list[int] = []
    parallel_for(done.append, count)
    assert sorted(done) == list(range(count))


def test_no_more_threads_take_part_than_asked_for() -> None:
    set_num_threads(5)
    parallel_for(lambda _: time.sleep(0.001), 20)  # five are there now
    set_num_threads(2)
    names: set[str] = set()

    def work(_: int) -> None:
        names.add(threading.current_thread().name)
        time.sleep(0.001)

    parallel_for(work, 20)
    assert len(names) == 2


@pytest.mark.parametrize("threads", [1, 3])
def test_an_exception_in_a_piece_reaches_the_caller_and_the_next_job_runs(threads: int) -> None:
    set_num_threads(threads)

    def work(number: int) -> None:
        if number == 3:
            raise KeyError("three")

    with pytest.raises(KeyError, match="three"):
        parallel_for(work, 10)
    done: list[int] = []
    parallel_for(done.append, 10)
    assert sorted(done) == list(range(10))


def test_after_an_exception_no_further_piece_is_started() -> None:
    set_num_threads(1)
    started: list[int] = []

    def work(number: int) -> None:
        started.append(number)
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - raised above
        parallel_for(work, 10)
    assert started == [0]


def test_a_caller_waits_for_no_helper_that_is_busy_elsewhere() -> None:
    set_num_threads(2)
    begun, end = threading.Semaphore(0), threading.Event()

    def occupy(_: int) -> None:
        begun.release()
        end.wait(timeout=30)

    other = threading.Thread(target=parallel_for, args=(occupy, 2))  # with the only helper
    other.start()
    begun.acquire(timeout=30)
    begun.acquire(timeout=30)
    done: list[int] = []
    parallel_for(done.append, 5)
    assert done == [0, 1, 2, 3, 4]
    assert not end.is_set()
    end.set()
    other.join(timeout=30)


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_of_a_job_stays_alive_after_it(fails: bool) -> None:
    set_num_threads(3)
    array = np.zeros(3)

    def work(number: int, array: np.ndarray = array) -> None:
        array[number] = 1 / (number - 2) if fails else 1

    alive = weakref.ref(work)
    with contextlib.suppress(ZeroDivisionError):
        parallel_for(work, 3)
    del work
    assert alive() is None


def test_blas_has_one_thread_where_ours_run() -> None:
    """In a process of its own: here, other packages may have loaded a BLAS of their own, which NumPy does not use."""
    code = """
import threadpoolctl
from tinygrad_cnn.kernels.threads import parallel_for
parallel_for(lambda _: None, 1)
print({pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"})
"""
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "{1}\n"


def test_work_within_work_is_done_by_the_same_thread() -> None:
    set_num_threads(3)
    inner: list[tuple[str, str]] = []

    def work(_: int) -> None:
        outer = threading.current_thread().name
        parallel_for(lambda _: inner.append((outer, threading.current_thread().name)), 4)

    parallel_for(work, 5)
    assert len(inner) == 20
    assert all(a == b for a, b in inner)


def test_several_threads_may_call_at_once() -> None:
    set_num_threads(3)
    done = [Counter[int]() for _ in range(6)]

    def caller(mine: Counter[int]) -> None:
        for _ in range(50):
            parallel_for(lambda i: mine.update([i]), 8)

    callers = [threading.Thread(target=caller, args=(counter,)) for counter in done]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join(timeout=30)
    assert not any(thread.is_alive() for thread in callers)
    assert all(counter == dict.fromkeys(range(8), 50) for counter in done)


def test_calculations_in_several_threads_do_not_disturb_each_other() -> None:
    set_num_threads(2)
    random = np.random.default_rng(0)
    images = [random.standard_normal((5, 3, 20, 20)).astype(np.float32) for _ in range(4)]
    weight = random.standard_normal((4, 3, 3, 3)).astype(np.float32)

    def gradient(image: np.ndarray) -> bytes:
        x, w = tg.Tensor(image, requires_grad=True), tg.Tensor(weight, requires_grad=True)
        tg.max_pool2d(tg.relu(tg.conv2d(x, w)), 2).square().sum().backward()
        assert x.grad is not None
        assert w.grad is not None
        return x.grad.data.tobytes() + w.grad.data.tobytes()

    alone = [gradient(image) for image in images]
    together: dict[int, list[bytes]] = {i: [] for i in range(4)}
    callers = [
        threading.Thread(target=lambda i=i: together[i].extend(gradient(images[i]) for _ in range(5))) for i in range(4)
    ]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join(timeout=60)
    assert together == {i: [alone[i]] * 5 for i in range(4)}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_starts_threads_of_its_own() -> None:
    """In a process of its own: forking the test runner itself, with all that it has imported, is another matter."""
    program = """
import os, warnings
import numpy as np
import tinygrad_cnn as tg
warnings.simplefilter("ignore")
tg.set_num_threads(3)
x, w = tg.Tensor(np.ones((40, 2, 8, 8), np.float32)), tg.Tensor(np.ones((2, 2, 3, 3), np.float32), requires_grad=True)
tg.conv2d(x, w).sum().backward()
expected, w.grad = w.grad.data.tobytes(), None
child = os.fork()
if child == 0:
    tg.conv2d(x, w).sum().backward()
    os._exit(0 if w.grad.data.tobytes() == expected else 3)
tg.conv2d(x, w).sum().backward()
assert w.grad.data.tobytes() == expected
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forking_in_the_middle_of_other_threads_work_is_safe() -> None:
    program = """
import multiprocessing, threading, warnings
import numpy as np
import tinygrad_cnn as tg
warnings.simplefilter("ignore")
tg.set_num_threads(3)
x, w = np.ones((40, 2, 8, 8), np.float32), np.ones((2, 2, 3, 3), np.float32)
def gradient():
    weight = tg.Tensor(w, requires_grad=True)
    tg.conv2d(tg.Tensor(x), weight).relu().sum().backward()
    return weight.grad.data.tobytes()
def compare():
    raise SystemExit(0 if gradient() == expected else 3)
expected, over = gradient(), threading.Event()
def keep_busy():
    while not over.is_set():
        gradient()
threads = [threading.Thread(target=keep_busy) for _ in range(2)]
for thread in threads:
    thread.start()
fork = multiprocessing.get_context("fork")
codes = []
for _ in range(10):
    child = fork.Process(target=compare)
    child.start()
    child.join(10)
    codes.append(child.exitcode)
    child.kill()
over.set()
for thread in threads:
    thread.join()
raise SystemExit(codes != [0] * 10)
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=120, check=False).returncode == 0


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "2", None])
def test_the_number_of_threads_is_a_positive_int(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"set_num_threads: expected a positive int, got"):
        set_num_threads(wrong)  # type: ignore[arg-type]


def test_the_number_of_threads_is_what_was_set() -> None:
    tg.set_num_threads(3)
    assert tg.get_num_threads() == get_num_threads() == 3

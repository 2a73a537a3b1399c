"""Threads: work cut into numbered pieces, which a few threads take one after another.

How work is cut never depends on how many threads there are, so results are the same bits on any number.
NumPy lets go of the interpreter lock inside products, element-wise functions and copies. BLAS is held to one
thread from the first parallel call on, for our threads and its own would multiply.
"""

from __future__ import annotations

import functools
import os
import queue
import threading
from collections.abc import Callable, Hashable, Iterator
from typing import TypeVar

import numpy as np

from . import memory
from .cpus import usable_cpus

Work = Callable[[int], None]
Buffers = TypeVar("Buffers")


BUFFER = 1024  # elements; see set_numpy_up


class _Job:
    """Numbered pieces of work, handed out to whoever asks. After an exception nobody starts another."""

    def __init__(self, work: Work, count: int) -> None:
        self.work, self.numbers = work, iter(range(count))
        self.error: BaseException | None = None
        self.helped = queue.SimpleQueue[int]()  # how many pieces a helper saw to, when it found none left

    def take_part(self) -> int:
        """Do pieces until none is left; gives how many."""
        taken = 0
        try:
            for number in self.numbers:
                taken += 1
                self.work(number)
        except BaseException as error:
            self.error = error
            taken += sum(1 for _ in self.numbers)
        return taken


class _Here(threading.local):
    inside_job = False  # work that starts work of its own runs it in the same thread


_here = _Here()
_num_threads = usable_cpus()
_jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
_helpers = 0
_starting = threading.Lock()


def set_numpy_up() -> None:
    """NumPy's settings for this thread or context, in every primitive: no warnings, and small buffers.

    A ufunc with a broadcast or strided operand goes through buffers of so many elements, unless rows are longer: with
    8,192, NumPy's default, a bias takes 54 us to add to 131,072 elements, and with 1,024 17.
    """
    np.seterr(all="ignore")
    np.setbufsize(BUFFER)


def _help() -> None:
    _here.inside_job = True
    set_numpy_up()
    while True:
        job = _jobs.get()
        job.helped.put(job.take_part())


def _start_helpers(wanted: int) -> None:
    global _helpers
    with _starting:
        while _helpers < wanted:
            threading.Thread(target=_help, name=f"tinygrad_cnn-{_helpers}", daemon=True).start()
            _helpers += 1


def _forget_helpers() -> None:
    """A forked child has none of its parent's threads: it starts its own when it needs them."""
    global _helpers, _jobs, _starting
    _helpers, _jobs, _starting = 0, queue.SimpleQueue(), threading.Lock()
    _here.inside_job = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_helpers)


@functools.cache
def hold_blas_to_one_thread() -> None:
    """From now on, for the whole process; our own threads share the work out instead.

    Whoever first computes inside a `threadpool_limits` block of their own gets BLAS's threads back at its end.
    """
    import threadpoolctl

    threadpoolctl.threadpool_limits(limits=1, user_api="blas")


def parallel_for(work: Work, count: int, least: int = 1) -> None:
    """Call work(0) ... work(count - 1), in any order, on up to `get_num_threads()` threads.

    Pieces must write to places of their own. An exception in one is raised here. A thread that sleeps takes 50 us to
    wake: `least` says how many pieces are worth that.
    """
    hold_blas_to_one_thread()
    before = np.setbufsize(BUFFER)  # the caller's pieces must come out as the helpers' do
    try:
        _share(work, count, least)
    finally:
        np.setbufsize(before)


def _share(work: Work, count: int, least: int) -> None:
    helpers = min(_num_threads, count // least) - 1
    if helpers <= 0 or _here.inside_job:
        for number in range(count):
            work(number)
        return
    _start_helpers(helpers)
    job = _Job(work, count)
    for _ in range(helpers):
        _jobs.put(job)
    _here.inside_job = True
    try:
        done = job.take_part()
    finally:
        _here.inside_job = False
    while done < count:  # it doesn't wait for helpers that came too late to find a piece
        done += job.helped.get()
    error, job.error = job.error, None
    del job.work  # and with it the arrays that it knows: a helper may hold the job until it gets another
    if error is not None:
        try:
            raise error
        finally:
            del error  # its traceback leads back to this frame


def parallel_with(
    make: Callable[..., Buffers],
    work: Callable[[int, Buffers], None],
    count: int,
    arguments: tuple[Hashable, ...] = (),
    keep: bool = False,
    least: int = 1,
) -> None:
    """parallel_for, where every thread that takes part has buffers of its own: work(number, buffers).

    A thread holds on to what it got from make(*arguments) from one piece to the next, so that pieces can be many and
    small. With `keep` the next call with the same arguments takes the same buffers again: it saves 100 us for the
    views of an im2col buffer, a fifth of one small image's convolution.
    """
    spare: list[tuple[Buffers, int]] = []

    def with_buffers(number: int) -> None:
        try:
            made = spare.pop()
        except IndexError:  # other threads have them
            made = memory.waiting.take(make, arguments) if keep else (make(*arguments), 0)
        work(number, made[0])
        spare.append(made)

    parallel_for(with_buffers, count, least)
    if keep:
        for made in spare:
            memory.waiting.give_back(make, arguments, made)


def pieces(count: int, size: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of consecutive pieces of `size` that make up `count`; the last may be shorter."""
    return ((start, min(start + size, count)) for start in range(0, count, size))


def set_num_threads(n: int) -> None:
    """How many threads the kernels use, the calling one included. Results do not depend on it. ValueError below 1.

    >>> import tinygrad_cnn as tg
    >>> tg.set_num_threads(tg.get_num_threads())
    """
    if not isinstance(n, int) or n < 1:
        raise ValueError(f"set_num_threads: expected a positive int, got {n!r}")
    global _num_threads
    _num_threads = n


def get_num_threads() -> int:
    """How many threads the kernels use: at first, as many as there are CPUs that the process may use.

    >>> import tinygrad_cnn as tg
    >>> tg.get_num_threads() >= 1
    True
    """
    return _num_threads

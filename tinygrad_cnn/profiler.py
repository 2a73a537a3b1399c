"""profile: what each primitive of a program costs, forward and backward, in time and in memory traffic."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .arguments import checked
from .autograd import Primitive
from .modes import Event, observe
from .tensor import Tensor

__all__ = ["Cost", "profile"]

COLUMNS = ("primitive", "calls", "forward ms", "backward ms", "share", "moved", "GB/s")


class Run(NamedTuple):
    """One run of a primitive. It holds no array, so that profiling keeps nothing alive."""

    primitive: Primitive
    rule_of: Primitive | None  # whose gradient it helped to compute; None in a forward pass
    start: float  # time.perf_counter()
    seconds: float
    bytes: int
    shape: tuple[int, ...]
    thread: int

    @property
    def charged_to(self) -> Primitive:
        return self.rule_of or self.primitive


class Cost(NamedTuple):
    """What one primitive cost, its gradients included: `calls` in forward passes, times in seconds, bytes moved.

    >>> from tinygrad_cnn.profiler import Cost
    >>> Cost("mul", calls=1, forward_seconds=0.5, backward_seconds=1.0, bytes=240).seconds
    1.5
    """

    name: str
    calls: int  # in forward passes
    forward_seconds: float
    backward_seconds: float
    bytes: int

    @property
    def seconds(self) -> float:
        """Forward and backward together."""
        return self.forward_seconds + self.backward_seconds


class profile:  # noqa: N801 - a context manager reads like a function
    """Measures every primitive that runs inside one `with` block, in any thread.

    A primitive that runs in a vjp rule is charged to the primitive whose gradient it computes, as its backward
    part. Bytes are those of the arrays that a run read and made, each counted once; a view of an input counts
    as none. Measuring adds about 3 us to each run and keeps about 300 bytes for it. `print(p)` shows a table;
    `p.chrome_trace(path)` writes a picture of the runs in time. Raises RuntimeError when it is used twice, or
    asked before it has measured.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn.profiler import profile
    >>> x = tg.ones(100, 100, requires_grad=True)
    >>> with profile() as p:
    ...     (x * x).sum().backward()
    >>> [(cost.name, cost.calls) for cost in sorted(p.costs)]
    [('mul', 1), ('sum', 1)]
    """

    def __init__(self) -> None:
        self._runs: list[Run] = []
        self._threads: dict[int, str] = {}
        self._began: float | None = None
        self._ended: float | None = None
        self._watch = observe(self._note)

    def __enter__(self) -> profile:
        if self._began is not None:
            raise RuntimeError("profile: this one has been used; each block takes its own: with tg.profile() as p:")
        self._began = time.perf_counter()
        self._watch.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._watch.__exit__(None, None, None)
        self._ended = time.perf_counter()

    def _note(self, event: Event) -> None:
        start = time.perf_counter() - event.seconds
        thread = threading.get_native_id()  # get_ident()'s go to the next thread, and are too long for a trace
        if thread not in self._threads:
            self._threads[thread] = threading.current_thread().name
        rule_of = None if event.rule_of is None else event.rule_of.primitive
        out = event.out.data
        moved = _bytes_moved(event.inputs, out)
        self._runs.append(Run(event.primitive, rule_of, start, event.seconds, moved, out.shape, thread))

    @property
    def _begin(self) -> float:
        if self._began is None:
            raise RuntimeError("profile: nothing was measured; put the code to measure inside: with tg.profile() as p:")
        return self._began

    @property
    def total_seconds(self) -> float:
        """Time spent in primitives, that of all threads together."""
        return sum(run.seconds for run in self._runs)

    @property
    def wall_seconds(self) -> float:
        """Time from the block's begin to its end, or to now. What is not in primitives is Python, data, optimisers."""
        return (self._ended or time.perf_counter()) - self._begin

    @property
    def costs(self) -> list[Cost]:
        """One for each primitive, the most expensive first."""
        runs: dict[Primitive, list[Run]] = {}
        for run in self._runs:
            runs.setdefault(run.charged_to, []).append(run)
        costs = []
        for primitive, group in runs.items():
            forward = [run.seconds for run in group if run.rule_of is None]
            backward = [run.seconds for run in group if run.rule_of is not None]
            moved = sum(run.bytes for run in group)
            costs.append(Cost(primitive.public_name, len(forward), sum(forward), sum(backward), moved))
        return sorted(costs, key=lambda cost: -cost.seconds)

    def table(self) -> str:
        """The costs as text: share is that of the time in primitives, GB/s what was moved over all their time."""
        from .notebook import Text

        wall, costs = self.wall_seconds, self.costs
        everything = Cost(
            "all primitives",
            sum(cost.calls for cost in costs),
            sum(cost.forward_seconds for cost in costs),
            sum(cost.backward_seconds for cost in costs),
            sum(cost.bytes for cost in costs),
        )
        total = everything.seconds
        lines = [COLUMNS, *(_cells(cost, total) for cost in costs)]
        last = _cells(everything, total)
        widths = [max(map(len, column)) for column in zip(*lines, last, strict=True)]
        rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
        head, *body, foot = (_aligned(cells, widths) for cells in (*lines, last))
        outside = max(wall - total, 0.0)
        end = f"{1e3 * wall:,.1f} ms in all, {1e3 * outside:,.1f} ms of them outside primitives"
        return Text("\n".join([rule, head, rule, *body, rule, foot, end]))

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        return f"<profile: {len(self._runs)} runs of primitives, {1e3 * self.total_seconds:.1f} ms>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # a notebook's text
        printer.text(repr(self) if self._began is None else self.table())

    @checked
    def chrome_trace(self, path: str | os.PathLike[str]) -> None:
        """Write every run to a JSON file for chrome://tracing or ui.perfetto.dev, one line of time per thread.

        Format: Google, "Trace Event Format". Raises RuntimeError before the block has ended.
        """
        if self._ended is None:
            raise RuntimeError("profile: the block has not ended; write the trace after it")
        process = os.getpid()
        events = [
            {"name": "thread_name", "ph": "M", "pid": process, "tid": thread, "args": {"name": name}}
            for thread, name in self._threads.items()
        ] + [
            {
                "name": run.primitive.public_name,
                "cat": "backward" if run.rule_of else "forward",
                "ph": "X",
                "ts": 1e6 * (run.start - self._begin),
                "dur": 1e6 * run.seconds,
                "pid": process,
                "tid": run.thread,
                "args": {"shape": run.shape, "bytes": run.bytes}
                | ({"gradient of": run.rule_of.public_name} if run.rule_of else {}),
            }
            for run in self._runs
        ]
        Path(path).write_text(json.dumps({"traceEvents": events, "displayTimeUnit": "ms"}))


def _bytes_moved(inputs: tuple[object, ...], out: np.ndarray) -> int:
    moved = out.nbytes
    for x in inputs:
        array = x.data if isinstance(x, Tensor) else x
        if isinstance(array, np.ndarray):
            if np.may_share_memory(array, out):
                return 0
            moved += array.nbytes
    return moved


def _cells(cost: Cost, total: float) -> tuple[str, ...]:
    return (
        cost.name,
        f"{cost.calls:,}",
        f"{1e3 * cost.forward_seconds:,.2f}",
        f"{1e3 * cost.backward_seconds:,.2f}",
        f"{100 * cost.seconds / total if total else 0:.1f} %",
        _memory(cost.bytes),
        f"{cost.bytes / 1e9 / cost.seconds if cost.seconds else 0:.1f}",
    )


def _memory(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.1f} GB"


def _aligned(cells: tuple[str, ...], widths: list[int]) -> str:
    right = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
    return "  ".join([cells[0].ljust(widths[0]), *right])

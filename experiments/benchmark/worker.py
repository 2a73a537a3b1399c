"""A contender's process: makes one task, then does a turn of it whenever it is told to.

    python -m experiments.benchmark.worker MODULE:FUNCTION '{"threads": 2, ...}'

FUNCTION(**arguments) gives a `Task`. Then each line on stdin asks for one thing, and one line on stdout answers,
both in JSON. Between two questions the process sleeps, so that another contender has the machine to itself.
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SETTLING = 0.02  # seconds
MOST_STEPS = 10_000  # in one turn


@dataclass
class Task:
    """What a contender does over and over.

    `step()` does `work` units of it. Its cost is the time that it takes, in seconds, unless `gives_cost`: then it
    is the number that `step()` returns. `check()` gives numbers that all contenders must agree on.
    """

    step: Callable[[], Any]
    work: float = 1.0
    check: Callable[[], list[float]] = list
    gives_cost: bool = False


def turn(task: Task, seconds: float) -> dict[str, Any]:
    """Steps for about so long, at least one; the median cost of a unit of work.

    The first steps do not count: caches are the last contender's, whose idle threads may still spin for a while.
    """
    if task.gives_cost:
        return {"cost": task.step() / task.work, "steps": 1}
    settled = time.perf_counter() + SETTLING
    task.step()
    while time.perf_counter() < settled:
        task.step()
    costs: list[float] = []
    end = time.perf_counter() + seconds
    while not costs or (time.perf_counter() < end and len(costs) < MOST_STEPS):
        started = time.perf_counter()
        task.step()
        costs.append(time.perf_counter() - started)
    return {"cost": statistics.median(costs) / task.work, "steps": len(costs)}


def answer(task: Task, question: dict[str, Any]) -> dict[str, Any]:
    """What to say to one line from the harness."""
    if question["do"] == "check":
        return {"numbers": task.check()}
    return turn(task, question["seconds"])


def use_cpus(count: int) -> None:
    """Keep to so many of the CPUs that this process may use: no library's threads can be more than that at work."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def main(where: str, arguments: str) -> None:
    """Serve the questions on stdin until it is closed; an exception is answered too, and ends the process."""
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints goes to stderr
    try:
        settings = json.loads(arguments)
        use_cpus(settings["threads"])
        module, _, function = where.partition(":")
        task = getattr(importlib.import_module(module), function)(**settings)
        print(json.dumps({"ready": True}), file=replies)
        for line in sys.stdin:
            print(json.dumps(answer(task, json.loads(line))), file=replies)
    except Exception as error:
        traceback.print_exc()
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), file=replies)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Races: contenders in processes of their own, of which exactly one computes at a time, in interleaved rounds.

The speed of a machine drifts. In each round every contender has one turn, so that all meet the same drift, and
what is compared is the ratio of two costs of the same round.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TOLERANCE = 1e-3  # relative, of what contenders compute
PATIENCE = 300.0  # seconds that an answer may take


@dataclass(frozen=True)
class Contender:
    """A name, and the command that starts its process (see ``worker.py``)."""

    name: str
    command: tuple[str, ...]


def worker(name: str, where: str, arguments: Mapping[str, Any]) -> Contender:
    """The contender that does the task that `where`, "module:function", makes of these arguments."""
    module = f"{__package__}.worker"
    return Contender(name, (sys.executable, "-m", module, f"{__package__}.{where}", json.dumps(arguments)))


class ContenderFailed(Exception):
    """A contender died, raised, hung, or computed something else; the message says which."""


class Process:
    """A running contender: questions go in, answers come out. `close` ends it."""

    def __init__(self, contender: Contender, threads: int, patience: float = PATIENCE) -> None:
        self.patience = patience
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in close()
        self.process = subprocess.Popen(
            contender.command,
            cwd=ROOT,
            env=environment(threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            bufsize=0,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.questions, self.answers = self.process.stdin, self.process.stdout
        try:
            self.read()
        except BaseException:
            self.close()
            raise

    def ask(self, **question: Any) -> dict[str, Any]:
        """The answer to one question. Raises ContenderFailed."""
        with contextlib.suppress(BrokenPipeError):  # read() says what became of it
            self.questions.write(json.dumps(question).encode() + b"\n")
        return self.read()

    def read(self) -> dict[str, Any]:
        """One answer. Raises ContenderFailed."""
        if not select.select([self.answers], [], [], self.patience)[0]:
            raise ContenderFailed(f"no answer within {self.patience:g} seconds")
        line = self.answers.readline()
        if not line:
            raise ContenderFailed(f"died with exit status {self.process.wait()}{self.last_words()}")
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise ContenderFailed(reply["error"])
        return reply

    def last_words(self) -> str:
        self.errors.seek(0)
        lines = self.errors.read().strip().splitlines()
        return f": {lines[-1]}" if lines else ""

    def close(self) -> None:
        self.process.kill()  # it sleeps, or is beyond help
        self.process.wait()
        self.questions.close()
        self.answers.close()
        self.errors.close()


def environment(threads: int) -> dict[str, str]:
    """This process's environment, with the same number of threads for every library that reads it there."""
    counts = ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR")
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, **{f"{name}_NUM_THREADS": str(threads) for name in counts}, "PYTHONPATH": path}


@dataclass
class Race:
    """The cost of a unit of work in each round, by contender; and why some have none."""

    costs: dict[str, list[float]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def failed(self, name: str, why: object) -> None:
        self.failures[name] = str(why)
        self.costs.pop(name, None)


def run_race(
    contenders: Sequence[Contender],
    rounds: int,
    seconds: float,
    threads: int,
    fresh: bool = False,
    patience: float = PATIENCE,
) -> Race:
    """Turns of about so many seconds, in the order A B C A B C ..., after one round that does not count.

    First all must compute the same numbers as the first contender. With `fresh`, each turn is in a new process, and
    all rounds count. A contender that fails is out of the race; the others go on.
    """
    race = Race({contender.name: [] for contender in contenders})
    running: dict[str, Process] = {}

    def attempt(contender: Contender, counts: bool) -> None:
        try:
            if contender.name not in running:
                running[contender.name] = Process(contender, threads, patience)
            cost = running[contender.name].ask(do="turn", seconds=seconds)["cost"]
            if counts:
                race.costs[contender.name].append(cost)
        except ContenderFailed as why:
            race.failed(contender.name, why)
        if (fresh or contender.name in race.failures) and contender.name in running:
            running.pop(contender.name).close()

    try:
        if not fresh:
            _start_and_check(contenders, running, race, threads, patience)
        for number in range(rounds if fresh else rounds + 1):
            for contender in contenders:
                if contender.name not in race.failures:
                    attempt(contender, counts=fresh or number > 0)
    finally:
        for process in running.values():
            process.close()
    return race


def _start_and_check(
    contenders: Sequence[Contender], running: dict[str, Process], race: Race, threads: int, patience: float
) -> None:
    """Start all processes, one after the other, and compare what they compute with what the first one does."""
    first: tuple[str, list[float]] | None = None
    for contender in contenders:
        try:
            process = running[contender.name] = Process(contender, threads, patience)
            numbers = process.ask(do="check")["numbers"]
            if first is None:
                first = contender.name, numbers
            elif not agree(first[1], numbers):
                raise ContenderFailed(f"computes {_shown(numbers)} where {first[0]} computes {_shown(first[1])}")
        except ContenderFailed as why:
            race.failed(contender.name, why)
            if contender.name in running:
                running.pop(contender.name).close()


def agree(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether two lists of numbers are the same to TOLERANCE; a NaN agrees with nothing."""
    return len(a) == len(b) and all(abs(x - y) <= TOLERANCE * abs(x) for x, y in zip(a, b, strict=True))


def _shown(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:.6g}" for number in numbers)

"""Mutation testing of the engine: small faults are put in, one at a time, and some test should fail for each.

    python -m tests.mutation.run --count 1000 --processes 2

Tests are run once to learn which lines each of them runs. A mutant meets the tests of its line, the quickest first,
then others of its file, each time in a fork of a process that has imported and collected everything: there, the
mutant's functions get its code. A mutant of what runs on import is imported anew, by a fork of a process that has
imported only what others wrote. Nothing is written to the source files. A run that does not end is killed, and so is
the mutant. What came of each is appended to results.jsonl in `--out`: a stopped run goes on where it was.
"""

from __future__ import annotations

import argparse
import functools
import gc
import importlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from tests.mutation.lines import Tests, Trace
from tests.mutation.mutants import Functions, Mutant, drawn, functions_below, mutate, put_into, put_into_import

ROOT = Path(__file__).resolve().parents[2]
MUTATED = ["tinygrad_cnn/autograd.py", "tinygrad_cnn/ops/*.py", "tinygrad_cnn/kernels/*.py"]
TESTS = ["tests/kernels", "tests/ops", "tests/parity", "tests/nn/test_summary.py", "tests/test_anomaly.py",
         "tests/test_array_protocol.py", "tests/test_autograd.py", "tests/test_grad.py", "tests/test_gradcheck.py",
         "tests/test_guard.py", "tests/test_inplace.py", "tests/test_modes.py", "tests/test_primitive.py",
         "tests/test_profiler.py", "tests/test_protocols.py", "tests/test_tensor.py", "tests/test_training_step.py",
         "tinygrad_cnn/autograd.py", "tinygrad_cnn/ops", "tinygrad_cnn/kernels"]  # fmt: skip
SLOW_IMPORTS = ["numpy", "_pytest.doctest", "hypothesis.extra.numpy", "mpmath", "safetensors.numpy", "threadpoolctl",
                "torch"]  # fmt: skip
PYTEST = ["-q", "-s", "--tb=no", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
ON_IMPORT = "runs on import"
MEMORY = 8 << 30  # bytes of addresses for each run
PATIENCE = 30  # seconds of CPU beyond five times what the tests take without a mutant


def fork(function: Callable[..., Any], *arguments: Any, seconds: float) -> str:
    """What a function says in a process of its own: its text, `hung`, or `died`."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 5))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            os.dup2(silence, 2)
            os.write(write, function(*arguments).encode()[:4000])
        except BaseException:
            os.write(write, traceback.format_exc().encode()[-4000:])
        finally:
            os._exit(0)
    os.close(write)
    due = time.monotonic() + 5 * seconds
    while not (ended := os.waitpid(child, os.WNOHANG)[0]) and time.monotonic() < due:
        time.sleep(0.005)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # and what a test may have left running
    if not ended:
        os.waitpid(child, 0)
    said = os.read(read, 4000).decode()
    os.close(read)
    return said or ("died" if ended else "hung")


class Session:
    """A plugin of pytest that has a function called with the collected tests instead of running them all."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self.work = work
        self.result: Any = None
        self.failed: list[str] = []

    def pytest_runtestloop(self, session: Any) -> bool:
        if not session.testsfailed:  # all could be collected
            self.session, self.items = session, {item.nodeid: item for item in session.items}
            self.result = self.work(self)
        return True

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.failed.append(report.nodeid)

    def first_failure(self, tests: list[str]) -> str:
        """The first of these tests that fails, or `passed`."""
        items = [self.items[test] for test in tests if test in self.items]
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.failed:
                return self.failed[0]
        return "passed"


def collected(tests: list[str], work: Callable[[Session], Any]) -> Any:
    """What a function gives, called with the tests that pytest finds; None if they can't be imported."""
    import pytest

    session = Session(work)
    pytest.main([*PYTEST, *tests], plugins=[session])
    return session.result


def trace(files: list[Path], known: set[str], part: slice, to: Path) -> str:
    import pytest

    tracer = Trace(files, known, part)
    status = pytest.main([*PYTEST, *TESTS], plugins=[tracer])
    tracer.save(to)
    return f"Without a mutant pytest ends with {status!r}."


def first_killer(rounds: Iterable[list[str]], tests: Tests, attempt: Callable[[list[str]], str]) -> tuple[str, int]:
    """What rounds of tests say until one fails: that test, or `passed`; and how many tests were chosen for them."""
    said, met = "passed", 0
    for chosen in rounds:
        met += len(chosen)
        said = fork(attempt, chosen, seconds=PATIENCE + 5 * sum(map(tests.seconds.__getitem__, chosen)))
        if said != "passed":
            break
    return said, met


def in_functions(mine: list[Mutant], tests: Tests, record: Callable[..., None], processes: int) -> None:
    """Try mutants by giving functions their code."""
    called_on_import: set[CodeType] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(str(Path.cwd())):
            called_on_import.add(frame.f_code)

    def attempt(session: Session, functions: Functions, path: Path, text: str, chosen: list[str]) -> str:
        try:
            put_into(functions, path, text, called_on_import)
        except ImportError:
            return ON_IMPORT
        return session.first_failure(chosen)

    def work(session: Session) -> None:
        functions = functions_below(Path.cwd())
        gc.freeze()  # so that a fork copies little, and collects little

        def part(i: int) -> None:
            for mutant in mine[i::processes]:
                path = Path(mutant.file).resolve()
                if (text := mutate(mutant, path.read_text())) is None:
                    record(mutant, text, "no mutant")
                else:
                    try_it = functools.partial(attempt, session, functions, path, text)
                    record(mutant, text, *first_killer(tests.rounds(mutant, few_files=False), tests, try_it))

        at_once(processes, part)

    sys.path.insert(0, str(Path.cwd()))
    sys.setprofile(note)
    for file in sorted({mutant.file for mutant in mine}):
        importlib.import_module(file.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    sys.setprofile(None)
    collected(TESTS, work)


def by_import(mine: list[Mutant], tests: Tests, record: Callable[..., None], processes: int) -> None:
    """Try mutants by importing them."""

    def attempt(path: Path, text: str, chosen: list[str]) -> str:
        put_into_import(path, text)
        files = list(dict.fromkeys(test.split("::")[0] for test in chosen))
        return collected(files, lambda session: session.first_failure(chosen)) or "cannot be imported"

    def part(i: int) -> None:
        for mutant in mine[i::processes]:
            path = Path(mutant.file).resolve()
            text = mutate(mutant, path.read_text()) or ""
            try_it = functools.partial(attempt, path, text)
            record(mutant, text, *first_killer(tests.rounds(mutant, few_files=True), tests, try_it))

    at_once(processes, part)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=1000, help="of the mutants in their drawn order (default: 1000)")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--again", action="store_true", help="try tests that are new on the mutants that passed")
    parser.add_argument("--out", type=Path, default=Path("build/mutants"))
    arguments = parser.parse_args(argv)
    os.chdir(ROOT)
    out = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    files = sorted(path for pattern in MUTATED for path in Path().glob(pattern))
    for name in SLOW_IMPORTS:
        importlib.import_module(name)
    n, traces = arguments.processes, sorted(out.glob("lines*.json"))
    if arguments.again or not traces:
        known, first = set(Tests(traces).seconds), len(traces)
        traces = [out / f"lines{first + i}.json" for i in range(n)]
        at_once(n, lambda i: print(fork(trace, files, known, slice(i, None, n), traces[i], seconds=3600)))
    tests = Tests(traces)
    if not (out / "drawn.json").exists():
        (out / "drawn.json").write_text(json.dumps(drawn(files)))
    sample = [Mutant(*fields) for fields in json.loads((out / "drawn.json").read_text())[: arguments.count]]
    due_kind = "passed" if arguments.again else None
    for way, kind in ((by_import, ON_IMPORT), (in_functions, due_kind), (by_import, ON_IMPORT)):
        done = outcomes(out / "results.jsonl")
        due = [mutant for mutant in sample if done.get(mutant, {}).get("outcome") == kind]
        if due:
            at_once(1, lambda _, way=way, due=due: way(due, tests, recorder(out / "results.jsonl"), n))


def at_once(processes: int, function: Callable[[int], Any]) -> None:
    """Call a function with 0, 1, ..., each in a process of its own."""
    children = []
    for i in range(processes):
        if not (child := os.fork()):
            try:
                function(i)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


def recorder(path: Path) -> Callable[..., None]:
    def record(mutant: Mutant, text: str | None, outcome: str, tests: int = 0) -> None:
        mutated = text if text and "RemoveDecorator" not in mutant.operator else "\n" * mutant.line
        before, after = (x.splitlines()[mutant.line - 1].strip() for x in (Path(mutant.file).read_text(), mutated))
        result = mutant._asdict() | {"before": before, "after": after, "outcome": outcome, "tests": tests}
        with open(path, "a") as file:
            file.write(json.dumps(result) + "\n")

    return record


def outcomes(path: Path) -> dict[Mutant, dict[str, Any]]:
    """The last word on each mutant."""
    results = map(json.loads, path.read_text().splitlines() if path.exists() else [])
    return {Mutant(*(result[name] for name in Mutant._fields)): result for result in results}


if __name__ == "__main__":
    main()

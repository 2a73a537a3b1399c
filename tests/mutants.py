"""Mutation testing of the engine: small faults are put in, one at a time, and some test should fail for each.

    python -m tests.mutants --count 1000 --processes 2

cosmic-ray's operators make the mutants of autograd.py, ops/ and kernels/. A place in the code is drawn first, with a
fixed seed, then one of its mutants: an operator that has eleven substitutes does not count eleven times. A mutant
counts if it is Python, compiles without a warning, and differs in more than type hints and docstrings.

Tests are run once to learn which lines each of them runs. A mutant meets the tests of its line, the quickest first, then
those of its file, each time in a fork of a process that has imported and collected everything: there, the mutant's
functions get its code. A mutant of what runs on import is imported anew, by a fork of a process that has imported only
what others wrote. Nothing is written to the source files. A run that does not end is killed, and so is the mutant.

What came of each is appended to results.jsonl in `--out`, so that a stopped run goes on where it was.
"""

from __future__ import annotations

import argparse
import ast
import gc
import importlib
import importlib.machinery
import itertools
import json
import os
import random
import resource
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
MUTATED = ["tinygrad_cnn/autograd.py", "tinygrad_cnn/ops/*.py", "tinygrad_cnn/kernels/*.py"]
TESTS = ["tests/kernels", "tests/ops", "tests/parity", "tests/test_anomaly.py",
         "tests/test_array_protocol.py", "tests/test_autograd.py", "tests/test_grad.py", "tests/test_gradcheck.py",
         "tests/test_guard.py", "tests/test_inplace.py", "tests/test_modes.py", "tests/test_primitive.py",
         "tests/test_profiler.py", "tests/test_protocols.py", "tests/test_tensor.py", "tests/test_training_step.py",
         "tinygrad_cnn/autograd.py", "tinygrad_cnn/ops", "tinygrad_cnn/kernels"]  # fmt: skip
SLOW_IMPORTS = ["numpy", "_pytest.doctest", "hypothesis.extra.numpy", "mpmath", "safetensors.numpy", "threadpoolctl",
                "torch"]  # fmt: skip
PYTEST = ["-q", "-s", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
PUNCTUATION = {"(", ")", "[", "]", "{", "}", ",", ":", ".", "=", "->"}
ROUNDS = [1.0, 10.0, 30.0]  # seconds of tests: the quickest of the line, more of the line's, the file's
MEMORY = 8 << 30  # bytes of addresses for each run
ON_IMPORT = "runs on import"
PATIENCE = 30  # seconds of CPU beyond five times what the tests take without a mutant
SEED = 7


# -- mutants --------------------------------------------------------------------------------------------------


class Mutant(NamedTuple):
    """One fault: an operator of cosmic-ray, which of its places in the file, and where that is."""

    file: str
    operator: str
    occurrence: int
    line: int
    column: int


def mutants(file: Path) -> list[list[Mutant]]:
    """All mutants of a file, those of one place together."""
    import parso  # noqa: F401 - cosmic-ray's own import of it goes round in a circle
    from cosmic_ray.ast import Visitor, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    operators = [(name, get_operator(name)) for name in operator_names()]
    alike: dict[str, list[tuple[str, Any]]] = {}  # a binary operator's substitutes have the same places
    for name, operator in operators:
        if not operator.arguments():
            alike.setdefault(name.rpartition("_")[0] if "Binary" in name else name, []).append((name, operator()))
    seen = dict.fromkeys((name for name, _ in operators), 0)
    places: dict[tuple[int, int], list[Mutant]] = {}

    class Collect(Visitor):  # type: ignore[misc]
        def visit(self, node: Any) -> Any:
            if node.type in ("name", "string", "newline") or getattr(node, "value", "") in PUNCTUATION:
                return node  # no operator is about these
            for kin in alike.values():
                if positions := list(kin[0][1].mutation_positions(node)):
                    for name, _ in kin:
                        for line, column in [start for start, _ in positions]:
                            mutant = Mutant(str(file.relative_to(ROOT)), name, seen[name], line, column)
                            places.setdefault((line, column), []).append(mutant)
                            seen[name] += 1
            return node

    Collect().walk(get_ast(file.read_text()))
    return list(places.values())


def drawn(files: list[Path]) -> list[Mutant]:
    """All mutants in an order that the seed decides: one of each place, then a second one of each that has it, ..."""
    generator = random.Random(SEED)
    places = [place for file in files for place in mutants(file)]
    for place in places:
        generator.shuffle(place)
    generator.shuffle(places)
    return [mutant for nth in itertools.zip_longest(*places) for mutant in nth if mutant is not None]


def mutate(mutant: Mutant, source: str) -> str | None:
    """The file's text with the fault in it; None where it is no Python, or says what it said before."""
    import parso  # noqa: F401
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    text = mutate_code(source, get_operator(mutant.operator)(), mutant.occurrence)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # `x is 1`: a linter's find
            compiled(text, ROOT / mutant.file)
    except SyntaxError:
        return None
    return str(text) if meaning(text) != meaning(source) else None


def meaning(source: str) -> str:
    """The syntax tree without type hints and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        for name in ("annotation", "returns"):
            if getattr(node, name, None) is not None:
                setattr(node, name, ast.Constant(None))
        body = getattr(node, "body", None)
        if isinstance(body, list) and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            body[0].value = ast.Constant(None)
    return ast.dump(tree)


def compiled(text: str, path: Path) -> CodeType:
    return compile(text, str(path), "exec", dont_inherit=True)  # no __future__ of this file


def swaps(old: CodeType, new: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    """The functions that differ between two compilations of a file; ImportError if what runs on import does."""
    if old.co_flags & 0x01:  # a function, and no body of a module or class
        if old != new:
            yield old, new
    elif on_import(old) != on_import(new):
        raise ImportError
    parts = [[part for part in code.co_consts if isinstance(part, CodeType)] for code in (old, new)]
    for a, b in zip(*parts, strict=True):
        yield from swaps(a, b)


def on_import(code: CodeType) -> tuple[Any, ...]:
    return code.co_code, code.co_names, repr([x for x in code.co_consts if not isinstance(x, CodeType)])


def functions_of(folder: Path) -> dict[CodeType, list[FunctionType]]:
    """All functions that live, by their code, of which several may share one."""
    found: dict[CodeType, list[FunctionType]] = {}
    for function in gc.get_objects():
        if isinstance(function, FunctionType) and function.__code__.co_filename.startswith(str(folder)):
            found.setdefault(function.__code__, []).append(function)
    return found


def put_into(functions: dict[CodeType, list[FunctionType]], path: Path, text: str, called_on_import: set[CodeType]) -> None:
    """Give functions a mutant's code; ImportError where a new import is due for it to have its effect."""
    found = 0
    for old, new in swaps(compiled(path.read_text(), path), compiled(text, path)):
        if old in called_on_import:
            raise ImportError
        for function in functions.get(old, []):
            try:
                function.__code__ = new
            except ValueError as error:  # it refers to other variables
                raise ImportError from error
            found += 1
    if not found:
        raise ImportError


def put_into_import(path: Path, text: str) -> None:
    """Have the import of a file give a mutant."""
    get_code = importlib.machinery.SourceFileLoader.get_code

    def mutated(self: Any, name: str) -> CodeType | None:
        return compiled(text, path) if self.path == str(path) else get_code(self, name)

    importlib.machinery.SourceFileLoader.get_code = mutated  # type: ignore[method-assign]


# -- tests ----------------------------------------------------------------------------------------------------


class Trace:
    """A plugin of pytest that notes which test runs which lines, and how long it takes."""

    def __init__(self, files: list[Path], part: slice) -> None:
        import coverage

        self.part = part
        self.seconds: dict[str, float] = {}
        self.coverage = coverage.Coverage(data_file=None, include=[str(f) for f in files], config_file=False)
        self.coverage.start()

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = items[self.part]

    def pytest_runtest_setup(self, item: Any) -> None:
        self.coverage.switch_context(item.nodeid)
        self.seconds[item.nodeid] = -time.process_time()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.seconds[nodeid] += time.process_time()
        self.coverage.switch_context("")

    def save(self, path: Path) -> None:
        self.coverage.stop()
        data = self.coverage.get_data()
        number = {test: i for i, test in enumerate(self.seconds)}
        lines = [
            (str(Path(file).relative_to(ROOT)), line, [number[test] for test in tests if test])
            for file in data.measured_files()
            for line, tests in data.contexts_by_lineno(file).items()
        ]
        path.write_text(json.dumps({"seconds": self.seconds, "lines": lines}))


class Tests:
    """Which tests run which lines, as `Trace` saved it in several files."""

    def __init__(self, paths: list[Path]) -> None:
        self.seconds: dict[str, float] = {}
        self.of_lines: dict[tuple[str, int], list[str]] = {}
        for path in paths:
            saved = json.loads(path.read_text())
            self.seconds |= saved["seconds"]
            names = list(saved["seconds"])
            for file, line, numbers in saved["lines"]:
                self.of_lines.setdefault((file, line), []).extend(names[i] for i in numbers)

    def rounds(self, mutant: Mutant) -> Iterator[list[str]]:
        """The tests that a mutant meets: each round those that the ones before left out."""
        line = self.of_lines.get((mutant.file, mutant.line), [])
        file = {test for (name, _), tests in self.of_lines.items() if name == mutant.file for test in tests}
        met: set[str] = set()
        for budget, tests in zip(ROUNDS, (line, line, file), strict=True):
            quickest = sorted((test for test in tests if test not in met), key=self.seconds.__getitem__)
            spent = itertools.accumulate(self.seconds[test] for test in quickest)
            chosen = [test for test, sum_ in zip(quickest, spent, strict=True) if sum_ <= budget]
            met.update(chosen)
            if chosen:
                yield chosen


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
    due = time.monotonic() + 20 * seconds
    while not (ended := os.waitpid(child, os.WNOHANG)[0]) and time.monotonic() < due:
        time.sleep(0.005)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # and what a test may have left running
    if not ended:
        os.waitpid(child, 0)
    said = os.read(read, 4000).decode()
    os.close(read)
    return said or ("died" if ended else "hung")


# -- runs -----------------------------------------------------------------------------------------------------


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
        items = [self.items[test] for test in tests]
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


def trace(files: list[Path], part: slice, to: Path) -> str:
    import pytest

    tracer = Trace(files, part)
    status = pytest.main([*PYTEST, *TESTS], plugins=[tracer])
    tracer.save(to)
    return "passed" if status == 0 else f"pytest: {status}"


def first_killer(mutant: Mutant, tests: Tests, attempt: Callable[[list[str]], str]) -> tuple[str, int]:
    """What the rounds say until a test fails: that test, or `passed`; and how many tests were chosen for them."""
    said, met = "passed", 0
    for chosen in tests.rounds(mutant):
        met += len(chosen)
        said = fork(attempt, chosen, seconds=PATIENCE + 5 * sum(map(tests.seconds.__getitem__, chosen)))
        if said != "passed":
            break
    return said, met


def in_functions(mine: list[Mutant], tests: Tests, record: Callable[..., None]) -> None:
    """Try mutants by giving functions their code."""
    called_on_import: set[CodeType] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(str(ROOT)):
            called_on_import.add(frame.f_code)

    def work(session: Session) -> None:
        sys.setprofile(None)
        functions = functions_of(ROOT)
        for mutant in mine:
            path = ROOT / mutant.file
            text = mutate(mutant, path.read_text())
            if text is None:
                record(mutant, text, "no mutant")
                continue

            def attempt(chosen: list[str], path: Path = path, text: str = text) -> str:
                try:
                    put_into(functions, path, text, called_on_import)
                except ImportError:
                    return ON_IMPORT
                return session.first_failure(chosen)

            record(mutant, text, *first_killer(mutant, tests, attempt))

    sys.setprofile(note)
    collected(TESTS, work)


def by_import(mine: list[Mutant], tests: Tests, record: Callable[..., None]) -> None:
    """Try mutants by importing them."""
    for mutant in mine:
        path = ROOT / mutant.file
        text = mutate(mutant, path.read_text()) or ""

        def attempt(chosen: list[str], path: Path = path, text: str = text) -> str:
            put_into_import(path, text)
            files = list(dict.fromkeys(test.split("::")[0] for test in chosen))
            return collected(files, lambda session: session.first_failure(chosen)) or "cannot be imported"

        record(mutant, text, *first_killer(mutant, tests, attempt))


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=1000, help="of the mutants in their drawn order (default: 1000)")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("build/mutants"))
    arguments = parser.parse_args(argv)
    os.chdir(ROOT)
    out = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    files = sorted(path for pattern in MUTATED for path in ROOT.glob(pattern))
    for name in SLOW_IMPORTS:
        importlib.import_module(name)
    lines = [out / f"lines{i}.json" for i in range(arguments.processes)]
    at_once(arguments.processes, lambda i: lines[i].exists() or print(fork(trace, files, slice(i, None, arguments.processes), lines[i], seconds=3600)))
    tests = Tests(lines)
    if not (out / "drawn.json").exists():
        (out / "drawn.json").write_text(json.dumps(drawn(files)))
    sample = [Mutant(*fields) for fields in json.loads((out / "drawn.json").read_text())[: arguments.count]]
    for kind, way in ((None, in_functions), (ON_IMPORT, by_import)):
        done = outcomes(out / "results.jsonl")
        due = [mutant for mutant in sample if done.get(mutant, {}).get("outcome") == kind]
        n = arguments.processes
        at_once(n, lambda i: way(due[i::n], tests, recorder(out / "results.jsonl")))


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
        source = (ROOT / mutant.file).read_text()
        pairs = zip(source.splitlines(), (text or source).splitlines(), strict=False)
        before, after = next(((a.strip(), b.strip()) for a, b in pairs if a != b), ("", ""))
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

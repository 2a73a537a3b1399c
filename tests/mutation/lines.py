"""Which tests run which lines, and how long they take: noted once, asked for every mutant."""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.mutation.mutants import Mutant

ROUNDS = [1.0, 6.0, 4.0]  # seconds of tests: the quickest that run the line, more of these, others that run the file


class Trace:
    """A plugin of pytest that notes which test runs which lines, and how long it takes."""

    def __init__(self, files: list[Path], known: set[str], part: slice) -> None:
        import coverage

        self.root, self.known, self.part = Path.cwd(), known, part
        self.seconds: dict[str, float] = {}
        self.coverage = coverage.Coverage(data_file=None, include=[str(f.resolve()) for f in files], config_file=False)
        self.coverage.start()

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = [item for item in items if item.nodeid not in self.known][self.part]

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
            (str(Path(file).relative_to(self.root)), line, [number[test] for test in tests if test])
            for file in data.measured_files()
            for line, tests in data.contexts_by_lineno(file).items()
        ]
        path.write_text(json.dumps({"seconds": self.seconds, "lines": lines}))


class Tests:
    """Which tests run which lines, as `Trace` saved it in several files."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self.seconds: dict[str, float] = {}
        self.of_lines: dict[tuple[str, int], list[str]] = {}
        for path in paths:
            saved = json.loads(path.read_text())
            self.seconds |= saved["seconds"]
            names = list(saved["seconds"])
            for file, line, numbers in saved["lines"]:
                self.of_lines.setdefault((file, line), []).extend(names[i] for i in numbers)

    def rounds(self, mutant: Mutant, few_files: bool) -> Iterator[list[str]]:
        """The tests that a mutant meets: each round those that the ones before left out.

        With `few_files`, for runs that have to collect them, the first round is of three test files.
        """
        line = self.of_lines.get((mutant.file, mutant.line), [])
        file = list({test for (name, _), tests in self.of_lines.items() if name == mutant.file for test in tests})
        first = line
        if few_files:
            first = line or file
            most = Counter(test.split("::")[0] for test in first).most_common(3)
            first = [test for test in first if test.split("::")[0] in dict(most)]
        met: set[str] = set()
        for budget, tests in zip(ROUNDS, (first, line, file), strict=True):
            quickest = sorted((test for test in tests if test not in met), key=self.seconds.__getitem__)
            spent = itertools.accumulate(self.seconds[test] for test in quickest)
            chosen = [test for test, sum_ in zip(quickest, spent, strict=True) if sum_ <= budget]
            met.update(chosen)
            if chosen:
                yield chosen

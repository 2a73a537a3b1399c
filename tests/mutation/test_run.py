"""The runner of mutants, on a package of ten lines of which we know which faults its tests find."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutation import mutants, page, run

pytest.importorskip("cosmic_ray", reason="makes the mutants")
pytest.importorskip("coverage", reason="says which tests run a line")

SOURCE = '''"""A toy."""
LIMIT: int | None = 10


def clipped(x: int | float) -> int | float:
    """Says 1 + 1 and keeps x."""
    return LIMIT if x > LIMIT else x


def waiting(n):
    while n > 0:
        n -= 1
'''
CHECKS = """
import toy

def test_clipped():
    assert [toy.clipped(x) for x in (9, 11)] == [9, 10]

def test_waiting():
    toy.waiting(3)
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "toy.py").write_text(SOURCE)
    (tmp_path / "check_toy.py").write_text(CHECKS)
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "MUTATED", ["toy.py"])
    monkeypatch.setattr(run, "TESTS", ["check_toy.py"])
    monkeypatch.setattr(run, "SLOW_IMPORTS", [])
    monkeypatch.setattr(run, "PATIENCE", 2)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # half of what such a run takes
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_hints_and_what_a_linter_finds_are_no_mutants_and_every_other_fault_is_tried(toy: Path) -> None:
    texts = [mutants.mutate(m, SOURCE) for place in mutants.mutants(Path("toy.py")) for m in place]
    lines = {number for text in texts if text for number in changed_lines(text)}
    assert lines == {2, 7, 11, 12}
    assert not any("int & None" in text or "is 0" in text for text in texts if text)


def changed_lines(text: str) -> set[int]:
    pairs = zip(SOURCE.splitlines(), text.splitlines(), strict=True)
    return {number for number, (before, after) in enumerate(pairs, 1) if before != after}


def test_each_mutant_meets_the_tests_of_its_line_in_a_process_of_its_own(toy: Path) -> None:
    run.main(["--processes", "1", "--out", "out", "--count", "1000"])
    results = run.outcomes(toy / "out" / "results.jsonl").values()
    said = {(x["before"], x["after"]): x["outcome"] for x in results if x["outcome"] != "no mutant"}
    comparison, limit = "return LIMIT if x > LIMIT else x", "LIMIT: int | None = 10"
    assert said[comparison, comparison.replace(">", "<")] == "check_toy.py::test_clipped"
    assert said[comparison, comparison.replace(">", ">=")] == "passed"
    assert said[limit, limit.replace("10", "11")] == "check_toy.py::test_clipped"
    assert said["while n > 0:", "while n != 0:"] == "passed"
    assert said["while n > 0:", "while n >= 0:"] == "passed"
    assert (toy / "toy.py").read_text() == SOURCE
    assert len(said) == 20


def test_the_page_counts_what_was_found_and_gives_a_reason_for_what_was_not() -> None:
    found = {"file": "a.py", "line": 1, "before": "x + 1", "after": "x - 1", "outcome": "tests/test_a.py::test_x"}
    equal = found | {"line": 2, "before": "x < 9", "after": "x <= 9", "outcome": "passed"}
    gap = found | {"file": "b.py", "outcome": "passed"}
    hint = found | {"before": "", "after": "", "outcome": "no mutant"}
    text = page.page([found, equal, gap, hint], {"a.py": {"x < 9 → x <= 9": "9 never comes."}}, places=5, since=1)
    assert "Of the other 3, the tests found 0 (0.0%) at first, and now find 1\n(33.3%):" in text
    assert "| a.py | 2 | 1 | 1 |\n| b.py | 1 | 0 | 1 |\n| all | 3 | 1 | 2 |" in text
    assert "1 of them are gaps." in text
    assert "- `x < 9`<br>`x <= 9`<br>9 never comes." in text

"""Races: who computes when, and what becomes of a contender that fails."""

from __future__ import annotations

import os
import time

import pytest

from experiments.benchmark.harness import Contender, Race, agree, run_race, worker

FAKES = '''
import os, sys, time
from experiments.benchmark.worker import Task

def make(threads, name="", log="", costs=(1.0,) * 9, numbers=(1.0,), at=None, does=""):
    """Costs as they were given; in its turn number `at`, counted from 0, it does something bad."""
    turns = iter(range(99))

    def note(what):
        with open(log, "a") as file:
            file.write(f"{name} {what} {os.getpid()}\\n")

    def step():
        note("begins")
        time.sleep(0.005)
        number = next(turns)
        if number == at and does == "exit":
            sys.stderr.write("first line\\nno more memory\\n")
            sys.stderr.flush()
            os._exit(3)
        if number == at and does == "raise":
            raise ArithmeticError("two is five")
        if number == at and does == "hang":
            time.sleep(60)
        note("ends")
        return costs[number]

    if does == "raise at the start":
        raise ArithmeticError("two is five")
    print("a library says hello")
    return Task(step, check=lambda: list(numbers), gives_cost=True)

def threads_told(threads, **_):
    """Its costs are the number of threads that libraries are told, or -1 where that differs among them."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    told = {int(os.environ[name]) for name in names} | {len(os.sched_getaffinity(0))}
    return Task(lambda: told.pop() if len(told) == 1 else -1, gives_cost=True)
'''


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Makes contenders of the module above; `fake.log()` gives what they wrote, as (name, what, process)."""
    (tmp_path / "fakes.py").write_text(FAKES)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    log = tmp_path / "log"

    def make(name: str, function: str = "make", **arguments: object) -> Contender:
        command = worker(name, "", {"threads": 1, "name": name, "log": str(log), **arguments}).command
        return Contender(name, (*command[:3], f"fakes:{function}", command[4]))

    make.log = lambda: [line.split() for line in log.read_text().splitlines()]
    return make


def race(*contenders: Contender, rounds: int = 3, fresh: bool = False, patience: float = 60) -> Race:
    return run_race(contenders, rounds, seconds=0.0, threads=1, fresh=fresh, patience=patience)


def test_contenders_take_turns_in_the_same_order_each_round(fake):
    race(fake("A"), fake("B"), fake("C"))
    begun = [name for name, what, _ in fake.log() if what == "begins"]
    assert begun == ["A", "B", "C"] * 4  # one round to warm up, and three


def test_exactly_one_computes_at_a_time(fake):
    race(fake("A"), fake("B"))
    lines = fake.log()
    for begins, ends in zip(lines[::2], lines[1::2], strict=True):
        assert (begins[0], begins[1], ends[1]) == (ends[0], "begins", "ends")


def test_each_contender_has_one_process_of_its_own(fake):
    race(fake("A"), fake("B"))
    processes = {(name, process) for name, _, process in fake.log()}
    assert len(processes) == 2
    assert len({process for _, process in processes}) == 2
    assert str(os.getpid()) not in {process for _, process in processes}


def test_the_first_round_does_not_count(fake):
    result = race(fake("A", costs=[9.0, 1.0, 2.0, 3.0]), fake("B", costs=[8.0, 4.0, 5.0, 6.0]))
    assert result.costs == {"A": [1.0, 2.0, 3.0], "B": [4.0, 5.0, 6.0]}
    assert not result.failures


def test_a_contender_that_dies_is_reported_and_the_rest_go_on(fake):
    result = race(fake("A"), fake("B", at=2, does="exit"), fake("C"))
    assert result.failures == {"B": "died with exit status 3: no more memory"}
    assert {name: len(costs) for name, costs in result.costs.items()} == {"A": 3, "C": 3}
    begun = [name for name, what, _ in fake.log() if what == "begins"]
    assert begun == ["A", "B", "C"] * 3 + ["A", "C"]


@pytest.mark.parametrize("does", ["raise", "raise at the start"])
def test_an_exception_is_reported_and_the_rest_go_on(fake, does):
    result = race(fake("A", at=1, does=does), fake("B"))
    assert result.failures == {"A": "ArithmeticError: two is five"}
    assert list(result.costs) == ["B"]


def test_a_contender_that_hangs_is_ended(fake):
    started = time.perf_counter()
    result = race(fake("A"), fake("B", at=1, does="hang"), rounds=1, patience=2)
    assert result.failures == {"B": "no answer within 2 seconds"}
    assert result.costs == {"A": [1.0]}
    assert time.perf_counter() - started < 20


def test_a_command_that_is_no_worker_is_reported():
    result = race(Contender("A", ("false",)))
    assert result.failures == {"A": "died with exit status 1"}


@pytest.mark.parametrize("numbers", [[1.0, 2.0021], [1.0, float("nan")], [1.0], []])
def test_who_computes_something_else_does_not_take_part(fake, numbers):
    result = race(fake("A", numbers=[1.0, 2.0]), fake("B", numbers=numbers), fake("C", numbers=[1.0, 2.0019]))
    assert list(result.failures) == ["B"]
    assert result.failures["B"].startswith("computes ")
    assert result.failures["B"].endswith("where A computes 1, 2")
    assert list(result.costs) == ["A", "C"]
    assert "B" not in {name for name, _, _ in fake.log()}


def test_fresh_turns_are_each_in_a_new_process_and_all_count(fake):
    result = race(fake("A", costs=[5.0]), fake("B", costs=[6.0]), fresh=True)
    assert result.costs == {"A": [5.0] * 3, "B": [6.0] * 3}
    begun = [(name, process) for name, what, process in fake.log() if what == "begins"]
    assert [name for name, _ in begun] == ["A", "B"] * 3
    assert len({process for _, process in begun}) == 6


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs Linux")
def test_every_library_is_told_the_same_number_of_threads(fake):
    contender = fake("A", "threads_told")
    assert run_race([contender], rounds=1, seconds=0, threads=1, fresh=True).costs == {"A": [1]}
    assert run_race([contender], rounds=1, seconds=0, threads=5, fresh=True).costs == {"A": [-1]}, "the test can fail"


def test_numbers_agree_to_a_thousandth():
    assert agree([1.0, -2000.0], [1.0009, -2001.9])
    assert not agree([1.0, -2000.0], [1.0011, -2000.0])
    assert agree([0.0], [0.0])
    assert not agree([float("nan")], [float("nan")])

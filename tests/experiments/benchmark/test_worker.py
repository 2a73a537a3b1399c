"""A contender's turn: what is timed and what is not."""

from __future__ import annotations

import time

from experiments.benchmark.worker import Task, turn


def test_a_turn_gives_the_median_cost_of_a_unit_of_work():
    result = turn(Task(lambda: time.sleep(0.01), work=10), seconds=0.1)
    assert 3 <= result["steps"] <= 10
    assert 0.001 <= result["cost"] < 0.002


def test_a_turn_counts_at_least_one_step_after_one_that_does_not_count():
    steps = []
    result = turn(Task(lambda: time.sleep(0.03 if steps.append(0) or len(steps) > 1 else 0.3)), seconds=0.0)
    assert len(steps) == 2
    assert result["steps"] == 1
    assert result["cost"] < 0.3


def test_a_step_may_give_its_cost_itself():
    assert turn(Task(lambda: 12.0, work=4, gives_cost=True), seconds=9)["cost"] == 3.0

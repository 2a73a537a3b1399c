"""Rows: every goal has its rival, every contender a task that takes its arguments."""

from __future__ import annotations

import inspect
from importlib import import_module

import pytest

from experiments.benchmark import torch_like
from experiments.benchmark.rows import FASTER, ROWS


def test_rows_have_names_of_their_own():
    assert len({row.name for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_rows_goals_and_tasks_exist(row):
    for goal in row.goals:
        assert set(goal.against) <= set(row.contenders) - {row.ours} or goal.against == FASTER
        assert set(goal.against) & set(row.contenders)
        assert goal.aim is None or goal.aim > goal.least
    for call in row.contenders.values():
        module, _, name = call.where.partition(":")
        given = {"threads": 2, **call.arguments} | ({"folder": "."} if row.faces else {})
        inspect.signature(getattr(import_module(f"experiments.benchmark.{module}"), name)).bind(**given)
        if module == "torch_like":
            rest = {key: given[key] for key in given.keys() - {"task", "framework", "threads", "layout", "fused"}}
            inspect.signature(torch_like.TASKS[given["task"]]).bind(None, **rest)

"""Figures: ratios by hand, the right rival, the verdict."""

from __future__ import annotations

import pytest

from experiments.benchmark.figures import Figure, Spread, figures, ratios, spread
from experiments.benchmark.harness import Race
from experiments.benchmark.rows import CHANNELS_LAST, JAX, MS, OURS, TORCH, Call, Goal, Row


def test_ratios_are_the_rivals_cost_over_ours_round_by_round():
    assert ratios([1.0, 2.0, 4.0], [3.0, 2.0, 2.0]) == [3.0, 1.0, 0.5]


def test_the_spread_is_the_median_and_the_quartiles():
    assert spread([4.0, 1.0, 2.0, 3.0, 5.0]) == (3.0, 2.0, 4.0)


def a_row(*goals: Goal, **contenders: object) -> Row:
    calls = {name: Call("", {}, "numpy") for name in (OURS, TORCH, CHANNELS_LAST, JAX)}
    return Row("section", "name", "title", MS, calls, goals)


COSTS = {OURS: [1.0, 2.0, 1.0], TORCH: [3.0, 6.0, 2.0], CHANNELS_LAST: [2.0, 3.0, 2.0], JAX: [4.0, 4.0, 4.0]}


def test_a_goals_figure_is_against_its_best_rival_with_ratios_of_the_same_round():
    first, jax = figures(a_row(Goal(1.1, 1.5)), Race(COSTS))
    assert (first.rival, first.ratio.median, first.ours, first.theirs) == (CHANNELS_LAST, 2.0, 1.0, 2.0)
    assert first.ratio.low == 1.75  # of 1.5, 2, 2; not of medians
    assert (jax.rival, jax.ratio.median, jax.least) == (JAX, 4.0, None)


def test_each_goal_has_its_figure():
    found = figures(a_row(Goal(1.7, 2.2, (TORCH,)), Goal(1.3, 1.6, (CHANNELS_LAST,))), Race(COSTS))
    assert [(figure.rival, figure.ratio.median) for figure in found] == [
        (TORCH, 3.0), (CHANNELS_LAST, 2.0), (JAX, 4.0),
    ]  # fmt: skip


def test_without_our_costs_there_is_no_figure_and_without_a_rivals_the_other_rival_is_taken():
    assert figures(a_row(Goal(1.1)), Race({TORCH: [1.0]}, {OURS: "died"})) == []
    without = {name: costs for name, costs in COSTS.items() if name != CHANNELS_LAST}
    assert figures(a_row(Goal(1.1)), Race(without))[0].rival == TORCH
    assert figures(a_row(Goal(1.1)), Race({OURS: [1.0]})) == []


@pytest.mark.parametrize(
    ("ratio", "least", "aim", "verdict"),
    [
        (0.99, 1.0, 2.0, "below"),
        (1.0, 1.0, 2.0, "reached"),
        (2.0, 1.0, 2.0, "aim reached"),
        (5.0, 1.0, None, "reached"),
        (5.0, None, None, ""),
    ],
)
def test_the_verdict_compares_the_median_with_the_goal(ratio, least, aim, verdict):
    figure = Figure("section", "row", "title", MS, 1.0, 2.0, TORCH, Spread(ratio, ratio, ratio), least, aim)
    assert figure.verdict == verdict

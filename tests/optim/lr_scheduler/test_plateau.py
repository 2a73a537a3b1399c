from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import optim
from tinygrad_cnn.optim.lr_scheduler import ReduceLROnPlateau


def two_groups() -> optim.SGD:
    return optim.SGD([{"params": tg.Tensor(0.0), "lr": lr} for lr in (1.0, 0.25)])


def rates(schedule: Any, metrics: list[float]) -> list[float]:
    """Of the first group, after each metric."""
    seen = []
    for metric in metrics:
        schedule.step(metric)
        seen.append(schedule.get_last_lr()[0])
    return seen


def test_it_cuts_after_more_than_patience_steps_without_a_new_best():
    schedule = ReduceLROnPlateau(two_groups(), factor=0.5, patience=2)
    assert rates(schedule, [5, 4, 4, 4, 4, 4, 4, 4]) == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25]


def test_it_wants_to_go_up_in_mode_max():
    schedule = ReduceLROnPlateau(two_groups(), mode="max", factor=0.5, patience=0)
    assert rates(schedule, [4, 5, 5, 6]) == [1, 1, 0.5, 0.5]


def test_it_wants_more_than_the_threshold():
    relative = ReduceLROnPlateau(two_groups(), factor=0.5, patience=0, threshold=0.1)
    assert rates(relative, [10, 9.1, 8.9]) == [1, 0.5, 0.5]
    absolute = ReduceLROnPlateau(two_groups(), factor=0.5, patience=0, threshold=0.5, threshold_mode="abs")
    assert rates(absolute, [10, 9.6, 9.4]) == [1, 0.5, 0.5]


def test_it_looks_away_while_cooling_down():
    schedule = ReduceLROnPlateau(two_groups(), factor=0.5, patience=0, cooldown=2)
    assert rates(schedule, [1] * 6) == [1, 0.5, 0.5, 0.5, 0.25, 0.25]


def test_it_keeps_to_the_lowest_rate_of_each_group():
    schedule = ReduceLROnPlateau(two_groups(), factor=0.5, patience=0, min_lr=[0.4, 0.2])
    rates(schedule, [1] * 5)
    assert schedule.get_last_lr() == [0.4, 0.2]


def test_nan_is_never_better():
    schedule = ReduceLROnPlateau(two_groups(), factor=0.5, patience=0)
    assert rates(schedule, [float("nan"), 1.0]) == [0.5, 0.5]
    assert schedule.best == 1.0


def test_it_takes_a_tensor():
    schedule = ReduceLROnPlateau(two_groups())
    schedule.step(tg.Tensor(3.0))
    assert schedule.best == 3.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"factor": 1.0}, "factor must be less than 1, but is 1.0"),
        ({"mode": "low"}, "mode must be 'min' or 'max', but is 'low'"),
        ({"threshold_mode": "none"}, "threshold_mode must be 'rel' or 'abs', but is 'none'"),
        ({"min_lr": [0.1]}, "min_lr needs 2 entries, one per group, but has 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        ReduceLROnPlateau(two_groups(), **options)


METRICS = list(np.random.default_rng(0).standard_normal(60).cumsum().round(1))


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize(
    "options",
    [
        {"patience": 2},
        {"factor": 0.5, "patience": 0, "cooldown": 3, "min_lr": 0.01},
        {"patience": 1, "threshold": 0.3, "threshold_mode": "abs", "factor": 0.9},
        {"patience": 1, "threshold": 0.3, "factor": 0.9, "min_lr": [0.5, 0.1], "eps": 0.01},
    ],
)
def test_the_rates_are_torchs(mode: str, options: dict[str, Any]):
    torch = pytest.importorskip("torch")
    theirs = torch.optim.SGD([{"params": [torch.tensor(0.0)], "lr": lr} for lr in (1.0, 0.25)])
    reference = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, mode=mode, **options)
    schedule = ReduceLROnPlateau(two_groups(), mode=mode, **options)
    for metric in METRICS:
        schedule.step(metric)
        reference.step(metric)
        assert schedule.get_last_lr() == pytest.approx(reference.get_last_lr(), rel=1e-12)
    assert schedule.get_last_lr()[0] < 1


def test_resumed_from_the_saved_state_it_gives_the_same_rates():
    straight, resumed = (ReduceLROnPlateau(two_groups(), factor=0.5, patience=1, cooldown=2) for _ in range(2))
    rates(straight, METRICS[:25])
    resumed.load_state_dict(straight.state_dict())
    resumed.optimizer.load_state_dict(straight.optimizer.state_dict())
    assert rates(resumed, METRICS[25:]) == rates(straight, METRICS[25:])

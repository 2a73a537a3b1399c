from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import optim
from tinygrad_cnn.optim.lr_scheduler import OneCycleLR


def adam() -> optim.Adam:
    return optim.Adam([{"params": tg.Tensor(0.0)}, {"params": tg.Tensor(0.0)}])


def run(schedule: Any, count: int) -> list[list[float]]:
    """The rates and momenta of all groups, at steps 0, 1, ..."""
    seen = []
    for _ in range(count):
        groups = schedule.optimizer.param_groups
        momenta = [group["betas"][0] if "betas" in group else group["momentum"] for group in groups]
        seen.append([*schedule.get_last_lr(), *momenta])
        schedule.step()
    return seen


def test_it_goes_up_and_down_again_with_the_momentum_against_it():
    schedule = OneCycleLR(adam(), max_lr=1.0, total_steps=5, pct_start=0.6, anneal_strategy="linear")
    rates, _, momenta, _ = zip(*run(schedule, 5), strict=True)
    assert rates == pytest.approx([0.04, 0.52, 1.0, 0.5 + 0.5 * 4e-6, 4e-6])
    assert momenta == pytest.approx([0.95, 0.9, 0.85, 0.9, 0.95])


def test_it_leaves_the_other_beta_alone():
    optimizer = adam()
    run(OneCycleLR(optimizer, max_lr=1.0, total_steps=5), 3)
    assert optimizer.param_groups[0]["betas"][1] == 0.999


def test_it_leaves_the_momentum_alone_without_cycle_momentum():
    optimizer = optim.SGD([tg.Tensor(0.0)], momentum=0.7)
    run(OneCycleLR(optimizer, max_lr=1.0, total_steps=5, cycle_momentum=False), 3)
    assert optimizer.param_groups[0]["momentum"] == 0.7


def test_a_way_up_of_one_step_starts_at_the_top():
    schedule = OneCycleLR(adam(), max_lr=1.0, total_steps=10, pct_start=0.1)
    assert schedule.get_last_lr() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs total_steps, or epochs and steps_per_epoch"),
        ({"epochs": 3}, "needs total_steps, or epochs and steps_per_epoch"),
        ({"total_steps": 0}, "of at least 1, but they are 0, None and None"),
        ({"total_steps": 9, "pct_start": 1.5}, "pct_start must be from 0 to 1, but is 1.5"),
        ({"total_steps": 9, "anneal_strategy": "up"}, "anneal_strategy must be 'cos' or 'linear', not 'up'"),
        ({"total_steps": 9, "max_momentum": [0.9]}, "max_momentum needs 2 entries, one per group, but has 1"),
    ],
)
def test_options_that_make_no_cycle_are_refused(options: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        OneCycleLR(adam(), 1.0, **options)


def test_an_optimiser_without_momentum_is_refused():
    with pytest.raises(ValueError, match="Adagrad has no momentum to cycle; pass cycle_momentum=False"):
        OneCycleLR(optim.Adagrad([tg.Tensor(0.0)]), 1.0, total_steps=5)


def test_a_step_beyond_the_last_is_refused():
    schedule = OneCycleLR(adam(), 1.0, total_steps=3)
    run(schedule, 3)
    with pytest.raises(ValueError, match="step 4 is beyond the last of total_steps=3"):
        schedule.step()


@pytest.mark.filterwarnings("ignore:Detected call")  # of Torch's, that the optimiser takes no steps
@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("three_phase", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {"max_lr": 1.0, "total_steps": 40},
        {"max_lr": [1.0, 0.1], "epochs": 8, "steps_per_epoch": 5, "anneal_strategy": "linear"},
        {"max_lr": 1.0, "total_steps": 40, "pct_start": 0.0, "div_factor": 3.0, "final_div_factor": 2.0},
        {"max_lr": 1.0, "total_steps": 40, "base_momentum": [0.1, 0.2], "max_momentum": 0.7},
    ],
)
def test_rates_and_momenta_are_torchs(optimizer: str, three_phase: bool, options: dict[str, Any]):
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.optim, optimizer)([{"params": [torch.tensor(0.0)]} for _ in range(2)])
    ours = getattr(optim, optimizer)([{"params": tg.Tensor(0.0)} for _ in range(2)])
    reference = torch.optim.lr_scheduler.OneCycleLR(theirs, three_phase=three_phase, **options)
    schedule = OneCycleLR(ours, three_phase=three_phase, **options)
    np.testing.assert_allclose(run(schedule, 40), run(reference, 40), rtol=1e-12, atol=1e-15)


def test_resumed_from_the_saved_state_it_gives_the_same_rates_and_momenta_to_the_bit():
    straight = OneCycleLR(adam(), [1.0, 0.5], total_steps=40)
    run(straight, 17)
    saved, saved_optimizer = straight.state_dict(), straight.optimizer.state_dict()
    expected = run(straight, 20)

    resumed = OneCycleLR(adam(), [3.0, 3.0], total_steps=99)
    resumed.load_state_dict(saved)
    resumed.optimizer.load_state_dict(saved_optimizer)
    assert run(resumed, 20) == expected

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import optim
from tinygrad_cnn.optim import lr_scheduler


def two_groups(lr: tuple[float, float] = (1.0, 0.3)) -> optim.SGD:
    return optim.SGD([{"params": tg.Tensor(0.0), "lr": rate} for rate in lr], momentum=0.9)


def warmup_then_cosine(module: Any, optimizer: Any) -> Any:
    parts = [
        module.LinearLR(optimizer, 0.1, total_iters=5),
        module.CosineAnnealingLR(optimizer, 20, eta_min=0.01),
        module.ExponentialLR(optimizer, 0.9),
    ]
    return module.SequentialLR(optimizer, parts, milestones=[5, 25])


def warmup_then_one_cycle(module: Any, optimizer: Any) -> Any:
    parts = [module.ConstantLR(optimizer, 0.5), module.OneCycleLR(optimizer, 2.0, total_steps=40)]
    return module.SequentialLR(optimizer, parts, milestones=[3])


def functions_in_turn(module: Any, optimizer: Any) -> Any:
    parts = [
        module.LambdaLR(optimizer, lambda t: 0.9**t),
        module.LambdaLR(optimizer, lambda t: 1 + t),
        module.MultiStepLR(optimizer, [0, 4]),
    ]
    return module.SequentialLR(optimizer, parts, milestones=[4, 10])


def second_from_the_start(module: Any, optimizer: Any) -> Any:
    parts = [module.ConstantLR(optimizer, 0.5), module.StepLR(optimizer, 4)]
    return module.SequentialLR(optimizer, parts, milestones=[0])


def rates(schedule: lr_scheduler.LRScheduler, count: int) -> list[list[float]]:
    seen = []
    for _ in range(count):
        seen.append(schedule.get_last_lr())
        schedule.step()
    return seen


def test_each_schedule_starts_from_its_own_step_0_at_its_milestone():
    optimizer = two_groups()
    parts = [lr_scheduler.ConstantLR(optimizer, 0.1), lr_scheduler.StepLR(optimizer, 2, gamma=0.5)]
    schedule = lr_scheduler.SequentialLR(optimizer, parts, milestones=[2])
    assert [first for first, _ in rates(schedule, 6)] == [0.1, 0.1, 1.0, 1.0, 0.5, 0.5]
    assert schedule.last_epoch == 6


@pytest.mark.filterwarnings("ignore:Detected call")  # of Torch's, that the optimiser takes no steps
@pytest.mark.parametrize("make", [warmup_then_cosine, warmup_then_one_cycle, functions_in_turn, second_from_the_start])
def test_the_rates_are_torchs(make: Any):
    torch = pytest.importorskip("torch")
    theirs = torch.optim.SGD([{"params": [torch.tensor(0.0)], "lr": lr} for lr in (1.0, 0.3)], momentum=0.9)
    ours = make(lr_scheduler, two_groups())
    reference = make(torch.optim.lr_scheduler, theirs)
    for _ in range(40):
        np.testing.assert_allclose(ours.get_last_lr(), reference.get_last_lr(), rtol=1e-12)
        ours.step()
        reference.step()


@pytest.mark.parametrize("when", [3, 5, 17])
def test_resumed_from_the_saved_state_it_gives_the_same_rates_to_the_bit(when: int):
    straight = warmup_then_cosine(lr_scheduler, two_groups())
    rates(straight, when)
    saved, saved_optimizer = straight.state_dict(), straight.optimizer.state_dict()
    expected = rates(straight, 20)

    resumed = warmup_then_cosine(lr_scheduler, two_groups())
    resumed.load_state_dict(saved)
    resumed.optimizer.load_state_dict(saved_optimizer)
    assert rates(resumed, 20) == expected


class TestRefuses:
    @pytest.mark.parametrize("milestones", [[], [1, 2], [3, 1, 2]])
    def test_milestones_that_do_not_fit(self, milestones: list[int]):
        optimizer = two_groups()
        with pytest.raises(ValueError, match="2 schedulers need 1 ascending milestones but got"):
            lr_scheduler.SequentialLR(optimizer, [lr_scheduler.StepLR(optimizer, 1)] * 2, milestones)

    def test_milestones_that_do_not_ascend(self):
        optimizer = two_groups()
        with pytest.raises(ValueError, match=r"3 schedulers need 2 ascending milestones but got \[5, 3\]"):
            lr_scheduler.SequentialLR(optimizer, [lr_scheduler.StepLR(optimizer, 1)] * 3, [5, 3])

    def test_a_schedule_of_another_optimiser(self):
        with pytest.raises(ValueError, match=r"schedulers\[0\] belongs to another optimiser"):
            lr_scheduler.SequentialLR(two_groups(), [lr_scheduler.StepLR(two_groups(), 1)], [])

    def test_a_schedule_that_needs_a_metric(self):
        optimizer = two_groups()
        with pytest.raises(ValueError, match=r"schedulers\[0\] must not be a ReduceLROnPlateau"):
            lr_scheduler.SequentialLR(optimizer, [lr_scheduler.ReduceLROnPlateau(optimizer)], [])

    def test_an_empty_sequence(self):
        with pytest.raises(ValueError, match="needs at least one"):
            lr_scheduler.SequentialLR(two_groups(), [], [])

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import optim
from tinygrad_cnn.optim import lr_scheduler


def two_groups(lr: tuple[float, float] = (1.0, 0.3)) -> optim.SGD:
    return optim.SGD([{"params": tg.Tensor(0.0), "lr": lr[0]}, {"params": tg.Tensor(0.0), "lr": lr[1]}])


def rates(schedule: lr_scheduler.LRScheduler, count: int) -> list[float]:
    """Of the first group, at steps 0, 1, ..."""
    seen = []
    for _ in range(count):
        seen.append(schedule.get_last_lr()[0])
        schedule.step()
    return seen


def test_step_lr_multiplies_every_step_size_steps():
    assert rates(lr_scheduler.StepLR(two_groups(), 2, gamma=0.5), 6) == [1, 1, 0.5, 0.5, 0.25, 0.25]


def test_multi_step_lr_multiplies_at_its_milestones_and_twice_at_one_named_twice():
    schedule = lr_scheduler.MultiStepLR(two_groups(), [4, 1, 4], gamma=0.5)
    assert rates(schedule, 6) == [1, 0.5, 0.5, 0.5, 0.125, 0.125]


def test_constant_lr_holds_back_until_total_iters():
    assert rates(lr_scheduler.ConstantLR(two_groups(), 0.25, 2), 4) == [0.25, 0.25, 1, 1]
    assert rates(lr_scheduler.ConstantLR(two_groups(), 0.0, 2), 4) == [0, 0, 1, 1]


def test_linear_lr_walks_a_line_and_stays_at_its_end():
    schedule = lr_scheduler.LinearLR(two_groups(), start_factor=0.5, end_factor=0.0, total_iters=4)
    assert rates(schedule, 6) == pytest.approx([0.5, 0.375, 0.25, 0.125, 0, 0])


def test_exponential_lr_multiplies_at_every_step():
    assert rates(lr_scheduler.ExponentialLR(two_groups(), 0.5), 4) == [1, 0.5, 0.25, 0.125]


def test_cosine_annealing_lr_goes_down_half_a_cosine_and_up_again():
    schedule = lr_scheduler.CosineAnnealingLR(two_groups(), T_max=3, eta_min=0.2)
    assert rates(schedule, 8) == pytest.approx([1, 0.8, 0.4, 0.2, 0.4, 0.8, 1, 0.8])


def test_cosine_annealing_lr_starts_at_the_base_rate_to_the_bit():
    for base in np.linspace(0.3, 0.9, 20).tolist():
        assert lr_scheduler.CosineAnnealingLR(two_groups((base, 1.0)), 3, 0.1).get_last_lr()[0] == base


def test_lambda_lr_multiplies_the_base_rates_by_its_functions():
    schedule = lr_scheduler.LambdaLR(two_groups((1.0, 10.0)), [lambda t: 1 / (1 + t), lambda t: 0.5**t])
    schedule.step()
    schedule.step()
    assert schedule.get_last_lr() == [1 / 3, 2.5]


def test_lambda_lr_needs_a_function_for_each_group():
    with pytest.raises(ValueError, match="lr_lambda needs 2 entries, one per group, but has 3"):
        lr_scheduler.LambdaLR(two_groups(), [lambda t: 1.0] * 3)


def test_a_rate_decayed_to_nothing_stays_there():
    assert rates(lr_scheduler.StepLR(two_groups(), 1, gamma=0.0), 4) == [1, 0, 0, 0]
    assert rates(lr_scheduler.ExponentialLR(two_groups(), 1e-200), 4) == [1, 1e-200, 0, 0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda o: lr_scheduler.StepLR(o, 0), "step_size must be at least 1, but is 0"),
        (lambda o: lr_scheduler.ConstantLR(o, 1.5), "factor must be from 0 to 1, but is 1.5"),
        (lambda o: lr_scheduler.LinearLR(o, 0.0), "start_factor must be above 0 and at most 1, but is 0.0"),
        (lambda o: lr_scheduler.LinearLR(o, 1.0, 1.5), "end_factor must be from 0 to 1, but is 1.5"),
        (lambda o: lr_scheduler.LinearLR(o, total_iters=0), "total_iters must be at least 1, but is 0"),
        (lambda o: lr_scheduler.CosineAnnealingLR(o, 0), "T_max must be at least 1, but is 0"),
    ],
)
def test_options_that_make_no_schedule_are_refused(make: Callable, message: str):
    with pytest.raises(ValueError, match=message):
        make(two_groups())


SCHEDULES = [
    ("StepLR", {"step_size": 7, "gamma": 0.3}),
    ("MultiStepLR", {"milestones": [3, 20, 20, 41], "gamma": 0.5}),
    ("ConstantLR", {"factor": 0.2, "total_iters": 9}),
    ("LinearLR", {"start_factor": 0.1, "total_iters": 30}),
    ("LinearLR", {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 30}),
    ("ExponentialLR", {"gamma": 0.93}),
    ("CosineAnnealingLR", {"T_max": 60}),
    ("CosineAnnealingLR", {"T_max": 20, "eta_min": 0.05}),
    ("LambdaLR", {"lr_lambda": [lambda t: 1 + math.cos(t), lambda t: 0.9**t]}),
]


@pytest.mark.parametrize(("name", "options"), SCHEDULES)
@pytest.mark.filterwarnings("ignore:Detected call")  # of Torch's, that the optimiser takes no steps
class TestBesideTorch:
    def pair(self, name: str, options: dict[str, Any], **more: Any) -> tuple[Any, Any]:
        torch = pytest.importorskip("torch")
        groups = [{"params": [torch.tensor(0.0)], "lr": 1.0}, {"params": [torch.tensor(0.0)], "lr": 0.3}]
        theirs = torch.optim.SGD(groups, momentum=0.9)
        reference = getattr(torch.optim.lr_scheduler, name)(theirs, **options, **more)
        return getattr(lr_scheduler, name)(two_groups(), **options, **more), reference

    def follow(self, ours: Any, theirs: Any, count: int) -> None:
        for _ in range(count):
            assert ours.last_epoch == theirs.last_epoch
            assert ours.get_last_lr() == [group["lr"] for group in ours.optimizer.param_groups]
            np.testing.assert_allclose(ours.get_last_lr(), theirs.get_last_lr(), rtol=1e-12, atol=1e-14)
            ours.step()
            theirs.step()

    def test_the_rates_are_torchs(self, name: str, options: dict[str, Any]):
        self.follow(*self.pair(name, options), 60)

    def test_a_rate_changed_by_hand_acts_as_in_torch(self, name: str, options: dict[str, Any]):
        ours, theirs = self.pair(name, options)
        self.follow(ours, theirs, 15)
        for schedule in (ours, theirs):
            schedule.optimizer.param_groups[1]["lr"] = 0.7
            schedule.step()
        self.follow(ours, theirs, 30)

    def test_two_schedules_on_one_optimiser_multiply_as_in_torch(self, name: str, options: dict[str, Any]):
        torch = pytest.importorskip("torch")
        ours, theirs = self.pair(name, options)
        ours_too = lr_scheduler.ExponentialLR(ours.optimizer, 0.9)
        theirs_too = torch.optim.lr_scheduler.ExponentialLR(theirs.optimizer, 0.9)
        for _ in range(30):
            for schedule in (ours, ours_too, theirs, theirs_too):
                schedule.step()
            np.testing.assert_allclose(ours_too.get_last_lr(), theirs_too.get_last_lr(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("name", "options"), SCHEDULES)
class TestResume:
    def test_from_the_saved_state_gives_the_same_rates_to_the_bit(self, name: str, options: dict[str, Any]):
        straight = getattr(lr_scheduler, name)(two_groups(), **options)
        rates(straight, 17)
        saved, saved_optimizer = straight.state_dict(), straight.optimizer.state_dict()
        expected = rates(straight, 30)

        optimizer = two_groups((5.0, 6.0))
        resumed = getattr(lr_scheduler, name)(optimizer, **options)
        resumed.load_state_dict(saved)
        optimizer.load_state_dict(saved_optimizer)
        assert resumed.last_epoch == 17
        assert rates(resumed, 30) == expected

    def test_by_last_epoch_with_a_loaded_optimiser_does_too(self, name: str, options: dict[str, Any]):
        straight = getattr(lr_scheduler, name)(two_groups(), **options)
        rates(straight, 20)
        optimizer = two_groups()
        optimizer.load_state_dict(straight.optimizer.state_dict())
        resumed = getattr(lr_scheduler, name)(optimizer, **options, last_epoch=19)
        assert resumed.last_epoch == 20
        assert rates(resumed, 30) == rates(straight, 30)

from __future__ import annotations

import json

import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import optim
from tinygrad_cnn.optim import lr_scheduler


def sgd(lr: float = 1.0) -> optim.SGD:
    return optim.SGD([tg.Tensor(0.0)], lr=lr)


class Halving(lr_scheduler.LRScheduler):
    """What a user writes."""

    def get_lr(self) -> list[float]:
        return [base * 0.5**self.last_epoch for base in self.base_lrs]


def test_a_schedule_of_ones_own_needs_get_lr_alone():
    schedule = Halving(sgd(8.0))
    schedule.step()
    schedule.step()
    assert schedule.get_last_lr() == [2.0]
    assert schedule.optimizer.param_groups[0]["lr"] == 2.0
    assert schedule.last_epoch == 2


def test_restart_begins_again_at_the_base_rates():
    schedule = lr_scheduler.StepLR(sgd(), 1, gamma=0.5)
    schedule.step()
    schedule.restart()
    assert schedule.last_epoch == 0
    assert schedule.get_last_lr() == [1.0]


def test_a_group_added_later_is_scheduled_by_ratios_too():
    optimizer = sgd()
    schedule = lr_scheduler.StepLR(optimizer, 2, gamma=0.5)
    optimizer.add_param_group({"params": tg.Tensor(0.0), "lr": 8.0})
    schedule.step()
    schedule.step()
    assert schedule.get_last_lr() == [0.5, 4.0]


def test_what_is_no_optimizer_is_refused():
    with pytest.raises(TypeError, match=r"StepLR: optimizer must be an Optimizer, got \[1\]"):
        lr_scheduler.StepLR([1], 2)


def test_resuming_by_last_epoch_needs_a_loaded_optimizer():
    with pytest.raises(KeyError, match="has no 'initial_lr', needed for last_epoch=3"):
        lr_scheduler.StepLR(sgd(), 2, last_epoch=3)


def test_the_saved_state_is_a_copy_of_plain_values():
    schedule = lr_scheduler.MultiStepLR(sgd(), [1, 2])
    saved = schedule.state_dict()
    assert json.loads(json.dumps(saved)) == saved
    schedule.step()
    assert saved["last_epoch"] == 0
    schedule.load_state_dict(saved)
    saved["milestones"].append(3)
    assert schedule.milestones == [1, 2]
    schedule.state_dict()["milestones"].append(3)
    assert schedule.milestones == [1, 2]


@pytest.mark.parametrize(
    "change",
    [{"step": 3}, {"__class__": "x"}, {"last_epoch": None}, {"last_epoch": "3"}, {"milestones": [1]}, {"base_lrs": 3}],
)
def test_what_is_no_state_of_such_a_schedule_is_refused_and_changes_nothing(change):
    schedule = lr_scheduler.MultiStepLR(sgd(), [1, 2])
    saved = schedule.state_dict()
    with pytest.raises(ValueError, match="MultiStepLR: this is no state of such a schedule"):
        schedule.load_state_dict({**saved, **change})
    assert schedule.state_dict() == saved

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.optim.walk import places
from tinygrad_cnn import optim


def steps(gradients: list[float], **options: float) -> list[float]:
    return places(optim.SGD, gradients, **options)


def test_a_plain_step_goes_lr_times_the_gradient_down():
    assert steps([2.0, -4.0], lr=0.5) == [9.0, 11.0]


def test_maximize_goes_up():
    assert steps([2.0, -4.0], lr=0.5, maximize=True) == [11.0, 9.0]


def test_weight_decay_adds_its_share_of_the_parameter_to_the_gradient():
    assert steps([1.0], lr=0.5, weight_decay=0.25) == [10 - 0.5 * (1 + 2.5)]


def test_weight_decay_pulls_to_zero_when_maximizing_too_as_in_torch():
    assert steps([1.0], lr=0.5, weight_decay=0.25, maximize=True) == [10 - 0.5 * (-1 + 2.5)]


def test_momentum_sums_gradients_that_fade():
    # b: 2, 0.5 * 2 + 4 = 5, 0.5 * 5 + 0 = 2.5
    assert steps([2.0, 4.0, 0.0], lr=1.0, momentum=0.5) == [8.0, 3.0, 0.5]


def test_dampening_spares_the_first_gradient_as_in_torch():
    # b: 2, 0.5 * 2 + 0.75 * 4 = 4
    assert steps([2.0, 4.0], lr=1.0, momentum=0.5, dampening=0.25) == [8.0, 4.0]


def test_nesterov_looks_ahead_along_the_momentum():
    # b: 2, 5; steps g + 0.5 b: 3, 6.5
    assert steps([2.0, 4.0], lr=1.0, momentum=0.5, nesterov=True) == [7.0, 0.5]


@pytest.mark.parametrize("options", [{"nesterov": True}, {"nesterov": True, "momentum": 0.9, "dampening": 0.1}])
def test_nesterov_without_momentum_or_with_dampening_is_refused(options: dict):
    with pytest.raises(ValueError, match="nesterov needs a momentum and no dampening"):
        optim.SGD([tg.Tensor(0.0)], **options)


def test_without_momentum_there_is_no_state():
    p = tg.Tensor([1.0], requires_grad=True)
    optimizer = optim.SGD([p])
    p.grad = tg.Tensor([1.0])
    optimizer.step()
    assert optimizer.state_dict()["state"] == {}


def test_momentum_switched_on_later_starts_with_the_gradient_of_that_step():
    p = tg.Tensor(np.array([10.0]), requires_grad=True)
    optimizer = optim.SGD([p], lr=1.0)
    for momentum, expected in [(0.0, 8.0), (0.5, 6.0), (0.5, 3.0)]:
        optimizer.param_groups[0]["momentum"] = momentum
        p.grad = tg.Tensor(np.array([2.0]))
        optimizer.step()
        assert p.item() == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"momentum": 0.9},
        {"momentum": 0.9, "dampening": 0.3},
        {"momentum": 0.9, "nesterov": True},
        {"momentum": 0.9, "maximize": True, "lr": 1e-4},
    ],
)
def test_fifty_steps_are_torchs(walk_beside_torch, dtype: type, weight_decay: float, options: dict):
    walk_beside_torch("SGD", dtype, {"lr": 0.01, "weight_decay": weight_decay, **options})


def test_fifty_steps_with_two_groups_are_torchs(walk_beside_torch):
    walk_beside_torch("SGD", np.float32, {"lr": 0.01, "momentum": 0.9}, {"lr": 0.05, "weight_decay": 0.2})

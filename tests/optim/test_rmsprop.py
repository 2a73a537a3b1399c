from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.optim.walk import places
from tinygrad_cnn import optim


def steps(gradients: list[float], **options: float) -> list[float]:
    return places(optim.RMSprop, gradients, **options)


def test_the_gradient_is_divided_by_the_root_of_its_mean_square():
    # mean squares: 64 / 4 = 16; (3 * 16 + 148) / 4 = 49
    assert steps([8.0, 148**0.5], lr=1.0, alpha=0.75, eps=0.0) == pytest.approx([8.0, 8 - 148**0.5 / 7])


def test_eps_is_added_outside_the_root():
    assert steps([8.0], lr=1.0, alpha=0.75, eps=4.0) == [10 - 8 / (4 + 4)]


def test_centered_divides_by_the_standard_deviation():
    # mean 8 / 2, mean square 64 / 2: variance 32 - 16
    assert steps([8.0], lr=1.0, alpha=0.5, eps=0.0, centered=True) == [10 - 8 / 4]


def test_momentum_sums_the_divided_gradients():
    # divided: 2, 0; b: 2, 1
    assert steps([8.0, 0.0], lr=1.0, alpha=0.75, eps=0.0, momentum=0.5) == [8.0, 7.0]


def test_a_constant_gradient_has_no_variance_and_never_gives_nan():
    p = tg.Tensor(np.zeros(64, np.float32), requires_grad=True)
    optimizer = optim.RMSprop([p], lr=1e-12, alpha=0.5, centered=True)
    p.grad = tg.Tensor(np.random.default_rng(0).standard_normal(64).astype(np.float32))
    for _ in range(100):
        optimizer.step()
        assert np.isfinite(p.data).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("options", [{}, {"centered": True}, {"alpha": 0.9, "eps": 1e-3, "maximize": True}])
def test_fifty_steps_are_torchs(walk_beside_torch, dtype: type, weight_decay: float, momentum: float, options: dict):
    walk_beside_torch("RMSprop", dtype, {"weight_decay": weight_decay, "momentum": momentum, **options})


def test_fifty_steps_with_two_groups_are_torchs(walk_beside_torch):
    walk_beside_torch("RMSprop", np.float32, {"momentum": 0.9}, {"lr": 0.001, "centered": True})

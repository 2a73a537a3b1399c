from __future__ import annotations

import numpy as np
import pytest

from tests.optim.walk import places
from tinygrad_cnn import optim


def steps(gradients: list[float], **options: float) -> list[float]:
    return places(optim.Adagrad, gradients, **options)


def test_the_gradient_is_divided_by_the_root_of_the_sum_of_squares():
    assert steps([3.0, 4.0], lr=1.0, eps=0.0) == [9.0, 9 - 4 / 5]


def test_the_sum_starts_at_the_initial_accumulator_value():
    assert steps([3.0], lr=1.0, eps=0.0, initial_accumulator_value=16.0) == [10 - 3 / 5]


def test_lr_decay_counts_the_steps_before():
    assert steps([3.0, 4.0], lr=1.0, eps=0.0, lr_decay=1.0) == [9.0, 9 - 0.5 * 4 / 5]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize(
    "options",
    [{}, {"lr": 0.1, "lr_decay": 0.1}, {"initial_accumulator_value": 0.5, "eps": 1e-3}, {"maximize": True}],
)
def test_fifty_steps_are_torchs(walk_beside_torch, dtype: type, weight_decay: float, options: dict):
    walk_beside_torch("Adagrad", dtype, {"weight_decay": weight_decay, **options})


def test_fifty_steps_with_two_groups_are_torchs(walk_beside_torch):
    walk_beside_torch("Adagrad", np.float32, {"lr": 0.1}, {"lr_decay": 0.1, "weight_decay": 0.1})

"""The tensors that a module owns stay what they are."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.nn.parameter import at_most


def test_a_parameter_requires_grad_unless_told_and_keeps_its_dtype() -> None:
    assert nn.Parameter([1.0]).requires_grad
    assert not nn.Parameter([1.0], requires_grad=False).requires_grad
    assert nn.Parameter(np.ones(2)).dtype == np.float64
    assert not nn.Buffer([1.0]).requires_grad


def test_what_is_computed_from_a_parameter_is_no_parameter() -> None:
    assert type(nn.Parameter([1.0]) * 2) is tg.Tensor


def test_a_tensor_in_a_parameters_place_is_refused_for_it_would_not_be_trained():
    layer = nn.Linear(2, 1)
    with pytest.raises(TypeError, match=r"Linear.weight is a Parameter.*assign nn.Parameter\(tensor\)"):
        layer.weight = tg.ones(1, 2)
    layer.weight = nn.Parameter(tg.ones(1, 2))
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]


def test_a_tensor_assigned_to_a_buffer_gives_it_new_values():
    norm = nn.BatchNorm1d(2)
    norm.running_mean = tg.Tensor([1.0, 2.0])
    assert norm.state_dict()["running_mean"].tolist() == [1.0, 2.0]


def test_parameters_beyond_what_is_allowed_are_refused_and_afterwards_any_may_be_made() -> None:
    with at_most(10):
        nn.Linear(2, 3)
        with pytest.raises(ValueError, match="more elements than are allowed"):
            nn.Linear(1, 1)
    assert nn.Linear(4, 4).weight.shape == (4, 4)

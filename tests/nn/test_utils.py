"""Parameters as one vector, and back."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn, optim


def test_parameters_go_into_a_vector_and_back() -> None:
    model, other = nn.Linear(3, 2), nn.Linear(3, 2)
    vector = nn.utils.parameters_to_vector(model.parameters())
    np.testing.assert_array_equal(vector.data, np.concatenate([model.weight.data.ravel(), model.bias.data]))
    nn.utils.vector_to_parameters(vector, other.parameters())
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name], array)
    assert all(p.is_leaf and p.requires_grad for p in other.parameters())


def test_gradients_flow_through_the_vector() -> None:
    model = nn.Linear(3, 2)
    nn.utils.parameters_to_vector(model.parameters()).square().sum().backward()
    np.testing.assert_allclose(model.weight.grad.data, 2 * model.weight.data)


@pytest.mark.parametrize("shape", [(7,), (9,), (2, 4), ()])
def test_a_vector_of_another_size_is_refused_and_nothing_written(shape: tuple[int, ...]) -> None:
    model = nn.Linear(3, 2)
    before = model.state_dict()
    with pytest.raises(ValueError, match="the parameters take a vector of 8 values"):
        nn.utils.vector_to_parameters(tg.Tensor(np.ones(shape)), model.parameters())
    np.testing.assert_array_equal(model.weight.data, before["weight"])


def test_clipping_is_the_same_function_as_in_optim() -> None:
    assert nn.utils.clip_grad_norm_ is optim.clip_grad_norm_
    assert nn.utils.clip_grad_value_ is optim.clip_grad_value_

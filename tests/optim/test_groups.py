"""Weight decay for weights alone: which parameters it pulls, and which it leaves."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cnn import nn, optim


def test_only_weights_shrink_where_there_is_no_gradient_to_speak_of() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 1))
    for parameter in model.parameters():
        parameter.data[...] = 1.0
        parameter.grad = parameter.detach() * 0
    optim.SGD(optim.decay_weights_only(model.parameters(), 0.5), lr=0.1).step()
    after = {name: float(np.unique(parameter.data).item()) for name, parameter in model.named_parameters()}
    assert after == pytest.approx(
        {"0.weight": 0.95, "0.bias": 1, "1.weight": 1, "1.bias": 1, "2.weight": 0.95, "2.bias": 1}
    )


def test_every_parameter_is_in_one_group_and_no_group_is_empty() -> None:
    assert [len(group["params"]) for group in optim.decay_weights_only(nn.Linear(3, 2).parameters(), 0.1)] == [1, 1]
    (group,) = optim.decay_weights_only(nn.Linear(3, 2, bias=False).parameters(), 0.1)
    assert group["weight_decay"] == 0.1
    (group,) = optim.decay_weights_only(nn.BatchNorm2d(3).parameters(), 0.1)
    assert group["weight_decay"] == 0.0


def test_a_model_without_parameters_has_nothing_to_optimise() -> None:
    with pytest.raises(ValueError, match="empty parameter list"):
        optim.SGD(optim.decay_weights_only(nn.ReLU().parameters(), 0.1), lr=0.1)

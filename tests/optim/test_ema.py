"""The moving average of a model's weights: its formula, its buffers, and that the model gets its own back."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn, optim


class Net(nn.Module):
    def __init__(self) -> None:
        self.conv, self.norm = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)

    def forward(self, x):
        return self.norm(self.conv(x))


def train(net: nn.Module, average: optim.EMA, steps: int = 1) -> list[dict[str, np.ndarray]]:
    """Steps on noise; the state after each."""
    optimizer, states = optim.SGD(net.parameters(), lr=0.1), []
    for _ in range(steps):
        net.zero_grad()
        (net(tg.randn(4, 1, 5, 5)) ** 3).mean().backward()
        optimizer.step()
        average.update()
        states.append(net.state_dict())
    return states


def test_it_follows_weights_and_running_statistics_by_its_formula() -> None:
    net = Net()
    average = optim.EMA(net, decay=0.25)
    expected = net.state_dict()
    for step, state in enumerate(train(net, average, 5), 1):
        decay = min(0.25, (1 + step) / (10 + step))
        for name in expected:
            expected[name] = decay * expected[name] + (1 - decay) * state[name]
    with average.applied():
        for name, array in net.state_dict().items():
            if array.dtype.kind == "f":
                np.testing.assert_allclose(array, expected[name], rtol=1e-5, atol=1e-7)
        assert net.norm.num_batches_tracked.item() == 5


def test_after_applied_the_model_has_its_own_weights_again_and_trains_on() -> None:
    net = Net()
    average = optim.EMA(net)
    before = train(net, average, 3)[-1]
    with average.applied():
        assert not np.array_equal(net.conv.weight.data, before["conv.weight"])
    with pytest.raises(ValueError, match="conv2d: x should be"), average.applied():
        net(tg.ones(3))
    assert all(np.array_equal(array, before[name]) for name, array in net.state_dict().items())
    train(net, average)
    assert average.updates == 4


def test_evaluating_the_average_leaves_it_as_it_was_even_if_its_graph_lives_on() -> None:
    net = Net()
    average = optim.EMA(net)
    train(net, average, 2)
    with average.applied():
        loss = net.eval()(tg.ones(2, 1, 5, 5)).sum()  # holds the average's arrays
    net.train()
    before = average.state_dict()["average"]["conv.weight"]
    train(net, average)
    assert not np.array_equal(average.state_dict()["average"]["conv.weight"], before)
    loss.backward()


def test_a_model_trained_in_training_mode_inside_applied_is_an_error() -> None:
    average = optim.EMA(Net())
    with average.applied():
        with pytest.raises(RuntimeError, match=r"update\(\) inside applied"):
            average.update()
        with pytest.raises(RuntimeError, match=r"applied\(\) inside applied"), average.applied():
            pass


def test_a_shared_weight_is_averaged_once() -> None:
    net = nn.Sequential(nn.Linear(2, 2, bias=False))
    net.again = net[0]
    average = optim.EMA(net, decay=0.0)
    net[0].weight.data[...] = 3.0
    average.update()
    with average.applied():
        assert net.again.weight.tolist() == [[3.0, 3.0], [3.0, 3.0]]


def test_weights_that_were_given_new_arrays_are_followed() -> None:
    net = nn.Linear(2, 1, bias=False)
    average = optim.EMA(net, decay=0.0)
    net.weight.data = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)[:1, ::-1]  # not contiguous, either
    average.update()
    with average.applied():
        assert net.weight.tolist() == [[2.0, 1.0]]


def test_an_update_takes_no_memory_of_the_models_size() -> None:
    net = nn.Linear(1000, 1000)
    average = optim.EMA(net)
    average.update()  # now the memory that updates share is there
    tracemalloc.start()
    average.update()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < net.weight.data.nbytes / 2


def test_a_saved_average_goes_on_to_the_bit() -> None:
    net = Net()
    average = optim.EMA(net, decay=0.9)
    train(net, average, 3)
    resumed = optim.EMA(net, decay=0.9)
    resumed.load_state_dict(average.state_dict())
    average.update()
    resumed.update()
    first, second = average.state_dict(), resumed.state_dict()
    assert first["updates"] == second["updates"] == 4
    assert all(np.array_equal(first["average"][name], second["average"][name]) for name in first["average"])


def test_another_models_average_does_not_load() -> None:
    with pytest.raises(ValueError, match="does not fit this model's names and shapes"):
        optim.EMA(Net()).load_state_dict(optim.EMA(nn.Linear(2, 1)).state_dict())


@pytest.mark.parametrize(
    "change", [{"updates": float("inf")}, {"updates": -1}, {"updates": None}, {"average": []}, {"average": None}]
)
def test_what_is_no_average_does_not_load_and_changes_nothing(change: dict[str, Any]) -> None:
    average = optim.EMA(nn.Linear(1, 1))
    saved = average.state_dict()
    with pytest.raises(ValueError, match="EMA: "):
        average.load_state_dict({**saved, **change})
    assert repr(average.state_dict()) == repr(saved)


def test_an_average_beyond_the_weights_type_does_not_load() -> None:
    average = optim.EMA(nn.Linear(1, 1))
    saved = average.state_dict()
    saved["average"]["weight"] = np.array([[1e300]])
    with pytest.raises(ValueError, match=r"EMA: this is no state of an average: .*overflow"):
        average.load_state_dict({**saved, "updates": 5})
    assert average.updates == 0


@pytest.mark.parametrize("decay", [-0.1, 1.0, float("nan")])
def test_a_decay_that_is_no_share_is_an_error(decay: float) -> None:
    with pytest.raises(ValueError, match="decay must be at least 0 and less than 1"):
        optim.EMA(Net(), decay)

"""A module's state: saved, loaded, copied."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.nn.samples import Nested, Scale, names
from tinygrad_cnn import nn


def test_state_dict_is_a_copy_that_training_does_not_change() -> None:
    module = Scale()
    state = module.state_dict()
    with tg.no_grad():
        module.factor += 1
    assert state["factor"].tolist() == [1.0]
    state["factor"][:] = 7
    assert module.factor.item() == 2.0


def test_state_goes_from_one_module_to_another() -> None:
    source, target = Nested(), Nested()
    for i, p in enumerate(source.parameters()):
        p.data[:] = i + 10
    assert target.load_state_dict(source.state_dict()) == ([], [])
    assert [p.item() for p in target.parameters()] == [10, 11, 12, 13, 14, 15, 16]


def test_loading_keeps_the_dtype_and_the_tensors_themselves() -> None:
    module = nn.Linear(2, 1)
    weight = module.weight
    module.load_state_dict({"weight": np.array([[1, 2]]), "bias": tg.Tensor(np.array([3.0]))})
    assert module.weight is weight
    assert weight.dtype == np.float32
    assert weight.tolist() == [[1.0, 2.0]]
    assert module.bias.tolist() == [3.0]


def test_every_problem_of_a_state_dict_is_in_one_error_and_nothing_has_changed() -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    before = module.state_dict()
    wrong = {
        "0.weight": np.zeros((2, 3)),
        "0.bias": np.array(["a", "b", "c"]),
        "1.weight": np.zeros((1, 3)),
        "2.weight": np.zeros(1),
    }
    with pytest.raises(RuntimeError) as error:
        module.load_state_dict(wrong)
    assert str(error.value).splitlines() == [
        "Sequential can't load this state_dict:",
        "    missing: 1.bias",
        "    unexpected: 2.weight",
        "    wrong shape: 0.weight is (2, 3), the module has (3, 2)",
        "    not real numbers: 0.bias is <U1, the module has float32",
    ]
    for name, array in module.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_loading_without_strict_returns_what_did_not_match_but_shapes_must_fit() -> None:
    module = nn.Linear(2, 1)
    result = module.load_state_dict({"weight": np.ones((1, 2)), "extra": np.ones(1)}, strict=False)
    assert result.missing_keys == ["bias"]
    assert result.unexpected_keys == ["extra"]
    assert module.weight.tolist() == [[1.0, 1.0]]
    with pytest.raises(RuntimeError, match=r"wrong shape: weight is \(2, 1\)"):
        module.load_state_dict({"weight": np.ones((2, 1))}, strict=False)


def test_loading_something_else_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="state_dict must be a dict, got Linear"):
        nn.Linear(1, 1).load_state_dict(nn.Linear(1, 1))


def test_loading_a_state_made_of_the_modules_own_arrays_can_swap_them() -> None:
    module = nn.Module()
    module.a, module.b = nn.Parameter([1.0]), nn.Parameter([2.0])
    module.load_state_dict({"a": module.b, "b": module.a.data})
    assert (module.a.item(), module.b.item()) == (2.0, 1.0)


def test_loading_while_a_graph_is_alive_leaves_its_gradients_right() -> None:
    module = Scale(3.0)
    x = tg.Tensor([5.0], requires_grad=True)
    y = module(x)
    module.load_state_dict({"factor": [100.0], "calls": 0})
    assert module.factor.item() == 100.0
    y.backward()
    assert x.grad.item() == 3.0
    assert module.factor.grad.item() == 5.0


def test_a_module_that_loaded_can_be_trained_on() -> None:
    module = Scale()
    module.load_state_dict({"factor": np.array([2.0]), "calls": np.array(1)})
    module(tg.Tensor([3.0])).backward()
    assert module.factor.grad.item() == 3.0


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_shares_nothing_and_keeps_kinds_modes_and_sharing(duplicate) -> None:
    module = Nested().eval()
    module.twin = module.heads["age"]
    module.register_buffer("cache", [1.0], persistent=False)
    twin = duplicate(module)
    assert names(twin) == names(module)
    assert list(twin.state_dict()) == list(module.state_dict())
    assert not any(m.training for m in twin.modules())
    assert all(p.requires_grad for p in twin.parameters())
    twin.alpha.data[:] = 9
    assert module.alpha.item() == 4.0
    assert twin.twin is twin.heads["age"]


@pytest.mark.parametrize("value", [1e300, np.nan])
def test_values_that_a_dtype_can_not_hold_are_refused_and_change_nothing(value) -> None:
    module = nn.BatchNorm1d(1)
    name = "weight" if value == 1e300 else "num_batches_tracked"
    state = module.state_dict()
    with pytest.raises(RuntimeError, match=rf"wrong values: {name} holds some that (float32|int64) can't"):
        module.load_state_dict({**state, "bias": np.ones(1), name: np.full_like(state[name], value, np.float64)})
    assert module.bias.tolist() == [0.0]

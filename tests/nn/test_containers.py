"""Sequential, ModuleList and ModuleDict hold modules under the names that Torch gives them."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn


def test_sequential_runs_its_modules_one_after_another() -> None:
    first, second = nn.Linear(3, 2), nn.Linear(2, 1)
    x = tg.Tensor(np.ones((4, 3), np.float32))
    np.testing.assert_array_equal(nn.Sequential(first, nn.ReLU(), second)(x).data, second(first(x).relu()).data)
    assert nn.Sequential()(x) is x


def test_sequential_names_by_number_or_by_the_keys_of_an_ordered_dict() -> None:
    assert list(nn.Sequential(nn.ReLU(), nn.Linear(1, 1)).state_dict()) == ["1.weight", "1.bias"]
    named = nn.Sequential(OrderedDict(body=nn.Linear(1, 1), head=nn.ReLU()))
    assert list(named.state_dict()) == ["body.weight", "body.bias"]
    assert named.body is named[0]


def test_sequential_indexes_slices_counts_and_grows() -> None:
    layers = [nn.ReLU(), nn.Tanh(), nn.Sigmoid()]
    model = nn.Sequential(*layers)
    assert len(model) == 3
    assert list(model) == layers
    assert model[0] is layers[0]
    assert model[-1] is layers[2]
    assert isinstance(model[1:], nn.Sequential)
    assert list(model[1:]) == layers[1:]
    assert [name for name, _ in model[1:].named_children()] == ["1", "2"]
    model.append(nn.Identity()).extend([nn.Flatten()])
    assert [type(m).__name__ for m in model] == ["ReLU", "Tanh", "Sigmoid", "Identity", "Flatten"]
    model[0] = nn.ELU()
    assert isinstance(model[0], nn.ELU)
    assert len(model) == 5


@pytest.mark.parametrize("container", [nn.Sequential(nn.ReLU()), nn.ModuleList([nn.ReLU()])])
@pytest.mark.parametrize("index", [1, -2])
def test_an_index_out_of_range_says_how_many_there_are(container: nn.Module, index: int) -> None:
    with pytest.raises(IndexError, match=f"index {index} is out of range.*holds 1"):
        container[index]


def test_the_mode_is_not_taken_for_a_layer() -> None:
    model = nn.Sequential(nn.ReLU()).eval()
    model.register_forward_hook(lambda *_: None)
    assert len(model) == 1
    assert list(model.append(nn.Tanh()).state_dict()) == []
    assert [name for name, _ in model.named_children()] == ["0", "1"]


@pytest.mark.parametrize("make", [lambda m: nn.Sequential(m), lambda m: nn.ModuleList([m])])
def test_what_is_no_module_is_refused(make) -> None:
    for wrong in (tg.Tensor.relu, None, nn.ReLU):
        with pytest.raises(TypeError, match="'0' must be a Module"):
            make(wrong)


def test_sequential_asks_for_the_modules_of_a_list_one_by_one() -> None:
    with pytest.raises(TypeError, match=r"Sequential\(\*modules\)"):
        nn.Sequential([nn.Linear(2, 2), nn.ReLU()])


def test_module_list_is_a_list_of_modules() -> None:
    layers = nn.ModuleList(nn.Linear(i + 1, 1) for i in range(3))
    assert [layer.in_features for layer in layers] == [1, 2, 3]
    layers.insert(0, nn.Linear(9, 1))
    layers.append(nn.Linear(8, 1))
    assert [layer.in_features for layer in layers] == [9, 1, 2, 3, 8]
    assert list(layers.state_dict())[:2] == ["0.weight", "0.bias"]
    assert layers.state_dict()["0.weight"].shape == (1, 9)
    assert [layer.in_features for layer in layers[::2]] == [9, 2, 8]
    assert isinstance(layers[1:], nn.ModuleList)
    with pytest.raises(NotImplementedError, match="ModuleList has no forward"):
        layers(1)


def test_module_dict_is_a_dict_of_modules() -> None:
    heads = nn.ModuleDict({"age": nn.Linear(2, 1), "size": nn.Linear(2, 2)})
    assert list(heads) == list(heads.keys()) == ["age", "size"]
    assert "age" in heads
    assert "training" not in heads
    assert len(heads.eval()) == 2
    assert heads["age"] is heads.age
    heads["extra"] = nn.ReLU()
    del heads["size"]
    assert [(name, type(m).__name__) for name, m in heads.items()] == [("age", "Linear"), ("extra", "ReLU")]
    assert list(heads.state_dict()) == ["age.weight", "age.bias"]
    with pytest.raises(KeyError):
        del heads["training"]
    with pytest.raises(KeyError, match="already an attribute"):
        heads["keys"] = nn.ReLU()
    assert list(nn.ModuleDict([("a", nn.ReLU())]).keys()) == ["a"]


def test_reprs_show_names_and_modules() -> None:
    assert repr(nn.Sequential()) == "Sequential()"
    assert repr(nn.ModuleDict({"a": nn.ReLU()})) == "ModuleDict(\n  (a): ReLU()\n)"
    assert repr(nn.ModuleList([nn.ReLU(), nn.Tanh()])) == "ModuleList(\n  (0): ReLU()\n  (1): Tanh()\n)"

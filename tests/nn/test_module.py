"""What a Module finds in itself, saves, loads and shows."""

from __future__ import annotations

import gc
import threading
import weakref
from collections import OrderedDict

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.nn.samples import NESTED_NAMES, Nested, Scale, names
from tinygrad_cnn import nn

# ---- finding --------------------------------------------------------------------------------------------


def test_parameters_are_found_in_lists_tuples_and_dicts_in_definition_order() -> None:
    assert names(Nested()) == NESTED_NAMES
    assert [p.item() for p in Nested().parameters()] == [1, 1, 1, 2, 1, 3, 4]


def test_the_order_is_the_same_every_time() -> None:
    assert all(names(Nested()) == NESTED_NAMES for _ in range(5))


def test_a_plain_tensor_is_no_parameter_even_if_it_requires_grad() -> None:
    assert "plain" not in names(Nested())


def test_buffers_are_found_like_parameters_but_are_not_among_them() -> None:
    module = Nested()
    assert [name for name, _ in module.named_buffers()] == [
        "last_named_first.calls", "layers.0.calls", "layers.1.0.calls", "heads.age.calls",
    ]  # fmt: skip
    assert len(list(module.buffers())) == 4
    assert not {id(b) for b in module.buffers()} & {id(p) for p in module.parameters()}


def test_modules_come_parent_first_and_children_are_those_held_without_a_module_between() -> None:
    module = Nested()
    assert [name for name, _ in module.named_modules()] == [
        "", "last_named_first", "layers.0", "layers.1.0", "heads.age",
    ]  # fmt: skip
    outer = nn.Sequential(module, nn.ReLU())
    assert [name for name, _ in outer.named_children()] == ["0", "1"]
    assert list(outer.children()) == [module, outer[1]]
    assert next(outer.modules()) is outer


def test_a_prefix_stands_before_every_name() -> None:
    assert [name for name, _ in Scale().named_parameters("a.b")] == ["a.b.factor"]
    assert [name for name, _ in Scale().named_modules(prefix="a")] == ["a"]


def test_without_recursion_only_a_modules_own_parameters_come() -> None:
    assert [name for name, _ in Nested().named_parameters(recurse=False)] == [
        "layers.1.1", "heads.other.0", "alpha",
    ]  # fmt: skip
    assert list(nn.Sequential(Scale()).parameters(recurse=False)) == []


def test_what_is_shared_counts_once_but_is_saved_under_every_name() -> None:
    shared = nn.Linear(2, 2)
    module = nn.Sequential(shared, nn.ReLU(), shared)
    module.alias = shared.weight
    assert names(module) == ["0.weight", "0.bias"]
    assert len(list(module.modules())) == 3
    assert list(module.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias", "alias"]
    assert [n for n, _ in module.named_parameters(remove_duplicate=False)] == list(module.state_dict())


def test_a_module_inside_itself_is_walked_once() -> None:
    parent, child = nn.Module(), Scale()
    parent.child, child.parent, child.siblings = child, parent, [child]
    assert names(parent) == ["child.factor"]
    assert list(parent.state_dict()) == ["child.factor", "child.calls"]
    assert parent.eval().apply(lambda m: None) is parent
    assert repr(parent) == "Module(\n  (child): Scale(\n    (parent): (...)\n  )\n)"


def test_forty_layers_of_sharing_are_walked_in_no_time() -> None:
    module = nn.Module()
    module.weight = nn.Parameter([1.0])
    for _ in range(40):
        above = nn.Module()
        above.left = above.right = module
        module = above
    assert len(list(module.parameters())) == 1
    assert len(list(module.modules())) == 41


def test_a_set_of_layers_is_refused_because_it_has_no_order() -> None:
    module = nn.Module()
    module.layers = {Scale(), Scale()}
    with pytest.raises(TypeError, match=r"'layers' holds modules or tensors in a set.*use a list"):
        list(module.parameters())
    module.layers = {1, 2}
    assert list(module.parameters()) == []


def test_two_tensors_under_one_name_are_refused() -> None:
    module = nn.Module()
    module.heads = {1: Scale(), "1": Scale()}
    with pytest.raises(ValueError, match=r"two tensors under the name 'heads\.1\.factor'"):
        module.state_dict()


def test_attributes_may_be_added_while_walking() -> None:
    module = Nested()
    for i, child in enumerate(module.modules()):
        child.number = i
    assert [child.number for child in module.modules()] == [0, 1, 2, 3, 4]


def test_get_submodule_takes_dotted_names() -> None:
    module = Nested()
    assert module.get_submodule("layers.1.0") is module.layers[1][0]
    assert module.get_submodule("heads.age") is module.heads["age"]
    assert module.get_submodule("") is module
    with pytest.raises(AttributeError, match=r"Nested has no module named 'heads\.sex'"):
        module.get_submodule("heads.sex")


# ---- setting by name ------------------------------------------------------------------------------------


def test_registering_is_setting_an_attribute() -> None:
    module = nn.Module()
    module.register_parameter("weight", nn.Parameter([1.0]))
    module.register_parameter("bias", None)
    module.register_buffer("mean", tg.Tensor([2.0]))
    module.register_buffer("cache", np.zeros(3), persistent=False)
    module.register_buffer("missing", None)
    module.add_module("relu", nn.ReLU())
    assert names(module) == ["weight"]
    assert list(module.state_dict()) == ["weight", "mean"]
    assert [name for name, _ in module.named_buffers()] == ["mean", "cache"]
    assert module.bias is None
    assert module.missing is None
    assert isinstance(module.relu, nn.ReLU)


@pytest.mark.parametrize(("name", "problem"), [("a.b", "no dot"), ("", "non-empty"), ("forward", "already")])
def test_a_name_that_cannot_be_an_attribute_is_refused(name: str, problem: str) -> None:
    module = nn.Module()
    for register in (
        lambda: module.add_module(name, nn.ReLU()),
        lambda: module.register_buffer(name, [1.0]),
        lambda: module.register_parameter(name, None),
    ):
        with pytest.raises(KeyError, match=problem):
            register()


def test_registering_the_wrong_kind_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="'x' must be a Parameter, not Tensor"):
        nn.Module().register_parameter("x", tg.Tensor([1.0]))
    with pytest.raises(TypeError, match="'x' must be a Module, not function"):
        nn.Module().add_module("x", lambda x: x)
    with pytest.raises(TypeError, match="must be a string, not 3"):
        nn.Module().add_module(3, nn.ReLU())


# ---- changing -------------------------------------------------------------------------------------------


def test_train_and_eval_reach_every_module_and_return_the_module() -> None:
    module = Nested()
    assert module.training
    assert module.eval() is module
    assert not any(m.training for m in module.modules())
    assert all(m.training for m in module.train().modules())


def test_eval_does_not_stop_gradients() -> None:
    module = Scale().eval()
    module(tg.Tensor([2.0])).backward()
    assert module.factor.grad.item() == 2.0


def test_zero_grad_forgets_gradients_or_fills_them_with_zeros() -> None:
    module = Scale()
    module(tg.Tensor([2.0])).backward()
    module.zero_grad(set_to_none=False)
    assert module.factor.grad.tolist() == [0.0]
    module.zero_grad()
    assert module.factor.grad is None


def test_frozen_parameters_collect_no_gradient() -> None:
    module = nn.Sequential(Scale(2.0).requires_grad_(False), Scale(3.0))
    module(tg.Tensor([1.0])).backward()
    assert module[0].factor.grad is None
    assert module[1].factor.grad.item() == 2.0


def test_apply_calls_children_before_their_parent_and_each_once() -> None:
    shared = nn.ReLU()
    module = nn.Sequential(nn.Sequential(shared, nn.Tanh()), shared)
    seen: list[str] = []
    assert module.apply(lambda m: seen.append(type(m).__name__)) is module
    assert seen == ["ReLU", "Tanh", "Sequential", "Sequential"]


def test_double_and_float_change_floating_point_state_only() -> None:
    module = nn.BatchNorm1d(2).double()
    assert {str(a.dtype) for a in module.state_dict().values()} == {"float64", "int64"}
    assert module(tg.Tensor(np.ones((3, 2)))).dtype == np.float64
    assert module.float().weight.dtype == np.float32


# ---- calling --------------------------------------------------------------------------------------------


def test_a_module_without_forward_says_what_to_write() -> None:
    class Empty(nn.Module):
        pass

    with pytest.raises(NotImplementedError, match="Empty has no forward method"):
        Empty()(1)


def test_current_modules_tells_which_forward_is_running() -> None:
    seen = []

    class Spy(nn.Module):
        def forward(self, x: tg.Tensor) -> tg.Tensor:
            seen.append([type(m).__name__ for m in nn.current_modules()])
            return x

    class Failing(nn.Module):
        def forward(self, x: tg.Tensor) -> tg.Tensor:
            raise ArithmeticError

    nn.Sequential(Spy(), nn.Sequential(Spy()))(tg.Tensor([1.0]))
    thread = threading.Thread(target=Spy(), args=(tg.Tensor([1.0]),))
    with pytest.raises(ArithmeticError):
        nn.Sequential(Failing())(1)
    thread.start()
    thread.join()
    assert seen == [["Sequential", "Spy"], ["Sequential", "Sequential", "Spy"], ["Spy"]]
    assert nn.current_modules() == ()


def test_a_dropped_module_is_freed_by_reference_count() -> None:
    gc.collect()
    gc.disable()
    try:
        module = Nested()
        list(module.named_parameters())
        module.apply(lambda m: None)
        repr(module)
        alive = weakref.ref(module)
        del module
        assert alive() is None
    finally:
        gc.enable()


# ---- showing --------------------------------------------------------------------------------------------


def test_repr_is_nested_with_a_name_before_each_child() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            self.conv = nn.Conv2d(3, 8, 3, padding=1)
            self.blocks = [nn.Sequential(OrderedDict(act=nn.ReLU(), drop=nn.Dropout(0.1)))]
            self.heads = {"age": nn.Linear(8, 1)}

        def extra_repr(self) -> str:
            return "size=3"

    assert repr(Net()) == (
        "Net(\n"
        "  size=3\n"
        "  (conv): Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))\n"
        "  (blocks.0): Sequential(\n"
        "    (act): ReLU()\n"
        "    (drop): Dropout(p=0.1, inplace=False)\n"
        "  )\n"
        "  (heads.age): Linear(in_features=8, out_features=1, bias=True)\n"
        ")"
    )

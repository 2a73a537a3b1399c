"""Hooks see and replace what goes through a module, until they are taken off."""

from __future__ import annotations

import copy
import pickle

import pytest

import tinygrad_cnn as tg
from tests.nn.samples import Scale
from tinygrad_cnn import nn

DUPLICATES = [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))]


def doubled(module: nn.Module, inputs: tuple[tg.Tensor], output: tg.Tensor) -> tg.Tensor:
    return output * 2


def test_forward_hooks_see_and_may_replace_the_output_until_removed() -> None:
    module, seen = Scale(2.0), []
    watching = module.register_forward_hook(lambda m, args, out: seen.append((m, args, out.item())))
    doubling = module.register_forward_hook(lambda m, args, out: out * 2)
    x = tg.Tensor([3.0])
    assert module(x).item() == 12.0
    assert seen == [(module, (x,), 6.0)]
    doubling.remove()
    doubling.remove()
    assert module(x).item() == 6.0
    watching.remove()
    with module.register_forward_hook(lambda m, args, out: out * 0):
        assert module(x).item() == 0.0
    assert module(x).item() == 6.0
    assert len(seen) == 2


def test_a_hook_belongs_to_one_module_only_and_may_remove_itself() -> None:
    first, second, seen = Scale(), Scale(), []
    handle = first.register_forward_hook(lambda m, args, out: (seen.append(m), handle.remove())[1])
    for module in (second, first, first):
        module(tg.Tensor([1.0]))
    assert seen == [first]


def test_forward_pre_hooks_see_and_may_replace_the_inputs_until_removed() -> None:
    module, seen = Scale(2.0), []
    x = tg.Tensor([3.0])
    with (
        module.register_forward_pre_hook(lambda m, inputs: seen.append((m, inputs))),
        module.register_forward_pre_hook(lambda m, inputs: inputs[0] + 1),
        module.register_forward_pre_hook(lambda m, inputs: (inputs[0] * 10,)),
        module.register_forward_hook(lambda m, inputs, output: seen.append(inputs[0].item())),
    ):
        assert module(x).item() == 80.0
    assert seen == [(module, (x,)), 40.0]
    assert module(x).item() == 6.0


def test_gradients_flow_through_what_hooks_put_in_place() -> None:
    module, x = Scale(2.0), tg.Tensor([3.0], requires_grad=True)
    with (
        module.register_forward_pre_hook(lambda m, inputs: inputs[0] * 5),
        module.register_forward_hook(lambda m, inputs, output: output * 7),
    ):
        module(x).backward()
    assert x.grad.item() == 2 * 5 * 7
    assert module.factor.grad.item() == 3 * 5 * 7


def test_hooks_run_in_the_order_in_which_they_were_registered() -> None:
    module = Scale()
    module.register_forward_hook(lambda m, inputs, output: output + 1)
    module.register_forward_hook(lambda m, inputs, output: output * 10)
    assert module(tg.Tensor([1.0])).item() == 20.0


def test_a_hook_that_fails_is_heard_and_leaves_nothing_running() -> None:
    def failing(*_: object) -> None:
        raise ArithmeticError("in the hook")

    for register in (Scale().register_forward_hook, Scale().register_forward_pre_hook):
        module = register.__self__
        with register(failing), pytest.raises(ArithmeticError, match="in the hook"):
            module(tg.Tensor([1.0]))
        assert nn.current_modules() == ()
        assert module(tg.Tensor([1.0])).item() == 1.0


@pytest.mark.parametrize("register", ["register_forward_hook", "register_forward_pre_hook"])
def test_a_hook_that_can_not_be_called_is_refused(register: str) -> None:
    with pytest.raises(TypeError, match="hook must be a function, got 3"):
        getattr(Scale(), register)(3)


def test_a_module_that_serves_as_a_hook_is_no_part_of_the_one_it_watches() -> None:
    class Watcher(Scale):
        def forward(self, *_: object) -> None: ...

    module = Scale()
    module.register_forward_hook(Watcher())
    module.register_forward_pre_hook(Watcher())
    assert list(module.state_dict()) == ["factor", "calls"]
    assert list(module.modules()) == [module]


@pytest.mark.parametrize("duplicate", DUPLICATES)
def test_a_copy_keeps_the_hooks_and_is_then_on_its_own(duplicate) -> None:
    module = nn.Sequential(Scale(3.0))
    handle = module[0].register_forward_hook(doubled)
    twin = duplicate(module)
    handle.remove()
    assert module(tg.Tensor([1.0])).item() == 3.0
    assert twin(tg.Tensor([1.0])).item() == 6.0
    assert duplicate(module)(tg.Tensor([1.0])).item() == 3.0


def test_hooks_mean_what_they_mean_in_torch() -> None:
    torch = pytest.importorskip("torch")

    def outcome(framework, layer) -> list[float]:
        seen: list[float] = []
        layer.register_forward_pre_hook(lambda m, inputs: (inputs[0] + 1,))
        layer.register_forward_pre_hook(lambda m, inputs: inputs[0] * 2)
        layer.register_forward_hook(lambda m, inputs, output: output - inputs[0])
        layer.register_forward_hook(lambda m, inputs, output: seen.append(output.item()))
        return [layer(framework.tensor([-3.0])).item(), *seen]

    assert outcome(tg, nn.ReLU()) == outcome(torch, torch.nn.ReLU()) == [4.0, 4.0]

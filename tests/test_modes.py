"""Recording switched off and on, for this thread alone; observers told of everything that runs."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import Tensor


def recorded() -> bool:
    return (Tensor(1.0, requires_grad=True) * 2).requires_grad


def test_recording_is_on_unless_switched_off() -> None:
    assert tg.is_grad_enabled()
    assert recorded()
    with tg.no_grad():
        assert not tg.is_grad_enabled()
        assert not recorded()
    assert recorded()


def test_blocks_nest_and_each_restores_what_was() -> None:
    with tg.no_grad():
        with tg.enable_grad():
            assert recorded()
            with tg.no_grad():
                assert not recorded()
            assert recorded()
        assert not recorded()
    assert recorded()


def test_one_block_object_may_be_entered_within_itself_and_again() -> None:
    block = tg.no_grad()
    for _ in range(2):
        with block, block:
            assert not recorded()
        assert recorded()


def test_an_exception_restores_recording() -> None:
    with pytest.raises(KeyError), tg.no_grad():
        raise KeyError
    assert recorded()


def test_both_decorate_functions_that_may_call_themselves() -> None:
    @tg.no_grad()
    def without(depth: int) -> list[bool]:
        """What it does."""
        return [recorded(), *(within(depth - 1) if depth else [])]

    @tg.enable_grad()
    def within(depth: int) -> list[bool]:
        return [recorded(), *(without(depth - 1) if depth else [])]

    assert without(5) == [False, True] * 3
    assert recorded()
    assert without.__name__ == "without"
    assert without.__doc__ == "What it does."


def test_what_is_computed_without_recording_is_a_constant() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    with tg.no_grad():
        y = x * 3
    assert y.is_leaf
    (x * y).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [3.0, 6.0]


def test_a_leaf_made_without_recording_can_still_require_grad() -> None:
    with tg.no_grad():
        x = Tensor([1.0], requires_grad=True)
    (x * 2).backward()
    assert x.grad is not None


def test_backward_works_without_recording() -> None:
    x = Tensor(3.0, requires_grad=True)
    y = x * x
    with tg.no_grad():
        y.backward()
    assert x.grad is not None
    assert x.grad.item() == 6.0
    assert not x.grad.requires_grad


def test_each_thread_has_its_own_switch() -> None:
    inside, outside = threading.Event(), threading.Event()
    seen: list[bool] = []

    def other() -> None:
        inside.wait(5)
        seen.append(recorded())
        with tg.no_grad():
            outside.set()
            seen.append(recorded())

    thread = threading.Thread(target=other)
    thread.start()
    with tg.no_grad():
        inside.set()
        outside.wait(5)
        seen.append(recorded())
    thread.join()
    assert recorded()
    assert seen == [True, False, False]


def test_a_thread_starts_with_recording_on_whatever_its_starter_does() -> None:
    seen: list[bool] = []
    with tg.no_grad():
        thread = threading.Thread(target=lambda: seen.append(recorded()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_an_observer_is_told_of_every_primitive_with_its_inputs_options_and_result() -> None:
    events: list[tg.Event] = []
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    with tg.observe(events.append):
        y = (x * 2.0).sum(1)
    assert [event.primitive.name for event in events] == ["mul", "sum_over"]
    mul, total = events
    assert mul.inputs[0] is x
    assert mul.inputs[1] == 2.0
    assert mul.options == {}
    assert total.options == {"dim": (1,), "keepdim": False}
    assert total.out is y
    assert all(event.seconds >= 0 and event.rule_of is None for event in events)
    _ = x * 3
    assert len(events) == 2


def test_an_observer_is_told_whose_rule_runs() -> None:
    events: list[tg.Event] = []
    x = Tensor(2.0, requires_grad=True)
    y = x.sin()
    with tg.observe(events.append):
        y.backward()
    assert {event.primitive.name for event in events} == {"cos", "mul"}
    assert all(event.rule_of is y._source for event in events)


def test_observers_nest_and_are_dismissed_even_by_an_exception() -> None:
    outer: list[tg.Event] = []
    inner: list[tg.Event] = []
    with tg.observe(outer.append):
        with pytest.raises(TypeError), tg.observe(inner.append):
            _ = Tensor(1.0) + 1 + None
        _ = Tensor(1.0) + 1
    assert (len(outer), len(inner)) == (2, 1)


def test_an_observer_sees_other_threads_too() -> None:
    events: list[tg.Event] = []
    with tg.observe(events.append):
        thread = threading.Thread(target=lambda: Tensor(1.0) + 1)
        thread.start()
        thread.join()
    assert [event.primitive.name for event in events] == ["add"]


def test_no_grad_decorates_with_and_without_parentheses():
    x = tg.ones(1, requires_grad=True)
    for decorator in (tg.no_grad, tg.no_grad()):
        assert not decorator(lambda: x * 2)().requires_grad
    with tg.no_grad():
        assert tg.enable_grad(lambda: x * 2)().requires_grad


def test_a_node_notes_which_modules_ran_each_call_anew_and_keeps_none_of_them_alive():
    inner = tg.nn.Linear(2, 2)
    outer = tg.nn.Sequential(inner, inner)
    first, second = outer(tg.ones(1, 2)), outer(tg.ones(1, 2))
    assert [module() for module in chain(first)] == [inner, outer]
    assert first._source.place[1] is not second._source.place[1]
    assert first._source.place[1] is first._source.edges[0].place[1]
    assert first._source.place is not first._source.edges[0].place
    assert chain(first * 2) == []
    del inner, outer, second
    assert [module() for module in chain(first)] == [None, None]


def test_a_node_notes_that_a_sweep_made_it():
    x = Tensor(2.0, requires_grad=True)
    (gradient,) = tg.grad(x**3, x, create_graph=True)
    (second,) = tg.grad(gradient, x, create_graph=True)
    assert chain(gradient) == chain(second) == [None]
    assert chain(gradient * 2) == []


def chain(result: Tensor) -> list:
    """The modules in whose forward a result was computed, innermost first; None for a sweep."""
    place, found = result._source.place, []
    while place is not None:
        found.append(place[0])
        place = place[1]
    return found

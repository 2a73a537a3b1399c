"""Arrays that a live graph needs cannot be written to; all others can."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from tinygrad_cnn import Tensor, guard


def leaf(*numbers: float) -> Tensor:
    return Tensor(np.array(numbers), requires_grad=True)


def test_a_numpy_write_to_an_array_that_a_rule_needs_raises_at_the_write() -> None:
    x = leaf(1.0, 2.0)
    y = x * x
    with pytest.raises(ValueError, match="read-only"):
        x.data[0] = 5.0
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 4.0]


def test_writing_is_allowed_again_after_backward() -> None:
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward()
    x.data[0] = 5.0
    assert x.tolist() == [5.0, 2.0]


def test_writing_is_allowed_again_when_the_graph_is_dropped() -> None:
    x = leaf(1.0, 2.0)
    y = x * x
    del y
    x.data[0] = 5.0
    assert x.tolist() == [5.0, 2.0]


def test_writing_stays_forbidden_while_the_graph_is_retained() -> None:
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    assert not x.data.flags.writeable
    y.backward()
    assert x.data.flags.writeable


def test_every_graph_that_needs_the_array_must_be_gone() -> None:
    x = leaf(1.0, 2.0)
    first, second = x * x, x.exp() * x
    first.sum().backward()
    assert not x.data.flags.writeable
    del second
    assert x.data.flags.writeable


def test_an_array_that_no_rule_needs_can_be_written_to() -> None:
    x, shift = leaf(1.0, 2.0), Tensor(np.array([1.0, 2.0]))
    y = (x + shift) * 2
    shift.data[0] = 9.0
    x.data[0] = 9.0
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 2.0]


def test_a_result_that_its_own_rule_needs_is_held_too() -> None:
    x = leaf(1.0, 2.0)
    y = x.exp()
    with pytest.raises(ValueError, match="read-only"):
        y.data[0] = 0.0
    with pytest.raises(ValueError, match="read-only"):
        y.detach().numpy()[0] = 0.0
    y.sum().backward()
    y.data[0] = 0.0


def test_a_result_that_nobody_needs_can_be_written_to() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    y.detach().numpy()[0] = 0.0
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 2.0]


HOLDERS: dict[str, Callable[[Tensor, np.ndarray], Tensor]] = {
    "a factor": lambda w, a: w * a,
    "a factor on the left": lambda w, a: a * w,
    "a matrix": lambda w, a: w @ a.reshape(2, 1),
    "a tensor that shares it": lambda w, a: w * tg.from_numpy(a),
    "a view of it": lambda w, a: w * tg.from_numpy(a[::-1]),
    "a tensor's view of it": lambda w, a: w * tg.from_numpy(a).reshape(1, 2),
    "a view of a view": lambda w, a: w * tg.from_numpy(a.reshape(2, 1)[:, 0]),
    "a detached tensor": lambda w, a: w * tg.from_numpy(a).detach(),
    "a broadcast of it": lambda w, a: w * tg.from_numpy(a).expand(3, 2),
    "a condition": lambda w, a: tg.where(a, w, 0.0),
    "a joined part": lambda w, a: tg.einsum("i,i", w, tg.from_numpy(a)),
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_users_constant_array_is_held_however_it_came_into_the_graph(holder: str) -> None:
    array = np.array([1.0, 2.0])
    w = leaf(3.0, 4.0)
    y = HOLDERS[holder](w, array)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 5.0
    y.sum().backward()
    array[0] = 5.0


INDEXERS: dict[str, Callable[[Tensor, np.ndarray], Tensor]] = {
    "an index": lambda x, i: x[i],
    "an index in a tuple": lambda x, i: x[i,],
    "an index of a tensor": lambda x, i: x[tg.from_numpy(i)],
    "gather": lambda x, i: x.gather(0, i),
    "the place of a write": lambda x, i: tg.ops.setitem(x, i, 0.0),
    "classes": lambda x, i: F.nll_loss(x.reshape(1, 2).expand(2, 2), tg.from_numpy(i)),
}


@pytest.mark.parametrize("indexer", INDEXERS)
def test_an_index_array_cannot_change_the_gradient_after_the_fact(indexer: str) -> None:
    def gradient(change: bool) -> Any:
        index, x = np.array([0, 0]), leaf(1.0, 2.0)
        y = INDEXERS[indexer](x, index)
        if change:
            with contextlib.suppress(ValueError):  # it is held
                index[0] = 1
        y.sum().backward()
        assert x.grad is not None
        return x.grad.tolist()

    assert gradient(change=True) == gradient(change=False)


def test_tensors_that_share_memory_are_all_held() -> None:
    base = tg.zeros(4, dtype=np.float64)
    part = base[:2]
    y = leaf(1.0, 2.0) * part
    with tg.no_grad(), pytest.raises(RuntimeError, match="a live graph still needs this tensor's values"):
        base += 1
    with tg.no_grad(), pytest.raises(RuntimeError, match="a live graph still needs this tensor's values"):
        part[0] = 1.0
    del y
    with tg.no_grad():
        base += 1
        part[0] = 5.0
    assert base.tolist() == [5.0, 1.0, 1.0, 1.0]


def test_a_view_is_held_as_well_as_what_it_views() -> None:
    base = np.zeros(4)
    view = base[:2]
    y = leaf(1.0, 2.0) * view
    for array in (base, view):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0
    del y
    view[0] = base[1] = 1.0
    assert base.tolist() == [1.0, 1.0, 0.0, 0.0]


def test_views_are_writable_again_whichever_graph_goes_first() -> None:
    for first in (0, 1):
        base = Tensor(np.zeros(4))
        view = base.reshape(2, 2)
        graphs: list[Any] = [tg.ones(2, 2, requires_grad=True) * view, tg.ones(4, requires_grad=True) * base]
        graphs[first] = None
        graphs.clear()
        assert view.data.flags.writeable
        assert base.data.flags.writeable


def test_what_was_read_only_before_stays_read_only() -> None:
    array = np.array([1.0, 2.0])
    array.flags.writeable = False
    y = leaf(1.0, 2.0) * array
    del y
    assert not array.flags.writeable


def test_new_data_may_be_bound_while_a_graph_needs_the_old() -> None:
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    x.data = np.array([10.0, 20.0])
    y.backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 4.0]
    assert x.tolist() == [10.0, 20.0]


def test_a_parameter_can_be_updated_between_backward_passes_but_not_before() -> None:
    w = leaf(1.0, 2.0)
    for _ in range(3):
        loss = (w * w).sum()
        with tg.no_grad(), pytest.raises(RuntimeError, match=r"-=: a live graph still needs.*call backward\(\) first"):
            w -= 0.1
        w.grad = None
        loss.backward()
        with tg.no_grad():
            assert w.grad is not None
            w -= w.grad * 0.25
    assert w.tolist() == [0.125, 0.25]


def test_no_grad_holds_nothing() -> None:
    x = leaf(1.0, 2.0)
    with tg.no_grad():
        y = x * x
        x.data[0] = 3.0
    assert y.tolist() == [1.0, 4.0]


def test_guards_of_many_threads_on_one_array_are_counted_right() -> None:
    shared = np.ones(3)
    w = leaf(1.0, 2.0, 3.0)

    def work() -> None:
        for _ in range(200):
            y = w * shared
            assert not shared.flags.writeable
            del y

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shared.flags.writeable
    assert id(shared) not in guard._held


def test_nothing_is_held_when_no_graph_is_left() -> None:
    before = len(guard._held)
    x = Tensor(np.ones((1, 1, 4, 4)), requires_grad=True)
    w = Tensor(np.ones((1, 1, 2, 2)), requires_grad=True)
    for _ in range(3):
        y = F.max_pool2d(F.relu(F.conv2d(x, w)), 2).exp().softmax(-1)
        assert len(guard._held) > before
        y.sum().backward()
        del y
    assert len(guard._held) == before


def test_a_view_made_by_strides_holds_the_memory_behind_it():
    array = np.ones(6, np.float32)
    view = np.lib.stride_tricks.as_strided(array, (3, 2), (8, 4))
    w = tg.ones(3, 2, requires_grad=True)
    y = (tg.from_numpy(view) * w).sum()
    with pytest.raises(RuntimeError, match="a live graph still needs"):
        tg.from_numpy(array).fill_(7.0)
    y.backward()
    tg.from_numpy(array).fill_(7.0)

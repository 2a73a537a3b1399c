from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.optim.walk import each_optimizer, parameter, take_steps
from tinygrad_cnn import optim
from tinygrad_cnn.kernels import piecewise


class TestParameters:
    def test_may_come_from_a_generator(self):
        optimizer = optim.SGD(parameter(seed=i) for i in range(3))
        assert len(optimizer.param_groups[0]["params"]) == 3

    def test_may_come_in_groups_whose_options_stand_before_the_defaults(self):
        x, y = parameter(), parameter()
        optimizer = optim.SGD([{"params": x, "lr": 1.0}, {"params": [y]}], lr=2.0, momentum=0.5)
        assert [(g["params"], g["lr"], g["momentum"]) for g in optimizer.param_groups] == [
            ([x], 1.0, 0.5),
            ([y], 2.0, 0.5),
        ]

    def test_a_group_can_be_added_later_and_the_callers_dict_is_left_alone(self):
        optimizer = optim.SGD([parameter()], lr=2.0)
        group = {"params": parameter(), "lr": 1.0}
        optimizer.add_param_group(group)
        assert optimizer.param_groups[1]["lr"] == 1.0
        assert isinstance(group["params"], tg.Tensor)

    @pytest.mark.parametrize("params", [tg.Tensor([1.0]), {tg.Tensor([1.0])}, 3])
    def test_that_are_no_ordered_iterable_are_refused(self, params: Any):
        with pytest.raises(TypeError, match=r"SGD: params must be an ordered iterable .* but is a"):
            optim.SGD(params)

    def test_in_a_set_in_a_group_are_refused(self):
        with pytest.raises(TypeError, match="another order in each run"):
            optim.SGD([{"params": {parameter()}}])

    def test_that_are_not_tensors_are_refused(self):
        with pytest.raises(TypeError, match=r"Adam: params\[1\] must be a Tensor, not a ndarray"):
            optim.Adam([parameter(), np.ones(3)])

    def test_that_were_computed_are_refused(self):
        with pytest.raises(ValueError, match=r"params\[0\] of shape \(3, 4\) was computed from other tensors"):
            optim.SGD([parameter() * 2])

    def test_must_be_some(self):
        with pytest.raises(ValueError, match="got an empty parameter list"):
            optim.SGD([])

    def test_given_twice_are_refused(self):
        x = parameter()
        with pytest.raises(ValueError, match=r"params\[1\] of shape \(3, 4\) is given more than once"):
            optim.SGD([x, x])
        with pytest.raises(ValueError, match=r"params\[0\] of shape \(3, 4\) is given more than once"):
            optim.SGD([{"params": [x]}, {"params": [x]}])


class TestOptions:
    @pytest.mark.parametrize("name", ["lr", "weight_decay", "momentum"])
    @pytest.mark.parametrize("value", [-0.1, float("nan")])
    def test_that_are_negative_or_nan_are_refused_by_name(self, name: str, value: float):
        with pytest.raises(ValueError, match=f"SGD: {name} must be 0 or more, but is {value}"):
            optim.SGD([parameter()], **{name: value})

    def test_of_a_group_are_checked_too(self):
        with pytest.raises(ValueError, match="Adam: eps must be 0 or more"):
            optim.Adam([{"params": parameter(), "eps": -1.0}])

    def test_that_nobody_knows_are_refused(self):
        with pytest.raises(TypeError, match="foreach"):
            optim.Adam([parameter()], foreach=True)

    def test_changed_by_hand_hold_from_the_next_step_on(self):
        x = tg.Tensor([1.0], requires_grad=True)
        x.grad = tg.Tensor([1.0])
        optimizer = optim.SGD([x], lr=0.0)
        optimizer.param_groups[0]["lr"] = 1.0
        optimizer.step()
        assert x.item() == 0.0

    @each_optimizer
    def test_that_are_numpy_numbers_give_the_bits_of_pythons(self, make: Callable):
        x, y = parameter(), parameter()
        first, second = make([x]), make([y])
        group = second.param_groups[0]
        for name, value in group.items():
            if isinstance(value, float):
                group[name] = np.float64(value)
        take_steps(first, 3)
        take_steps(second, 3)
        assert x.data.tobytes() == y.data.tobytes()

    @pytest.mark.parametrize(
        ("name", "option", "entry"),
        [
            ("SGD", "momentum", "momentum_buffer"),
            ("RMSprop", "momentum", "momentum_buffer"),
            ("RMSprop", "centered", "grad_avg"),
            ("Adam", "amsgrad", "max_exp_avg_sq"),
        ],
    )
    def test_switched_off_later_leave_their_state_alone(self, name: str, option: str, entry: str):
        x = parameter()
        optimizer = getattr(optim, name)([x], **{option: 0.5 if option == "momentum" else True})
        take_steps(optimizer, 2)
        before = optimizer.state[x][entry].copy()
        optimizer.param_groups[0][option] = 0
        take_steps(optimizer, 1)
        assert (optimizer.state[x][entry] == before).all()

    def test_are_listed_by_repr(self):
        assert repr(optim.SGD([parameter()], lr=0.5)).startswith(
            "SGD (\nParameter Group 0\n    dampening: 0.0\n    lr: 0.5"
        )


class TestStep:
    def test_passes_over_parameters_without_a_gradient(self):
        x, y = parameter(), parameter()
        before = y.data.copy()
        optimizer = optim.AdamW([x, y], weight_decay=0.5)
        x.grad = tg.Tensor(np.ones((3, 4), np.float32))
        optimizer.step()
        assert (y.data == before).all()
        assert list(optimizer.state_dict()["state"]) == [0]

    def test_refuses_a_gradient_of_another_shape(self):
        x, y = parameter(), parameter()
        optimizer = optim.SGD([x, y])
        y.grad = tg.Tensor([1.0])
        with pytest.raises(
            ValueError, match=r"param_groups\[0\]\['params'\]\[1\] has shape \(3, 4\), .* has shape \(1,\)"
        ):
            optimizer.step()

    def test_that_refuses_a_gradient_changes_no_parameter(self):
        x, y = parameter(), parameter()
        before = x.data.copy()
        x.grad, y.grad = parameter(), tg.Tensor([1.0])
        with pytest.raises(ValueError, match="has shape"):
            optim.SGD([x, y]).step()
        assert (x.data == before).all()

    @each_optimizer
    def test_leaves_the_gradient_alone(self, make: Callable):
        x = parameter()
        x.grad = held = parameter(seed=1)
        before = held.data.copy()
        make([x]).step()
        assert x.grad is held
        assert (held.data == before).all()

    @each_optimizer
    def test_takes_the_parameter_itself_for_a_gradient(self, make: Callable):
        x, y = parameter(), parameter()
        x.grad, y.grad = tg.from_numpy(x.data), tg.Tensor(y.data)
        make([x]).step()
        make([y]).step()
        assert x.data.tobytes() == y.data.tobytes()

    def test_returns_the_closures_loss_and_turns_gradients_on_for_it(self):
        x = tg.Tensor([3.0], requires_grad=True)
        optimizer = optim.SGD([x], lr=0.5)

        def closure() -> tg.Tensor:
            optimizer.zero_grad()
            loss = (x * x).sum()
            loss.backward()
            return loss

        with tg.no_grad():
            assert optimizer.step(closure).item() == 9.0
        assert x.item() == 0.0
        assert optimizer.step() is None

    @each_optimizer
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_writes_into_the_parameters_array_and_keeps_its_dtype(self, make: Callable, dtype: type):
        x = parameter(dtype=dtype)
        array, before = x.data, x.data.copy()
        optimizer = make([x])
        take_steps(optimizer, 2)
        assert x.data is array
        assert x.data.dtype == dtype
        assert (x.data != before).all()
        assert {a.dtype for a in optimizer.state[x].values() if isinstance(a, np.ndarray)} == {np.dtype(dtype)}

    @each_optimizer
    def test_leaves_the_gradient_as_it_was(self, make: Callable):
        x = parameter()
        x.grad = parameter(seed=1)
        before = x.grad.data.copy()
        optimizer = make([x])
        optimizer.step()
        optimizer.step()
        assert (x.grad.data == before).all()

    @each_optimizer
    def test_takes_a_gradient_of_another_dtype_in_the_parameters_own(self, make: Callable):
        results = []
        for dtype in (np.float32, np.float64):
            x = parameter()
            x.grad = tg.Tensor(np.random.default_rng(1).standard_normal((3, 4)).astype(np.float32).astype(dtype))
            optimizer = make([x])
            optimizer.step()
            optimizer.step()
            results.append(x.data.tobytes())
        assert results[0] == results[1]

    @each_optimizer
    def test_works_on_parameters_of_any_memory_layout(self, make: Callable):
        layouts: dict[str, Callable[[np.ndarray], np.ndarray]] = {
            "plain": np.copy,
            "transposed": lambda a: np.copy(a.T).T,
            "strided": lambda a: np.repeat(a, 2, axis=1)[:, ::2],
            "backwards": lambda a: np.copy(a[::-1])[::-1],
        }
        results = []
        for layout in layouts.values():
            x = parameter((5, 6))
            x.data = array = layout(x.data)
            optimizer = make([x])
            take_steps(optimizer, 3)
            assert x.data is array
            results.append(x.data.tobytes())
        assert len(set(results)) == 1

    @each_optimizer
    @pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3)])
    def test_works_on_single_numbers_and_on_nothing(self, make: Callable, shape: tuple[int, ...]):
        x = parameter(shape)
        before = x.data.copy()
        take_steps(make([x]), 2)
        assert x.shape == shape
        assert (x.data != before).all()

    @each_optimizer
    def test_gives_the_same_bits_whatever_the_pieces_and_the_threads(
        self, make: Callable, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(piecewise, "ELEMENTS_WORTH_SHARING", 1)
        results = set()
        for size, threads in [(1000, 1), (7, 1), (7, 3), (999, 2)]:
            monkeypatch.setattr(piecewise, "ELEMENTS_PER_PIECE", size)
            tg.set_num_threads(threads)
            x = parameter((1000,))
            take_steps(make([x]), 3)
            results.add(x.data.tobytes())
        assert len(results) == 1

    @each_optimizer
    def test_takes_no_memory_of_the_parameters_size(self, make: Callable):
        x = parameter((2_000_000,))
        x.grad = tg.Tensor(np.ones(2_000_000, np.float32))
        optimizer = make([x])
        optimizer.step()
        tracemalloc.start()
        optimizer.step()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < x.data.nbytes / 2


class TestLiveGraph:
    def test_keeps_the_values_that_its_gradient_needs(self):
        x = tg.Tensor([3.0], requires_grad=True)
        optimizer = optim.SGD([x], lr=1.0)
        loss = (x * x).sum()
        x.grad = tg.Tensor([1.0])
        optimizer.step()  # before backward
        assert x.item() == 2.0
        x.grad = None
        loss.backward()
        assert x.grad.item() == 6.0

    def test_that_has_been_used_does_not_keep_the_step_from_writing_in_place(self):
        x = parameter()
        optimizer, array = optim.SGD([x]), x.data
        for _ in range(2):
            loss = (x * x).sum()
            loss.backward()
            optimizer.step()  # while `loss` is still there
            assert x.data is array

    def test_and_steps_without_one_give_the_same_bits(self):
        results = []
        for hold in (False, True):
            x = parameter()
            optimizer = optim.Adam([x])
            graphs = []
            for _ in range(5):
                loss = (x * x * x).sum()
                optimizer.zero_grad()
                loss.backward(retain_graph=True)
                if hold:
                    graphs.append(loss)
                del loss
                optimizer.step()
            results.append(x.data.tobytes())
        assert results[0] == results[1]


class TestZeroGrad:
    def test_forgets_the_gradients(self):
        x = parameter()
        x.grad = parameter()
        optim.SGD([x]).zero_grad()
        assert x.grad is None

    def test_or_makes_them_zero_without_touching_arrays_that_others_hold(self):
        x, y = parameter(), parameter()
        x.grad = held = parameter(seed=1)
        before = held.data.copy()
        optim.SGD([x, y]).zero_grad(set_to_none=False)
        assert (x.grad.data == 0).all()
        assert x.grad.dtype == np.float32
        assert y.grad is None
        assert (held.data == before).all()


@pytest.mark.parametrize("name", ["SGD", "RMSprop", "Adagrad", "Adam", "AdamW"])
def test_overflow_raises_no_warning_in_any_thread(name: str):
    p = tg.Tensor(np.full(3 * piecewise.ELEMENTS_PER_PIECE, 3e38, np.float32), requires_grad=True)
    p.grad = tg.Tensor(np.full(3 * piecewise.ELEMENTS_PER_PIECE, 3e38, np.float32))
    getattr(optim, name)([p], lr=10.0).step()  # every warning is an error here
    assert p.grad.data[0] == np.float32(3e38)


def test_a_step_through_one_view_leaves_what_a_graph_needs_of_another():
    memory = np.ones(10, np.float32)
    p = tg.from_numpy(memory[:5]).requires_grad_()
    v = tg.ones(10, requires_grad=True)
    y = (v * tg.from_numpy(memory)).sum()
    p.grad = tg.ones(5)
    optim.SGD([p], lr=10.0).step()
    y.backward()
    assert v.grad.tolist() == [1.0] * 10
    assert p.tolist() == [-9.0] * 5


OVERLAPPING = {
    "the same array twice": (lambda base: base[:], lambda base: base[:]),
    "two halves that overlap": (lambda base: base[: LONG // 2 + 7], lambda base: base[LONG // 2 - 9 :]),
    "every second element, and all": (lambda base: base[::2], lambda base: base[:]),
}
LONG = 1 << 19


@pytest.mark.parametrize("views", OVERLAPPING.values(), ids=OVERLAPPING)
@each_optimizer
def test_parameters_that_share_memory_are_updated_one_after_the_other_on_any_number_of_threads(make, views) -> None:
    def after_two_steps(threads: int, at_once: bool) -> np.ndarray:
        tg.set_num_threads(threads)
        base = np.random.default_rng(0).standard_normal(LONG).astype(np.float32)
        params = [tg.from_numpy(view(base)).requires_grad_() for view in views]
        optimizers = [make(params)] if at_once else [make([p]) for p in params]
        for step in range(2):
            for i, p in enumerate(params):
                p.grad = tg.Tensor(np.random.default_rng(step + 7 * i).standard_normal(p.shape).astype(np.float32))
            for optimizer in optimizers:
                optimizer.step()
        return base

    in_order = after_two_steps(1, at_once=False)
    for threads in (1, 2, 4):
        np.testing.assert_array_equal(after_two_steps(threads, at_once=True), in_order)


def test_gradients_that_share_memory_are_clipped_one_after_the_other() -> None:
    base = np.full(LONG, 4.0, np.float32)
    params = [tg.zeros(LONG, requires_grad=True) for _ in range(2)]
    for p in params:
        p.grad = tg.from_numpy(base)
    tg.set_num_threads(2)
    norm = optim.clip_grad_norm_(params, 1.0).item()
    np.testing.assert_allclose(base, 4 / norm**2, rtol=1e-5)

"""What an optimiser saves, loads, and exchanges with Torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.optim.walk import each_optimizer, parameter, take_steps
from tinygrad_cnn import optim


class TestStateDict:
    def test_has_torchs_layout(self):
        x, y = parameter((2,)), parameter((3,))
        optimizer = optim.Adam([{"params": [y]}, {"params": [x], "lr": 0.5}])
        x.grad = tg.Tensor(np.ones(2, np.float32))
        optimizer.step()
        saved = optimizer.state_dict()
        assert [group["params"] for group in saved["param_groups"]] == [[0], [1]]
        assert saved["param_groups"][1]["lr"] == 0.5
        assert list(saved["state"]) == [1]
        assert saved["state"][1]["step"] == 1
        np.testing.assert_allclose(saved["state"][1]["exp_avg"], [0.1, 0.1], rtol=1e-6)

    @each_optimizer
    def test_is_a_snapshot_from_which_training_goes_on_with_the_same_bits(self, make: Callable):
        x, y = parameter(), parameter((7,), np.float64)
        optimizer = make([x, y])
        take_steps(optimizer, 3)
        saved, values = optimizer.state_dict(), [x.data.copy(), y.data.copy()]
        take_steps(optimizer, 3, first=3)

        again = [tg.Tensor(value, requires_grad=True) for value in values]
        resumed = type(optimizer)(again, lr=99.0)
        resumed.load_state_dict(saved)
        take_steps(resumed, 3, first=3)
        assert again[0].data.tobytes() == x.data.tobytes()
        assert again[1].data.tobytes() == y.data.tobytes()

    def test_loaded_is_not_shared_with_its_source(self):
        x = parameter()
        optimizer = optim.Adam([x])
        take_steps(optimizer, 1)
        saved = optimizer.state_dict()
        before = saved["state"][0]["exp_avg"].copy()
        optimizer.load_state_dict(saved)
        take_steps(optimizer, 1)
        assert (saved["state"][0]["exp_avg"] == before).all()
        assert saved["state"][0]["step"] == 1

    @pytest.mark.parametrize("other", [[(3, 4)], [(3, 4), (7,), (1,)]])
    def test_of_other_parameters_is_refused(self, other: list[tuple[int, ...]]):
        optimizer = optim.Adam([parameter(), parameter((7,))])
        saved = optim.Adam([parameter(shape) for shape in other]).state_dict()
        with pytest.raises(ValueError, match=r"the saved parameter groups have \[\d\] parameters, these have \[2\]"):
            optimizer.load_state_dict(saved)

    def test_of_other_shapes_is_refused_and_changes_nothing(self):
        optimizer, other = (
            optim.Adam([parameter(), parameter((7,))]),
            optim.Adam([parameter(), parameter((8,))], lr=9),
        )
        take_steps(optimizer, 1)
        take_steps(other, 2)
        with pytest.raises(
            ValueError,
            match=r"the saved exp_avg of parameter 1 has shape \(8,\), but the parameter has \(7,\)",
        ):
            optimizer.load_state_dict(other.state_dict())
        assert optimizer.state_dict()["state"][0]["step"] == 1
        assert optimizer.param_groups[0]["lr"] == 1e-3

    def test_of_a_parameter_in_no_group_is_refused(self):
        optimizer = optim.Adam([parameter()])
        take_steps(optimizer, 1)
        saved = optimizer.state_dict()
        saved["state"] = {"0": saved["state"][0]}  # what a file in JSON makes of it
        with pytest.raises(ValueError, match=r"the saved state is of a parameter '0', its groups have \[0\]"):
            optimizer.load_state_dict(saved)

    @pytest.mark.parametrize(
        "change",
        [
            {"state": None},
            {"state": {0: [1]}},
            {"state": {0: {"step": -1}}},
            {"state": {0: {"step": float("inf")}}},
            {"state": {0: {"exp_avg": np.full(5, 1e300)}}},
            {"state": {0: {"exp_avg": np.array(["a"] * 5)}}},
            {"param_groups": 3},
            {"param_groups": [{"params": [0], "lr": "fast"}]},
            {"param_groups": [{"params": [0], "betas": None}]},
            {"param_groups": [{"params": [[0]]}]},
        ],
    )
    def test_of_something_else_is_refused_and_changes_nothing(self, change):
        optimizer = optim.Adam([parameter()])
        take_steps(optimizer, 1)
        saved = optimizer.state_dict()
        with pytest.raises(ValueError, match=r"Adam: |zip"):
            optimizer.load_state_dict({**saved, **change})
        assert repr(optimizer.state_dict()) == repr(saved)

    @pytest.mark.parametrize(
        ("kind", "other", "lacking"),
        [
            (optim.SGD, optim.Adam, "has no momentum, dampening, nesterov, but lr, betas"),
            (optim.Adam, optim.SGD, "has no betas, eps, amsgrad, but lr, momentum"),
            (optim.RMSprop, optim.Adagrad, "has no momentum, alpha, centered, but"),
            (optim.Adagrad, optim.RMSprop, "has no lr_decay, initial_accumulator_value, but"),
        ],
    )
    def test_of_another_class_is_refused_and_changes_nothing(self, kind, other, lacking):
        optimizer, source = kind([parameter()]), other([parameter()])
        take_steps(source, 1)
        before = repr(optimizer.state_dict())
        with pytest.raises(ValueError, match=f"{kind.__name__}: this is the state of another optimiser: .*{lacking}"):
            optimizer.load_state_dict(source.state_dict())
        assert repr(optimizer.state_dict()) == before

    @each_optimizer
    def test_from_before_there_was_maximize_loads(self, make: Callable):
        optimizer = make([parameter()])
        saved = optimizer.state_dict()
        del saved["param_groups"][0]["maximize"]
        optimizer.load_state_dict(saved)
        assert "maximize" in optimizer.param_groups[0]

    def test_torch_tells_adam_from_adamw(self):
        torch = pytest.importorskip("torch")
        theirs = torch.optim.AdamW([torch.zeros(3, 4, requires_grad=True)]).state_dict()
        if "decoupled_weight_decay" not in theirs["param_groups"][0]:
            pytest.skip("not in Torch's older versions")
        optim.AdamW([parameter()]).load_state_dict(theirs)
        with pytest.raises(ValueError, match="decoupled_weight_decay=True, which tells Adam from AdamW"):
            optim.Adam([parameter()]).load_state_dict(theirs)

    def test_with_options_that_make_no_sense_is_refused(self):
        optimizer = optim.Adam([parameter()])
        saved = optimizer.state_dict()
        saved["param_groups"][0]["betas"] = (0.9, 1.0)
        with pytest.raises(ValueError, match="betas must be"):
            optimizer.load_state_dict(saved)
        assert optimizer.param_groups[0]["betas"] == (0.9, 0.999)

    @each_optimizer
    def test_goes_to_torch_and_back_in_the_middle_of_training(self, make: Callable):
        torch = pytest.importorskip("torch")
        x = parameter(dtype=np.float64)
        optimizer = make([x])
        options = {k: v for k, v in optimizer.param_groups[0].items() if k != "params"}
        take_steps(optimizer, 2)

        y = torch.tensor(x.data, requires_grad=True)
        reference = getattr(torch.optim, type(optimizer).__name__)([y], **options)
        saved = optimizer.state_dict()
        tensors = {name: torch.tensor(value) for name, value in saved["state"][0].items()}
        reference.load_state_dict({**saved, "state": {0: tensors}})

        def steps_of_torch() -> Iterator[None]:
            for step in (2, 3):
                y.grad = y.detach() + torch.tensor(np.random.default_rng(step).standard_normal((3, 4)))
                reference.step()
                yield

        for step, _ in enumerate(steps_of_torch(), start=2):
            take_steps(optimizer, 1, first=step)
            np.testing.assert_allclose(x.data, y.detach().numpy(), rtol=1e-10)

        z = tg.Tensor(y.detach().numpy(), requires_grad=True)
        resumed = type(optimizer)([z])
        resumed.load_state_dict(reference.state_dict())
        take_steps(resumed, 2, first=4)
        take_steps(optimizer, 2, first=4)
        np.testing.assert_allclose(z.data, x.data, rtol=1e-10)

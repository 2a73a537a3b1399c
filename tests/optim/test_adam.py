from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import optim


def one_step(optimizer: type[optim.Optimizer], value: list, gradient: list, **options: float) -> list[float]:
    p = tg.Tensor(np.array(value), requires_grad=True)
    p.grad = tg.Tensor(np.array(gradient))
    optimizer([p], **options).step()
    return p.tolist()


@pytest.mark.parametrize("optimizer", [optim.Adam, optim.AdamW])
def test_the_first_step_is_lr_times_the_gradients_sign_whatever_its_size(optimizer: type[optim.Optimizer]):
    gradient = [1e-3, -5.0, 1e6, 0.0]
    expected = [-0.1, 0.1, -0.1, 0.0]
    assert one_step(optimizer, [0.0] * 4, gradient, lr=0.1) == pytest.approx(expected, rel=1e-4)


def test_the_second_step_follows_algorithm_1():
    p = tg.Tensor(np.array([0.0]), requires_grad=True)
    optimizer = optim.Adam([p], lr=1.0, betas=(0.5, 0.75), eps=0.25)
    for g in [2.0, 1.0]:
        p.grad = tg.Tensor(np.array([g]))
        optimizer.step()
    # m: 1, 1; corrected 2, 4/3.  v: 1, 1; corrected 4, 16/7.
    assert p.item() == pytest.approx(-2 / (2 + 0.25) - (4 / 3) / ((16 / 7) ** 0.5 + 0.25), rel=1e-12)


def test_amsgrad_divides_by_the_largest_mean_square_so_far():
    moved = {}
    for amsgrad in (False, True):
        p = tg.Tensor(np.array([0.0]), requires_grad=True)
        optimizer = optim.Adam([p], betas=(0.0, 0.5), lr=1.0, eps=0.0, amsgrad=amsgrad)
        for g in [4.0, 0.0, 1.0]:
            p.grad = tg.Tensor(np.array([g]))
            before = p.item()
            optimizer.step()
        moved[amsgrad] = before - p.item()
    # v: 8, 4, 2.5; the last step's correction is 1 - 1/8
    assert moved[False] == pytest.approx((7 / 8) ** 0.5 / 2.5**0.5)
    assert moved[True] == pytest.approx((7 / 8) ** 0.5 / 8**0.5)


def test_adams_weight_decay_goes_through_the_gradient():
    # the gradient is 0 + 0.5 * 3, and the first step takes its sign
    assert one_step(optim.Adam, [3.0, -3.0], [0.0, 0.0], lr=0.5, weight_decay=0.5) == pytest.approx([2.5, -2.5])


def test_adamws_weight_decay_shrinks_the_parameter_itself():
    assert one_step(optim.AdamW, [3.0, -3.0], [0.0, 0.0], lr=0.5, weight_decay=0.5) == [2.25, -2.25]


def test_defaults_are_torchs():
    torch = pytest.importorskip("torch")
    for name in ["SGD", "RMSprop", "Adagrad", "Adam", "AdamW"]:
        ours = getattr(optim, name)([tg.Tensor(0.0)]).defaults
        theirs = getattr(torch.optim, name)([torch.tensor(0.0)]).defaults
        assert ours == {option: theirs[option] for option in ours}


@pytest.mark.parametrize("betas", [(1.0, 0.9), (0.9, -0.1), (float("nan"), 0.9)])
def test_betas_outside_their_range_are_refused(betas: tuple[float, float]):
    with pytest.raises(ValueError, match="betas must be at least 0 and less than 1"):
        optim.Adam([tg.Tensor(0.0)], betas=betas)


@pytest.mark.parametrize("betas", [(0.9,), (0.9, 0.99, 0.999)])
def test_betas_are_two(betas: tuple[float, ...]):
    with pytest.raises(ValueError, match=r"Adam: betas must be two numbers"):
        optim.Adam([tg.Tensor(0.0)], betas=betas)


def test_a_gradient_too_small_to_square_moves_nothing_far():
    assert one_step(optim.Adam, [0.0], [np.float64(1e-200)], lr=1.0) == pytest.approx([0.0], abs=1e-100)


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("options", [{"lr": 0.01}, {"betas": (0.5, 0.7), "eps": 1e-3, "maximize": True}])
def test_fifty_steps_are_torchs(
    walk_beside_torch, name: str, dtype: type, weight_decay: float, amsgrad: bool, options: dict
):
    walk_beside_torch(name, dtype, {"weight_decay": weight_decay, "amsgrad": amsgrad, **options})


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_fifty_steps_with_two_groups_are_torchs(walk_beside_torch, name: str):
    walk_beside_torch(name, np.float32, {"lr": 0.01, "amsgrad": True}, {"betas": (0.8, 0.9), "weight_decay": 0.3})

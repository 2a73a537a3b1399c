"""Losses, layer norm and dropout are one operation each: in the graph, in memory, and on any number of threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from tinygrad_cnn import Tensor

Function = Callable[..., Tensor]
SHAPE = (3, 70_001)  # in pieces of which the last is shorter
REDUCTIONS = ["mean", "sum", "none"]


def random(*shape: int, seed: int = 0, dtype: type = np.float32) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.05, 0.95, shape).astype(dtype)


ELEMENTWISE: dict[str, Function] = {
    "mse_loss": F.mse_loss,
    "l1_loss": F.l1_loss,
    "smooth_l1_loss": lambda x, t, reduction: F.smooth_l1_loss(x, t, reduction=reduction, beta=0.2),
    "huber_loss": lambda x, t, reduction: F.huber_loss(x, t, reduction, 0.2),
    "binary_cross_entropy": F.binary_cross_entropy,
    "binary_cross_entropy_with_logits": F.binary_cross_entropy_with_logits,
}
OF_CLASSES: dict[str, Function] = {"nll_loss": F.nll_loss, "cross_entropy": F.cross_entropy}


def events(run: Callable[[], Any]) -> list[str]:
    found: list[str] = []
    with tg.observe(lambda event: found.append(event.primitive.public_name)):
        run()
    return found


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", [*ELEMENTWISE, *OF_CLASSES])
def test_a_loss_is_one_operation_and_its_gradient_another(name: str, reduction: str) -> None:
    x = Tensor(random(4, 3), requires_grad=True)
    target = Tensor(random(4, 3, seed=1)) if name in ELEMENTWISE else Tensor([0, 2, -100, 1])
    assert events(lambda: (ELEMENTWISE | OF_CLASSES)[name](x, target, reduction=reduction)) == [name]
    loss = (ELEMENTWISE | OF_CLASSES)[name](x, target, reduction=reduction)
    assert len(events(lambda: loss.backward(tg.ones(*loss.shape)))) == 1


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_the_gradient_in_one_walk_is_that_of_the_recorded_operations(name: str, reduction: str) -> None:
    x, target = (Tensor(random(*SHAPE, seed=s), requires_grad=True) for s in (0, 1))
    y = ELEMENTWISE[name](x, target, reduction=reduction)
    g = Tensor(random(*y.shape, seed=2))
    walked = tg.grad(y, [x, target], g, retain_graph=True)
    recorded = tg.grad(y, [x, target], g, create_graph=True)
    for a, b in zip(walked, recorded, strict=True):
        np.testing.assert_allclose(a.data, b.data, rtol=2e-5, atol=1e-9)


@pytest.mark.parametrize("name", OF_CLASSES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_a_target_that_does_not_count_has_no_loss_and_no_gradient_whatever_the_scores(
    name: str, reduction: str
) -> None:
    scores = random(4, 5)
    scores[1:3] = [[np.nan], [np.inf]]
    x, target = Tensor(scores, requires_grad=True), Tensor([0, -100, -100, 3])
    loss = OF_CLASSES[name](x, target, reduction=reduction)
    alone = OF_CLASSES[name](x[[0, 3]], target[[0, 3]], reduction=reduction)
    np.testing.assert_allclose(loss.data if loss.shape == () else loss.data[[0, 3]], alone.data, rtol=1e-6)
    loss.backward(tg.ones(*loss.shape))
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.data[1:3], 0)
    assert np.isfinite(x.grad.data).all()


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", [*ELEMENTWISE, "layer_norm", "dropout"])
def test_the_bits_do_not_depend_on_the_number_of_threads(name: str, reduction: str) -> None:
    results = []
    for threads in (1, 2, 4):
        tg.set_num_threads(threads)
        tensors = [Tensor(v, requires_grad=True) for v in (random(*SHAPE), random(*SHAPE, seed=1))]
        if name == "layer_norm":
            tensors += [Tensor(random(SHAPE[1], seed=s), requires_grad=True) for s in (2, 3)]
            y = F.layer_norm(tensors[0], SHAPE[1:], *tensors[2:]) * tensors[1]
        elif name == "dropout":
            y = F.dropout(tensors[0], 0.3, generator=np.random.default_rng(0)) * tensors[1]
        else:
            y = ELEMENTWISE[name](*tensors, reduction=reduction)
        y.backward(random(*y.shape, seed=4))
        results.append([y.data, *(t.grad.data for t in tensors)])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_layer_norm_is_one_operation_and_keeps_its_input_and_two_numbers_per_item() -> None:
    x, weight, bias = (Tensor(random(*s), requires_grad=True) for s in ((6, 5, 4), (5, 4), (5, 4)))
    assert events(lambda: F.layer_norm(x, (5, 4), weight, bias)) == ["layer_norm"]
    y = F.layer_norm(x, (5, 4), weight, bias)
    kept = y._edge.kept
    assert set(kept) == {"x", "weight", "axes", "eps", "residual"}
    assert kept["residual"][0].shape == (2, 6)
    assert events(lambda: y.backward(random(6, 5, 4))).count("layer_norm_sums") == 1  # weight's and bias's in one walk


@pytest.mark.parametrize("mean", [0, 1e4])
@pytest.mark.parametrize("shape", [(7, 33), (2, 3, 500), (300, 8), (0, 4)])
def test_layer_norms_gradients_are_those_of_the_recorded_operations(shape: tuple[int, ...], mean: float) -> None:
    x = Tensor(random(*shape, dtype=np.float64) + mean, requires_grad=True)
    weight, bias = (Tensor(random(shape[-1], seed=s, dtype=np.float64), requires_grad=True) for s in (1, 2))
    y, g = F.layer_norm(x, shape[-1:], weight, bias), Tensor(random(*shape, seed=3, dtype=np.float64))
    fused = tg.grad(y, [x, weight, bias], g, retain_graph=True)
    recorded = tg.grad(y, [x, weight, bias], g, create_graph=True)
    for a, b in zip(fused, recorded, strict=True):
        np.testing.assert_allclose(a.data, b.data, rtol=1e-7, atol=1e-9)


# -- float16 --------------------------------------------------------------------------------------------------

LARGE = (np.random.default_rng(0).standard_normal((64, 40)) * 2000 + 3000).astype(np.float16)  # squares overflow
IN_HALF: dict[str, Function] = {
    "batch_norm": lambda x: F.batch_norm(x, None, None, training=True),
    "layer_norm": lambda x: F.layer_norm(x, (40,)),
    "softmax": lambda x: F.softmax(x, 1),
    "mse_loss": lambda x: F.mse_loss(x * 0.05, x * 0.0),
    "cross_entropy": lambda x: F.cross_entropy(x * 0.001, np.zeros(64, np.int64)),
    "mean": lambda x: x.mean(),
    "std": lambda x: x.std(),
}


@pytest.mark.parametrize("name", IN_HALF)
def test_float16_is_computed_in_float32_and_rounded_once(name: str) -> None:
    half, single = (Tensor(LARGE.astype(dtype), requires_grad=True) for dtype in (np.float16, np.float32))
    y, exact = IN_HALF[name](half), IN_HALF[name](single)
    assert y.dtype == np.float16
    np.testing.assert_allclose(y.data, exact.data, rtol=2e-3, atol=2e-3)
    y.backward(np.ones_like(y.data))
    exact.backward(np.ones_like(exact.data))
    assert half.grad is not None
    assert half.grad.dtype == np.float16
    np.testing.assert_allclose(half.grad.data, single.grad.data, rtol=2e-2, atol=1e-3)


# -- drawings -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "of",
    [
        lambda x: F.dropout(x, 0.5),
        lambda x: F.dropout2d(x, 0.5),
        lambda x: F.cross_entropy(x, Tensor([0, 1, -100])),
        lambda x: F.nll_loss(x, Tensor([0, 1, -100])),
        lambda x: F.cross_entropy(x, Tensor([0, 1, 2]), label_smoothing=0.1),
        lambda x: F.elu(F.leaky_relu(x)),
    ],
)
def test_no_mask_is_drawn_as_an_input(of: Function) -> None:
    pytest.importorskip("graphviz")
    assert "<b>input</b>" not in tg.draw(of(Tensor(random(3, 3), requires_grad=True))).source


def test_dropout_keeps_its_mask_as_booleans() -> None:
    x = Tensor(random(50, 50), requires_grad=True)
    assert F.dropout(x, 0.5)._edge.kept["keep"].dtype == bool

"""Heads for classes, and several heads on one network: losses by hand, probabilities, and metadata that brings back."""

import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from tinygrad_cnn import nn, optim
from tinygrad_cnn.data import ArrayDataset, DataLoader
from tinygrad_cnn.train import Binary, Classes, ExpectedAge, Regression, Several, evaluate, load_head, train_epoch

COIN, SEASONS = Binary("coin", ("heads", "tails")), Classes("season", ("spring", "summer", "autumn"))
SEVERAL = Several((Regression(40.0, 20.0), COIN, SEASONS), (1.0, 2.0, 0.5))
TARGETS = {COIN: [0, 1, 1, 0], SEASONS: [2, 0, 1, 2], SEVERAL: [[20, 0, 2], [30, 1, 0], [40, 1, 1], [90, 0, 2]]}
HEADS = pytest.mark.parametrize("head", TARGETS, ids=lambda head: head.name)


@HEADS
def test_outputs_become_predictions_and_the_loss_one_number(head):
    outputs = tg.randn(4, head.outputs, requires_grad=True)
    assert head.predict(outputs).shape == (4, head.width)
    loss = head.loss(outputs, tg.Tensor(np.array(TARGETS[head], np.float32)))
    assert (loss.shape, loss.dtype) == ((), np.float32)
    loss.backward()
    assert outputs.grad.shape == outputs.shape


@HEADS
def test_loss_and_predictions_have_the_gradients_of_finite_differences(head):
    tg.manual_seed(0)
    outputs = tg.randn(4, head.outputs).double().requires_grad_()
    targets = tg.Tensor(np.array(TARGETS[head], np.float64))
    assert tg.gradcheck(head.predict, outputs)
    assert tg.gradcheck(lambda outputs: head.loss(outputs, targets), outputs)


@HEADS
def test_the_metadata_brings_the_head_back(head):
    assert load_head(head.metadata()) == head


@pytest.mark.parametrize("head", [COIN, SEASONS], ids=lambda head: head.name)
def test_probabilities_sum_to_one_however_large_the_outputs(head):
    chances = head.predict(tg.Tensor(np.full((2, head.outputs), 1e4, np.float32) * [[1], [-1]])).data
    np.testing.assert_allclose(chances.sum(1), 1)
    assert np.isfinite(chances).all()


def test_a_binary_head_is_the_logit_of_the_second_class():
    outputs = tg.Tensor([[2.0], [-1.0]])
    chances = 1 / (1 + np.exp([-2.0, 1.0]))
    np.testing.assert_allclose(COIN.predict(outputs).data[:, 1], chances, rtol=1e-6)
    assert COIN.loss(outputs, tg.Tensor([1, 0])).item() == pytest.approx(-np.log([chances[0], 1 - chances[1]]).mean())


def test_a_head_of_classes_learns_by_cross_entropy_with_their_numbers():
    outputs = tg.randn(4, 3)
    expected = F.cross_entropy(outputs, tg.Tensor([2, 0, 1, 2])).item()
    for dtype in (np.int64, np.float32):
        assert SEASONS.loss(outputs, tg.Tensor(np.array([2, 0, 1, 2], dtype))).item() == expected


def test_a_class_that_is_not_there_is_an_error():
    with pytest.raises((IndexError, ValueError)):
        SEASONS.loss(tg.randn(1, 3), tg.Tensor([3.0]))


def test_several_heads_add_their_weighted_losses_each_on_its_own_outputs():
    outputs, targets = tg.randn(4, 5), np.array(TARGETS[SEVERAL], np.float32)
    slices = [outputs[:, :1], outputs[:, 1:2], outputs[:, 2:]]
    pairs = list(zip(SEVERAL.heads, slices, strict=True))
    each = [head.loss(own, tg.Tensor(targets[:, i])).item() for i, (head, own) in enumerate(pairs)]
    assert SEVERAL.loss(outputs, tg.Tensor(targets)).item() == pytest.approx(each[0] + 2 * each[1] + 0.5 * each[2])
    for head, own, part in zip(SEVERAL.heads, slices, SEVERAL.split(SEVERAL.predict(outputs).data), strict=True):
        np.testing.assert_array_equal(part, head.predict(own).data)


def test_heads_within_heads_are_kept_apart_by_their_subjects():
    head = Several((ExpectedAge(oldest=9), SEASONS), (1.0, 1.0))
    assert head.metadata()["age.head"] == "expected"
    assert load_head(head.metadata()).heads[0].oldest == 9


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Classes("x", ("one",)), "at least two names"),
        (lambda: Classes("x", ("one", "one")), "each its own"),
        (lambda: Binary("x", ("a", "b", "c")), "Binary takes two classes, not a, b, c"),
        (lambda: Several((COIN,), (1.0, 1.0)), "1 heads need as many weights, not 2"),
        (lambda: Several((), ()), "0 heads"),
        (lambda: Several((COIN, SEASONS), (1.0, 0.0)), "numbers above 0"),
        (lambda: Several((COIN, SEASONS), (1.0, float("nan"))), "numbers above 0"),
        (lambda: Several((COIN, COIN), (1.0, 1.0)), "must tell something else"),
    ],
)
def test_heads_that_make_no_sense_are_an_error(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def faces(targets):
    """Pictures as bright as the first target is large."""
    bright = np.array(targets, float).reshape(len(targets), -1)[:, 0]
    images = np.broadcast_to(bright[:, None, None, None] * 2, (len(targets), 4, 4, 3)).astype(np.uint8)
    return DataLoader(ArrayDataset(images, np.array(targets, np.float32)), batch_size=8, shuffle=True)


class Brightness(nn.Module):
    def __init__(self, outputs):
        tg.manual_seed(0)
        self.hidden, self.linear = nn.Linear(1, 16), nn.Linear(16, outputs)

    def forward(self, x):
        return self.linear(F.relu(self.hidden(x.mean((1, 2, 3)).reshape(-1, 1))))


def test_the_loop_trains_several_heads_and_reports_on_each():
    ages = np.arange(100)
    targets = np.stack([ages, ages >= 50, np.minimum(ages // 34, 2)], 1)
    model = Brightness(SEVERAL.outputs)
    optimizer = optim.Adam(model.parameters(), lr=0.03)
    for _ in range(30):
        train_epoch(model, faces(targets), SEVERAL, optimizer)
    result = evaluate(model, faces(targets), SEVERAL)
    figures = result.errors.figures()
    assert list(figures) == ["mae_years", "coin_accuracy", "season_accuracy"]
    assert figures["mae_years"] < 6
    assert min(figures["coin_accuracy"], figures["season_accuracy"]) > 0.85
    assert (result.predicted.shape, result.true.shape) == ((100, 6), (100, 3))
    assert result.errors.error == figures["mae_years"]

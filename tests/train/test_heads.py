"""Heads: losses in years and in bins, ages that can be differentiated, and metadata that brings them back."""

import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from tinygrad_cnn.train import ExpectedAge, Regression, load_head

AGES = np.array([1, 20, 35, 80, 116], np.float32)
HEADS = [Regression.of(AGES), Regression.of(AGES, F.mse_loss), ExpectedAge(), ExpectedAge(sigma=0), ExpectedAge(90)]


@pytest.mark.parametrize("head", HEADS)
def test_outputs_become_one_age_for_each_face_and_the_loss_one_number(head):
    outputs = tg.randn(5, head.outputs, requires_grad=True)
    assert head.predict(outputs).shape == (5,)
    loss = head.loss(outputs, tg.Tensor(AGES))
    assert (loss.shape, loss.dtype) == ((), np.float32)
    loss.backward()
    assert outputs.grad.shape == outputs.shape


@pytest.mark.parametrize("head", HEADS)
def test_loss_and_years_have_the_gradients_of_finite_differences(head):
    tg.manual_seed(0)
    outputs = tg.randn(5, head.outputs).double().requires_grad_()
    ages = tg.Tensor(AGES.astype(np.float64))
    assert tg.gradcheck(head.predict, outputs)
    assert tg.gradcheck(lambda outputs: head.loss(outputs, ages), outputs)


@pytest.mark.parametrize("head", HEADS)
def test_the_metadata_brings_a_head_back_as_far_as_predicting_goes(head):
    outputs = tg.randn(3, head.outputs)
    np.testing.assert_array_equal(load_head(head.metadata()).predict(outputs).data, head.predict(outputs).data)


def test_a_regression_learns_standardised_ages():
    head = Regression.of(AGES, F.l1_loss)
    standard = (AGES - AGES.mean()) / AGES.std()
    assert head.loss(tg.Tensor(standard[:, None]), tg.Tensor(AGES)).item() == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(head.predict(tg.Tensor(standard[:, None])).data, AGES, rtol=1e-5)


def test_ages_all_equal_are_only_shifted():
    head = Regression.of([30, 30])
    assert (head.mean, head.std) == (30.0, 1.0)


def test_the_targets_are_normal_distributions_about_the_age():
    targets = ExpectedAge(sigma=2.0).targets([40.0])
    years = np.arange(117)
    assert (targets.shape, targets.dtype) == ((1, 117), np.float32)
    assert targets.sum() == pytest.approx(1)
    assert targets[0] @ years == pytest.approx(40)
    assert targets[0] @ (years - 40.0) ** 2 == pytest.approx(4, rel=1e-3)
    assert targets[0, 42] / targets[0, 40] == pytest.approx(np.exp(-0.5))


@pytest.mark.parametrize("sigma", [0, 1e-300, 0.1])
def test_without_smoothing_the_whole_weight_is_at_the_nearest_age(sigma):
    targets = ExpectedAge(sigma=sigma).targets([0, 7.4, 116])
    assert targets.argmax(1).tolist() == [0, 7, 116]
    assert targets.max(1).min() > 0.99


def test_ages_beyond_the_bins_count_as_the_outermost():
    head = ExpectedAge(oldest=90)
    np.testing.assert_array_equal(head.targets([120.0, -3.0]), head.targets([90.0, 0.0]))
    assert head.targets([120.0]).sum() == pytest.approx(1)


def test_the_loss_is_cross_entropy_plus_the_weighted_error_of_the_mean():
    head = ExpectedAge(oldest=9, sigma=1.0, l1_weight=0.25)
    outputs, ages = tg.randn(4, 10), tg.Tensor([0.0, 3.0, 5.0, 9.0])
    chance = np.exp(outputs.data) / np.exp(outputs.data).sum(1, keepdims=True)
    entropy = -(head.targets(ages.data) * np.log(chance)).sum(1).mean()
    error = np.abs(chance @ np.arange(10) - ages.data).mean()
    assert head.loss(outputs, ages).item() == pytest.approx(entropy + 0.25 * error, rel=1e-5)
    assert ExpectedAge(9, 1.0, 0).loss(outputs, ages).item() == pytest.approx(entropy, rel=1e-5)


def test_no_ages_have_no_scale():
    with pytest.raises(ValueError, match="needs at least one age"):
        Regression.of([])


@pytest.mark.parametrize("options", [{"oldest": 0}, {"sigma": -1.0}, {"l1_weight": float("nan")}, {"sigma": np.inf}])
def test_bins_that_make_no_sense_are_an_error(options):
    with pytest.raises(ValueError, match=f"ExpectedAge: {next(iter(options))} must be a number of at least"):
        ExpectedAge(**options)

"""The sentences follow from the figures."""

import numpy as np
import pytest

from tests.viz.reports import MEDIAN, PREDICTED, TRUE, history, outcome, report
from tinygrad_cnn.viz.report.words import how_good, in_words, leaning, trend, where_weak


def test_the_error_stands_beside_that_of_the_median():
    error, to_beat = np.abs(PREDICTED - TRUE).mean(), np.abs(MEDIAN - TRUE).mean()
    sentence = how_good(outcome())
    assert f"On 136 test faces the predicted age is off by {error:.2f} years" in sentence
    assert f"guessing 31, the training faces' median age, for everybody is off by {to_beat:.2f}" in sentence
    assert f"takes away {1 - error / to_beat:.0%} of that error" in sentence
    assert "81% of the faces are within 5 years" in sentence


def test_a_network_that_does_not_beat_the_median_is_told_so():
    assert "no better than that guess" in how_good(outcome(TRUE, np.full(len(TRUE), MEDIAN)))
    assert "no better than that guess" in how_good(outcome(TRUE, TRUE + 90))
    assert "no better" not in how_good(outcome())


def test_the_best_and_the_weakest_decade_are_named_with_their_numbers_of_faces():
    sentence = where_weak(outcome())
    assert "best at ages 20-29 (2.0 years, 40 faces)" in sentence
    assert "weakest at 60-69 (12.0 years, 25 faces)" in sentence
    assert "at 30-39, close to the median, the plain guess does better" in sentence


def test_a_decade_with_few_faces_is_not_called_the_weakest():
    assert "100-109" not in where_weak(outcome())
    assert "Decades with fewer than 20 faces say little" in where_weak(outcome())


def test_with_one_decade_there_is_none_to_compare_it_with():
    assert where_weak(outcome([30.0] * 50, [31.0] * 50)) == ""


def test_several_decades_in_which_the_guess_is_better_are_listed():
    true = np.repeat([5.0, 25.0, 35.0, 45.0], 30)
    sentence = where_weak(outcome(true, true + np.repeat([1.0, 20.0, 20.0, 20.0], 30), median=34.0))
    assert "at 20-29, 30-39 and 40-49, close to the median, the plain guess" in sentence


def test_decades_far_from_the_median_are_not_called_close_to_it():
    true = np.repeat([5.0, 15.0, 35.0, 45.0, 55.0], 30)

    def sentence(errors):
        return where_weak(outcome(true, true + np.repeat(errors, 30), median=34.0))

    assert "at 0-9 the plain guess does better" in sentence([60.0, 1.0, 0.0, 1.0, 1.0])
    assert "at 10-19 the plain guess does better" in sentence([1.0, 20.0, 0.0, 1.0, 1.0])
    assert "at 50-59 the plain guess does better" in sentence([1.0, 1.0, 0.0, 1.0, 30.0])
    assert "at 0-9 and 40-49 the plain guess does better" in sentence([60.0, 1.0, 0.0, 20.0, 1.0])
    assert "at 40-49, close to the median, the plain guess does better" in sentence([1.0, 1.0, 0.0, 20.0, 1.0])


def test_predictions_drawn_to_the_middle_are_noticed():
    ages = np.arange(0, 100, 0.5)
    sentence = leaning(outcome(ages, 50 + (ages - 50) * 0.7, median=50))
    assert sentence == (
        "On average it sees the youngest fifth of the faces 12.1 years too old and "
        "the oldest fifth of the faces 11.9 years too young."
    )


def test_errors_to_both_sides_are_no_leaning():
    ages = np.arange(0, 100, 0.5)
    assert leaning(outcome(ages, ages + np.where(np.arange(200) % 2, 8.0, -8.0), median=50)) == ""


def test_few_faces_lean_nowhere():
    assert leaning(outcome([1.0, 50.0, 90.0], [20.0, 50.0, 70.0])) == ""


@pytest.mark.parametrize(
    ("val_mae", "expected"),
    [
        ([12.0], "do not tell yet"),
        ([12.0, 11.0], "do not tell yet"),
        ([12.0, 10.0, 9.0, 8.0], "still falls, by 33% over the last 3 epochs"),
        ([12.0, 8.2, 8.1, 8.0], "still falls, by 33% over the last 3 epochs"),
        ([8.3, 8.2, 8.1, 8.05], "falls slowly now, by 3.0% over the last 3 epochs"),
        ([12.0, 8.0, 8.0, 7.99, 7.98], "levelled off: 0.2% over the last 3 epochs"),
        ([12.0, 8.0, 8.1, 8.1, 8.1], "has not improved since epoch 2"),
        ([0.0, 0.0, 0.0], "levelled off"),
    ],
)
def test_the_trend_is_read_off_the_validation_error(val_mae, expected):
    assert expected in trend(report(history=history(val_mae)))


def test_a_rising_validation_loss_under_a_falling_training_loss_is_overfitting():
    rows = history([9.0, 8.0, 8.5, 8.6], val_loss=[0.5, 0.4, 0.44, 0.5], train_loss=[0.5, 0.4, 0.3, 0.2])
    assert trend(report(history=rows)).startswith("Since epoch 2 the validation loss has risen by 25%")


def test_both_losses_rising_is_not_overfitting():
    rows = history([9.0, 8.0, 8.5, 8.6], val_loss=[0.5, 0.4, 0.44, 0.5], train_loss=[0.5, 0.4, 0.5, 0.6])
    assert "by heart" not in trend(report(history=rows))


def test_a_training_error_far_below_the_validation_error_leaves_room_for_regularisation():
    rows = history([8.3, 8.2, 8.1, 8.05])
    assert "room for regularisation" not in trend(report(history=rows))
    rows[-1]["train_mae_years"] = 4.0
    assert "the training error is 50% lower, so there is room for regularisation" in trend(report(history=rows))


def test_more_epochs_are_proposed_only_when_the_run_is_over():
    rows = history([12.0, 10.0, 8.0])
    assert "more epochs" in trend(report("finished", history=rows))
    assert "more epochs" not in trend(report("running", history=rows))


def test_before_the_first_epoch_there_is_nothing_to_say():
    assert in_words(report(history=[], outcome=None)) == []

"""The sentences follow from the figures."""

import numpy as np
import pytest

from tests.viz.reports import (
    MEDIAN,
    PREDICTED,
    TRUE,
    classification,
    history,
    history_of_classes,
    outcome,
    report,
)
from tinygrad_cnn.viz.report.words import (
    how_good,
    how_many_right,
    how_sure,
    in_words,
    leaning,
    trend,
    what_is_confused,
    where_weak,
)


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


def test_errors_to_both_sides_that_all_but_cancel_out_are_no_leaning():
    ages = np.arange(0, 100, 0.5)
    assert leaning(outcome(ages, ages + np.where(np.arange(200) % 2, 12.0, -8.0), median=50)) == ""  # 2 of 10 years


def test_few_faces_lean_nowhere():
    assert leaning(outcome([1.0, 50.0, 90.0], [20.0, 50.0, 70.0])) == ""


@pytest.mark.parametrize(
    ("val_mae", "expected"),
    [
        ([12.0], "do not tell yet"),
        ([12.0, 11.0], "do not tell yet"),
        ([12.0, 10.0, 9.0, 8.0], "still falls, by 33% over the last 3 epochs"),
        ([21.0, 14.7, 15.0], "The best validation error still falls, by 30% over the last 2 epochs"),
        ([12.0, 8.2, 8.1, 8.0], "still falls, by 33% over the last 3 epochs"),
        ([8.3, 8.2, 8.1, 8.05], "falls slowly now, by 3.0% over the last 3 epochs"),
        ([12.0, 8.0, 8.0, 7.99, 7.98], "levelled off: 0.2% over the last 3 epochs"),
        ([12.0, 8.0, 8.1, 8.1, 8.1], "has not improved since epoch 2"),
        ([0.0, 0.0, 0.0], "levelled off"),
        ([float("nan"), 12.0, 8.0], "do not tell yet"),
        ([12.0, float("nan"), 9.0, 8.0], "still falls, by 33% over the last 3 epochs"),
    ],
)
def test_the_trend_is_read_off_the_validation_error(val_mae, expected):
    assert expected in trend(report(history=history(val_mae)))


def test_the_trend_is_that_of_the_last_size():
    rows = history([5.0, 4.0, 3.0, 9.0, 8.9], sizes=[64, 64, 64, 96, 96])
    assert trend(report(history=rows)).startswith("After so few epochs with larger pictures, 96x96, the curves do not")
    rows = history([5.0, 4.0, 9.0, 8.9, 8.8, 8.7], sizes=[64, 64, 96, 96, 96, 96])
    assert "falls slowly now, by 3.3% over the last 3 epochs" in trend(report(history=rows))


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


# -- classes ----------------------------------------------------------------------------------------------


def test_the_accuracy_stands_beside_that_of_the_commonest_class():
    sentence = how_many_right(classification())  # 105 of 155; 100 of them are adults
    assert sentence.startswith("Of 155 test faces the age group is seen rightly in 67.7%; answering adult, the")
    assert "for everybody is right for 64.5%. The network makes 9% fewer mistakes than that." in sentence


@pytest.mark.parametrize("matrix", [[[0, 50], [0, 60]], [[10, 40], [30, 30]], [[50, 0], [0, 0]]])
def test_a_network_that_does_not_beat_the_commonest_class_is_told_so(matrix):
    assert "no better than that answer" in how_many_right(classification(matrix, ("no", "yes")))


def test_the_classes_known_best_and_worst_and_the_commonest_mistake_are_named():
    assert what_is_confused(classification()) == (
        "It knows child (80% of 50 faces) best and adult (60% of 100 faces) worst; the commonest mistake: "
        "30% of adult are taken for child. Classes with fewer than 20 faces say little."
    )


def test_of_two_classes_no_mistake_is_the_commonest_and_of_one_nothing_is_said():
    assert "mistake" not in what_is_confused(classification([[40, 10], [5, 45]], ("no", "yes")))
    assert what_is_confused(classification([[40, 10], [1, 4]], ("no", "yes"))) == ""


def test_the_commonest_mistake_is_not_looked_for_among_few_faces():
    assert "30% of adult are taken for child." in what_is_confused(
        classification([[40, 10, 0], [30, 60, 10], [5, 0, 0]])
    )


def test_without_a_mistake_none_is_named():
    assert "mistake" not in what_is_confused(classification([[30, 0, 0], [0, 30, 0], [0, 0, 30]]))


def test_a_network_that_always_gives_the_same_answer_knows_nothing_best():
    assert what_is_confused(classification([[0, 40], [0, 30]], ("no", "yes"))) == "It answers yes for everybody."


def test_how_often_it_is_right_where_it_is_sure():
    assert how_sure(classification()) == "Where it gives its answer 90% or more, for 155 faces, 67.7% are right."
    assert how_sure(classification(sure=0.8)) == ""


def test_accuracy_that_rises_is_an_error_that_falls():
    def sentence(accuracies):
        return trend(report(outcome=None, history=history_of_classes(accuracies)))

    assert "still falls, by 50% over the last 3 epochs" in sentence([0.6, 0.7, 0.75, 0.8])
    assert "has not improved since epoch 1" in sentence([0.8, 0.7, 0.75, 0.7])


def test_a_network_of_several_answers_has_sentences_for_each_and_the_note_comes_first():
    sentences = in_words(report(classes=[classification(subject="gender")], note="Mind this."))
    assert sentences[0] == "Mind this."
    assert sum("the gender is seen" in sentence for sentence in sentences) == 1
    assert any("years on average" in sentence for sentence in sentences)

"""AgeErrors and Confusion against figures worked out by hand and by NumPy."""

import numpy as np
import pytest

from tinygrad_cnn.train import AgeErrors, Confusion


def test_figures_by_hand():
    errors = AgeErrors().update(predicted=[10, 20, 30, 40], true=[13, 20, 36, 35])
    assert errors.count == 4
    assert errors.mae == 3.5  # 3, 0, 6, 5
    assert errors.rmse == pytest.approx((70 / 4) ** 0.5)
    assert errors.share_close == 0.75  # 5 years off still counts


def test_decades_go_by_the_true_age():
    errors = AgeErrors().update(predicted=[15, 9, 30, 100], true=[9, 10, 19, 110])
    assert errors.by_decade() == {0: (1, 6.0), 10: (2, 6.0), 110: (1, 10.0)}


def test_decades_are_in_order_whatever_comes_first():
    errors = AgeErrors().update([80.0], [80]).update([3.0], [3]).update([45.0], [45])
    assert list(errors.by_decade()) == [0, 40, 80]


def test_batches_add_up_to_the_whole():
    generator = np.random.default_rng(0)
    true = generator.integers(0, 117, 1000)
    predicted = (true + generator.normal(0, 9, 1000)).astype(np.float32)
    batched = AgeErrors()
    for start in range(0, 1000, 37):
        batched.update(predicted[start : start + 37], true[start : start + 37])
    whole = AgeErrors().update(predicted, true)
    off = np.abs(predicted.astype(float) - true)
    assert whole.mae == pytest.approx(off.mean(), rel=1e-12)
    assert whole.rmse == pytest.approx(np.sqrt((off**2).mean()), rel=1e-12)
    assert whole.share_close == (off <= 5).mean()
    assert (batched.count, batched.share_close) == (whole.count, whole.share_close)
    assert (batched.mae, batched.rmse) == pytest.approx((whole.mae, whole.rmse), rel=1e-12)
    for first, (count, mae) in whole.by_decade().items():
        assert batched.by_decade()[first] == (count, pytest.approx(mae, rel=1e-12))


def test_sums_keep_their_precision_over_many_batches():
    errors = AgeErrors()
    for _ in range(20_000):
        errors.update(np.full(64, 0.1, np.float32), np.zeros(64, np.float32))
    assert errors.mae == pytest.approx(float(np.float32(0.1)), rel=1e-9)


def test_a_missing_axis_is_an_error_and_not_a_broadcast():
    with pytest.raises(ValueError, match=r"\(3, 1\) and \(3,\)"):
        AgeErrors().update(np.zeros((3, 1)), np.zeros(3))


def test_no_faces_give_no_figure():
    with pytest.raises(ValueError, match="no age"):
        _ = AgeErrors().mae
    assert AgeErrors().update([], []).by_decade() == {}


def test_a_prediction_that_is_no_number_is_not_hidden():
    errors = AgeErrors().update([np.nan, 20.0], [20, 20])
    assert np.isnan(errors.mae)
    assert errors.share_close == 0.5


def test_the_dict_holds_plain_numbers():
    figures = AgeErrors().update(np.float32([10, 20]), np.float32([13, 20])).as_dict()
    assert figures == {
        "faces": 2,
        "mae_years": 1.5,
        "rmse_years": pytest.approx(4.5**0.5),
        "share_within_5_years": 1.0,
        "mae_years_by_decade": {
            "10-19": {"faces": 1, "mae_years": 3.0},
            "20-29": {"faces": 1, "mae_years": 0.0},
        },
    }
    assert {type(value) for value in figures.values()} == {int, float, dict}


# -- classes ----------------------------------------------------------------------------------------------


def test_a_confusion_matrix_has_a_row_for_each_true_class():
    errors = Confusion("abc").update(np.eye(3)[[0, 1, 1, 2]], [0, 1, 2, 2]).update([[0.5, 0.4, 0.1]], [1])
    assert errors.matrix.tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    assert (errors.count, errors.accuracy, errors.error) == (5, 0.6, pytest.approx(0.4))
    assert errors.commonest == ("b", 0.4)
    assert errors.words() == "accuracy 60.0%"


def test_equal_probabilities_count_as_the_first_class():
    assert Confusion("ab").update([[0.5, 0.5]], [1]).matrix.tolist() == [[0, 0], [1, 0]]


def test_a_class_without_faces_has_no_accuracy_of_its_own():
    figures = Confusion("abc").update(np.eye(3)[[0, 1]], [0, 0]).as_dict()
    assert figures["accuracy_by_class"] == {"a": {"faces": 2, "accuracy": 0.5}}
    assert figures["confusion_matrix"] == [[1, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert figures["always_the_commonest"] == {"class": "a", "accuracy": 1.0}


@pytest.mark.parametrize(
    ("predicted", "true", "message"),
    [
        (np.eye(3), [0, 1, 2], r"2 classes need probabilities \(N, 2\)"),
        (np.eye(2), [0], r"not \(2, 2\) and \(1,\)"),
        (np.eye(2), [0, 2], "whole numbers from 0 to 1"),
        (np.eye(2), [0, -1], "whole numbers from 0 to 1"),
        (np.eye(2), [0, 0.5], "whole numbers from 0 to 1"),
        (np.eye(2), [0, np.nan], "whole numbers from 0 to 1"),
    ],
)
def test_classes_that_do_not_fit_are_an_error_and_count_nothing(predicted, true, message):
    errors = Confusion("ab")
    with pytest.raises(ValueError, match=message):
        errors.update(predicted, true)
    assert errors.count == 0
    with pytest.raises(ValueError, match="no face"):
        _ = errors.accuracy

"""Early stopping: the best epoch so far, and when to look for no better one."""

import math

import pytest

from tinygrad_cnn.train import EarlyStopping


def followed(errors, patience=None):
    stopping = EarlyStopping(patience)
    return stopping, [(stopping.update(error), stopping.is_over) for error in errors]


def test_the_smallest_error_is_the_best_and_of_equal_ones_the_first():
    stopping, seen = followed([9.0, 7.0, 8.0, 7.0])
    assert [improved for improved, _ in seen] == [True, True, False, False]
    assert (stopping.epochs, stopping.best, stopping.error) == (4, 2, 7.0)


def test_it_is_over_after_as_many_epochs_without_a_better_one_as_its_patience():
    assert [over for _, over in followed([9.0, 9.0, 9.5, 8.0, 8.0, 8.0, 8.0], patience=3)[1]] == [False] * 6 + [True]


def test_without_a_patience_it_is_never_over():
    assert not any(over for _, over in followed([1.0] * 100)[1])


def test_an_error_that_is_no_number_is_never_the_best():
    stopping, seen = followed([math.nan, math.nan, 5.0, math.nan, math.inf], patience=2)
    assert seen == [(False, False), (False, True), (True, False), (False, False), (False, True)]
    assert stopping.best == 3


def test_after_a_restart_errors_are_not_compared_with_those_before():
    stopping, _ = followed([1.0, 2.0], patience=2)
    stopping.restart()
    assert (stopping.best, stopping.is_over) == (0, False)
    assert stopping.update(9.0)
    assert (stopping.epochs, stopping.best, stopping.error) == (3, 3, 9.0)


@pytest.mark.parametrize("place", range(6))
def test_it_goes_on_from_its_state(place):
    errors = [9.0, math.nan, 7.0, 7.5, 8.0, 6.0]
    first, _ = followed(errors[:place], patience=2)
    if place == 2:
        first.restart()
    second = EarlyStopping(patience=2)
    second.load_state_dict(first.state_dict())
    assert vars(second) == vars(first)
    assert [(second.update(e), second.is_over) for e in errors] == [(first.update(e), first.is_over) for e in errors]


@pytest.mark.parametrize("patience", [0, -1])
def test_a_patience_below_one_epoch_is_an_error(patience):
    with pytest.raises(ValueError, match=f"at least 1 epoch, not {patience}"):
        EarlyStopping(patience)

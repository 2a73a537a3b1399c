"""A checkpoint whose state says something else than it should: one clear error, whatever it is."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.age.faces import UserError
from experiments.age.fit import go_on


class Broken:
    """A training that meets an error when it takes a state on."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def load_state_dict(self, _: Any) -> None:
        raise self.error


ERRORS = [AttributeError("x"), KeyError("x"), IndexError("x"), ZeroDivisionError("x"), OverflowError("x"),
          FloatingPointError("x"), RuntimeError("x"), TypeError("x"), ValueError("x")]  # fmt: skip


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_state_that_can_not_be_taken_on_is_of_another_version(error):
    with pytest.raises(UserError, match=r"the run.s checkpoint was written by another version: .*x"):
        go_on(Broken(error), {"faces": {}}, {})

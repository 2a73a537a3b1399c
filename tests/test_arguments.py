from __future__ import annotations

import re

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.arguments import checked


@checked
def blend(x: Tensor, share: float, dim: int | None = None, *, exact: bool = False, mode: str = "even") -> tuple:  # noqa: F821
    """Doc."""
    if mode == "odd":
        raise ValueError("it is odd")
    if mode == "named":
        raise ValueError("blend: it is odd")
    return x, share, dim, exact, mode


class Layer:
    @checked
    def __init__(self, size: int) -> None:
        self.size = size


class Wide(Layer):
    pass


@pytest.mark.parametrize(
    ("share", "meant"),
    [(2, 2), (0.5, 0.5), (np.float64(0.5), 0.5), (np.int64(2), 2), (tg.Tensor(0.5), 0.5), (np.array(2), 2)],
)
def test_what_means_a_number_is_one(share, meant):
    taken = blend(tg.ones(1), share)[1]
    assert taken == meant
    assert type(taken) is type(meant)


@pytest.mark.parametrize("share", [None, "1", 1j, True, [1.0], tg.ones(1), tg.Tensor(1.0, requires_grad=True)])
def test_what_does_not_mean_a_number_is_a_type_error(share):
    with pytest.raises(TypeError, match=r"^blend: share must be a number, got "):
        blend(tg.ones(1), share)


def test_a_tensor_is_made_of_what_can_be_one():
    x = tg.ones(1)
    assert blend(x, 1)[0] is x
    assert blend([1.0, 2.0], 1)[0].tolist() == [1.0, 2.0]
    with pytest.raises(TypeError, match=r"^blend: x must be a Tensor, got None"):
        blend(None, 1)


@pytest.mark.parametrize(("exact", "meant"), [(True, True), (np.True_, True), (1, True), (0, False)])
def test_a_switch_is_on_or_off(exact, meant):
    assert blend(tg.ones(1), 1, exact=exact)[3] is meant


@pytest.mark.parametrize("exact", [None, 2, "yes", 1.0, [], tg.ones(1)])
def test_what_is_neither_on_nor_off_is_a_type_error(exact):
    with pytest.raises(TypeError, match=r"^blend: exact must be True or False, got "):
        blend(tg.ones(1), 1, exact=exact)


def test_the_error_lists_all_that_an_argument_may_be():
    with pytest.raises(TypeError, match=re.escape("blend: dim must be an int or None, got 1.5")):
        blend(tg.ones(1), 1, 1.5)


def test_a_wrong_value_after_right_ones_of_other_types_is_seen():
    blend(tg.ones(1), 1, 2)
    blend(tg.ones(1), 1, None)
    with pytest.raises(TypeError, match="dim"):
        blend(tg.ones(1), 1, "2")
    with pytest.raises(TypeError, match="mode"):
        blend(tg.ones(1), 1, 2, mode=2)


@pytest.mark.parametrize("mode", ["odd", "named"])
def test_an_error_carries_the_functions_name_once(mode):
    with pytest.raises(ValueError, match=r"^blend: it is odd$"):
        blend(tg.ones(1), 1, mode=mode)


def test_too_few_too_many_and_unknown_arguments_are_pythons_errors():
    for call in (lambda: blend(tg.ones(1)), lambda: blend(1, 1, 1, 1), lambda: blend(1, 1, size=1)):
        with pytest.raises(TypeError, match=r"blend\(\)"):
            call()


def test_a_constructor_is_called_by_its_class():
    with pytest.raises(TypeError, match=r"^Wide: size must be an int, got 'x'"):
        Wide("x")


def test_a_long_value_is_shown_in_short():
    with pytest.raises(TypeError) as caught:
        blend(tg.ones(1), "x" * 1000)
    assert len(str(caught.value)) < 120


def test_the_function_keeps_its_name_and_docstring():
    assert (blend.__name__, blend.__doc__) == ("blend", "Doc.")

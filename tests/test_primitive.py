"""Operations with their rules: how one is made, and what making it wrong says."""

from __future__ import annotations

import inspect
import math
import warnings
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from tinygrad_cnn import Primitive, Tensor


def leaf(*numbers: float, dtype: Any = np.float64) -> Tensor:
    return Tensor(np.array(numbers, dtype), requires_grad=True)


def gradient(x: Tensor) -> Any:
    assert x.grad is not None
    return x.grad.tolist()


def test_a_users_primitive_with_its_rule_works_like_those_that_are_there() -> None:
    @tg.primitive(x=lambda g, x: g * cube_slope(x))
    def cube(x: np.ndarray) -> np.ndarray:
        return x**3

    def cube_slope(x: Tensor) -> Tensor:
        return x * x * 3

    x = leaf(1.0, -2.0)
    assert tg.gradcheck(cube, x, order=3)
    assert cube.__name__ == "cube"
    assert str(inspect.signature(cube)) == "(x: 'np.ndarray') -> 'np.ndarray'"
    assert repr(cube.primitive) == "<primitive cube>"  # type: ignore[attr-defined]


def test_a_rule_may_name_inputs_shapes_the_result_a_residual_and_options() -> None:
    seen: dict[str, Any] = {}

    def rule(g: Tensor, x: Tensor, x_shape: tuple[int, ...], out: Tensor, residual: str, factor: float) -> Tensor:
        seen.update(x=x.tolist(), x_shape=x_shape, out=out.tolist(), residual=residual, factor=factor)
        return g * factor

    @tg.primitive(residual=True, x=rule)
    def scale(x: np.ndarray, *, factor: float, unused: int = 0) -> tuple[np.ndarray, str]:
        return x * factor, "aside"

    x = leaf(1.0, 2.0)
    y = scale(x, factor=3.0, unused=1)
    assert "unused" not in y._source.kept  # type: ignore[union-attr]
    y.sum().backward()
    assert seen == {"x": [1.0, 2.0], "x_shape": (2,), "out": [3.0, 6.0], "residual": "aside", "factor": 3.0}
    assert gradient(x) == [3.0, 3.0]


def test_a_rule_of_a_primitive_of_many_inputs_is_told_which_one_is_meant() -> None:
    @tg.primitive(xs=lambda g, index, xs_shape: g * float(index + 1))
    def total(*xs: np.ndarray) -> np.ndarray:
        return np.sum(xs, axis=0)

    a, b = leaf(1.0), leaf(1.0)
    total(a, Tensor(np.ones(1)), b).backward()
    assert (gradient(a), gradient(b)) == ([1.0], [3.0])


def test_a_rule_that_names_what_is_not_there_is_refused_when_it_is_written() -> None:
    def function(x: np.ndarray, *, option: int) -> np.ndarray:
        return x

    with pytest.raises(TypeError, match=r"primitive function: the rule 'y' names \['y'\]"):
        Primitive(function, {"y": lambda g: g}, residual=False)
    with pytest.raises(TypeError, match=r"primitive function: the rule 'x' names \['weight'\]; known are \['option'"):
        Primitive(function, {"x": lambda g, weight: g}, residual=False)
    with pytest.raises(TypeError, match="residual"):
        Primitive(function, {"x": lambda g, residual: g}, residual=False)


def test_an_input_without_a_rule_gets_no_gradient() -> None:
    @tg.primitive(b=lambda g, a: g * a)
    def product(a: np.ndarray, b: Any = 2.0) -> np.ndarray:
        return a * b

    a, b = leaf(2.0), leaf(3.0)
    product(a, b).backward()
    assert a.grad is None
    assert gradient(b) == [2.0]
    assert not product(a, 3.0).requires_grad
    assert not product(a).requires_grad


def test_what_is_no_tensor_array_or_number_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="add: expected a Tensor, an array or a number, got NoneType"):
        Tensor(1.0) + None
    with pytest.raises(TypeError, match="exp: expected a Tensor, an array or a number, got str"):
        tg.exp("1")


def test_an_option_left_at_its_default_reaches_the_rule() -> None:
    @tg.primitive(x=lambda g, factor: g * factor)
    def scale(x: np.ndarray, *, factor: float = 2.0) -> np.ndarray:
        return x * factor

    x = leaf(1.0)
    (scale(x) + scale(x, factor=3.0)).backward()
    assert gradient(x) == [5.0]


def test_a_primitive_may_return_its_input_itself() -> None:
    @tg.primitive(x=lambda g: g)
    def identity(x: np.ndarray) -> np.ndarray:
        return x

    x = leaf(1.0, 2.0)
    y = identity(x)
    y.sum().backward()
    assert gradient(x) == [1.0, 1.0]
    assert x.data.flags.writeable
    assert y.detach().data is not x.grad


def test_a_primitive_without_rules_gives_constants() -> None:
    @tg.primitive()
    def half(x: np.ndarray) -> np.ndarray:
        return x / 2

    assert not half(leaf(1.0)).requires_grad
    assert half(np.array([2.0])).tolist() == [1.0]


def test_a_rule_that_returns_no_tensor_or_one_that_does_not_fit_is_named():
    @tg.primitive(x=lambda g: None)
    def forgetful(x):
        return x * 2

    @tg.primitive(x=lambda g: g.sum())
    def misshapen(x):
        return x * 2

    for op, got in ((forgetful, "NoneType"), (misshapen, r"\(\)")):
        with pytest.raises(TypeError, match=rf"{op.__name__}: a rule should return a Tensor that fits .*, got {got}"):
            op(tg.ones(3, requires_grad=True)).sum().backward()


def test_primitive_without_parentheses_says_how_it_is_written():
    with pytest.raises(TypeError, match=r"write @primitive\(x=rule\)"):
        tg.primitive(lambda x: x)


def test_a_function_that_returns_no_array_is_named_with_what_it_returned():
    @tg.primitive(x=lambda g: g)
    def forgetful(x):
        x * 2

    @tg.primitive(x=lambda g: g)
    def pair(x):
        return x, "aside"

    @tg.primitive(x=lambda g: g)
    def recording(x):
        return Tensor(x) * 2

    for op, got in (
        (forgetful, "None; does it end without `return`"),
        (pair, "tuple"),
        (recording, "Tensor"),
    ):
        for x in (Tensor(np.ones(2)), leaf(1.0)):
            with pytest.raises(TypeError, match=rf"^{op.__name__}: the function should return an array, got {got}"):
                op(x)


def test_a_function_with_a_residual_that_returns_no_pair_is_named():
    results = {
        "None": None,
        "ndarray": np.ones(2),
        "tuple": (1, 2, 3),
        "list": [np.ones(2), 1],
    }
    for got, result in results.items():

        @tg.primitive(residual=True, x=lambda g: g)
        def halves(x, *, given):
            return given

        with pytest.raises(
            TypeError, match=rf"^halves: the function should return \(out, residual\), as residual=True says, got {got}"
        ):
            halves(leaf(1.0), given=result)


def test_numbers_that_a_function_returns_become_arrays():
    @tg.primitive(x=lambda g, x_shape: g.expand(x_shape))
    def total(x):
        return float(x.sum())

    x = Tensor([1.0, 2.0], requires_grad=True)
    assert total(x).dtype == np.float32
    assert total(x).shape == ()
    total(x).backward()
    assert gradient(x) == [1.0, 1.0]


def test_users_see_the_public_names_of_operations():
    x, w = tg.ones(2, 3, requires_grad=True), tg.ones(4, 3)
    y = F.linear(x, w, tg.zeros(4))
    assert "made_by=linear" in repr(y)
    assert repr((x @ w.T)._source) == "<Node matmul (2, 4)>"
    assert repr(F.conv2d(tg.ones(1, 1, 3, 3), tg.ones(1, 1, 2, 2, requires_grad=True))._source).startswith(
        "<Node conv2d "
    )
    loss = (x @ w.T).sum()
    loss.backward()
    with pytest.raises(RuntimeError, match="what matmul kept for its gradient has been used and freed"):
        loss.backward()


def test_a_users_primitive_keeps_the_name_of_its_function():
    @tg.primitive(x=lambda g: g)
    def affine(x):
        return x + 1

    assert "made_by=affine" in repr(affine(leaf(1.0)))


def test_an_error_inside_a_rule_is_not_taken_for_a_freed_graph():
    def rule(g):
        raise KeyError("x")

    @tg.primitive(x=rule)
    def broken(x):
        return x * 2

    with pytest.raises(KeyError):
        broken(leaf(1.0)).backward()


def test_a_function_may_run_operations_and_whole_graphs_of_its_own():
    @tg.primitive(x=lambda g: g)
    def slope_of_inverse(x):
        inner = Tensor(x, requires_grad=True)
        (1 / inner).sum().backward()
        return inner.grad.data

    assert slope_of_inverse(leaf(2.0, 0.0)).tolist() == [-0.25, -math.inf]


def test_operations_warn_of_nothing_and_leave_numpys_settings_alone():
    before = np.geterr()
    x = leaf(0.0)
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        assert (1 / x).item() == math.inf
        x.log().backward()
        with pytest.raises(FloatingPointError):
            np.ones(1) / np.zeros(1)
    assert np.geterr() == before

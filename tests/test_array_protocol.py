"""NumPy's functions on Tensors: NumPy's values, this package's gradients, and no gradient that is lost in silence."""

from __future__ import annotations

import operator
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.array_cases import BESIDE, CASES
from tests.ops.cases.case import Case
from tinygrad_cnn import Tensor, array_table

ALL = [c for cases in CASES.values() for c in cases]


def flat(result: Any) -> list[Any]:
    return list(result) if isinstance(result, (list, tuple)) else [result]


def test_every_function_of_the_table_has_a_case() -> None:
    assert {*array_table.TABLE, *array_table.UFUNCS} == {*CASES}


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_values_are_numpys_and_gradients_those_of_finite_differences(case: Case) -> None:
    expected, inputs = case.fn(*case.inputs), case.tensors()
    found = case.fn(*inputs)
    assert type(found) is (type(expected) if isinstance(expected, (list, tuple, str, int)) else type(found))
    for a, b in zip(flat(expected), flat(found), strict=True):
        if isinstance(b, Tensor):
            np.testing.assert_allclose(b.data, a, rtol=1e-12, atol=1e-12)
            assert b.shape == np.shape(a)
            assert b.dtype == np.asarray(a).dtype
        else:
            np.testing.assert_array_equal(b, a)
    floats = [y for y in flat(found) if isinstance(y, Tensor) and y.requires_grad]
    if floats:
        assert tg.gradcheck(case.fn, inputs, order=2)


def test_float32_stays_float32() -> None:
    for case in ALL:
        if BESIDE not in case.name and case.name != "astype":
            found = [y.dtype for y in flat(case.fn(*case.tensors(np.float32))) if isinstance(y, Tensor)]
            assert {kind for kind in found if kind.kind == "f"} <= {np.dtype(np.float32)}, case.name


@pytest.mark.parametrize("function", list(CASES), ids=lambda function: function.__name__)
def test_a_gradient_is_there_wherever_a_result_could_have_one(function: Any) -> None:
    without = {*array_table.CONSTANT, *array_table.PLAIN, np.floor_divide}
    for c in CASES[function]:
        if any(x.dtype.kind == "f" for x in c.inputs):
            results = [y for y in flat(c.fn(*c.tensors())) if isinstance(y, Tensor) and y.dtype.kind == "f"]
            assert all(y.requires_grad for y in results) or function in without, c.name


# -- array on the left ----------------------------------------------------------------------------------------

ARRAYS: dict[str, Any] = {
    "array": np.array([[1.0, 2.0], [3.0, 4.0]]),
    "Fortran order": np.asfortranarray([[1.0, 2.0], [3.0, 4.0]]),
    "every second": np.arange(1.0, 17.0).reshape(4, 4)[::2, ::2],
    "0-d": np.array(2.0),
    "integers": np.array([[1, 2], [3, 4]]),
    "NumPy number": np.float64(2.5),
    "NumPy float32": np.float32(2.5),
    "Python number": 2.5,
    "a row of np.matrix": np.array([[1.0, 2.0]]).view(np.matrix),
    "memory map": np.array([1.0, 2.0]).view(np.memmap),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arithmetic_with_an_array_on_either_side_has_a_gradient(name: str) -> None:
    array = ARRAYS[name]
    for op in (operator.add, operator.sub, operator.mul, operator.truediv, operator.mod):
        for result, x in ((op(array, t := leaf()), t), (op(t := leaf(), array), t)):
            assert type(result) is Tensor
            assert type(result.data) is np.ndarray
            result.sum().backward()
            assert x.grad is not None
    expected = np.asarray(array) * leaf().data
    np.testing.assert_allclose((array * leaf()).data, expected)
    assert (array * leaf()).dtype == (
        np.float64 if np.ndim(array) and expected.dtype == np.float64 and "int" not in name else np.float32
    )


def leaf() -> Tensor:
    return Tensor([[2.0, 1.5], [1.0, 3.0]], requires_grad=True)


def test_a_product_of_matrices_has_a_gradient_with_an_array_on_the_left() -> None:
    x = leaf()
    (np.eye(2, dtype=np.float32) @ x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_writing_a_result_with_a_gradient_into_an_array_is_refused() -> None:
    array, x = np.ones((2, 2)), leaf()
    with pytest.raises(TypeError, match=r"np\.add: an array cannot hold .* write array = array \+ t .* t\.detach\(\)"):
        array += x
    with pytest.raises(TypeError, match=r"np\.exp: an array cannot hold"):
        np.exp(x, out=array)
    with pytest.raises(RuntimeError, match=r"detach\(\)"):
        array[...] = x
    with pytest.raises(RuntimeError, match=r"detach\(\)"):
        np.array([x, x])
    with pytest.raises(RuntimeError, match=r"detach\(\)"):
        np.array([x[0, 0], x[0, 1]])
    assert (array == 1).all()


def test_without_a_gradient_an_array_takes_the_result() -> None:
    array = same = np.ones((2, 2))
    array += leaf().detach()
    assert array is same
    assert array.tolist() == [[3.0, 2.5], [2.0, 4.0]]
    assert np.exp(Tensor([0.0]), out=(row := np.zeros(1))) is row
    assert row == 1
    assert np.array([Tensor(1.0), Tensor(2.0)]).tolist() == [1.0, 2.0]
    with pytest.raises(TypeError, match=r"np\.add: out= cannot be a Tensor; use t\.copy_\(result\)"):
        np.add(array, 1, out=Tensor(array))


# -- what is refused ------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "a ufunc": (np.arctan, r"np\.arctan has no rule for Tensors, .* use t\.detach\(\)\.numpy\(\)"),
    "a ufunc of two results": (lambda t: divmod(np.ones(2), t), r"np\.divmod has no rule"),
    "a function": (np.median, r"np\.median has no rule for Tensors"),
    "of linear algebra": (np.linalg.inv, r"np\.linalg\.inv has no rule"),
    "a fill value that may have a gradient": (lambda t: np.full_like(t, t[0, 0]), r"np\.full_like has no rule"),
    "like=": (lambda t: np.asarray([1.0], like=t), r"np\.asarray has no rule"),
    "out": (
        lambda t: np.sum(t, out=np.zeros(())),
        r"np\.sum of a Tensor: .*'out'; offered are a, axis, dtype, keepdims",
    ),
    "out in its place": (lambda t: np.max(t, 0, np.zeros(2)), r"np\.max of a Tensor: too many positional arguments"),
    "out of take": (lambda t: np.take(t, [0], out=np.zeros(1)), r"np\.take of a Tensor: .*'out'"),
    "where= of a sum": (lambda t: np.sum(t, where=np.eye(2) > 0), "'where'"),
    "initial=": (lambda t: np.max(t, initial=0), "'initial'"),
    "where= of a ufunc": (lambda t: np.exp(t, where=np.eye(2) > 0), r"np\.exp: where= .* np\.where\(condition"),
    "dtype=": (lambda t: np.add(t, 1, dtype=np.float64), r"np\.add: dtype= .* t\.to\(dtype\)"),
    "reduce": (np.subtract.reduce, r"np\.subtract\.reduce has no rule for Tensors; only np\.add, np\.multiply, .* can"),
    "where= of a reduction": (lambda t: np.add.reduce(t, where=np.eye(2) > 0), r"np\.sum of a Tensor: .*'where'"),
    "accumulate": (np.multiply.accumulate, r"np\.multiply\.accumulate .* use np\.cumsum"),
    "outer": (lambda t: np.add.outer(t, t), r"np\.add\.outer .* t\[:, None\]"),
    "at": (lambda t: np.add.at(t, 0, 1), r"np\.add\.at .* t\[index\] \+= values"),
    "at, with an array": (lambda t: np.add.at(np.ones(2), 0, t), r"np\.add\.at"),
    "reduceat": (lambda t: np.add.reduceat(t, [0]), r"np\.add\.reduceat .* slices"),
    "a matrix norm": (lambda t: np.linalg.norm(t, 2), r"np\.linalg\.norm: ord=2 has no rule"),
    "a nuclear norm": (lambda t: np.linalg.norm(t, "nuc"), r"np\.linalg\.norm: ord='nuc' has no rule"),
    "a mode of pad": (lambda t: np.pad(t, 1, "mean"), r"np\.pad: mode 'mean' has no rule"),
    "objects": (lambda t: np.array([1, None]) * t, "multiply|mul: expected numbers .*, got object from ndarray"),
    "texts": (lambda t: np.array(["a", "b"]) + t, "got <U1 from ndarray"),
    "complex numbers": (lambda t: np.array([1j, 2]) * t, "got complex128"),
    "a complex number": (lambda t: t * np.complex64(1j), "got complex64"),
    "a mask": (
        lambda t: t * np.ma.masked_equal([1.0, 2.0], 2),
        r"a masked array hides numbers.* array\.filled\(value\)",
    ),
    "a mask in a list": (lambda t: np.concatenate([t, np.ma.masked_equal([[1.0, 2.0]], 2)]), "a masked array hides"),
    "a mask, made a Tensor": (lambda t: Tensor(np.ma.masked_equal([1.0, 2.0], 2)), "a masked array hides"),
    "a mask, shared": (lambda t: tg.from_numpy(np.ma.masked_equal([1.0, 2.0], 2)), "a masked array hides"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_rule_names_the_alternative(name: str) -> None:
    call, message = REFUSED[name]
    with pytest.raises(TypeError, match=message):
        call(leaf())


def test_a_masked_array_on_the_left_does_not_lose_a_gradient() -> None:
    with pytest.raises(RuntimeError, match=r"detach\(\)"):
        np.ma.masked_equal([1.0, 2.0], 2) * leaf()


MISTAKES: dict[str, tuple[Callable[[Tensor], Any], type[Exception], str]] = {
    "axes of two lengths": (
        lambda t: np.tensordot(t, np.ones((3, 2)), 1),
        ValueError,
        r"np\.tensordot: axes \(1, 0\) differ in length \(a: \(2, 2\), b: \(3, 2\)\)",
    ),
    "rows of two lengths": (lambda t: np.dot(t, np.ones(3)), ValueError, r"np\.dot: axes \(1, 0\) differ in length"),
    "an axis twice": (lambda t: np.tensordot(t, t, ([0, 0], [0, 1])), ValueError, "pair each axis with one other"),
    "an axis without a pair": (
        lambda t: np.tensordot(t, t, ([0, 1], [0])),
        ValueError,
        "pair each axis with one other",
    ),
    "an axis that is not there": (lambda t: np.tensordot(t, t, ([2], [0])), IndexError, r"np\.tensordot: dim 2 is out"),
    "more axes than there are": (lambda t: np.tensordot(t, t, 3), IndexError, r"np\.tensordot: dim"),
    "a difference along no axis": (lambda t: np.diff(t, axis=2), IndexError, r"np\.diff: dim 2 is out of range"),
    "less than no difference": (lambda t: np.diff(t, -1), ValueError, r"np\.diff: n should be at least 0, got -1"),
    "a value for edges": (
        lambda t: np.pad(t, 1, "edge", constant_values=3),
        ValueError,
        r"np\.pad: mode 'edge' takes no constant_values",
    ),
    "a border that has a gradient": (lambda t: np.pad(t, 1, constant_values=t[0, 0]), RuntimeError, r"detach\(\)"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_the_arguments_is_named(name: str) -> None:
    call, kind, message = MISTAKES[name]
    with pytest.raises(kind, match=message):
        call(leaf())


def test_ufuncs_reduce_as_numpys_do() -> None:
    x = leaf()
    reductions: list[tuple[Any, Any]] = [
        (np.add, np.sum), (np.multiply, np.prod), (np.maximum, np.max), (np.minimum, np.min),
    ]  # fmt: skip
    for ufunc, function in reductions:
        for options in ({}, {"axis": 1, "keepdims": True}, {"axis": None}):
            y = ufunc.reduce(x, **options)
            np.testing.assert_array_equal(y.data, ufunc.reduce(x.data, **options))
            (got,), (expected,) = tg.grad(y.sum(), x), tg.grad(function(x, **{"axis": 0, **options}).sum(), x)
            assert got is not None
            assert expected is not None
            assert got.tolist() == expected.tolist()
    assert np.logical_and.reduce(x > 1).tolist() == [False, True]
    assert np.logical_or.reduce(x > 2, 1).tolist() == [False, True]


def test_numbers_beside_a_tensor_take_its_type_and_neither_overflow() -> None:
    x = Tensor([3e30, -np.inf])
    assert np.hypot(x, 4e30).tolist() == [np.float32(5e30), np.inf]
    assert np.logaddexp(-np.inf, x).tolist() == [np.float32(3e30), -np.inf]
    assert np.logaddexp(0.1, Tensor(np.zeros(1))).item() == np.logaddexp(0.1, 0.0)


# -- NumPy's meaning, not Torch's -----------------------------------------------------------------------------


def test_numpys_std_divides_by_the_count_and_the_methods_by_one_less() -> None:
    x = Tensor([1.0, 2.0, 3.0])
    assert np.std(x).item() == pytest.approx(np.std([1, 2, 3]))
    assert x.std().item() == pytest.approx(1.0)
    assert np.var(x, ddof=1).item() == pytest.approx(1.0)


def test_no_axis_is_no_axis_and_not_all() -> None:
    assert np.sum(leaf(), axis=()).shape == (2, 2)
    assert leaf().sum(dim=()).shape == ()


def test_options_at_their_defaults_ask_for_nothing() -> None:
    x = leaf()
    assert np.sum(x, out=None, where=True, dtype=None).item() == np.sum(x).item()
    assert np.exp(x, out=None, where=True).shape == (2, 2)
    assert np.concatenate([x, x], axis=None).shape == (8,)


def test_the_sign_of_nan_is_nan_in_numpy() -> None:
    assert np.isnan(np.sign(Tensor([np.nan]))).all()
    assert Tensor([np.nan]).sign().item() == 0


def test_half_precision_stays_half_precision() -> None:
    x = Tensor(np.array([1.0, 2.0], np.float16), requires_grad=True)
    y = np.exp(x) * np.array([1, 2], np.float16) + np.mean(x)
    y.sum().backward()
    assert y.dtype == np.float16
    assert x.grad is not None
    assert x.grad.dtype == np.float16


# -- the engine's modes ---------------------------------------------------------------------------------------


def test_nothing_is_recorded_without_grad() -> None:
    with tg.no_grad():
        assert not np.exp(leaf()).requires_grad
        assert not (np.ones(2) * leaf()).requires_grad


def test_gradients_can_be_differentiated_again() -> None:
    x = Tensor(3.0, requires_grad=True)
    (first,) = tg.grad(np.power(x, 3), x, create_graph=True)
    assert first is not None
    (second,) = tg.grad(np.sum(first), x)
    assert second is not None
    assert second.item() == 18.0


def test_threads_may_be_the_first_to_ask() -> None:
    code = """
import threading, numpy as np, tinygrad_cnn as tg
t, found = tg.Tensor([1.0, 2.0], requires_grad=True), []
threads = [threading.Thread(target=lambda: found.append(np.sum(np.ones(2) * t).item())) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(found == [3.0] * 8)
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "True\n"


def test_the_table_is_loaded_when_it_is_first_needed() -> None:
    code = "import sys, tinygrad_cnn as tg; t = tg.ones(2) * 2 + 1; print('tinygrad_cnn.array_protocol' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


class Foreign:
    """Another library's array, which knows of Tensors."""

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> str:
        return "foreign"

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> str:
        return "foreign"


def test_another_library_gets_its_turn() -> None:
    assert np.concatenate([leaf(), Foreign()]) == "foreign"  # type: ignore[comparison-overlap, list-item]
    assert np.add(leaf(), Foreign()) == "foreign"  # type: ignore[call-overload]

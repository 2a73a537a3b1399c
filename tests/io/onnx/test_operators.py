"""Every operation has an ONNX form that gives the same numbers, or says that it has none."""

from __future__ import annotations

import importlib
import pkgutil

import numpy as np
import pytest

pytest.importorskip("onnx")

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from tests.io.onnx.sessions import run
from tests.ops.cases import ALL, Case
from tests.ops.cases.case import case, normal
from tinygrad_cnn import Primitive, losses, ops
from tinygrad_cnn.io.onnx.export import to_model
from tinygrad_cnn.io.onnx.operators import BUILDERS, NO_FORM
from tinygrad_cnn.io.onnx.trace import Trace, trace

INTS, BOOLS, FLOATS = np.array([[-7, 0, 3], [5, -2, 4]]), np.array([True, False, True]), normal(2, 3)
STRANGE = np.array([1.5, -np.inf, np.nan, np.inf, 0.0, -2.0])
# Operations that carry no gradient, and those of integers and bools: the gradient's cases have none of them.
MORE = [
    *(case(op.__name__, op, FLOATS, np.array([0.0, FLOATS[0, 1], 1.0])) for op in
      (tg.eq, tg.ne, tg.lt, tg.le, tg.gt, tg.ge, tg.floor_divide, tg.maximum)),
    *(case(f"{op.__name__} of a bool and an int", op, BOOLS, INTS) for op in
      (tg.eq, tg.ne, tg.lt, tg.le, tg.gt, tg.ge, tg.logical_and, tg.logical_or, tg.logical_xor)),
    *(case(f"{op.__name__} of ints", op, INTS, np.array([2, -3, 5])) for op in
      (tg.add, tg.mul, tg.div, tg.floor_divide, tg.remainder, tg.bitwise_and, tg.bitwise_or, tg.bitwise_xor)),
    *(case(f"{op.__name__} of bools", op, BOOLS, ~BOOLS) for op in
      (tg.lt, tg.ge, tg.bitwise_and, tg.bitwise_or, tg.bitwise_xor)),
    *(case(f"{op.__name__} of floats", op, STRANGE) for op in
      (tg.isnan, tg.isinf, tg.isfinite, tg.logical_not, tg.any, tg.all, tg.sign, tg.relu)),
    *(case(f"{op.__name__} of ints alone", op, INTS) for op in
      (tg.isnan, tg.isfinite, tg.bitwise_not, tg.abs, tg.floor, tg.round, tg.sqrt, tg.sum, tg.prod, tg.argmax)),
    *(case(f"{op.__name__} of dim 1", lambda x, op=op: op(x, 1), FLOATS) for op in
      (tg.argmax, tg.argmin, tg.any, tg.all)),
    case("relu of ints", tg.relu, INTS),
    case("to float64, and numbers in it", lambda x: (x.double(), x.double() * 2, np.float64(3) * x.double()), FLOATS),
    case("argmax of bools", tg.argmax, BOOLS),
    case("bitwise_not of bools", tg.bitwise_not, BOOLS),
    case("floor_divide of floats", lambda x: x // 0.1, np.array([1.0, -0.3, 0.55])),
    case("remainder with either sign", lambda x: x % -2.5, STRANGE[[0, 4, 5]]),
    case("max_pool2d of integers", lambda x: F.max_pool2d(x.float(), 2), INTS[None, :, :2]),
    case("clamp of ints", lambda x: x.clamp(-2, 4), INTS),
    case("where of numbers", lambda c: tg.where(c, 1.5, 0.0), BOOLS),
    case("a constant", lambda x: (tg.ones(2), x), FLOATS),
    case("the input itself, twice", lambda x: (x, x), FLOATS),
    case("a result twice", lambda x: (x * 2, y := x + 1, y), FLOATS),
]  # fmt: skip

OVERFLOWS = {"norm of large numbers"}  # ONNX Runtime squares them


def traced(case: Case) -> tuple[Trace, dict[str, np.ndarray]]:
    inputs = {f"x{i}": x.astype(np.float32) if x.dtype.kind == "f" else x for i, x in enumerate(case.inputs)}
    return trace(lambda tensors: case.fn(*tensors), inputs, {}, {}), inputs


def test_every_primitive_is_in_the_table_or_in_the_list_of_those_without_a_form() -> None:
    modules = [importlib.import_module(m.name) for m in pkgutil.iter_modules(ops.__path__, "tinygrad_cnn.ops.")]
    values = [value for module in [*modules, losses] for value in vars(module).values()]
    primitives = [getattr(value, "primitive", None) for value in values]
    names = {primitive.name for primitive in primitives if isinstance(primitive, Primitive)}
    assert names - {*BUILDERS} - {*NO_FORM} == set(), "write a builder in tinygrad_cnn/io/onnx, or say why not"
    assert {*BUILDERS, *NO_FORM} - names == set(), "these tables name what there is"
    assert {*BUILDERS} & {*NO_FORM} == set()


def test_onnx_runtime_gives_the_same_numbers_for_every_case_of_every_operation() -> None:
    import onnx

    built: set[str] = set()
    wrong: dict[str, str] = {}
    for tried in [*ALL, *MORE]:
        recorded, inputs = traced(tried)
        try:
            model = to_model(recorded, {}, list(recorded.outputs))
        except NotImplementedError:
            continue
        built |= {step.primitive.name for step in recorded.steps}
        onnx.checker.check_model(model, full_check=True)
        expected = tried.outputs(tried.tensors(np.float32))
        for got, y in zip(run(model.SerializeToString(), inputs), expected, strict=True):
            fits = (got.shape, got.dtype) == (y.shape, y.dtype)
            if not fits or not np.allclose(got, y.data, rtol=1e-4, atol=1e-4, equal_nan=True):
                wrong[tried.name] = f"{got} is not {y}"
    assert wrong.keys() == OVERFLOWS, wrong
    assert {*BUILDERS} - built == set(), "a builder that no case tries"


def test_only_operations_without_a_form_are_refused() -> None:
    refused = {}
    for tried in [*ALL, *MORE]:
        recorded, _ = traced(tried)
        try:
            to_model(recorded, {}, list(recorded.outputs))
        except NotImplementedError as error:
            if not {step.primitive.name for step in recorded.steps} & {*NO_FORM}:
                refused[tried.name] = str(error)
    assert refused == {
        "softmax of a number": "export_onnx: softmax has no ONNX form: a single number has no axis",
        "to another float and back": f"export_onnx: ONNX has no type for {np.dtype(np.longdouble)}",
    }

"""What holds for every operation, whatever it computes: tried on each case of the gradient tables."""

from __future__ import annotations

import gc
import importlib
import inspect
import pickle
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from tests.ops.cases import ALL, Case
from tinygrad_cnn import Primitive, Tensor, ops
from tinygrad_cnn.autograd import Node

NO_OPERATIONS = {"as_tensor", "reflected"}
WITHOUT_GRADIENT = {
    "all", "any", "argmax", "argmin", "bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor",
    "channel_statistics", "eq",
    "floor_divide", "ge", "gt", "isfinite", "isinf", "isnan", "le", "logical_and", "logical_not", "logical_or",
    "logical_xor", "lt", "ne",
}  # fmt: skip
RETURN_THEIR_INPUT = {"contiguous", "type_as", "dropout in evaluation", "batch_norm"}


class Run(NamedTuple):
    """One case, forward and backward, and all primitives that ran on the way."""

    inputs: list[Tensor]
    outputs: list[Tensor]
    gradients: list[Tensor]
    events: list[tg.Event]


def run(case: Case, inputs: list[Tensor]) -> Run:
    """Backward from seeds 1, 2, 3, ..., with a graph of its own, so that the rules' calls are recorded too."""
    events: list[tg.Event] = []
    with tg.observe(events.append):
        outputs = case.outputs(inputs)
        differentiable = [y for y in outputs if y.requires_grad]
        gradients: list[Tensor] = []
        if differentiable:
            seeds = [seed(y) for y in differentiable]
            wanted = [x for x in inputs if x.requires_grad]
            found = tg.grad(differentiable, wanted, seeds, create_graph=True, allow_unused=True)
            gradients = [g for g in found if g is not None]
    return Run(inputs, outputs, gradients, events)


def seed(y: Tensor) -> Tensor:
    return Tensor(np.arange(1.0, y.numel() + 1).reshape(y.shape), requires_grad=True, dtype=y.dtype)


def rules_behind(events: list[tg.Event]) -> Iterator[tuple[Primitive, str]]:
    """The rules that a sweep calls for what these events recorded."""
    for event in events:
        if event.out.requires_grad:
            for i, x in enumerate(event.inputs):
                name = event.primitive.variadic or event.primitive.inputs[i]
                if isinstance(x, Tensor) and x.requires_grad and name in event.primitive.rules:
                    yield event.primitive, name


def test_every_rule_of_every_primitive_is_checked_by_some_case() -> None:
    primitives = {
        value.primitive
        for module in pkgutil.iter_modules(ops.__path__, "tinygrad_cnn.ops.")
        for value in vars(importlib.import_module(module.name)).values()
        if hasattr(value, "primitive")
    }
    rules = {(p, name) for p in primitives for name in p.rules}
    checked = {rule for case in ALL for rule in rules_behind(run(case, case.tensors()).events)}
    assert not {f"{p.name}: {name}" for p, name in rules - checked}
    assert len(primitives) > 50


def test_every_public_operation_has_a_case() -> None:
    public = {name for name, value in vars(ops).items() if callable(value) and not inspect.isclass(value)}
    public |= set(F.__all__)
    tried = {case.name.replace("(", " ").replace(",", " ").split()[0] for case in ALL}
    aliases = {"where_method": "where", "cast": "to"}
    assert not {n for n in public - WITHOUT_GRADIENT - NO_OPERATIONS if aliases.get(n, n) not in tried}
    assert public >= WITHOUT_GRADIENT | NO_OPERATIONS, "these lists name what there is"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_gradients_and_all_between_keep_the_inputs_dtype(dtype: Any) -> None:
    strangers = {}
    for case in ALL:
        _, outputs, gradients, events = run(case, case.tensors(dtype))
        found = {t.dtype for t in outputs + gradients if t.dtype.kind == "f"}
        found |= {e.out.dtype for e in events if e.out.dtype.kind == "f" and not is_exact_constant(e)}
        if found - {np.dtype(dtype), np.dtype(np.longdouble)}:
            strangers[case.name] = found
    assert not strangers


def is_exact_constant(event: tg.Event) -> bool:
    """Made of Python numbers, which have no dtype to keep, and not rounded in any."""
    floats = [x for x in event.inputs if isinstance(x, (Tensor, np.ndarray)) and x.dtype.kind == "f"]
    return not floats and bool((event.out.data == np.round(event.out.data)).all())


def test_float64_arrays_that_were_unpickled_are_float64_too() -> None:
    strangers = {}
    for case in ALL:
        arrays = [pickle.loads(pickle.dumps(x)) for x in case.inputs]
        inputs = [tg.Tensor(x, requires_grad=x.dtype.kind == "f") for x in arrays]
        found = {t.dtype for t in run(case, inputs).outputs if t.dtype.kind == "f"}
        if found - {np.dtype(np.float64)}:
            strangers[case.name] = found
    assert not strangers


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "Fortran order": lambda x: np.asarray(x, order="F"),
    "negative strides": lambda x: x[(slice(None, None, -1),) * x.ndim].copy()[(slice(None, None, -1),) * x.ndim],
    "every second element": lambda x: np.repeat(x, 2, -1)[..., ::2] if x.ndim else x,
    "a part of a larger array": lambda x: np.pad(x, 1)[(slice(1, -1),) * x.ndim],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_how_the_inputs_lie_in_memory_does_not_matter(layout: str) -> None:
    for case in ALL:
        expected = run(case, case.tensors())
        arrays = [np.asarray(LAYOUTS[layout](x)) for x in case.inputs]
        got = run(case, [tg.from_numpy(x).requires_grad_(x.dtype.kind == "f") for x in arrays])
        for a, b in zip(expected.outputs + expected.gradients, got.outputs + got.gradients, strict=True):
            np.testing.assert_allclose(b.data, a.data, rtol=1e-10, atol=1e-10, err_msg=case.name)


def test_a_leafs_gradient_lies_in_c_order_in_memory_of_its_own() -> None:
    for case in ALL:
        inputs = case.tensors(np.float32)
        outputs = [y for y in case.outputs(inputs) if y.requires_grad]
        seeds = [seed(y).detach() for y in outputs]
        for y, s in zip(outputs, seeds, strict=True):
            y.backward(s, retain_graph=True)
        others = [t.data for t in [*inputs, *outputs, *seeds]]
        for x in inputs:
            if x.grad is not None:
                array = x.grad.data
                assert array.shape == x.shape, case.name
                assert array.flags.c_contiguous, case.name
                assert array.flags.writeable, case.name
                assert not any(np.shares_memory(array, other) for other in others), case.name
                others.append(array)


def test_a_result_is_a_tensor_of_its_own() -> None:
    """So that writing into it, or asking it for a gradient, does nothing to the input."""
    same = {
        case.name
        for case in ALL
        if (r := run(case, case.tensors())) and any(y is x for y in r.outputs for x in r.inputs)
    }
    assert {name for name in same if not name.startswith(tuple(RETURN_THEIR_INPUT))} == set()


def test_no_operation_builds_a_cycle_so_counting_references_frees_every_graph() -> None:
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        for case in ALL:
            run(case, case.tensors())
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        assert not {getattr(x, "primitive", x) for x in gc.garbage if isinstance(x, (Node, Tensor, np.ndarray))}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
        gc.unfreeze()


def test_every_input_is_writable_again_when_its_graph_is_gone() -> None:
    stuck = {}
    for case in ALL:
        inputs = run(case, case.tensors()).inputs
        if not all(x.data.flags.writeable for x in inputs):
            stuck[case.name] = [x.data.flags.writeable for x in inputs]
    assert not stuck

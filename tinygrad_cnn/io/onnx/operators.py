"""How each operation is said in ONNX: a table from a primitive's name to what builds its nodes.

A builder takes a Call, adds nodes, and returns the name of the last one's output. An operation that is missing
here takes one line or one function: `BUILDERS["mish"] = lambda call: call.node("Mish", *call.inputs)`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .batch import Varying
from .graph import Call, Size
from .indexing import overwrite, take
from .layers import LAYERS
from .losses import LOSSES

Builder = Callable[[Call], str]

# Operations that have no ONNX form, and why.
IN_GRADIENTS = "it runs in gradients alone"
NO_FORM = {
    **dict.fromkeys(
        ("channel_sums", "convolve_weight", "cross_entropy_input", "layer_norm_input", "layer_norm_sums",
         "log_softmax_input", "loss_slopes", "nll_input", "normalize_input", "pool_winners", "put", "softmax_input",
         "sum_channels", "unpool_average", "unpool_max", "where_positive"),
        IN_GRADIENTS,
    ),
    "dropout": "it draws random numbers; in evaluation, pass training=self.training",
}  # fmt: skip

# Operations that are one node, of inputs in the result's dtype.
SAME = {
    "abs": "Abs", "add": "Add", "clone": "Identity", "contiguous": "Identity", "cos": "Cos", "div": "Div",
    "erf": "Erf", "exp": "Exp", "log": "Log", "matrix_product": "MatMul", "maximum": "Max", "minimum": "Min",
    "mul": "Mul", "neg": "Neg", "pow": "Pow", "reciprocal": "Reciprocal", "sigmoid": "Sigmoid",
    "sin": "Sin", "softplus": "Softplus", "sqrt": "Sqrt", "sub": "Sub", "tanh": "Tanh",
}  # fmt: skip
COMPARE = {"eq": "Equal", "ge": "GreaterOrEqual", "gt": "Greater", "le": "LessOrEqual", "lt": "Less"}
LOGIC = {"logical_and": "And", "logical_not": "Not", "logical_or": "Or", "logical_xor": "Xor"}
BITWISE = {"bitwise_and": "And", "bitwise_not": "Not", "bitwise_or": "Or", "bitwise_xor": "Xor"}
REDUCE = {"euclidean_over": "ReduceL2", "logsumexp_over": "ReduceLogSumExp", "max_over": "ReduceMax",
          "min_over": "ReduceMin", "sum_over": "ReduceSum"}  # fmt: skip

BUILDERS: dict[str, Builder] = {"overwrite": overwrite, "take": take, **LAYERS, **LOSSES}


def _table(kinds: dict[str, str], build: Callable[[Call, str], str]) -> None:
    BUILDERS.update({name: lambda call, kind=kind: build(call, kind) for name, kind in kinds.items()})  # type: ignore[misc]


def _builds(name: str) -> Callable[[Builder], Builder]:
    def enter(builder: Builder) -> Builder:
        BUILDERS[name] = builder
        return builder

    return enter


def _compare(call: Call, kind: str) -> str:
    dtype = call.common_dtype()
    if dtype.kind == "b" and kind != "Equal":
        dtype = np.dtype(np.int32)
    return call.node(kind, *(call.input(i, dtype) for i in range(len(call))))


def _reduce(call: Call, kind: str) -> str:
    if not call.options["dim"]:
        return call.node("Abs" if kind == "ReduceL2" else "Identity", *call.inputs)
    return call.over(kind, call.input(0), call.options["dim"], call.options["keepdim"])


@_builds("var_over")
def _variance(call: Call) -> str:
    dim, keepdim, (x,) = call.options["dim"], call.options["keepdim"], call.inputs
    deviation = call.node("Sub", x, call.over("ReduceMean", x, dim, True) if dim else x)
    squares = call.node("Mul", deviation, deviation)
    total = call.over("ReduceSum", squares, dim, keepdim) if dim else squares
    return call.node("Div", total, call.name(call.options["divisor"], call.dtype))


@_builds("std_over")
def _deviation(call: Call) -> str:
    return call.node("Sqrt", _variance(call))


_table(SAME, lambda call, kind: call.node(kind, *call.inputs))
_table(COMPARE, _compare)
_table(LOGIC, lambda call, kind: call.node(kind, *(call.input(i, bool) for i in range(len(call)))))
_table(BITWISE, lambda call, kind: call.node(kind if call.dtype.kind == "b" else f"Bitwise{kind}", *call.inputs))
_table(REDUCE, _reduce)


# -- elementwise -----------------------------------------------------------------------------------------


@_builds("ne")
def _ne(call: Call) -> str:
    return call.node("Not", _compare(call, "Equal"))


@_builds("relu")
def _relu(call: Call) -> str:
    return (
        call.node("Relu", *call.inputs)
        if call.dtype.kind == "f"
        else call.node("Max", *call.inputs, call.constant(0, call.dtype))
    )


@_builds("isnan")
def _isnan(call: Call) -> str:
    return call.node("IsNaN", _float(call))


@_builds("isinf")
def _isinf(call: Call) -> str:
    return call.node("IsInf", _float(call))


@_builds("isfinite")
def _isfinite(call: Call) -> str:
    x = _float(call)
    return call.node("Not", call.node("Or", call.node("IsNaN", x), call.node("IsInf", x)))


def _float(call: Call) -> str:
    return call.input(0, call.input_dtype() if call.input_dtype().kind == "f" else np.float32)


@_builds("cast")
def _cast(call: Call) -> str:
    return call.node("Identity", *call.inputs)  # inputs come in the result's dtype


@_builds("expm1")
def _expm1(call: Call) -> str:
    return call.node("Sub", call.node("Exp", *call.inputs), call.constant(1, call.dtype))


@_builds("log1p")
def _log1p(call: Call) -> str:
    return call.node("Log", call.node("Add", *call.inputs, call.constant(1, call.dtype)))


@_builds("rsqrt")
def _rsqrt(call: Call) -> str:
    return call.node("Reciprocal", call.node("Sqrt", *call.inputs))


@_builds("square")
def _square(call: Call) -> str:
    return call.node("Mul", *call.inputs * 2)


def _whole(call: Call, kind: str) -> str:
    return call.node(kind if call.dtype.kind == "f" else "Identity", *call.inputs)


_table({"ceil": "Ceil", "floor": "Floor", "round": "Round"}, _whole)


@_builds("remainder")
def _remainder(call: Call) -> str:
    a, b = call.inputs
    if call.dtype.kind != "f":
        return call.node("Mod", a, b)
    rest = call.node("Mod", a, b, fmod=1)  # has the sign of a, and should have that of b
    differs = call.node("Less", call.node("Mul", rest, b), call.constant(0, call.dtype))
    return call.node("Where", differs, call.node("Add", rest, b), rest)


@_builds("floor_divide")
def _floor_divide(call: Call) -> str:
    a, b = call.inputs
    quotient = call.node("Div", call.node("Sub", a, _remainder(call)), b)
    if call.dtype.kind != "f":
        return quotient
    by_zero = call.node("Equal", b, call.constant(0, call.dtype))  # infinite, or NaN
    return call.node("Where", by_zero, call.node("Div", a, b), call.node("Round", quotient))


@_builds("sign")
def _sign(call: Call) -> str:
    (x,), zero = call.inputs, call.constant(0, call.dtype)  # unlike ONNX's, 0 for NaN
    parts = (call.cast(call.node(kind, x, zero), call.dtype) for kind in ("Greater", "Less"))
    return call.node("Sub", *parts)


@_builds("where")
def _where(call: Call) -> str:
    return call.node("Where", call.input(0, bool), call.input(1), call.input(2))


@_builds("clip")
def _clip(call: Call) -> str:
    _, low, high = call.step.inputs
    name = call.input(0)
    name = name if _is_number(low, -np.inf) else call.node("Max", name, call.input(1))
    return call.node("Identity", name) if _is_number(high, np.inf) else call.node("Min", name, call.input(2))


def _is_number(thing: Any, number: float) -> bool:
    return type(thing) is float and thing == number


# -- reductions ------------------------------------------------------------------------------------------


def _arg(call: Call, kind: str) -> str:
    dtype = np.int32 if call.input_dtype().kind == "b" else call.input_dtype()
    return call.node(kind, call.input(0, dtype), axis=call.options["dim"], keepdims=int(call.options["keepdim"]))


def _truth(call: Call, kind: str) -> str:
    as_numbers = call.cast(call.input(0, bool), np.int32)
    return call.cast(call.over(kind, as_numbers, call.options["dim"], call.options["keepdim"]), bool)


_table({"argmax_over": "ArgMax", "argmin_over": "ArgMin"}, _arg)
_table({"any_over": "ReduceMax", "all_over": "ReduceMin"}, _truth)


@_builds("cumsum_along")
def _cumsum(call: Call) -> str:
    return call.node("CumSum", *call.inputs, call.constant(call.options["dim"], np.int64))


def _softmax(call: Call, kind: str) -> str:
    if not call.shape:
        call.refuse("a single number has no axis")
    return call.node(kind, *call.inputs, axis=call.options["dim"])


_table({"softmax_along": "Softmax", "log_softmax_along": "LogSoftmax"}, _softmax)


# -- shapes ----------------------------------------------------------------------------------------------


@_builds("reshape_to")
def _reshape(call: Call) -> str:
    return call.reshape(call.input(0), call.shape)


@_builds("reorder")
def _reorder(call: Call) -> str:
    return call.node("Transpose", *call.inputs, perm=call.options["order"])


@_builds("broadcast")
def _broadcast(call: Call) -> str:
    new, old = len(call.shape) - len(call.input_shape()), call.input_shape()
    kept = [i >= new and n == old[i - new] for i, n in enumerate(call.shape)]
    sizes: list[Size] = [1 if keep else n for keep, n in zip(kept, call.shape, strict=True)]  # 1 leaves what is there
    return call.node("Expand", *call.inputs, call.graph.sizes(sizes))


@_builds("flip_along")
def _flip(call: Call) -> str:
    dim = call.options["dim"]
    ends = [call.graph.sizes([end] * len(dim)) for end in (-1, np.iinfo(np.int64).min)]
    return call.node("Slice", *call.inputs, *ends, call.graph.sizes(dim), call.graph.sizes([-1] * len(dim)))


@_builds("concatenate")
def _concatenate(call: Call) -> str:
    return call.node("Concat", *call.inputs, axis=call.options["dim"])


@_builds("pad_constant")
def _pad(call: Call) -> str:
    before, after = zip(*call.options["widths"], strict=True)
    return call.node(
        "Pad", *call.inputs, call.graph.sizes(before + after), call.constant(call.options["value"], call.dtype)
    )


@_builds("contract")
def _contract(call: Call) -> str:
    return call.node("Einsum", *call.inputs, equation=call.options["equation"])


def build(call: Call) -> str:
    """The nodes of one operation; gives the result's name. Raises NotImplementedError where there is no ONNX form."""
    name = call.step.primitive.name
    if name not in BUILDERS:
        call.refuse(NO_FORM.get(name, "its builder is missing in tinygrad_cnn.io.onnx.operators.BUILDERS"))
    if any(isinstance(size, Varying) for size in call.shape):
        call.refuse("the size of its result depends on values, or on the batch size otherwise than by a factor")
    for option in call.options.values():
        if isinstance(option, Varying):
            call.refuse_varying(option)
    return BUILDERS[name](call)

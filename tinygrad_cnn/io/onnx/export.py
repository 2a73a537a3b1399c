"""export_onnx: a module's forward pass as an ONNX file."""

from __future__ import annotations

import copy
import inspect
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...arguments import checked
from ...extras import optional_import
from ...tensor import Tensor
from ..weights import texts, write_atomically
from .batch import BATCHES, Dim, Filled, Varying, merge
from .graph import IR_VERSION, OPSET, Call, Graph, element_type
from .operators import build
from .trace import Step, Trace, Value, trace

if TYPE_CHECKING:
    from ...nn import Module

LARGEST = 2**31  # bytes: a limit of protobuf's


@checked
def export_onnx(
    model: Module,
    example: Any,
    path: str | os.PathLike[str],
    *,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write what `model` computes in evaluation mode, with its weights, as an ONNX file.

    `example` is an input, a tuple of positional ones, or a dict of those by keyword; the first axis of each is the
    batch, of any size in the file. Inputs are named as in `forward`, outputs `output`, `output_0`, ... or by a
    dict's keys, unless other names are given; weights keep theirs. `metadata` goes into the file. ONNX Runtime has no
    float64 for convolution, average pooling, erf and softplus: call `model.float()` before.

    The model runs a few times, at other batch sizes and values, to see what depends on them; of integers, only the
    example's own are tried. Raises NotImplementedError, naming the operation and its module, for what ONNX has no form
    for or a graph can't follow; TypeError for what is no Module or no array; ValueError for names that do not fit, a
    model that changes when it runs, and weights of 2 GiB and more; MissingExtra without the onnx package.

    >>> import os, tempfile
    >>> import tinygrad_cnn as tg
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tg.export_onnx(tg.nn.Linear(3, 1), tg.zeros(1, 3), os.path.join(folder, "linear.onnx"))
    ...     os.listdir(folder)
    ['linear.onnx']
    """
    onnx = _onnx()
    if not hasattr(model, "named_modules"):
        raise TypeError(f"export_onnx: expected a Module, got {type(model).__name__}")
    about = texts(metadata, "export_onnx")
    inputs, call = _inputs(model, example, input_names)
    if (size := sum(tensor.data.nbytes for tensor in _state(model).values())) >= LARGEST:
        raise ValueError(f"export_onnx: the weights take {size:,} bytes, and an ONNX file holds less than {LARGEST:,}")
    traces = [_trace(model, call, {name: _batch(x, i) for name, x in inputs.items()}) for i in range(len(BATCHES))]
    whole = _merged(traces)
    outputs = _names("output", output_names, list(whole.outputs))
    if twice := [name for name in outputs if name in inputs]:
        raise ValueError(f"export_onnx: {twice[0]!r} names both an input and an output; give other output_names")
    state = {name: tensor.data for name, tensor in _state(model).items()}
    proto = to_model(whole, state, outputs, type(model).__name__)
    _check_one_item(whole, lambda: _trace(model, call, {name: x[:1] if x.ndim else x for name, x in inputs.items()}))
    onnx.helper.set_model_props(proto, about)
    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:  # such as a sum of bools
        raise NotImplementedError(f"export_onnx: ONNX can't say what this model does: {error}") from error
    write_atomically(Path(path), proto.SerializeToString())


def to_model(trace: Trace, state: Mapping[str, np.ndarray], output_names: Sequence[str], title: str = "model") -> Any:
    """A trace as an onnx.ModelProto."""
    onnx = _onnx()
    from onnx import helper

    graph = Graph(trace.inputs, state, [*(value.key for value in trace.inputs), *output_names])
    steps = _needed(trace)
    for step in steps:
        graph.names[step.out[:2]] = build(Call(graph, step))
    renamed: dict[str, str] = {}
    computed = {graph.names[step.out[:2]] for step in steps}
    infos = []
    for name, output in zip(output_names, trace.outputs.values(), strict=True):
        if isinstance(output, Varying):
            raise NotImplementedError(
                f"export_onnx: the output {name!r} changes with the batch size or the input's values, and was not "
                "computed by recorded operations"
            )
        if isinstance(output, Value):
            source = graph.value(output)
        elif isinstance(output, Filled):
            source = graph.node("", "Expand", graph.constant(output.value), graph.sizes(output.shape))
        else:
            source = graph.constant(output)
        if source in computed and source not in renamed:
            renamed[source] = name
        else:
            graph.nodes.append(helper.make_node("Identity", [source], [name], graph.unique(f"{name}/Identity")))
        infos.append(_info(name, output))
    for node in graph.nodes:
        for names in (node.input, node.output):
            names[:] = [renamed.get(name, name) for name in names]
    weights = [onnx.numpy_helper.from_array(array, name) for name, array in graph.initializers.items()]
    inputs = [_info(value.key, value) for value in trace.inputs]
    proto = helper.make_graph(graph.nodes, title, inputs, infos, weights)
    opset = helper.make_opsetid("", OPSET)
    return helper.make_model(proto, producer_name="tinygrad_cnn", opset_imports=[opset], ir_version=IR_VERSION)


def _onnx() -> Any:
    with optional_import():
        import onnx
        import onnx.checker
        import onnx.numpy_helper
        import onnx.shape_inference
    return onnx


def _info(name: str, value: Any) -> Any:
    """An input's or output's entry: name, type and shape."""
    from onnx import helper

    shape = [str(n) if isinstance(n, Dim) else int(n) for n in value.shape]
    return helper.make_tensor_value_info(name, element_type(value.dtype), shape)


# -- inputs and outputs ----------------------------------------------------------------------------------


def _inputs(
    model: Module, example: Any, names: Sequence[str] | None
) -> tuple[dict[str, np.ndarray], Callable[[Any, list[Tensor]], Any]]:
    """The inputs by name, and how the model is called with them."""
    if isinstance(example, Mapping):
        keys = list(example)
        examples = list(example.values())
        found = keys

        def call(model: Any, tensors: list[Tensor]) -> Any:
            return model(**dict(zip(keys, tensors, strict=True)))
    else:
        examples = list(example) if isinstance(example, (tuple, list)) else [example]
        found = _parameters_of(model.forward, len(examples))

        def call(model: Any, tensors: list[Tensor]) -> Any:
            return model(*tensors)

    arrays = {}
    for name, x in zip(_names("input", names, found), examples, strict=True):
        if not isinstance(x, (Tensor, np.ndarray)):
            raise TypeError(f"export_onnx: the example {name!r} should be a Tensor or an array, got {type(x).__name__}")
        arrays[name] = x.data if isinstance(x, Tensor) else x
    lengths = {name: len(x) for name, x in arrays.items() if x.ndim}
    if len(set(lengths.values())) != 1 or not all(lengths.values()):
        raise ValueError(
            "export_onnx: the first axis of every example is the batch: the same for all, and at least 1; got shapes "
            + (", ".join(f"{name} {x.shape}" for name, x in arrays.items()) or "of no example")
        )
    return arrays, call


def _parameters_of(forward: Callable[..., Any], count: int) -> list[str]:
    """The names of the positional parameters that get `count` arguments; those of *args are numbered."""
    parameters = inspect.signature(forward).parameters.values()
    found = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][:count]
    return found + [f"input_{i}" for i in range(len(found), count)]


def _names(kind: str, given: Sequence[str] | None, found: list[str]) -> list[str]:
    """The names for inputs or outputs: those given, if they are as many, else those found."""
    if given is not None and (isinstance(given, str) or len(given) != len(found)):
        raise ValueError(
            f"export_onnx: {kind}_names should be {len(found)} names, for {', '.join(found)}; got {given!r}"
        )
    names = found if given is None else list(given)
    if len(set(names)) != len(names) or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"export_onnx: each {kind} needs a name of its own, got {names}")
    return names


# -- traces ----------------------------------------------------------------------------------------------


def _state(model: Module) -> dict[str, Tensor]:
    return dict([*model.named_parameters(), *model.named_buffers()])


def _batch(x: np.ndarray, number: int) -> np.ndarray:
    """The example as the batch of trace `number`: of its size, in another order, and floats moved a little."""
    if not x.ndim:
        return x
    batch = x[(np.arange(BATCHES[number]) + number) % len(x)]
    if number and x.dtype.kind == "f":
        noise = np.random.default_rng(number).standard_normal(batch.shape)
        batch = batch + (noise * (float(x.std()) or 1.0) / 4).astype(x.dtype)
    return batch


def _trace(model: Module, call: Callable[[Any, list[Tensor]], Any], inputs: dict[str, np.ndarray]) -> Trace:
    """What a copy of the model computes; ValueError if its state changes meanwhile."""
    model = copy.deepcopy(model).eval()
    before = {name: tensor.data.copy() for name, tensor in _state(model).items()}
    paths = {id(module): name for name, module in model.named_modules()}
    found = trace(lambda tensors: call(model, tensors), inputs, _state(model), paths)
    for name, tensor in _state(model).items():
        if not np.array_equal(tensor.data, before[name], equal_nan=tensor.dtype.kind == "f"):
            raise ValueError(f"export_onnx: {name} changes when the model runs in evaluation mode")
    return found


def _merged(traces: Sequence[Trace]) -> Trace:
    """The traces as one. Raises NotImplementedError where they do not run the same operations."""
    ran = [[(step.primitive.public_name, step.path) for step in trace.steps] for trace in traces]
    for steps in itertools.zip_longest(*ran, fillvalue=("nothing more", "")):
        if len(set(steps)) > 1:
            seen = ", ".join(f"{name} in {path!r}" if path else name for name, path in steps)
            raise NotImplementedError(
                f"export_onnx: which operations run depends on the batch size or the input's values ({seen})"
            )
    whole = merge(traces)
    if isinstance(whole.outputs, Varying):
        raise NotImplementedError("export_onnx: how many outputs there are depends on the batch size")
    return whole


def _check_one_item(whole: Trace, trace_one: Callable[[], Trace]) -> None:
    """NotImplementedError where a batch of 1 gives other shapes than the rule for the rest says."""
    try:
        single = trace_one()
    except (IndexError, RuntimeError, ValueError):  # the model itself takes no batch of 1
        return
    for name, output in whole.outputs.items():
        expected = tuple(n.per_item + n.extra if isinstance(n, Dim) else n for n in getattr(output, "shape", ()))
        found = getattr(single.outputs.get(name), "shape", None)
        if not isinstance(output, Varying) and found != expected:
            raise NotImplementedError(
                f"export_onnx: {name!r} has shape {found} for a batch of 1, where larger ones make expect {expected}: "
                "squeeze() without an axis does so, and x[:2]"
            )


def _needed(trace: Trace) -> list[Step]:
    """The steps that lead to an output, in the order in which they ran."""
    needed = {output[:2] for output in trace.outputs.values() if isinstance(output, Value)}
    steps = []
    for step in reversed(trace.steps):
        if step.out[:2] in needed:
            needed |= {value[:2] for value in _values([step.inputs, *step.options.values()])}
            steps.append(step)
    return steps[::-1]


def _values(thing: Any) -> Iterator[Value]:
    if isinstance(thing, Value):
        yield thing
    elif isinstance(thing, (tuple, list)):
        for part in thing:
            yield from _values(part)

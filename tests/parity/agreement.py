"""Run a line of PyTorch code twice, with PyTorch and with tinygrad_cnn under its name, and compare what follows.

    agree("torch.where(x > 0, x, y).sum(dim=0)", x=normal(3, 4), y=normal(4))

Compared are: values, shapes, dtypes, which results require grad, the gradients of every float array with random
cotangents (by `backward` and by `grad`), and the derivatives of those gradients. An array whose name is a capital
is a constant.
"""

from __future__ import annotations

import contextlib
import math
import re
import warnings
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional

torch: Any = pytest.importorskip("torch")
torch.set_num_threads(1)  # for small tensors, the fastest

SINGLE, DOUBLE = (2e-4, 2e-5), (1e-8, 1e-9)  # tolerances: relative, absolute


def normal(*shape: int, dtype: str = "float64", seed: int = 0) -> np.ndarray:
    """Random numbers of either sign. Another shape or seed gives other numbers."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


def positive(*shape: int, dtype: str = "float64", seed: int = 0) -> np.ndarray:
    """Random numbers in [0.2, 2.2)."""
    return (np.random.default_rng([seed, *shape]).random(shape) * 2 + 0.2).astype(dtype)


def floats(values: Any) -> np.ndarray:
    return np.array(values, np.float64)


def cases(table: str) -> list[str]:
    """The entries of a table, which stand on lines of their own or at least two spaces apart."""
    return re.split(r"\s*\n\s*|\s{2,}", table.strip())


def lines(table: str, **words: str) -> pytest.MarkDecorator:
    """Run a test for each `line` of a table, with each of the `words` (tables too) in place of its {name}."""
    filled = cases(table)
    for name, choices in words.items():
        filled = [
            entry.replace(f"{{{name}}}", word)
            for entry in filled
            for word in (cases(choices) if f"{{{name}}}" in entry else [""])
        ]
    return pytest.mark.parametrize("line", filled)


class Library:
    """One of the two libraries, under the names that a line uses."""

    def __init__(self, module: Any, functional: Any, dtypes: dict[str, Any]) -> None:
        self.module, self.Tensor = module, module.Tensor
        self.names = {"torch": module, "F": functional, "inf": math.inf, "nan": math.nan, **dtypes}

    def tensor(self, array: np.ndarray, requires_grad: bool = False) -> Any:
        return self.module.tensor(array, requires_grad=requires_grad and array.dtype.kind == "f")

    def array(self, tensor: Any) -> np.ndarray:
        return tensor.data if self is OURS else tensor.numpy(force=True)

    def run(self, line: str, variables: dict[str, Any]) -> Any:
        """The value of the line, of its last expression where it is several statements."""
        statements, _, expression = line.rpartition(";")
        names = {**self.names, **variables}
        exec(statements, names)
        return eval(expression.strip(), names)

    def derivatives(self, outputs: list[Any], inputs: list[Any], cotangents: list[Any]) -> list[Any]:
        """As `torch.autograd.grad`, in a graph; None for an input where there is nothing to differentiate."""
        if not outputs:
            return [None] * len(inputs)
        return list(self.module.autograd.grad(outputs, inputs, cotangents, create_graph=True, allow_unused=True))


DTYPES = "float32", "float64", "int32", "int64"
OURS = Library(tg, tinygrad_cnn.functional, {name: np.dtype(name) for name in DTYPES})
THEIRS = Library(torch, torch.nn.functional, {name: getattr(torch, name) for name in DTYPES})


def agree(line: str, order: int = 2, **arrays: np.ndarray) -> None:
    """Both libraries make the same of the line, up to derivatives of the given order (0: of constants)."""
    with quiet():
        theirs = results(THEIRS, line, arrays, order)
    ours = results(OURS, line, arrays, order)
    single = any(np.asarray(a).dtype == np.float32 for a in (*arrays.values(), *theirs.values()))
    for label, expected in theirs.items():
        what, found = f"{label} of {line}", ours.get(label)
        if not isinstance(expected, np.ndarray):
            assert found == expected, f"{what}: {found}, in PyTorch {expected}"
            continue
        assert isinstance(found, np.ndarray), f"{what}: {found}, in PyTorch {expected}"
        kinds = (found.dtype, found.shape), (expected.dtype, expected.shape)
        assert kinds[0] == kinds[1], f"{what}: {kinds[0]}, in PyTorch {kinds[1]}"
        rtol, atol = SINGLE if single else DOUBLE
        np.testing.assert_allclose(found, expected, rtol, atol, err_msg=what)


def agree_in_both_precisions(line: str, order: int = 2, **arrays: np.ndarray) -> None:
    """`agree` with the float arrays as float64, then as float32."""
    for dtype in (np.float64, np.float32):
        agree(line, order, **{k: v.astype(dtype) if v.dtype.kind == "f" else v for k, v in arrays.items()})


def both_refuse(line: str, order: int = 0, **arrays: np.ndarray) -> None:
    """What PyTorch refuses, we refuse too, with an error that a caller may expect."""
    with quiet(), pytest.raises(Exception):  # noqa: B017, PT011
        results(THEIRS, line, arrays, order)
    with pytest.raises((RuntimeError, TypeError, ValueError, IndexError, ZeroDivisionError)):
        results(OURS, line, arrays, order)


def only_we_refuse(line: str, naming: str, **arrays: np.ndarray) -> None:
    """What PyTorch takes and we do not offer raises an error that names it."""
    with quiet():
        results(THEIRS, line, arrays, order=0)
    with pytest.raises((TypeError, NotImplementedError), match=naming):
        results(OURS, line, arrays, order=0)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without PyTorch's warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def results(library: Library, line: str, arrays: dict[str, np.ndarray], order: int) -> dict[str, Any]:
    """Everything that is compared, by its label."""
    leaves = {name: library.tensor(array, order > 0 and name.islower()) for name, array in arrays.items()}
    everything = flat(library.run(line, leaves))
    tensors = [isinstance(value, library.Tensor) for value in everything]
    found: dict[str, Any] = {
        f"result {i}": library.array(value) if tensor else value
        for i, (value, tensor) in enumerate(zip(everything, tensors, strict=True))
    }
    outputs = [value for value, tensor in zip(everything, tensors, strict=True) if tensor and value.requires_grad]
    found["which results require grad"] = [t and v.requires_grad for v, t in zip(everything, tensors, strict=True)]
    inputs = {name: leaf for name, leaf in leaves.items() if leaf.requires_grad}
    if not outputs:
        return found

    def record(order: str, of: dict[str, Any], gradients: list[Any]) -> None:
        for (name, x), g in zip(of.items(), gradients, strict=True):
            found[f"{order} derivative by {name}"] = np.zeros_like(library.array(x)) if g is None else library.array(g)

    random = np.random.default_rng(zlib.crc32(line.encode()))
    cotangents = [random_like(library.array(y), random) for y in outputs]
    for y, g in zip(outputs, cotangents, strict=True):
        y.backward(library.tensor(g), retain_graph=True)
    record("first", inputs, [x.grad for x in inputs.values()])
    if order < 2:
        return found

    seeds = {f"cotangent {i}": library.tensor(g, requires_grad=True) for i, g in enumerate(cotangents)}
    firsts = library.derivatives(outputs, list(inputs.values()), list(seeds.values()))
    record("first (in a graph)", inputs, firsts)
    # Whether a gradient that is 0 has a graph may differ; the random numbers must not.
    cotangents = [random_like(library.array(x), random) for x in inputs.values()]
    further = [i for i, g in enumerate(firsts) if g is not None and g.requires_grad]
    all_inputs = {**inputs, **seeds}
    seconds = library.derivatives(
        [firsts[i] for i in further],
        list(all_inputs.values()),
        [library.tensor(cotangents[i]) for i in further],
    )
    record("second", all_inputs, seconds)
    return found


def flat(value: Any) -> list[Any]:
    """The values in a nest of tuples and lists."""
    return [v for item in value for v in flat(item)] if isinstance(value, (tuple, list)) else [value]


def random_like(array: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return np.asarray(random.standard_normal(array.shape)).astype(array.dtype)

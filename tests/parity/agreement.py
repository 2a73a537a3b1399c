"""Run a line of PyTorch code twice, with PyTorch and with tinygrad_cnn under its name, and compare what follows.

    agree("torch.where(x > 0, x, y).sum(dim=0)", x=normal(3, 4), y=normal(4))

Compared are: values, shapes, dtypes, which results require grad, the gradients of every float array with random
cotangents (by `backward` and by `grad`), and the derivatives of those gradients.
"""

from __future__ import annotations

import contextlib
import math
import re
import types
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

Arrays = dict[str, np.ndarray]


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


class Library:
    """One of the two libraries, under the names that a line uses."""

    def __init__(self, module: types.ModuleType, functional: types.ModuleType, ours: bool) -> None:
        self.module, self.ours = module, ours
        self.names = {
            "torch": module,
            "F": functional,
            "inf": math.inf,
            "nan": math.nan,
            **{
                name: np.dtype(name) if ours else getattr(torch, name)
                for name in ("float32", "float64", "int32", "int64")
            },
        }

    def leaf(self, array: np.ndarray, requires_grad: bool = True) -> Any:
        wants = requires_grad and array.dtype.kind == "f"
        return tg.Tensor(array, requires_grad=wants) if self.ours else torch.tensor(array, requires_grad=wants)

    def constant(self, array: np.ndarray) -> Any:
        return tg.Tensor(array) if self.ours else torch.tensor(array)

    def run(self, line: str, leaves: dict[str, Any]) -> Any:
        """The value of the line, of its last expression where it is several statements."""
        statements, _, expression = line.rpartition(";")
        names = {**self.names, **leaves}
        exec(statements, names)
        return eval(expression.strip(), names)

    def is_tensor(self, value: Any) -> bool:
        return isinstance(value, tg.Tensor if self.ours else torch.Tensor)

    def array(self, tensor: Any) -> np.ndarray:
        return tensor.data if self.ours else tensor.numpy(force=True)

    def tensors(self, value: Any) -> list[Any]:
        """The tensors in a result, which may be a nest of tuples; numbers, shapes and the like as they are."""
        if isinstance(value, (tuple, list)):
            return [t for item in value for t in self.tensors(item)]
        return [value]

    def backward(self, outputs: list[Any], cotangents: list[np.ndarray], leaves: list[Any]) -> list[Any]:
        """First derivatives, by `backward` and without a graph."""
        for output, cotangent in zip(outputs, cotangents, strict=True):
            output.backward(self.constant(cotangent), retain_graph=True)
        return [leaf.grad for leaf in leaves]

    def grad(self, outputs: list[Any], inputs: list[Any], cotangents: list[Any]) -> list[Any]:
        """Derivatives in a graph; None where there is nothing to differentiate."""
        if not outputs or not inputs:
            return [None] * len(inputs)
        return list(self.module.autograd.grad(outputs, inputs, cotangents, create_graph=True, allow_unused=True))


OURS = Library(tg, tinygrad_cnn.functional, ours=True)  # type: ignore[attr-defined]
THEIRS = Library(torch, torch.nn.functional, ours=False)


def agree(line: str, order: int = 2, tolerance: tuple[float, float] | None = None, **arrays: np.ndarray) -> None:
    """Both libraries make the same of the line, up to derivatives of the given order (0: of constants)."""
    with quiet():
        theirs = _results(THEIRS, line, arrays, order)
    ours = _results(OURS, line, arrays, order)
    kinds = [a.dtype for _, a in theirs if isinstance(a, np.ndarray)] + [a.dtype for a in arrays.values()]
    rtol, atol = tolerance or (SINGLE if np.dtype(np.float32) in kinds else DOUBLE)
    for (label, mine), (_, reference) in zip(ours, theirs, strict=True):
        _compare(mine, reference, f"{label} of {line}", rtol, atol)


def agree_in_both_precisions(line: str, order: int = 2, **arrays: np.ndarray) -> None:
    """`agree` with the float arrays as float64, then as float32."""
    for dtype in (np.float64, np.float32):
        agree(line, order, **{k: v.astype(dtype) if v.dtype.kind == "f" else v for k, v in arrays.items()})


def both_refuse(line: str, order: int = 0, **arrays: np.ndarray) -> None:
    """What PyTorch refuses, we refuse too, with an error that a caller may expect."""
    with pytest.raises((RuntimeError, TypeError, ValueError, IndexError, NotImplementedError, AttributeError)):
        with quiet():
            _results(THEIRS, line, arrays, order)
    with pytest.raises((RuntimeError, TypeError, ValueError, IndexError, NotImplementedError)):
        _results(OURS, line, arrays, order)


def only_we_refuse(line: str, naming: str, **arrays: np.ndarray) -> None:
    """What PyTorch takes and we do not offer raises an error that names it."""
    with quiet():
        _results(THEIRS, line, arrays, order=0)
    with pytest.raises((TypeError, NotImplementedError), match=naming):
        _results(OURS, line, arrays, order=0)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without PyTorch's warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def _results(library: Library, line: str, arrays: Arrays, order: int) -> list[tuple[str, Any]]:
    """Everything that is compared, with a label."""
    found: list[tuple[str, Any]] = []
    leaves = {name: library.leaf(array, order > 0) for name, array in arrays.items()}
    outputs = library.tensors(library.run(line, leaves))
    found += [("result", _value(library, output)) for output in outputs]
    wanted = [i for i, o in enumerate(outputs) if library.is_tensor(o) and o.requires_grad]
    found.append(("which results require grad", wanted))
    inputs = {name: leaf for name, leaf in leaves.items() if leaf.requires_grad}
    if not wanted:
        return found
    outputs = [outputs[i] for i in wanted]
    random = np.random.default_rng(zlib.crc32(line.encode()))
    cotangents = [_cotangent(random, library.array(o)) for o in outputs]

    firsts = library.backward(outputs, cotangents, list(inputs.values()))
    found += [
        (f"gradient of {name} in the result", _or_zero(library, g, leaf))
        for (name, leaf), g in zip(inputs.items(), firsts, strict=True)
    ]
    if order == 1:
        return found
    seeds = {f"cotangent {i}": library.leaf(c) for i, c in enumerate(cotangents)}
    firsts = library.grad(outputs, list(inputs.values()), list(seeds.values()))
    found += [
        (f"gradient of {name}, in a graph, in the result", _or_zero(library, g, leaf))
        for (name, leaf), g in zip(inputs.items(), firsts, strict=True)
    ]
    # Which first gradients need a second sweep may differ where it is zero; the random weights must not.
    weights = [_cotangent(random, library.array(leaf)) for leaf in inputs.values()]
    useful = [i for i, g in enumerate(firsts) if g is not None and g.requires_grad]
    below = {**inputs, **seeds}
    seconds = library.grad(
        [firsts[i] for i in useful], list(below.values()), [library.constant(weights[i]) for i in useful]
    )
    found += [
        (f"second derivative, by {name}, in the result", _or_zero(library, g, leaf))
        for (name, leaf), g in zip(below.items(), seconds, strict=True)
    ]
    return found


def _value(library: Library, value: Any) -> Any:
    return library.array(value) if library.is_tensor(value) else value


def _cotangent(random: np.random.Generator, like: np.ndarray) -> np.ndarray:
    return np.asarray(random.standard_normal(like.shape)).astype(like.dtype)


def _or_zero(library: Library, g: Any, leaf: Any) -> np.ndarray:
    return np.zeros_like(library.array(leaf)) if g is None else library.array(g)


def _compare(mine: Any, reference: Any, what: str, rtol: float, atol: float) -> None:
    if not isinstance(reference, np.ndarray):
        assert mine == reference, what
        return
    assert isinstance(mine, np.ndarray), what
    assert mine.shape == reference.shape, what
    assert mine.dtype == reference.dtype, what
    if reference.dtype.kind != "f":
        np.testing.assert_array_equal(mine, reference, what)
        return
    np.testing.assert_allclose(mine, reference, rtol, atol, err_msg=what)

"""Gradients checked against finite differences, to any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .arguments import checked
from .autograd import grad
from .modes import enable_grad, no_grad
from .tensor import Tensor


@checked
def gradcheck(
    fn: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    order: int = 1,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
) -> bool:
    """Check the gradients of `fn(*inputs)` with respect to every input that requires grad; True, or raises.

    Works in float64 on copies, of any shapes. The result, a Tensor or a sequence of them, is weighted with random
    numbers and summed; each derivative of that sum must lie within `atol + rtol * |difference|` of its central
    difference over `2 * eps`. Over a whole input, in the Euclidean norm, they must agree ten times closer, for
    rounding averages out: a rule that is wrong by a factor of 1.001 does not pass. For `order` > 1 the gradient,
    as a function of the inputs and the weights, is checked in turn. Raises AssertionError that names the worst
    entry, and ValueError if no input requires grad.

    >>> import tinygrad_cnn as tg
    >>> x = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> tg.gradcheck(lambda x: (x**3).sum(), x, order=2)
    True
    """
    if order < 1:
        raise ValueError(f"gradcheck: order must be at least 1, got {order}")
    if not 0 < eps < np.inf:
        raise ValueError(f"gradcheck: eps must be a number above 0, got {eps}")
    sequence = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    _check(fn, [_float64(x) for x in sequence], 1, order, eps, atol, rtol)
    return True


def _check(
    fn: Callable[..., Any], copies: list[Any], derivative: int, order: int, eps: float, atol: float, rtol: float
) -> None:
    """Check one derivative of `fn`, and from there those up to `order`."""
    checked = [i for i, x in enumerate(copies) if isinstance(x, Tensor) and x.requires_grad]
    if not checked:
        raise ValueError("gradcheck: no input requires grad; make one with Tensor(..., requires_grad=True)")
    generator = np.random.default_rng(0)
    weights = [generator.uniform(0.5, 1.5, y.shape) for y in _outputs(fn(*copies))]

    def weighted() -> float:
        with no_grad():
            results = _outputs(fn(*copies))
            return float(sum((y.data * w).sum() for y, w in zip(results, weights, strict=True)))

    variables = [copies[i] for i in checked]
    analytic = _gradient(fn, copies, variables, [Tensor(w) for w in weights], create_graph=False)
    for i, x, a in zip(checked, variables, analytic, strict=True):
        numeric = np.empty(x.shape)
        for place in np.ndindex(x.shape):
            before = x.data[place]
            ends = []
            for step in (eps, -eps):
                x.data = x.data.copy()  # a live graph may hold the old array
                x.data[place] = before + step
                ends.append(weighted())
            x.data[place] = before
            numeric[place] = (ends[0] - ends[1]) / (2 * eps)
        what = f"derivative {derivative}, input {i}"
        _compare(np.zeros(x.shape) if a is None else a.data, numeric, what, atol, rtol)
    if derivative < order:

        @enable_grad()
        def gradient(*arguments: Any) -> list[Tensor]:
            values, seeds = arguments[: len(copies)], arguments[len(copies) :]
            points = [values[i] for i in checked]
            found = _gradient(fn, values, points, seeds, create_graph=True)
            return [x * 0.0 if g is None else g for x, g in zip(points, found, strict=True)]

        seeds = [Tensor(w, requires_grad=True) for w in weights]
        _check(gradient, [*copies, *seeds], derivative + 1, order, eps, atol, rtol)


def _float64(x: Any) -> Any:
    if not isinstance(x, Tensor):
        return x
    return Tensor(x, x.requires_grad, np.float64 if x.dtype.kind == "f" else None)


def _outputs(result: Any) -> list[Tensor]:
    return [result] if isinstance(result, Tensor) else list(result)


def _gradient(
    fn: Callable[..., Any], inputs: Any, variables: list[Tensor], seeds: Any, create_graph: bool
) -> tuple[Tensor | None, ...]:
    """The gradient of the seeded outputs; None for a variable that none of them depends on."""
    pairs = [(y, seed) for y, seed in zip(_outputs(fn(*inputs)), seeds, strict=True) if y.requires_grad]
    if not pairs:
        return (None,) * len(variables)
    outputs, kept_seeds = zip(*pairs, strict=True)
    return grad(outputs, variables, kept_seeds, create_graph=create_graph, allow_unused=True)


def _compare(analytic: np.ndarray, numeric: np.ndarray, what: str, atol: float, rtol: float) -> None:
    error, size = np.abs(analytic - numeric), np.linalg.norm(numeric.ravel())
    excess = np.where(np.isfinite(error), error - (atol + rtol * np.abs(numeric)), np.inf)
    whole = np.linalg.norm(error.ravel())
    if error.size and (excess.max() > 0 or whole > (atol * np.sqrt(error.size) + rtol * size) / 10):
        place = tuple(int(i) for i in np.unravel_index(np.argmax(excess), excess.shape))
        raise AssertionError(
            f"gradcheck: {what}: at {place} the rules give {analytic[place]:.9g} and finite differences "
            f"{numeric[place]:.9g}; no entry is worse. {int((excess > 0).sum())} of {error.size} lie outside "
            f"atol={atol:g} and rtol={rtol:g}; together they are off by {whole:.3g} in {size:.3g}"
        )

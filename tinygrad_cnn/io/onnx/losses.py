"""Losses in ONNX: of a prediction and its target, element by element, and of class indices; their mean or sum."""

from __future__ import annotations

from collections.abc import Callable

from .graph import Call


def _loss(formula: Callable[[Call, str, str], str]) -> Callable[[Call], str]:
    """The builder of a loss: the formula's elements, reduced as the call says."""

    def build(call: Call) -> str:
        losses = formula(call, *call.inputs)
        kind = {"mean": "ReduceMean", "sum": "ReduceSum"}.get(call.options["reduction"])
        return losses if kind is None else call.node(kind, losses, keepdims=0)

    return build


def _squared(call: Call, x: str, target: str) -> str:
    difference = call.node("Sub", x, target)
    return call.node("Mul", difference, difference)


def _absolute(call: Call, x: str, target: str) -> str:
    return call.node("Abs", call.node("Sub", x, target))


def _huber(call: Call, x: str, target: str) -> str:
    """near * (size - near / 2), where near is the size up to delta."""
    size = _absolute(call, x, target)
    near = call.node("Min", size, call.constant(call.options["delta"], call.dtype))
    half = call.node("Mul", near, call.constant(0.5, call.dtype))
    return call.node("Mul", near, call.node("Sub", size, half))


def _smooth_l1(call: Call, x: str, target: str) -> str:
    return call.node("Div", _huber(call, x, target), call.constant(call.options["delta"], call.dtype))


def _of_probabilities(call: Call, x: str, target: str) -> str:
    """Minus the sum of each outcome's share times its logarithm, which is held above -100."""
    one, least = call.constant(1, call.dtype), call.constant(-100, call.dtype)
    terms = []
    for share, chance in ((target, x), (call.node("Sub", one, target), call.node("Sub", one, x))):
        terms.append(call.node("Mul", share, call.node("Max", call.node("Log", chance), least)))
    return call.node("Neg", call.node("Add", *terms))


def _of_logits(call: Call, x: str, target: str) -> str:
    """softplus(x) - x * target."""
    return call.node("Sub", call.node("Softplus", x), call.node("Mul", x, target))


def _of_classes(kind: str) -> Callable[[Call], str]:
    """The builder of a loss of class indices, which are -1 where a target does not count."""
    return lambda call: call.node(
        kind, call.input(0), call.name(call.options["index"]), ignore_index=-1, reduction=call.options["reduction"]
    )


LOSSES = {
    "binary_cross_entropy": _loss(_of_probabilities),
    "binary_cross_entropy_with_logits": _loss(_of_logits),
    "cross_entropy": _of_classes("SoftmaxCrossEntropyLoss"),
    "huber_loss": _loss(_huber),
    "l1_loss": _loss(_absolute),
    "mse_loss": _loss(_squared),
    "nll_loss": _of_classes("NegativeLogLikelihoodLoss"),
    "smooth_l1_loss": _loss(_smooth_l1),
}

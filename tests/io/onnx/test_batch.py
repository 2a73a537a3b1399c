"""The batch axis of an exported model is free, wherever its size turns up; what a graph can't follow is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from tests.io.onnx.sessions import agree, run
from tinygrad_cnn import Tensor, nn
from tinygrad_cnn.io.onnx.batch import Dim, Filled, Varying, merge


class Model(nn.Module):
    """A function as a module."""

    def __init__(self, function: Any) -> None:
        self.forward = function


FOLLOWED = {
    "flatten": lambda x: x.flatten(1),
    "flatten with the batch": lambda x: x.flatten(0, 1),
    "its size asked for": lambda x: x.reshape(x.shape[0], 2, 6),
    "the batch in the middle": lambda x: x.permute(1, 0, 2).reshape(2, -1, 3, 2),
    "the batch in two places": lambda x: (x.flatten(1) @ x.flatten(1).T).reshape(x.shape[0], 1, x.shape[0]),
    "a mean over the batch": lambda x: x - x.mean(0),
    "a mean over everything": lambda x: x.mean().expand(x.shape[0]),
    "an unbiased deviation": lambda x: (x - x.mean(0)) / (x.std(0) + x.var() + 1),
    "a softmax over the batch": lambda x: x.softmax(0).cumsum(0),
    "zeros of its size": lambda x: x + tg.zeros(x.shape[0], 1, 6),
    "zeros of its size alone": lambda x: tg.zeros_like(x),
    "ones behind it": lambda x: tg.cat([x, tg.ones(len(x), 2, 1)], -1),
    "a parameter repeated": lambda x: tg.ones(1, 2).expand(len(x), 2) + x[:, :, 0],
    "the last item": lambda x: x[-1:] + x[len(x) - 1],
    "all but the first": lambda x: tg.cat([x[1:], x[:1]]),
    "to its own size": lambda x: x[: x.shape[0]] * x.shape[0],
    "backwards": lambda x: x[::-1].flip(2),
    "new axes and ints": lambda x: x[:, None, 0, ::2],
    "arrays of indices": lambda x: x[:, [1, 0, 1]][:, np.array([0, 2]), np.array([1, 5])],
    "arrays apart": lambda x: x[:, [1, 0], None, [2, 2]],
    "a mask": lambda x: x[:, np.array([False, True])],
    "the largest": lambda x: x.max(2).values,
    "where the largest is": lambda x: x.max(1).indices * 2,
    "the place of the smallest, looked up": lambda x: x.gather(2, x.argmin(2, keepdim=True)),
    "picked by a computed index": lambda x: tg.Tensor([3.0, 1.0])[(x.sum((1, 2)) > 0).long()],
    "batch norm of the batch itself": lambda x: F.batch_norm(x, None, None, training=True),
    "layer norm": lambda x: F.layer_norm(x, (2, 6)),
    "matmul with more axes": lambda x: x @ tg.ones(6, 4),
    "linear with more axes": lambda x: F.linear(x, tg.ones(4, 6), tg.ones(4)),
    "einsum": lambda x: tg.einsum("b...i,b...i->b...", x, x),
    "a product of features": lambda x: x.prod(1),
    "zeros of two types": lambda x: tg.maximum(x.double(), 0.0) + (x.long() + 0),
    "written in place": lambda x: _doubled(x * 1),
    "no gradient": tg.no_grad()(lambda x: (x * 2).detach().clone() + x.data),
    "dropout that rests": lambda x: F.dropout(x, 0.5, training=False) + 0.0,
}


def _doubled(x: Tensor) -> Tensor:
    x *= 2
    x += x.sum(2, keepdim=True)
    return x


@pytest.mark.parametrize("what", FOLLOWED)
def test_the_batch_is_followed_through(what: str, tmp_path: Path) -> None:
    agree(Model(FOLLOWED[what]), tmp_path / "m.onnx", 2, 6)


REFUSED = {
    "a number for each item": (lambda x: x[:, 0, 0] * np.arange(len(x)), "mul has no ONNX form: it takes an array"),
    "numbers read from the input": (lambda x: x * float(x.data.max()), "mul has no ONNX form: it takes"),
    "an array computed beside": (lambda x: x * np.abs(x.data), "not computed by recorded operations"),
    "a size that is no multiple": (lambda x: x.sum() * len(x) ** 2, "mul has no ONNX form: it takes 4"),
    "half a batch": (
        lambda x: x[: len(x) // 2],
        "getitem has no ONNX form: the size of its result depends on values, or on",
    ),
    "other operations for more items": (lambda x: x if len(x) < 3 else x * 2, "which operations run depends"),
    "another result for more items": (lambda x: [x * 2, x + 1][len(x) % 2], "'output' changes with the batch size"),
    "another operand for more items": (
        lambda x: [x * 2, x + 1][len(x) % 2].exp(),
        "exp has no ONNX form: it takes an array of shape (2, 2, 6), which changes",
    ),
    "a product over the batch": (lambda x: x.prod(0), "which operations run depends on the batch size"),
    "a loop over items": (lambda x: tg.stack([y.sum() for y in x]), "which operations run depends"),
    "random numbers": (lambda x: F.dropout(x, 0.5, training=True), "dropout has no ONNX form: it draws random"),
    "a mask that is computed": (lambda x: x[x > 0], "the size of its result depends on values"),
    "an output that is no operation's": (lambda x: Tensor(x.data * 2), "'output' changes with the batch size"),
    "as many outputs as items": (lambda x: [x[0]] * len(x), "how many outputs there are"),
    "images whose size is the batch's": (lambda x: F.max_pool2d(x.permute(1, 0, 2), 2, 1), "size of images or kernels"),
    "a write into one item": (lambda x: _written(x * 1, 0), "setitem has no ONNX form: it writes to some items"),
    "a write into all items but one": (lambda x: _written(x * 1, slice(1, None)), "it writes to some items"),
    "a write into items backwards": (lambda x: _written(x * 1, slice(None, None, -1), x), "it writes to some items"),
    "a write where numbers say": (
        lambda x: _written(x * 1, (slice(None), 0, x[0].argmax() % 6)),
        "setitem has no ONNX form: it writes to places",
    ),
    "a mask of the first axes": (lambda x: _written(x * 1, x[:, :, 0] > 0), "it writes to places"),
    "several values into a mask": (
        lambda x: _written(x * 1, x > -np.inf, x.reshape(-1)),
        "setitem has no ONNX form: it writes several values",
    ),
    "a write without gradients": (tg.no_grad()(lambda x: _written(x * 1, 0)), "a write that is not recorded"),
    "a write into the array": (lambda x: x.data.fill(0), "a write that is not recorded"),
    "an axis that goes where the batch is one": (lambda x: x.squeeze(), "has shape (2, 6) for a batch of 1"),
    "the first two items": (lambda x: x[:2], "has shape (1, 2, 6) for a batch of 1, where larger ones make expect (2,"),
    "classes that do not count": (
        lambda x: F.cross_entropy(x[:, :, 0], (x[:, 0, 0] > 0).long(), ignore_index=0),
        "cross_entropy has no ONNX form: it takes an array of shape (2,), which changes",
    ),
    "float128": (lambda x: x.to(np.longdouble), "ONNX has no type for"),
    "a sum of truths": (lambda x: (x > 0) + (x > 1), "ONNX can't say what this model does"),
}


def _written(x: Tensor, index: Any, value: Any = 1.0) -> Tensor:
    x[index] = value
    return x


def test_an_integer_that_python_reads_is_seen_to_vary_with_the_items(tmp_path: Path) -> None:
    with pytest.raises(NotImplementedError, match="mul has no ONNX form: it takes 1, which changes"):
        tg.export_onnx(Model(lambda group: group * int(group[0])), tg.Tensor([1, 3]), tmp_path / "m.onnx")


WHOLE = slice(None)
WRITES = {
    "a number": ((WHOLE, 0), 1.0),
    "what is broadcast": ((WHOLE, 1), lambda x: x.sum()),
    "a value with an axis too many": ((WHOLE, 1), lambda x: x[None, :, 0]),
    "part of the features": ((Ellipsis, slice(1, 4)), lambda x: x[..., :3]),
    "backwards": ((WHOLE, WHOLE, slice(None, None, -1)), lambda x: x),
    "arrays": ((WHOLE, [1, 0], [2, 5]), lambda x: x[:, 0, :2]),
    "one array twice at a place": ((WHOLE, WHOLE, [3, 3, 0]), lambda x: x[:, :, :3]),
    "a mask": ((WHOLE, WHOLE, np.array([True, False] * 3)), lambda x: x[:, :, 3:]),
    "a computed mask": (lambda x: x > 0, 0.5),
    "nothing": ((WHOLE, []), 1.0),
    "new axes": ((WHOLE, None, 0), 2.0),
    "the batch behind an array's axis": (
        (WHOLE, None, [0, 1], None, [1, 2]),
        lambda x: x[:, 0, :2].T[:, :, None, None],
    ),
}


@pytest.mark.parametrize("what", WRITES)
def test_what_is_written_is_followed(what: str, tmp_path: Path) -> None:
    index, value = WRITES[what]

    def write(x: Tensor) -> Tensor:
        at, given = (part(x) if callable(part) else part for part in (index, value))
        return _written(x * 1, at, given)

    agree(Model(write), tmp_path / "m.onnx", 2, 6)


def test_a_batch_that_is_no_first_axis_is_written_to(tmp_path: Path) -> None:
    agree(Model(lambda x: _written(x.permute(1, 2, 0) * 1, (1, [1, 2]), x[:, 0, [0, 1]].T)), tmp_path / "m.onnx", 2, 6)


@pytest.mark.parametrize("options", [{}, {"reduction": "none"}, {"reduction": "sum"}, {"label_smoothing": 0.1}])
@pytest.mark.parametrize("shape", [(3,), (3, 4)])
def test_losses_of_class_indices_follow_their_target(
    options: dict[str, Any], shape: tuple[int, ...], tmp_path: Path
) -> None:
    def loss(x: Tensor, target: Tensor) -> tuple[Tensor, ...]:
        weighted = F.cross_entropy(x, target, weight=tg.Tensor([1.0, 2.0, 3.0]), **options)
        plain = {name: value for name, value in options.items() if name != "label_smoothing"}
        return F.cross_entropy(x, target, **options), weighted, F.nll_loss(x.log_softmax(1), target, **plain)

    def drawn(n: int) -> tuple[np.ndarray, np.ndarray]:
        generator = np.random.default_rng(n)
        return generator.standard_normal((n, *shape)).astype(np.float32), generator.integers(0, 3, (n, *shape[1:]))

    tg.export_onnx(Model(loss), drawn(2), tmp_path / "m.onnx")
    for n in (1, 7):
        x, target = drawn(n)
        expected = loss(Tensor(x), Tensor(target))
        for got, y in zip(run(tmp_path / "m.onnx", {"x": x, "target": target}), expected, strict=True):
            np.testing.assert_allclose(got, y.data, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("what", REFUSED)
def test_what_a_graph_cannot_follow_is_refused_in_one_line(what: str, tmp_path: Path) -> None:
    function, message = REFUSED[what]
    with pytest.raises(NotImplementedError, match="export_onnx: ") as error:
        tg.export_onnx(Model(function), tg.zeros(1, 2, 6), tmp_path / "m.onnx")
    assert message in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_numbers_on_a_line_are_multiples_of_the_batch_and_the_rest_varies() -> None:
    assert merge([4, 4, 4]) == 4
    assert merge([2, 3, 5]) == Dim(1)
    assert merge([5, 8, 14]) == Dim(3, -1)
    assert str(Dim(3, -1)) == "3*batch-1"
    assert merge([4, 9, 25]) == Varying((4, 9, 25))
    assert merge([(1, 2), (1, 3), (1, 5)]) == (1, Dim(1))
    assert merge([np.nan, np.nan, np.nan]) != Varying((np.nan,) * 3)
    assert merge([True, False, True]) == Varying((True, False, True))
    assert merge([(1,), (1, 2), (1,)]) == Varying(((1,), (1, 2), (1,)))


def test_floats_of_one_value_may_grow_but_integers_may_not() -> None:
    """An integer array of one value may well be a target that happens to be all zeros."""
    filled = merge([np.ones((n, 3), np.float32) for n in (2, 3, 5)])
    assert isinstance(filled, Filled)
    assert (filled.value, filled.shape) == (1, (Dim(1), 3))
    assert isinstance(merge([np.ones(n, np.int64) for n in (2, 3, 5)]), Varying)
    assert isinstance(merge([np.full(3, n) for n in (2.0, 3.0, 5.0)]), Varying)
    assert isinstance(merge([np.ones((n, 0)) for n in (2, 3, 5)]), Varying)

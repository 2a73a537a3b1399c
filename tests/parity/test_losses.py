"""losses.py beside PyTorch: every loss with its reductions, weights and kinds of target."""

from __future__ import annotations

import numpy as np
import pytest

from tests.parity.agreement import agree, agree_in_both_precisions, both_refuse, cases, floats, normal, only_we_refuse, positive

REDUCTIONS = ["", ", reduction='mean'", ", reduction='sum'", ", reduction='none'"]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("loss", cases("mse_loss(x, t  l1_loss(x, t  smooth_l1_loss(x, t  smooth_l1_loss(x, t, beta=0.3  smooth_l1_loss(x, t, beta=0.0  huber_loss(x, t  huber_loss(x, t, delta=0.3"))
def test_regression_losses(loss, reduction):
    agree_in_both_precisions(f"F.{loss}{reduction})", x=normal(3, 4), t=normal(3, 4, seed=1))
    agree(f"F.{loss}{reduction})", x=floats(0.7), t=floats(-1.5))
    agree(f"F.{loss}{reduction})", x=normal(3, 4, 1).transpose(1, 0, 2).copy(), t=normal(4, 3, 1, seed=1))


@pytest.mark.parametrize("loss", cases("mse_loss(x, t)  l1_loss(x, t)  smooth_l1_loss(x, t)  smooth_l1_loss(x, t, beta=0.5)  huber_loss(x, t)  huber_loss(x, t, delta=2.0)"))
def test_regression_losses_at_their_kinks(loss):
    agree_in_both_precisions(f"F.{loss}", x=floats([0.0, 1.0, -1.0, 0.5, 2.0, -2.0, 1.0]), t=floats([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]))


@pytest.mark.parametrize("loss", cases("mse_loss  l1_loss  smooth_l1_loss  huber_loss"))
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_regression_losses_of_nothing(loss, reduction):
    agree(f"F.{loss}(x, t, reduction='{reduction}')", order=1, x=np.zeros((0, 3)), t=np.zeros((0, 3)))


SHAPES = [((3, 5), (3,)), ((5,), ()), ((2, 5, 3), (2, 3)), ((2, 5, 3, 4), (2, 3, 4)), ((1, 5), (1,))]
INDEX_OPTIONS = """
    x, t  x, t, w  x, t, weight=w  x, t, ignore_index=1  x, t, w, ignore_index=2  x, t, reduction='sum'  x, t, w, reduction='sum'  x, t, reduction='none'
    x, t, w, reduction='none', ignore_index=1  x, t, ignore_index=1, reduction='sum'
"""


def targets(shape, classes=5):
    return np.random.default_rng(len(shape)).integers(0, classes, shape)


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("options", cases(INDEX_OPTIONS))
def test_nll_loss(options, shapes):
    agree_in_both_precisions(f"F.nll_loss({options.replace('w', 'w.detach()').replace('w.detach()eight', 'weight')})", x=normal(*shapes[0]), t=targets(shapes[1]), w=positive(5))


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("options", [*cases(INDEX_OPTIONS), *cases("x, t, label_smoothing=0.1  x, t, w, label_smoothing=0.3  x, t, w, ignore_index=1, label_smoothing=0.2  x, t, label_smoothing=1.0, reduction='sum'  x, t, w, label_smoothing=0.5, reduction='none'  x, t, ignore_index=2, label_smoothing=0.4, reduction='none'")])
def test_cross_entropy_of_class_indices(options, shapes):
    line = f"w = w.detach(); F.cross_entropy({options})"
    agree_in_both_precisions(line, x=normal(*shapes[0]), t=targets(shapes[1]), w=positive(5))


@pytest.mark.parametrize("shape", [(3, 5), (5,), (2, 5, 3), (2, 5, 3, 4)])
@pytest.mark.parametrize("options", cases("x, p  x, p, w  x, p, reduction='sum'  x, p, w, reduction='none'  x, p, label_smoothing=0.2  x, p, w, label_smoothing=0.3, reduction='sum'  x, p, label_smoothing=1.0, reduction='none'"))
def test_cross_entropy_of_probabilities(options, shape):
    agree_in_both_precisions(f"w = w.detach(); F.cross_entropy({options})", x=normal(*shape), p=positive(*shape), w=positive(5))


@pytest.mark.parametrize("name", ["nll_loss", "cross_entropy"])
def test_every_target_ignored(name):
    agree(f"F.{name}(x, t, ignore_index=1)", order=1, x=normal(3, 5), t=np.ones(3, np.int64))
    agree(f"F.{name}(x, t)", order=1, x=normal(3, 5), t=np.full(3, -100))
    agree(f"F.{name}(x, t, reduction='sum')", order=1, x=normal(3, 5), t=np.full(3, -100))
    agree(f"F.{name}(x, t, reduction='none')", order=1, x=normal(3, 5), t=np.full(3, -100))


@pytest.mark.parametrize("name", ["nll_loss", "cross_entropy"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_class_losses_of_nothing(name, reduction):
    agree(f"F.{name}(x, t, reduction='{reduction}')", order=1, x=np.zeros((0, 5)), t=np.zeros(0, np.int64))


def test_cross_entropy_of_extreme_logits():
    agree_in_both_precisions("F.cross_entropy(x, t)", order=1, x=floats([[1000.0, 0.0, -1000.0], [0.0, -np.inf, 1.0]]), t=np.array([0, 2]))
    agree_in_both_precisions("F.cross_entropy(x, t, reduction='none')", order=1, x=floats([[1000.0, 0.0, -1000.0], [0.0, -np.inf, 1.0]]), t=np.array([2, 1]))


@pytest.mark.parametrize("dtype", ["int64", "uint8"])
def test_types_of_class_indices(dtype):
    agree("F.nll_loss(x, t)", x=normal(3, 5), t=np.array([0, 4, 2]).astype(dtype))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("options", cases("x, t  x, t, w  x, t, weight=w[0]"))
def test_binary_cross_entropy(options, reduction):
    x = 1 / (1 + np.exp(-normal(3, 4)))
    agree_in_both_precisions(f"w = w.detach(); F.binary_cross_entropy({options}{reduction})", x=x, t=x[::-1].copy(), w=positive(3, 4))


def test_binary_cross_entropy_at_certainty():
    x, t = floats([0.0, 0.0, 1.0, 1.0, 0.5]), floats([0.0, 1.0, 0.0, 1.0, 1.0])
    agree_in_both_precisions("F.binary_cross_entropy(x, t.detach(), reduction='none')", order=1, x=x, t=t)
    agree_in_both_precisions("F.binary_cross_entropy(x, t.detach())", order=1, x=floats([1e-30, 1 - 1e-7, 1e-8]), t=floats([1.0, 0.0, 0.0]))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("options", cases("x, t  x, t, w  x, t, weight=w[0]  x, t, pos_weight=w[0]  x, t, w, pos_weight=w[1]"))
def test_binary_cross_entropy_with_logits(options, reduction):
    line = f"w = w.detach(); F.binary_cross_entropy_with_logits({options}{reduction})"
    agree_in_both_precisions(line, x=normal(3, 4), t=(normal(3, 4, seed=1) > 0).astype(float), w=positive(3, 4))


def test_binary_cross_entropy_with_extreme_logits():
    x, t = floats([1000.0, -1000.0, 1000.0, -1000.0, 0.0]), floats([1.0, 0.0, 0.0, 1.0, 0.5])
    agree_in_both_precisions("F.binary_cross_entropy_with_logits(x, t, reduction='none')", order=1, x=x, t=t)
    agree_in_both_precisions("F.binary_cross_entropy_with_logits(x, t, pos_weight=t.detach() + 0.5)", order=1, x=x, t=t)


DEPRECATED = """
    F.mse_loss(x, t, size_average=False)  F.mse_loss(x, t, reduce=False)  F.l1_loss(x, t, True)  F.nll_loss(x, i, None, True)  F.cross_entropy(x, i, reduce=True)
    F.binary_cross_entropy_with_logits(x, t, None, False)  F.mse_loss(x, t, weight=t)  F.huber_loss(x, t, weight=t)
"""


@pytest.mark.parametrize("line", cases(DEPRECATED))
def test_what_is_not_offered_says_so(line):
    only_we_refuse(line, "size_average|reduce|positional|weight", x=normal(3, 5), t=normal(3, 5), i=np.array([0, 4, 2]))


REFUSED = """
    F.nll_loss(x, i[:2])  F.nll_loss(x, i + 5)  F.nll_loss(x, i - 3)  F.nll_loss(x, i, w[:2])  F.nll_loss(x, t)  F.nll_loss(x, i.double())  F.cross_entropy(x, t[:2])  F.cross_entropy(x, i, w[:3])
    F.cross_entropy(x, i, label_smoothing=1.5)  F.cross_entropy(x, i, reduction='average')  F.mse_loss(x, t, reduction='average')  F.mse_loss(x, t[:2])
    F.binary_cross_entropy(x, t)  F.binary_cross_entropy(t.sigmoid(), t[:2].sigmoid())  F.binary_cross_entropy_with_logits(x, t[:1])  F.binary_cross_entropy_with_logits(x, t, reduction='no')
    F.smooth_l1_loss(x, t, beta=-1.0)  F.huber_loss(x, t, delta=0.0)  F.huber_loss(x, t, delta=-1.0)  F.mse_loss(x)  F.l1_loss(x, t, reduction=None)
"""


@pytest.mark.parametrize("line", cases(REFUSED))
def test_what_both_refuse(line):
    both_refuse(line, x=normal(3, 5), t=normal(3, 5, seed=1), i=np.array([0, 4, 2]), w=positive(5))

"""losses.py beside PyTorch: every loss with its reductions, weights and kinds of target."""

from __future__ import annotations

import numpy as np
import pytest

from tests.parity.agreement import (
    agree,
    agree_in_both_precisions,
    both_refuse,
    floats,
    lines,
    normal,
    only_we_refuse,
    positive,
)


@lines(
    """
    F.{f}(x, t)  F.{f}(x, t, reduction='{r}')  F.smooth_l1_loss(x, t, reduction='{r}', beta=0.3)
    F.smooth_l1_loss(x, t, beta=0.0)  F.huber_loss(x, t, '{r}', 0.3)  F.huber_loss(x, t, delta=2.0, reduction='{r}')
    """,
    f="mse_loss  l1_loss  smooth_l1_loss  huber_loss",
    r="mean  sum  none",
)
def test_regression_losses(line: str) -> None:
    agree_in_both_precisions(line, x=normal(3, 4), t=normal(3, 4, seed=1))
    agree_in_both_precisions(line, x=floats(0.7), t=floats(-1.5))
    # at ties, and where one piece ends and another begins
    x, t = floats([0.0, 1.0, -1.0, 0.5, 2.0, -2.0, 0.3, 1.0]), floats([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
    agree_in_both_precisions(line, x=x, t=t)
    agree(line, order=1, x=np.zeros((0, 3)), t=np.zeros((0, 3)))


@pytest.mark.parametrize("shape", [(3, 5), (5,), (2, 5, 3), (2, 5, 3, 4), (1, 5)])
@lines(
    """
    F.{f}(x, t)  F.{f}(x, t, W)  F.{f}(x, t, reduction='{r}')  F.{f}(x, t, weight=W, reduction='{r}')
    F.{f}(x, t, W, ignore_index=1, reduction='{r}')  F.cross_entropy(x, t, label_smoothing=0.1)
    F.cross_entropy(x, t, W, reduction='{r}', label_smoothing=0.3)  F.cross_entropy(x, t, label_smoothing=1.0)
    F.cross_entropy(x, t, W, ignore_index=2, label_smoothing=0.2, reduction='{r}')
    """,
    f="nll_loss  cross_entropy",
    r="mean  sum  none",
)
def test_losses_of_class_indices(line: str, shape: tuple[int, ...]) -> None:
    targets = np.random.default_rng(0).integers(0, 5, shape[:1] * (len(shape) > 1) + shape[2:])
    agree_in_both_precisions(line, x=normal(*shape), t=targets, W=positive(5))


@lines(
    """
    F.{f}(x, t, ignore_index=1, reduction='{r}')  F.{f}(x, t, W, ignore_index=1, reduction='{r}')
    F.cross_entropy(x, t, ignore_index=1, label_smoothing=0.1, reduction='{r}')
    """,
    f="nll_loss  cross_entropy",
    r="mean  sum  none",
)
def test_losses_of_ignored_class_indices(line: str) -> None:
    agree(line, order=1, x=normal(3, 5), t=np.ones(3, np.int64), W=positive(5))
    impossible = normal(3, 5)
    impossible[:2, 0] = -np.inf
    agree(line, order=1, x=impossible, t=np.array([1, 2, 1]), W=positive(5))


@lines("F.{f}(x, t, reduction='{r}')", f="nll_loss  cross_entropy", r="mean  sum  none")
def test_losses_of_no_class_indices(line: str) -> None:
    agree(line, order=1, x=np.zeros((0, 5)), t=np.zeros(0, np.int64))
    agree(line, order=1, x=normal(3, 5), t=np.full(3, -100))


@pytest.mark.parametrize("shape", [(3, 5), (5,), (2, 5, 3), (2, 5, 3, 4)])
@lines(
    """
    F.cross_entropy(x, p)  F.cross_entropy(x, p, W, reduction='{r}')  F.cross_entropy(x, p, reduction='{r}')
    F.cross_entropy(x, p, W, label_smoothing=0.3, reduction='{r}')  F.cross_entropy(x, p, label_smoothing=1.0)
    """,
    r="mean  sum  none",
)
def test_cross_entropy_of_probabilities(line: str, shape: tuple[int, ...]) -> None:
    agree_in_both_precisions(line, x=normal(*shape), p=positive(*shape), W=positive(5))


@lines("F.cross_entropy(x, t, reduction='{r}')", r="mean  sum  none")
def test_cross_entropy_of_extreme_logits(line: str) -> None:
    x = floats([[1000.0, 0.0, -1000.0], [0.0, -np.inf, 1.0]])
    agree_in_both_precisions(line, order=1, x=x, t=np.array([0, 2]))
    agree_in_both_precisions(line, order=1, x=x, t=np.array([2, 1]))


@pytest.mark.parametrize("dtype", ["int64", "uint8"])
def test_types_of_class_indices(dtype: str) -> None:
    agree("F.nll_loss(x, t)", x=normal(3, 5), t=np.array([0, 4, 2]).astype(dtype))


@lines(
    """
    F.binary_cross_entropy(x, t)  F.binary_cross_entropy(x, t, W)  F.binary_cross_entropy(x, t, reduction='{r}')
    F.binary_cross_entropy(x, t, weight=W[0], reduction='{r}')
    """,
    r="mean  sum  none",
)
def test_binary_cross_entropy(line: str) -> None:
    x = 1 / (1 + np.exp(-normal(3, 4)))
    agree_in_both_precisions(line, x=x, t=x[::-1].copy(), W=positive(3, 4))


@lines("F.binary_cross_entropy(x, T)  F.binary_cross_entropy(x, T, reduction='none')")
def test_binary_cross_entropy_at_certainty(line: str) -> None:
    agree_in_both_precisions(line, order=1, x=floats([0.0, 0.0, 1.0, 1.0, 0.5]), T=floats([0.0, 1.0, 0.0, 1.0, 1.0]))
    agree_in_both_precisions(line, order=1, x=floats([1e-30, 1 - 1e-7, 1e-8]), T=floats([1.0, 0.0, 0.0]))


WITH_LOGITS = """
    F.binary_cross_entropy_with_logits(x, t)  F.binary_cross_entropy_with_logits(x, t, W, reduction='{r}')
    F.binary_cross_entropy_with_logits(x, t, reduction='{r}', pos_weight=W[0])
    F.binary_cross_entropy_with_logits(x, t, weight=W[0], pos_weight=W[1])
"""


@lines(WITH_LOGITS, r="mean  sum  none")
def test_binary_cross_entropy_with_logits(line: str) -> None:
    agree_in_both_precisions(line, x=normal(3, 4), t=positive(3, 4, seed=1) % 1, W=positive(3, 4))


@lines(WITH_LOGITS, r="mean  sum  none")
def test_binary_cross_entropy_with_extreme_logits(line: str) -> None:
    x, t = floats([1000.0, -1000.0, 1000.0, -1000.0, 0.0]), floats([1.0, 0.0, 0.0, 1.0, 0.5])
    agree_in_both_precisions(line, order=1, x=np.stack([x, x]), t=np.stack([t, t]), W=positive(2, 5))


@lines("""
    F.mse_loss(x, t, size_average=False)  F.mse_loss(x, t, reduce=False)  F.l1_loss(x, t, True)
    F.nll_loss(x, i, None, True)  F.cross_entropy(x, i, reduce=True)
    F.binary_cross_entropy_with_logits(x, t, None, False)  F.mse_loss(x, t, weight=t)  F.huber_loss(x, t, weight=t)
""")
def test_what_is_not_offered_says_so(line: str) -> None:
    only_we_refuse(line, "size_average|reduce|positional|weight", x=normal(3, 5), t=normal(3, 5), i=np.array([0, 4, 2]))


@lines("""
    F.nll_loss(x, i[:2])  F.nll_loss(x, i + 5)  F.nll_loss(x, i - 3)  F.nll_loss(x, i, w[:2])  F.nll_loss(x, t)
    F.nll_loss(x, i.double())  F.cross_entropy(x, t[:2])  F.cross_entropy(x, i, w[:3])
    F.cross_entropy(x, i, label_smoothing=1.5)  F.cross_entropy(x, i, reduction='average')
    F.mse_loss(x, t, reduction='average')  F.mse_loss(x, t[:2])  F.binary_cross_entropy(x, t)
    F.binary_cross_entropy(t.sigmoid(), t[:2].sigmoid())  F.binary_cross_entropy_with_logits(x, t[:1])
    F.binary_cross_entropy_with_logits(x, t, reduction='no')  F.smooth_l1_loss(x, t, beta=-1.0)
    F.huber_loss(x, t, delta=0.0)  F.huber_loss(x, t, delta=-1.0)  F.mse_loss(x)  F.l1_loss(x, t, reduction=None)
""")
def test_what_both_refuse(line: str) -> None:
    both_refuse(line, x=normal(3, 5), t=normal(3, 5, seed=1), i=np.array([0, 4, 2]), w=positive(5))

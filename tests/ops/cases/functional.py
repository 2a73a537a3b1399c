"""Activations, dropout, normalisation and losses: compositions, whose cases come with their options."""

import numpy as np

import tinygrad_cnn.functional as F
from tests.ops.cases.case import Case, between, case, normal, positive
from tinygrad_cnn import Tensor, ops

CLASSES = np.array([2, 0])
PIXELS = np.array([[[2, 0], [1, -100]]])
REDUCTIONS = ["mean", "sum", "none"]


def standardized(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return ops.normalize_channels(x, weight, bias, statistics=ops.channel_statistics(x), eps=0.1)


ACTIVATIONS: list[Case] = [
    case("leaky_relu", lambda x: F.leaky_relu(x, 0.2), normal(2, 3)),
    case("elu", lambda x: F.elu(x, 0.7), normal(2, 3)),
    case("gelu", F.gelu, normal(2, 3)),
    case("gelu by tanh", lambda x: F.gelu(x, "tanh"), normal(2, 3)),
    case("silu", F.silu, normal(2, 3)),
    case("softplus", lambda x: F.softplus(x, 2.0, 1.0), normal(2, 3)),
    case("softplus of large numbers", F.softplus, [-50.0, 19.0, 21.0]),
    case("dropout", lambda x: F.dropout(x, 0.4, generator=np.random.default_rng(1)), normal(3, 3)),
    case("dropout of everything", lambda x: F.dropout(x, 1.0), normal(3)),
    case("dropout in evaluation", lambda x: F.dropout(x, 0.4, training=False) * 2, normal(3)),
    case("dropout2d", lambda x: F.dropout2d(x, 0.5, generator=np.random.default_rng(1)), normal(2, 3, 1, 2)),
]

NORMALISATION: list[Case] = [
    case(
        "batch_norm in training",
        lambda x, w, b: F.batch_norm(x, None, None, w, b, True),
        normal(4, 2),
        normal(2),
        normal(2),
    ),
    case("batch_norm of images", lambda x: F.batch_norm(x, None, None, training=True, eps=0.1), normal(2, 2, 1, 2)),
    case("batch_norm in evaluation", F.batch_norm, normal(3, 2), normal(2), positive(2), normal(2), normal(2)),
    case("batch_norm in evaluation, bare", F.batch_norm, normal(2, 3, 1, 2), normal(3), positive(3)),
    case("scale_and_shift", ops.scale_and_shift, normal(2, 3, 2), normal(3), normal(3)),
    case("normalize_channels", standardized, normal(2, 2, 3), normal(2), normal(2)),
    case("layer_norm", lambda x, w, b: F.layer_norm(x, (3,), w, b), normal(2, 3), normal(3), normal(3)),
    case("layer_norm over two axes", lambda x: F.layer_norm(x, (2, 2), eps=0.1), normal(2, 2, 2)),
]

LOSSES: list[Case] = [
    *(
        case(f"mse_loss, {r}", lambda x, t, r=r: F.mse_loss(x, t, reduction=r), normal(2, 3), normal(2, 3))
        for r in REDUCTIONS
    ),
    *(
        case(f"l1_loss, {r}", lambda x, t, r=r: F.l1_loss(x, t, reduction=r), normal(2, 3), normal(2, 3))
        for r in REDUCTIONS
    ),
    case("smooth_l1_loss", lambda x, t: F.smooth_l1_loss(x, t, beta=0.7), normal(2, 3), normal(2, 3)),
    case(
        "smooth_l1_loss, beta 0",
        lambda x, t: F.smooth_l1_loss(x, t, reduction="sum", beta=0.0),
        normal(2, 3),
        normal(2, 3),
    ),
    case("huber_loss", lambda x, t: F.huber_loss(x, t, delta=0.7), normal(2, 3), normal(2, 3)),
    *(
        case(f"nll_loss, {r}", lambda x, t, r=r: F.nll_loss(x, t, reduction=r), normal(2, 3), CLASSES)
        for r in REDUCTIONS
    ),
    case("nll_loss, weighted", lambda x, w, t: F.nll_loss(x, t, w), normal(2, 3), positive(3), CLASSES),
    case("nll_loss of pixels", lambda x, t: F.nll_loss(x, t), normal(1, 3, 2, 2), PIXELS),
    *(
        case(f"cross_entropy, {r}", lambda x, t, r=r: F.cross_entropy(x, t, reduction=r), normal(2, 3), CLASSES)
        for r in REDUCTIONS
    ),
    case("cross_entropy in a graph of its own", lambda x: F.cross_entropy(x, CLASSES).exp(), normal(2, 3)),
    case("cross_entropy of one item", F.cross_entropy, normal(3), 1),
    case(
        "cross_entropy, weighted and smooth",
        lambda x, w, t: F.cross_entropy(x, t, w, label_smoothing=0.2),
        normal(2, 3),
        positive(3),
        CLASSES,
    ),
    case(
        "cross_entropy of pixels", lambda x, t: F.cross_entropy(x, t, label_smoothing=0.1), normal(1, 3, 2, 2), PIXELS
    ),
    case(
        "cross_entropy of probabilities",
        lambda x, p: F.cross_entropy(x, p, label_smoothing=0.1),
        normal(2, 3),
        positive(2, 3),
    ),
    case(
        "cross_entropy of weighted probabilities",
        lambda x, p, w: F.cross_entropy(x, p, w),
        normal(2, 3),
        positive(2, 3),
        positive(3),
    ),
    *(
        case(
            f"binary_cross_entropy, {r}",
            lambda x, t, r=r: F.binary_cross_entropy(x, t, reduction=r),
            between(0.1, 0.9, 2, 3),
            between(0, 1, 2, 3),
        )
        for r in REDUCTIONS
    ),
    case("binary_cross_entropy, weighted", F.binary_cross_entropy, between(0.1, 0.9, 3), between(0, 1, 3), positive(3)),
    *(
        case(
            f"binary_cross_entropy_with_logits, {r}",
            lambda x, t, r=r: F.binary_cross_entropy_with_logits(x, t, reduction=r),
            normal(2, 3),
            between(0, 1, 2, 3),
        )
        for r in REDUCTIONS
    ),
    case(
        "binary_cross_entropy_with_logits, positives weighted",
        lambda x, t, w, p: F.binary_cross_entropy_with_logits(x, t, w, pos_weight=p),
        normal(2, 3),
        between(0, 1, 2, 3),
        positive(3),
        positive(3),
    ),
    case(
        "binary_cross_entropy_with_logits of large numbers",
        F.binary_cross_entropy_with_logits,
        [-90.0, 90.0, 90.0],
        [1.0, 1.0, 0.0],
    ),
]

CASES: list[Case] = [*ACTIVATIONS, *NORMALISATION, *LOSSES]

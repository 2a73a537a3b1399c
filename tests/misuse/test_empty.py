"""No rows, no columns, no images: results and gradients are as empty as Torch's, and where a sum is over nothing, 0."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from tests.misuse.calls import namespace
from tests.misuse.test_wrong_arguments import assert_same
from tinygrad_cnn import nn, optim

torch = pytest.importorskip("torch")

# r has no rows, e no elements at all, n no columns; I is a batch of no images, and z one of no class indices.
ON_NOTHING = """
r + r
r * y[:1]
r / r
r ** 2.0
r % r
tg.maximum(r, r)
tg.where(r > 0, r, r)
tg.clamp(r, -1.0, 1.0)
tg.exp(r)
tg.log(r)
tg.erf(r)
tg.sign(r)
tg.sigmoid(r)
tg.sum(r)
tg.sum(r, dim=0)
tg.sum(r, dim=1)
tg.mean(r)
tg.mean(r, dim=0)
tg.mean(r, dim=1)
tg.var(r, dim=1)
tg.std(r, dim=1)
tg.var(r, dim=0)
tg.prod(r)
tg.prod(r, dim=0)
tg.amax(r, dim=1)
tg.max(r, dim=1)[0]
tg.min(n, dim=0)[0]
tg.argmax(r, dim=1)
tg.logsumexp(r, dim=1)
tg.logsumexp(r, dim=0)
tg.cumsum(r, dim=0)
tg.norm(r)
tg.norm(r, dim=1)
tg.norm(r, p=3, dim=1)
tg.norm(r, p=1, dim=0)
tg.any(r > 0)
tg.all(r > 0)
tg.reshape(r, (4, 0))
tg.flatten(I, 1)
tg.squeeze(r)
tg.unsqueeze(r, 0)
tg.transpose(r, 0, 1)
tg.permute(I, (0, 2, 3, 1))
tg.flip(r, (0,))
tg.broadcast_to(r, (2, 0, 4))
tg.cat([r, x])
tg.cat([e, x])
tg.stack([r, r])
tg.split(r, 2)[0]
tg.chunk(r, 2)[0]
tg.gather(r, 1, tg.zeros(0, 2).long())
tg.gather(x, 1, tg.zeros(0, 4).long())
tg.matmul(r, w)
tg.matmul(n, r)
tg.einsum('ij,jk->ik', r, w)
r[:, 1]
r[1:]
x[tg.zeros(0).long()]
x[x > 99]
r.masked_fill(r > 0, 1.0)
F.relu(r)
F.leaky_relu(r)
F.elu(r)
F.gelu(r)
F.silu(r)
F.softplus(r)
F.softmax(r, dim=1)
F.softmax(r, dim=0)
F.log_softmax(r, dim=1)
F.dropout(r, 0.5)
F.linear(r, v, b)
F.pad(I, (1, 1))
F.pad(I, (1, 1, 1, 1), mode='reflect')
F.conv2d(I, k, kb, padding=1)
F.conv_transpose2d(I, t, tb, stride=2)
F.max_pool2d(I, 2)
F.avg_pool2d(I, 2)
F.adaptive_avg_pool2d(I, (2, 2))
F.adaptive_avg_pool2d(I, 1)
F.batch_norm(I, rm, rv, nw, nb)
F.batch_norm(I, rm, rv, nw, nb, training=True)
F.layer_norm(r, (4,), b4, b4)
F.mse_loss(r, r)
F.mse_loss(r, r, reduction='sum')
F.l1_loss(r, r, reduction='none')
F.smooth_l1_loss(r, r, reduction='sum')
F.huber_loss(r, r, reduction='sum')
F.cross_entropy(r, z)
F.cross_entropy(r, z, reduction='sum')
F.cross_entropy(r, z, weight=b4, label_smoothing=0.1)
F.cross_entropy(r, z, reduction='none')
F.cross_entropy(r, r.detach(), reduction='sum')
F.nll_loss(r, z)
F.nll_loss(r, z, reduction='none')
F.binary_cross_entropy(r, r.detach(), reduction='sum')
F.binary_cross_entropy_with_logits(r, r.detach())
F.binary_cross_entropy_with_logits(r, r.detach(), reduction='sum', pos_weight=b4)
nn.Linear(4, 3)(r)
nn.Conv2d(2, 4, 3)(I)
nn.ConvTranspose2d(2, 4, 3)(I)
nn.MaxPool2d(2)(I)
nn.AvgPool2d(2)(I)
nn.AdaptiveAvgPool2d(3)(I)
nn.BatchNorm2d(2)(I)
nn.BatchNorm2d(2).eval()(I)
nn.BatchNorm1d(4)(r)
nn.LayerNorm(4)(r)
nn.Dropout(0.5)(r)
nn.Dropout2d(0.5)(I)
nn.Flatten()(I)
nn.Sequential(nn.Flatten(), nn.Linear(60, 3))(I)
""".strip().splitlines()

OURS = tg, F, nn, optim, np.int64
TORCHS = torch, torch.nn.functional, torch.nn, torch.optim, torch.int64


def result_and_gradients(call, library):
    """What the call returns, and the gradients of its sum in all that are floats."""
    names = namespace(*library)
    names |= {"r": names["e03"], "e": names["e0"], "n": names["e30"], "I": names["no_rows"], "z": names["i"][:0]}
    leaves = {name: names[name] for name in ("r", "e", "n", "I", "x", "y", "w", "v", "b", "k", "kb", "t", "tb", "nw")}
    for leaf in leaves.values():
        leaf.requires_grad_(True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = eval(call, names)
    if result.requires_grad:
        result.sum().backward()
    return result, {name: leaf.grad for name, leaf in leaves.items()}


@pytest.mark.parametrize("call", ON_NOTHING)
def test_nothing_comes_of_nothing_as_in_torch(call):
    try:
        theirs, expected = result_and_gradients(call, TORCHS)
    except (RuntimeError, ValueError, IndexError):
        pytest.fail(f"Torch refuses {call}: the line says nothing")
    ours, gradients = result_and_gradients(call, OURS)
    assert_same(ours, theirs, call)
    for name, gradient in gradients.items():
        assert (gradient is None) == (expected[name] is None), name
        assert_same(gradient, expected[name], f"{call}, the gradient of {name}")

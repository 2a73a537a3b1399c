"""Compare one of our modules with PyTorch's: outputs, gradients and state, from the same start."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_cnn as tg
from tinygrad_cnn import nn


def assert_same_module(
    ours: nn.Module, theirs: Any, shape: tuple[int, ...], rtol: float = 1e-4, atol: float = 1e-5, calls: int = 1
) -> None:
    """Run both on the same random inputs, with theirs' state loaded as it is; compare all that follows."""
    import torch

    rng = np.random.default_rng(0)
    ours.load_state_dict(theirs.state_dict())
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()]
    ours.train(theirs.training)
    for _ in range(calls):
        x = rng.normal(size=shape).astype(np.float32)
        our_x, their_x = tg.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        our_y, their_y = ours(our_x), theirs(their_x)
        assert our_y.dtype == np.float32
        assert our_y.shape == tuple(their_y.shape)
        np.testing.assert_allclose(our_y.data, their_y.detach().numpy(), rtol, atol)
        g = rng.normal(size=our_y.shape).astype(np.float32)
        our_y.backward(g)
        their_y.backward(torch.tensor(g))
        np.testing.assert_allclose(our_x.grad.data, their_x.grad.numpy(), rtol, atol)
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.data, q.grad.numpy(), rtol, 10 * atol, err_msg=name)
    for name, array in ours.state_dict().items():
        np.testing.assert_allclose(array, theirs.state_dict()[name].numpy(), rtol, atol, err_msg=name)
        assert str(array.dtype) == str(theirs.state_dict()[name].dtype).removeprefix("torch.")
    assert repr(ours) == repr(theirs)

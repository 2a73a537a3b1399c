"""Optimisers, parameters and gradients to try them on; and where one takes a number, for tests worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import optim

EACH = {
    "SGD": lambda params: optim.SGD(params, lr=0.1, momentum=0.9, weight_decay=0.1, nesterov=True),
    "RMSprop": lambda params: optim.RMSprop(params, momentum=0.9, weight_decay=0.1, centered=True),
    "Adagrad": lambda params: optim.Adagrad(params, lr_decay=0.1, weight_decay=0.1, maximize=True),
    "Adam": lambda params: optim.Adam(params, weight_decay=0.1, amsgrad=True),
    "AdamW": lambda params: optim.AdamW(params, maximize=True),
}
each_optimizer = pytest.mark.parametrize("make", EACH.values(), ids=EACH)


def parameter(shape: tuple[int, ...] = (3, 4), dtype: type = np.float32, seed: int = 0) -> tg.Tensor:
    return tg.Tensor(np.random.default_rng(seed).standard_normal(shape).astype(dtype), requires_grad=True)


def take_steps(optimizer: optim.Optimizer, count: int, first: int = 0) -> None:
    for step in range(first, first + count):
        generator = np.random.default_rng(step)
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad = tg.Tensor(p.data + generator.standard_normal(p.shape).astype(p.dtype))
        optimizer.step()


def places(kind: type[optim.Optimizer], gradients: list[float], **options: float) -> list[float]:
    """Where a parameter that starts at 10 goes."""
    p = tg.Tensor(np.array([10.0]), requires_grad=True)
    optimizer = kind([p], **options)  # type: ignore[arg-type]
    visited = []
    for g in gradients:
        p.grad = tg.Tensor(np.array([g]))
        optimizer.step()
        visited.append(p.item())
    return visited

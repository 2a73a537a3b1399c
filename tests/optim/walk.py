"""Where an optimiser takes one parameter, for tests that are worked out by hand."""

from __future__ import annotations

import numpy as np

import tinygrad_cnn as tg
from tinygrad_cnn import optim


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

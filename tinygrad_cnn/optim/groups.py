"""Weight decay for weights alone, by parameter groups."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..arguments import checked, tensors_of
from ..tensor import Tensor


@checked
def decay_weights_only(params: Iterable[Tensor], weight_decay: float) -> list[dict[str, Any]]:
    """Groups for an optimiser that decay what has two axes or more: biases and the scales of norms have one.

    He et al. 2019, "Bag of tricks for image classification", section 3.1.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import optim
    >>> model = tg.nn.Sequential(tg.nn.Conv2d(3, 8, 3), tg.nn.BatchNorm2d(8))
    >>> groups = optim.decay_weights_only(model.parameters(), weight_decay=0.05)
    >>> [(group["weight_decay"], [p.shape for p in group["params"]]) for group in groups]
    [(0.05, [(8, 3, 3, 3)]), (0.0, [(8,), (8,), (8,)])]
    >>> optimizer = optim.AdamW(groups, lr=1e-3)
    """
    params = tensors_of(params, "params")
    groups = [
        {"params": [p for p in params if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in params if p.ndim < 2], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]

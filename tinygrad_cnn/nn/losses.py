"""Losses as modules: `loss(input, target)`; each says in `tinygrad_cnn.functional` what it computes.

`reduction` is 'mean', 'sum' or 'none'. A `weight` is a buffer, and so part of the loss's state_dict.
"""

from __future__ import annotations

from .. import functional as F
from ..arguments import checked
from ..tensor import Tensor
from .module import Module
from .parameter import Buffer

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "HuberLoss", "L1Loss", "MSELoss", "NLLLoss",
    "SmoothL1Loss",
]  # fmt: skip


class _Loss(Module):
    @checked
    def __init__(self, reduction: str = "mean") -> None:
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"{type(self).__name__}: reduction must be 'mean', 'sum' or 'none', not {reduction!r}")
        self.reduction = reduction


class MSELoss(_Loss):
    """(input - target)^2, of one shape. As `F.mse_loss`.

    Raises ValueError for an unknown `reduction`, as all losses do.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.MSELoss()(tg.Tensor([1.0, 2.0]), tg.Tensor([1.0, 4.0])).item()
    2.0
    """

    @checked
    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """|input - target|, of one shape. As `F.l1_loss`.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.L1Loss()(tg.Tensor([1.0, 2.0]), tg.Tensor([1.0, 4.0])).item()
    1.0
    """

    @checked
    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """Squared for errors below `beta`, linear above: HuberLoss divided by `beta`. Input and target of one shape.

    Girshick 2015, equation 3, has beta = 1.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.SmoothL1Loss(reduction="none")(tg.Tensor([0.5, 3.0]), tg.Tensor([0.0, 0.0]))
    Tensor([0.125, 2.5  ])
    """

    @checked
    def __init__(self, *, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """Half the square for errors below `delta`, linear with slope `delta` above; of one shape. Huber 1964.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.HuberLoss(reduction="none", delta=2.0)(tg.Tensor([1.0, 3.0]), tg.Tensor([0.0, 0.0]))
    Tensor([0.5, 4. ])
    """

    @checked
    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class _WeightedLoss(_Loss):
    @checked
    def __init__(self, weight: Tensor | None, reduction: str) -> None:
        super().__init__(reduction)
        self.weight = None if weight is None else Buffer(weight)


class CrossEntropyLoss(_WeightedLoss):
    """Minus the log-probability that the softmax of `input` gives the target class.

    `input` `(N, C, ...)` holds logits; `target` is `(N, ...)` class indices, or probabilities of input's shape.
    `weight` `(C,)` weighs the classes; targets equal to `ignore_index` don't count; `label_smoothing` mixes the
    target with that share of the uniform distribution (Szegedy et al. 2016, section 7). Errors as in `F.cross_entropy`.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.CrossEntropyLoss()(tg.Tensor([[0.0, 100.0]]), tg.Tensor([0])).item()
    100.0
    """

    @checked
    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, reduction)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(_WeightedLoss):
    """Minus the target class's entry in `input`, which holds log-probabilities. Shapes as in CrossEntropyLoss.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.NLLLoss()(tg.Tensor([[-0.5, -1.0]]), tg.Tensor([1])).item()
    1.0
    """

    @checked
    def __init__(self, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(weight, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class BCELoss(_WeightedLoss):
    """-(target * log(input) + (1 - target) * log(1 - input)), for probabilities; logs are held above -100.

    Input and target have one shape, to which `weight` is broadcast. Errors as in `F.binary_cross_entropy`.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.BCELoss()(tg.Tensor([0.5, 0.5]), tg.Tensor([1.0, 0.0])).item()
    0.6931471824645996
    """

    @checked
    def __init__(self, weight: Tensor | None = None, *, reduction: str = "mean") -> None:
        super().__init__(weight, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_WeightedLoss):
    """BCELoss of sigmoid(input), computed stably; `pos_weight` weighs the positive examples. Shapes as in BCELoss.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.BCEWithLogitsLoss()(tg.Tensor([0.0, 100.0]), tg.Tensor([1.0, 0.0])).item()
    50.34657287597656
    """

    @checked
    def __init__(
        self, weight: Tensor | None = None, *, reduction: str = "mean", pos_weight: Tensor | None = None
    ) -> None:
        super().__init__(weight, reduction)
        self.pos_weight = None if pos_weight is None else Buffer(pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(
            input, target, weight=self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )

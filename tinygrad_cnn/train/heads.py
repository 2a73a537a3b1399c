"""What a model's numbers mean as an age: the loss that teaches them, and the years that they say.

A head says how many `outputs` the model must give for each face. `loss(outputs, ages)` is a batch's mean, and
`years(outputs)` the ages `(N,)` in years; both are recorded, so that years too can be differentiated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from .. import ops
from ..losses import cross_entropy, l1_loss, smooth_l1_loss
from ..tensor import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Regression:
    """One output: the age, standardised to mean 0 and standard deviation 1. `criterion` compares such numbers.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn.train import Regression
    >>> head = Regression.of([20, 30, 40, 50])
    >>> head.mean, head.years(tg.Tensor([[0.0], [2.0]])).data.round(1)
    (35.0, array([35. , 57.4], dtype=float32))
    """

    mean: float  # years
    std: float  # years
    criterion: Loss = smooth_l1_loss
    name: ClassVar[str] = "regression"
    outputs: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and 0 < self.std < math.inf):
            raise ValueError(f"no usable scale of ages: mean {self.mean}, standard deviation {self.std}")

    @classmethod
    def of(cls, ages: ArrayLike, criterion: Loss = smooth_l1_loss) -> Regression:
        """The scale on which these ages, in years, are standard (ages all equal: only mean 0)."""
        ages = np.asarray(ages, np.float64)
        return cls(float(ages.mean()), float(ages.std()) or 1.0, criterion)

    def loss(self, outputs: Tensor, ages: Tensor) -> Tensor:
        """`criterion` between the outputs `(N, 1)` and the standardised ages `(N,)`."""
        return self.criterion(outputs, ops.unsqueeze((ages - self.mean) / self.std, 1))

    def years(self, outputs: Tensor) -> Tensor:
        """`(N, 1) -> (N,)`: any number, also one below 0."""
        return outputs[:, 0] * self.std + self.mean

    def metadata(self) -> dict[str, str]:
        return {"head": self.name, "age_mean_years": repr(self.mean), "age_std_years": repr(self.std)}


@dataclass(frozen=True)
class ExpectedAge:
    """One output for each whole age from 0 to `oldest`: the logits of a distribution whose mean is the age.

    The mean of a softmax over ages is from Rothe, Timofte & Van Gool (DEX, IJCV 2018). The loss is that of Gao et al.
    (DLDL-v2, IJCAI 2018): the cross-entropy with a normal distribution about the true age, `sigma` years wide
    (below 0.1: all at the nearest whole age), plus `l1_weight` times the mean's absolute error in years.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn.train import ExpectedAge
    >>> ExpectedAge(oldest=4).years(tg.Tensor([[0.0, 0.0, 0.0, 50.0, 50.0]])).tolist()
    [3.5]
    """

    oldest: int = 116  # years, the oldest face of UTKFace
    sigma: float = 2.0
    l1_weight: float = 1.0
    name: ClassVar[str] = "expected"

    def __post_init__(self) -> None:
        for name, least in (("oldest", 1), ("sigma", 0), ("l1_weight", 0)):
            if not least <= getattr(self, name) < math.inf:
                raise ValueError(f"ExpectedAge: {name} must be a number of at least {least}, not {getattr(self, name)}")

    @property
    def outputs(self) -> int:
        return self.oldest + 1

    def targets(self, ages: ArrayLike) -> np.ndarray:
        """The distributions `(N, outputs)`, float32, that stand for ages `(N,)` in years.

        An age beyond `oldest` counts as that; near either end the distribution is cut off, and still sums to 1.
        """
        ages = np.clip(np.asarray(ages, np.float64), 0, self.oldest)[:, None]
        bins = np.arange(self.outputs)
        if self.sigma < 0.1:
            return (bins == np.rint(ages)).astype(np.float32)
        weights = -0.5 * ((bins - ages) / self.sigma) ** 2
        weights = np.exp(weights - weights.max(axis=1, keepdims=True))  # the largest is 1
        return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)

    def loss(self, outputs: Tensor, ages: Tensor) -> Tensor:
        loss = cross_entropy(outputs, Tensor(self.targets(ages.data)))
        return loss + l1_loss(self.years(outputs), ages) * self.l1_weight if self.l1_weight else loss

    def years(self, outputs: Tensor) -> Tensor:
        """`(N, outputs) -> (N,)`: from 0 to `oldest`."""
        bins = np.arange(self.outputs, dtype=outputs.dtype)
        return ops.sum(ops.softmax(outputs, 1) * bins, 1)

    def metadata(self) -> dict[str, str]:
        return {"head": self.name, "oldest_years": str(self.oldest)}


Head = Regression | ExpectedAge


def load_head(about: Mapping[str, str]) -> Head:
    """The head that a weights file's metadata describes, ready to predict; a file that names none has a Regression.

    Raises KeyError for what the metadata lacks and ValueError for what it can't mean.
    """
    name = about.get("head", Regression.name)
    if name == Regression.name:
        return Regression(float(about["age_mean_years"]), float(about["age_std_years"]))
    if name == ExpectedAge.name:
        return ExpectedAge(int(about["oldest_years"]))
    raise ValueError(f"no head is called {name!r}; there are {Regression.name} and {ExpectedAge.name}")

"""What a model's numbers mean: the loss that teaches them, and the age, class or several things that they say."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike

from .. import ops
from ..arguments import checked
from ..losses import binary_cross_entropy_with_logits, cross_entropy, l1_loss, smooth_l1_loss
from ..tensor import Tensor
from .metrics import AgeErrors, Confusion, Errors, Together

Loss = Callable[[Tensor, Tensor], Tensor]


class Head(Protocol):
    """How the outputs `(N, outputs)` of a model are taught and read; both are recorded for differentiation."""

    @property
    def subjects(self) -> tuple[str, ...]:
        """What it tells, in the order of the targets' columns."""

    @property
    def outputs(self) -> int:
        """How many numbers the model must give for each face."""

    @property
    def width(self) -> int:
        """How many numbers a prediction has."""

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The batch's mean; `targets` are `(N,)`, or `(N, subjects)` for more than one."""

    def predict(self, outputs: Tensor) -> Tensor:
        """`(N,)` where a prediction is one number, else `(N, width)`; two of them can be averaged."""

    def errors(self) -> Errors:
        """What adds up the errors of predictions; as yet of none."""

    def metadata(self) -> dict[str, str]:
        """What `load_head` makes the head from."""


@checked
@dataclass(frozen=True)
class Regression:
    """One output: the age, standardised to mean 0 and standard deviation 1. `criterion` compares such numbers.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn.train import Regression
    >>> head = Regression.of([20, 30, 40, 50])
    >>> head.mean, head.predict(tg.Tensor([[0.0], [2.0]])).data.round(1)
    (35.0, array([35. , 57.4], dtype=float32))
    """

    mean: float  # years
    std: float  # years
    criterion: Loss = smooth_l1_loss
    name: ClassVar[str] = "regression"
    subjects: ClassVar[tuple[str, ...]] = ("age",)
    outputs: ClassVar[int] = 1
    width: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and 0 < self.std < math.inf):
            raise ValueError(f"no usable scale of ages: mean {self.mean}, standard deviation {self.std}")

    @classmethod
    @checked
    def of(cls, ages: ArrayLike, criterion: Loss = smooth_l1_loss) -> Regression:
        """The scale on which these ages, in years, are standard (ages all equal: only mean 0). ValueError for none."""
        ages = np.asarray(ages, np.float64)
        if not ages.size:
            raise ValueError("Regression.of: needs at least one age")
        return cls(float(ages.mean()), float(ages.std()) or 1.0, criterion)

    @checked
    def loss(self, outputs: Tensor, ages: Tensor) -> Tensor:
        """`criterion` between the outputs `(N, 1)` and the standardised ages `(N,)`."""
        return self.criterion(outputs, ops.unsqueeze((ages - self.mean) / self.std, 1))

    @checked
    def predict(self, outputs: Tensor) -> Tensor:
        """Years, `(N, 1) -> (N,)`: any number, also one below 0."""
        return outputs[:, 0] * self.std + self.mean

    def errors(self) -> AgeErrors:
        return AgeErrors()

    def metadata(self) -> dict[str, str]:
        return {"head": self.name, "age_mean_years": repr(self.mean), "age_std_years": repr(self.std)}


@checked
@dataclass(frozen=True)
class ExpectedAge:
    """One output for each whole age from 0 to `oldest`: the logits of a distribution whose mean is the age.

    The mean of a softmax over ages is from Rothe, Timofte & Van Gool (DEX, IJCV 2018). The loss is that of Gao et al.
    (DLDL-v2, IJCAI 2018): the cross-entropy with a normal distribution about the true age, `sigma` years wide
    (below 0.1: all at the nearest whole age), plus `l1_weight` times the mean's absolute error in years.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn.train import ExpectedAge
    >>> ExpectedAge(oldest=4).predict(tg.Tensor([[0.0, 0.0, 0.0, 50.0, 50.0]])).tolist()
    [3.5]
    """

    oldest: int = 116  # years, the oldest face of UTKFace
    sigma: float = 2.0
    l1_weight: float = 1.0
    name: ClassVar[str] = "expected"
    subjects: ClassVar[tuple[str, ...]] = ("age",)
    width: ClassVar[int] = 1

    def __post_init__(self) -> None:
        for name, least in (("oldest", 1), ("sigma", 0), ("l1_weight", 0)):
            if not least <= getattr(self, name) < math.inf:
                raise ValueError(f"ExpectedAge: {name} must be a number of at least {least}, not {getattr(self, name)}")

    @property
    def outputs(self) -> int:
        return self.oldest + 1

    @checked
    def targets(self, ages: ArrayLike) -> np.ndarray:
        """The distributions `(N, outputs)`, float32, that stand for ages `(N,)` in years.

        An age beyond `oldest` counts as that; near either end the distribution is cut off, and still sums to 1.

        >>> from tinygrad_cnn.train import ExpectedAge
        >>> print(ExpectedAge(oldest=4, sigma=1.0).targets([2.0]).round(2))
        [[0.05 0.24 0.4  0.24 0.05]]
        """
        ages = np.clip(np.asarray(ages, np.float64), 0, self.oldest)[:, None]
        bins = np.arange(self.outputs)
        if self.sigma < 0.1:
            return (bins == np.rint(ages)).astype(np.float32)
        weights = -0.5 * ((bins - ages) / self.sigma) ** 2
        weights = np.exp(weights - weights.max(axis=1, keepdims=True))  # the largest is 1
        return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)

    @checked
    def loss(self, outputs: Tensor, ages: Tensor) -> Tensor:
        loss = cross_entropy(outputs, Tensor(self.targets(ages.data)))
        return loss + l1_loss(self.predict(outputs), ages) * self.l1_weight if self.l1_weight else loss

    @checked
    def predict(self, outputs: Tensor) -> Tensor:
        """Years, `(N, outputs) -> (N,)`: from 0 to `oldest`."""
        bins = np.arange(self.outputs, dtype=outputs.dtype)
        return ops.sum(ops.softmax(outputs, 1) * bins, 1)

    def errors(self) -> AgeErrors:
        return AgeErrors()

    def metadata(self) -> dict[str, str]:
        return {"head": self.name, "oldest_years": str(self.oldest)}


@checked
@dataclass(frozen=True)
class Classes:
    """One logit for each of the classes `names`; a prediction is their probabilities, a target the class's number.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn.train import Classes
    >>> head = Classes("season", ("spring", "summer", "autumn", "winter"))
    >>> head.predict(tg.Tensor([[0.0, 0.0, 0.0, 0.0]])).tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """

    subject: str
    names: tuple[str, ...]
    name: ClassVar[str] = "classes"

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.names) or len(self.names) < 2:
            raise ValueError(f"classes need at least two names, each its own, not {', '.join(self.names) or 'none'}")

    @property
    def subjects(self) -> tuple[str, ...]:
        return (self.subject,)

    @property
    def outputs(self) -> int:
        return len(self.names)

    @property
    def width(self) -> int:
        return len(self.names)

    @checked
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The cross-entropy with the classes `(N,)`, numbered from 0."""
        return cross_entropy(outputs, Tensor(targets.data.astype(np.int64)))

    @checked
    def predict(self, outputs: Tensor) -> Tensor:
        """The probability of each class, `(N, outputs) -> (N, classes)`."""
        return ops.softmax(outputs, 1)

    def errors(self) -> Confusion:
        return Confusion(self.names)

    def metadata(self) -> dict[str, str]:
        return {"head": self.name, "subject": self.subject, "classes": json.dumps(self.names)}


@checked
@dataclass(frozen=True)
class Binary(Classes):
    """Two classes by one logit, that of the second.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn.train import Binary
    >>> Binary("coin", ("heads", "tails")).predict(tg.Tensor([[0.0]])).tolist()
    [[0.5, 0.5]]
    """

    name: ClassVar[str] = "binary"

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.names) != 2:
            raise ValueError(f"Binary takes two classes, not {', '.join(self.names)}")

    @property
    def outputs(self) -> int:
        return 1

    @checked
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The cross-entropy with the classes `(N,)`, 0 or 1."""
        return binary_cross_entropy_with_logits(outputs[:, 0], Tensor(targets.data.astype(outputs.dtype)))

    @checked
    def predict(self, outputs: Tensor) -> Tensor:
        """The probability of each class, `(N, 1) -> (N, 2)`."""
        return ops.sigmoid(ops.cat([-outputs, outputs], 1))


@checked
@dataclass(frozen=True)
class Several:
    """Heads that share one network: each has its own outputs, targets and predictions, side by side.

    The loss is the sum of theirs, each times its weight. The first head is the one by whose errors epochs are compared.

    >>> from tinygrad_cnn.train import Binary, ExpectedAge, Several
    >>> head = Several((ExpectedAge(oldest=99), Binary("glasses", ("without", "with"))), weights=(1.0, 2.0))
    >>> head.subjects, head.outputs, head.width
    (('age', 'glasses'), 101, 3)
    """

    heads: tuple[Head, ...]
    weights: tuple[float, ...]
    name: ClassVar[str] = "several"

    def __post_init__(self) -> None:
        if len(self.heads) != len(self.weights) or not self.heads:
            raise ValueError(f"Several: {len(self.heads)} heads need as many weights, not {len(self.weights)}")
        if not all(0 < weight < math.inf for weight in self.weights):
            raise ValueError(f"Several: weights must be numbers above 0, not {self.weights}")
        if len(set(self.subjects)) != len(self.heads):
            raise ValueError(f"Several: each head must tell something else, not {', '.join(self.subjects)}")
        if any("." in subject for subject in self.subjects):  # in `metadata` it ends the subject
            raise ValueError(f"Several: a subject must be without a dot, but they are {', '.join(self.subjects)}")

    @property
    def subjects(self) -> tuple[str, ...]:
        return tuple(subject for head in self.heads for subject in head.subjects)

    @property
    def outputs(self) -> int:
        return sum(head.outputs for head in self.heads)

    @property
    def width(self) -> int:
        return sum(head.width for head in self.heads)

    @checked
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The weighted sum; `targets` are `(N, heads)`."""
        each = zip(self.heads, self.weights, self.split_outputs(outputs), strict=True)
        losses = [head.loss(own, targets[:, i]) * weight for i, (head, weight, own) in enumerate(each)]
        return sum(losses[1:], losses[0])

    @checked
    def predict(self, outputs: Tensor) -> Tensor:
        """The predictions of all heads, `(N, outputs) -> (N, width)`; `split` takes them apart."""
        each = zip(self.heads, self.split_outputs(outputs), strict=True)
        return ops.cat([ops.reshape(head.predict(own), (-1, head.width)) for head, own in each], 1)

    @checked
    def split_outputs(self, outputs: Tensor) -> list[Tensor]:
        """The outputs `(N, outputs)` as those of each head."""
        ends = np.cumsum([head.outputs for head in self.heads]).tolist()
        return [outputs[:, end - head.outputs : end] for head, end in zip(self.heads, ends, strict=True)]

    def split(self, predicted: Any) -> list[Any]:
        """An array or Tensor `(N, width)` as the predictions of each head, `(N,)` or `(N, width of the head)`."""
        parts, start = [], 0
        for head in self.heads:
            parts.append(predicted[:, start] if head.width == 1 else predicted[:, start : start + head.width])
            start += head.width
        return parts

    def errors(self) -> Together:
        return Together({head.subjects[0]: head.errors() for head in self.heads}, self.split)

    def metadata(self) -> dict[str, str]:
        """Those of all heads, each under its subject."""
        about = {"head": self.name, "subjects": json.dumps(self.subjects), "loss_weights": json.dumps(self.weights)}
        for head in self.heads:
            about |= {f"{head.subjects[0]}.{key}": text for key, text in head.metadata().items()}
        return about


@checked
def load_head(about: Mapping[str, str]) -> Head:
    """The head that a weights file's metadata describes, ready to predict; a file that names none has a Regression.

    Raises KeyError for what the metadata lacks; ValueError, TypeError or RecursionError for what it can't mean.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn.train import load_head
    >>> load_head({"age_mean_years": "33.0", "age_std_years": "20.0"}).predict(tg.Tensor([[0.5]])).tolist()
    [43.0]
    """
    name = about.get("head", Regression.name)
    if name == Regression.name:
        return Regression(float(about["age_mean_years"]), float(about["age_std_years"]))
    if name == ExpectedAge.name:
        return ExpectedAge(int(about["oldest_years"]))
    if name == Several.name:
        inner: dict[str, dict[str, str]] = {}
        for key, text in about.items():
            subject, _, own = key.partition(".")
            inner.setdefault(subject, {})[own] = text
        heads = tuple(load_head(inner.get(subject, {})) for subject in _words(about["subjects"]))
        return Several(heads, tuple(json.loads(about["loss_weights"])))
    for head in (Binary, Classes):
        if name == head.name:
            return head(about["subject"], _words(about["classes"]))
    raise ValueError(f"no head is called {name!r}; there are regression, expected, binary, classes and several")


def _words(text: str) -> tuple[str, ...]:
    """The words in a json list of them."""
    words = json.loads(text)
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError(f"expected a list of words, not {text}")
    "".join(words).encode()  # half a surrogate pair is a UnicodeEncodeError, and could not be written anywhere
    return tuple(words)

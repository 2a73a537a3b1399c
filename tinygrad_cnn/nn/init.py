"""Initialisers: each fills a tensor with new values, in place and outside the graph, and returns it.

They draw from `generator`, a NumPy Generator, or else from the one that `tinygrad_cnn.manual_seed` seeds.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import checked
from ..random import default_generator
from ..tensor import Tensor
from .parameter import overwrite

if TYPE_CHECKING:
    from numpy.random import Generator

Target = Tensor  # whose values are replaced

__all__ = [
    "calculate_gain", "constant_", "dirac_", "eye_", "fan_in_uniform_", "kaiming_normal_", "kaiming_uniform_",
    "normal_", "ones_", "orthogonal_", "sparse_", "trunc_normal_", "uniform_", "xavier_normal_",
    "xavier_uniform_", "zeros_",
]  # fmt: skip


def _fill(tensor: Tensor, values: Any) -> Tensor:
    overwrite(tensor, values)
    return tensor


@checked
def uniform_(tensor: Target, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with draws from U(a, b). ValueError where a > b.

    >>> from tinygrad_cnn import nn
    >>> layer = nn.Linear(3, 2)
    >>> 2 <= nn.init.uniform_(layer.weight, 2, 3).min().item() <= 3
    True
    """
    if a > b:
        raise ValueError(f"uniform_: a must be at most b, not a={a}, b={b}")
    return _fill(tensor, (generator or default_generator()).uniform(a, b, tensor.shape))


@checked
def normal_(tensor: Target, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with draws from N(mean, std^2). ValueError for a negative std.

    >>> from tinygrad_cnn import nn
    >>> layer = nn.Linear(100, 100)
    >>> abs(nn.init.normal_(layer.weight, std=0.01).std().item() - 0.01) < 0.001
    True
    """
    if std < 0:
        raise ValueError(f"normal_: std must not be negative, not {std}")
    return _fill(tensor, (generator or default_generator()).normal(mean, std, tensor.shape))


@checked
def trunc_normal_(
    tensor: Target,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fill with draws from N(mean, std^2), drawn again where they fall outside [a, b].

    Raises ValueError for an interval that holds less than a thousandth of the distribution.

    >>> from tinygrad_cnn import nn
    >>> layer = nn.Linear(10, 10)
    >>> nn.init.trunc_normal_(layer.weight, std=1.0, a=-0.5, b=0.5).abs().max().item() <= 0.5
    True
    """
    if std <= 0:
        raise ValueError(f"trunc_normal_: std must be positive, not {std}")
    mass = (math.erf((b - mean) / (std * math.sqrt(2))) - math.erf((a - mean) / (std * math.sqrt(2)))) / 2
    if mass < 1e-3:
        raise ValueError(f"trunc_normal_: hardly any of N({mean}, {std}^2) lies in [a, b] = [{a}, {b}]")
    generator = generator or default_generator()
    values = generator.normal(mean, std, tensor.shape)
    while (outside := (values < a) | (values > b)).any():
        values[outside] = generator.normal(mean, std, np.count_nonzero(outside))
    return _fill(tensor, values)


@checked
def constant_(tensor: Target, val: float) -> Tensor:
    """Fill with one value.

    >>> from tinygrad_cnn import nn
    >>> nn.init.constant_(nn.Linear(3, 2).bias, 0.5)
    Parameter([0.5, 0.5])
    """
    return _fill(tensor, val)


@checked
def ones_(tensor: Target) -> Tensor:
    """Fill with ones.

    >>> from tinygrad_cnn import nn
    >>> nn.init.ones_(nn.Linear(3, 2).bias)
    Parameter([1., 1.])
    """
    return _fill(tensor, 1)


@checked
def zeros_(tensor: Target) -> Tensor:
    """Fill with zeros.

    >>> from tinygrad_cnn import nn
    >>> nn.init.zeros_(nn.Linear(3, 2).bias)
    Parameter([0., 0.])
    """
    return _fill(tensor, 0)


@checked
def eye_(tensor: Target) -> Tensor:
    """Fill a matrix with the identity: a Linear layer that starts by passing on what it gets. ValueError if it is none.

    >>> from tinygrad_cnn import nn
    >>> nn.init.eye_(nn.Linear(2, 2).weight)
    Parameter([[1., 0.],
               [0., 1.]])
    """
    if tensor.ndim != 2:
        raise ValueError(f"eye_: expected a matrix, got shape {tensor.shape}")
    return _fill(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


@checked
def dirac_(tensor: Target, groups: int = 1) -> Tensor:
    """Fill a convolution's weight so that it starts by passing on its input channels, group by group.

    Raises ValueError for a weight of other than 3 to 5 axes, and where groups do not divide its first.

    >>> import tinygrad_cnn as tg
    >>> layer = tg.nn.Conv2d(1, 1, 3, padding=1, bias=False)
    >>> weight = tg.nn.init.dirac_(layer.weight)
    >>> layer(tg.Tensor([[[1.0, 2.0]]])).tolist()
    [[[1.0, 2.0]]]
    """
    if tensor.ndim not in (3, 4, 5):
        raise ValueError(f"dirac_: expected a convolution's weight, of 3 to 5 dimensions, got {tensor.shape}")
    if groups < 1 or tensor.shape[0] % groups:
        raise ValueError(f"dirac_: groups={groups} must be positive and divide the {tensor.shape[0]} output channels")
    per_group = tensor.shape[0] // groups
    centre = tuple(size // 2 for size in tensor.shape[2:])
    values = np.zeros(tensor.shape)
    for group in range(groups):
        for channel in range(min(per_group, tensor.shape[1])):
            values[group * per_group + channel, channel][centre] = 1
    return _fill(tensor, values)


def _fans(tensor: Tensor) -> tuple[int, int]:
    """How many inputs feed one output, and how many outputs one input feeds."""
    if tensor.ndim < 2:
        raise ValueError(f"fan in and fan out need a tensor of at least 2 dimensions, got shape {tensor.shape}")
    receptive_field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * receptive_field, tensor.shape[0] * receptive_field


@checked
def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which an initialiser makes up for a nonlinearity; `param` is leaky ReLU's slope.

    Those of ReLU and its like are from He et al. 2015. Raises ValueError for a nonlinearity that it does not know.

    >>> from tinygrad_cnn import nn
    >>> round(nn.init.calculate_gain("relu"), 4)
    1.4142
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    gains = {"tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4}
    gains |= dict.fromkeys(("linear", "sigmoid", *(f"conv{n}d" for n in (1, 2, 3))), 1.0)
    gains |= dict.fromkeys((f"conv_transpose{n}d" for n in (1, 2, 3)), 1.0)
    if nonlinearity not in gains:
        raise ValueError(
            f"calculate_gain: unknown nonlinearity {nonlinearity!r}; known: leaky_relu, {', '.join(gains)}"
        )
    return gains[nonlinearity]


@checked
def xavier_uniform_(tensor: Target, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill from U(-r, r), r = gain * sqrt(6 / (fan_in + fan_out)). Glorot & Bengio 2010, equation 16.

    Fans are (out, in) and, of a convolution's weight, times the kernel's size. Raises ValueError below 2 axes.

    >>> from tinygrad_cnn import nn
    >>> nn.init.xavier_uniform_(nn.Linear(3, 3).weight).abs().max().item() <= 1
    True
    """
    if any(fans := _fans(tensor)):
        bound = gain * math.sqrt(6 / sum(fans))
        uniform_(tensor, -bound, bound, generator)
    return tensor


@checked
def xavier_normal_(tensor: Target, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill from N(0, s^2), s = gain * sqrt(2 / (fan_in + fan_out)). Glorot & Bengio 2010. Fans: see xavier_uniform_.

    >>> from tinygrad_cnn import nn
    >>> weight = nn.init.xavier_normal_(nn.Linear(100, 100).weight)
    >>> abs(weight.std().item() - 0.1) < 0.01
    True
    """
    if any(fans := _fans(tensor)):
        normal_(tensor, 0, gain * math.sqrt(2 / sum(fans)), generator)
    return tensor


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode must be 'fan_in' or 'fan_out', not {mode!r}")
    return calculate_gain(nonlinearity, a) / math.sqrt(_fans(tensor)[mode == "fan_out"])


@checked
def kaiming_uniform_(
    tensor: Target,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill from U(-r, r), r = gain * sqrt(3 / fan); `a` is leaky ReLU's slope. He et al. 2015, section 2.2.

    `mode` says which fan, "fan_in" or "fan_out"; fans as in xavier_uniform_. ValueError for another mode or
    nonlinearity.

    >>> from tinygrad_cnn import nn
    >>> nn.init.kaiming_uniform_(nn.Linear(6, 3).weight).abs().max().item() <= 1
    True
    """
    if tensor.data.size:
        bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
        uniform_(tensor, -bound, bound, generator)
    return tensor


@checked
def kaiming_normal_(
    tensor: Target,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill from N(0, s^2), s = gain / sqrt(fan); `a` is leaky ReLU's slope. He et al. 2015, section 2.2.

    Options and errors as in kaiming_uniform_.

    >>> from tinygrad_cnn import nn
    >>> layer = nn.Conv2d(8, 100, 5)
    >>> weight = nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    >>> abs(weight.std().item() - 0.1) < 0.01
    True
    """
    if tensor.data.size:
        normal_(tensor, 0, _kaiming_std(tensor, a, mode, nonlinearity), generator)
    return tensor


@checked
def fan_in_uniform_(weight: Tensor, bias: Tensor | None) -> None:
    """Torch's start for dense and convolution layers: both from U(-r, r), r = 1 / sqrt(fan_in).

    For the weight this is `kaiming_uniform_` with a = sqrt(5).

    >>> from tinygrad_cnn import nn
    >>> layer = nn.Linear(4, 2)
    >>> nn.init.fan_in_uniform_(layer.weight, layer.bias)
    >>> layer.bias.abs().max().item() <= 0.5
    True
    """
    fan_in = _fans(weight)[0]
    bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
    uniform_(weight, -bound, bound)
    if bias is not None:
        uniform_(bias, -bound, bound)


@checked
def orthogonal_(tensor: Target, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Fill with `gain` times a random matrix of orthonormal rows or columns, whichever are fewer.

    What follows the first dimension counts as columns. Saxe, McClelland & Ganguli 2014. ValueError below 2 axes.

    >>> from tinygrad_cnn import nn
    >>> weight = nn.init.orthogonal_(nn.Linear(3, 2).weight).detach()
    >>> (weight @ weight.T).abs().data.round(3).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_: expected at least 2 dimensions, got shape {tensor.shape}")
    if not tensor.data.size:
        return tensor
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    normal = (generator or default_generator()).normal(size=(max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(normal)
    q *= np.sign(np.diag(r))  # makes the draw uniform over such matrices
    return _fill(tensor, gain * (q if rows >= columns else q.T).reshape(tensor.shape))


@checked
def sparse_(tensor: Target, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Fill a matrix from N(0, std^2), and the share `sparsity` of each column with zeros. Martens 2010.

    Raises ValueError for what is no matrix and for a share outside [0, 1].

    >>> from tinygrad_cnn import nn
    >>> nn.init.sparse_(nn.Linear(3, 4).weight, sparsity=0.5).eq(0).sum(0)
    Tensor([2, 2, 2])
    """
    if tensor.ndim != 2:
        raise ValueError(f"sparse_: expected a matrix, got shape {tensor.shape}")
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparse_: sparsity must be in [0, 1], not {sparsity}")
    generator = generator or default_generator()
    rows, columns = tensor.shape
    values = generator.normal(0, std, tensor.shape)
    for column in range(columns):
        values[generator.permutation(rows)[: math.ceil(sparsity * rows)], column] = 0
    return _fill(tensor, values)

"""Each initialiser draws from the distribution that its name promises, the same for the same seed."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.nn import init


def empty(*shape: int) -> tg.Tensor:
    return tg.Tensor(np.full(shape, np.nan, np.float32))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def assert_uniform(values: np.ndarray, bound: float) -> None:
    assert np.abs(values).max() <= bound * 1.000001
    assert np.abs(values).max() > 0.99 * bound
    assert values.std() == pytest.approx(bound / math.sqrt(3), rel=0.03)
    assert values.mean() == pytest.approx(0, abs=0.03 * bound)


def assert_normal(values: np.ndarray, std: float) -> None:
    assert values.std() == pytest.approx(std, rel=0.03)
    assert values.mean() == pytest.approx(0, abs=0.03 * std)
    assert (np.abs(values) < std).mean() == pytest.approx(0.6827, abs=0.02)


W = (60, 20, 3, 4)  # fan_in 240, fan_out 720


@pytest.mark.parametrize(
    ("fill", "bound"),
    [
        (lambda t: init.uniform_(t, -2, 2, generator=rng()), 2),
        (lambda t: init.xavier_uniform_(t, gain=3, generator=rng()), 3 * math.sqrt(6 / 960)),
        (lambda t: init.kaiming_uniform_(t, generator=rng()), math.sqrt(2) * math.sqrt(3 / 240)),
        (lambda t: init.kaiming_uniform_(t, a=math.sqrt(5), generator=rng()), 1 / math.sqrt(240)),
        (lambda t: init.kaiming_uniform_(t, 0, "fan_out", "tanh", rng()), 5 / 3 * math.sqrt(3 / 720)),
        (lambda t: init.fan_in_uniform_(t, None), 1 / math.sqrt(240)),
    ],
)
def test_uniform_initialisers_have_their_bound(fill, bound: float) -> None:
    t = empty(*W)
    assert fill(t) is t or fill(t) is None
    assert t.dtype == np.float32
    assert_uniform(t.data, bound)


@pytest.mark.parametrize(
    ("fill", "std"),
    [
        (lambda t: init.normal_(t, 0, 2, generator=rng()), 2),
        (lambda t: init.xavier_normal_(t, gain=3, generator=rng()), 3 * math.sqrt(2 / 960)),
        (lambda t: init.kaiming_normal_(t, nonlinearity="relu", generator=rng()), math.sqrt(2 / 240)),
        (lambda t: init.kaiming_normal_(t, 1.0, "fan_out", generator=rng()), math.sqrt(1 / 720)),
    ],
)
def test_normal_initialisers_have_their_spread(fill, std: float) -> None:
    t = empty(*W)
    assert fill(t) is t
    assert_normal(t.data, std)


def test_trunc_normal_stays_inside_its_interval() -> None:
    values = init.trunc_normal_(empty(100, 100), mean=1, std=2, a=0, b=2, generator=rng()).data
    assert values.min() >= 0
    assert values.max() <= 2
    assert values.mean() == pytest.approx(1, abs=0.02)
    wide = init.trunc_normal_(empty(100, 100), std=0.02, generator=rng()).data
    assert_normal(wide, 0.02)
    with pytest.raises(ValueError, match="hardly any"):
        init.trunc_normal_(empty(3), a=9, b=10)
    with pytest.raises(ValueError, match="hardly any"):
        init.trunc_normal_(empty(3), a=1, b=-1)


def test_constants() -> None:
    assert init.constant_(empty(2), 3.5).tolist() == [3.5, 3.5]
    assert init.ones_(empty(1, 2)).tolist() == [[1, 1]]
    assert init.zeros_(empty()).tolist() == 0
    assert init.eye_(empty(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize("groups", [1, 2])
def test_a_dirac_convolution_passes_its_input_on(groups: int) -> None:
    conv = nn.Conv2d(4, 4, 3, padding=1, groups=groups, bias=False)
    assert init.dirac_(conv.weight, groups) is conv.weight
    x = rng().normal(size=(2, 4, 5, 5)).astype(np.float32)
    np.testing.assert_array_equal(conv(tg.Tensor(x)).data, x)


@pytest.mark.parametrize("shape", [(5, 8), (8, 5), (6, 2, 3, 1), (4, 4)])
def test_orthogonal_rows_or_columns_are_orthonormal(shape: tuple[int, ...]) -> None:
    m = init.orthogonal_(empty(*shape), gain=2, generator=rng()).data.reshape(shape[0], -1)
    if m.shape[0] > m.shape[1]:
        m = m.T
    np.testing.assert_allclose(m @ m.T, 4 * np.eye(len(m)), atol=1e-5)


def test_sparse_leaves_the_given_share_of_each_column_zero() -> None:
    m = init.sparse_(empty(10, 50), sparsity=0.25, std=2, generator=rng()).data
    assert ((m == 0).sum(0) == 3).all()
    assert len({tuple(column) for column in (m == 0).T}) > 10
    assert m[m != 0].std() == pytest.approx(2, rel=0.15)


def test_gains_are_torchs() -> None:
    torch = pytest.importorskip("torch")
    for name in ("linear", "conv2d", "conv_transpose3d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
        assert init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))
    assert init.calculate_gain("leaky_relu", 0) == pytest.approx(math.sqrt(2))
    with pytest.raises(ValueError, match="unknown nonlinearity 'gelu'; known: leaky_relu, tanh"):
        init.calculate_gain("gelu")


def test_the_default_generator_makes_layers_the_same_for_the_same_seed() -> None:
    def weights(seed: int) -> np.ndarray:
        tg.manual_seed(seed)
        return np.concatenate(
            [a.ravel() for a in nn.Sequential(nn.Linear(3, 4), nn.Conv2d(1, 2, 3)).state_dict().values()]
        )

    np.testing.assert_array_equal(weights(1), weights(1))
    assert (weights(1) != weights(2)).all()


def test_an_explicit_generator_leaves_the_default_one_alone() -> None:
    tg.manual_seed(0)
    init.normal_(empty(10), generator=rng(3))
    assert init.uniform_(empty(1)).item() == np.float32(rng(0).uniform())


def test_a_parameter_keeps_its_array_and_its_gradient_stays_off_the_draw() -> None:
    p = nn.Parameter(np.zeros(3, np.float32))
    array = p.data
    init.ones_(p)
    assert p.data is array
    assert p.requires_grad
    assert p.is_leaf
    assert array.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("fill", "shape"),
    [
        (init.xavier_uniform_, (3,)),
        (init.kaiming_normal_, ()),
        (init.eye_, (2, 2, 2)),
        (init.dirac_, (2, 2)),
        (lambda t: init.dirac_(t, 2), (3, 2, 3)),
        (init.orthogonal_, (3,)),
        (lambda t: init.sparse_(t, 0.5), (3,)),
        (lambda t: init.sparse_(t, 1.5), (3, 3)),
        (lambda t: init.kaiming_uniform_(t, mode="fan"), (3, 3)),
        (lambda t: init.uniform_(t, 1, 0), (3, 3)),
        (lambda t: init.normal_(t, 0, -1), (3, 3)),
        (lambda t: init.trunc_normal_(t, 0, 0), (3, 3)),
    ],
)
def test_what_does_not_fit_is_a_value_error_and_changes_nothing(fill, shape: tuple[int, ...]) -> None:
    t = tg.Tensor(np.full(shape, 7, np.float32))
    with pytest.raises(ValueError, match=r"\w"):
        fill(t)
    assert (t.data == 7).all()


def test_an_array_is_refused_since_tensors_are_filled() -> None:
    with pytest.raises(TypeError, match="zeros_: tensor must be a Tensor"):
        init.zeros_(np.ones(3))


def test_empty_tensors_stay_empty() -> None:
    for fill in (init.kaiming_uniform_, init.kaiming_normal_, init.orthogonal_, init.uniform_):
        assert fill(empty(0, 4)).shape == (0, 4)
    assert nn.Linear(0, 2)(tg.Tensor(np.zeros((3, 0), np.float32))).tolist() == [[0.0, 0.0]] * 3

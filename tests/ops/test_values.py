"""Values where care is needed: far out, near a limit, at infinity, against mpmath's many digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from tinygrad_cnn import Tensor

mpmath.mp.dps = 40
INF, NAN = float("inf"), float("nan")
FAR_AND_NEAR = np.array(
    [0, 1e-300, -1e-300, 1e-20, -1e-20, 1e-9, -1e-9, 1e-3, -1e-3, 0.1, -0.1, 0.5, -0.5, 1, -1, 2, -2, 5, -5, 9, -9,
     17, -17, 36, -36, 40, -40, 88, -88, 100, -100, 300, -300, 700, -700, 740, -740, 1000, -1000, 1e8, -1e8]
)  # fmt: skip


def many_digits(function: Callable[[Any], Any], x: np.ndarray) -> np.ndarray:
    return np.array([float(function(mpmath.mpf(float(v)))) for v in x])


def sigmoid(x: Any) -> Any:
    return 1 / (1 + mpmath.exp(-x))


def softplus(x: Any) -> Any:
    return mpmath.log1p(mpmath.exp(x)) if x < 100 else x + mpmath.exp(-x)


def normal_distribution(x: Any) -> Any:
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


EXACT: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Any], Any], float]] = {
    "sigmoid": (tg.sigmoid, sigmoid, 4e-16),
    "softplus": (tg.ops.softplus, softplus, 4e-16),
    "F.softplus": (F.softplus, softplus, 3e-9),  # x itself beyond 20, as in Torch
    "tanh": (tg.tanh, mpmath.tanh, 4e-16),
    "erf": (tg.erf, mpmath.erf, 5e-16),
    "expm1": (tg.expm1, lambda x: mpmath.expm1(x) if x < 709 else mpmath.inf, 4e-16),
    "silu": (F.silu, lambda x: x * sigmoid(x), 4e-16),
}


@pytest.mark.parametrize("name", EXACT)
def test_functions_are_right_to_the_last_digits_everywhere(name: str) -> None:
    function, exact, tolerance = EXACT[name]
    expected = many_digits(exact, FAR_AND_NEAR)
    np.testing.assert_allclose(function(Tensor(FAR_AND_NEAR)).data, expected, rtol=tolerance, atol=1e-320)


@pytest.mark.parametrize("name", EXACT)
def test_in_float32_too_without_a_warning_or_a_nan(name: str) -> None:
    function, exact, _ = EXACT[name]
    x = FAR_AND_NEAR.astype(np.float32)
    with np.errstate(over="ignore"):
        expected = many_digits(exact, x).astype(np.float32)
    np.testing.assert_allclose(function(Tensor(x)).data, expected, rtol=5e-7, atol=1e-38)


SLOPES: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Any], Any]]] = {
    "sigmoid": (tg.sigmoid, lambda x: sigmoid(x) * sigmoid(-x)),
    "softplus": (tg.ops.softplus, sigmoid),
    "tanh": (tg.tanh, lambda x: mpmath.sech(x) ** 2),
    "erf": (tg.erf, lambda x: 2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-x * x)),
    "silu": (F.silu, lambda x: sigmoid(x) * (1 + x * sigmoid(-x))),
    "gelu": (
        F.gelu,
        lambda x: normal_distribution(x) + x * mpmath.exp(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi),
    ),
    "elu": (F.elu, lambda x: mpmath.mpf(1) if x > 0 else mpmath.exp(x)),
}


@pytest.mark.parametrize("name", SLOPES)
def test_slopes_are_right_and_finite_far_out(name: str) -> None:
    function, slope = SLOPES[name]
    x = Tensor(FAR_AND_NEAR, requires_grad=True)
    function(x).sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.data, many_digits(slope, FAR_AND_NEAR), rtol=1e-9, atol=2e-16)


AT_INFINITY: dict[str, list[float]] = {  # at -inf, inf and NaN
    "exp": [0, INF, NAN], "expm1": [-1, INF, NAN], "tanh": [-1, 1, NAN], "sigmoid": [0, 1, NAN], "erf": [-1, 1, NAN],
    "softplus": [0, INF, NAN], "relu": [0, INF, NAN], "abs": [INF, INF, NAN], "square": [INF, INF, NAN],
    "neg": [INF, -INF, NAN], "reciprocal": [0, 0, NAN], "log": [NAN, INF, NAN], "sqrt": [NAN, INF, NAN],
    "rsqrt": [NAN, 0, NAN], "log1p": [NAN, INF, NAN], "sin": [NAN, NAN, NAN], "floor": [-INF, INF, NAN],
}  # fmt: skip


@pytest.mark.parametrize("name", AT_INFINITY)
def test_functions_have_their_limits_at_infinity_and_nan_stays_nan(name: str) -> None:
    out = getattr(tg, name)(Tensor(np.array([-INF, INF, NAN])))
    np.testing.assert_array_equal(out.data, AT_INFINITY[name])


def test_poles_and_borders_give_infinities_without_a_warning() -> None:
    zero = Tensor(np.array(0.0), requires_grad=True)
    assert zero.log().item() == -INF
    assert zero.rsqrt().item() == (1 / zero).item() == INF
    assert Tensor(np.array(-1.0)).log1p().item() == -INF
    assert np.isnan((zero / 0).item())
    zero.sqrt().backward()
    assert zero.grad is not None
    assert zero.grad.item() == INF


# -- reductions -----------------------------------------------------------------------------------------------

ROWS: list[list[float]] = [
    [0.0, 0.0, 0.0],
    [1000.0, 1000.0, 999.0],
    [-1000.0, -1001.0, -1e8],
    [1e8, -1e8, 0.0],
    [0.1, 0.2, 0.3],
    [-INF, 0.0, 1.0],
    [700.0, -700.0, 0.0],
]


def exact_logsumexp(row: list[float]) -> Any:
    return mpmath.log(mpmath.fsum(mpmath.exp(v) if v != -INF else 0 for v in map(mpmath.mpf, row)))


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_softmax_and_its_kin_neither_overflow_nor_vanish(row: list[float]) -> None:
    x = Tensor(np.array(row))
    total = exact_logsumexp(row)
    np.testing.assert_allclose(x.logsumexp(0).item(), float(total), rtol=4e-16, atol=3e-16)
    logs = [float(mpmath.mpf(v) - total) if v != -INF else -INF for v in row]
    np.testing.assert_allclose(x.log_softmax(0).data, logs, rtol=1e-15, atol=3e-16)
    shares = [float(mpmath.exp(mpmath.mpf(v) - total)) if v != -INF else 0.0 for v in row]
    np.testing.assert_allclose(x.softmax(0).data, shares, rtol=1e-12, atol=5e-324)
    assert x.softmax(0).sum().item() == pytest.approx(1, abs=3e-16)


def test_logsumexp_of_nothing_and_of_infinities() -> None:
    assert tg.zeros(0).logsumexp(0).item() == -INF
    assert tg.zeros(2, 0).logsumexp(1).tolist() == [-INF, -INF]
    assert Tensor([-INF, -INF]).logsumexp(0).item() == -INF
    assert Tensor([INF, 0.0]).logsumexp(0).item() == INF
    assert np.isnan(Tensor([NAN, 0.0]).logsumexp(0).item())


def test_an_impossible_class_has_no_share_and_no_gradient() -> None:
    x = Tensor(np.array([0.0, -INF, 1.0]), requires_grad=True)
    (x.softmax(0) * Tensor(np.array([1.0, 2.0, 3.0]))).sum().backward()
    assert x.grad is not None
    assert np.isfinite(x.grad.data).all()
    assert x.grad.data[1] == 0


@pytest.mark.parametrize("p", [0.5, 1, 1.5, 2, 3, -1, -2])
@pytest.mark.parametrize("numbers", [[3.0, -4.0], [1e-3, 2.0, -0.5], [7.0], [0.25, 0.25, 0.25, 0.25]])
def test_norms_are_those_of_the_definition(numbers: list[float], p: float) -> None:
    exact = mpmath.power(mpmath.fsum(abs(mpmath.mpf(v)) ** p for v in numbers), mpmath.mpf(1) / p)
    assert Tensor(np.array(numbers)).norm(p).item() == pytest.approx(float(exact), rel=1e-14)


def test_the_norms_at_the_ends_of_the_scale() -> None:
    x = Tensor(np.array([3.0, 0.0, -4.0]))
    assert x.norm(INF).item() == 4.0
    assert x.norm(-INF).item() == 0.0
    assert x.norm(0).item() == 2.0
    assert x.norm().item() == x.norm("fro").item() == x.norm(None).item() == 5.0
    assert x.norm(-1).item() == 0.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_euclidean_norm_neither_overflows_nor_vanishes(dtype: Any) -> None:
    limits = np.finfo(dtype)
    for size in (limits.max / 8, limits.tiny * 8, 1.0):
        x = Tensor(np.array([3, 4], dtype) * dtype(size), requires_grad=True)
        y = x.norm()
        assert y.item() == pytest.approx(5 * float(size), rel=1e-6)
        y.backward()
        assert x.grad is not None
        np.testing.assert_allclose(x.grad.data, [0.6, 0.8], rtol=1e-6)


@pytest.mark.parametrize("p", [0.5, 1, 1.5, 2, 3, INF, -INF, -1])
def test_at_zero_a_norms_gradient_is_zero(p: float) -> None:
    x = Tensor(np.zeros(3), requires_grad=True)
    x.norm(p).backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 0.0, 0.0]


def test_norm_of_infinities_and_of_nothing() -> None:
    assert Tensor([INF, 1.0]).norm().item() == INF
    assert np.isnan(Tensor([NAN, 1.0]).norm().item())
    assert tg.zeros(0).norm().item() == 0.0


def test_variance_does_not_cancel_around_a_large_mean() -> None:
    x = np.float32(10_000) + np.arange(8, dtype=np.float32)
    assert Tensor(x).var().item() == pytest.approx(6.0, rel=1e-6)
    assert Tensor(x).std(unbiased=False).item() == pytest.approx(np.sqrt(5.25), rel=1e-6)
    normalised = F.layer_norm(Tensor(x), (8,))
    np.testing.assert_allclose(normalised.data, (np.arange(8) - 3.5) / np.sqrt(5.25 + 1e-5), rtol=1e-5)


def test_a_sum_of_many_float32_numbers_is_close() -> None:
    x = np.full(1_000_000, 0.1, np.float32)
    assert Tensor(x).sum().item() == pytest.approx(float(np.float32(0.1)) * 1e6, rel=1e-6)
    assert Tensor(x).mean().item() == pytest.approx(0.1, rel=1e-6)


def test_reductions_of_nothing() -> None:
    nothing = tg.zeros(2, 0)
    assert nothing.sum(1).tolist() == [0.0, 0.0]
    assert nothing.prod(1).tolist() == [1.0, 1.0]
    assert np.isnan(nothing.mean(1).data).all()
    assert np.isnan(nothing.var(1).data).all()
    assert np.isnan(Tensor([1.0]).std().item())
    assert nothing.any().item() is False
    assert nothing.all().item() is True
    assert nothing.sum(0).shape == (0,)
    assert nothing.amax(0).shape == (0,)


def test_reductions_of_everything_may_keep_the_axes() -> None:
    x = Tensor([[1.0, 2.0], [3.0, 4.0]])
    results = {"sum": 10.0, "mean": 2.5, "prod": 24.0, "amax": 4.0, "amin": 1.0, "argmax": 3, "argmin": 0}
    for operation, result in (results | {"all": True, "any": True}).items():
        assert getattr(x, operation)(keepdim=True).tolist() == [[result]], operation
        assert getattr(x, operation)().tolist() == result, operation
        assert getattr(x, operation)(0).shape == (2,), operation
    assert x.max(0).values.shape == x.min(0).indices.shape == x.var(0).shape == x.logsumexp(0).shape == (2,)


def test_the_first_of_equal_extremes_is_found() -> None:
    x = Tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 0.0]])
    assert x.argmax(1).tolist() == [1, 0]
    assert x.argmin(1).tolist() == [0, 2]
    assert x.argmax().item() == 1
    assert x.argmin().item() == 5
    assert x.max(1).indices.tolist() == [1, 0]
    assert x.argmax(1).dtype == np.int64


def test_nan_is_the_largest_and_the_smallest() -> None:
    x = Tensor([1.0, NAN, 3.0])
    for y in (x.amax(), x.amin(), x.max(), x.min(), x.max(0).values, x.sum(), x.norm(), x.maximum(2.0), x.minimum(2.0)):
        assert np.isnan(y.data).any()
    assert x.argmax().item() == x.argmin().item() == 1


# -- the rest -------------------------------------------------------------------------------------------------


def test_remainder_has_the_divisors_sign() -> None:
    a = Tensor(np.array([5.0, -5.0, 5.0, -5.0]))
    b = Tensor(np.array([3.0, 3.0, -3.0, -3.0]))
    assert (a % b).tolist() == [2.0, 1.0, -1.0, -2.0]
    assert (a // b).tolist() == [1.0, -2.0, -2.0, 1.0]
    assert np.isnan((a % 0).data).all()


def test_clamp_passes_nan_and_prefers_the_upper_limit() -> None:
    x = Tensor([-1.0, NAN, 5.0])
    np.testing.assert_array_equal(x.clamp(0, 2).data, np.array([0.0, NAN, 2.0], np.float32))
    assert x.clamp(3, 1).tolist()[::2] == [1.0, 1.0]


def test_binary_cross_entropy_is_held_at_100_where_the_logarithm_ends() -> None:
    x = Tensor([0.0, 1.0, 0.5], requires_grad=True)
    loss = F.binary_cross_entropy(x, Tensor([1.0, 0.0, 1.0]), reduction="none")
    np.testing.assert_allclose(loss.data, [100.0, 100.0, np.log(2)], rtol=1e-6)
    certain = F.binary_cross_entropy(Tensor([0.0, 1.0]), Tensor([0.0, 1.0]))
    assert certain.item() == 0.0


@pytest.mark.parametrize("size", [1.0, 1e2, 1e4, 1e30])
def test_cross_entropies_of_logits_are_finite_and_right_however_sure(size: float) -> None:
    logits = Tensor(np.array([size, -size]), requires_grad=True)
    loss = F.cross_entropy(logits, Tensor(1))
    exact = mpmath.log(mpmath.exp(mpmath.mpf(2 * size)) + 1) if size < 1e6 else 2 * size
    assert loss.item() == pytest.approx(float(exact), rel=1e-15)
    binary = F.binary_cross_entropy_with_logits(logits, Tensor(np.array([0.0, 1.0])), reduction="sum")
    assert binary.item() == pytest.approx(2 * float(softplus(mpmath.mpf(size))), rel=1e-15)
    (loss + binary).backward()
    assert logits.grad is not None
    assert np.isfinite(logits.grad.data).all()


def test_where_takes_no_notice_of_the_other_branch() -> None:
    x = Tensor(np.array([0.0, 4.0]), requires_grad=True)
    tg.where(x > 0, x, 1.0).sqrt().sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 0.25]


def test_a_transposed_convolution_may_end_in_a_single_place() -> None:
    assert F.conv_transpose2d(Tensor([[[[3.0]]]]), Tensor([[[[2.0]]]])).tolist() == [[[[6.0]]]]


def test_a_bias_of_a_wider_type_widens_the_result() -> None:
    out = F.linear(Tensor([[1.0, 2.0]]), Tensor([[3.0, 4.0]]), Tensor(np.array([0.1])))
    assert out.dtype == np.float64
    assert out.item() == 11.1

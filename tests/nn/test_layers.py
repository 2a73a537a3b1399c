"""Every layer against PyTorch's of the same name and arguments: outputs, gradients, state and repr."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.nn.parity import assert_same_module
from tinygrad_cnn import nn

GRID: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = [
    ("Linear", (5, 3), {}, (4, 5)),
    ("Linear", (5, 3), {"bias": False}, (2, 4, 5)),
    ("Linear", (5, 3), {}, (5,)),
    ("Conv2d", (3, 4, 3), {}, (2, 3, 8, 7)),
    ("Conv2d", (3, 4, 3), {}, (3, 8, 7)),
    ("Conv2d", (4, 6, (3, 2)), {"stride": (2, 1), "padding": (1, 0), "groups": 2}, (2, 4, 8, 7)),
    ("Conv2d", (3, 4, 3), {"dilation": (2, 1), "padding": "valid", "bias": False}, (2, 3, 8, 7)),
    ("Conv2d", (3, 4, (4, 3)), {"padding": "same"}, (2, 3, 8, 7)),
    ("Conv2d", (3, 4, 2), {"padding": "same", "dilation": 3, "padding_mode": "circular"}, (2, 3, 8, 7)),
    ("Conv2d", (3, 4, 3), {"padding": (2, 1), "padding_mode": "reflect", "stride": 2}, (2, 3, 8, 7)),
    ("Conv2d", (3, 4, 3), {"padding": 1, "padding_mode": "replicate"}, (3, 8, 7)),
    ("Conv2d", (4, 8, 1), {"groups": 4}, (2, 4, 3, 3)),
    ("ConvTranspose2d", (3, 4, 3), {}, (2, 3, 4, 5)),
    ("ConvTranspose2d", (4, 6, (3, 2)), {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2}, (2, 4, 4, 5)),
    ("ConvTranspose2d", (3, 4, 3), {"dilation": 2, "bias": False}, (3, 4, 5)),
    ("MaxPool2d", (2,), {}, (2, 3, 6, 7)),
    ("MaxPool2d", (3, 2, 1, 2, False, True), {}, (2, 3, 9, 8)),
    ("MaxPool2d", ((2, 3),), {"stride": (1, 2)}, (3, 6, 7)),
    ("AvgPool2d", (2,), {}, (2, 3, 6, 7)),
    ("AvgPool2d", (3, 2, 1, True, False), {}, (2, 3, 6, 8)),
    ("AvgPool2d", ((2, 3), 1), {"divisor_override": 5}, (3, 6, 7)),
    ("AdaptiveAvgPool2d", (1,), {}, (2, 3, 6, 7)),
    ("AdaptiveAvgPool2d", ((3, None),), {}, (2, 3, 7, 5)),
    ("BatchNorm1d", (3,), {}, (5, 3)),
    ("BatchNorm1d", (3,), {"eps": 0.1, "momentum": 0.3, "affine": False}, (5, 3, 4)),
    ("BatchNorm2d", (3,), {}, (4, 3, 2, 5)),
    ("BatchNorm2d", (3,), {"momentum": None}, (4, 3, 2, 5)),
    ("BatchNorm2d", (3,), {"track_running_stats": False}, (4, 3, 2, 5)),
    ("LayerNorm", (5,), {}, (2, 3, 5)),
    ("LayerNorm", ((3, 5), 0.1), {"bias": False}, (2, 3, 5)),
    ("LayerNorm", (5,), {"elementwise_affine": False}, (5,)),
    ("Dropout", (0.0,), {}, (3, 4)),
    ("Dropout2d", (0.0,), {}, (3, 4, 2, 2)),
    ("Flatten", (), {}, (2, 3, 4)),
    ("Flatten", (0, 1), {}, (2, 3, 4)),
    ("Identity", (1, 2), {"three": 3}, (2, 3)),
    ("ReLU", (), {}, (3, 4)),
    ("LeakyReLU", (0.3,), {}, (3, 4)),
    ("ELU", (0.7,), {}, (3, 4)),
    ("GELU", (), {}, (3, 4)),
    ("GELU", ("tanh",), {}, (3, 4)),
    ("SiLU", (), {}, (3, 4)),
    ("Softplus", (2.0, 1.0), {}, (3, 4)),
    ("Sigmoid", (), {}, (3, 4)),
    ("Tanh", (), {}, (3, 4)),
    ("Softmax", (1,), {}, (3, 4)),
    ("LogSoftmax", (-1,), {}, (3, 4)),
]  # fmt: skip


def label(case: Any) -> str | None:
    return case if isinstance(case, str) else None


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")  # Torch's
@pytest.mark.parametrize(("name", "args", "kwargs", "shape"), GRID, ids=label)
def test_a_layer_does_what_torchs_does(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], shape: tuple[int, ...]
) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    assert_same_module(getattr(nn, name)(*args, **kwargs), getattr(torch.nn, name)(*args, **kwargs), shape)


@pytest.mark.parametrize("momentum", [0.1, 1.0, 0.0, None])
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_follows_torch_over_many_batches_and_in_evaluation(momentum: float | None, affine: bool) -> None:
    torch = pytest.importorskip("torch")
    ours = nn.BatchNorm2d(3, momentum=momentum, affine=affine)
    theirs = torch.nn.BatchNorm2d(3, momentum=momentum, affine=affine)
    assert_same_module(ours, theirs, (4, 3, 2, 5), calls=3)
    assert ours.num_batches_tracked.item() == 3
    theirs.zero_grad()
    ours.zero_grad()
    assert_same_module(ours, theirs.eval(), (4, 3, 2, 5), calls=2)
    assert ours.num_batches_tracked.item() == 3


def test_batch_norm_that_stops_tracking_uses_the_batch_and_keeps_its_statistics() -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = nn.BatchNorm1d(3), torch.nn.BatchNorm1d(3)
    ours.track_running_stats = theirs.track_running_stats = False
    assert_same_module(ours, theirs, (4, 3))
    ours.zero_grad(), theirs.zero_grad()
    assert_same_module(ours, theirs.eval(), (4, 3))


def test_batch_norm_without_a_bias() -> None:
    norm = nn.BatchNorm1d(2, bias=False)
    assert [name for name, _ in norm.named_parameters()] == ["weight"]
    x = tg.Tensor([[1.0, 2.0], [3.0, 6.0]])
    np.testing.assert_allclose(norm(x).data, nn.BatchNorm1d(2)(x).data)


def test_batch_norm_in_evaluation_then_training_keeps_the_first_gradient_right() -> None:
    norm = nn.BatchNorm1d(1).eval()
    norm.load_state_dict({**norm.state_dict(), "running_var": [4.0]})
    x = tg.Tensor([[1.0], [2.0]], requires_grad=True)
    y = norm(x).sum()
    norm.train()(tg.Tensor([[10.0], [30.0]]))
    y.backward()
    np.testing.assert_allclose(x.grad.data, 1 / math.sqrt(4 + 1e-5))


def test_batch_norm_refuses_a_single_value_per_channel_in_training_only() -> None:
    norm = nn.BatchNorm2d(3)
    x = tg.Tensor(np.ones((1, 3, 1, 1), np.float32))
    before = norm.state_dict()
    with pytest.raises(ValueError, match="more than one value"):
        norm(x)
    assert norm.running_mean.tolist() == before["running_mean"].tolist()
    assert norm.eval()(x).shape == (1, 3, 1, 1)


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (nn.BatchNorm1d(3), (2, 3, 4, 5), r"expected \(N, C\) or \(N, C, L\), got shape \(2, 3, 4, 5\)"),
        (nn.BatchNorm2d(3), (2, 3), r"expected \(N, C, H, W\), got shape \(2, 3\)"),
        (nn.Dropout2d(), (2,), r"should be \(N, C, ...\)"),
    ],
)
def test_a_wrong_number_of_dimensions_is_refused(layer: nn.Module, shape: tuple[int, ...], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        layer(tg.Tensor(np.ones(shape)))


@pytest.mark.parametrize("output_size", [(7, 9), (8, 10), (2, 4, 8, 9)])
def test_a_transposed_convolution_gives_the_size_asked_for(output_size: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1)
    ours = nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1)
    ours.load_state_dict(theirs.state_dict())
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    expected = theirs(torch.tensor(x), output_size=output_size).detach().numpy()
    np.testing.assert_allclose(ours(tg.Tensor(x), output_size).data, expected, 1e-4, 1e-5)
    with pytest.raises(ValueError, match=r"\(9, 9\) is out of reach.*from \(7, 9\) to \(8, 10\)"):
        ours(tg.Tensor(x), (9, 9))


# ---- how parameters start -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "args", "fan_in"),
    [
        ("Linear", (50, 40), 50),
        ("Conv2d", (8, 64, (3, 5), 1, 0, 1, 2), 4 * 15),
        ("ConvTranspose2d", (64, 8, (3, 5), 1, 0, 0, 2), 4 * 15),
    ],
)
def test_weight_and_bias_start_as_torchs_do(name: str, args: tuple[Any, ...], fan_in: int) -> None:
    tg.manual_seed(0)
    layers = [getattr(nn, name)(*args) for _ in range(20)]
    for kind in ("weight", "bias"):
        values = np.concatenate([layer.state_dict()[kind].ravel() for layer in layers]) * math.sqrt(fan_in)
        assert values.dtype == np.float32
        assert 0.98 < np.abs(values).max() <= 1.000001
        assert np.abs(np.histogram(values, 4, (-1, 1))[0] / values.size - 0.25).max() < 0.06
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs = getattr(torch.nn, name)(*args)
    assert theirs.weight.abs().max().item() * math.sqrt(fan_in) == pytest.approx(1, abs=0.02)


def test_reset_parameters_draws_new_values_into_the_same_tensors() -> None:
    layer = nn.Conv2d(2, 3, 3)
    weight, before = layer.weight, layer.state_dict()
    layer.reset_parameters()
    assert layer.weight is weight
    assert (layer.weight.data != before["weight"]).all()


# ---- dropout --------------------------------------------------------------------------------------------


def test_dropout_scales_what_it_keeps_and_draws_anew_each_time() -> None:
    tg.manual_seed(0)
    drop, x = nn.Dropout(0.25), tg.Tensor(np.ones((100, 100), np.float32))
    y = drop(x).data
    assert set(np.unique(y)) == {0, np.float32(1 / 0.75)}
    assert (y == 0).mean() == pytest.approx(0.25, abs=0.02)
    assert (y != drop(x).data).any()
    tg.manual_seed(0)
    np.testing.assert_array_equal(drop(x).data, y)
    np.testing.assert_array_equal(drop.eval()(x).data, x.data)
    assert not nn.Dropout(1.0)(x).data.any()


@pytest.mark.parametrize("shape", [(20, 30, 4, 5), (20, 30, 20)])
def test_dropout2d_drops_whole_channels(shape: tuple[int, ...]) -> None:
    tg.manual_seed(0)
    x = tg.Tensor(np.ones(shape, np.float32), requires_grad=True)
    y = nn.Dropout2d(0.4)(x)
    channels = y.data.reshape(600, -1)
    assert (channels == channels[:, :1]).all()
    assert (channels[:, 0] == 0).mean() == pytest.approx(0.4, abs=0.07)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data, y.data)
    assert nn.Dropout2d(0.4).eval()(x) is x


# ---- refusals -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "groups=2 must be positive and divide in_channels=3"),
        (lambda: nn.Conv2d(3, 4, 3, groups=0), ValueError, "groups=0"),
        (lambda: nn.Conv2d(3, 4, 3, padding="full"), TypeError, "Conv2d: padding must be an int or a pair.*'full'"),
        (lambda: nn.Conv2d(3, 4, 3, 2, padding="same"), ValueError, "'same' needs stride 1"),
        (lambda: nn.Conv2d(3, 4, (3, 3, 3)), TypeError, r"Conv2d: kernel_size must be an int or a pair.*\(3, 3, 3\)"),
        (lambda: nn.Conv2d(3, 4, (2.7, 3)), TypeError, r"a pair of ints, got \(2\.7, 3\)"),
        (lambda: nn.Conv2d(3, 4, 0), ValueError, "Conv2d: kernel_size must be at least 1, got 0"),
        (lambda: nn.Conv2d(3, 4, 3, stride=(1, 0)), ValueError, r"stride must be at least 1, got \(1, 0\)"),
        (lambda: nn.ConvTranspose2d(3, 4, 3, padding=-1), ValueError, "ConvTranspose2d: padding must be at least 0"),
        (
            lambda: nn.Conv2d(3, 4, 3, padding_mode="mirror"),
            ValueError,
            "one of .'zeros', 'reflect', 'replicate', 'circular'., not 'mirror'",
        ),
        (lambda: nn.Conv2d(3, 4, 3, device="cuda"), TypeError, "device"),
        (lambda: nn.ConvTranspose2d(3, 4, 3, padding_mode="reflect"), ValueError, "must be 'zeros'"),
        (lambda: nn.ConvTranspose2d(3, 4, 3, padding="same"), TypeError, "an int or a pair.*'same'"),
        (lambda: nn.MaxPool2d(2, return_indices=True), NotImplementedError, "return_indices"),
        (lambda: nn.ReLU(inplace=True), NotImplementedError, "ReLU: inplace=True"),
        (lambda: nn.Dropout(0.5, inplace=True), NotImplementedError, "Dropout: inplace=True"),
        (lambda: nn.Dropout(1.5), ValueError, "from 0 to 1, not 1.5"),
        (lambda: nn.Softmax(), TypeError, "along which dimension"),
    ],
)
def test_arguments_that_are_wrong_or_not_offered_are_named(make, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()

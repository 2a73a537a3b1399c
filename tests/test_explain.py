"""The maps point at what is known to matter, in the score's units, and leave the model as it was."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from models.age_cnn import AgeCNN
from tinygrad_cnn import explain, nn

rng = np.random.default_rng(0)


# -- models whose truth is set by hand --------------------------------------------------------------------


def linear(weights: np.ndarray) -> nn.Module:
    """The sum of the weights (C, H, W) times a picture, plus 3."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(weights.size, 1))
    model[1].load_state_dict({"weight": weights.reshape(1, -1), "bias": np.array([3.0])})
    return model


def test_saliency_of_a_linear_model_is_its_largest_weight_over_the_channels():
    weights = rng.normal(size=(3, 5, 4)).astype(np.float32)
    for x in (rng.normal(size=(2, 3, 5, 4)).astype(np.float32), tg.zeros(2, 3, 5, 4)):
        np.testing.assert_array_equal(explain.saliency(linear(weights), x), [abs(weights).max(0)] * 2)


def test_smooth_grad_of_a_linear_model_is_its_saliency_for_its_gradient_is_the_same_everywhere():
    weights = rng.normal(size=(3, 5, 4)).astype(np.float32)
    x = rng.normal(size=(2, 3, 5, 4)).astype(np.float32)
    np.testing.assert_allclose(
        explain.smooth_grad(linear(weights), x, samples=40), [abs(weights).max(0)] * 2, rtol=1e-5
    )


def test_smooth_grad_averages_over_noise_of_the_given_share_of_the_pictures_range():
    x = np.zeros((1, 1, 2, 2), np.float32)
    x[0, 0, 0, 0] = 4.0  # so that sigma is 0.25 * 4 = 1
    rise = lambda x: F.relu(x[:, 0, 1, 1])  # noqa: E731 - half of the noise around 0 is on the side that counts
    smooth = explain.smooth_grad(nn.Identity(), x, rise, noise=0.25, samples=4000, generator=np.random.default_rng(1))
    assert smooth[0, 1, 1] == pytest.approx(0.5, abs=0.03)
    square = lambda x: x[:, 0, 1, 1].square()  # noqa: E731 - its mean gradient is 2 * the mean of the noise
    smooth = explain.smooth_grad(nn.Identity(), x, square, noise=0.25, samples=400, generator=np.random.default_rng(1))
    noise = np.random.default_rng(1).standard_normal((400, 2, 2), np.float32)[:, 1, 1]
    assert smooth[0, 1, 1] == pytest.approx(abs(2 * noise.mean()), rel=1e-3)


def test_without_noise_smooth_grad_is_the_saliency():
    model, x = AgeCNN(16), rng.normal(size=(1, 3, 16, 16)).astype(np.float32)
    smooth = explain.smooth_grad(model, x, noise=0, samples=3)
    np.testing.assert_allclose(smooth, explain.saliency(model, x), rtol=1e-4, atol=1e-7)


def test_occlusion_of_a_linear_model_is_what_the_hidden_pixels_added():
    weights = rng.normal(size=(3, 4, 6)).astype(np.float32)
    x = rng.normal(size=(2, 3, 4, 6)).astype(np.float32)
    one_pixel = explain.occlusion(linear(weights), x, size=1, stride=1, fill=0.5)
    np.testing.assert_allclose(one_pixel, ((0.5 - x) * weights).sum(1), rtol=1e-4, atol=1e-5)
    tiles = explain.occlusion(linear(weights), x, size=2, stride=2)
    added = (x * weights).reshape(2, 3, 2, 2, 3, 2).sum((1, 3, 5))
    np.testing.assert_allclose(tiles, -added.repeat(2, 1).repeat(2, 2), rtol=1e-4, atol=1e-5)


def test_a_pixel_shows_the_mean_over_the_squares_that_hid_it_and_squares_reach_every_edge():
    x = np.arange(6, dtype=np.float32).reshape(1, 1, 1, 6).repeat(3, axis=2)
    first_row = np.zeros((1, 3, 6), np.float32)
    first_row[0, 0] = 1  # the score is the sum of the first row: 0 + 1 + 2 + 3 + 4 + 5, and 3
    change = explain.occlusion(linear(first_row), x, size=3, stride=2)  # columns 0-2, 2-4 and, at the edge, 3-5
    np.testing.assert_allclose(change, np.broadcast_to([-3, -3, -6, -10.5, -10.5, -12], (1, 3, 6)), rtol=1e-5)


class Pooled(nn.Module):
    """Global average pooling behind a convolution and a ReLU, as a module or as a function."""

    def __init__(self, relu_module: bool) -> None:
        self.conv, self.head = nn.Conv2d(3, 6, 3, padding=1), nn.Linear(6, 1)
        self.relu = nn.ReLU() if relu_module else F.relu

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        return self.head(self.relu(self.conv(x)).mean((2, 3)))


@pytest.mark.parametrize("relu_module", [True, False])
def test_behind_global_average_pooling_grad_cam_shares_the_score_out_among_the_places(relu_module):
    model, x = Pooled(relu_module), rng.normal(size=(2, 3, 5, 7)).astype(np.float32)
    cam = explain.grad_cam(model, x)
    assert cam.shape == (2, 5, 7)
    with tg.no_grad():
        shares = (model.head.weight.reshape(1, 6, 1, 1) * F.relu(model.conv(tg.Tensor(x)))).sum(1) / 35
        added = model(tg.Tensor(x)).data[:, 0] - model.head.bias.item()
    np.testing.assert_allclose(cam, shares.data, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(cam.sum((1, 2)), added, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(explain.grad_cam(model, x, "conv"), cam)


def test_grad_cam_keeps_the_sign_and_follows_the_score():
    model, x = Pooled(False), rng.normal(size=(1, 3, 5, 7)).astype(np.float32)
    cam = explain.grad_cam(model, x)
    np.testing.assert_allclose(explain.grad_cam(model, x, score=lambda out: -10 * out), -10 * cam, rtol=1e-5)


# -- scores and units -------------------------------------------------------------------------------------


def expected_age(logits: tg.Tensor) -> tg.Tensor:
    """The mean age in years of a distribution over ten bins."""
    return F.softmax(logits, dim=1) @ tg.arange(5.0, 105.0, 10.0, dtype=logits.dtype)


def test_saliency_is_in_years_per_unit_of_pixel_value_through_any_head():
    tg.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.Flatten(), nn.Linear(36, 10)).double()
    model[1].running_mean = tg.ones(4, dtype=np.float64)
    x = rng.normal(size=(1, 2, 5, 5))
    step = 1e-6
    change = np.zeros((2, 5, 5))
    with tg.no_grad():
        for place in np.ndindex(change.shape):
            up, down = x.copy(), x.copy()
            up[0][place] += step
            down[0][place] -= step
            years = [expected_age(model.eval()(tg.Tensor(moved))).item() for moved in (up, down)]
            change[place] = (years[0] - years[1]) / (2 * step)
    np.testing.assert_allclose(explain.saliency(model, x, expected_age)[0], abs(change).max(0), rtol=1e-5, atol=1e-7)


def test_occlusion_is_the_change_in_years():
    model, x = AgeCNN(16), rng.normal(size=(1, 3, 16, 16)).astype(np.float32)
    hidden = x.copy()
    hidden[..., :8, 8:] = 0
    with tg.no_grad():
        change = 20 * (model(tg.Tensor(hidden)) - model(tg.Tensor(x))).item()
    tiles = explain.occlusion(model, x, 8, 8, score=lambda out: 20 * out[:, 0] + 35)
    np.testing.assert_allclose(tiles[0, :8, 8:], change, rtol=1e-3, atol=1e-4)


# -- which layers -----------------------------------------------------------------------------------------


class Residual(nn.Module):
    """A small residual network: a stem, a block that ends in a ReLU, pooling as a module, a dense head."""

    def __init__(self) -> None:
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2))
        self.block = Block()
        self.pool, self.drop, self.head = nn.AdaptiveAvgPool2d(1), nn.Dropout(0.5), nn.Linear(4, 1)

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        return self.head(self.drop(self.pool(self.block(self.stem(x))).flatten(1)))


class Block(nn.Module):
    def __init__(self) -> None:
        self.conv, self.norm = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        return F.relu(self.norm(self.conv(x)) + x)


def test_feature_maps_come_in_the_order_of_running_after_their_relu_and_each_once():
    model, x = Residual(), rng.normal(size=(2, 3, 8, 6)).astype(np.float32)
    maps = explain.feature_maps(model, x)
    assert {name: found.shape for name, found in maps.items()} == {
        "stem.0": (2, 4, 8, 6), "stem.1": (2, 4, 8, 6),  # stem.1 is shown after its ReLU, which is stem.2
        "stem": (2, 4, 4, 3), "block.conv": (2, 4, 4, 3), "block.norm": (2, 4, 4, 3), "block": (2, 4, 4, 3),
    }  # fmt: skip
    with tg.no_grad():
        model.eval()
        stem = model.stem(tg.Tensor(x))
        np.testing.assert_array_equal(maps["stem.0"], model.stem[0](tg.Tensor(x)).data)
        np.testing.assert_array_equal(maps["stem.1"], model.stem[:3](tg.Tensor(x)).data)
        np.testing.assert_array_equal(maps["block"], model.block(stem).data)
    assert maps["stem.1"].min() == 0 > maps["stem.0"].min()


def test_grad_cam_takes_the_last_layer_that_gives_maps_unless_told():
    model, x = Residual(), rng.normal(size=(2, 3, 8, 6)).astype(np.float32)
    np.testing.assert_array_equal(explain.grad_cam(model, x), explain.grad_cam(model, x, "block"))
    assert explain.grad_cam(model, x, "stem.0").shape == (2, 8, 6)
    assert explain.grad_cam(model, x, "stem.3").shape == (2, 4, 3)  # a pooling, since it was asked for


def test_of_a_layer_that_runs_twice_the_last_run_counts():
    class Twice(Pooled):
        def forward(self, x: tg.Tensor) -> tg.Tensor:
            return self.head(F.relu(self.conv(self.conv(x)[:, :3, :4])).mean((2, 3)))

    model, x = Twice(False), rng.normal(size=(1, 3, 6, 5)).astype(np.float32)
    assert explain.feature_maps(model, x)["conv"].shape == (1, 6, 4, 5)
    assert explain.grad_cam(model, x).shape == (1, 4, 5)


def test_a_layer_that_runs_again_comes_where_its_last_run_ended():
    class Again(nn.Module):
        def __init__(self):
            self.first, self.second = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

        def forward(self, x):
            return self.first(self.second(self.first(x)))

    assert [*explain.feature_maps(Again(), np.zeros((1, 3, 4, 4), np.float32))] == ["second", "first"]


def test_grad_cam_weighs_each_map_by_its_mean_gradient_where_a_dense_layer_tells_places_apart():
    model = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten(), nn.Linear(2 * 4 * 5, 1))
    x = rng.normal(size=(2, 3, 4, 5)).astype(np.float32)
    alpha = model[2].weight.data.reshape(2, 20).mean(axis=1)
    expected = np.einsum("k,nkhw->nhw", alpha, explain.feature_maps(model, x)["0"])
    np.testing.assert_allclose(explain.grad_cam(model, x), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("layer", ["conv9", "head", "drop", "pool", ""])
def test_a_layer_that_gives_no_maps_is_refused_with_those_that_do(layer):
    x = np.zeros((1, 3, 8, 6), np.float32)
    with pytest.raises(explain.UnknownLayer, match=rf"no layer '{layer}' gives .*stem\.0, stem\.1, stem, block\.conv"):
        explain.grad_cam(Residual(), x, layer)
    with pytest.raises(explain.UnknownLayer, match=r"^no layer gives feature maps; those that do: none$"):
        explain.grad_cam(linear(np.ones((3, 8, 6), np.float32)), x)


def test_a_layer_that_the_score_is_not_computed_from_is_refused():
    class Aside(nn.Module):
        def __init__(self):
            self.used, self.unused = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)

        def forward(self, x):
            y = self.used(x)
            self.unused(x)
            return y.mean((1, 2, 3))

    x = np.zeros((1, 3, 8, 6), np.float32)
    with pytest.raises(explain.UnknownLayer, match="not computed from the feature maps of the layer 'unused'"):
        explain.grad_cam(Aside(), x)
    assert explain.grad_cam(Aside(), x, "used").shape == (1, 6, 4)


# -- what they leave alone, and what they refuse ----------------------------------------------------------

CALLS = {
    "saliency": explain.saliency,
    "smooth_grad": explain.smooth_grad,
    "grad_cam": explain.grad_cam,
    "occlusion": lambda model, x, **more: explain.occlusion(model, x, 4, 2, **more),
    "feature_maps": lambda model, x: explain.feature_maps(model, x),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_model_is_left_as_it_was_also_when_it_fails(name):
    model = Residual()
    model.block.eval()
    model(tg.Tensor(rng.normal(size=(2, 3, 8, 6)).astype(np.float32))).sum().backward()
    before, modes = model.state_dict(), [module.training for module in model.modules()]
    gradients = [parameter.grad.data.copy() for parameter in model.parameters()]
    CALLS[name](model, tg.zeros(2, 3, 8, 6))
    with pytest.raises(ValueError, match="conv2d"):
        CALLS[name](model, tg.zeros(2, 5, 8, 6))
    assert [module.training for module in model.modules()] == modes
    assert not any(module._forward_hooks for module in model.modules())
    for key, values in model.state_dict().items():
        np.testing.assert_array_equal(values, before[key])
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        np.testing.assert_array_equal(parameter.grad.data, gradient)


@pytest.mark.parametrize("name", CALLS)
def test_pictures_do_not_depend_on_each_other_nor_on_frozen_parameters_or_no_grad(name):
    model, x = Residual(), rng.normal(size=(2, 3, 8, 6)).astype(np.float32)

    def found(pictures: np.ndarray) -> list[np.ndarray]:
        tg.manual_seed(0)
        result = CALLS[name](model, pictures)
        return list(result.values()) if isinstance(result, dict) else [result]

    both = found(x)
    alone = found(x[:1])
    with tg.no_grad():
        frozen = found(x) if model.requires_grad_(False) else []
    for a, b, c in zip(both, alone, frozen, strict=True):
        np.testing.assert_allclose(a[:1], b, rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(a, c)


@pytest.mark.parametrize("name", ["saliency", "smooth_grad", "grad_cam", "occlusion"])
def test_a_score_that_is_not_one_number_for_each_picture_is_refused(name):
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten())
    with pytest.raises(
        ValueError, match=r"one number for each of \d+ pictures, got shape \(\d+, 48\).*outputs\[:, 0\]"
    ):
        CALLS[name](model, tg.zeros(2, 3, 8, 6))
    with pytest.raises(ValueError, match="got float"):
        CALLS[name](model, tg.zeros(2, 3, 8, 6), score=lambda outputs: 1.0)


@pytest.mark.parametrize("name", CALLS)
def test_what_is_no_batch_of_floating_point_pictures_is_refused(name):
    for wrong in (np.zeros((3, 8, 6), np.float32), np.zeros((1, 3, 8, 6), np.uint8)):
        with pytest.raises(ValueError, match=rf"floats \(N, C, H, W\), got {wrong.dtype} "):
            CALLS[name](Residual(), wrong)


def test_settings_that_can_not_be_are_refused():
    model, x = Residual(), tg.zeros(1, 3, 8, 6)
    for size, stride in ((7, 1), (0, 0), (2, 3), (2, 0)):
        with pytest.raises(
            ValueError, match=rf"1 <= stride <= size <= 6 for .* 8x6 .* size {size} and stride {stride}"
        ):
            explain.occlusion(model, x, size, stride)
    for settings in ({"samples": 0}, {"noise": -0.1}, {"noise": float("nan")}):
        with pytest.raises(ValueError, match="samples must be at least 1 and noise at least 0"):
            explain.smooth_grad(model, x, **settings)


def test_the_same_generator_gives_the_same_bits():
    model, x = AgeCNN(16), rng.normal(size=(1, 3, 16, 16)).astype(np.float32)
    first, again = (explain.smooth_grad(model, x, generator=np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    tg.manual_seed(3)
    from_the_seed = explain.smooth_grad(model, x)
    tg.manual_seed(3)
    np.testing.assert_array_equal(explain.smooth_grad(model, x), from_the_seed)

"""A step whose loss or gradient is no finite number changes nothing, and its first bad operation is named."""

import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from tinygrad_cnn import nn, optim
from tinygrad_cnn.data import ArrayDataset, DataLoader
from tinygrad_cnn.train import Regression, evaluate, train_epoch

AGES = np.arange(1, 33, dtype=np.float32)
IMAGES = np.random.default_rng(0).integers(0, 256, (32, 4, 4, 3)).astype(np.uint8)


@tg.primitive(x=lambda g, x: g / (x - x))
def careless(x):
    return x + 0


class Net(nn.Module):
    def __init__(self, extra=None):
        tg.manual_seed(0)
        self.conv, self.norm, self.drop = nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5)
        self.fc = nn.Linear(2, 1)
        self.extra, self.spoilt = extra, None

    def forward(self, x):
        if self.spoilt is not None:
            x.data[self.spoilt] = np.nan
        out = self.fc(self.drop(self.norm(self.conv(x)).mean((2, 3))))
        return out if self.extra is None else self.extra(out)


def train(model, lr=0.01):
    loader = DataLoader(ArrayDataset(IMAGES, AGES), batch_size=8)
    train_epoch(model, loader, Regression.of(AGES, F.mse_loss), optim.SGD(model.parameters(), lr=lr), title="epoch 1")


def all_finite(model):
    return all(np.isfinite(array).all() for array in model.state_dict().values())


def test_a_learning_rate_that_is_far_too_high():
    model = Net()
    with pytest.raises(FloatingPointError, match=r"after \d+ images\. First: .*\(forward.* Try: a lower learning rate"):
        train(model, lr=1e25)
    assert all_finite(model)


def test_a_nan_in_an_image_leaves_everything_as_it_was_before_the_step():
    model = Net()
    model.spoilt = (3, 1, 2, 2)
    before, drawn = model.state_dict(), tg.default_generator().bit_generator.state
    where = r"First: conv2d \(forward, in Net\.conv: Conv2d\) met a NaN.* Try: check the data"
    message = rf"epoch 1: the loss became nan after 0 images\. {where}"
    with pytest.raises(FloatingPointError, match=message):
        train(model)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert tg.default_generator().bit_generator.state == drawn
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_rule_that_divides_by_zero():
    model = Net(careless)
    where = r"First: .* The infinity: careless \(backward, in its rule's div.* Try: keep it away from"
    message = rf"the gradient of conv\.weight became NaN after 0 images\. {where}"
    with pytest.raises(FloatingPointError, match=message):
        train(model)
    assert all_finite(model)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda model: model.fc.bias.data.fill(np.inf), r"linear \(forward, in Net\.fc: Linear\) met an infinity"),
        (
            lambda model: model.conv.weight.data.fill(1e38),
            r".*: conv2d \(forward, in Net\.conv: Conv2d\) made an",
        ),
        (lambda model: model.fc.weight.data.fill(1e30), r"mse_loss \(forward\) made an infinity of finite numbers"),
    ],
)
def test_a_validation_names_the_first_operation_too_and_leaves_no_graph(spoil, message):
    model = Net()
    spoil(model)
    loader = DataLoader(ArrayDataset(IMAGES, AGES), batch_size=8)
    with pytest.raises(
        FloatingPointError, match=r"^validating: the loss became (inf|nan) after 0 images\. First: " + message
    ):
        evaluate(model, loader, Regression.of(AGES, F.mse_loss), "validating")
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_command_line_keeps_the_last_good_weights_and_gives_1(tmp_path, capsys):
    from experiments.utkface_age import main

    few = "--data synthetic --limit 40 --batch-size 8 --image-size 16 --epochs 1 --threads 1 --optimizer sgd --lr 1e20"
    assert main([*few.split(), "--out", str(tmp_path / "run")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "the loss became" in line
    assert "(forward, in AgeCNN." in line
    assert "Try: a lower learning rate" in line
    assert line.endswith("last.safetensors; train anew with a lower --lr than 1e+20, or with --clip 1")
    weights = tg.load(tmp_path / "run" / "last.safetensors")
    assert all(np.isfinite(array).all() for array in weights.values())


def test_weights_that_are_no_finite_numbers_any_more_are_not_called_good(tmp_path, capsys):
    from experiments.utkface_age import main

    few = "--data synthetic --limit 40 --batch-size 8 --image-size 16 --epochs 1 --threads 1 --optimizer sgd --lr 1e39"
    assert main([*few.split(), "--clip", "2", "--schedule", "constant", "--out", str(tmp_path / "run")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "a step before has spoilt these" in line
    assert line.endswith(
        "No weights are left that are finite; train anew with a lower --lr than 1e+39, or a shorter --clip than 2"
    )
    assert not (tmp_path / "run" / "last.safetensors").exists()

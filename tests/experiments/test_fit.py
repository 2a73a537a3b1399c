"""What the command line's options of training come to: optimiser, weight decay, schedule, clipping, sizes."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from experiments.age.fit import make_optimizer, make_schedule, sizes_by_epoch
from experiments.age.options import parse
from tinygrad_cnn import nn, optim

MODEL = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


@pytest.mark.parametrize(
    ("name", "kind", "decay"),
    [
        ("adamw", optim.AdamW, 0.01),
        ("adam", optim.Adam, 0),
        ("sgd", optim.SGD, 0),
        ("rmsprop", optim.RMSprop, 0),
        ("adagrad", optim.Adagrad, 0),
    ],
)
def test_the_optimiser_is_the_named_one_and_of_them_adamw_decays(name, kind, decay):
    optimizer = make_optimizer(MODEL, parse(["--optimizer", name, "--lr", "0.5"]))
    assert type(optimizer) is kind
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.5]
    assert [group["weight_decay"] for group in optimizer.param_groups] == [decay, 0]
    assert all(group.get("momentum", 0) == (0.9 if name == "sgd" else 0) for group in optimizer.param_groups)


def test_weight_decay_spares_biases_and_norms_unless_all_are_to_decay():
    kernel, bias, scale, shift = MODEL.parameters()
    decaying, spared = make_optimizer(MODEL, parse(["--weight-decay", "0.05"])).param_groups
    assert (decaying["weight_decay"], spared["weight_decay"]) == (0.05, 0)
    assert [id(p) for p in decaying["params"]] == [id(kernel)]
    assert [id(p) for p in spared["params"]] == [id(p) for p in (bias, scale, shift)]
    (everything,) = make_optimizer(MODEL, parse(["--weight-decay", "0.05", "--decay-all"])).param_groups
    assert (everything["weight_decay"], len(everything["params"])) == (0.05, 4)


def rates(steps, *options):
    """The learning rate of every step, with a largest one of 1."""
    arguments = parse(["--lr", "1", *options])
    optimizer = make_optimizer(MODEL, arguments)
    schedule = make_schedule(optimizer, arguments, steps)
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if schedule is not None:
            schedule.step()
    return np.array(seen)


def test_one_cycle_rises_to_the_largest_rate_in_three_tenths_of_the_steps_and_falls_to_almost_nothing():
    seen = rates(100)
    assert seen[0] == pytest.approx(1 / 25)
    assert (seen.argmax(), seen.max()) == (29, pytest.approx(1))
    assert (np.diff(seen[:30]) > 0).all()
    assert (np.diff(seen[29:]) < 0).all()
    assert seen[-1] < 1e-5


def test_the_cosine_follows_a_straight_warm_up_of_a_twentieth_of_the_steps():
    seen = rates(100, "--schedule", "cosine")
    np.testing.assert_allclose(seen[:6], [0.2, 0.36, 0.52, 0.68, 0.84, 1.0])
    np.testing.assert_allclose(seen[5:], (1 + np.cos(np.pi * np.arange(95) / 95)) / 2, atol=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("schedule", ["onecycle", "cosine", "constant"])
def test_a_run_of_few_steps_has_a_schedule_too(schedule, steps):
    seen = rates(steps, "--schedule", schedule)
    assert ((seen >= 0) & (seen <= 1)).all()


def test_a_constant_rate_stays():
    assert set(rates(50, "--schedule", "constant")) == {1.0}


@pytest.mark.parametrize(
    ("sizes", "epochs", "expected"),
    [
        ("32,48,64", "6", [32, 32, 48, 48, 64, 64]),
        ("32,48", "3", [32, 32, 48]),
        ("32,48,64", "4", [32, 32, 48, 64]),
        ("64", "2", [64, 64]),
    ],
)
def test_each_size_is_trained_on_for_as_many_epochs_and_the_last_is_never_left_out(sizes, epochs, expected):
    options = parse(["--model", "AgeResNet", "--progressive", sizes, "--epochs", epochs])
    assert sizes_by_epoch(options) == expected
    assert options.image_size == expected[-1]


def test_gradients_are_clipped_to_the_length_that_was_asked_for(command):
    few = ["--data", "synthetic", "--limit", 20, "--image-size", 16, "--epochs", 1, "--optimizer", "sgd"]
    last = {}
    for name, options in {"clipped": ["--clip", "1e-30"], "standing": ["--lr", "1e-30"], "free": []}.items():
        assert command(*few, *options, "--out", name).status == 0
        last[name] = tg.load(f"{name}/last.safetensors")["conv1.weight"]
    np.testing.assert_array_equal(last["clipped"], last["standing"])
    assert not np.array_equal(last["clipped"], last["free"])

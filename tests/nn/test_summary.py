"""summary's numbers, counted by hand, and what it must leave as it was."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from models.age_cnn import AgeCNN
from tinygrad_cnn import nn


def cells(model: nn.Module, *args) -> dict[str, list[str]]:
    """The table's rows: label -> what stands beside it."""
    rows = {}
    for line in tg.summary(model, *args).splitlines():
        label, *rest = [cell.strip() for cell in line.strip("│├└─ ").split("  ") if cell.strip()] or [""]
        rows[label] = rest
    return rows


def test_age_cnn_at_128_pixels_is_counted_as_by_hand() -> None:
    rows = cells(AgeCNN(), (3, 128, 128))
    assert rows["conv1: Conv2d"] == ["(1, 16, 128, 128)", "448", f"{2 * 27 * 16 * 128**2:,}", "1.0 MiB"]
    assert rows["conv2: Conv2d"] == ["(1, 32, 64, 64)", "4,640", f"{2 * 144 * 32 * 64**2:,}", "512.0 KiB"]
    assert rows["conv3: Conv2d"] == ["(1, 64, 32, 32)", "18,496", f"{2 * 288 * 64 * 32**2:,}", "256.0 KiB"]
    assert rows["fc1: Linear"] == ["(1, 128)", "2,097,280", f"{2 * 16384 * 128:,}", "512 B"]
    assert rows["fc2: Linear"] == ["(1, 1)", "129", "256", "4 B"]
    products = 2 * (27 * 16 * 128**2 + 144 * 32 * 64**2 + 288 * 64 * 32**2 + 16384 * 128 + 128)
    relus = 16 * 128**2 + 32 * 64**2 + 64 * 32**2 + 128
    poolings = 16 * 128**2 + 32 * 64**2 + 64 * 32**2
    assert rows["Forward FLOPs"] == [f"{products + relus + poolings:,}"]
    assert rows["Parameters"] == ["2,120,993"]
    assert rows["Parameter memory"] == ["8.1 MiB"]
    activations = 4 * (2 * relus + poolings // 4 + 1)  # convolutions and fc1, their ReLUs, poolings, fc2
    assert rows["Forward activations"] == [f"{activations / 2**20:.1f} MiB"]


def test_the_batch_multiplies_flops_and_activations_but_not_parameters() -> None:
    one, eight = (cells(nn.Linear(100, 50), (100,), n) for n in (1, 8))
    assert one["Linear"] == ["(1, 50)", "5,050", "10,000", "200 B"]
    assert eight["Linear"] == ["(8, 50)", "5,050", "80,000", "1.6 KiB"]


@pytest.mark.parametrize(
    ("layer", "shape", "flops"),
    [
        (nn.Conv2d(4, 6, (3, 5), groups=2, bias=False), (4, 10, 10), 2 * (6 * 8 * 6) * (2 * 15)),
        (nn.ConvTranspose2d(4, 6, 3, stride=2, bias=False), (4, 5, 5), 2 * (4 * 5 * 5) * (6 * 9)),
        (nn.Linear(7, 3, bias=False), (5, 7), 2 * 5 * 3 * 7),
        (nn.ReLU(), (10,), 10),
        (nn.MaxPool2d(2), (1, 4, 4), 16),
        (nn.Flatten(), (2, 3), 0),
        (nn.Identity(), (2, 3), 0),
        (nn.Dropout(), (2, 3), 0),
    ],
)
def test_flops_of_a_layer(layer: nn.Module, shape: tuple[int, ...], flops: int) -> None:
    assert cells(layer, shape)["Forward FLOPs"] == [f"{flops:,}"]


def test_matrix_products_outside_layers_count_too() -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            self.query = nn.Linear(6, 4)

        def forward(self, x: tg.Tensor) -> tg.Tensor:
            q = self.query(x)  # (N, 5, 4)
            return tg.einsum("nik,njk->nij", q, q) + q @ q.mT

    rows = cells(Attention(), (5, 6), 3)
    assert rows["einsum"][1:] == [f"{2 * 3 * 5 * 5 * 4}", "300 B"]
    assert rows["matmul"][1:] == [f"{2 * 3 * 5 * 5 * 4}", "300 B"]
    assert rows["add"][1:] == ["75", "300 B"]


def test_shared_parameters_are_counted_once_and_frozen_ones_told_apart() -> None:
    shared = nn.Linear(4, 4)
    text = tg.summary(nn.Sequential(shared, nn.Linear(4, 4).requires_grad_(False), shared), (4,))
    assert text.count("20  ") == 2
    assert "Parameters           40, 20 of them trained" in text


def test_parameters_of_layers_that_did_not_run_are_in_the_total() -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            self.used, self.unused = nn.Linear(2, 2), nn.Linear(100, 1)

        def forward(self, x: tg.Tensor) -> tg.Tensor:
            return self.used(x)

    assert cells(Half(), (2,))["Parameters"] == ["107"]


def test_the_tree_shows_layers_in_the_order_in_which_they_ran_under_what_holds_them() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            self.head = nn.Linear(4, 1)
            self.body = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
            self.more = [nn.Identity()]

        def forward(self, x: tg.Tensor) -> tg.Tensor:
            return F.sigmoid(self.more[0](self.head(self.body(x))))

    lines = tg.summary(Net(), (4,)).splitlines()[3:10]
    assert [line.split("  (")[0].rstrip() for line in lines] == [
        "Net",
        "├─ body: Sequential",
        "│  ├─ 0: Linear",
        "│  └─ 1: ReLU",
        "├─ head: Linear",
        "├─ more.0: Identity",
        "└─ sigmoid",
    ]


def test_the_model_is_left_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))
    model[2].eval()
    before, modes = model.state_dict(), [m.training for m in model.modules()]
    generator_state = tg.manual_seed(0).bit_generator.state
    tg.summary(model, (4,), 3)
    assert [m.training for m in model.modules()] == modes
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert tg.default_generator().bit_generator.state == generator_state
    assert all(p.grad is None for p in model.parameters())
    assert not any(m._forward_hooks for m in model.modules())


def test_a_model_that_fails_is_left_as_it_was_too() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(5, 1))
    with pytest.raises(ValueError, match="linear"):
        tg.summary(model, (4,))
    assert all(m.training and not m._forward_hooks for m in model.modules())


def test_a_float64_model_gets_float64_and_several_outputs_are_shown() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            self.fc = nn.Linear(4, 2)

        def forward(self, x: tg.Tensor) -> tuple[tg.Tensor, dict[str, int]]:
            return self.fc(x), {}

    rows = cells(Two().double(), (4,))
    assert rows["Two"] == ["(1, 2), dict"]
    assert rows["fc: Linear"][-1] == "16 B"


def test_an_input_shape_that_is_no_shape_is_refused() -> None:
    with pytest.raises(TypeError, match="summary: input_shape must be a tuple of ints, got 128"):
        tg.summary(AgeCNN(), 128)


def test_a_summary_may_be_made_inside_another_model() -> None:
    class Curious(nn.Module):
        def forward(self, x: tg.Tensor) -> str:
            return tg.summary(nn.Flatten(), (2, 2))

    assert Curious()(tg.Tensor([1.0])) == tg.summary(nn.Flatten(), (2, 2))
    assert "Forward activations  0 B" in tg.summary(nn.Flatten(), (2, 2))


def test_ops_of_other_threads_are_not_counted() -> None:
    class Slow(nn.Module):
        def forward(self, x: tg.Tensor) -> tg.Tensor:
            thread = threading.Thread(target=lambda: nn.Linear(99, 99)(tg.Tensor(np.ones((9, 99)))))
            thread.start()
            thread.join()
            return x + 1

    assert cells(Slow(), (4,))["Forward FLOPs"] == ["4"]


def test_the_last_line_is_a_rule_and_no_line_ends_in_blanks() -> None:
    lines = tg.summary(AgeCNN(32), (3, 32, 32)).splitlines()
    assert lines[0] == lines[2] == lines[-1] == "─" * len(lines[0])
    assert all(line == line.rstrip() and len(line) <= len(lines[0]) for line in lines)

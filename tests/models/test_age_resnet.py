"""AgeResNet: its size, the pictures it takes, and that it learns step by step as PyTorch's twin does."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from models.age_resnet import AgeResNet
from tinygrad_cnn import optim


def torch_twin(widths: tuple[int, int, int, int]) -> Any:
    torch = pytest.importorskip("torch")
    nn = torch.nn

    def convolution(inputs: int, outputs: int) -> Any:
        return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs))

    class Stage(nn.Module):
        def __init__(self, inputs: int, outputs: int) -> None:
            super().__init__()
            self.widen = convolution(inputs, outputs)
            self.refine1, self.refine2 = convolution(outputs, outputs), convolution(outputs, outputs)

        def forward(self, x: Any) -> Any:
            x = torch.relu(self.widen(x))
            return torch.relu(x + self.refine2(torch.relu(self.refine1(x))))

    class Twin(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, widths[0], 5, stride=2, padding=2, bias=False)
            self.norm = nn.BatchNorm2d(widths[0])
            self.stage1, self.stage2, self.stage3 = (Stage(*pair) for pair in pairwise(widths))
            self.fc = nn.Linear(widths[-1], 1)

        def forward(self, x: Any) -> Any:
            x = torch.relu(self.norm(torch.max_pool2d(self.stem(x), 2)))
            x = self.stage2(torch.max_pool2d(self.stage1(x), 2))
            return self.fc(self.stage3(torch.max_pool2d(x, 2)).mean((2, 3)))

    torch.manual_seed(0)
    return Twin()


def test_it_has_between_half_a_million_and_one_and_a_half_million_parameters() -> None:
    assert 500_000 < sum(parameter.numel() for parameter in AgeResNet().parameters()) < 1_500_000


@pytest.mark.parametrize("size", [(15, 15), (17, 200), (33, 47), (50, 50), (97, 130)])
@pytest.mark.parametrize("outputs", [1, 117])
def test_any_size_from_15_pixels_on_gives_its_outputs_for_each_picture(size: tuple[int, int], outputs: int) -> None:
    out = AgeResNet(outputs, widths=(4, 4, 8, 8))(tg.randn(2, 3, *size))
    assert (out.shape, out.dtype) == ((2, outputs), np.float32)


@pytest.mark.parametrize("shape", [(2, 3, 14, 64), (2, 1, 64, 64), (3, 64, 64), (2, 64, 64, 3)])
def test_pictures_that_do_not_fit_are_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expects pictures of shape \(N, 3, H, W\), 15x15 or more, got"):
        AgeResNet(widths=(4, 4, 4, 4))(tg.randn(*shape))


def test_in_evaluation_a_picture_is_seen_alone() -> None:
    tg.manual_seed(0)
    model, pictures = AgeResNet(widths=(4, 8, 8, 8)).eval(), tg.randn(3, 3, 32, 32)
    np.testing.assert_allclose(model(pictures).data[:1], model(pictures[:1]).data, rtol=1e-5)


def test_it_learns_step_by_step_as_its_twin_does() -> None:
    widths = (4, 8, 8, 12)
    twin = torch_twin(widths)
    import torch

    model = AgeResNet(widths=widths)
    model.load_state_dict(twin.state_dict())
    generator = np.random.default_rng(0)
    pictures, targets = generator.standard_normal((4, 3, 40, 40), np.float32), np.ones((4, 1), np.float32)
    ours, theirs = optim.SGD(model.parameters(), lr=0.02), torch.optim.SGD(twin.parameters(), lr=0.02)
    for _ in range(4):
        ours.zero_grad()
        loss = F.mse_loss(model(tg.Tensor(pictures)), tg.Tensor(targets))
        loss.backward()
        ours.step()
        theirs.zero_grad()
        expected = torch.nn.functional.mse_loss(twin(torch.tensor(pictures)), torch.tensor(targets))
        expected.backward()
        theirs.step()
        assert loss.item() == pytest.approx(expected.item(), rel=1e-3)
    for name, tensor in twin.state_dict().items():
        np.testing.assert_allclose(model.state_dict()[name], tensor.numpy(), rtol=2e-3, atol=1e-4)

"""AgeCNN: its parts by name, its shapes, and that it learns step by step as PyTorch's twin does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from models.age_cnn import AgeCNN
from tinygrad_cnn import optim


def torch_twin(image_size: int) -> Any:
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class Twin(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(3, 16, 3, padding=1)
            self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
            self.conv3 = nn.Conv2d(32, 64, 3, padding=1)
            self.fc1 = nn.Linear(64 * (image_size // 8) ** 2, 128)
            self.fc2 = nn.Linear(128, 1)

        def forward(self, x: Any) -> Any:
            for conv in (self.conv1, self.conv2, self.conv3):
                x = torch.max_pool2d(torch.relu(conv(x)), 2)
            return self.fc2(torch.relu(self.fc1(x.flatten(1))))

    torch.manual_seed(0)
    return Twin()


def test_its_state_has_these_names_and_shapes() -> None:
    assert {name: array.shape for name, array in AgeCNN().state_dict().items()} == {
        "conv1.weight": (16, 3, 3, 3),
        "conv1.bias": (16,),
        "conv2.weight": (32, 16, 3, 3),
        "conv2.bias": (32,),
        "conv3.weight": (64, 32, 3, 3),
        "conv3.bias": (64,),
        "fc1.weight": (128, 64 * 16 * 16),
        "fc1.bias": (128,),
        "fc2.weight": (1, 128),
        "fc2.bias": (1,),
    }


@pytest.mark.parametrize(("size", "features"), [(8, 64), (15, 64), (16, 256), (33, 1024), (100, 9216)])
def test_any_size_from_eight_pixels_on_gives_one_age_for_each_picture(size: int, features: int) -> None:
    model = AgeCNN(image_size=size)
    assert model.fc1.in_features == features
    ages = model(tg.Tensor(np.zeros((2, 3, size, size), np.float32)))
    assert ages.shape == (2, 1)
    assert ages.dtype == np.float32


def test_a_size_too_small_to_pool_three_times_is_refused() -> None:
    with pytest.raises(ValueError, match="image_size must be at least 8 pixels, not 7"):
        AgeCNN(image_size=7)


@pytest.mark.parametrize("shape", [(3, 32, 32), (2, 1, 32, 32), (2, 3, 32, 40), (2, 32, 32, 3), (2, 3, 128, 128)])
def test_pictures_of_another_shape_are_refused_with_the_shape_that_fits(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="AgeCNN expects") as error:
        AgeCNN(image_size=32)(tg.Tensor(np.zeros(shape, np.float32)))
    assert str(error.value) == f"AgeCNN expects pictures of shape (N, 3, 32, 32), got {shape}"


def test_an_empty_batch_gives_no_ages() -> None:
    assert AgeCNN(image_size=16)(tg.Tensor(np.zeros((0, 3, 16, 16), np.float32))).shape == (0, 1)


def test_the_same_seed_gives_the_same_model() -> None:
    def first_weights(seed: int) -> np.ndarray:
        tg.manual_seed(seed)
        return AgeCNN(16).state_dict()["conv1.weight"]

    np.testing.assert_array_equal(first_weights(3), first_weights(3))
    assert (first_weights(3) != first_weights(4)).any()


def test_it_gives_what_its_twin_gives() -> None:
    torch = pytest.importorskip("torch")
    twin, model = torch_twin(40), AgeCNN(40)
    model.load_state_dict(twin.state_dict())
    x = np.random.default_rng(0).normal(size=(3, 3, 40, 40)).astype(np.float32)
    np.testing.assert_allclose(model(tg.Tensor(x)).data, twin(torch.tensor(x)).detach().numpy(), 1e-4, 1e-5)


@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-3), ("float64", 1e-9)])
@pytest.mark.parametrize(
    ("name", "options"),
    [("SGD", {"lr": 0.01, "momentum": 0.9}), ("AdamW", {"lr": 3e-4, "weight_decay": 0.05})],
)
def test_fifty_steps_of_training_follow_torch(name: str, options: dict[str, float], dtype: str, rtol: float) -> None:
    torch = pytest.importorskip("torch")
    twin, model = torch_twin(16), AgeCNN(16)
    model.load_state_dict(twin.state_dict())
    if dtype == "float64":
        twin.double(), model.double()
    theirs = getattr(torch.optim, name)(twin.parameters(), **options)
    ours = getattr(optim, name)(model.parameters(), **options)

    rng = np.random.default_rng(2)
    x = rng.normal(size=(64, 3, 16, 16)).astype(dtype)
    y = (x.mean((1, 2, 3)) * 10 + 1)[:, None]
    our_losses, their_losses = [], []
    for step in range(50):
        batch = slice(0, 32) if step % 2 else slice(32, 64)
        our_loss = F.mse_loss(model(tg.Tensor(x[batch])), tg.Tensor(y[batch]))
        ours.zero_grad()
        our_loss.backward()
        ours.step()
        our_losses.append(our_loss.item())

        their_loss = torch.nn.functional.mse_loss(twin(torch.tensor(x[batch])), torch.tensor(y[batch]))
        theirs.zero_grad()
        their_loss.backward()
        theirs.step()
        their_losses.append(their_loss.item())

    assert their_losses[-1] < 0.5 * their_losses[0]  # it did learn
    np.testing.assert_allclose(our_losses, their_losses, rtol)
    for key, array in model.state_dict().items():
        expected = twin.state_dict()[key].numpy()
        assert np.linalg.norm(array - expected) < rtol * np.linalg.norm(expected), key

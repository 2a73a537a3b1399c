"""A program of somebody who has installed the package alone: a small network learns, and is saved and loaded."""

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from tinygrad_cnn import nn, optim


def main() -> None:
    tg.manual_seed(0)
    x = tg.randn(64, 1, 8, 8)
    brightest = x.amax((2, 3))  # (64, 1)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 1))
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    for _ in range(200):
        loss = F.mse_loss(model(x), brightest)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    tg.save(model.state_dict(), "weights.safetensors")
    model.load_state_dict(tg.load("weights.safetensors"))
    print(F.mse_loss(model(x), brightest).item())


if __name__ == "__main__":  # not where pytest looks for doctests
    main()

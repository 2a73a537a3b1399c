"""The maps of networks that have learnt where to look point there, and those of untrained ones don't."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from models.age_cnn import AgeCNN
from tinygrad_cnn import explain, nn, optim
from tinygrad_cnn.data import to_float
from tinygrad_cnn.data.drawing import cue_boxes, draw, person

rng = np.random.default_rng(0)


class SmallCNN(nn.Module):
    def __init__(self) -> None:
        self.conv1, self.conv2 = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.head = nn.Linear(8, 1)

    def forward(self, x: tg.Tensor) -> tg.Tensor:  # (N, 1, 16, 16) -> (N, 1)
        x = F.relu(self.conv2(F.max_pool2d(F.relu(self.conv1(x)), 2)))
        return self.head(x.mean((2, 3)))


def squares(count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Dark noise with a bright square of 4x4 pixels somewhere: pictures, its brightness, and where it is."""
    pictures = generator.uniform(-1, 0, (count, 1, 16, 16)).astype(np.float32)
    brightness = generator.uniform(0.3, 1, count).astype(np.float32)
    inside = np.zeros((count, 16, 16), bool)
    for picture, value, place in zip(pictures, brightness, inside, strict=True):
        top, left = generator.integers(1, 11, 2)
        place[top : top + 4, left : left + 4] = True
        picture[0, place] = value
    return pictures, brightness, inside


@cache
def networks() -> tuple[nn.Module, nn.Module]:
    """One that has learnt to tell the square's brightness, and one that has not learnt anything."""
    tg.manual_seed(0)
    generator = np.random.default_rng(0)
    trained, untrained = SmallCNN(), SmallCNN()
    optimizer = optim.Adam(trained.parameters(), lr=0.01)
    for _ in range(300):
        pictures, brightness, _ = squares(32, generator)
        loss = F.mse_loss(trained(tg.Tensor(pictures)), tg.Tensor(brightness[:, None]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.005
    return trained, untrained


MAPS = {
    "saliency": explain.saliency,
    "smooth_grad": lambda model, x: explain.smooth_grad(model, x, samples=20, generator=np.random.default_rng(0)),
    "grad_cam": lambda model, x: explain.grad_cam(model, x).repeat(2, 1).repeat(2, 2),
    "occlusion": lambda model, x: explain.occlusion(model, x, size=4, stride=2),
}


@pytest.mark.parametrize("name", MAPS)
def test_each_map_lies_on_the_square_if_and_only_if_the_network_has_learnt_it(name):
    pictures, _, inside = squares(30, np.random.default_rng(9))
    shares, peaks = [], []
    for model in networks():
        found = abs(MAPS[name](model, pictures))
        shares.append(np.mean((found * inside).sum((1, 2)) / found.sum((1, 2))))
        peaks.append(np.mean([place.flat[one.argmax()] for one, place in zip(found, inside, strict=True)]))
    area = inside.mean()  # 1/16: the share of a map that is the same everywhere
    assert shares[0] > 4 * area
    assert shares[1] < 2 * area
    assert peaks[0] > 0.8
    assert peaks[1] < 0.2


def test_hiding_the_square_makes_it_look_darker():
    pictures, _, inside = squares(30, np.random.default_rng(9))
    change = explain.occlusion(networks()[0], pictures, size=4, stride=2, fill=-1.0)
    assert (change[inside] < 0).mean() > 0.9


SIZE = 32
CUES = {"grey": "hair", "forehead": "forehead"}  # a sign of age: where SyntheticFaces.cue_boxes says that it is


def people(cue: str, count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Drawn faces on which age shows in one way alone: faces, how strongly it shows, and where."""
    faces, strengths, inside = [], generator.uniform(size=count), np.zeros((count, SIZE, SIZE), bool)
    plain = {"grey": 0.0, "forehead": 0.0, "crows_feet": 0.0, "bags": 0.0, "folds": 0.0, "lids": 0.0, "spots": 0}
    plain |= {"bald": 0.0, "beard": 0.0, "hair_length": 0.0, "hair_cover": 1.0, "fringe": 0.0, "glasses": False}
    for strength, place in zip(strengths, inside, strict=True):
        traits = dataclasses.replace(person(40.0, generator), **{**plain, cue: strength})
        faces.append(draw(traits, SIZE))
        x0, y0, x1, y1 = cue_boxes(traits, SIZE)[CUES[cue]]
        place[y0:y1, x0:x1] = True
    return np.stack(faces), strengths.astype(np.float32), inside


@pytest.mark.parametrize("cue", CUES)
def test_on_drawn_faces_saliency_peaks_where_age_shows(cue):
    pytest.importorskip("cv2")
    generator = np.random.default_rng(0)
    faces, strengths, inside = people(cue, 300, generator)
    x = to_float(faces)
    train, test = slice(0, 270), slice(270, 300)
    tg.manual_seed(0)
    trained, untrained = AgeCNN(SIZE), AgeCNN(SIZE)
    optimizer = optim.AdamW(trained.parameters(), lr=2e-3)
    for _ in range(10):
        for batch in np.array_split(generator.permutation(270), 9):
            targets = tg.Tensor(4 * strengths[train][batch, None] - 2)
            loss = F.mse_loss(trained(tg.Tensor(x[train][batch])), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    def peaks(model: nn.Module) -> float:
        """On how many of the test faces the saliency has its peak where age shows."""
        smooth = explain.smooth_grad(model, x[test], samples=20, generator=np.random.default_rng(0))
        return np.mean([place.flat[one.argmax()] for one, place in zip(smooth, inside[test], strict=True)])

    assert peaks(trained) > 0.8
    assert peaks(untrained) < 0.4

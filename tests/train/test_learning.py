"""The whole of it learns: AgeCNN, from drawn faces, in seconds."""

from __future__ import annotations

import numpy as np

import tinygrad_cnn as tg
from models.age_cnn import AgeCNN
from tinygrad_cnn import optim
from tinygrad_cnn.data import DataLoader, Subset, SyntheticFaces
from tinygrad_cnn.train import Regression, evaluate, train_epoch


def test_agecnn_comes_below_half_the_error_of_predicting_the_mean():
    faces = SyntheticFaces(900, size=48, seed=0)
    train, test = Subset(faces, np.arange(750)), Subset(faces, np.arange(750, 900))
    ages = np.asarray(faces.targets, np.float64)
    head = Regression.of(ages[:750])
    tg.manual_seed(0)
    model = AgeCNN(48)
    optimizer = optim.AdamW(model.parameters(), lr=1e-3)
    loader = DataLoader(train, 32, shuffle=True)
    for _ in range(8):
        train_epoch(model, loader, head, optimizer)
    predicting_the_mean = np.abs(ages[750:] - head.mean).mean()
    assert evaluate(model, DataLoader(test, 64), head).errors.mae < predicting_the_mean / 2

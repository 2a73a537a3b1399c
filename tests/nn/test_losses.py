"""Every loss module against PyTorch's, with every reduction and option."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn

rng = np.random.default_rng(0)
REAL = rng.normal(size=(6, 4)).astype(np.float32), rng.normal(size=(6, 4)).astype(np.float32)
LOGITS = REAL[0]
CLASSES = np.array([0, 3, 1, 1, 2, 0])
PROBABILITIES = rng.dirichlet(np.ones(4), 6).astype(np.float32)
ZERO_ONE = rng.uniform(0.01, 0.99, (6, 4)).astype(np.float32), (PROBABILITIES > 0.25).astype(np.float32)
LOG_PROBABILITIES = np.log(PROBABILITIES)
PIXELS = rng.normal(size=(2, 4, 3, 2)).astype(np.float32), rng.integers(0, 4, (2, 3, 2))
W = np.array([0.5, 1.0, 2.0, 3.0], np.float32)

CASES: list[tuple[str, dict[str, Any], tuple[np.ndarray, np.ndarray]]] = [
    ("MSELoss", {}, REAL),
    ("L1Loss", {}, REAL),
    ("SmoothL1Loss", {}, REAL),
    ("SmoothL1Loss", {"beta": 0.3}, REAL),
    ("SmoothL1Loss", {"beta": 0.0}, REAL),
    ("HuberLoss", {}, REAL),
    ("HuberLoss", {"delta": 0.3}, REAL),
    ("CrossEntropyLoss", {}, (LOGITS, CLASSES)),
    ("CrossEntropyLoss", {"weight": W}, (LOGITS, CLASSES)),
    ("CrossEntropyLoss", {"ignore_index": 1}, (LOGITS, CLASSES)),
    ("CrossEntropyLoss", {"label_smoothing": 0.2, "weight": W, "ignore_index": 3}, (LOGITS, CLASSES)),
    ("CrossEntropyLoss", {}, (LOGITS, PROBABILITIES)),
    ("CrossEntropyLoss", {"label_smoothing": 0.2, "weight": W}, (LOGITS, PROBABILITIES)),
    ("CrossEntropyLoss", {"weight": W}, PIXELS),
    ("NLLLoss", {}, (LOG_PROBABILITIES, CLASSES)),
    ("NLLLoss", {"weight": W, "ignore_index": 0}, (LOG_PROBABILITIES, CLASSES)),
    ("BCELoss", {}, ZERO_ONE),
    ("BCELoss", {"weight": W}, ZERO_ONE),
    ("BCEWithLogitsLoss", {}, (LOGITS, ZERO_ONE[1])),
    ("BCEWithLogitsLoss", {"weight": W, "pos_weight": W}, (LOGITS * 50, ZERO_ONE[1])),
]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("name", "options", "data"), CASES, ids=lambda v: v if isinstance(v, str) else None)
def test_a_loss_and_its_gradient_are_torchs(
    name: str, options: dict[str, Any], data: tuple[np.ndarray, np.ndarray], reduction: str
) -> None:
    torch = pytest.importorskip("torch")
    theirs_options = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    ours = getattr(nn, name)(reduction=reduction, **options)
    theirs = getattr(torch.nn, name)(reduction=reduction, **theirs_options)
    our_x, their_x = tg.Tensor(data[0], requires_grad=True), torch.tensor(data[0], requires_grad=True)
    our_loss, their_loss = ours(our_x, tg.Tensor(data[1])), theirs(their_x, torch.tensor(data[1]))
    assert our_loss.dtype == np.float32
    assert our_loss.shape == tuple(their_loss.shape)
    np.testing.assert_allclose(our_loss.data, their_loss.detach().numpy(), 1e-5, 1e-6)
    our_loss.sum().backward()
    their_loss.sum().backward()
    np.testing.assert_allclose(our_x.grad.data, their_x.grad.numpy(), 1e-4, 1e-6)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert repr(ours) == repr(theirs)


def test_a_loss_weight_is_saved_but_not_trained() -> None:
    loss = nn.BCEWithLogitsLoss(weight=[1.0, 2.0], pos_weight=[3.0, 4.0])
    assert list(loss.state_dict()) == ["weight", "pos_weight"]
    assert list(loss.parameters()) == []
    assert nn.CrossEntropyLoss().state_dict() == {}


def test_an_unknown_reduction_is_refused_at_once() -> None:
    for name in ("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "CrossEntropyLoss", "NLLLoss", "BCELoss"):
        with pytest.raises(ValueError, match=f"{name}: reduction must be 'mean', 'sum' or 'none', not 'avg'"):
            getattr(nn, name)(reduction="avg")


def test_torchs_old_positional_arguments_are_refused_rather_than_misread() -> None:
    for name in ("MSELoss", "L1Loss", "SmoothL1Loss"):
        with pytest.raises(TypeError, match="positional"):
            getattr(nn, name)(False)

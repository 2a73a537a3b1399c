"""Whole drawings, word for word. After a change that is meant: `pytest tests/viz --update-golden`, and look at them."""

from __future__ import annotations

from pathlib import Path

import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from models.age_cnn import AgeCNN
from tests.viz.drawings import Net, Recurrent, Residual, gradient_penalty, shortcuts, zeros
from tinygrad_cnn import nn

FOLDER = Path(__file__).parent / "golden"


def expression():
    a, b = (tg.Tensor(value, requires_grad=True) for value in (2.0, -3.0))
    return tg.draw(tg.tanh(a * b + 1) * a, title="an expression")


def readme():
    net = Net()
    return tg.draw(F.mse_loss(net(zeros(32, 1, 8, 8)), zeros(32, 1)))


def second_order():
    network = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1))
    return tg.draw(gradient_penalty(network))


DRAWINGS = {
    "expression": expression,
    "readme": readme,
    "age_cnn": lambda: tg.draw(AgeCNN(64), zeros(1, 3, 64, 64)),
    "age_cnn_flops_dark": lambda: tg.draw(AgeCNN(64), zeros(1, 3, 64, 64), color_by="flops", theme="dark"),
    "applied_three_times": lambda: tg.draw(Recurrent(), zeros(2, 4)),
    "residual_depth_2": lambda: tg.draw(Residual(3), zeros(2, 3, 8, 8), depth=2),
    "second_order": second_order,
    "shortcuts": lambda: tg.draw(shortcuts(), zeros(1, 3, 8, 8)),
    "with_constants": lambda: tg.draw(lambda x: (x * 2).exp() * tg.ones(3), zeros(3), constants=True),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawing(name, request):
    path, text = FOLDER / f"{name}.gv", DRAWINGS[name]().source
    if request.config.getoption("--update-golden"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{path.name} has changed; if that is meant: --update-golden"


def test_no_golden_file_is_left_over():
    assert {path.stem for path in FOLDER.glob("*.gv")} == set(DRAWINGS)

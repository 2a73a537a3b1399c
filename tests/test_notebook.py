"""What a notebook shows: what it asks for are the methods `_repr_html_`, `_repr_png_` and `_repr_pretty_`."""

from __future__ import annotations

from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import data, nn, train


def text_of(html: str) -> str:
    """The text between the tags, each of which must be closed in its turn."""
    texts, opened = [], []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attributes):
            opened.append(tag)

        def handle_endtag(self, tag):
            assert opened.pop() == tag

        def handle_data(self, text):
            texts.append(text)

    Reader().feed(html)
    assert not opened
    return "".join(texts)


def pretty(value):
    """What IPython's printer is told to write."""
    written = []
    value._repr_pretty_(SimpleNamespace(text=written.append), cycle=False)
    return "".join(written)


@pytest.mark.parametrize("values", [3.5, [], [[1.0, 2.0]], np.zeros((0, 3)), np.arange(100), [True, False]])
def test_a_small_tensor_is_its_text(values):
    assert tg.Tensor(values)._repr_html_() is None


def test_a_large_tensor_is_its_shape_type_and_range_and_its_values_can_be_unfolded():
    shown = text_of(tg.arange(0.0, 1000.0).reshape(10, 100)._repr_html_())
    assert shown.startswith("Tensor (10, 100) float32, 0 to 999, mean 499.5")
    assert shown.endswith("shape=(10, 100))")


def test_a_large_tensor_tells_where_it_is_from():
    x = nn.Parameter(tg.ones(30, 30))
    assert "Parameter (30, 30) float32, 1 to 1, mean 1, requires grad" in text_of(x._repr_html_())
    assert "made by mul" in text_of((x * 2)._repr_html_())
    (x * 2).sum().backward()
    assert "has a gradient" in text_of(x._repr_html_())


def test_what_is_not_finite_is_counted_beside_the_range_of_the_rest():
    x = tg.zeros(200)
    x[:3], x[3:5], x[5] = np.nan, -np.inf, 7
    assert "0 to 7, mean 0.0359, 3 NaN, 2 infinite" in text_of(x._repr_html_())
    assert "float32, 200 NaN" in text_of(tg.full((200,), np.nan)._repr_html_())


def test_of_booleans_the_true_ones_are_counted():
    assert "bool, 150 of 200 true" in text_of((tg.arange(200) >= 50)._repr_html_())


def test_a_module_shows_those_inside_it_with_their_parameters():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Sequential(nn.Flatten(), nn.Linear(32, 1)))
    shown = text_of(model._repr_html_())
    for part in ("Sequential 257 parameters", "0 Conv2d(3, 8", "224 parameters", "1 ReLU()", "33 parameters"):
        assert part in shown


def test_what_is_not_trained_is_told():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    model[0].requires_grad_(False)
    assert text_of(model._repr_html_()).startswith("Sequential 13 parameters, 4 of them trained")


def test_names_are_text_whatever_they_hold():
    class Branches(nn.Module):
        def __init__(self):
            self.parts = {"<b>": nn.Linear(1, 1)}

    assert "parts.<b> Linear(" in text_of(Branches()._repr_html_())


def test_a_module_inside_itself_comes_to_an_end():
    model = nn.Sequential(nn.Linear(1, 1))
    model.again = model
    assert text_of(model._repr_html_()).count("Linear") == 1


def test_a_module_with_a_text_of_its_own_keeps_it():
    class Mine(nn.Module):
        def __repr__(self):
            return "mine"

    assert Mine()._repr_html_() is None


def test_tables_are_shown_as_they_are_printed():
    model = nn.Linear(2, 3)
    table = tg.summary(model, (2,))
    assert repr(table) == str(table) == f"{table}"
    assert isinstance(table, str)
    profile = tg.profile()
    assert pretty(profile) == repr(profile)
    with profile:
        model(tg.ones(4, 2))
    assert pretty(profile) == profile.table() == repr(profile.table())


def test_data_and_what_was_learnt_say_how_much_they_hold():
    faces = data.SyntheticFaces(10, size=16)
    assert repr(data.Subset(faces, [1, 2])) == "<Subset: 2 images>"
    assert repr(data.DataLoader(faces, 4)) == "<DataLoader: 3 batches of 4 from <SyntheticFaces: 10 images>>"
    seen = train.Pass(train.AgeErrors())
    assert repr(seen) == "<Pass: no batch yet>"
    assert repr(seen.errors) == "<AgeErrors: 0 faces>"
    seen.add(0.25, np.array([20.0, 30.0]), np.array([22.0, 30.0]))
    assert repr(seen) == "<Pass: loss 0.25, <AgeErrors: 2 faces, MAE 1.00 years>>"
    assert repr(train.Confusion(("cat", "dog")).update([[0.9, 0.1]], [0])) == "<Confusion: 1 faces, accuracy 100.0%>"

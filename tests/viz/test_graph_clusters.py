"""draw: modules as nested clusters, folded below a depth, applied twice; sweeps in clusters of their own."""

from __future__ import annotations

import itertools

import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from models.age_cnn import AgeCNN
from tests.viz.drawings import (
    Recurrent,
    Residual,
    arrows,
    boxes,
    clusters,
    gradient_penalty,
    inside,
    names,
    shapes,
    small_network,
    texts,
    zeros,
)  # fmt: skip
from tinygrad_cnn import nn


def test_each_module_is_a_cluster_inside_the_one_that_called_it():
    around = inside(tg.draw(nn.Sequential(nn.Sequential(nn.Linear(4, 2)), nn.ReLU()), zeros(3, 4)))
    outer, inner = "Sequential 10 parameters", "0 Sequential 10 parameters, 100.0 %"
    assert around["linear"] == around["weight"] == (outer, inner, "0 Linear 10 parameters, 100.0 %")
    assert around["relu"] == (outer, "1 ReLU")
    assert around["input"] == around["output"] == ()


def test_a_cluster_is_titled_with_name_class_and_share_of_the_parameters():
    titles = {title for around in clusters(tg.draw(AgeCNN(32), zeros(1, 3, 32, 32))).values() for title in around}
    assert titles == {
        "AgeCNN 154,913 parameters",
        "conv1 Conv2d 448 parameters, 0.3 %",
        "conv2 Conv2d 4,640 parameters, 3.0 %",
        "conv3 Conv2d 18,496 parameters, 11.9 %",
        "fc1 Linear 131,200 parameters, 84.7 %",
        "fc2 Linear 129 parameters, < 0.1 %",
    }


def test_a_drawn_loss_has_the_clusters_of_the_model_that_computed_it_and_the_loss_outside():
    model = small_network()
    around = inside(tg.draw(F.mse_loss(model(zeros(8, 4)), zeros(8, 3))))
    assert around["relu"] == ("Sequential 131 parameters", "1 ReLU")
    assert around["mse_loss mean"] == ()


def test_a_module_in_a_list_is_titled_with_its_dotted_name():
    class Tower(nn.Module):
        def __init__(self):
            self.floors = [nn.Linear(2, 2), nn.Linear(2, 2)]

        def forward(self, x):
            return self.floors[1](self.floors[0](x))

    titles = {around[-1] for around in clusters(tg.draw(Tower(), zeros(1, 2))).values() if around}
    assert titles == {"floors.0 Linear 6 parameters, 50.0 %", "floors.1 Linear 6 parameters, 50.0 %"}


def test_each_run_of_a_module_is_a_cluster_and_its_parameters_are_in_the_first():
    drawing = tg.draw(Recurrent(), zeros(2, 4))
    around, text = clusters(drawing), boxes(drawing)
    linear = [around[identity][-1] for identity, lines in text.items() if lines == ("linear",)]
    assert linear[:3] == [f"cell Linear 20 parameters, 80.0 %; run {run} of 3" for run in (1, 2, 3)]
    (weight,) = [identity for identity, lines in text.items() if lines == ("weight", "4 × 4 = 16")]  # noqa: RUF001
    assert around[weight][-1] == linear[0]
    assert [start for start, _ in arrows(drawing)].count(weight) == 3


def test_a_model_run_twice_is_told_apart():
    model = nn.Linear(2, 2)
    around = clusters(tg.draw(model(zeros(1, 2)) + model(tg.ones(1, 2)))).values()
    assert {title for titles in around for title in titles} == {
        "Linear 6 parameters; run 1 of 2", "Linear 6 parameters; run 2 of 2"
    }  # fmt: skip


def test_a_module_called_within_another_it_does_not_belong_to_has_its_class_for_a_title():
    helper = nn.Linear(2, 2)

    class Caller(nn.Module):
        def forward(self, x):
            return helper(x)

    assert inside(tg.draw(Caller(), zeros(1, 2)))["linear"] == ("Caller", "Linear 6 parameters")


def test_a_part_of_a_model_that_is_called_alone_is_named_by_the_model():
    model = small_network()
    around = inside(tg.draw(model[0](zeros(1, 4)), model=model))
    assert around["linear"] == ("0 Linear 80 parameters, 61.1 %",)


def test_a_module_that_is_no_more_leaves_no_cluster():
    y = nn.Linear(2, 2)(zeros(1, 2))
    assert set(clusters(tg.draw(y)).values()) == {()}


def test_a_module_that_raised_is_not_left_open():
    class Failing(nn.Module):
        def forward(self, x):
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        tg.draw(Failing(), zeros(1))
    assert set(clusters(tg.draw(tg.ones(1, requires_grad=True) * 2)).values()) == {()}


# -- folding ----------------------------------------------------------------------------------------------------------


def test_depth_folds_the_clusters_below_into_one_box_each():
    model, x = Residual(3), zeros(2, 3, 8, 8)
    whole = [tg.draw(model, x, depth=depth) for depth in (0, 1, 2)]
    assert texts(whole[0]) == [
        ("input", "2 × 3 × 8 × 8"),  # noqa: RUF001
        ("Residual 1,074 parameters", "26 operations"),
        ("output", "2 × 10"),  # noqa: RUF001
    ]
    assert [lines[0] for lines in texts(whole[1])] == [
        "input",
        "stem Conv2d 112 parameters, 10.4 %",
        "relu",
        "blocks Sequential 912 parameters, 84.9 %",
        "sum dim 2, 3",
        "div",
        "head Linear 50 parameters, 4.7 %",
        "output",
    ]
    assert names(whole[2])[:7] == ["input", "weight", "bias", "conv2d", "relu", "0", "1"]
    assert tg.draw(model, x, depth=9).source == tg.draw(model, x).source


def test_folded_boxes_are_joined_by_what_flows_between_them():
    drawing = tg.draw(Recurrent(), zeros(2, 4), depth=1)
    assert names(drawing) == ["input", "cell", "tanh", "cell", "tanh", "cell", "tanh", "head", "output"]
    chain = list(boxes(drawing))
    assert arrows(drawing) == list(itertools.pairwise(chain))
    assert shapes(drawing) == ["2 × 4"] * 6  # noqa: RUF001


def test_a_value_that_a_folded_module_uses_twice_is_one_arrow():
    class Twice(nn.Module):
        def forward(self, x):
            return x.exp() + x.sin()

    assert len(arrows(tg.draw(Twice(), zeros(1), depth=0))) == 2


# -- second order ---------------------------------------------------------------------------------------------------


def test_forward_and_backward_parts_of_a_second_order_graph_are_told_apart():
    network = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1))
    drawing = tg.draw(gradient_penalty(network))
    around, text = clusters(drawing), boxes(drawing)
    backward = [text[identity][0] for identity, titles in around.items() if titles == ("backward pass",)]
    assert sorted(backward) == ["2.weight", "matmul", "matmul", "mul", "mul", "sub"]
    assert drawing.source.count('fillcolor="#eee8fb"') == 5  # all but the weight
    around = inside(drawing)
    assert around["tanh"][-1] == "1 Tanh"
    assert around["sqrt"] == ()


def test_backward_passes_are_numbered_and_folded_like_modules():
    x = tg.Tensor(2.0, requires_grad=True)
    (first,) = tg.grad(x.exp(), x, create_graph=True)
    (second,) = tg.grad(first * x.sin(), x, create_graph=True)
    titles = {title for titles in clusters(tg.draw(second)).values() for title in titles}
    assert titles == {"backward pass 1", "backward pass 2"}
    assert {"backward pass 1", "backward pass 2"} < {lines[0] for lines in texts(tg.draw(second, depth=0))}


def test_a_module_that_a_rule_runs_is_named_by_the_module_around_the_backward_pass():
    class Outer(nn.Module):
        def __init__(self):
            self.inner = nn.Linear(2, 2)

        def forward(self, x):
            run = tg.primitive(x=lambda g, x: self.inner(g) * x)(lambda x: x + 0)
            return tg.grad(run(x).sum(), x, create_graph=True)[0]

    outer, inner = "Outer 6 parameters", "inner Linear 6 parameters, 100.0 %"
    assert inside(tg.draw(Outer(), zeros(3, 2)))["linear"] == (outer, "backward pass", inner)


def test_a_gradient_is_a_graph_like_any_other():
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    (gradient,) = tg.grad(x.exp().sum(), x, create_graph=True)
    assert "exp" in names(tg.draw(gradient.sum()))

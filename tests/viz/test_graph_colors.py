"""draw(color_by=...): figures that are right, shades that follow them, and a scale that says so."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from models.age_cnn import AgeCNN
from tests.viz.drawings import boxes, fills, inside, names, small_network, texts, zeros
from tinygrad_cnn import nn
from tinygrad_cnn.modes import observe
from tinygrad_cnn.viz.graph.dot import _figure
from tinygrad_cnn.viz.graph.theme import FILL_AND_BORDER, INK, MIDDLE_INK, NOT_FINITE, RAMP, Scale, every_color, ink_on

LIGHT = [light for light, _ in RAMP]


def figures(drawing):
    """The last line of each box, by its first."""
    return {lines[0]: lines[-1] for lines in texts(drawing)}


def test_grad_norm_is_the_norm_of_what_backward_computes_and_leaves_grad_alone():
    model, x = small_network(), tg.randn(8, 4)
    loss = F.mse_loss(model(x), zeros(8, 3))
    drawing = tg.draw(loss, color_by="grad_norm")
    assert all(parameter.grad is None for parameter in model.parameters())
    loss.backward()
    shown = [lines[-1] for lines in texts(drawing) if lines[0] in ("weight", "bias")]
    norms = sorted(f"grad {np.linalg.norm(parameter.grad.data):.2g}" for parameter in model.parameters())
    assert sorted(shown) == norms
    assert figures(drawing)["mse_loss mean"] == "grad 1"


def test_grad_norm_of_several_results_is_that_of_their_sum():
    x = tg.Tensor([2.0], requires_grad=True)
    assert figures(tg.draw([x * 3, x * 4], color_by="grad_norm"))["leaf"] == "grad 7"


def test_a_vanishing_gradient_is_pale_and_an_exploding_one_dark():
    x = tg.Tensor([1.0], requires_grad=True)
    fill = fills(tg.draw((x * 1e-6).exp() * 1e3, color_by="grad_norm"))
    assert fill["leaf"] == LIGHT[0]
    assert fill["exp"] == LIGHT[-1]


def test_a_gradient_of_zero_and_one_that_is_no_number_have_their_colours():
    x = tg.Tensor([-1.0], requires_grad=True)
    assert fills(tg.draw(x.relu().exp(), color_by="grad_norm"))["leaf"] == LIGHT[0]
    assert fills(tg.draw((x.sqrt() * 2).exp(), color_by="grad_norm"))["sqrt"] == NOT_FINITE[0]


def test_flops_are_those_of_the_summary():
    drawing = tg.draw(AgeCNN(32), zeros(1, 3, 32, 32), color_by="flops")
    total = re.search(r"Forward FLOPs +([\d,]+)", tg.summary(AgeCNN(32), (3, 32, 32)))[1]
    assert f"floating-point operations, {_figure(float(total.replace(',', '')), 'FLOP')} in all" in drawing.source
    assert figures(drawing)["conv2d 3x3 s1 p1"] == "2.36 MFLOP"  # the last of the three: 2 * 64 * 8 * 8 * 32 * 9


def test_flops_are_known_after_the_graph_is_freed_unless_a_shape_went_with_it():
    layer = nn.Conv2d(1, 2, 3)
    loss = layer(zeros(1, 1, 4, 4)).sum()
    loss.backward()
    assert figures(tg.draw(loss, color_by="flops"))["conv2d 3x3 s1 p0"] == "144 FLOP"
    result = F.conv2d(tg.ones(1, 1, 4, 4, requires_grad=True), zeros(2, 1, 3, 3)).sum()
    assert figures(tg.draw(result, color_by="flops"))["conv2d 3x3 s1 p0"] == "144 FLOP"
    result.backward()
    assert ("conv2d s1 p0",) in texts(tg.draw(result, color_by="flops"))


def test_memory_counts_each_array_that_the_graph_holds_once():
    model, x = nn.Sequential(nn.Linear(100, 50), nn.ReLU(), nn.Linear(50, 1)), zeros(10, 100)
    drawing = tg.draw(model, x, color_by="memory")
    shown = figures(drawing)
    assert shown["input"] == "4 kB"
    assert shown["relu"] == "2 kB"  # its result, which the layer after it needs too
    assert shown["linear"] == "0 B"
    total = 4 * (5000 + 50 + 50 + 1 + 1000 + 500)
    assert f"memory held for the backward pass, {_figure(total, 'B')} in all" in drawing.source


def test_memory_counts_what_several_views_show_once():
    y = tg.ones(2, 3, requires_grad=True).exp()
    assert figures(tg.draw((y.T * y.T).sum(), color_by="memory"))["mul"] == "0 B"


def test_time_finds_the_slow_operation_in_the_forward_pass_and_in_the_backward_pass():
    @tg.primitive()
    def nap(g):
        time.sleep(0.01)
        return g + 0

    @tg.primitive(x=lambda g: nap(g))
    def doze(x):
        time.sleep(0.005)
        return x + 0

    def function(x):
        return doze(x.exp()).sum()

    drawing = tg.draw(function, zeros(3), color_by="time")
    assert "time, forward and backward, " in drawing.source
    assert 15 <= float(figures(drawing)["doze"].removesuffix(" ms")) < 150
    assert fills(drawing)["doze"] == LIGHT[-1]
    assert fills(drawing)["exp"] == LIGHT[0]
    drawing = tg.draw(function(tg.ones(3, requires_grad=True)), color_by="time")
    assert "time of the backward pass, " in drawing.source
    assert 10 <= float(figures(drawing)["doze"].removesuffix(" ms")) < 150


def test_the_time_is_that_of_a_second_sweep_for_the_first_pays_for_memory_and_threads():
    calls = []

    def slow_at_first(g):
        calls.append(g)
        time.sleep(0.2 if len(calls) == 1 else 0)
        return g

    @tg.primitive(x=lambda g: slow_at_first(g))
    def starting(x):
        return x + 0

    drawing = tg.draw(starting(tg.ones(3, requires_grad=True)).sum(), color_by="time")
    assert len(calls) == 2
    assert float(re.search(r"time of the backward pass, ([\d.]+) (?:m|µ)s in all", drawing.source)[1]) < 200


def test_what_had_run_before_counts_by_its_backward_pass_alone():
    earlier = tg.ones(3, requires_grad=True).exp()
    drawing = tg.draw(lambda x: (x * earlier).sum(), tg.ones(3), color_by="time")
    assert names(drawing) == ["leaf", "exp", "input", "mul", "sum", "output"]
    assert figures(drawing)["exp"].endswith("s")


def test_a_folded_module_has_its_parts_figures_together():
    model, x = small_network(), tg.randn(8, 4)
    open_, folded = (tg.draw(model, x, color_by="flops", depth=depth) for depth in (None, 0))
    assert re.search("operations, (.*?) in all", open_.source)[1] == figures(folded)["Sequential 131 parameters"]
    model(x).sum().backward()
    norm = np.sqrt(sum(np.sum(parameter.grad.data**2) for parameter in model.parameters()))
    assert figures(tg.draw(model, x, color_by="grad_norm", depth=0))["Sequential 131 parameters"] == f"grad {norm:.2g}"


def test_a_folded_module_without_parameters_has_the_gradient_of_what_it_gives():
    model = nn.Sequential(nn.Linear(4, 3), nn.Sequential(nn.ReLU(), nn.Tanh()), nn.Linear(3, 1))
    x = tg.randn(8, 4)
    open_, folded = (figures(tg.draw(model, x, color_by="grad_norm", depth=depth)) for depth in (None, 1))
    assert folded["1 Sequential"] == open_["tanh"] != open_["relu"]


def test_a_freed_graph_is_shaded_by_the_grad_that_its_leaves_hold():
    model = small_network()
    loss = F.mse_loss(model(tg.randn(8, 4)), zeros(8, 3))
    loss.backward()
    drawing = tg.draw(loss, color_by="grad_norm")
    shown = [lines[-1] for lines in texts(drawing) if lines[0] in ("weight", "bias")]
    assert sorted(shown) == sorted(f"grad {np.linalg.norm(p.grad.data):.2g}" for p in model.parameters())
    assert "norm of the .grad of each leaf" in drawing.source
    assert fills(drawing)["relu"] == FILL_AND_BORDER["operation"][0][0]
    norm = np.sqrt(sum(np.sum(parameter.grad.data**2) for parameter in model.parameters()))
    folded = figures(tg.draw(loss, color_by="grad_norm", depth=0))
    assert folded["Sequential 131 parameters"] == f"grad {norm:.2g}"


@pytest.mark.parametrize("color_by", ["grad_norm", "time", "memory"])
def test_a_freed_graph_says_what_to_do(color_by):
    model = small_network()
    loss = model(zeros(8, 4)).sum()
    loss.backward()
    for parameter in model.parameters():
        parameter.grad = None  # as optimizer.zero_grad() does
    with pytest.raises(RuntimeError, match=f"color_by='{color_by}' needs what backward.* has freed; draw before it"):
        tg.draw(loss, color_by=color_by)
    loss = model(zeros(8, 4)).sum()
    loss.backward(retain_graph=True)
    before = [parameter.grad.data.copy() for parameter in model.parameters()]
    tg.draw(loss, color_by=color_by)
    assert all(np.array_equal(b, p.grad.data) for b, p in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("join", [tg.cat, tg.stack, lambda pair: tg.einsum("ij,jk->ik", *pair)])
def test_an_operation_of_any_number_of_inputs_is_not_taken_for_freed(join):
    loss = join([tg.ones(2, 2, requires_grad=True), tg.ones(2, 2, requires_grad=True)]).sum()
    assert "norm of the gradient" in tg.draw(loss, color_by="grad_norm").source


@tg.primitive(x=lambda g, watch: watch(g))
def watched(x, *, watch):
    """x, and `watch(gradient)` in the middle of a backward pass."""
    return x + 0


def test_what_a_rule_does_after_it_has_drawn_still_counts_as_its_own():
    def watch(g):
        tg.draw(loss, color_by="grad_norm")
        return g * 2

    loss, rules = watched(tg.ones(3, requires_grad=True), watch=watch).sum(), []
    with observe(lambda event: rules.append(event.rule_of) if event.primitive.name == "mul" else None):
        loss.backward(retain_graph=True)
    assert {rule.primitive.name for rule in rules if rule} == {"watched"}
    assert None not in rules


@pytest.mark.parametrize("color_by", ["grad_norm", "time", "memory", "flops"])
def test_a_graph_is_coloured_in_the_middle_of_a_backward_pass_that_keeps_it(color_by):
    model, x, drawings = small_network(), tg.randn(8, 4), []

    def watch(g):
        drawings.append(tg.draw(loss, color_by=color_by))
        return g

    loss = watched(model(x).tanh(), watch=watch).square().mean()
    loss.backward(retain_graph=True)
    drawing = drawings[-1]  # the first ones are of sweeps that measured
    known = figures(drawing)
    assert known["weight"] != known["linear"]
    assert "in all" in drawing.source or "norm of the gradient" in drawing.source
    expected = model(x).tanh().square().mean()
    found = [parameter.grad.data for parameter in model.parameters()]
    due = [gradient.data for gradient in tg.grad(expected, list(model.parameters()))]
    assert all(np.array_equal(f, d) for f, d in zip(found, due, strict=True))
    after = tg.draw(loss, color_by=color_by)
    if color_by != "time":
        assert after.source == drawing.source


@pytest.mark.parametrize("color_by", ["grad_norm", "time", "memory"])
def test_in_a_backward_pass_that_frees_the_graph_it_says_what_to_do(color_by):
    def watch(g):
        tg.draw(loss, color_by=color_by)
        return g

    loss = watched(small_network()(zeros(8, 4)).tanh(), watch=watch).square().mean()
    with pytest.raises(
        RuntimeError, match=r"draw before it, or keep the graph with loss.backward\(retain_graph=True\)"
    ):
        loss.backward()


def test_what_a_backward_pass_draws_of_a_model_is_no_part_of_it():
    model, drawings = small_network(), []

    def watch(g):
        drawings.append(tg.draw(model, zeros(1, 4), color_by="time"))
        return g

    watched(tg.Tensor([1.0], requires_grad=True), watch=watch).backward()
    assert drawings[0].source.count("backward pass") == 0
    assert inside(drawings[0])["relu"] == ("Sequential 131 parameters", "1 ReLU")


@pytest.mark.parametrize("color_by", ["grad_norm", "time", "memory", "flops"])
def test_every_measure_draws_second_order_graphs_and_tiny_ones(color_by):
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    (gradient,) = tg.grad((x * x.sin()).sum(), x, create_graph=True)
    assert "backward pass" in tg.draw(gradient.square().sum(), color_by=color_by).source
    assert names(tg.draw(x * 2, color_by=color_by)) == ["leaf", "mul", "output"]


def test_the_scale_shows_its_ends_and_its_middle():
    x = tg.Tensor([1.0], requires_grad=True)
    source = tg.draw((x * 1e-4).exp() * 100, color_by="grad_norm").source
    cells = re.findall(r'<td colspan="3".*?>([^<>]+)</font>', source)
    assert cells == ["0.01", "1", "1e+02"]
    assert all(color in source for color in LIGHT)


def test_a_scale_places_figures_linearly_from_zero_or_by_their_logarithms():
    linear, logarithmic = Scale([0.0, 4.0, 8.0], False), Scale([1e-4, 1e4, 0.0, float("inf")], True)
    assert [RAMP.index(linear.color(figure)) for figure in (0.0, 4.0, 8.0)] == [0, 4, 8]
    assert [RAMP.index(logarithmic.color(figure)) for figure in (0.0, 1e-4, 1.0, 1e4)] == [0, 0, 4, 8]
    assert logarithmic.color(float("nan")) == logarithmic.color(float("inf")) == NOT_FINITE
    assert Scale([5.0], True).color(5.0) == Scale([], False).color(0.0) == RAMP[0]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0123, "s", "12.3 ms"), (2e-7, "s", "0.2 µs"), (0.0, "s", "0 s"), (1.5, "s", "1.5 s"),
        (95.4e6, "FLOP", "95.4 MFLOP"),
        (64, "B", "64 B"), (999.6, "B", "1 kB"), (0, "B", "0 B"), (1.2e-5, "", "1.2e-05"), (float("nan"), "", "nan"),
    ],
)  # fmt: skip
def test_figures_are_written_with_three_digits_in_a_unit_of_their_size(value, unit, text):
    assert _figure(value, unit) == text


# -- colours --------------------------------------------------------------------------------------------------------


def luminance(color):
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """WCAG 2.1's contrast ratio."""
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def test_no_two_light_colours_are_the_same_so_that_each_has_one_dark_one():
    light = [color for color, _ in every_color()]
    assert len(set(light)) == len(light)


@pytest.mark.parametrize("page", [0, 1], ids=["light", "dark"])
def test_text_is_legible_on_every_shade(page):
    for fill in (*RAMP, NOT_FINITE):
        assert contrast(ink_on(fill)[page], fill[page]) >= 4, fill


@pytest.mark.parametrize("page", [0, 1], ids=["light", "dark"])
def test_shades_grow_evenly_away_from_the_page(page):
    shades = [luminance(color[page]) for color in RAMP]
    assert shades == sorted(shades, reverse=page == 0)
    assert INK != MIDDLE_INK


def test_the_dark_theme_uses_dark_colours_only():
    drawing = tg.draw(small_network(), zeros(1, 4), theme="dark", color_by="flops")
    light = {light for light, dark in every_color() if light not in {dark for _, dark in every_color()}}
    assert not light & set(re.findall("#[0-9a-f]{6}", drawing.source))
    assert boxes(drawing)

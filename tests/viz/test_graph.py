"""draw: what stands in the boxes and on the arrows, the same each time, and complete."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from models.age_cnn import AgeCNN
from tests.viz.drawings import arrows, boxes, names, shapes, small_network, texts, zeros
from tinygrad_cnn import nn


def test_a_product_has_a_box_for_each_leaf_and_operation_and_an_arrow_for_each_input():
    a, b = (tg.Tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    drawing = tg.draw((a * b).sum())
    assert names(drawing) == ["leaf", "leaf", "mul", "sum", "output"]
    assert arrows(drawing) == [("v0", "v2"), ("v1", "v2"), ("v2", "v3"), ("v3", "v4")]


def test_a_leaf_used_twice_is_one_box_with_two_arrows():
    x = tg.Tensor([3.0], requires_grad=True)
    drawing = tg.draw(x * x)
    assert names(drawing) == ["leaf", "mul", "output"]
    assert arrows(drawing) == [("v0", "v1"), ("v0", "v1"), ("v1", "v2")]


def test_a_value_used_twice_shows_its_shape_once():
    x = tg.ones(2, 3, requires_grad=True)
    y = x.exp()
    drawing = tg.draw(y * y.sin())
    assert arrows(drawing).count(("v1", "v2")) == arrows(drawing).count(("v1", "v3")) == 1
    assert shapes(drawing) == ["2 × 3", "2 × 3"]  # noqa: RUF001


def test_arrows_show_the_shapes_of_what_is_computed():
    x = tg.ones(2, 3, requires_grad=True)
    assert shapes(tg.draw((x.T.sum(1) * 2).sum() + 1)) == ["3 × 2", "3", "3", "scalar"]  # noqa: RUF001


def test_constants_are_left_out_unless_asked_for():
    def function(x):
        return x.exp() * 2.5 * tg.Tensor([4.0, 5.0]) + 1

    assert names(tg.draw(function, zeros(2))) == ["input", "exp", "mul", "mul", "add", "output"]
    shown = tg.draw(function, zeros(2), constants=True)
    assert names(shown) == ["input", "exp", "2.5", "mul", "constant", "mul", "add", "output"]
    assert arrows(shown).count(("v2", "v3")) == arrows(shown).count(("v4", "v5")) == 1


def test_batch_norms_running_statistics_are_no_data():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).eval()
    assert names(tg.draw(model(zeros(2, 1, 5, 5)))).count("input") == 1


@pytest.mark.parametrize(
    "masked",
    [
        lambda p: F.leaky_relu(p),
        lambda p: tg.where(p > 0, p, 0.0),
        lambda p: F.elu(p),
        lambda p: p.masked_fill(p > 0, 0),
    ],
)
def test_a_mask_is_a_constant_and_no_data(masked):
    result = masked(tg.randn(4, 3, requires_grad=True))
    assert "input" not in names(tg.draw(result))
    assert "constant" in names(tg.draw(result, constants=True))
    result.sum().backward()
    assert "input" not in names(tg.draw(result))


def test_a_constant_array_is_shown_where_data_come_in():
    weight = tg.ones(4, 2, requires_grad=True)
    drawing = tg.draw(F.linear(zeros(3, 2), weight))
    assert ("input", "3 × 2") in texts(drawing)  # noqa: RUF001
    assert "input" not in names(tg.draw(weight * 2))
    assert "input" in names(tg.draw(weight * weight.detach()))


def test_where_data_come_in_is_known_after_backward_has_freed_them():
    net = nn.Conv2d(1, 2, 3)
    loss = net(zeros(1, 1, 4, 4)).sum()
    loss.backward()
    assert ("input",) in texts(tg.draw(loss))


def test_parameters_carry_their_names_shapes_and_counts():
    model = small_network()
    shown = texts(tg.draw(model, zeros(8, 4)))
    assert ("weight", "16 × 4 = 64") in shown  # noqa: RUF001
    assert ("bias", "16") in shown
    assert ("weight", "3 × 16 = 48") in shown  # noqa: RUF001
    assert ("input", "8 × 4") in shown  # noqa: RUF001


def test_a_model_names_parameters_that_are_used_without_calling_it():
    layer = nn.Linear(2, 3)
    y = F.linear(zeros(1, 2), layer.weight)
    assert "weight" not in names(tg.draw(y))
    assert "weight" in names(tg.draw(y, model=layer))


def test_a_frozen_parameter_keeps_its_name():
    model = small_network()
    model.get_submodule("2").requires_grad_(False)
    assert names(tg.draw(model, zeros(8, 4))).count("weight") == 2


def test_agecnn_shows_every_layer_once_with_its_options():
    model = AgeCNN(32)
    drawing = tg.draw(model, zeros(2, 3, 32, 32))
    shown = [lines[0] for lines in texts(drawing)]
    assert [shown.count(op) for op in ("conv2d 3x3 s1 p1", "relu", "max_pool2d 2x2 s2 p0", "linear")] == [3, 4, 3, 2]
    assert len(shown) == 1 + 10 + 3 + 4 + 3 + 1 + 2 + 1  # input, parameters, the operations, reshape, output
    into = [end for _, end in arrows(drawing)]
    fan_in = {"conv2d": 3, "linear": 3, "relu": 1, "max_pool2d": 1, "reshape": 1, "output": 1}
    for identity, lines in boxes(drawing).items():
        assert into.count(identity) == fan_in.get(lines[0].split()[0], 0)
    assert {start for start, _ in arrows(drawing)} == set(list(boxes(drawing))[:-1])  # all lead on to the result


def test_unusual_convolutions_show_stride_padding_dilation_and_groups():
    x, weight = (tg.Tensor(np.zeros(s, np.float32), requires_grad=True) for s in ((1, 4, 16, 16), (4, 2, 3, 5)))
    drawing = tg.draw(F.conv2d(x, weight, stride=(2, 1), padding=(1, 2), dilation=2, groups=2))
    assert ("conv2d 3x5 s2,1 p1,2 d2 groups 2",) in texts(drawing)


@pytest.mark.parametrize(
    ("compute", "expected"),
    [
        (lambda x: x.sum(1), "sum dim 1"),
        (lambda x: x.sum((0, 2)), "sum dim 0, 2"),
        (lambda x: x[1, :, 2:], "getitem [1, :, 2:]"),
        (lambda x: x[::2], "getitem [::2]"),
        (lambda x: x[[0, 1]], "getitem [array]"),
        (lambda x: x[..., 0], "getitem [..., 0]"),
        (lambda x: x.permute(2, 0, 1), "permute order 2, 0, 1"),
        (lambda x: tg.einsum("ijk->j", x), "einsum ijk->j"),
        (lambda x: F.softmax(x, -1), "softmax dim 2"),
        (lambda x: F.avg_pool2d(x, 2), "avg_pool2d 2x2 s2 p0"),
        (lambda x: F.avg_pool2d(x, 2, divisor_override=3), "avg_pool2d 2x2 s2 p0 divisor 3"),
        (lambda x: F.avg_pool2d(x, 2, padding=1, count_include_pad=False), "avg_pool2d 2x2 s2 p1 padding not counted"),
        (lambda x: F.avg_pool2d(x, 2, padding=1), "avg_pool2d 2x2 s2 p1"),
        (lambda x: x**3, "pow exponent 3"),
        (lambda x: x ** tg.Tensor(0.5), "pow exponent 0.5"),
        (lambda x: 2**x, "pow base 2"),
        (lambda x: x.clamp(-1, 0.5), "clamp min -1, max 0.5"),
        (lambda x: x.clamp(max=1), "clamp max 1"),
        (lambda x: F.pad(x, (1, 2, 0, 3)), "pad 1, 2, 0, 3"),
        (lambda x: F.pad(x[None, 0], (0, 0, 1, 1)), "pad 0, 0, 1, 1"),
        (lambda x: x.flip(0, 2), "flip dim 0, 2"),
        (lambda x: tg.cat([x, x], 1), "cat dim 1"),
        (lambda x: x.cumsum(1), "cumsum dim 1"),
        (lambda x: x.norm(dim=1), "norm dim 1"),
        (lambda x: x.double(), "to float64"),
        (lambda x: x.double() * 2, "to float64"),
        (lambda x: F.cross_entropy(x[:, 0], tg.Tensor([0, 1])), "cross_entropy mean"),
        (lambda x: F.dropout(x, 0.3), "dropout p 0.3"),
        (lambda x: F.huber_loss(x, zeros(2, 4, 4), delta=0.3), "huber_loss delta 0.3, mean"),
        (lambda x: nn.BatchNorm1d(4, eps=0.1)(x), "batch_norm eps 0.1"),
    ],
)
def test_operations_show_their_options(compute, expected):
    x = tg.Tensor(np.zeros((2, 4, 4), np.float32), requires_grad=True)
    assert (expected,) in texts(tg.draw(compute(x)))


def test_a_transposed_convolution_shows_its_own_name_and_what_was_added_to_its_result():
    x, weight = (tg.Tensor(np.zeros(s, np.float32), requires_grad=True) for s in ((1, 4, 5, 5), (4, 2, 3, 3)))
    drawing = tg.draw(F.conv_transpose2d(x, weight, stride=2, padding=1, output_padding=1))
    assert ("conv_transpose2d 3x3 s2 p1 output padding 1",) in texts(drawing)
    assert ("conv_transpose2d 3x3 s2 p1",) in texts(tg.draw(F.conv_transpose2d(x, weight, stride=2, padding=1)))
    dilated = tg.draw(F.conv_transpose2d(x, weight, stride=2, dilation=2, output_padding=1))
    assert ("conv_transpose2d 3x3 s2 p0 d2 output padding 1",) in texts(dilated)


def test_the_gradient_of_a_convolution_shows_its_kernel():
    x, weight = (tg.Tensor(np.ones(s, np.float32), requires_grad=True) for s in ((1, 2, 7, 7), (4, 2, 3, 5)))
    (gradient,) = tg.grad(F.conv2d(x, weight).square().sum(), weight, create_graph=True)
    assert ("conv2d_weight 3x5 s1 p0",) in texts(tg.draw(gradient))


def test_a_number_that_is_an_option_is_no_constant_beside_it():
    x = tg.ones(2, requires_grad=True)
    drawing = tg.draw((x**3).clamp(0, 1), constants=True)
    assert [lines[0] for lines in texts(drawing)] == ["leaf", "pow exponent 3", "clamp min 0, max 1", "output"]
    assert names(tg.draw(x ** tg.Tensor([2.0, 3.0]), constants=True)) == ["leaf", "input", "pow", "output"]


def test_an_input_of_integers_leads_to_what_it_indexes():
    table = tg.ones(5, 3, requires_grad=True)
    drawing = tg.draw(lambda words: table[words].sum(), tg.Tensor([1, 4]))
    assert [lines[0] for lines in texts(drawing)] == ["leaf", "input", "getitem [array]", "sum dim 0, 1", "output"]
    assert arrows(drawing)[:2] == [("v0", "v2"), ("v1", "v2")]


def test_running_statistics_are_no_data():
    model = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 1)).eval()
    assert names(tg.draw(model, zeros(2, 4))).count("input") == 1
    assert names(tg.draw(model(zeros(2, 4)))).count("input") == 1


def test_a_result_that_was_not_recorded_is_a_constant_beside_those_that_were():
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    assert names(tg.draw([x.exp(), x.argmax(), x.detach() * 2])) == [
        "leaf", "exp", "output", "1", "output", "constant", "output"
    ]  # fmt: skip


def test_tensors_in_lists_and_dicts_are_inputs_too():
    def function(pair, more, flag):
        return pair[0] * more["x"] if flag else None

    drawing = tg.draw(function, [zeros(2), zeros(3)], {"x": zeros(2)}, True)
    assert texts(drawing)[:2] == [("input 0", "2"), ("input 2", "2")]


def test_what_else_than_tensors_a_function_gives_is_passed_over():
    assert names(tg.draw(lambda x: (x.exp(), None, {"n": 3}), zeros(1))) == ["input", "exp", "output"]


def test_a_tall_graph_says_how_to_make_it_smaller(capsys):
    model = nn.Sequential(*[nn.Sequential(nn.Linear(2, 2), nn.ReLU()) for _ in range(30)])
    boxes_shown = len(boxes(tg.draw(model, zeros(1, 2))))
    assert boxes_shown == 2 + 30 * 4
    assert capsys.readouterr().err == "draw: 122 boxes; depth=2 folds modules and draws 62\n"
    assert len(boxes(tg.draw(model, zeros(1, 2), depth=2))) == 62
    tg.draw(small_network(), zeros(1, 4))
    x = tg.Tensor([1.0], requires_grad=True)
    tg.draw(sum([x] * 200))  # no module to fold
    assert capsys.readouterr().err == ""


def test_several_results_are_all_shown_and_numbered():
    x = tg.Tensor([1.0], requires_grad=True)
    first = x.exp()
    shown = texts(tg.draw([first, first.sin()]))
    assert shown[-2:] == [("output 0", "1"), ("output 1", "1")]


def test_a_result_may_be_a_leaf_beside_others_and_come_twice():
    x = tg.Tensor([1.0], requires_grad=True)
    y = x.exp()
    assert names(tg.draw([y, x, y])) == ["leaf", "exp", "output", "output", "output"]


def test_results_are_found_in_tuples_and_dicts():
    class Heads(nn.Module):
        def forward(self, x):
            return {"age": x.exp(), "rest": (x.sin(), [x.cos()])}

    assert names(tg.draw(Heads(), zeros(1))).count("output") == 3


def test_any_function_of_tensors_is_drawn_like_a_model():
    drawing = tg.draw(lambda x, y: F.mse_loss(x, y), zeros(3), zeros(3))
    assert names(drawing)[:3] == ["input", "input", "mse_loss"]
    assert ("input 0", "3") in texts(drawing)


def test_the_same_model_gives_the_same_text():
    model, x = AgeCNN(16), zeros(2, 3, 16, 16)
    assert tg.draw(model, x).source == tg.draw(model, x).source


def test_the_text_does_not_depend_on_the_interpreters_hash_seed():
    program = (
        "import numpy as np, tinygrad_cnn as tg; from models.age_cnn import AgeCNN; model = AgeCNN(16);"
        "print(tg.draw(model, tg.Tensor(np.zeros((2, 3, 16, 16), np.float32)), color_by='flops').source)"
    )
    drawn = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(drawn) == 1


def test_five_thousand_operations_are_no_trouble():
    x = y = tg.Tensor([1.0], requires_grad=True)
    for _ in range(5_000):
        y = y + x
    drawing = tg.draw(y)
    assert len(boxes(drawing)) == 5_002
    assert len(arrows(drawing)) == 10_001


def test_drawing_leaves_the_model_its_input_and_the_random_numbers_as_they_were():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5))
    x, before = tg.ones(2, 1, 4, 4), model.state_dict()
    expected = tg.manual_seed(3).random()
    tg.manual_seed(3)
    tg.draw(model, x, color_by="grad_norm")
    assert tg.default_generator().random() == expected
    assert all(np.array_equal(before[name], array) for name, array in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert model.training
    assert not x.requires_grad
    x.data[0] = 2  # no live graph holds it any more


def test_a_model_is_drawn_inside_no_grad_too():
    with tg.no_grad():
        assert boxes(tg.draw(small_network(), tg.ones(1, 4)))


def test_a_graph_whose_arrays_are_freed_is_still_drawn():
    model = small_network()
    loss = model(tg.ones(8, 4)).sum()
    loss.backward()
    assert names(tg.draw(loss)).count("weight") == 2


def test_what_was_not_recorded_is_an_error():
    with pytest.raises(ValueError, match="nothing was recorded"):
        tg.draw(tg.Tensor([1.0]) * 2)
    with pytest.raises(ValueError, match="nothing was recorded"):
        tg.draw(tg.Tensor([1.0], requires_grad=True))
    with pytest.raises(ValueError, match="no operation's result"):
        tg.draw(nn.Linear(2, 1).weight)


@pytest.mark.parametrize("wrong", [3.0, [], ["x"], None, [None], {}, np.zeros(3)])
def test_what_is_no_tensor_is_an_error(wrong):
    with pytest.raises(TypeError, match="expected a Tensor"):
        tg.draw(wrong)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((nn.ReLU, zeros(1)), {}, r"ReLU is a class; make one of it first: draw\(ReLU\(...\), x\)"),
        ((nn.ReLU(), np.zeros(1)), {}, "inputs should be Tensors, got numpy.ndarray; tg.Tensor makes one of it"),
        ((nn.ReLU(), [zeros(1), np.float32(1)]), {}, "inputs should be Tensors, got numpy.float32"),
        ((nn.ReLU(), 3), {}, "should be a Tensor among the inputs of ReLU, got 3"),
        ((nn.ReLU(), None), {}, "should be a Tensor among the inputs of ReLU, got None"),
        ((lambda x: None, zeros(1)), {}, "the function should give a Tensor, or some in lists.*; got None"),
        ((nn.ReLU(), zeros(1)), {"model": nn.ReLU}, "model should be the nn.Module whose .*, got <class"),
        ((nn.ReLU(), zeros(1)), {"model": lambda x: x}, "model should be the nn.Module whose .*, got <function"),
        ((nn.ReLU(), zeros(1)), {"title": 3}, "title should be a str, got 3"),
        ((nn.ReLU(), zeros(1)), {"title": None}, "title should be a str, got None"),
        ((nn.ReLU(), zeros(1)), {"file": 3}, "file should be a path such as 'graph.svg', got 3"),
    ],
)
def test_a_wrong_argument_is_an_error_that_says_what_would_be_right(arguments, options, message):
    with pytest.raises(TypeError, match=f"^draw: .*{message}"):
        tg.draw(*arguments, **options)


def test_a_model_without_input_and_a_loss_with_input_are_errors():
    with pytest.raises(TypeError, match="Sequential, x\\) needs the input"):
        tg.draw(small_network())
    with pytest.raises(TypeError, match="a result needs none"):
        tg.draw(tg.Tensor([1.0], requires_grad=True) * 2, tg.Tensor([1.0]))


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"depth": -1}, "depth should be 0 or more, got -1"),
        ({"color_by": ["time"]}, r"color_by should be one of .* got \['time'\]"),
        ({"color_by": "loss"}, "color_by should be one of 'grad_norm', 'time', 'memory', 'flops', got 'loss'"),
        ({"theme": "blue"}, "theme should be 'auto', 'light' or 'dark', got 'blue'"),
        ({"file": "graph.jpeg"}, r"file should end in .svg, .png, .pdf or .gv \(graphviz text\), got 'graph.jpeg'"),
        ({"file": "graph"}, "file should end in"),
    ],
)
def test_a_wrong_option_is_an_error_before_anything_runs(argument, message):
    def explode(x):
        raise AssertionError("it ran")

    with pytest.raises(ValueError, match=message):
        tg.draw(explode, zeros(1), **argument)


@pytest.mark.parametrize("depth", [1.5, True, "1"])
def test_a_depth_that_is_no_whole_number_is_an_error(depth):
    with pytest.raises(TypeError, match=f"depth should be an int, 0 or more, got {depth!r}"):
        tg.draw(small_network(), zeros(1, 4), depth=depth)


def test_graphviz_is_imported_only_when_something_is_drawn():
    program = (
        "import sys, tinygrad_cnn; print([m for m in ('graphviz', 'matplotlib', 'tqdm', 'cv2') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"

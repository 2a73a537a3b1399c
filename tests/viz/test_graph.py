"""draw: the recorded graph as graphviz text, the same each time, and complete."""

import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from models.age_cnn import AgeCNN
from tinygrad_cnn import nn


def boxes(drawing):
    """The boxes of a drawing: (name, options, shape) in order of their numbers."""
    found = re.findall(r"v(\d+) \[label=<<b>(.*?)</b>(.*?)<br/><font [^>]*>(.*?)</font>>", drawing.source)
    assert [int(number) for number, *_ in found] == list(range(len(found)))
    return [(name, options.strip(), shape) for _, name, options, shape in found]


def arrows(drawing):
    return re.findall(r"v(\d+) -> v(\d+)", drawing.source)


def small_network():
    tg.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))


def test_a_product_has_a_box_for_each_leaf_and_operation_and_an_arrow_for_each_input():
    a, b = (tg.Tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    drawing = tg.draw((a * b).sum())
    assert [name for name, *_ in boxes(drawing)] == ["leaf", "leaf", "mul", "sum"]
    assert arrows(drawing) == [("0", "2"), ("1", "2"), ("2", "3")]


def test_a_leaf_used_twice_is_one_box_with_two_arrows():
    x = tg.Tensor([3.0], requires_grad=True)
    drawing = tg.draw(x * x)
    assert len(boxes(drawing)) == 2
    assert arrows(drawing) == [("0", "1"), ("0", "1")]


def test_numbers_are_left_out():
    drawing = tg.draw(tg.Tensor([3.0], requires_grad=True) * 2 + 1)
    assert [name for name, *_ in boxes(drawing)] == ["leaf", "mul", "add"]


def test_an_array_that_a_rule_kept_is_drawn_as_an_input():
    drawing = tg.draw(tg.Tensor([3.0], requires_grad=True) * tg.Tensor([2.0]))
    assert [name for name, *_ in boxes(drawing)] == ["leaf", "input", "mul"]


def test_parameters_carry_the_models_names_their_shapes_and_their_counts():
    drawing = tg.draw(small_network(), tg.Tensor(np.zeros((8, 4), np.float32)))
    named = {name: shape for name, _, shape in boxes(drawing)}
    assert named["0.weight"] == "16 × 4 = 64"  # noqa: RUF001
    assert named["0.bias"] == "16"
    assert named["2.weight"] == "3 × 16 = 48"  # noqa: RUF001
    assert named["input"] == "8 × 4"  # noqa: RUF001


def test_a_drawn_loss_names_parameters_when_it_is_given_the_model():
    model = small_network()
    loss = model(tg.Tensor(np.zeros((8, 4), np.float32))).sum()
    assert "0.weight" not in [name for name, *_ in boxes(tg.draw(loss))]
    assert {name for name, _ in model.named_parameters()} < {name for name, *_ in boxes(tg.draw(loss, model=model))}


def test_a_frozen_parameter_keeps_its_name():
    model = small_network()
    model.get_submodule("2").requires_grad_(False)
    drawing = tg.draw(model, tg.Tensor(np.zeros((8, 4), np.float32)))
    assert "2.weight" in [name for name, *_ in boxes(drawing)]


def test_agecnn_shows_every_layer_once_with_its_options():
    model = AgeCNN(32)
    drawing = tg.draw(model, tg.Tensor(np.zeros((2, 3, 32, 32), np.float32)))
    shown = boxes(drawing)
    names = [name for name, *_ in shown]
    assert [(names.count(op)) for op in ("conv2d", "relu", "max_pool2d", "linear")] == [3, 4, 3, 2]
    assert {options for name, options, _ in shown if name == "conv2d"} == {"3x3 s1 p1"}
    assert {options for name, options, _ in shown if name == "max_pool2d"} == {"2x2 s2 p0"}
    assert [name for name in names if "." in name] == [name for name, _ in model.named_parameters()]
    into = [int(end) for _, end in arrows(drawing)]
    fan_in = {"conv2d": 3, "linear": 3, "relu": 1, "max_pool2d": 1}
    for place, name in enumerate(names):
        assert name not in fan_in or into.count(place) == fan_in[name]
    assert {int(start) for start, _ in arrows(drawing)} == set(range(len(shown) - 1))  # all lead on to the result


def test_unusual_convolutions_show_stride_padding_dilation_and_groups():
    x = tg.Tensor(np.zeros((1, 4, 16, 16), np.float32), requires_grad=True)
    weight = tg.Tensor(np.zeros((4, 2, 3, 5), np.float32), requires_grad=True)
    drawing = tg.draw(F.conv2d(x, weight, stride=(2, 1), padding=(1, 2), dilation=2, groups=2))
    assert ("conv2d", "3x5 s2,1 p1,2 d2 groups 2") in [box[:2] for box in boxes(drawing)]


@pytest.mark.parametrize(
    ("compute", "expected"),
    [
        (lambda x: x.sum(1), ("sum", "dim 1")),
        (lambda x: x.sum((0, 2)), ("sum", "dim 0, 2")),
        (lambda x: x[1, :, 2:], ("getitem", "[1, :, 2:]")),
        (lambda x: x[::2], ("getitem", "[::2]")),
        (lambda x: x[[0, 1]], ("getitem", "[array]")),
        (lambda x: x.permute(2, 0, 1), ("permute", "order 2, 0, 1")),
        (lambda x: tg.einsum("ijk->j", x), ("einsum", "ijk-&gt;j")),
        (lambda x: F.softmax(x, -1), ("softmax", "dim 2")),
        (lambda x: F.avg_pool2d(x, 2), ("avg_pool2d", "2x2 s2 p0")),
    ],
)
def test_operations_show_their_options(compute, expected):
    x = tg.Tensor(np.zeros((2, 4, 4), np.float32), requires_grad=True)
    assert expected in [box[:2] for box in boxes(tg.draw(compute(x)))]


def test_a_scalar_says_so_and_the_result_is_tinted():
    source = tg.draw(tg.Tensor([1.0], requires_grad=True).sum()).source
    assert "scalar" in source
    assert source.count("#dff2e1") == 1


def test_several_results_are_all_results():
    x = tg.Tensor([1.0], requires_grad=True)
    first = x.exp()
    assert tg.draw([first, first.sin()]).source.count("#dff2e1") == 2


def test_a_gradient_is_a_graph_like_any_other():
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    (gradient,) = tg.grad(x.exp().sum(), x, create_graph=True)
    assert "exp" in [name for name, *_ in boxes(tg.draw(gradient.sum()))]


def test_the_same_model_gives_the_same_text():
    x = tg.Tensor(np.zeros((2, 3, 16, 16), np.float32))
    assert tg.draw(AgeCNN(16), x).source == tg.draw(AgeCNN(16), x).source


def test_the_text_does_not_depend_on_the_interpreters_hash_seed():
    program = (
        "import numpy as np, tinygrad_cnn as tg; from models.age_cnn import AgeCNN;"
        "print(tg.draw(AgeCNN(16), tg.Tensor(np.zeros((2, 3, 16, 16), np.float32))).source)"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(texts) == 1


def test_names_and_titles_are_escaped():
    class Odd(nn.Module):
        def __init__(self):
            self.layers = {'<b> & "quotes"': nn.Linear(2, 1)}

        def forward(self, x):
            return self.layers['<b> & "quotes"'](x)

    source = tg.draw(Odd(), tg.Tensor([[1.0, 2.0]]), title="a < b & c").source
    assert "layers.&lt;b&gt; &amp; &quot;quotes&quot;.weight" in source
    assert "a &lt; b &amp; c" in source


def test_five_thousand_operations_are_no_trouble():
    x = y = tg.Tensor([1.0], requires_grad=True)
    for _ in range(5_000):
        y = y + x
    drawing = tg.draw(y)
    assert len(boxes(drawing)) == 5_001
    assert len(arrows(drawing)) == 10_000


def test_drawing_leaves_the_model_and_its_input_as_they_were():
    model, x = small_network(), tg.Tensor(np.ones((8, 4), np.float32))
    tg.draw(model, x)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not x.requires_grad
    x.data[0] = 2  # no live graph holds it any more


def test_a_model_is_drawn_inside_no_grad_too():
    with tg.no_grad():
        assert boxes(tg.draw(small_network(), tg.Tensor(np.ones((1, 4), np.float32))))


def test_a_graph_whose_arrays_are_freed_is_still_drawn():
    model = small_network()
    loss = model(tg.Tensor(np.ones((8, 4), np.float32))).sum()
    loss.backward()
    assert "0.weight" in [name for name, *_ in boxes(tg.draw(loss, model=model))]


def test_what_was_not_recorded_is_an_error():
    with pytest.raises(ValueError, match="nothing was recorded"):
        tg.draw(tg.Tensor([1.0]) * 2)
    with pytest.raises(ValueError, match="nothing was recorded"):
        tg.draw(tg.Tensor([1.0], requires_grad=True))


@pytest.mark.parametrize("wrong", [3.0, [], ["x"], None])
def test_what_is_no_tensor_is_an_error(wrong):
    with pytest.raises(TypeError, match="expected a Tensor"):
        tg.draw(wrong)


def test_a_model_without_input_and_a_loss_with_input_are_errors():
    with pytest.raises(TypeError, match="needs the input"):
        tg.draw(small_network())
    with pytest.raises(TypeError, match="a result needs none"):
        tg.draw(tg.Tensor([1.0], requires_grad=True) * 2, tg.Tensor([1.0]))


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs graphviz's dot")
def test_dot_accepts_the_text():
    svg = tg.draw(AgeCNN(16), tg.Tensor(np.zeros((2, 3, 16, 16), np.float32))).pipe(format="svg").decode()
    assert "conv1.weight" in svg
    assert svg.count('class="edge"') == len(
        arrows(tg.draw(AgeCNN(16), tg.Tensor(np.zeros((2, 3, 16, 16), np.float32))))
    )


def test_graphviz_is_imported_only_when_something_is_drawn():
    program = (
        "import sys, tinygrad_cnn; print([m for m in ('graphviz', 'matplotlib', 'tqdm', 'cv2') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"

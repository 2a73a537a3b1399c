"""What an exported file looks like: names, inputs and outputs, weights, metadata; and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from models.age_cnn import AgeCNN
from models.age_resnet import AgeResNet
from tests.io.onnx.sessions import agree, run, session
from tinygrad_cnn import Tensor, nn

onnx = pytest.importorskip("onnx")

IMAGES = (4, 8, 8)
LAYERS = {
    "Linear": (nn.Linear(8, 3), IMAGES),
    "Linear without bias": (nn.Linear(8, 3, bias=False), (8,)),
    "Conv2d": (nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, dilation=2), IMAGES),
    "Conv2d, the same size": (nn.Conv2d(4, 6, 2, padding="same"), IMAGES),
    "Conv2d of mirrored edges": (nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"), IMAGES),
    "ConvTranspose2d": (nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1), IMAGES),
    "MaxPool2d": (nn.MaxPool2d(3, 2, padding=1, ceil_mode=True), IMAGES),
    "AvgPool2d": (nn.AvgPool2d(3, 2, padding=1, count_include_pad=False), IMAGES),
    "AdaptiveAvgPool2d": (nn.AdaptiveAvgPool2d((3, 2)), IMAGES),
    "BatchNorm1d": (nn.BatchNorm1d(5), (5,)),
    "BatchNorm2d": (nn.BatchNorm2d(4), IMAGES),
    "BatchNorm2d without statistics": (nn.BatchNorm2d(4, track_running_stats=False), IMAGES),
    "LayerNorm": (nn.LayerNorm((8, 8)), IMAGES),
    "LayerNorm without weights": (nn.LayerNorm(8, elementwise_affine=False), IMAGES),
    "Dropout": (nn.Sequential(nn.Dropout(), nn.Linear(8, 2), nn.Dropout2d()), (3, 8)),
    "Flatten": (nn.Flatten(), IMAGES),
    "Identity": (nn.Identity(), (3,)),
    **{
        type(layer).__name__: (layer, (3, 4))
        for layer in (
            nn.ReLU(), nn.LeakyReLU(0.1), nn.ELU(), nn.GELU(), nn.SiLU(), nn.Softplus(), nn.Sigmoid(), nn.Tanh(),
            nn.Softmax(-1), nn.LogSoftmax(1),
        )
    },
    "AgeCNN": (AgeCNN(16), (3, 16, 16)),
    "AgeResNet": (AgeResNet(5, widths=(4, 4, 8, 8)), (3, 33, 40)),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_layers_and_models_agree_for_every_batch_size(name: str, tmp_path: Path) -> None:
    layer, shape = LAYERS[name]
    if "BatchNorm" in name or name == "AgeResNet":
        layer(tg.Tensor(np.random.default_rng(0).standard_normal((9, *shape)).astype(np.float32)))  # moves statistics
    agree(layer, tmp_path / "m.onnx", *shape)


@pytest.mark.parametrize("loss", [nn.MSELoss(), nn.L1Loss(), nn.SmoothL1Loss(), nn.HuberLoss(), nn.BCEWithLogitsLoss()])
def test_losses_of_two_tensors_export_too(loss: nn.Module, tmp_path: Path) -> None:
    x, target = (np.random.default_rng(i).random((4, 3), np.float32) for i in (1, 2))
    tg.export_onnx(loss, (tg.zeros(2, 3), tg.zeros(2, 3)), tmp_path / "m.onnx", input_names=["x", "target"])
    (got,) = run(tmp_path / "m.onnx", {"x": x, "target": target})
    np.testing.assert_allclose(got, loss(Tensor(x), Tensor(target)).item(), rtol=1e-5)


class Pair(NamedTuple):
    years: Tensor
    sure: Tensor


class Several(nn.Module):
    """Two inputs, one of them integers, to whatever `shape_of` makes of two results."""

    def __init__(self, shape_of: Any = dict) -> None:
        self.body = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
        self.heads = {"age": nn.Linear(4, 1)}
        self.table = nn.Parameter(np.arange(10, dtype=np.float32).reshape(5, 2))
        self.shape_of = shape_of

    def forward(self, picture: Tensor, group: Tensor) -> Any:
        hidden = self.body(picture)
        return self.shape_of((self.heads["age"](hidden) + self.table[group].sum(1, keepdim=True), hidden.softmax(1)))


EXAMPLE = (tg.zeros(2, 3), tg.Tensor([4, 0]))


@pytest.mark.parametrize(
    ("shape_of", "names"),
    [
        (tuple, ["output_0", "output_1"]),
        (lambda pair: Pair(*pair), ["years", "sure"]),
        (lambda pair: dict(zip(("age", "hidden"), pair, strict=True)), ["age", "hidden"]),
        (lambda pair: {"age": pair[0], "more": [pair[1]]}, ["age", "more_0"]),
    ],
)
@pytest.mark.parametrize("by_keyword", [False, True])
def test_several_inputs_and_outputs_have_names(
    shape_of: Any, names: list[str], by_keyword: bool, tmp_path: Path
) -> None:
    model = Several(shape_of)
    example = dict(zip(("group", "picture"), EXAMPLE[::-1], strict=True)) if by_keyword else EXAMPLE
    tg.export_onnx(model, example, tmp_path / "m.onnx")
    exported = session(tmp_path / "m.onnx")
    assert {entry.name: entry.shape for entry in exported.get_inputs()} == {"picture": ["batch", 3], "group": ["batch"]}
    assert [entry.name for entry in exported.get_outputs()] == names
    picture, group = np.ones((3, 3), np.float32), np.array([0, 3, 1])
    expected = Several(tuple)
    expected.load_state_dict(model.state_dict())
    with tg.no_grad():
        wanted = expected(Tensor(picture), Tensor(group))
    for got, y in zip(exported.run(None, {"picture": picture, "group": group}), wanted, strict=True):
        np.testing.assert_allclose(got, y.data, rtol=1e-5)


def test_names_and_metadata_can_be_given(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    tg.export_onnx(
        nn.Linear(2, 1), np.ones((1, 2), np.float32), str(path),
        input_names=["size"], output_names=["price"], metadata={"unit": "euro"},
    )  # fmt: skip
    exported = session(path)
    assert [x.name for x in exported.get_inputs() + exported.get_outputs()] == ["size", "price"]
    assert exported.get_modelmeta().custom_metadata_map == {"unit": "euro"}


def test_weights_and_nodes_bear_the_modules_names_and_shared_weights_stand_once(tmp_path: Path) -> None:
    model = Several(tuple)
    model.heads["copy"] = model.heads["age"]
    tg.export_onnx(model, EXAMPLE, tmp_path / "m.onnx")
    graph = onnx.load(tmp_path / "m.onnx").graph
    weights = {w.name: onnx.numpy_helper.to_array(w) for w in graph.initializer if "." in w.name or w.name == "table"}
    assert weights.keys() == {"body.0.weight", "body.0.bias", "heads.age.weight", "heads.age.bias", "table"}
    np.testing.assert_array_equal(weights["body.0.weight"], model.body[0].weight.data)
    nodes = [node.name for node in graph.node]
    assert {"body/0/Gemm", "body/1/Relu", "heads/age/Gemm", "Softmax"} <= set(nodes)
    assert len(set(nodes)) == len(nodes)


class Clashing(nn.Module):
    def __init__(self) -> None:
        self.x, self.output, self.batch, self.constant = (nn.Parameter(np.full(2, i, np.float32)) for i in range(4))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.x + self.output + self.batch * self.constant * 7 + tg.ones(len(x), 1)


def test_a_weight_that_has_the_name_of_an_input_or_output_gets_another(tmp_path: Path) -> None:
    agree(Clashing(), tmp_path / "m.onnx", 2)
    names = {weight.name for weight in onnx.load(tmp_path / "m.onnx").graph.initializer}
    assert {"x_1", "output_1", "batch", "constant"} <= names
    for name in ("batch/Shape", "Mul", "constant_1"):
        tg.export_onnx(Clashing(), tg.ones(1, 2), tmp_path / "m.onnx", input_names=[name], output_names=["batch"])
        assert [entry.name for entry in session(tmp_path / "m.onnx").get_inputs()] == [name]


def test_what_leads_to_no_output_is_left_out(tmp_path: Path) -> None:
    class Asks(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            F.cross_entropy(x, tg.zeros(len(x), dtype=np.int64))
            return x.exp()

    tg.export_onnx(Asks(), tg.zeros(1, 3), tmp_path / "m.onnx")
    assert [node.op_type for node in onnx.load(tmp_path / "m.onnx").graph.node] == ["Exp"]


def test_the_model_stays_as_it_was(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3).eval(), nn.Dropout())
    before = model.state_dict()
    tg.export_onnx(model, tg.zeros(4, 3), tmp_path / "m.onnx")
    assert [module.training for module in model.modules()] == [True, True, False, True]
    assert all(np.array_equal(array, before[name]) for name, array in model.state_dict().items())
    assert all(parameter.data.flags.writeable for parameter in model.parameters())


class Counts(nn.Module):
    def __init__(self) -> None:
        self.calls = nn.Buffer(np.zeros(1, np.float32))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x * self.calls


def large() -> nn.Module:
    model = nn.Linear(1, 1, bias=False)
    model.weight.data = np.broadcast_to(np.float32(0), (2**29, 1))  # of 4 bytes in memory
    return model


class Returns(nn.Module):
    def __init__(self, value: Any) -> None:
        self.value = value

    def forward(self, x: Tensor) -> Any:
        return self.value


MISTAKES = {
    "no module": (lambda path: tg.export_onnx(abs, tg.ones(1), path), TypeError, "model must be a Module, got"),
    "no tensor": (lambda path: tg.export_onnx(nn.ReLU(), 3.0, path), TypeError, "'x' should be a Tensor or an array"),
    "no examples": (lambda path: tg.export_onnx(nn.ReLU(), (), path), ValueError, "of no example"),
    "an empty batch": (lambda path: tg.export_onnx(nn.ReLU(), tg.ones(0, 3), path), ValueError, "at least 1; got"),
    "a number alone": (lambda path: tg.export_onnx(nn.ReLU(), tg.ones(()), path), ValueError, "is the batch"),
    "two batch sizes": (
        lambda path: tg.export_onnx(Several(), (tg.ones(2, 3), tg.ones(3)), path),
        ValueError,
        "picture (2, 3), group (3,)",
    ),
    "too many names": (
        lambda path: tg.export_onnx(nn.ReLU(), tg.ones(1), path, output_names=["a", "b"]),
        ValueError,
        "output_names should be 1 names, for output",
    ),
    "one name twice": (
        lambda path: tg.export_onnx(nn.ReLU(), tg.ones(1), path, output_names=["x"]),
        ValueError,
        "'x' names both an input and an output",
    ),
    "metadata that is no text": (
        lambda path: tg.export_onnx(nn.ReLU(), tg.ones(1), path, metadata={"epoch": 3}),
        TypeError,
        "export_onnx: metadata maps strings to strings, not 'epoch' to 3",
    ),
    "state that moves": (lambda path: tg.export_onnx(Counts(), tg.ones(1), path), ValueError, "calls changes when"),
    "weights beyond what a file can hold": (
        lambda path: tg.export_onnx(large(), tg.ones(1, 1), path),
        ValueError,
        "the weights take 2,147,483,648 bytes, and an ONNX file holds less than 2,147,483,648",
    ),
    "an answer that is none": (lambda path: tg.export_onnx(Returns(3), tg.ones(1), path), TypeError, "output is int"),
    "no folder": (
        lambda path: tg.export_onnx(nn.ReLU(), tg.ones(1), path.parent / "nowhere" / "m.onnx"),
        FileNotFoundError,
        "there is no folder",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_and_leaves_no_file(mistake: str, tmp_path: Path) -> None:
    make, kind, message = MISTAKES[mistake]
    with pytest.raises(kind) as error:
        make(tmp_path / "m.onnx")
    assert message in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_an_operation_of_the_users_own_is_named_with_its_module_and_can_be_given_a_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tinygrad_cnn.io.onnx.operators import BUILDERS

    @tg.primitive(x=lambda g, x: g)
    def mish(x: np.ndarray) -> np.ndarray:
        return x * np.tanh(np.log1p(np.exp(x)))

    class Mish(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return mish(x)

    model = nn.Sequential(nn.Linear(2, 2), Mish())
    with pytest.raises(NotImplementedError, match="export_onnx: mish in '1' has no ONNX form"):
        tg.export_onnx(model, tg.zeros(1, 2), tmp_path / "m.onnx")
    monkeypatch.setitem(BUILDERS, "mish", lambda call: call.node("Mish", *call.inputs))
    agree(model, tmp_path / "m.onnx", 2)

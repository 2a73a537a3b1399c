"""detect_anomaly: the first operation to make a NaN is named, and an infinity that does no harm is let be."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from tests.ops.cases import ALL
from tinygrad_cnn import Tensor, anomaly, modes, nn
from tinygrad_cnn.anomaly import AnomalyError


class Net(nn.Module):
    def __init__(self) -> None:
        tg.manual_seed(0)
        self.conv1, self.conv2 = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)
        self.heads = {"age": nn.Linear(4, 1)}

    def forward(self, x: Tensor) -> Any:
        return self.heads["age"](self.conv2(self.conv1(x).relu()).mean((2, 3)))


IMAGES = np.ones((2, 3, 8, 8), np.float32)


def leaf(*values: float) -> Tensor:
    return Tensor([float(value) for value in values], requires_grad=True)


@tg.primitive(x=lambda g, x: Tensor(g.data / x.data))
def careless(x: Any) -> Any:
    return x + 0


def with_weights(change: Callable[[Net], object], images: np.ndarray = IMAGES) -> None:
    model = Net()
    change(model)
    model(Tensor(images)).sum().backward()


def set_to(parameter: Tensor, value: float) -> None:
    parameter.data[0] = value


def grow(model: Net) -> None:
    for conv in (model.conv1, model.conv2):
        conv.weight.data *= 1e30


def with_a_nan_in_the_image() -> None:
    images = IMAGES.copy()
    images[0, 1, 2, 3] = np.nan
    with_weights(lambda model: None, images)


def half(*values: float) -> Tensor:
    return Tensor(np.array(values, np.float16), requires_grad=True)


@tg.primitive(x=lambda g, x: g)
def own_log(x: Any) -> Any:
    return np.log(x)


def validate(model: nn.Module) -> Tensor:
    with tg.no_grad():
        return F.l1_loss(model.eval()(Tensor(IMAGES)), Tensor(np.zeros((2, 1), np.float32)))


def in_half_precision() -> None:
    model = Net()
    for parameter in model.parameters():
        parameter.data = np.full(parameter.shape, 300, np.float16)
    model(Tensor(IMAGES.astype(np.float16))).sum().backward()


def spoilt_in_validation() -> None:
    model = Net()
    set_to(model.conv1.bias, np.nan)
    validate(model)


FOUND: dict[str, tuple[Callable[[], Any], str]] = {
    "0 / 0": (
        lambda: leaf(0, 1) / leaf(0, 1),
        r"^div \(forward\) made a NaN of finite numbers\. inputs: \(2,\), \(2,\)",
    ),
    "of an infinity": (
        lambda: (y := leaf(1000).exp()) - y,
        r"^sub \(forward\) made a NaN of an infinity\..* The infinity: exp \(forward\) made an infinity",
    ),
    "a loss": (lambda: leaf(1e30).square().backward(), r"^backward\(\) starts from an infinity: square \(forward\)"),
    "a root": (lambda: leaf(0, 1).sqrt().sum().backward(), r"^sqrt \(backward, in its rule's div\) made an infinity"),
    "what where hides": (
        lambda: tg.where((x := leaf(0, 1)) > 0, x.log(), 0.0).sum().backward(),
        r"^log \(backward, in its rule's div\) made a NaN",
    ),
    "a rule of one's own": (
        lambda: careless(leaf(0, 1)).sum().backward(),
        r"^careless \(backward\) gave an infinity as the gradient of an input of shape \(2,\)",
    ),
    "a rule of one's own, further up": (
        lambda: (careless(leaf(0, 1) * 2) * 3).sum().backward(),
        r"^careless \(backward\) gave an infinity",
    ),
    "an image": (
        with_a_nan_in_the_image,
        r"^conv2d \(forward, in Net\.conv1: Conv2d\) met a NaN that was there before: in an input of shape \(2, 3,",
    ),
    "a parameter": (
        lambda: with_weights(lambda model: set_to(model.conv2.weight, np.nan)),
        r"Net\.conv2: Conv2d\) met a NaN that was there before: in the parameter conv2\.weight of Net",
    ),
    "an infinite parameter": (
        lambda: with_weights(lambda model: set_to(model.heads["age"].bias, np.inf)),
        r"starts from an infinity: linear \(forward, in Net\.heads\.age: Linear\) met .* heads\.age\.bias of Net",
    ),
    "weights that grew": (lambda: with_weights(grow), r"^conv2d \(forward, in Net\.conv2: Conv2d\) made a NaN"),
    "a seed": (lambda: leaf(1).backward(Tensor([np.nan])), r"^the gradient that backward\(\) was given holds a NaN"),
    "float16": (
        lambda: Tensor(np.array([300.0], np.float16), requires_grad=True).square().sum().backward(),
        r"starts from an infinity: square",
    ),
    "float16 weights": (
        in_half_precision,
        r"starts from an infinity: conv2d \(forward, in Net\.conv2: Conv2d\) made an infinity of finite numbers",
    ),
    "a loss function": (
        lambda: F.mse_loss(leaf(1e30), Tensor([0.0])).backward(),
        r"^backward\(\) starts from an infinity: mse_loss \(forward\) made an infinity of finite numbers",
    ),
    "a loss function that is given an infinity": (
        lambda: F.cross_entropy(Tensor([[np.inf, 1.0]], requires_grad=True), Tensor(np.array([0]))),
        r"^cross_entropy \(forward\) met an infinity that was there before: in an input of shape \(1, 2\)",
    ),
    "an operation of one's own": (lambda: own_log(leaf(-1)), r"^own_log \(forward\) made a NaN of finite numbers"),
    "in a validation": (spoilt_in_validation, r"Net\.conv1: Conv2d\) met a NaN .* in the parameter conv1\.bias of Net"),
    "without a graph": (tg.no_grad(lambda: Tensor([-1.0]).sqrt()), r"^sqrt \(forward\) made a NaN"),
    "a second derivative": (
        lambda: tg.grad((x := leaf(0.0)) ** 1.5, x, create_graph=True)[0].backward(),  # type: ignore[union-attr]
        r"^pow \(backward, in its rule's pow\) made an infinity",
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_the_first_operation_is_named(name: str) -> None:
    call, message = FOUND[name]
    with pytest.raises(AnomalyError, match=message) as found, tg.detect_anomaly():
        call()
    assert ADVICE.get(name, anomaly.LARGE) == found.value.args[1]
    assert str(found.value).endswith(f". Try: {found.value.args[1]}")


ADVICE = {
    "0 / 0": anomaly.DOMAIN,
    "a root": anomaly.DOMAIN,
    "what where hides": anomaly.DOMAIN,
    "a second derivative": anomaly.DOMAIN,
    "without a graph": anomaly.DOMAIN,
    "a rule of one's own": anomaly.RULE,
    "a rule of one's own, further up": anomaly.RULE,
    "an image": anomaly.DATA,
    "a seed": anomaly.DATA,
    "a loss function that is given an infinity": anomaly.DATA,
    "a parameter": anomaly.WEIGHTS,
    "an infinite parameter": anomaly.WEIGHTS,
    "in a validation": anomaly.WEIGHTS,
    "float16": anomaly.HALF,
    "float16 weights": anomaly.HALF,
}


def test_what_made_an_infinite_result_is_found_without_a_graph_too() -> None:
    with tg.no_grad():
        found = anomaly.first_anomaly(lambda: leaf(1000).exp().sum())
    assert str(found).startswith(
        "exp (forward) made an infinity of finite numbers. inputs: (1,); result: (1,). Try: a lower"
    )
    assert anomaly.first_anomaly(lambda: leaf(1).exp()) is None


def test_an_error_can_be_pickled() -> None:
    error = pickle.loads(pickle.dumps(AnomalyError("log made a NaN", "less")))
    assert str(error) == "log made a NaN. Try: less"


HARMLESS: dict[str, Callable[[], Any]] = {
    "a mask before softmax": lambda: F.softmax(leaf(1, 2, 3).masked_fill(np.array([True, False, False]), -np.inf), -1),
    "log(0) that is clamped": lambda: leaf(0, 1).log().clamp(min=-100.0),
    "an infinity that is divided by": lambda: 1 / leaf(1000).exp(),
    "a cross entropy that is certain": lambda: F.binary_cross_entropy(leaf(0, 1), Tensor([0.0, 1.0])),
    "padding with -inf": lambda: tg.pad(leaf(1, 2), (1, 1), value=-np.inf).max(),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_an_infinity_that_does_no_harm_is_let_be(name: str) -> None:
    with tg.detect_anomaly():
        HARMLESS[name]()
        if "mask" in name or "pad" in name:
            HARMLESS[name]().sum().backward()


def test_no_operation_gives_a_false_alarm() -> None:
    with tg.detect_anomaly():
        for case in ALL:
            outputs = [y for y in case.outputs(case.tensors()) if y.requires_grad and y.numel()]
            for y in outputs:
                if np.isfinite(y.data).all():
                    y.backward(Tensor(np.ones_like(y.data)), retain_graph=True)


def test_it_is_an_error_by_both_names() -> None:
    assert issubclass(AnomalyError, RuntimeError)  # Torch's
    assert issubclass(AnomalyError, FloatingPointError)  # NumPy's


def test_it_decorates_nests_and_leaves_nothing_behind() -> None:
    @tg.detect_anomaly()
    def divide(x: Tensor) -> Tensor:
        return x / x

    for _ in range(2):
        with pytest.raises(AnomalyError), tg.detect_anomaly():
            divide(leaf(0))
    assert divide(leaf(2)).item() == 1
    assert not modes.observers
    assert not modes.cotangent_observers
    assert np.isnan((leaf(0) / leaf(0)).data).all()


def test_other_threads_are_watched_too() -> None:
    errors: list[BaseException] = []

    def work() -> None:
        try:
            leaf(-1).log()
        except AnomalyError as error:
            errors.append(error)

    with tg.detect_anomaly():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert len(errors) == 1

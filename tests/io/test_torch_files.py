"""Weights travel: a file of Torch's safetensors for the same layers loads as it is, and the other way round."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from models.age_cnn import AgeCNN
from models.age_resnet import AgeResNet
from tinygrad_cnn import nn

torch = pytest.importorskip("torch")

# Every layer that has state, in each of the forms that change which; the rest must have none.
WITH_STATE = {
    "Linear": ((5, 3), {}),
    "Linear without bias": ((5, 3), {"bias": False}),
    "Conv2d": ((4, 6, 3), {"groups": 2}),
    "Conv2d without bias": ((4, 6, (1, 2)), {"bias": False}),
    "ConvTranspose2d": ((4, 6, 3), {"groups": 2}),
    "BatchNorm1d": ((4,), {}),
    "BatchNorm2d": ((4,), {}),
    "BatchNorm2d without weights": ((4,), {"affine": False}),
    "BatchNorm2d without statistics": ((4,), {"track_running_stats": False}),
    "LayerNorm": (((2, 3),), {}),
    "LayerNorm without bias": ((3,), {"bias": False}),
    "LayerNorm without weights": ((3,), {"elementwise_affine": False}),
    "BCEWithLogitsLoss": ((), {"pos_weight": [2.0, 1.0]}),
    "CrossEntropyLoss": ((), {"weight": [2.0, 1.0]}),
    "NLLLoss": ((), {"weight": [2.0, 1.0]}),
    "BCELoss": ((), {"weight": [2.0, 1.0]}),
}
WITHOUT_STATE = {
    "AdaptiveAvgPool2d": (2,), "AvgPool2d": (2,), "MaxPool2d": (2,), "Dropout": (), "Dropout2d": (), "ELU": (),
    "Flatten": (), "GELU": (), "HuberLoss": (), "Identity": (), "L1Loss": (), "LeakyReLU": (), "LogSoftmax": (1,),
    "MSELoss": (), "ReLU": (), "SiLU": (), "Sigmoid": (), "SmoothL1Loss": (), "Softmax": (1,), "Softplus": (),
    "Tanh": (),
}  # fmt: skip
CONTAINERS = {"Module", "ModuleDict", "ModuleList", "Parameter", "Buffer", "Sequential"}


def both(name: str) -> tuple[nn.Module, Any]:
    """The layer here and in Torch, with other numbers in each."""
    kind = name.split()[0]
    arguments, options = WITH_STATE.get(name) or (WITHOUT_STATE[name], {})
    ours = getattr(nn, kind)(*arguments, **{k: tg.Tensor(v) if isinstance(v, list) else v for k, v in options.items()})
    theirs = getattr(torch.nn, kind)(
        *arguments, **{k: torch.tensor(v) if isinstance(v, list) else v for k, v in options.items()}
    )
    for parameter in theirs.parameters():
        torch.nn.init.uniform_(parameter)
    if hasattr(theirs, "num_batches_tracked") and theirs.num_batches_tracked is not None:
        theirs.num_batches_tracked += 12345
        theirs.running_var += 0.5
    return ours, theirs


def test_every_layer_is_tried() -> None:
    layers = {name for name in nn.__all__ if isinstance(getattr(nn, name), type)}
    assert layers - CONTAINERS == {name.split()[0] for name in WITH_STATE} | {*WITHOUT_STATE}


@pytest.mark.parametrize("name", [*WITH_STATE, *WITHOUT_STATE])
def test_a_layers_file_goes_both_ways(name: str, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    ours, theirs = both(name)
    state = {key: tensor for key, tensor in theirs.state_dict().items() if tensor is not None}
    save_file(state, tmp_path / "theirs")
    assert ours.load_state_dict(tg.load(tmp_path / "theirs")) == ([], [])
    assert bool(state) == (name in WITH_STATE and name != "BatchNorm2d without both" and bool(ours.state_dict()))
    for key, array in ours.state_dict().items():
        np.testing.assert_array_equal(array, state[key].numpy(), strict=True)
    tg.save(ours.state_dict(), tmp_path / "ours")
    for tensor in state.values():
        tensor.zero_()
    theirs.load_state_dict(load_file(tmp_path / "ours"))
    for key, array in ours.state_dict().items():
        np.testing.assert_array_equal(theirs.state_dict()[key].numpy(), array, strict=True)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_weights_of_other_precision_load_in_the_modules_own(dtype: str, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    theirs = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3)).to(getattr(torch, dtype))
    ours = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))
    save_file(theirs.state_dict(), tmp_path / "w")
    ours.load_state_dict(tg.load(tmp_path / "w"))
    for key, array in ours.state_dict().items():
        assert array.dtype == (np.int64 if key.endswith("tracked") else np.float32)
        np.testing.assert_allclose(array, theirs.state_dict()[key].double().numpy(), rtol=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_torchs_tensors_are_taken_as_they_are(dtype: str, tmp_path: Path) -> None:
    """Those that require a gradient too, and those of a type that NumPy lacks."""
    theirs, ours = torch.nn.Linear(2, 3).to(getattr(torch, dtype)), nn.Linear(2, 3)
    tg.save({**dict(theirs.named_parameters()), "turned": theirs.weight.T}, tmp_path / "w")
    loaded = tg.load(tmp_path / "w")
    assert loaded["weight"].dtype == (np.float16 if dtype == "float16" else np.float32)
    np.testing.assert_array_equal(loaded["turned"], loaded["weight"].T)
    for state in (dict(theirs.named_parameters()), {name: loaded[name] for name in ("weight", "bias")}):
        ours.load_state_dict(state)
        np.testing.assert_array_equal(ours.weight.data, theirs.weight.detach().float().numpy())


def test_weights_that_are_shared_come_from_a_file_that_has_them_once(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_model

    class Ours(nn.Module):
        def __init__(self) -> None:
            self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)
            self.b.weight = self.a.weight

    theirs: Any = torch.nn.Module()
    theirs.a, theirs.b = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)
    theirs.b.weight = theirs.a.weight
    save_model(theirs, str(tmp_path / "theirs"))
    state, ours = tg.load(tmp_path / "theirs"), Ours()
    assert len(state) == 3
    assert ours.load_state_dict(state) == ([], [])
    assert ours.a.weight is ours.b.weight
    np.testing.assert_array_equal(ours.a.weight.data, theirs.a.weight.detach().numpy())
    tg.save(ours.state_dict(), tmp_path / "ours")
    theirs.load_state_dict(load_file(tmp_path / "ours"))
    with pytest.raises(RuntimeError, match=r"missing: a\.weight\n *missing: b\.weight\n *missing: b\.bias$"):
        ours.load_state_dict({"a.bias": state["a.bias"]})


def test_batch_norm_loads_from_files_that_do_not_count_its_batches() -> None:
    theirs, ours = torch.nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    state = {name: tensor for name, tensor in theirs.state_dict().items() if name != "num_batches_tracked"}
    theirs.load_state_dict(state)
    assert ours.load_state_dict(state) == ([], [])


def test_arrays_of_any_layout_and_shape_reach_torch(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    shared = np.arange(6, dtype=np.float32).reshape(2, 3)
    state = {
        "transposed": shared.T, "reversed": shared[::-1], "twice": shared, "a number": np.array(3, np.int64),
        "half": np.array([1.5], np.float16), "empty": np.zeros((0, 4), np.float32), "mask": np.array([True, False]),
        "a Tensor": tg.Tensor(shared),
    }  # fmt: skip
    tg.save(state, tmp_path / "w")
    for name, tensor in load_file(tmp_path / "w").items():
        array = state[name].data if isinstance(state[name], tg.Tensor) else state[name]
        np.testing.assert_array_equal(tensor.numpy(), array, strict=True)


@pytest.mark.parametrize("model", [AgeCNN(32), AgeResNet(3, widths=(2, 4, 4, 4))], ids=["AgeCNN", "AgeResNet"])
def test_a_models_file_is_read_by_torch_under_the_same_names(model: nn.Module, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    tg.save(model.state_dict(), tmp_path / "w")
    loaded = load_file(tmp_path / "w")
    assert loaded.keys() == model.state_dict().keys()
    model.load_state_dict({name: tensor + 1 for name, tensor in loaded.items()})
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, loaded[name].numpy() + 1)


def test_a_file_that_does_not_fit_is_told_all_at_once() -> None:
    """And, as in Torch, strict=False forgives what is missing or unexpected, but no wrong shape."""
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    fitting = model.state_dict()
    state = {"0.weight": [[1], [2, 3]], "0.bias": np.zeros(4), "1.weight": np.zeros(3), "2.weight": np.zeros(1)}
    with pytest.raises(RuntimeError) as error:
        model.load_state_dict(state)
    told = [
        "no array: 0.weight: ",
        "missing: 1.bias",
        "unexpected: 2.weight",
        "wrong shape: 0.bias is (4,)",
        "wrong shape: 1.weight is (3,)",
    ]
    assert [line for line in told if line not in str(error.value)] == []
    with pytest.raises(RuntimeError, match=r"wrong shape: 0\.bias") as error:
        model.load_state_dict(state, strict=False)
    assert "missing" not in str(error.value)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, fitting[name])
    result = model.load_state_dict({"0.weight": np.zeros((3, 2)), "2.weight": np.zeros(1)}, strict=False)
    assert result.missing_keys == ["0.bias", "1.weight", "1.bias"]
    assert result.unexpected_keys == ["2.weight"]

"""docs/from-pytorch.md is true: what is the same runs in both, what differs differs, and what is missing is missing."""

from __future__ import annotations

import fnmatch
import importlib
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from tinygrad_cnn import nn, optim

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "from-pytorch.md").read_text(encoding="utf-8")
TABLES = [
    [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    for table in re.findall(r"^\|.*\n\| ---.*\n(?:\|.*\n)*", PAGE, flags=re.MULTILINE)
]
NAMES, DIFFERENCES, INSTEAD, MISSING = TABLES
OURS = {"tg": tg, "torch": tg, "F": F, "nn": nn, "optim": optim, "lr_scheduler": optim.lr_scheduler, "x": tg.Tensor}


@pytest.fixture(scope="module")
def theirs():
    """PyTorch's things under the names that the page uses."""
    torch = pytest.importorskip("torch")
    for module in ("torch.onnx", "torch.profiler", "torch.utils.data", "torch.distributed", "torch.fx"):
        importlib.import_module(module)
    return {
        "torch": torch,
        "F": torch.nn.functional,
        "nn": torch.nn,
        "optim": torch.optim,
        "lr_scheduler": torch.optim.lr_scheduler,
        "x": torch.Tensor,
    }


def code(cell: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`]+)`", cell)


def named(path: str, names: dict[str, Any]) -> Any:
    first, *rest = path.split(".")
    value = names[first]
    for name in rest:
        value = getattr(value, name)
    return value


# -- names, and what is the same -----------------------------------------------------------------------------------


@pytest.mark.parametrize("row", NAMES[1:], ids=lambda row: row[0])
def test_each_name_stands_for_one_of_ours(row):
    for path in code(row[1]):
        assert named(path, OURS) is not None


@pytest.mark.parametrize("row", NAMES[1:], ids=lambda row: row[0])
def test_each_name_is_one_of_pytorchs(row, theirs):
    for path in code(row[0]):
        assert named(path, theirs) is not None


def test_what_is_the_same_runs_in_pytorch_too(theirs):
    block = PAGE.split("## The same")[1].split("```python\n")[1].split("```")[0]
    *imports, rest = block.split("\n", 3)
    assert imports == [
        "import tinygrad_cnn as tg",
        "import tinygrad_cnn.functional as F",
        "from tinygrad_cnn import nn, optim",
    ]
    exec(rest, {"tg": theirs["torch"], **theirs})


# -- what differs --------------------------------------------------------------------------------------------------

Library = SimpleNamespace


def ours() -> Library:
    return Library(
        tensor=tg.tensor, nn=nn, F=F, no_grad=tg.no_grad, seed=tg.manual_seed, rand=tg.rand, float64=np.float64
    )


def pytorchs(theirs: dict[str, Any]) -> Library:
    t = theirs["torch"]
    return Library(
        tensor=t.tensor,
        nn=t.nn,
        F=t.nn.functional,
        no_grad=t.no_grad,
        seed=t.manual_seed,
        rand=t.rand,
        float64=t.float64,
    )


def fails(function: Any, *errors: type[BaseException]) -> bool:
    try:
        function()
    except errors:
        return True
    return False


def leaf(lib: Library) -> Any:
    return lib.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)


def layers_in_a_list_count(lib: Library) -> bool:
    class Tower(lib.nn.Module):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.floors = [lib.nn.Linear(2, 2)]

    return [name for name, _ in Tower().named_parameters()] == ["floors.0.weight", "floors.0.bias"]


def needs_no_super_init(lib: Library) -> bool:
    class Tower(lib.nn.Module):  # type: ignore[name-defined]
        def __init__(self) -> None:
            self.floor = lib.nn.Linear(2, 2)

    return not fails(Tower, AttributeError)


def a_kept_state_stays(lib: Library) -> bool:
    layer = lib.nn.Linear(2, 2)
    kept = layer.state_dict()
    before = kept["weight"].tolist()
    with lib.no_grad():
        layer.weight += 1
    return kept["weight"].tolist() == before


def a_write_to_what_a_graph_needs_raises_at_once(lib: Library) -> bool:
    x = leaf(lib)
    y = (x * x).sum()

    def write() -> None:
        with lib.no_grad():
            x[0, 0] = 9.0

    if fails(write, ValueError, RuntimeError):
        return True
    assert fails(y.backward, RuntimeError)
    return False


def a_recorded_write_reaches_no_view(lib: Library) -> bool:
    h = leaf(lib) * 1
    h[0, 1] = 0
    assert h.tolist() == [[1.0, 0.0], [3.0, 4.0]]

    def write() -> None:
        h[0][1] = 5

    return fails(write, NotImplementedError)


def numbers_of_a_seed_are_numpys(lib: Library) -> bool:
    lib.seed(7)
    return np.array_equal(np.asarray(lib.rand(3)), np.random.default_rng(7).random(3, dtype=np.float32))


# Each row of the table: what holds here, and not in PyTorch.
CLAIMS = {
    "a shape": lambda lib: type(leaf(lib).shape) is tuple,
    "a dtype": lambda lib: leaf(lib).to(lib.float64).dtype is np.dtype(np.float64),
    "`x.data`": lambda lib: isinstance(leaf(lib).data, np.ndarray),
    "`np.exp(x)`": lambda lib: not fails(lambda: np.exp(leaf(lib)), RuntimeError) and np.exp(leaf(lib)).requires_grad,
    "the first argument, by name, `F.gelu(input=x)`": lambda lib: fails(lambda: lib.F.gelu(input=leaf(lib)), TypeError),
    "`state_dict()`": a_kept_state_stays,
    "layers in a list or dict attribute": layers_in_a_list_count,
    "an `__init__` without `super().__init__()`": needs_no_super_init,
    "`inplace=True` of a layer": lambda lib: fails(lambda: lib.nn.ReLU(inplace=True), NotImplementedError),
    "a write to an array that a live graph needs": a_write_to_what_a_graph_needs_raises_at_once,
    "a recorded write, `h[0, 1] = 0`": a_recorded_write_reaches_no_view,
    "the seed's numbers": numbers_of_a_seed_are_numpys,
}


def test_each_difference_has_its_claim():
    assert [row[0] for row in DIFFERENCES] == [*CLAIMS]


@pytest.mark.parametrize("row", CLAIMS)
def test_what_differs_is_so_here(row):
    assert CLAIMS[row](ours())


@pytest.mark.parametrize("row", CLAIMS)
def test_what_differs_is_not_so_in_pytorch(row, theirs):
    assert not CLAIMS[row](pytorchs(theirs))


# -- what is missing -----------------------------------------------------------------------------------------------


def values(tensor: Any) -> dict[str, Any]:
    return {
        "a": tensor([[1.0, 2.0], [3.0, 4.0]]),
        "b": tensor([[1.0, 2.0], [3.0, 5.0]]),
        "v": tensor([0.5, 7.0, -1.5]),
        "w": tensor([3.0, 1.0, 2.0]),
        "i": tensor([1, 0]),
        "image": tensor([[[[1.0, 2.0], [3.0, 4.0]]]]),
    }


@pytest.mark.parametrize("row", INSTEAD, ids=lambda row: row[0])
def test_what_is_missing_raises_with_its_name(row):
    call = code(row[0])[0]
    name = re.search(r"\.(\w+)\(", call)[1]
    with pytest.raises(AttributeError, match=rf"'{name}'"):
        eval(call, OURS | values(tg.tensor))


@pytest.mark.filterwarnings("ignore:__array_wrap__")
@pytest.mark.parametrize("row", INSTEAD, ids=lambda row: row[0])
def test_what_to_write_instead_gives_what_pytorch_gives(row, theirs):
    there = eval(code(row[0])[0], theirs | values(theirs["torch"].tensor))
    here = eval(code(row[1])[0], OURS | {"np": np} | values(tg.tensor))
    np.testing.assert_allclose(array(here), array(there), rtol=1e-6)


def array(result: Any) -> np.ndarray:
    return np.stack([np.asarray(part) for part in result]) if isinstance(result, tuple) else np.asarray(result)


PATTERNS = [pattern for row in MISSING for pattern in code(row[1])]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_what_is_listed_is_missing(pattern):
    room, name = pattern.rpartition(".")[::2]
    found = fnmatch.filter(dir(named(room, OURS)), name)
    assert not found


def test_every_layer_optimiser_and_schedule_of_pytorch_is_here_or_listed(theirs):
    torch = theirs["torch"]
    bases = {
        "nn": torch.nn.Module,
        "optim": torch.optim.Optimizer,
        "lr_scheduler": torch.optim.lr_scheduler.LRScheduler,
    }
    unlisted = [
        f"{room}.{name}"
        for room, base in bases.items()
        for name, value in vars(theirs[room]).items()
        if isinstance(value, type) and issubclass(value, base) and not name.startswith("_")
        if not hasattr(OURS[room], name) and not any(fnmatch.fnmatchcase(f"{room}.{name}", p) for p in PATTERNS)
    ]
    assert not unlisted


def test_what_is_listed_is_pytorchs(theirs):
    strange = set()
    for pattern in PATTERNS:
        room, name = pattern.rpartition(".")[::2]
        if not fnmatch.filter(dir(named(room, theirs)), name):
            strange.add(pattern)
    assert strange <= {"nn.LinearCrossEntropyLoss", "optim.Muon"}  # which the oldest PyTorch of the tests lacks

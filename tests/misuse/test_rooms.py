"""A wrong argument of any public function beside the operations is an error that names it, or means something.

The operations have tests of their own, beside Torch.
"""

from __future__ import annotations

import ast
import inspect
import random
import re
import types
from pathlib import Path
from typing import Any

import pytest

import tinygrad_cnn as tg
from tests.misuse.calls import CALLS as CALLS_OF_OPERATIONS
from tests.misuse.calls import functions_of, variants
from tests.misuse.rooms import CALLS, Names
from tests.misuse.test_wrong_arguments import ERRORS, result
from tinygrad_cnn import data, explain, io, nn, optim, train, viz
from tinygrad_cnn.data import UnreadableImage, splits, transforms
from tinygrad_cnn.optim import lr_scheduler

SAMPLE = 5  # variants of each call; `-m long` goes through all

# What a docstring promises for a wrong value, or what asks for a long time and gets it.
PROMISED = {
    r"^list\((?!net)": "the row's own wrapper",
    r"^enter\((?!tg|E|train)": "the row's own wrapper",
    r"get_submodule.*AttributeError": "as in Torch",
    r"load_head.*KeyError": "it says what the metadata lacks",
    r"(Pass|Stopping).*load_state_dict.*KeyError": "it says what the state lacks",
    r"^tg.draw\(net": "the model's own error",
    r"UnknownLayer": "it names the layers that there are",
    r"INT64.*RuntimeError\('numpy": "a class can be called; its own error is told",
    r"gradcheck.*AssertionError": "the gradients do not agree",
}
ENDLESS = r"order=(99|10 \*\* 15)|samples=10 \*\* 15|^train\.(Several|Expected).*oldest=10 \*\* 15"
# Who may say it in the place of the function that is called.
ALIASES = {"Parameter": "Tensor", "Buffer": "Tensor", "predict": "to_float"}

# Public, and not called with arguments: errors, protocols, what functions return, and what has no row for a reason.
NO_FUNCTIONS = {
    "Event", "Primitive", "TYPE_CHECKING", "import_module", "as_tensor", "WEIGHTS", "Dataset", "Errors", "Head",
    "Curves", "Parameter", "Optimizer", "LRScheduler", "Module", "RunFolder", "Interrupted", "Stopped",
    "KaggleUnreachable", "LoadError", "UnreadableImage", "UnknownLayer", "Split", "LoadResult", "ValuesAndIndices",
    "current_modules", "checked", "optional_import", "forward", "extra_repr",  # the user writes these
    "rule", "check_options", "get_lr", "share",  # an optimiser's and a schedule's own parts
    "sum_to", "reflected",  # the sweep calls these
}  # fmt: skip


def has_row(name: str) -> bool:
    return any(re.search(rf"\b{name}\b", call) for call in [*CALLS, *CALLS_OF_OPERATIONS])


def public(room: Any) -> list[str]:
    names = getattr(room, "__all__", None) or [name for name in dir(room) if not name.startswith("_")]
    of_this_package = [name for name in names if not isinstance(getattr(room, name), types.ModuleType)]
    return [name for name in of_this_package if callable(getattr(room, name)) and name not in NO_FUNCTIONS]


@pytest.mark.parametrize("room", [tg, nn, optim, lr_scheduler, data, splits, transforms, train, viz, explain, io],
                         ids=lambda room: room.__name__)  # fmt: skip
def test_every_public_function_and_class_has_its_row(room):
    own = [name for name in public(room) if getattr(room, name).__module__.startswith("tinygrad_cnn")]
    assert not [name for name in own if not has_row(name)]


CLASSES = [
    tg.Tensor, nn.Module, nn.Sequential, nn.ModuleList, nn.ModuleDict, optim.Optimizer, optim.EMA,
    lr_scheduler.LRScheduler, lr_scheduler.ReduceLROnPlateau, tg.profile, data.DataLoader, data.SyntheticFaces,
    train.Pass, train.RunFolder, train.EarlyStopping, train.Checkpoints, train.AgeModel, train.Several, train.AgeErrors,
]  # fmt: skip


@pytest.mark.parametrize("owner", CLASSES, ids=lambda owner: owner.__name__)
def test_every_method_that_takes_an_argument_has_its_row(owner):
    methods = [name for name in public(owner) if inspect.isroutine(getattr(owner, name))]
    takes = [name for name in methods if len(inspect.signature(getattr(owner, name)).parameters) > 1]
    assert not [name for name in takes if not has_row(name)]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def called_by(row: str, names: Names) -> set[str]:
    """What an error may call the function: by its own name, its class's, or that of the class of its object."""
    objects = {node.id for node in ast.walk(ast.parse(row, mode="eval")) if isinstance(node, ast.Name)}
    kinds = {type(names[name]).__name__ for name in objects if name not in ("list", "dict", "abs")}
    functions = functions_of(row) - {"list", "enter"}
    switch = {"requires_grad"} if "requires_grad" in row else set()
    return functions | kinds | switch | {ALIASES.get(name, name) for name in functions}


def assert_sound(call: str, row: str) -> None:
    if re.search(ENDLESS, call):
        return
    outcome = result(call, Names())
    if not isinstance(outcome, Exception) or (isinstance(outcome, MemoryError) and "10 ** 15" in call):
        return
    if any(re.search(pattern, f"{call}: {outcome!r}") for pattern in PROMISED):
        return
    assert isinstance(outcome, (*ERRORS, RuntimeError, OSError)), f"{call}: {outcome!r}"
    if isinstance(outcome, (OSError, UnreadableImage)):  # of a file that the call names itself
        return
    said = str(outcome).replace("_", "").lower()
    due = called_by(row, Names())
    assert any(name.replace("_", "").lower() in said for name in due), f"{call}: {outcome!r} names none of {due}"


@pytest.mark.parametrize("row", CALLS)
def test_a_valid_call_works(row):
    outcome = result(row, Names())
    assert not isinstance(outcome, Exception), repr(outcome)


@pytest.mark.parametrize("row", CALLS)
def test_a_wrong_argument_is_named(row):
    calls = list(variants(row))
    for call in random.Random(row).sample(calls, min(SAMPLE, len(calls))):
        assert_sound(call, row)


@pytest.mark.long
@pytest.mark.parametrize("row", CALLS)
def test_every_wrong_argument_is_named(row):
    for call in variants(row):
        assert_sound(call, row)

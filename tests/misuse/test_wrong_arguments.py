"""A wrong argument of any public function is an error that names the function, or means what it means in Torch."""

from __future__ import annotations

import random
import re
import warnings
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from tests.misuse.calls import CALLS, functions_of, namespace, variants
from tinygrad_cnn import nn, optim

ERRORS = (TypeError, ValueError, IndexError, NotImplementedError)
SAMPLE = 8  # variants of each call; `-m long` goes through all

# What an error may call the function: a layer is known by the function that it calls, a method by the one it is.
ALIASES = {
    "view": "reshape",
    "CrossEntropyLoss": "cross_entropy",
    "NLLLoss": "nll_loss",
    "BCELoss": "binary_cross_entropy",
    "BCEWithLogitsLoss": "binary_cross_entropy_with_logits",
}

# Where we give another result than Torch, or it takes what we refuse; every one has its reason.
DIFFERENCES = {
    r"got True": "True is no number and no size",
    r"must be True or False": "Torch takes anything for a switch, 'no' for yes",
    r"1j": "there are no complex tensors",
    r"object\(\)": "an object of no kind in particular",
    r"label_smoothing=(-|nan)": "smoothing is a share: Torch takes -1 and returns a loss that means nothing",
    r"norm_type=(-|0|nan)": "no norm has such an order; Torch multiplies the gradients by a number that means nothing",
    r"optim\..*=(nan|-)": "Torch would step by NaN, or away from the minimum",
    r"optim\..*=(True|1|0|2|3|99|'x'|\[|\(|\{|None)": "an optimiser's option has the type of its hint",
    r"(soft|Soft)max\(.*None": "Torch guesses the axis, and warns that it will stop to",
    r"kaiming.*a=None": "a slope is a number",
    r"(orthogonal|sparse|trunc_normal)_\(": "Torch looks at no argument of these initialisers",
    r"lr_scheduler": "Torch looks at hardly any argument of a schedule before its first step",
    r"vector_to_parameters": "Torch leaves values over, or parameters as they were",
    r"dirac_\(k, -": "Torch takes a negative number of groups for none",
    r"manual_seed": "a seed is an int of at least 0: NumPy's generators take no other",
    r"to: Cannot interpret": "Torch takes a number for a device or a type",
    r"split\(x, s": "1.5 is no size",
    r"take_along_dim\(x, it": "Torch reads beyond the tensor's end",
    r"norm_type=99": "Torch's sum of 99th powers overflows",
    r"gather\(x, 1, (t13|no_rows|c0)": "an index of another number of axes",
    r"batch_norm\(e|BatchNorm1d\(4\)\(e30": "Torch checks nothing where there is nothing to normalise",
    r"ropout2d.*\((e0|s|t3|b|it|bt)\b": "channels are asked for, and these tensors have none",
    r"x\[\[": "nested lists mean different things to NumPy and Torch",
    r"arange\(.*(inf|nan)": "an endless range, or one without a step",
}


def library() -> dict[str, Any]:
    return namespace(tg, F, nn, optim, np.int64)


def rows_of(name: str) -> list[str]:
    return [call for call in CALLS if re.search(rf"\b{name}\b", call)]


OPERATORS = {"add", "sub", "mul", "div", "matmul", "pow", "getitem"}
NOT_CALLED_SO = {
    "as_tensor", "reflected", "Module", "Parameter", "Buffer", "current_modules", "Optimizer", "LRScheduler",
    "fan_in_uniform_", "EMA", "decay_weights_only", "ValuesAndIndices",
}  # fmt: skip


@pytest.mark.parametrize("room", [tg.ops, F, nn.init, optim.lr_scheduler], ids=lambda room: room.__name__)
def test_every_public_function_has_its_row(room):
    missing = [name for name in room.__all__ if name not in NOT_CALLED_SO and not rows_of(name)]
    assert not missing


def test_every_layer_loss_and_optimiser_has_its_row():
    public = [name for name in (*dir(nn), *dir(optim)) if name[0].isupper() and name not in NOT_CALLED_SO]
    assert not [name for name in public if not rows_of(name)]


def result(call: str, names: dict[str, Any]) -> Any:
    """What a call returns, or the error that it raises."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return eval(call, {}, names)
    except Exception as error:
        return error


def assert_sound(call: str, row: str, torch_names: Any) -> None:
    outcome = result(call, library())
    if isinstance(outcome, MemoryError) and "10 ** 15" in call:
        return
    if isinstance(outcome, Exception):
        assert isinstance(outcome, (*ERRORS, ZeroDivisionError)), f"{call}: {outcome!r}"
        names = functions_of(row)
        said = str(outcome).replace("_", "").lower()
        due = names | {ALIASES.get(name, name) for name in names} | {re.sub(r"\dd$|Loss$", "", name) for name in names}
        assert any(name.replace("_", "").lower() in said for name in due), f"{call}: {outcome!r} names none of {due}"
    if torch_names is None or any(re.search(pattern, f"{call}: {outcome!r}") for pattern in DIFFERENCES):
        return
    theirs = result(call, torch_names())
    if isinstance(theirs, Exception):
        return  # ours may be friendlier
    assert not isinstance(outcome, Exception), f"{call}: {outcome!r}, but Torch gives {theirs}"
    if not row.startswith(("nn.init", "nn.Linear", "nn.Conv", "tg.rand", "F.dropout", "nn.Dropout", "tg.manual_seed")):
        assert_same(outcome, theirs, call)


def assert_same(ours: Any, theirs: Any, call: str) -> None:
    if isinstance(theirs, (tuple, list)):
        assert len(ours) == len(theirs), call
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other, call)
    elif isinstance(ours, tg.Tensor) and hasattr(theirs, "detach"):
        expected = theirs.detach().numpy()
        assert ours.shape == expected.shape, call
        assert ours.dtype == expected.dtype, call
        if expected.size < 10**6:
            np.testing.assert_allclose(ours.data, expected, rtol=2e-4, atol=2e-5, err_msg=call)


@pytest.fixture(scope="module")
def torch_names():
    """Torch's side of the comparison; None without it, when calls need only be sound in themselves."""
    try:
        import torch
    except ImportError:
        return None
    return lambda: namespace(torch, torch.nn.functional, torch.nn, torch.optim, torch.int64)


@pytest.mark.parametrize("row", CALLS)
def test_a_valid_call_works(row):
    outcome = result(row, library())
    assert not isinstance(outcome, Exception), repr(outcome)


@pytest.mark.parametrize("row", CALLS)
def test_a_wrong_argument_is_named_or_means_what_it_means_in_torch(row, torch_names):
    calls = list(variants(row))
    for call in random.Random(row).sample(calls, min(SAMPLE, len(calls))):
        assert_sound(call, row, torch_names)


@pytest.mark.long
@pytest.mark.parametrize("row", CALLS)
def test_every_wrong_argument_is_named_or_means_what_it_means_in_torch(row, torch_names):
    for call in variants(row):
        assert_sound(call, row, torch_names)

"""What a notebook shows of large tensors and of modules, in HTML that is at home in light and in dark; and text."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from .nn import Module
from .protocols import SHOWN

FAINT = '<span style="opacity: 0.6">'
OPEN = 2  # levels of modules that can be seen at once


class Text(str):
    """Text of several lines that is shown as it is: where a prompt shows its value, too.

    >>> from tinygrad_cnn.notebook import Text
    >>> Text("layer  parameters")
    layer  parameters
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def tensor_html(tensor: Any) -> str | None:
    """Shape, type and range of values, which can be unfolded; None for a tensor whose values are few: they say it all.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn.notebook import tensor_html
    >>> tensor_html(tg.zeros(3)), "(30, 40) float32, 0 to 0" in tensor_html(tg.zeros(30, 40))
    (None, True)
    """
    array: np.ndarray = tensor.data
    if array.size <= SHOWN:
        return None
    facts = [f"<b>{escape(type(tensor).__name__)}</b> {array.shape} {array.dtype}", _range(array)]
    if not tensor.is_leaf:
        facts.append(f"made by {escape(tensor._source.primitive.public_name)}")
    elif tensor.requires_grad:
        facts.append("requires grad" if tensor.grad is None else "requires grad, has a gradient")
    values = f'<pre style="font-family: monospace">{escape(repr(tensor))}</pre>'
    folded = f"<details><summary>{FAINT}values</span></summary>{values}</details>"
    return f"<div>{', '.join(facts)}{folded}</div>"


def module_html(module: Module) -> str | None:
    """A module and those inside it, each with its parameters counted; None where the module has a text of its own.

    >>> from tinygrad_cnn import nn
    >>> from tinygrad_cnn.notebook import module_html
    >>> "<b>Linear</b>(in_features=2, out_features=3, bias=True)" in module_html(nn.Linear(2, 3))
    True
    """
    return None if type(module).__repr__ is not Module.__repr__ else _branch("", module, ())


def _branch(name: str, module: Module, above: tuple[Module, ...]) -> str:
    title = f"{FAINT}{escape(name)}</span> " if name else ""
    title += f"<b>{escape(type(module).__name__)}</b>"
    inside = [(key, part) for key, part in module._walk(recurse=False, remove_duplicate=False) if part is not module]
    children = [(key, part) for key, part in inside if isinstance(part, Module)]
    if (extra := module.extra_repr()) or not children:
        title += f"({escape(extra)})"
    title += f" {FAINT}{_counted(module)}</span>"
    if not children or module in above:
        return f"<div>{title}</div>"
    parts = "".join(_branch(key, part, (*above, module)) for key, part in children)
    opened = " open" if len(above) < OPEN else ""
    return f'<details{opened}><summary>{title}</summary><div style="margin-left: 2em">{parts}</div></details>'


def _counted(module: Module) -> str:
    parameters = [*module.parameters()]
    count = sum(parameter.numel() for parameter in parameters)
    trained = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    words = f"{count:,} parameter{'' if count == 1 else 's'}" if count else ""
    return words if trained == count else f"{words}, {trained:,} of them trained"


def _range(array: np.ndarray) -> str:
    """The least, the mean and the largest of the finite values, and how many are not finite."""
    if array.dtype == np.bool_:
        return f"{np.count_nonzero(array):,} of {array.size:,} true"
    finite = array[np.isfinite(array)]
    said = []
    if finite.size:
        mean = finite.mean(dtype=np.float64)
        said.append(f"{finite.min():.4g} to {finite.max():.4g}, mean {mean:.4g}")
    missing, infinite = np.isnan(array).sum(), np.isinf(array).sum()
    said += [f"<b>{count:,} {what}</b>" for count, what in ((missing, "NaN"), (infinite, "infinite")) if count]
    return ", ".join(said)

"""summary: what each layer of a model gives, holds and costs, found by running the model once and watching."""

from __future__ import annotations

import contextlib
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..arguments import checked
from ..modes import Event, no_grad, observe
from ..ops.flops import flops
from ..ops.names import public_name
from ..tensor import Tensor
from .module import Module, current_modules

__all__ = ["summary"]

COLUMNS = ("Layer", "Output shape", "Parameters", "FLOPs", "Activations")


class _Row:
    """One run of a module, or of an op that a module with layers below it ran itself."""

    def __init__(
        self, label: str, shape: str, flops: int = 0, activation_bytes: int = 0, inside: Sequence[_Row] = ()
    ) -> None:
        self.label, self.shape, self.inside = label, shape, inside
        self.parameters, self.flops, self.activation_bytes = 0, flops, activation_bytes

    def lines(self, first: str = "", rest: str = "") -> Iterator[tuple[str, ...]]:
        """This row and those inside it, as a tree: `first` leads up to this label, `rest` to those below."""
        counts = (f"{n:,}" if n else "" for n in (self.parameters, self.flops))
        memory = _bytes(self.activation_bytes) if self.activation_bytes else ""
        yield first + self.label, self.shape, *counts, memory
        for row in self.inside:
            last = row is self.inside[-1]
            yield from row.lines(rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "))


@checked
def summary(model: Module, input_shape: Sequence[int], batch_size: int = 1) -> str:
    """A text table of a model's layers: output shapes, parameters, floating-point operations, memory.

    `input_shape` is one example's, without the batch: `(3, 128, 128)`; TypeError for what is no tuple. The model runs
    once on zeros, in evaluation mode and without a graph, and is then in the mode in which it was before.

    FLOPs count a multiply-add as 2: exactly for convolutions and matrix products, whose sums start from the
    bias; 1 for each value that another op reads or writes. Activations are the arrays that the ops make, in
    bytes; a view of another array counts as none. Both are for the whole batch.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn
    >>> print(tg.summary(nn.Sequential(nn.Linear(8, 4), nn.ReLU()), (8,), batch_size=2))
    ──────────────────────────────────────────────────────────
    Layer         Output shape  Parameters  FLOPs  Activations
    ──────────────────────────────────────────────────────────
    Sequential    (2, 4)
    ├─ 0: Linear  (2, 4)                36    128         32 B
    └─ 1: ReLU    (2, 4)                        8         32 B
    ──────────────────────────────────────────────────────────
    Parameters           36
    Parameter memory     144 B
    Forward FLOPs        136
    Forward activations  64 B
    ──────────────────────────────────────────────────────────
    """
    from ..notebook import Text

    tensors = [*model.parameters(), *model.buffers()]
    dtype = next((t.dtype for t in tensors if t.dtype.kind == "f"), np.dtype(np.float32))
    watch = _Watch(model)
    with watch, np.errstate(all="ignore"), no_grad():
        model(Tensor(np.zeros((batch_size, *input_shape), dtype)))
    (root,) = watch.rows[len(current_modules())]

    lines = [COLUMNS, *root.lines()]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
    text = [_aligned(line, widths) for line in lines]
    trained = sum(p.data.size for p in model.parameters() if p.requires_grad)
    total = sum(p.data.size for p in model.parameters())
    table = "\n".join(
        [
            rule,
            text[0],
            rule,
            *text[1:],
            rule,
            f"Parameters           {total:,}" + ("" if trained == total else f", {trained:,} of them trained"),
            f"Parameter memory     {_bytes(sum(p.data.nbytes for p in model.parameters()))}",
            f"Forward FLOPs        {watch.flops:,}",
            f"Forward activations  {_bytes(watch.activation_bytes)}",
            rule,
        ]
    )
    return Text(table)


class _Watch(contextlib.ExitStack):
    """While open, builds the tree of rows from below: a module's row is made when its forward has ended."""

    def __init__(self, model: Module) -> None:
        super().__init__()
        self.model = model
        self.labels = {id(model): type(model).__name__}
        for module in model.modules():
            for name, child in module.named_children():
                self.labels.setdefault(id(child), f"{name}: {type(child).__name__}")
        self.rows: defaultdict[int, list[_Row]] = defaultdict(list)  # what ran at this depth of running modules
        self.counted: set[int] = set()  # parameters that a row shows already
        self.flops = self.activation_bytes = 0

    def __enter__(self) -> _Watch:
        for module in self.model.modules():
            self.enter_context(module.register_forward_hook(self.module_ran))
            self.callback(setattr, module, "training", module.training)
        self.model.eval()
        self.enter_context(observe(self.op_ran))
        return self

    def op_ran(self, event: Event) -> None:
        running = current_modules()
        if self.model not in running:  # in another thread
            return
        arrays = [x.data if isinstance(x, Tensor) else x for x in event.inputs]
        out = event.out.data
        is_view = any(isinstance(a, np.ndarray) and np.may_share_memory(a, out) for a in arrays)
        if not is_view:
            work = flops(event.primitive.name, [np.shape(a) for a in arrays], out.shape, event.options)
            row = _Row(public_name(event.primitive.name), str(out.shape), work, out.nbytes)
            self.rows[len(running)].append(row)
            self.flops += row.flops
            self.activation_bytes += row.activation_bytes

    def module_ran(self, module: Module, inputs: tuple[Any, ...], output: Any) -> None:
        depth = len(current_modules())
        row = _Row(self.labels[id(module)], _shape(output), inside=self.rows.pop(depth, ()))
        for parameter in module.parameters(recurse=False):
            if id(parameter) not in self.counted:
                self.counted.add(id(parameter))
                row.parameters += parameter.data.size
        if not any(True for _ in module.children()):  # a layer: its ops are its own affair
            row.flops = sum(op.flops for op in row.inside)
            row.activation_bytes = sum(op.activation_bytes for op in row.inside)
            row.inside = ()
        self.rows[depth - 1].append(row)


def _shape(output: Any) -> str:
    if isinstance(output, (tuple, list)):
        return ", ".join(_shape(item) for item in output)
    return str(output.shape) if isinstance(output, Tensor) else type(output).__name__


def _bytes(count: int) -> str:
    if count < 1024:
        return f"{count} B"
    power = min(int(math.log2(count)) // 10, 4)
    return f"{count / 1024**power:.1f} {'KMGT'[power - 1]}iB"


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    left = [cell.ljust(width) for cell, width in zip(cells[:2], widths[:2], strict=True)]
    right = [cell.rjust(width) for cell, width in zip(cells[2:], widths[2:], strict=True)]
    return "  ".join(left + right).rstrip()

"""A drawing of what autograd recorded: operations as boxes, in a cluster for each module that ran them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ...nn import Module
from ...tensor import Tensor
from . import files
from .dot import Writer
from .files import svg
from .fold import fold
from .measure import MEASURES, Figures, is_measuring, measure
from .recorded import Graph, Labels, Reader, nodes_below
from .regions import Regions
from .running import as_inputs, run, tensors_in

if TYPE_CHECKING:
    import graphviz

__all__ = ["draw", "svg"]

TALL = 120  # boxes


def draw(
    output: Callable[..., Any] | Sequence[Tensor] | Tensor,
    *inputs: Any,
    model: Module | None = None,
    title: str = "",
    depth: int | None = None,
    color_by: str | None = None,
    constants: bool = False,
    theme: str = "auto",
    file: str | os.PathLike[str] | None = None,
) -> graphviz.Digraph:
    """Draw the graph of one or more results, or that of `model(*inputs)`; gives a `graphviz.Digraph`.

    `draw(loss)` shows what has been recorded; `draw(model, x)` runs the forward pass first, in the mode (training or
    not) in which the model is, and leaves the model as it was. Any function of tensors will do for the model. Each
    run of a module is a cluster; `depth` makes one box of each that lies in so many others: `depth=0` of the whole
    model, `depth=1` of each module in it; for a tall graph, a line on stderr proposes one. `model` names the
    parameters of a graph that was not computed by calling it.

    `color_by` shades each box on a scale:
      "grad_norm"  the norm of the gradient of the (summed) result in what the box gives; for a module in one box,
                   in its parameters, or in what it gives where it has none
      "time"       how long the operation took: its rules, and its forward pass where `draw` ran it
      "memory"     the bytes that the graph keeps alive for its backward pass
      "flops"      the arithmetic of its forward pass
    The first three need the graph before backward(), or after or during backward(retain_graph=True); `.grad` is left
    alone. Of a graph that backward() has freed, "grad_norm" shades the leaves by the `.grad` that they hold.

    Constants are left out, except where data comes in; with `constants=True` those that the graph keeps are shown.
    `file` is where to write it, as svg, png, pdf or gv. `theme` is "light", "dark" or "auto": light, but an svg
    turns dark for readers who prefer that. A notebook shows the Digraph, and `.source` is its text.

    Raises ValueError where nothing was recorded or an option is none of its choices, TypeError for what is neither
    tensors nor a function or an option of another type, RuntimeError where what `color_by` needs has been freed.

    >>> import tinygrad_cnn as tg
    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> drawing = tg.draw((w * w).sum())
    >>> drawing.source.count("label=<")  # boxes: w, mul, sum and the output
    4
    """
    path = None if file is None else files.checked(file)
    _check(model, title, depth, color_by, theme)
    if is_measuring.get():  # a hook draws, in the sweep of a drawing that it began
        color_by = None
    labels: Labels = {}
    forward: Figures | None = None
    if callable(output):
        inputs, labels = as_inputs(output, inputs)
        model = output if isinstance(output, Module) else model
        if color_by == "time":
            run(output, inputs, model)  # once before, to have its memory and threads at hand
        output, forward = run(output, inputs, model)
        outputs = [*tensors_in(output)]
        if not outputs:
            raise TypeError(
                f"draw: the function should give a Tensor, or some in lists, tuples and dicts; got {output!r:.80}"
            )
    elif inputs:
        raise TypeError("draw: inputs go with a module, draw(model, x); a result needs none, draw(loss)")
    else:
        outputs = [*tensors_in(output, strict=True)]
    nodes = nodes_below(outputs)
    if not nodes:
        raise ValueError(
            "draw: nothing was recorded: this is no operation's result, none of its inputs requires grad, "
            "or it was computed under no_grad()"
        )
    regions = Regions(model)
    for node in nodes:
        regions.at(node.place)
    labels = {key: ("parameter", name) for key, name in regions.parameter_names.items()} | labels
    graph = Reader(labels, regions, constants).read(nodes, outputs)
    if depth is not None:
        graph = fold(graph, depth)
    elif len(graph.boxes) > TALL and (hint := _hint(graph)):
        print(hint, file=sys.stderr)
    measured = None if color_by is None else measure(color_by, graph, outputs, nodes, forward)
    drawing = Writer(graph, theme, measured).digraph(title)
    if path is not None:
        files.save(drawing, path, theme)
    return drawing


def _check(model: Any, title: Any, depth: Any, color_by: Any, theme: Any) -> None:
    """ValueError or TypeError for an option that is none."""
    if color_by is not None and not (isinstance(color_by, str) and color_by in MEASURES):
        raise ValueError(f"draw: color_by should be one of {', '.join(map(repr, MEASURES))}, got {color_by!r}")
    if theme not in ("auto", "light", "dark"):
        raise ValueError(f"draw: theme should be 'auto', 'light' or 'dark', got {theme!r}")
    if not isinstance(title, str):
        raise TypeError(f"draw: title should be a str, got {title!r:.80}")
    if model is not None and not isinstance(model, Module):
        raise TypeError(f"draw: model should be the nn.Module whose parameters are drawn, got {model!r:.80}")
    if depth is not None and (not isinstance(depth, int) or isinstance(depth, bool)):
        raise TypeError(f"draw: depth should be an int, 0 or more, got {depth!r}")
    if depth is not None and depth < 0:
        raise ValueError(f"draw: depth should be 0 or more, got {depth}")


def _hint(graph: Graph) -> str:
    """How to draw a tall graph smaller; '' where no module would be folded."""
    levels = {box.region.level for box in graph.boxes if box.region}
    fits = [(depth, len(fold(graph, depth).boxes)) for depth in range(max(levels, default=-1), -1, -1)]
    depth, count = next((fit for fit in fits if fit[1] <= TALL), fits[-1] if fits else (0, len(graph.boxes)))
    if count == len(graph.boxes):
        return ""
    return f"draw: {len(graph.boxes)} boxes; depth={depth} folds modules and draws {count}"

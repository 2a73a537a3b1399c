"""The reference is whole: a page shows every public name, and the name's docstring says what a user has to know.

Whether a sentence is true and clear, readers have to say; that the examples work, doctest does.
"""

from __future__ import annotations

import ast
import builtins
import dataclasses
import doctest
import functools
import importlib
import inspect
import re
import textwrap
import zlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn

DOCS = Path(__file__).resolve().parents[2] / "docs"
REFERENCE = {page.name: page.read_text(encoding="utf-8") for page in sorted((DOCS / "reference").glob("*.md"))}


def is_ours(value: Any) -> bool:
    return (value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", "")).startswith("tinygrad_cnn")


def names_of(room: ModuleType) -> dict[str, Any]:
    """The public names of a module: those that it lists, or those of this package that can be seen in it."""
    listed = getattr(room, "__all__", None)
    names = {name: getattr(room, name) for name in listed or dir(room)}
    return {name: value for name, value in names.items() if listed or (not name.startswith("_") and is_ours(value))}


def rooms_below(room: ModuleType) -> dict[str, ModuleType]:
    """A module and those that it offers. The kernels know nothing of Tensors, and are no user's business."""
    rooms = {room.__name__: room}
    for value in names_of(room).values():
        if inspect.ismodule(value) and hasattr(value, "__all__") and value is not tg.kernels:
            rooms |= rooms_below(value)
    return rooms


def path_of(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}"


ROOMS = rooms_below(tg)
PUBLIC = {  # each function and class once, whatever names it has
    path_of(value): value
    for room in ROOMS.values()
    for value in names_of(room).values()
    if inspect.isroutine(value) or inspect.isclass(value)
}
CLASSES = {path: value for path, value in PUBLIC.items() if inspect.isclass(value)}


def methods_of(kind: type) -> dict[str, Any]:
    """The functions behind a class's public methods and properties that are written in this package."""
    methods = {}
    for name in dir(kind):
        value = inspect.getattr_static(kind, name)
        function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if not name.startswith("_") and inspect.isfunction(function) and is_ours(function):
            methods[name] = function
    return methods


def test_the_rooms_are_found_by_looking():
    assert {"tinygrad_cnn.nn.init", "tinygrad_cnn.optim.lr_scheduler", "tinygrad_cnn.train"} <= {*ROOMS}
    assert "tinygrad_cnn.optim.sgd.SGD" in CLASSES
    assert "requires_grad_" in methods_of(tg.Tensor)


# -- what the pages show -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shown(site):
    """The names that have a place on some page, from the inventory that mkdocstrings leaves beside the pages."""
    inventory = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    return {line.split()[0] for line in zlib.decompress(inventory).decode().splitlines()}


def test_a_page_shows_every_public_name(shown):
    hidden = [
        f"{room}.{name}"
        for room, module in ROOMS.items()
        for name, value in names_of(module).items()
        if not inspect.ismodule(value) and f"{room}.{name}" not in shown and path_of(value) not in shown
    ]
    assert not hidden


def test_a_page_shows_every_public_method(shown, site):
    operations = (site / "reference" / "tensor.html").read_text(encoding="utf-8")
    hidden = [
        f"{path}.{name}"
        for path, kind in CLASSES.items()
        for name, method in methods_of(kind).items()
        if not any(f"{path_of(base)}.{name}" in shown for base in kind.__mro__)
        and not (method.__module__.startswith("tinygrad_cnn.ops.") and f"<code>{name}</code>" in operations)
    ]
    assert not hidden


def named(path: str) -> Any:
    """What a dotted path leads to; AttributeError or ImportError where it ends in nothing."""
    parts = path.split(".")
    for count in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for part in parts[count:]:
            value = getattr(value, part)
        return value
    raise ImportError(path)


@pytest.mark.parametrize("page", REFERENCE)
def test_a_page_asks_for_what_there_is(page):
    for directive in re.finditer(r"^::: (\S+)\n((?: +.*\n?)*)", REFERENCE[page], flags=re.MULTILINE):
        value = named(directive[1])
        for listed in re.findall(r"members: \[(.*)\]", directive[2]):
            for name in listed.split(", "):
                found = [kind for kind in (value, *names_of(value).values()) if hasattr(kind, name)]
                assert found, f"{directive[1]}: {name}"


SHORT = {"tg": "tinygrad_cnn", "nn": "tinygrad_cnn.nn", "F": "tinygrad_cnn.functional", "optim": "tinygrad_cnn.optim"}
SPOKEN_OF = r"(?<![\w.])(tg|nn|F|optim)\.([A-Za-z_][\w.]*\w)"  # as in `F.conv2d(x)`
PAGES = [path for path in sorted(DOCS.rglob("*.md")) if path.name != "from-pytorch.md"]  # it lists what there is not


def lost_in(text: str) -> list[str]:
    """The names between backticks that lead to nothing, and the files that are not there."""
    lost = []
    for code in re.findall(r"`([^`\n]+)`", text):
        for room, name in re.findall(SPOKEN_OF, code):
            try:
                named(f"{SHORT[room]}.{name}")
            except (AttributeError, ImportError):
                lost.append(f"{room}.{name}")
        files = re.findall(r"\b(?:tinygrad_cnn|tests|experiments|models|docs)/[\w/.]*", code)
        lost += [file for file in files if not (DOCS.parent / file).exists()]
    return lost


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_a_page_speaks_of_what_there_is(page):
    text = page.read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```\n", "", text, flags=re.DOTALL | re.MULTILINE)
    made_here = {f"tg.{name}" for name in re.findall(r"^def (\w+)", text, flags=re.MULTILINE)}
    assert not {*lost_in(prose)} - made_here


def test_a_docstring_speaks_of_what_there_is():
    assert not [f"{path}: {lost}" for path, value in PUBLIC.items() for lost in lost_in(said_of(value))]


# -- what the docstrings say -------------------------------------------------------------------------------------

METHODS = {  # each once, with the class that it is written in
    path_of(method): (kind, method)
    for kind in CLASSES.values()
    for method in methods_of(kind).values()
    if path_of(method).rpartition(".")[0] == path_of(kind)
}


def said_of(value: Any) -> str:
    """The docstring; that of the base's method where a method has none."""
    return inspect.getdoc(value) or ""


def test_a_docstring_begins_with_one_line_of_purpose():
    protocols = [*filter(is_protocol, CLASSES.values())]
    methods = {
        path: getattr(kind, method.__name__)
        for path, (kind, method) in METHODS.items()
        if kind in protocols or not any(hasattr(protocol, method.__name__) for protocol in protocols)
    }
    wrong = []
    for path, value in {**PUBLIC, **methods}.items():
        first, *rest = said_of(value).split("\n")
        if not first.endswith((".", ":")) or any(rest[:1]):
            wrong.append(f"{path}: {first!r}")
    assert not wrong


@functools.cache
def examples_in(module: str) -> set[str]:
    """The names in a module whose examples doctest finds there, and runs."""
    found = doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(module))
    return {test.name for test in found if test.examples}


def is_error(value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, BaseException)


def is_protocol(value: Any) -> bool:
    return getattr(value, "_is_protocol", False)


@pytest.mark.parametrize("room", ROOMS)
def test_a_docstring_has_an_example_that_runs(room):
    """Errors and protocols need none: users make none. A reference to a name that has one will do: see `primitive`."""
    without = []
    for name, value in names_of(ROOMS[room]).items():
        if value in PUBLIC.values() and not is_error(value) and not is_protocol(value):
            other = re.search(r"\bsee `(\w+)`", said_of(value))
            paths = [path_of(value), *([f"{value.__module__}.{other[1]}"] if other else [])]
            if not examples_in(value.__module__) & {*paths}:
                without.append(name)
    assert not without


def raised_by(function: Any) -> set[str]:
    """The errors that a function itself raises, by name."""
    function = inspect.unwrap(function)
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    names = {
        node.exc.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name)
    }
    return {name for name in names if is_error({**vars(builtins), **function.__globals__}.get(name))}


def test_a_docstring_names_the_errors_that_are_raised():
    functions = {path: (value, said_of(value)) for path, value in PUBLIC.items() if inspect.isfunction(value)}
    for path, kind in CLASSES.items():
        made_by = vars(kind).get("__init__")
        is_written = getattr(made_by, "__qualname__", "") == f"{kind.__qualname__}.__init__"
        if is_written and not dataclasses.is_dataclass(kind):
            functions[path] = made_by, said_of(kind)
    for path, (kind, method) in METHODS.items():
        functions[path] = method, said_of(getattr(kind, method.__name__)) + said_of(kind)
    hidden = {path: raised_by(f) - {*re.findall(r"\w+", said)} for path, (f, said) in functions.items()}
    assert not {path: errors for path, errors in hidden.items() if errors}


SHAPES = r"[Ss]hape|ax[ie]s|`dim`|\([.NCHWO(]"  # words, or sizes such as (N, C, H, W)
WITHOUT_SHAPES = {"arithmetic", "choices", "compare", "copies", "elementwise"}  # element by element: as broadcast


def test_a_docstring_speaks_of_shapes_where_tensors_come_in_or_go_out():
    silent = []
    for path, value in {**public_in(tg.functional), **public_in(tg), **public_in(nn)}.items():
        function = value.forward if inspect.isclass(value) and issubclass(value, nn.Module) else value
        takes = inspect.isfunction(function) and "Tensor" in str(inspect.unwrap(function).__annotations__)
        room = value.__module__.rpartition(".")[2]
        if takes and room not in WITHOUT_SHAPES and not re.search(SHAPES, said_of(value)):
            silent.append(path)
    assert not silent


def public_in(room: ModuleType) -> dict[str, Any]:
    return {path_of(value): value for value in names_of(room).values() if value in PUBLIC.values()}


FROM_PAPERS = [
    "nn.ELU", "nn.GELU", "nn.SiLU", "nn.LeakyReLU", "nn.Dropout", "nn.Dropout2d", "nn.BatchNorm1d",
    "nn.LayerNorm", "nn.HuberLoss", "nn.SmoothL1Loss", "functional.elu", "functional.gelu", "functional.silu",
    "functional.leaky_relu", "functional.dropout", "functional.dropout2d", "functional.batch_norm",
    "functional.layer_norm", "functional.huber_loss", "functional.smooth_l1_loss", "functional.cross_entropy",
    "functional.relu", "nn.init.xavier_uniform_", "nn.init.xavier_normal_", "nn.init.kaiming_uniform_",
    "nn.init.kaiming_normal_", "nn.init.orthogonal_", "nn.init.sparse_", "nn.init.calculate_gain", "optim.SGD",
    "optim.Adam", "optim.AdamW", "optim.Adagrad", "optim.RMSprop", "optim.EMA", "optim.clip_grad_norm_",
    "optim.decay_weights_only", "optim.lr_scheduler.CosineAnnealingLR", "optim.lr_scheduler.OneCycleLR",
    "optim.lr_scheduler.LinearLR", "explain.saliency", "explain.smooth_grad", "explain.grad_cam",
    "explain.occlusion",
]  # fmt: skip


@pytest.mark.parametrize("path", FROM_PAPERS)
def test_a_formula_names_its_source(path):
    """Its authors, and the year."""
    assert re.search(r"[A-Z]\w+.*\b(19|20)\d\d\b", said_of(named(f"tinygrad_cnn.{path}")), flags=re.DOTALL)

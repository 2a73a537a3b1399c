"""The reference is whole: a page shows every public name, and the name's docstring says what a user has to know.

Whether a sentence is true and clear, readers have to say; that the examples work, doctest does.
"""

from __future__ import annotations

import importlib
import inspect
import re
import zlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import tinygrad_cnn as tg

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

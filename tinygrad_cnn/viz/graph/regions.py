"""Which part of a program recorded a node: a run of a module, inside the run of the module that called it; or a sweep.

Each node has noted its place, a linked list of the modules that were running (see `modes.Place`). So no model need be
given, each run of a module can be told from the next, and what was computed outside of modules stays outside.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from ...modes import Place
from ...nn import Module


@dataclass(eq=False)
class Region:
    """One run of a module, or one sweep, whose `module` is None."""

    parent: Region | None
    module: Module | None
    root: Module | None  # the outermost module around
    name: str  # the module's, in the one that called it; '' for the root
    run: int  # which of its runs this is

    @property
    def level(self) -> int:
        """How many regions are around it."""
        return 0 if self.parent is None else self.parent.level + 1

    @property
    def parameters(self) -> int:
        return _count(self.module)

    @property
    def share(self) -> float | None:
        """Of the root's parameters; None for the root itself."""
        total = _count(self.root)
        return None if self.module is self.root or not total else self.parameters / total


class Regions:
    """Finds the regions of places. Modules and parameters have the names that the root, or `model`, has for them."""

    def __init__(self, model: Module | None) -> None:
        self.model = model
        self.found: dict[int, Region | None] = {}  # by the id of a place, which its nodes keep alive
        self.runs: Counter[int] = Counter()  # by the id of a module; 0 for sweeps
        self.owner: dict[int, tuple[Region, str]] = {}  # id of a parameter's array -> where it belongs, its name there
        self.parameter_names: dict[int, str] = {}  # id of a parameter's array -> its whole name
        self.module_names: dict[int, dict[int, str]] = {}  # id of a module -> by the ids of those in it, their names
        if model is not None:
            self._learn_names(model)

    def at(self, place: Place) -> Region | None:
        if place is None:
            return None
        if id(place) not in self.found:
            self.found[id(place)] = self._region(*place)
        return self.found[id(place)]

    def _region(self, reference: Any, outer: Place) -> Region | None:
        parent = self.at(outer)
        if reference is None:
            self.runs[0] += 1
            return Region(parent, None, None, "", self.runs[0])
        module = reference()
        if module is None:  # it has been dropped since
            return parent
        caller = parent
        while caller is not None and caller.module is None:
            caller = caller.parent
        if caller is not None:
            around, root = caller.module, caller.root
        else:
            around = root = self.model if self.model and id(module) in self.module_names[id(self.model)] else module
        self.runs[id(module)] += 1
        name = self._learn_names(around).get(id(module), "")
        region = Region(parent, module, root, name, self.runs[id(module)])
        for name, parameter in module.named_parameters(recurse=False):
            self.owner.setdefault(id(parameter.data), (region, name))
        return region

    def _learn_names(self, module: Any) -> dict[int, str]:
        if id(module) not in self.module_names:
            self.module_names[id(module)] = {id(inner): name for name, inner in module.named_modules()}
            for name, parameter in module.named_parameters():
                self.parameter_names.setdefault(id(parameter.data), name)
        return self.module_names[id(module)]


def around(region: Region | None) -> list[Region]:
    """A region and those around it, innermost first."""
    found = []
    while region is not None:
        found.append(region)
        region = region.parent
    return found


def _count(module: Module | None) -> int:
    return 0 if module is None else sum(parameter.data.size for parameter in module.parameters())

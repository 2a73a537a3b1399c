"""Containers: modules that hold modules, in order or by name."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any, TypeVar, overload

from ..arguments import checked
from .module import Module

__all__ = ["ModuleDict", "ModuleList", "Sequential"]

S = TypeVar("S", bound="_Ordered")


class _Ordered(Module):
    """Modules in order, each an attribute under its name, which is its number unless it was given one."""

    def _held(self) -> dict[str, Module]:
        return {name: value for name, value in vars(self).items() if isinstance(value, Module)}

    def _name(self, index: int) -> str:
        names = list(self._held())
        if not -len(names) <= index < len(names):
            raise IndexError(f"index {index} is out of range: this {type(self).__name__} holds {len(names)}")
        return names[index]

    def __len__(self) -> int:
        return len(self._held())

    def __iter__(self) -> Iterator[Module]:
        return iter(self._held().values())

    def __setitem__(self, index: int, module: Module) -> None:
        self.add_module(self._name(index), module)

    def append(self: S, module: Module) -> S:
        """Add a module at the end. Returns the container."""
        self.add_module(str(len(self)), module)
        return self

    @checked
    def extend(self: S, modules: Iterable[Module]) -> S:
        """Add modules at the end, in their order. Returns the container."""
        for module in list(modules):
            self.append(module)
        return self


class Sequential(_Ordered):
    """Modules that run one after another, each on what the one before it gave.

    Given an OrderedDict, it holds the modules under its keys. A slice is a Sequential of the same modules. Raises
    TypeError for modules in a list: give them one by one.

    >>> from tinygrad_cnn import nn
    >>> nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    Sequential(
      (0): Linear(in_features=3, out_features=2, bias=True)
      (1): ReLU()
    )
    """

    @checked
    def __init__(self, *modules: Module | OrderedDict[str, Module]) -> None:
        if len(modules) == 1 and isinstance(modules[0], OrderedDict):
            named: Mapping[str, Any] = modules[0]
        elif len(modules) == 1 and isinstance(modules[0], list | tuple):
            raise TypeError("Sequential takes its modules one by one: Sequential(*modules)")
        else:
            named = {str(i): module for i, module in enumerate(modules)}
        for name, module in named.items():
            self.add_module(name, module)

    def forward(self, x: Any) -> Any:
        for module in self:
            x = module(x)
        return x

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: int | slice) -> Module:
        if isinstance(index, slice):
            return Sequential(OrderedDict(list(self._held().items())[index]))
        return self._held()[self._name(index)]


class ModuleList(_Ordered):
    """A list of modules. It has no forward: the module that holds it says how they are used.

    A plain list does as well; this one has Torch's name for it, and its repr.

    >>> from tinygrad_cnn import nn
    >>> layers = nn.ModuleList([nn.Linear(3, 3), nn.ReLU()])
    >>> layers.append(nn.Linear(3, 1))[-1]
    Linear(in_features=3, out_features=1, bias=True)
    """

    @checked
    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        self.extend(() if modules is None else modules)

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> ModuleList: ...
    def __getitem__(self, index: int | slice) -> Module:
        if isinstance(index, slice):
            return ModuleList(list(self)[index])
        return self._held()[self._name(index)]

    @checked
    def insert(self, index: int, module: Module) -> None:
        """Put a module before the one at `index`, as in a list."""
        modules = list(self)
        modules.insert(index, module)
        for i, held in enumerate(modules):
            self.add_module(str(i), held)


class ModuleDict(Module):
    """Modules by name. It has no forward: the module that holds it says how they are used. A plain dict does as well.

    >>> from tinygrad_cnn import nn
    >>> heads = nn.ModuleDict({"age": nn.Linear(3, 1), "gender": nn.Linear(3, 2)})
    >>> heads["gender"], list(heads)
    (Linear(in_features=3, out_features=2, bias=True), ['age', 'gender'])
    """

    @checked
    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None) -> None:
        self.update({} if modules is None else dict(modules))

    def _held(self) -> dict[str, Module]:
        return {name: value for name, value in vars(self).items() if isinstance(value, Module)}

    def __getitem__(self, key: str) -> Module:
        return self._held()[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._held()[key]  # raises the KeyError
        delattr(self, key)

    def __contains__(self, key: object) -> bool:
        return key in self._held()

    def __len__(self) -> int:
        return len(self._held())

    def __iter__(self) -> Iterator[str]:
        return iter(self._held())

    def keys(self) -> KeysView[str]:
        """The names, in the order in which they were given."""
        return self._held().keys()

    def values(self) -> ValuesView[Module]:
        """The modules, in the names' order."""
        return self._held().values()

    def items(self) -> ItemsView[str, Module]:
        """Each name with its module."""
        return self._held().items()

    @checked
    def update(self, modules: Mapping[str, Module]) -> None:
        """Add modules, in their order; one under a name that is taken replaces the old one."""
        for key, module in modules.items():
            self[key] = module

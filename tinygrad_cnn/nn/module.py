"""Module: a tree of layers whose state is found by looking at it, so that there is nothing to register."""

from __future__ import annotations

import reprlib
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ..arguments import checked
from ..dtypes import array_of
from ..modes import mode
from ..tensor import Tensor
from .hooks import ForwardHook, ForwardPreHook, RemovableHandle
from .parameter import Buffer, Parameter, overwrite

__all__ = ["LoadResult", "Module", "current_modules"]

M = TypeVar("M", bound="Module")
NO_HOOKS: Mapping[int, Any] = MappingProxyType({})
UNCOUNTED = "num_batches_tracked"  # a buffer that no result depends on
HOOKS = ("_forward_hooks", "_forward_pre_hooks")  # a module that serves as a hook is no part of the one it watches


class LoadResult(NamedTuple):
    """What `load_state_dict` did not find, and what it found too much: two lists of keys."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def current_modules() -> tuple[Module, ...]:
    """The modules whose `forward` this thread is inside, outermost first: so an observer learns which layer ran an op.

    >>> import tinygrad_cnn as tg
    >>> with tg.observe(lambda event: print(event.primitive.name, tg.nn.current_modules())):
    ...     y = tg.nn.ReLU()(tg.ones(2))
    relu (ReLU(),)
    """
    modules: list[Module] = []
    place = mode.place
    while place is not None:
        module, place = place
        if module is not None:
            modules.insert(0, module())
    return tuple(modules)


class Module:
    """The base of every layer and model: holds state, and `forward` says what it computes.

    Parameters, buffers and other modules held as attributes belong to it, also those inside lists, tuples and
    dicts. They are found in the order in which they were defined, under dotted names. A subclass need not
    call `super().__init__()`.

    >>> from tinygrad_cnn import nn
    >>> class Heads(nn.Module):
    ...     def __init__(self):
    ...         self.body = nn.Linear(3, 2)
    ...         self.heads = {"age": nn.Linear(2, 1, bias=False)}
    ...     def forward(self, x):
    ...         return self.heads["age"](self.body(x))
    >>> [name for name, _ in Heads().named_parameters()]
    ['body.weight', 'body.bias', 'heads.age.weight']
    """

    training: bool = True
    _forward_hooks: Mapping[int, ForwardHook] = NO_HOOKS  # a dict of its own with the first hook
    _forward_pre_hooks: Mapping[int, ForwardPreHook] = NO_HOOKS

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes. A subclass writes its own (else NotImplementedError); callers use `module(x)`."""
        raise NotImplementedError(f"{type(self).__name__} has no forward method: define forward(self, x)")

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, but keep a parameter a parameter and a buffer a buffer."""
        before = vars(self).get(name)
        if isinstance(value, Tensor) and isinstance(before, (Parameter, Buffer)) and type(value) is Tensor:
            if isinstance(before, Parameter):
                raise TypeError(
                    f"{type(self).__name__}.{name} is a Parameter, and a Tensor in its place would not be trained; "
                    f"set {name}.data, or assign nn.Parameter(tensor)"
                )
            before.data = value.data
            return
        super().__setattr__(name, value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        outer = mode.place
        mode.place = (weakref.ref(self), outer)
        try:
            if self._forward_pre_hooks:
                for pre_hook in tuple(self._forward_pre_hooks.values()):
                    if (replacement := pre_hook(self, args)) is not None:
                        args = replacement if isinstance(replacement, tuple) else (replacement,)
            output = self.forward(*args, **kwargs)
            if self._forward_hooks:
                for hook in tuple(self._forward_hooks.values()):
                    if (replacement := hook(self, args, output)) is not None:
                        output = replacement
            return output
        finally:
            mode.place = outer

    @checked
    def register_forward_hook(self, hook: ForwardHook) -> RemovableHandle:
        """Call `hook(module, inputs, output)` after each forward; what it returns, if not None, replaces output.

        `inputs` is the tuple of forward's positional arguments. The handle's `remove()` takes the hook off again.

        >>> import tinygrad_cnn as tg
        >>> relu = tg.nn.ReLU()
        >>> with relu.register_forward_hook(lambda module, inputs, output: output + 1):
        ...     print(relu(tg.Tensor([-2.0, 2.0])))
        Tensor([1., 3.])
        """
        return RemovableHandle(vars(self).setdefault("_forward_hooks", {}), hook)

    @checked
    def register_forward_pre_hook(self, hook: ForwardPreHook) -> RemovableHandle:
        """Call `hook(module, inputs)` before each forward; what it returns, if not None, replaces the inputs.

        A tuple holds forward's positional arguments; anything else is the only one.
        """
        return RemovableHandle(vars(self).setdefault("_forward_pre_hooks", {}), hook)

    # ---------------------------------------------------------------------------------- what it holds

    def _walk(
        self, prefix: str = "", *, recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module | Parameter | Buffer]]:
        """Yield this module and all that it holds, depth first, in definition order, under dotted names.

        With `remove_duplicate` each object comes once, under its first name; otherwise under every name,
        except that a module inside itself is not entered again. Without `recurse`, sub-modules are named but
        not entered.
        """
        return _visit(prefix, self, self if not recurse else None, remove_duplicate, set())

    @checked
    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yield `(dotted name, parameter)`, in definition order, a shared parameter once."""
        for name, item in self._walk(prefix, recurse=recurse, remove_duplicate=remove_duplicate):
            if isinstance(item, Parameter):
                yield name, item

    @checked
    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Buffer]]:
        """Yield `(dotted name, buffer)`, in definition order, a shared buffer once."""
        for name, item in self._walk(prefix, recurse=recurse, remove_duplicate=remove_duplicate):
            if isinstance(item, Buffer):
                yield name, item

    @checked
    def named_modules(self, *, prefix: str = "", remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """Yield `(dotted name, module)` for this module, whose name is the prefix, and all below it."""
        for name, item in self._walk(prefix, remove_duplicate=remove_duplicate):
            if isinstance(item, Module):
                yield name, item

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield `(name, module)` for the modules that this one holds itself."""
        for name, item in self._walk(recurse=False):
            if isinstance(item, Module) and item is not self:
                yield name, item

    @checked
    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yield the parameters that `named_parameters` names: what an optimiser takes."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    @checked
    def buffers(self, recurse: bool = True) -> Iterator[Buffer]:
        """Yield the buffers that `named_buffers` names."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def modules(self) -> Iterator[Module]:
        """Yield this module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def children(self) -> Iterator[Module]:
        """Yield the modules that this one holds itself."""
        return (module for _, module in self.named_children())

    @checked
    def get_submodule(self, target: str) -> Module:
        """The module with this dotted name, such as `heads.age`. Raises AttributeError if there is none."""
        for name, module in self.named_modules(remove_duplicate=False):
            if name == target:
                return module
        raise AttributeError(f"{type(self).__name__} has no module named {target!r}")

    # ------------------------------------------------------------------- setting attributes by their name

    def _set(self, name: str, value: Any) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{type(self).__name__}: a name must be a string, not {name!r}")
        if not name or "." in name:
            raise KeyError(f"a name must be non-empty and have no dot in it, not {name!r}")
        if hasattr(type(self), name):
            raise KeyError(f"{name!r} is already an attribute of every {type(self).__name__}")
        setattr(self, name, value)

    def add_module(self, name: str, module: Module) -> None:
        """The same as `self.<name> = module`, for a computed name. TypeError for what is no Module."""
        if not isinstance(module, Module):
            raise TypeError(f"{type(self).__name__}: {name!r} must be a Module, not {type(module).__name__}")
        self._set(name, module)

    @checked
    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """The same as `self.<name> = param`, for a computed name. TypeError for what is no Parameter, nor None."""
        if not isinstance(param, Parameter | None):
            raise TypeError(f"{name!r} must be a Parameter, not {type(param).__name__}")
        self._set(name, param)

    @checked
    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """The same as `self.<name> = Buffer(tensor, persistent)`, for a computed name."""
        self._set(name, None if tensor is None else Buffer(tensor, persistent))

    # ---------------------------------------------------------------------------------- saving, loading

    def _state(self) -> dict[str, Tensor]:
        """Everything that is saved, by name; what is shared stands under each of its names."""
        state: dict[str, Tensor] = {}
        for name, item in self._walk(remove_duplicate=False):
            if isinstance(item, Module) or (isinstance(item, Buffer) and not item.persistent):
                continue
            if name in state:
                raise ValueError(f"{type(self).__name__} holds two tensors under the name {name!r}")
            state[name] = item
        return state

    def state_dict(self) -> dict[str, np.ndarray]:
        """A copy of every parameter and persistent buffer by its dotted name, in definition order.

        A tensor that is held twice stands under both names. Training on does not change the copy.

        >>> from tinygrad_cnn import nn
        >>> {name: array.shape for name, array in nn.Linear(3, 2).state_dict().items()}
        {'weight': (2, 3), 'bias': (2,)}
        """
        return {name: tensor.data.copy() for name, tensor in self._state().items()}

    @checked
    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> LoadResult:
        """Copy `state_dict`'s values (arrays, Tensors or PyTorch's tensors) into this module, in its own dtypes.

        A tensor that is held twice may stand under one of its names. As in PyTorch, batch norm's `num_batches_tracked`
        may be missing, as it is in old files. Raises one RuntimeError that lists every missing, unexpected and
        mis-shaped key, and those whose values the module's dtypes can't hold, and then changes nothing. With
        `strict=False`, keys may be missing or unexpected, and are only returned. TypeError for what is no dict.
        """
        state = self._state()
        given = {id(state[name]) for name in state_dict if name in state}
        missing = [name for name, tensor in state.items() if id(tensor) not in given]
        missing = [name for name in missing if name.split(".")[-1] != UNCOUNTED]
        unexpected = [name for name in state_dict if name not in state]
        problems = [f"missing: {name}" for name in missing] + [f"unexpected: {name}" for name in unexpected]
        if not strict:
            problems = []
        new_values: dict[str, np.ndarray] = {}
        for name, tensor in state.items():
            if name in state_dict:
                try:
                    values = array_of(state_dict[name])
                except (TypeError, ValueError, RuntimeError) as error:
                    problems.append(f"no array: {name}: {error}")
                    continue
                if values.dtype.kind not in "fiub":
                    problems.append(f"not real numbers: {name} is {values.dtype}, the module has {tensor.dtype}")
                elif values.shape != tensor.shape:
                    problems.append(f"wrong shape: {name} is {values.shape}, the module has {tensor.shape}")
                else:
                    try:
                        with np.errstate(over="raise", invalid="raise"):
                            new_values[name] = values.astype(tensor.dtype)  # a copy: it may be a view of this state
                    except FloatingPointError:
                        problems.append(f"wrong values: {name} holds some that {tensor.dtype} can't")
        if problems:
            raise RuntimeError("\n    ".join([f"{type(self).__name__} can't load this state_dict:", *problems]))
        for name, values in new_values.items():
            overwrite(state[name], values)
        return LoadResult(missing, unexpected)

    # ------------------------------------------------------------------------------------------ changing

    @checked
    def train(self: M, mode: bool = True) -> M:
        """Put this module and all below it into training mode: Dropout drops, BatchNorm uses the batch."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: M) -> M:
        """Put this module and all below it into evaluation mode. Gradients are recorded as before."""
        return self.train(False)

    @checked
    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Let every parameter ask for a gradient, or freeze them all."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    @checked
    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget every parameter's gradient, or fill it with zeros."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad = Tensor(np.zeros_like(parameter.grad.data))

    @checked
    def apply(self: M, fn: Callable[[Module], object]) -> M:
        """Call `fn(module)` on everything below this module, then on the module itself; on each one once."""
        _apply(self, fn, set())
        return self

    def float(self: M) -> M:
        """Turn every floating-point parameter and buffer into float32."""
        return self._cast(np.float32)

    def double(self: M) -> M:
        """Turn every floating-point parameter and buffer into float64, as gradient checks need it."""
        return self._cast(np.float64)

    def _cast(self: M, dtype: type[np.floating]) -> M:
        for tensor in [*self.parameters(), *self.buffers()]:
            if tensor.data.dtype.kind == "f":
                tensor.data = tensor.data.astype(dtype)
                if tensor.grad is not None:
                    tensor.grad = Tensor(tensor.grad.data.astype(dtype))
        return self

    # ------------------------------------------------------------------------------------------- showing

    def extra_repr(self) -> str:
        """What stands between a layer's parentheses in its repr."""
        return ""

    @reprlib.recursive_repr("(...)")
    def __repr__(self) -> str:
        inside = self._walk(recurse=False, remove_duplicate=False)
        children = [f"({name}): {m!r}" for name, m in inside if isinstance(m, Module) and m is not self]
        extra = self.extra_repr()
        if not children:
            return f"{type(self).__name__}({extra})"
        lines = [extra, *children] if extra else children
        body = "".join("\n" + line for line in lines).replace("\n", "\n  ")
        return f"{type(self).__name__}({body}\n)"

    def _repr_html_(self) -> str | None:
        from ..notebook import module_html

        return module_html(self)


def _visit(
    name: str, value: Any, only: Module | None, remove_duplicate: bool, seen: set[int]
) -> Iterator[tuple[str, Module | Parameter | Buffer]]:
    """Yield what state there is at and below `value`; of all modules, enter just `only`, if it is given."""
    if isinstance(value, (set, frozenset)) and any(isinstance(item, (Tensor, Module)) for item in value):
        raise TypeError(f"{name!r} holds modules or tensors in a set, which has no order: use a list")
    if not isinstance(value, (Module, Parameter, Buffer, dict, list, tuple)) or id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, (Module, Parameter, Buffer)):
        yield name, value
    members: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        members = value.items()
    elif isinstance(value, (list, tuple)):
        members = enumerate(value)
    elif isinstance(value, Module) and only in (None, value):
        members = [(key, member) for key, member in vars(value).items() if key not in HOOKS]
    for key, member in list(members):
        yield from _visit(f"{name}.{key}" if name else str(key), member, only, remove_duplicate, seen)
    if not remove_duplicate:
        seen.remove(id(value))


def _apply(module: Module, fn: Callable[[Module], object], seen: set[int]) -> None:
    if id(module) not in seen:
        seen.add(id(module))
        for child in module.children():
            _apply(child, fn, seen)
        fn(module)

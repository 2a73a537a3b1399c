"""What all optimisers share: parameters in groups, saved state, and one walk over memory per step.

An optimiser is one `rule`: given a parameter's state and its group's options, it returns the function that
updates a flat piece. The walk hands it piece after piece, small enough to stay in cache through the whole
formula, so a step reads and writes each array once.
"""

from __future__ import annotations

import copy
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from ..arguments import checked, settled
from ..guard import is_held
from ..kernels.memory import Scratch
from ..kernels.piecewise import map_pieces
from ..modes import enable_grad
from ..tensor import Tensor

Update = Callable[..., None]
Task = tuple[Callable[..., object], dict[str, np.ndarray]]


class Optimizer:
    """Base of the optimisers: `params` is an iterable of Tensors, or of dicts with options of their own.

    A dict `{"params": [...], "lr": 0.1}` makes a group whose options stand before `defaults`. Parameters
    without a gradient are skipped. State is one dict per parameter, under Torch's names: arrays of the
    parameter's shape and dtype, and `step`, an int. Raises TypeError for what is not a Tensor, ValueError for
    an empty list, for a parameter given twice, for a computed (non-leaf) Tensor and for a negative option.
    A new optimiser needs a `rule`, and these three options:

    >>> import tinygrad_cnn as tg
    >>> class SignDescent(tg.optim.Optimizer):
    ...     def __init__(self, params, lr=0.5):
    ...         super().__init__(params, {"lr": lr, "weight_decay": 0.0, "maximize": False})
    ...     def rule(self, p, state, group):
    ...         def update(p, g, scratch):
    ...             p -= group["lr"] * (g > 0) - group["lr"] * (g < 0)
    ...         return update
    >>> x = tg.Tensor([1.0, -3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> SignDescent([x]).step()
    >>> x.tolist()
    [0.5, -2.5]
    """

    decoupled_weight_decay = False  # True: decay the parameter itself, not by way of the gradient

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        if isinstance(params, (Tensor, set)) or not isinstance(params, Iterable):
            raise TypeError(
                f"{self._name}: params must be an ordered iterable of Tensors or dicts, such as "
                f"model.parameters() or [tensor], but is a {type(params).__name__}"
            )
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        groups = list(params)
        if not groups:
            raise ValueError(f"{self._name}: got an empty parameter list; there is nothing to optimise")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    @property
    def _name(self) -> str:
        return type(self).__name__

    def rule(self, p: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> Update:
        """Begin a step for parameter `p`: bring its state up to date and return the formula for a piece.

        The formula is called as `update(p, g, scratch, **arrays)` with 1-D pieces: of the parameter and of the
        arrays in `state`, by name, all to be written in place; of the gradient, to be left alone; and of scratch
        memory. Pieces may run on several threads. Raises NotImplementedError in a class that has none.
        """
        raise NotImplementedError(f"{self._name} does not say how to update a parameter")

    def check_options(self, group: dict[str, Any]) -> None:
        """Raise ValueError or TypeError for options that make no sense; optimisers add their own conditions."""
        group.update(settled(type(self).__init__, self._name, {name: group[name] for name in self.defaults}))
        for name in self.defaults:
            value = group[name]
            if isinstance(value, (int, float)) and not value >= 0:
                raise ValueError(f"{self._name}: {name} must be 0 or more, but is {value}")

    @checked
    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Optimise more parameters: a dict of `params` (a Tensor or an iterable) and options.

        Raises the constructor's errors: TypeError for what is no dict or no Tensor, ValueError for a parameter given
        twice.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"{self._name}: a parameter group must be a dict, not a {_type_name(param_group)}")
        if "params" not in param_group:
            raise ValueError(f"{self._name}: a parameter group must have 'params', not only {sorted(param_group)}")
        params = param_group["params"]
        if isinstance(params, set):
            raise TypeError(f"{self._name}: a set has another order in each run; give the params in a list")
        params = [params] if isinstance(params, Tensor) else list(params)
        known = {id(p) for group in self.param_groups for p in group["params"]}
        for i, p in enumerate(params):
            if not isinstance(p, Tensor):
                raise TypeError(f"{self._name}: params[{i}] must be a Tensor, not a {_type_name(p)}")
            if not p.is_leaf:
                raise ValueError(
                    f"{self._name}: params[{i}] of shape {p.shape} was computed from other tensors; "
                    "optimise those (the leaves), or a detached copy"
                )
            if id(p) in known:
                raise ValueError(f"{self._name}: params[{i}] of shape {p.shape} is given more than once")
            known.add(id(p))
        group = {**self.defaults, **param_group, "params": params}
        self.check_options(group)
        self.param_groups.append(group)

    @checked
    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients; with `set_to_none=False` they become zeros."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad = None if set_to_none else Tensor(np.zeros_like(p.grad.data))

    @checked
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        `closure`, if given, is called first with gradients on, computes them anew, and its loss is returned.
        Raises ValueError for a gradient that has not its parameter's shape, and then changes nothing.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        due: list[tuple[Tensor, dict[str, Any]]] = []
        for i, group in enumerate(self.param_groups):
            options = {name: _plain(value) for name, value in group.items() if name != "params"}
            for j, p in enumerate(group["params"]):
                if p.grad is None:
                    continue
                if p.grad.shape != p.shape:
                    raise ValueError(
                        f"{self._name}: param_groups[{i}]['params'][{j}] has shape {p.shape}, "
                        f"but its gradient has shape {p.grad.shape}"
                    )
                due.append((p, options))
        change([p for p, _ in due], lambda i, array: self._task(due[i][0], array, due[i][1]))
        return loss

    def _task(self, parameter: Tensor, array: np.ndarray, options: dict[str, Any]) -> Task:
        """Begin a step for one parameter: what to do with each piece of its arrays, and these arrays, flat."""
        state = self.state[parameter]
        update = self.rule(array, state, options)
        gradient = parameter.grad.data  # type: ignore[union-attr]
        shared = np.may_share_memory(gradient, array)
        gradient = np.array(gradient, array.dtype, order="C", copy=True if shared else None)
        maximize, weight_decay = options["maximize"], options["weight_decay"]
        shrink = 1 - options["lr"] * weight_decay

        def update_piece(memory: Scratch, p: np.ndarray, g: np.ndarray, **state: np.ndarray) -> None:
            scratch = memory.take("scratch", p.shape, p.dtype)
            if maximize:
                g = np.negative(g, out=memory.take("gradient", p.shape, p.dtype))
            if weight_decay and self.decoupled_weight_decay:
                p *= shrink
            elif weight_decay:
                decay = np.multiply(p, weight_decay, out=scratch)
                g = np.add(g, decay, out=memory.take("gradient", p.shape, p.dtype))
            update(p, g, scratch, **state)

        arrays = {"p": array, "g": gradient, **state}
        return update_piece, {name: a.reshape(-1) for name, a in arrays.items() if isinstance(a, np.ndarray)}

    def state_dict(self) -> dict[str, Any]:
        """A copy of the state and the options, in Torch's layout; parameters are numbered in order.

        `{"state": {0: {"step": 3, "exp_avg": array, ...}, ...}, "param_groups": [{..., "params": [0, ...]}]}`
        """
        state: dict[int, dict[str, Any]] = {}
        groups: list[dict[str, Any]] = []
        count = 0
        for group in self.param_groups:
            numbers = list(range(count, count + len(group["params"])))
            count += len(numbers)
            options = copy.deepcopy({name: value for name, value in group.items() if name != "params"})
            groups.append({**options, "params": numbers})
            for number, p in zip(numbers, group["params"], strict=True):
                if self.state.get(p):
                    state[number] = copy.deepcopy(self.state[p])
        return {"state": state, "param_groups": groups}

    @checked
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` of an optimiser over the same parameters returned.

        Arrays may also be Tensors, or Torch's. Raises ValueError, and changes nothing, where groups or shapes
        do not match, for the state of another kind of optimiser, and for what is no such state at all.
        """
        try:
            self.state, self.param_groups = self._taken(state_dict)
        except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
            raise ValueError(f"{self._name}: this is no state of an optimiser: {error!r}") from error

    def _taken(self, state_dict: dict[str, Any]) -> tuple[defaultdict[Tensor, dict[str, Any]], list[dict[str, Any]]]:
        saved_groups = state_dict["param_groups"]
        sizes = [len(group["params"]) for group in self.param_groups]
        saved_sizes = [len(group["params"]) for group in saved_groups]
        if sizes != saved_sizes:
            raise ValueError(
                f"{self._name}: the saved parameter groups have {saved_sizes} parameters, these have {sizes}"
            )
        for i, saved in enumerate(saved_groups):
            self._refuse_another_optimizers(saved, i)
        numbers = [i for group in saved_groups for i in group["params"]]
        params = dict(zip(numbers, (p for group in self.param_groups for p in group["params"]), strict=True))
        state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        for number, saved in state_dict["state"].items():
            if number not in params:
                raise ValueError(
                    f"{self._name}: the saved state is of a parameter {number!r}, its groups have {numbers}"
                )
            for name, value in saved.items():
                state[params[number]][name] = self._loaded(value, name, number, params[number])
        groups = [
            {**group, **copy.deepcopy(saved), "params": group["params"]}
            for group, saved in zip(self.param_groups, saved_groups, strict=True)
        ]
        for group, own in zip(groups, self.param_groups, strict=True):
            for name in self.defaults:
                if not alike(group[name], own[name]):
                    raise ValueError(
                        f"{self._name}: the saved {name} is {group[name]!r}, where {own[name]!r} was meant"
                    )
            self.check_options(group)
        return state, groups

    def _refuse_another_optimizers(self, saved: dict[str, Any], i: int) -> None:
        """Raise ValueError for a group of another class: it lacks options, or decays weights in the other way.

        Torch's groups hold more than ours; those from before 1.11 have no `maximize`.
        """
        lacking = [name for name in self.defaults if name not in saved and name != "maximize"]
        if lacking:
            raise ValueError(
                f"{self._name}: this is the state of another optimiser: its param_groups[{i}] has no "
                f"{', '.join(lacking)}, but {', '.join(name for name in saved if name != 'params') or 'nothing'}"
            )
        if saved.get("decoupled_weight_decay", self.decoupled_weight_decay) != self.decoupled_weight_decay:
            raise ValueError(
                f"{self._name}: this is the state of another optimiser: its param_groups[{i}] has "
                f"decoupled_weight_decay={saved['decoupled_weight_decay']}, which tells Adam from AdamW"
            )

    def _loaded(self, value: Any, name: str, number: int, p: Tensor) -> Any:
        array = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
        if name == "step":
            if not array >= 0:
                raise ValueError(f"{self._name}: the saved step of parameter {number} must be 0 or more, not {value!r}")
            return int(array)
        if array.dtype.kind not in "fiub":
            raise ValueError(f"{self._name}: the saved {name} of parameter {number} holds no real numbers: {value!r}")
        if array.shape != p.shape:
            raise ValueError(
                f"{self._name}: the saved {name} of parameter {number} has shape {array.shape}, "
                f"but the parameter has {p.shape}"
            )
        with np.errstate(over="raise", invalid="raise"):
            return np.array(array, dtype=p.dtype, order="C")

    def __repr__(self) -> str:
        lines = [f"{self._name} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])


def change(tensors: Sequence[Tensor], task: Callable[[int, np.ndarray], Task]) -> None:
    """Do task(i, array) with the array of each tensor, in one walk; where tensors share memory, in as many as it takes.

    Then the first of them is changed before the next, whatever the number of threads.
    """
    for walk in _apart([tensor.data for tensor in tensors]):
        with writable([tensors[i] for i in walk]) as arrays:
            map_pieces([task(i, array) for i, array in zip(walk, arrays, strict=True)])


def _apart(arrays: Sequence[np.ndarray]) -> list[list[int]]:
    """Numbers of the arrays in walks: of two that overlap, the later one is in a later walk."""
    bounds = [byte_bounds(array) for array in arrays]
    by_start = sorted(range(len(arrays)), key=lambda i: bounds[i])
    if all(bounds[i][1] <= bounds[j][0] for i, j in itertools.pairwise(by_start)):
        return [list(range(len(arrays)))]
    walk_of: list[int] = []
    for i, (start, stop) in enumerate(bounds):
        rivals = [walk_of[j] for j in range(i) if bounds[j][0] < stop and start < bounds[j][1]]
        walk_of.append(max(rivals, default=-1) + 1)
    return [[i for i, walk in enumerate(walk_of) if walk == number] for number in range(max(walk_of) + 1)]


@contextmanager
def writable(tensors: Sequence[Tensor]) -> Iterator[list[np.ndarray]]:
    """Arrays of the tensors' values, in C order, to be changed in place; the tensors have them afterwards.

    An array that a live graph needs keeps its old values, so that gradients stay right: its tensor gets another.
    """
    arrays = []
    for tensor in tensors:
        array = tensor.data
        in_place = array.flags.writeable and array.flags.c_contiguous and not is_held(array)
        arrays.append(array if in_place else np.array(array, order="C"))
    yield arrays
    for tensor, array in zip(tensors, arrays, strict=True):
        if not tensor.data.flags.writeable or is_held(tensor.data):
            tensor.data = array
        elif tensor.data is not array:
            tensor.data[...] = array


def moving_average(mean: np.ndarray, value: np.ndarray, decay: float, scratch: np.ndarray) -> None:
    """mean <- decay * mean + (1 - decay) * value, in place; `value` may be the scratch memory itself."""
    mean *= decay
    mean += np.multiply(value, 1 - decay, out=scratch)


def alike(saved: Any, own: Any) -> bool:
    """Whether a saved value can stand for `own`: a number for a number, and as many of them under the same names."""
    if isinstance(own, dict):
        return isinstance(saved, dict) and saved.keys() == own.keys() and all(alike(saved[k], own[k]) for k in own)
    if isinstance(own, (list, tuple)):
        return isinstance(saved, (list, tuple)) and len(saved) == len(own) and all(map(alike, saved, own))
    if isinstance(own, str):
        return isinstance(saved, str)
    kinds = "b" if isinstance(own, bool) else "fiu"
    return own is None or (np.ndim(saved) == 0 and np.asarray(saved).dtype.kind in kinds)


def _plain(value: Any) -> Any:
    """A Python number: NumPy's own would turn float32 arithmetic into float64."""
    if isinstance(value, (tuple, list)):
        return tuple(_plain(v) for v in value)
    return value.item() if hasattr(value, "item") else value


def _type_name(value: Any) -> str:
    return type(value).__name__

"""Checkpoints: the whole state of a training run in one file, from which it goes on as if it had never stopped.

A state is what the `state_dict` of everything in the training gives: dicts, lists, numbers, strings, None and
arrays. In the file, a safetensors file, the arrays are numbered; the rest is json in the metadata. A run keeps its
last two checkpoints: the older one is there for the day on which the newer one is damaged.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..arguments import checked
from ..io import save
from ..io.weights import read

ARRAY = "array number"  # the key of what stands in the json in an array's place
CHECKPOINTS = ("checkpoint-1.safetensors", "checkpoint-2.safetensors")
LEAST = 30.0  # seconds of training between two checkpoints that nobody asked for
SHARE = 0.01  # of the time may go into them


class Checkpoints:
    """The last two checkpoints of the run in `folder`; a new one is written over the older.

    `step(state)`, called after each step of a training, writes one every so many steps; with `every=None`, as often as
    takes at most 1 % of the time in all.

    >>> import tempfile
    >>> from tinygrad_cnn.train import Checkpoints
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoints = Checkpoints(folder, every=2)
    ...     for step in range(1, 6):
    ...         checkpoints.step(lambda: {"step": step})
    ...     checkpoints.latest()
    ({'step': 4}, [])
    """

    @checked
    def __init__(self, folder: str | Path, every: int | None = None) -> None:
        self.folder, self.every = Path(folder), every
        self._paths = [self.folder / name for name in CHECKPOINTS]  # the next one first
        self._written = self._steps = 0  # how many
        self._begun = self._finished = time.perf_counter()  # all of it, and the last one
        self._last = self._spent = 0.0  # seconds that the last one took, and all of them

    @checked
    def step(self, state: Callable[[], Mapping[str, Any]]) -> None:
        """Count a step, and write what `state` gives if it is time."""
        self._steps += 1
        if self._due():
            self.write(state())

    def _due(self) -> bool:
        if self.every is not None:
            return self._steps % self.every == 0
        now = time.perf_counter()
        affordable = SHARE * (now - self._begun)
        return now - self._finished >= LEAST and self._spent + self._last <= affordable

    @checked
    def write(self, state: Mapping[str, Any]) -> Path:
        """Write a checkpoint, whole or not at all, over the older one of the two; gives its path."""
        path, started = self._paths[0], time.perf_counter()
        self._written += 1
        write_checkpoint(path, {"number": self._written, "state": state})
        self._paths.reverse()
        self._finished = time.perf_counter()
        self._last = self._finished - started
        self._spent += self._last
        return path

    def exist(self) -> bool:
        """Whether there is one, whole or not."""
        return any(path.exists() for path in self._paths)

    def latest(self) -> tuple[dict[str, Any], list[str]]:
        """The state in the newest checkpoint that is whole, and what is wrong with the other one, if anything.

        The next one will be written over that other one. Dicts come back with strings for keys, and tuples as lists.
        Raises FileNotFoundError where there is no checkpoint, ValueError where none is whole.
        """
        found, damaged = [], []
        for path in self._paths:
            try:
                if path.exists():
                    found.append((_numbered(path), path))
            except ValueError as error:
                damaged.append(str(error))
        if not found:
            if damaged:
                raise ValueError("; ".join(damaged))
            raise FileNotFoundError(f"{self.folder} holds no checkpoint, so there is nothing to resume")
        (self._written, state), place = max(found, key=lambda checkpoint: checkpoint[0][0])
        self._paths.sort(key=lambda path: path == place)
        return state, damaged

    def remove(self) -> None:
        """Delete both, the older one first."""
        for path in self._paths:
            path.unlink(missing_ok=True)


def _numbered(path: Path) -> tuple[int, dict[str, Any]]:
    """The number of a checkpoint of a run, and the state. Raises ValueError where the file holds anything else."""
    content = read_checkpoint(path)
    number, state = (content.get(name) for name in ("number", "state")) if isinstance(content, dict) else (None, None)
    if not isinstance(number, int) or not isinstance(state, dict):
        raise ValueError(f"{str(path)!r} is no checkpoint of a run")
    return number, state


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write a state to one file, whole or not at all. Raises TypeError for what is neither json nor an array."""
    arrays: dict[str, np.ndarray] = {}

    def numbered(value: Any) -> dict[str, str]:
        if not isinstance(value, np.ndarray):
            raise TypeError(f"a checkpoint holds json and arrays, not {type(value).__name__}: {value!r}")
        name = str(len(arrays))
        arrays[name] = value
        return {ARRAY: name}

    text = json.dumps(state, default=numbered)
    save(arrays, path, metadata={"state": text})


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The state that was written to a file. Raises FileNotFoundError, or ValueError if a single bit of it is wrong."""
    about, arrays = read(path)

    def restored(value: dict[str, Any]) -> Any:
        return arrays[value[ARRAY]] if value.keys() == {ARRAY} else value

    try:
        state: dict[str, Any] = json.loads(about.get("state", ""), object_hook=restored)
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise ValueError(f"{str(path)!r} is no checkpoint: {type(error).__name__}: {error}") from error
    return state

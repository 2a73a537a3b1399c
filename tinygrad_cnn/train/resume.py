"""Checkpoints: the whole state of a training run in one file, from which it goes on as if it had never stopped.

A state is what the `state_dict` of everything in the training gives: dicts, lists, numbers, strings, None and
arrays. In the file, a safetensors file, the arrays are numbered; the rest is json in the metadata, and beside it
stands the SHA-256 of all that. A run keeps its last two checkpoints: the older one is there for the day on which
the newer one is damaged.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..io import load, load_metadata, save

ARRAY = "array number"  # the key of what stands in the json in an array's place
FIRST = 30.0  # seconds of training before the first checkpoint that nobody asked for
SHARE = 0.01  # of the time may go into checkpoints that nobody asked for


class Checkpoints:
    """The last two checkpoints of the run in `folder`; a new one is written over the older.

    `step(state)`, called after each step of a training, writes one every so many steps; with `every=None`, as often as
    takes at most 1 % of the time.
    """

    def __init__(self, folder: str | Path, every: int | None = None) -> None:
        self.folder, self.every = Path(folder), every
        self._paths = [self.folder / f"checkpoint-{number}.safetensors" for number in (1, 2)]  # the next one first
        self._written = self._steps = 0  # how many
        self._cost, self._finished = 0.0, time.perf_counter()  # seconds that the last one took, and when it was done

    def step(self, state: Callable[[], Mapping[str, Any]]) -> None:
        """Count a step, and write what `state` gives if it is time."""
        self._steps += 1
        started = time.perf_counter()
        if self.every is None:
            due = started - self._finished >= max(FIRST, self._cost / SHARE)
        else:
            due = self._steps % self.every == 0
        if due:
            self.write(state())
            self._finished = time.perf_counter()
            self._cost = self._finished - started

    def write(self, state: Mapping[str, Any]) -> Path:
        """Write a checkpoint, whole or not at all, over the older one of the two; gives its path."""
        path = self._paths[0]
        self._written += 1
        write_checkpoint(path, {"number": self._written, "state": state})
        self._paths.reverse()
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
                    found.append((read_checkpoint(path), path))
            except ValueError as error:
                damaged.append(str(error))
        if not found:
            if damaged:
                raise ValueError("; ".join(damaged))
            raise FileNotFoundError(f"{self.folder} holds no checkpoint, so there is nothing to resume")
        newest, place = max(found, key=lambda checkpoint: int(checkpoint[0]["number"]))
        self._written = int(newest["number"])
        self._paths.sort(key=lambda path: path == place)
        return newest["state"], damaged

    def remove(self) -> None:
        """Delete both, and what a killed process may have left of one."""
        for path in [*self._paths, *self.folder.glob(".checkpoint-*.tmp")]:
            path.unlink(missing_ok=True)


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
    save(arrays, path, metadata={"state": text, "sha256": _checksum(text, arrays)})


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The state that was written to a file. Raises FileNotFoundError, or ValueError if a single bit of it is wrong."""
    about, arrays = load_metadata(path), load(path)
    text = about.get("state", "")
    if about.get("sha256") != _checksum(text, arrays):
        raise ValueError(f"{str(path)!r} is damaged: its checksum is not that of what it holds")

    def restored(value: dict[str, Any]) -> Any:
        return arrays[value[ARRAY]] if value.keys() == {ARRAY} else value

    state: dict[str, Any] = json.loads(text, object_hook=restored)
    return state


def _checksum(text: str, arrays: Mapping[str, np.ndarray]) -> str:
    checksum = hashlib.sha256(text.encode())
    for name, array in sorted(arrays.items()):
        checksum.update(f"{name} {array.dtype} {array.shape}".encode())
        checksum.update(np.ascontiguousarray(array).data)
    return checksum.hexdigest()

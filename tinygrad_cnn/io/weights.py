"""Weights in safetensors files: names and arrays, nothing that could run when it is read."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..tensor import Tensor

__all__ = ["load", "load_metadata", "save"]

PathLike = str | os.PathLike[str]


def save(
    state_dict: Mapping[str, np.ndarray | Tensor],
    path: PathLike,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write arrays by name, such as `model.state_dict()`, to a safetensors file that Torch's users can read.

    The file appears whole or not at all: a crash leaves an earlier file as it was. `metadata` maps strings to
    strings. Raises TypeError for what is not arrays by name, FileNotFoundError if the folder is missing.

    >>> import os, tempfile
    >>> import tinygrad_cnn as tg
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "w.safetensors")
    ...     tg.save(tg.nn.Linear(2, 1).state_dict(), path)
    ...     {name: array.shape for name, array in tg.load(path).items()}
    {'bias': (1,), 'weight': (1, 2)}
    """
    from safetensors.numpy import save as to_bytes

    if not isinstance(state_dict, Mapping):
        hint = "; pass its state_dict()" if hasattr(state_dict, "state_dict") else ""
        raise TypeError(f"save: expected a dict of arrays by name, got {type(state_dict).__name__}{hint}")
    arrays = {name: _plain_array(name, value) for name, value in state_dict.items()}
    for key, text in (metadata or {}).items():
        if not (isinstance(key, str) and isinstance(text, str)):
            raise TypeError(f"save: metadata maps strings to strings, not {key!r} to {text!r}")
    write_atomically(Path(path), to_bytes(arrays, metadata=dict(metadata) if metadata else None))


def load(path: PathLike) -> dict[str, np.ndarray]:
    """Read the arrays of a safetensors file, by name; bfloat16, which NumPy lacks, as the float32 of the same values.

    Raises FileNotFoundError if there is no such file, ValueError if it is damaged or not of this format.
    """
    with _opened(path) as file:
        kinds = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118 - not a dict
        halves = _bfloat16(path) if "BF16" in kinds.values() else {}
        return {name: halves[name] if kind == "BF16" else file.get_tensor(name) for name, kind in kinds.items()}


def load_metadata(path: PathLike) -> dict[str, str]:
    """Read the strings that were saved beside the arrays. Raises as `load` does."""
    with _opened(path) as file:
        return dict(file.metadata() or {})


def _bfloat16(path: PathLike) -> dict[str, np.ndarray]:
    """The bfloat16 arrays of a file that safetensors has found sound: the upper halves of float32 numbers."""
    content = np.asarray(np.memmap(path, np.uint8, "r"))  # read as far as it is looked at
    start = 8 + int.from_bytes(content[:8].tobytes(), "little")
    found = {}
    for name, entry in json.loads(content[8:start].tobytes()).items():
        if name != "__metadata__" and entry["dtype"] == "BF16":
            first, last = (start + offset for offset in entry["data_offsets"])
            bits = content[first:last].view("<u2").astype(np.uint32)
            bits <<= 16
            found[name] = bits.view(np.float32).reshape(entry["shape"])
    return found


def _plain_array(name: Any, value: Any) -> np.ndarray:
    """In memory order, as the format stores it."""
    if not isinstance(name, str):
        raise TypeError(f"save: names must be strings, not {name!r}")
    array = np.asarray(value.data if isinstance(value, Tensor) else value, order="C")
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        raise TypeError(f"save: {name!r} must hold real numbers of at most 64 bits, not {array.dtype}")
    return array


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all. Raises FileNotFoundError where its folder is missing."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {os.fspath(path.parent)!r} to write to")
    if path.is_dir():
        raise IsADirectoryError(f"{os.fspath(path)!r} is a folder, not a file to write")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _opened(path: PathLike) -> Iterator[Any]:
    """A safetensors reader, whose every complaint about the file becomes a ValueError that names it."""
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {os.fspath(path)!r} to load weights from")
    with open(path, "rb"):  # safetensors itself calls a file that may not be read one that is not there
        pass
    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except (SafetensorError, TypeError, AttributeError) as error:  # the last two: a dtype that NumPy lacks
        raise ValueError(f"{os.fspath(path)!r} is no safetensors file that can be read: {error}") from error

"""Weights in safetensors files: names and arrays, nothing that could run when it is read.

A file that `save` wrote holds, in its metadata, the SHA-256 of all the rest, and a file that has one is checked
against it whenever it is read. Files of other programs have none, and are read as they are.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..arguments import checked
from ..dtypes import array_of
from ..files import write_file

__all__ = ["load", "load_metadata", "save"]

Arrays = Mapping[str, Any]  # by name
PathLike = str | os.PathLike[str]
# The format's types that arrays can be made of.
KINDS = {"BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64", "F16", "BF16", "F32", "F64", "C64"}
CHECKSUM = "tinygrad_cnn.sha256"  # its key, and how its value begins: no single wrong bit hides both


@checked
def save(
    state_dict: Arrays,
    path: PathLike,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write arrays (or Tensors, also PyTorch's) by name, such as `model.state_dict()`, to a safetensors file.

    The file appears whole or not at all: a crash or a full disk leaves an earlier file as it was. `metadata` maps
    strings to strings. Raises TypeError for what is not arrays by name, ValueError for a name that the format keeps for
    itself, FileNotFoundError if the folder is missing, OSError where it can't be written.

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
    about = texts(metadata, "save")
    about.pop(CHECKSUM, None)  # of the file that they come from
    write_atomically(Path(path), to_bytes(arrays, metadata={**about, CHECKSUM: _checksum(about, arrays)}))


@checked
def load(path: PathLike) -> dict[str, np.ndarray]:
    """Read the arrays of a safetensors file, by name; bfloat16, which NumPy lacks, as the float32 of the same values.

    Raises FileNotFoundError if there is no such file, ValueError if it is damaged, not of this format, or holds numbers
    that NumPy has no other type for.

    >>> import os, tempfile
    >>> import tinygrad_cnn as tg
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "w.safetensors")
    ...     tg.save({"scale": tg.Tensor([1.0, 2.0])}, path)
    ...     tg.load(path)
    {'scale': array([1., 2.], dtype=float32)}
    """
    return read(path)[1]


@checked
def load_metadata(path: PathLike) -> dict[str, str]:
    """Read the strings that were saved beside the arrays. Raises as `load` does.

    >>> import os, tempfile
    >>> from tinygrad_cnn import io
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "w.safetensors")
    ...     io.save({}, path, metadata={"model": "AgeCNN"})
    ...     io.load_metadata(path)
    {'model': 'AgeCNN'}
    """
    return read(path)[0]


def read(path: PathLike) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Metadata and arrays, which are what was saved if the file has a checksum. Raises as `load` does."""
    with _opened(path) as file:
        about = dict(file.metadata() or {})
        kinds = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118 - not a dict
        if strange := [f"{name!r} in {kind}" for name, kind in kinds.items() if kind not in KINDS]:
            raise ValueError(f"{os.fspath(path)!r} holds {strange[0]}, which NumPy has no type for; save it in another")
        halves = _bfloat16(path) if "BF16" in kinds.values() else {}
        arrays = {name: halves[name] if kind == "BF16" else file.get_tensor(name) for name, kind in kinds.items()}
    has_checksum = CHECKSUM in about or any(text.startswith(CHECKSUM) for text in about.values())
    if about.pop(CHECKSUM, None) != (_checksum(about, arrays) if has_checksum else None):
        raise ValueError(
            f"{os.fspath(path)!r} is damaged: its checksum is not that of what it holds; a program that changes it on "
            f"purpose should leave {CHECKSUM!r} out of its metadata"
        )
    return about, arrays


def _checksum(about: Mapping[str, str], arrays: Mapping[str, np.ndarray]) -> str:
    """Of names, types, shapes and values, in the order of the names, and of what is said about them."""
    checksum = hashlib.sha256(json.dumps(sorted(about.items())).encode())
    for name, array in sorted(arrays.items()):
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)  # as the file has it
        checksum.update(json.dumps([name, array.dtype.name, array.shape]).encode())
        checksum.update(np.ascontiguousarray(array).data)
    return f"{CHECKSUM}:{checksum.hexdigest()}"


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


def texts(metadata: Mapping[str, str] | None, taker: str) -> dict[str, str]:
    """A copy of what goes into a file beside arrays. TypeError for what does not map strings to strings."""
    if not isinstance(metadata, Mapping | None):
        raise TypeError(f"{taker}: metadata maps strings to strings, got {type(metadata).__name__}")
    for key, text in (metadata or {}).items():
        if not (isinstance(key, str) and isinstance(text, str)):
            raise TypeError(f"{taker}: metadata maps strings to strings, not {key!r} to {text!r}")
    return dict(metadata or {})


def _plain_array(name: Any, value: Any) -> np.ndarray:
    """In memory order, as the format stores it."""
    if not isinstance(name, str):
        raise TypeError(f"save: names must be strings, not {name!r}")
    if name == "__metadata__":
        raise ValueError("save: the format keeps the name '__metadata__' for itself")
    try:
        array = np.asarray(array_of(value), order="C")
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"save: {name!r} is no array: {error}") from error
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        raise TypeError(f"save: {name!r} must hold real numbers of at most 64 bits, not {array.dtype}")
    return array


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all. Raises OSError: FileNotFoundError where its folder is missing."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {os.fspath(path.parent)!r} to write to")
    if path.is_dir():
        raise IsADirectoryError(f"{os.fspath(path)!r} is a folder, not a file to write")
    write_file(path, content)


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
    except SafetensorError as error:
        raise ValueError(f"{os.fspath(path)!r} is no safetensors file that can be read: {error}") from error

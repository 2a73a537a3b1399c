"""Files that are wrong in every way that we could think of: a seeded mutator of bytes, of json, and of state.

`mutated_bytes` breaks any file; `mutated_safetensors` also knows the format, and lies in its header: 8 bytes of length,
so much json, then the arrays' bytes.
"""

from __future__ import annotations

import copy
import json
import struct
from typing import Any

import numpy as np

LENGTHS = [0, 1, 7, 8, 2**15, 2**31 - 1, 2**31, 2**32, 10**8, 10**8 + 1, 2**60, 2**63 - 1, 2**63, 2**64 - 1]
DTYPES = ["F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "U16", "U32", "U64", "BOOL", "C64",
          "F8_E4M3", "F8_E5M2", "F8_E8M0", "F4", "F6_E2M3", "f32", "float32", "O", "object", "", "V8"]  # fmt: skip
NAMES = ["__class__", "__metadata__", "__proto__", "__init__", "", "/", "../../outside", "a/b", "a\0b", "\ud800", "\n",
         "é" * 50, "x" * 10_000, "conv1.weight", "0", "-1", "array number", "state", "sha256"]  # fmt: skip
NUMBERS = [0, 1, -1, 2, 7, 255, 10**6, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 2**64 - 1, -(2**63), 10**400,
           0.5, -0.0, 1e-320, 1e308, float("nan"), float("inf"), -float("inf")]  # fmt: skip
TEXTS = ["", "0", "-1", "3000", "65536", "1" + "0" * 9, "nan", "inf", "1e999", "9" * 400, "9" * 5000, "1_0",
         " 7 ", "٣", "null", "true", "[]", "{}",
         "[1,2]", '["a"]', '["a","a"]', '["\\ud800", "b"]', "[" * 5000, '{"a":' * 5000, "regression", "expected",
         "binary", "classes", "several", "AgeCNN", "AgeResNet", "__class__"]  # fmt: skip


def mutated_bytes(content: bytes, rng: np.random.Generator) -> bytes:
    """The content with one to three pieces of it flipped, cut off, put in, taken out, doubled or overwritten."""
    for _ in range(rng.integers(1, 4)):
        start = int(rng.integers(len(content) + 1))
        stop = min(len(content), start + int(2 ** rng.uniform(0, 8)))
        kind = rng.integers(6)
        if kind == 0 and content:
            flipped = bytearray(content)
            flipped[start - 1] ^= 1 << int(rng.integers(8))
            content = bytes(flipped)
        elif kind == 1:
            content = content[:start]
        elif kind == 2:
            content = content[:start] + rng.bytes(stop - start) + content[start:]
        elif kind == 3:
            content = content[:start] + content[stop:]
        elif kind == 4:
            content = content[:stop] + content[start:]
        else:
            filling = bytes([int(rng.choice([0, 32, 34, 48, 91, 123, 255]))])
            content = content[:start] + filling * (stop - start) + content[stop:]
    return content


def mutated_safetensors(content: bytes, rng: np.random.Generator) -> bytes:
    """A safetensors file with other bytes, a header that lies about its length, or one that lies in its json."""
    kind = rng.integers(10)
    if kind < 3:
        return mutated_bytes(content, rng)
    (length,) = struct.unpack("<Q", content[:8])
    header, body = content[8 : 8 + length], content[8 + length :]
    if kind < 4:
        near = length + int(rng.integers(-9, 10))
        return struct.pack("<Q", pick(rng, [*LENGTHS, max(0, near)])) + header + body
    if kind < 5:
        header = mutated_bytes(header, rng)
    else:
        tree = json.loads(header)
        for _ in range(rng.integers(1, 3)):
            tree = mutated_json(tree, rng)
        text = json.dumps(tree, default=np.ndarray.tolist)
        if rng.random() < 0.2:  # a name twice
            text = "{" + ", ".join(part for part in (text[1:-1], text[1:-1]) if part) + "}"
        header = text.encode()
    return struct.pack("<Q", len(header)) + header + body


def mutated_json(tree: Any, rng: np.random.Generator) -> Any:
    """What json.loads gave, with one value or name of it replaced, taken out, doubled, or exchanged with another.

    Values next to it count as likely ones; lists of numbers, such as shapes and offsets, get wild numbers.
    """
    tree = copy.deepcopy(tree)
    places = list(_places(tree))
    if not places:
        return pick(rng, [None, [], {}, 7, "text", NUMBERS])
    holder, key = places[rng.integers(len(places))]
    other_holder, other_key = places[rng.integers(len(places))]
    kind = rng.integers(8)
    if kind < 4:
        holder[key] = wild(holder[key], rng)
    elif kind == 4:
        del holder[key]
    elif kind == 5:
        holder[key] = copy.deepcopy(other_holder[other_key])
    elif kind == 6 and isinstance(holder, dict):
        holder[pick(rng, NAMES)] = holder.pop(key)
    elif isinstance(holder, list):
        holder.insert(int(key), pick(rng, NUMBERS))
    else:
        holder[pick(rng, NAMES)] = wild(holder[key], rng)
    return tree


def wild(value: Any, rng: np.random.Generator) -> Any:
    """Something that may stand, or should not, where `value` stood."""
    if rng.random() < 0.25:
        return pick(rng, [None, True, [], {}, [[]], {"a": 1}, "text", 0, deep(300), [1] * 5000, np.zeros((2, 0))])
    if isinstance(value, bool) or value is None:
        return pick(rng, NUMBERS)
    if isinstance(value, int | float):
        return pick(rng, [value + 1, value - 1, -value, 2 * value, *NUMBERS])
    if isinstance(value, str):
        return pick(rng, [value[:-1], value + "x", value * 2, *DTYPES, *NAMES, *TEXTS])
    if isinstance(value, list):
        return pick(rng, [value[::-1], value[:-1], value * 2, [*value, 0], [float(len(value))] * 2, NUMBERS[:5]])
    if isinstance(value, np.ndarray):
        return wild_array(value, rng)
    return pick(rng, [list(value), str(value), {}, None])


def wild_array(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An array with another shape, type or values."""
    with np.errstate(all="ignore"):
        filled = array.astype(np.float64) * 0 + pick(rng, [number for number in NUMBERS if number != 10**400])
        return pick(rng, [
            filled, array.astype(np.int8), array.astype(bool), array.astype(np.float16), array.reshape(-1)[:-1],
            array[None], array.T, np.zeros((0,)), np.float32(array.size), filled.astype(np.float32), -array.astype(int),
        ])  # fmt: skip


def pick(rng: np.random.Generator, choices: list[Any]) -> Any:
    """One of the choices, itself."""
    return choices[rng.integers(len(choices))]


def deep(levels: int) -> list[Any]:
    """A list in a list in a list."""
    nested: list[Any] = []
    for _ in range(levels):
        nested = [nested]
    return nested


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Every holder and key of a value in nested dicts and lists."""
    if not isinstance(tree, dict | list):
        return []
    keys = list(tree) if isinstance(tree, dict) else range(min(len(tree), 20))
    found = [(tree, key) for key in keys]
    return found + [place for key in keys for place in _places(tree[key])]

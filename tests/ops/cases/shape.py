"""Operations that move elements: shapes, axes, indexing, joining, padding."""

import numpy as np

import tinygrad_cnn as tg
from tests.ops.cases.case import Case, case, normal

INDICES = {
    "an int": 1,
    "a negative int": -1,
    "a slice": slice(1, 3),
    "a slice with a step": slice(None, None, 2),
    "a slice backwards": slice(None, None, -1),
    "an empty slice": slice(2, 2),
    "None": None,
    "Ellipsis": (..., 0),
    "all sorts": (slice(1, None), None, 1, ...),
    "a list": [0, 2],
    "an integer array": np.array([[0, 1], [2, 0]]),
    "an array with repeats": np.array([1, 1, 1, 0]),
    "a negative array": np.array([-1, 0, -1]),
    "two arrays": (np.array([0, 2, 0]), np.array([1, 0, 1])),
    "arrays that broadcast": (np.array([[0], [2]]), np.array([1, 0])),
    "arrays apart": (np.array([0, 2]), slice(None), np.array([1, 1])),
    "an array and an int": (np.array([0, 2, 2]), 1),
    "an array of one number": np.array(2),
    "no indices": np.array([], np.int64),
    "a mask": np.array([True, False, True]),
    "a mask of all axes": np.arange(12).reshape(3, 2, 2) % 3 == 0,
    "a mask and a slice": (slice(None), np.array([True, False]), slice(0, 1)),
    "an empty mask": np.zeros(3, bool),
    "a bool": True,
    "a Tensor": tg.Tensor(np.array([2, 0, 2])),
    "a Tensor mask": tg.Tensor(np.array([True, False, True])),
}
PADS = [(1, 2), (0, 1), (1, 0, 2, 1), (-1, 2), (0, 0), (-1, -1, 1, 0)]


CASES: list[Case] = [
    case("reshape", lambda x: x.reshape(3, -1), normal(2, 3)),
    case("reshape to a number", lambda x: x.reshape(()), normal(1, 1)),
    case("reshape of nothing", lambda x: x.reshape(3, 0), normal(0, 2)),
    case("reshape of a transposed tensor", lambda x: x.T.reshape(6), normal(2, 3)),
    case("view", lambda x: x.view(2, 3), normal(6)),
    case("flatten", lambda x: x.flatten(1), normal(2, 2, 2)),
    case("flatten of a number", lambda x: x.flatten(), normal()),
    case("squeeze", lambda x: x.squeeze(), normal(1, 3, 1)),
    case("squeeze(0)", lambda x: x.squeeze(0), normal(1, 3, 1)),
    case("squeeze((0, 1))", lambda x: x.squeeze((0, 1)), normal(1, 3, 1)),
    case("unsqueeze(1)", lambda x: x.unsqueeze(1), normal(2, 3)),
    case("unsqueeze(-1)", lambda x: x.unsqueeze(-1), normal(2)),
    case("transpose", lambda x: x.transpose(0, -1), normal(2, 3, 2)),
    case("permute", lambda x: x.permute(2, 0, 1), normal(2, 3, 2)),
    case("permute by negative axes", lambda x: x.permute(-1, 0, -2), normal(2, 3, 2)),
    case("reverse_axes", lambda x: x.T, normal(2, 3, 2)),
    case("matrix_transpose", lambda x: x.mT, normal(2, 3, 2)),
    case("flip(0)", lambda x: x.flip(0), normal(2, 3)),
    case("flip(0, -1)", lambda x: x.flip((0, -1)), normal(2, 3)),
    case("flip of no axis", lambda x: x.flip(()), normal(2, 3)),
    case("expand", lambda x: x.expand(2, -1, 3), normal(2, 1)),
    case("expand of a number", lambda x: x.expand(2, 2), normal()),
    case("expand to nothing", lambda x: x.expand(0, 3), normal(1, 3)),
    case("broadcast_to", lambda x: tg.broadcast_to(x, (3, 2, 2)), normal(2, 1)),
    *(case(f"getitem with {name}", lambda x, i=i: x[i], normal(3, 2, 2)) for name, i in INDICES.items()),
    *(
        case(
            f"setitem with {name}",
            lambda x, v, i=i: tg.ops.setitem(x, i, v),
            normal(3, 2, 2),
            normal(*np.ones((3, 2, 2))[i.data if isinstance(i, tg.Tensor) else i].shape),
        )
        for name, i in INDICES.items()
    ),
    case("setitem with a number", lambda x: tg.ops.setitem(x, 0, 2.0), normal(3, 2)),
    case("setitem, broadcast", lambda x, v: tg.ops.setitem(x, slice(1, 3), v), normal(3, 2), normal(2)),
    case("setitem with leading axes of length 1", lambda x, v: tg.ops.setitem(x, 1, v), normal(3, 2), normal(1, 1, 2)),
    case("setitem at repeated places", lambda x, v: tg.ops.setitem(x, [0, 1, 0], v), normal(3), normal(3)),
    case("setitem, broadcast to repeated places", lambda x, v: tg.ops.setitem(x, [0, 0], v), normal(3), normal()),
    case("getitem twice", lambda x: x[1:][:, 0], normal(3, 2)),
    case("gather(0)", lambda x, i: x.gather(0, i), normal(3, 2), [[0, 2], [0, 1]]),
    case("gather(-1) with repeats", lambda x, i: x.gather(-1, i), normal(2, 3), [[0, 0, 2, 2], [1, 1, 1, 0]]),
    case("gather of a number", lambda x, i: x.gather(0, i), normal(), 0),
    case("gather of fewer rows", lambda x, i: x.gather(1, i), normal(3, 2), [[1], [0]]),
    case("take_along_dim", lambda x, i: tg.take_along_dim(x, i, 1), normal(2, 3), [[2], [0]]),
    case("cat", lambda a, b, c: tg.cat([a, b, c], 1), normal(2, 1), normal(2, 0), normal(2, 3)),
    case("cat of one", lambda a: tg.cat([a], -1), normal(2, 2)),
    case("cat of a tensor with itself", lambda a: tg.cat([a, a * 2, a]), normal(2)),
    case("cat with a constant", lambda a: tg.cat([tg.zeros(2, dtype=a.dtype), a]), normal(2)),
    case("stack", lambda a, b: tg.stack([a, b], -1), normal(2, 2), normal(2, 2)),
    case("stack of numbers", lambda a, b: tg.stack([a, b]), normal(), normal()),
    case("split", lambda x: x.split(2, 1), normal(2, 5)),
    case("split into sections", lambda x: x.split([1, 0, 3]), normal(4)),
    case("split, one part used", lambda x: x.split(2)[1], normal(5)),
    case("chunk", lambda x: x.chunk(3, 1), normal(2, 5)),
    *(
        case(f"pad({p}, {mode})", lambda x, p=p, mode=mode: tg.pad(x, p, mode), normal(3, 4))
        for mode in ("constant", "reflect", "replicate", "circular")
        for p in PADS
    ),
    case("pad with a value", lambda x: tg.pad(x, (1, 1), value=3.0), normal(2, 2)),
    case("pad of nothing", lambda x: tg.pad(x, (1, 1)), normal(2, 0)),
]

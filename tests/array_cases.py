"""Where every NumPy function that takes Tensors is tried: by function, with its arguments spelled NumPy's way."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.ops.cases.case import Case, case, normal, positive

M, N, CUBE = normal(2, 3), normal(2, 3), normal(2, 3, 2)
BESIDE = "beside a float64 array"
INDEX = np.array([[1, 0, 2], [2, 2, 0]])


def one(function: Any, *inputs: np.ndarray) -> list[Case]:
    return [case(function.__name__, function, *inputs)]


def each(function: Any, x: np.ndarray, *calls: dict[str, Any] | tuple[Any, ...]) -> list[Case]:
    """The function with different options (a dict) or further positional arguments (a tuple)."""
    return [
        case(
            f"{function.__name__} {call}",
            lambda x, call=call: function(x, **call) if isinstance(call, dict) else function(x, *call),
            x,
        )
        for call in calls
    ]


def of_many(function: Any, *options: dict[str, Any]) -> list[Case]:
    """A function of a list of arrays: three Tensors, and Tensors beside a plain array."""
    tensors = [case(f"{function.__name__} {o}", lambda a, b, o=o: function([a, b, a], **o), M, N) for o in options]
    mixed = [case(f"{function.__name__} {o} {BESIDE}", lambda a, o=o: function([a, N, a], **o), M) for o in options]
    return tensors + mixed


REDUCED: list[dict[str, Any]] = [
    {}, {"axis": 0}, {"axis": np.int64(-1)}, {"axis": (0, 2)}, {"axis": ()}, {"axis": 1, "keepdims": True},
    {"keepdims": True},
]  # fmt: skip
TWO_FLOATS = [np.add, np.subtract, np.multiply, np.divide, np.remainder, np.floor_divide, np.maximum, np.minimum,
              np.hypot, np.logaddexp]  # fmt: skip
COMPARED = [np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal]
LOGIC = [np.logical_and, np.logical_or, np.logical_xor]
BITS = [np.bitwise_and, np.bitwise_or, np.bitwise_xor]
ANY_FLOAT = [
    np.negative, np.positive, np.absolute, np.square, np.exp, np.expm1, np.exp2, np.sin, np.cos, np.tanh, np.sign,
    np.floor, np.ceil, np.rint, np.trunc, np.tan, np.sinh, np.cosh, np.deg2rad, np.radians, np.rad2deg, np.degrees,
    np.fabs, np.conjugate, np.isnan, np.isinf, np.isfinite, np.logical_not,
]  # fmt: skip
POSITIVE = [np.sqrt, np.reciprocal, np.log, np.log1p, np.log2, np.log10]

CASES: dict[Any, list[Case]] = {
    **{f: one(f, M, normal(3)) + one(f, M, positive(2, 1)) for f in TWO_FLOATS + COMPARED + LOGIC},
    **{f: one(f, INDEX, np.array([3, 1, 2])) for f in BITS},
    **{f: one(f, M) + one(f, normal()) + one(f, normal(0, 2)) for f in ANY_FLOAT},
    **{f: one(f, positive(2, 3)) for f in POSITIVE},
    np.power: one(np.power, positive(2, 3), normal(3)),
    np.invert: one(np.invert, INDEX) + one(np.invert, INDEX > 1),
    np.vecdot: one(np.vecdot, M, normal(3)) + one(np.vecdot, normal(3), CUBE.swapaxes(1, 2)),
    np.matmul: one(np.matmul, M, normal(3, 2)) + one(np.matmul, normal(3), CUBE),
    **{f: each(f, CUBE, *REDUCED) for f in (np.sum, np.mean, np.prod, np.max, np.amax, np.min, np.amin, np.ptp)},
    np.var: each(np.var, CUBE, *REDUCED, {"axis": 1, "ddof": 1}),
    np.std: each(np.std, CUBE, *REDUCED[:4], *REDUCED[5:], {"axis": 1, "ddof": 1}, {"ddof": 0.5}),
    np.cumsum: each(np.cumsum, CUBE, {}, {"axis": 1}, (-1,)),
    np.linalg.norm: each(
        np.linalg.norm, M, {}, {"axis": 0}, {"ord": 1, "axis": np.int64(1)}, {"ord": np.inf, "axis": (0,)},
        {"ord": "fro"}, {"axis": (0, 1), "keepdims": True}, (3, -1),
    ) + one(np.linalg.norm, normal(4)) + one(np.linalg.norm, CUBE),
    np.expand_dims: each(np.expand_dims, M, (1,), ((0, -1),)),
    np.ravel: each(np.ravel, M, (), ("F",), {"order": "C"}),
    np.reshape: each(np.reshape, M, (6,), ((3, -1),), ((3, 2), "F")),
    np.squeeze: each(np.squeeze, normal(1, 3, 1), (), (0,), {"axis": (0, 2)}),
    np.matrix_transpose: one(np.matrix_transpose, CUBE),
    np.moveaxis: each(np.moveaxis, CUBE, (0, -1), ([0, 1], [2, 0])),
    np.rollaxis: each(np.rollaxis, CUBE, (2,)),
    np.swapaxes: each(np.swapaxes, CUBE, (0, 2)),
    np.transpose: each(np.transpose, CUBE, (), ((1, -1, 0),), {"axes": None}),
    np.array_split: each(np.array_split, M, (2, 1), ([1], 1)),
    np.split: each(np.split, M, (3, 1), ([2, 1], 1), {"indices_or_sections": 2}),
    np.dsplit: each(np.dsplit, CUBE, (2,)),
    np.hsplit: each(np.hsplit, M, (3,)),
    np.vsplit: each(np.vsplit, M, (2,)),
    np.delete: each(np.delete, M, (1, 1), ([0, 4],)),
    np.diag: each(np.diag, normal(3), (), (1,)) + each(np.diag, M, (), (-1,)),
    np.diagflat: one(np.diagflat, M),
    np.diagonal: each(np.diagonal, CUBE, (), (1, 0, 1)),
    np.trace: each(np.trace, CUBE, (), (1, 1, 2)),
    np.flip: each(np.flip, M, (), (0,), ((0, 1),)),
    **{f: one(f, M) for f in (np.fliplr, np.flipud, np.rot90, np.atleast_1d, np.atleast_2d, np.copy)},
    np.atleast_3d: one(np.atleast_3d, M) + one(np.atleast_3d, normal(3), normal()),
    np.repeat: each(np.repeat, M, (2,), (2, 0), ([1, 0, 2], 1)),
    np.resize: each(np.resize, M, ((3, 3),)),
    np.roll: each(np.roll, M, (1,), (-1, 1), ((1, 2), (0, 1))),
    np.tile: each(np.tile, M, (2,), ((2, 1, 2),)),
    np.tril: each(np.tril, M, (), (-1,)),
    np.triu: each(np.triu, CUBE, (), (1,)),
    np.take: each(np.take, M, (1,), (INDEX,), ([0, 0], 1), {"indices": 7, "mode": "wrap"}),
    np.take_along_axis: each(np.take_along_axis, M, (INDEX, 1), (np.array([5, 0]), None), (INDEX[:, :1], -1)),
    np.sort: each(np.sort, M, (), (0,), {"axis": None}, {"kind": "stable"}, {"stable": True}),
    np.diff: each(np.diff, M, (), (1, 0), {"n": 2}, {"n": 0, "axis": -2}),
    np.append: [*each(np.append, M, (5.0,), ([[1.0, 2.0, 3.0]], 0)), *one(np.append, M, N)],
    np.concatenate: of_many(np.concatenate, {}, {"axis": 1}, {"axis": None}),
    np.stack: of_many(np.stack, {}, {"axis": -1}),
    **{f: of_many(f, {}) for f in (np.vstack, np.hstack, np.dstack)},
    np.column_stack: [*of_many(np.column_stack, {}),
                      case("column_stack of rows", lambda a, b: np.column_stack((a, b)), normal(3), normal(3))],
    np.broadcast_to: each(np.broadcast_to, normal(3), ((2, 3),), (3,)),
    np.broadcast_arrays: one(np.broadcast_arrays, normal(3), normal(2, 1)),
    np.where: [case("where", lambda a, b: np.where(INDEX > 1, a, b), M, normal(3)),
               case("where beside a number", lambda a: np.where(INDEX > 1, 2.0, a), M),
               case("where of a condition", lambda c: np.where(c)[0], INDEX > 1)],
    np.clip: [*each(np.clip, M, (-0.5, 0.5), (None, 0.1), {"a_min": -1, "a_max": None}),
              case("clip to tensors", lambda x, a: np.clip(x, a, 2.0), M, normal(3))],
    np.round: each(np.round, M * 100, (), (1,), {"decimals": -1}) + each(np.round, INDEX * 17, (-1,)),
    np.around: each(np.around, M, (2,)),
    np.pad: each(
        np.pad, M, (1,), (((1, 0), (0, 2)),), {"pad_width": 1, "constant_values": 4.0},
        {"pad_width": 1, "mode": "reflect"}, (1, "edge"), (2, "wrap"), (1, "symmetric"),
    ),
    np.dot: [c for a, b in [(M, normal(3)), (M, normal(3, 2)), (normal(3), normal(3)), (M, normal()),
                            (CUBE, normal(2, 2, 3)), (normal(2), CUBE[:, :2])] for c in one(np.dot, a, b)],
    np.inner: one(np.inner, M, N) + one(np.inner, normal(3), normal(3)) + one(np.inner, normal(), M),
    np.outer: one(np.outer, M, normal(2)),
    np.vdot: one(np.vdot, M, normal(6)),
    np.tensordot: [case(f"tensordot {axes}", lambda a, b, x=axes: np.tensordot(a, b, x), CUBE, b) for axes, b in [
        (2, normal(3, 2, 2)), (0, M), (1, normal(2, 3)), ((0, 1), normal(3, 2)), (([0, 1], [1, 0]), normal(3, 2)),
        (([-1], [0]), normal(2)), (([0, 1, 2], [0, 1, 2]), normal(2, 3, 2)),
        (np.int64(1), normal(2, 3)),
    ]],
    np.einsum: [case("einsum", lambda a, b: np.einsum("ij,kj->ik", a, b, optimize=True), M, N)],
    **{f: each(f, M, (), {"axis": 1}) for f in (np.argmax, np.argmin, np.argsort, np.all, np.any)},
    **{f: one(f, M) for f in (np.zeros_like, np.ones_like, np.argwhere, np.flatnonzero, np.nonzero, np.count_nonzero)},
    **{f: one(f, M) for f in (np.shape, np.ndim, np.size, np.iscomplexobj, np.isrealobj, np.result_type)},
    **{f: one(f, M) for f in (np.array_repr, np.array_str, np.array2string)},
    **{f: one(f, M, M) for f in (np.isclose, np.allclose, np.array_equal, np.array_equiv)},
    **{f: [case(f.__name__, lambda x, f=f: f(x, x), M)] for f in (np.shares_memory, np.may_share_memory)},
    np.can_cast: [case("can_cast", lambda x: np.can_cast(x, np.float64), M)],
    np.empty_like: [case("empty_like", lambda x: np.empty_like(x).shape, M)],
}  # fmt: skip

if hasattr(np, "unstack"):  # since NumPy 2.1
    CASES[np.astype] = [case("astype", lambda x: np.astype(x, np.float64, copy=False), M)]
    CASES[np.clip] += each(np.clip, M, {"min": 0.2}, {"max": 0.2}, (None, None))
    CASES[np.unstack] = each(np.unstack, M, (), {"axis": 1})

"""Arithmetic and functions of each element, over shapes that broadcast."""

import numpy as np

import tinygrad_cnn as tg
from tests.ops.cases.case import Case, between, case, normal, positive

BROADCASTING = [
    ((2, 3), (2, 3)),
    ((2, 3), (3,)),
    ((3,), (2, 3)),
    ((2, 1), (1, 3)),
    ((2, 1, 2), (3, 1)),
    ((), (2,)),
    ((2, 2), ()),
    ((), ()),
    ((0, 3), (3,)),
    ((0, 1), (1, 2)),
]
BOTH = [tg.add, tg.sub, tg.mul, tg.div, tg.pow, tg.maximum, tg.minimum, tg.remainder]
ANYWHERE = [
    tg.neg,
    tg.exp,
    tg.expm1,
    tg.square,
    tg.abs,
    tg.sign,
    tg.floor,
    tg.ceil,
    tg.round,
    tg.sin,
    tg.cos,
    tg.tanh,
    tg.sigmoid,
    tg.erf,
    tg.softplus,
    tg.relu,
    tg.clone,
    tg.ops.contiguous,
    tg.reciprocal,
]
POSITIVE_ONLY = [tg.log, tg.log1p, tg.sqrt, tg.rsqrt]

CASES: list[Case] = [
    *(case(f"{op.__name__}{a}{b}", op, positive(*a), between(2, 3, *b)) for op in BOTH for a, b in BROADCASTING),
    *(case(f"{op.__name__}{s}", op, normal(*s)) for op in ANYWHERE for s in [(2, 3), (), (0, 2)]),
    *(case(f"{op.__name__}{s}", op, positive(*s)) for op in POSITIVE_ONLY for s in [(2, 3), (), (0, 2)]),
    case(
        "tanh, sigmoid, erf and softplus far out",
        lambda x: [f(x) for f in (tg.tanh, tg.sigmoid, tg.erf, tg.softplus)],
        [-9.0, -3.0, 3.0, 9.0],
    ),
    case("add of a number", lambda x: 2 + x + 3, normal(3)),
    case("sub from a number", lambda x: 2 - x - 3, normal(3)),
    case("mul with a number", lambda x: 2 * x * 3, normal(3)),
    case("div of a number", lambda x: 2 / x / 3, positive(3)),
    case("add of an array", lambda x: np.ones((2, 3), x.dtype) + x, normal(3)),
    case("mul with an array", lambda x: x * np.arange(3, dtype=x.dtype) * np.float64(2), normal(3)),
    case("add of a tensor to itself", lambda x: x + x, normal(3)),
    case("mul of a tensor with itself", lambda x: x * x * x, normal(3)),
    case("remainder of negative numbers", lambda a, b: a % b, normal(2, 3), normal(3)),
    case("remainder of a number", lambda b: 7.3 % b, normal(3)),
    case("remainder by a number", lambda a: a % -0.7, normal(3)),
    *(case(f"pow of {p}", lambda x, p=p: x**p, normal(3)) for p in (0, 1, 2, 3, -1, -2)),
    *(case(f"pow of {p}", lambda x, p=p: x**p, positive(3)) for p in (0.5, -0.5, 1.5, -2.5)),
    *(case(f"pow of {p} at 0", lambda x, p=p: x**p, [0.0, 1.0]) for p in (0, 1, 2, 3)),
    case("pow of a number to a tensor", lambda x: 2.5**x, normal(3)),
    case("pow with an exponent of 0", lambda a: a ** np.array([0, 1, 2], a.dtype), [0.5, 0.0, 0.0]),
    case("square at 0", tg.square, [0.0]),
    case("where", lambda c, a, b: tg.where(c, a, b), normal(2, 3) > 0, normal(2, 3), normal(2, 3)),
    case("where, broadcast", lambda c, a, b: tg.where(c, a, b), normal(2, 3) > 0, normal(3), normal(2, 1)),
    case("where with numbers", lambda c, a: tg.where(c, a, 2.0) + tg.where(c, 3.0, a), normal(3) > 0, normal(3)),
    case("where as a method", lambda c, a, b: a.where(c, b), normal(2, 3) > 0, normal(2, 3), normal(3)),
    case("where of an infinite branch not taken", lambda x: tg.where(x > 0, x.log(), 0.0), [0.5, 2.0]),
    case("masked_fill", lambda x, m: x.masked_fill(m, 2.0), normal(2, 3), normal(3) > 0),
    case("masked_fill with a tensor", lambda x, m, v: x.masked_fill(m, v), normal(2, 3), normal(3) > 0, normal()),
    case("clamp", lambda x: tg.clamp(x, -0.5, 0.5), normal(6)),
    case("clamp from below", lambda x: x.clamp(min=0.1), normal(6)),
    case("clamp from above", lambda x: x.clamp(max=0.1), normal(6)),
    case("clamp between tensors", lambda x, a, b: x.clamp(a, b), normal(2, 3), between(-1, 0, 3), between(0, 1, 2, 1)),
    case("where_positive", lambda a, b: tg.ops.elementwise.where_positive(a, b), normal(2, 3), normal(2, 3)),
    case("to another float and back", lambda x: x.to(np.longdouble).square().to(x.dtype), normal(3)),
    case("type_as", lambda x, y: x.type_as(y) * y, normal(3), normal(3)),
]

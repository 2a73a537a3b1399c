"""Sums, extremes, products and norms over some or all axes."""

import numpy as np

import tinygrad_cnn as tg
from tests.ops.cases.case import Case, case, normal, positive

DIMS = [None, 0, -1, (0, 2), (), (1,)]
OVER_TUPLES = [tg.sum, tg.mean, tg.var, tg.std, tg.amax, tg.amin, tg.logsumexp, tg.norm]


def along(op: object, dim: object, keepdim: bool) -> object:
    return lambda x: op(x, dim=dim, keepdim=keepdim)  # type: ignore[operator]


CASES: list[Case] = [
    *(
        case(f"{op.__name__}(dim={dim}, keepdim={keepdim})", along(op, dim, keepdim), normal(2, 3, 2))
        for op in OVER_TUPLES
        for dim in DIMS
        for keepdim in (False, True)
    ),
    *(case(f"{op.__name__} of a number", op, normal()) for op in [tg.sum, tg.mean, tg.amax, tg.logsumexp, tg.norm]),
    *(case(f"{op.__name__} of nothing", lambda x, op=op: op(x, 1), normal(2, 0)) for op in [tg.sum, tg.prod]),
    case("sum over an empty batch", lambda x: x.sum(1), normal(0, 3)),
    case("sum_to", lambda x: x.sum_to((1, 3)), normal(2, 2, 3)),
    case("sum_to the same shape", lambda x: x.sum_to((2, 3)), normal(2, 3)),
    case("mean after var", lambda x: x.var(0).mean() + x.mean(1).var(), normal(3, 2)),
    case("var, biased", lambda x: x.var(1, unbiased=False), normal(2, 3)),
    case("var with a correction", lambda x: x.var(1, correction=2), normal(2, 4)),
    case("std of everything", lambda x: x.std(), normal(2, 3)),
    *(
        case(f"{op.__name__}(dim={dim}, keepdim={keepdim})", along(op, dim, keepdim), normal(2, 3))
        for op in (tg.max, tg.min)
        for dim in (0, -1)
        for keepdim in (False, True)
    ),
    case("max of everything", lambda x: x.max(), normal(2, 3)),
    case("min of everything", lambda x: x.min(), normal(2, 3)),
    case("max of two tensors", lambda a, b: a.max(b), normal(2, 3), normal(3)),
    case("min of two tensors", lambda a, b: a.min(b), normal(2, 3), normal(3)),
    *(case(f"prod over {n}", lambda x: x.prod(0), normal(n)) for n in (1, 2, 3, 5, 8)),
    case("prod(dim=1, keepdim=True)", lambda x: x.prod(1, keepdim=True), normal(2, 3)),
    case("prod of one factor, keepdim", lambda x: x.prod(1, keepdim=True), normal(2, 1)),
    case("max of a number along 0", lambda x: x.max(0), normal()),
    case("prod of everything", lambda x: x.prod(), normal(2, 3)),
    case("prod with a zero", lambda x: x.prod(1), [[2.0, 0.0, 3.0], [1.0, 2.0, 4.0]]),
    case("prod with two zeros", lambda x: x.prod(), [0.0, 3.0, 0.0]),
    case("prod with three zeros", lambda x: x.prod(), [0.0, 3.0, 0.0, 0.0]),
    case("cumsum(0)", lambda x: x.cumsum(0), normal(3, 2)),
    case("cumsum(-1)", lambda x: x.cumsum(-1), normal(2, 3)),
    case("cumsum of a number", lambda x: x.cumsum(0), normal()),
    case("logsumexp with -inf", lambda x: tg.cat([x, tg.full((1,), -np.inf, x.dtype)]).logsumexp(0), normal(3)),
    case("logsumexp of large numbers", lambda x: x.logsumexp(0), [700.0, 701.0, -800.0]),
    case("softmax(0)", lambda x: x.softmax(0), normal(3, 2)),
    case("softmax(-1)", lambda x: x.softmax(-1), normal(2, 3)),
    case("softmax of a number", lambda x: x.softmax(0), normal()),
    case("log_softmax(0)", lambda x: x.log_softmax(0), normal(3, 2)),
    case("log_softmax(-1)", lambda x: x.log_softmax(-1), normal(2, 1, 3)),
    case("log_softmax of large numbers", lambda x: x.log_softmax(0), [700.0, 701.0, -800.0]),
    *(
        case(f"norm of order {p}", lambda x, p=p: x.norm(p, dim=1), normal(2, 3))
        for p in (0, 0.5, 1, 1.5, 2, "fro", None, 3, -1, -2.5, np.inf, -np.inf)
    ),
    case("norm of order 3 beside a zero", lambda x: x.norm(3), [0.0, 1.0, -2.0]),
    case("norm over two axes", lambda x: x.norm(1.5, (0, 2), keepdim=True), normal(2, 2, 2)),
    case("norm of large numbers", lambda x: (x * 1e30).norm() / 1e30, positive(3)),
]

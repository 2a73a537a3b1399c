"""Products of matrices."""

import numpy as np

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from tests.ops.cases.case import Case, case, normal

MATMUL = [
    ((2, 3), (3, 2)),
    ((3,), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3,)),
    ((2, 2, 3), (3, 2)),
    ((2, 3), (2, 3, 2)),
    ((2, 1, 2), (2, 2, 2)),
    ((2, 1, 1, 2), (3, 2, 1)),
    ((2,), (3, 2, 1)),
    ((2, 1, 2), (2,)),
    ((2, 0), (0, 3)),
    ((0, 2), (2, 3)),
]
LINEAR = [((2, 3), (4, 3)), ((3,), (4, 3)), ((2, 2, 3), (2, 3)), ((2, 3), (3,)), ((3,), (3,)), ((0, 3), (2, 3))]
EINSUM = [
    ("ij,jk->ik", (2, 3), (3, 2)),
    ("ij,jk", (2, 3), (3, 2)),
    ("ij,jk->ki", (2, 3), (3, 2)),
    ("i,j->ij", (2,), (3,)),
    ("i,i->", (3,), (3,)),
    ("i,i->i", (3,), (3,)),
    (",->", (), ()),
    (",i->i", (), (3,)),
    ("ij->ji", (2, 3)),
    ("ij->i", (2, 3)),
    ("ij->", (2, 3)),
    ("ij", (2, 3)),
    ("ba", (2, 3)),
    ("ii->i", (3, 3)),
    ("ii->", (3, 3)),
    ("ii", (3, 3)),
    ("iji->j", (2, 3, 2)),
    ("iij,j->i", (2, 2, 3), (3,)),
    ("iii->i", (2, 2, 2)),
    ("bij,bjk->bik", (2, 2, 3), (2, 3, 2)),
    ("...ij,...jk->...ik", (2, 2, 3), (3, 2)),
    ("...ij,...jk->...ik", (1, 2, 3), (2, 3, 2)),
    ("...i,i", (2, 2, 3), (3,)),
    ("...i->...", (2, 3)),
    ("...i->i", (2, 3)),
    ("i...->...i", (2, 3, 2)),
    ("i...j,...j->...i", (2, 2, 3), (3,)),
    ("ij,j,k->i", (2, 3), (3,), (2,)),
    ("ij,jk,kl->il", (2, 3), (3, 2), (2, 2)),
    ("ab,cd->ac", (2, 3), (2, 2)),
    ("ij,ij->ij", (1, 3), (2, 3)),
    ("ij,jk->ik", (2, 0), (0, 3)),
    (" i j , j k -> i k ", (2, 3), (3, 2)),
    ("ij,kl->", (2, 3), (2, 1)),
]

CASES: list[Case] = [
    *(case(f"matmul{a}{b}", tg.matmul, normal(*a), normal(*b)) for a, b in MATMUL),
    case("matmul as an operator", lambda a, b: a @ b, normal(2, 3), normal(3, 1)),
    case("matmul with an array", lambda b: np.ones((2, 3), b.dtype) @ b, normal(3, 1)),
    case("matmul of a matrix with itself", lambda a: a @ a @ a.T, normal(2, 2)),
    *(case(f"linear{x}{w}", F.linear, normal(*x), normal(*w)) for x, w in LINEAR),
    *(case(f"linear{x}{w} and bias", F.linear, normal(*x), normal(*w), normal(*w[:-1])) for x, w in LINEAR),
    *(
        case(f"einsum({e}){shapes}", lambda *x, e=e: tg.einsum(e, *x), *(normal(*s) for s in shapes))
        for e, *shapes in EINSUM
    ),
    case("einsum of a tensor with itself", lambda x: tg.einsum("ij,kj->ik", x, x), normal(2, 3)),
    case("einsum of a list", lambda x, y: tg.einsum("i,i", [x, y]), normal(3), normal(3)),
]

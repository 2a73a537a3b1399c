"""ops/linalg.py beside PyTorch: matmul, linear, einsum."""

from __future__ import annotations

import numpy as np
import pytest

from tests.parity.agreement import agree, agree_in_both_precisions, both_refuse, normal, only_we_refuse

PAIRS = [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)), ((5, 2, 3), (5, 3, 4)), ((5, 2, 3), (3,)), ((3,), (5, 3, 4)),
    ((6, 1, 2, 3), (5, 3, 4)), ((1, 2, 3), (5, 3, 4)), ((6, 5, 2, 3), (3,)), ((3,), (6, 5, 3, 4)), ((6, 5, 2, 3), (3, 4)), ((1, 1), (1, 1)),
    ((0, 3), (3, 4)), ((2, 0), (0, 4)), ((2, 3), (3, 0)), ((0,), (0,)), ((0, 2, 3), (3, 4)), ((5, 0, 3), (5, 3, 2)), ((2, 0), (0,)), ((0,), (0, 3)),
]  # fmt: skip


@pytest.mark.parametrize("shapes", PAIRS, ids=str)
def test_matrix_products(shapes):
    agree_in_both_precisions("x @ y", x=normal(*shapes[0]), y=normal(*shapes[1], seed=1))


@pytest.mark.parametrize(
    "line",
    [
        "torch.matmul(x, y)",
        "x.matmul(y)",
        "x.T.T @ y",
        "(y.T @ x.T).T",
        "x[:, ::2] @ y[::2]",
        "x.flip(0) @ y.flip(1)",
        "x @ x.T",
        "(x @ y).sum()",
        "x @ y[:, 0]",
    ],
)
def test_matrix_products_of_views(line):
    agree_in_both_precisions(line, x=normal(3, 4), y=normal(4, 5))


def test_a_product_large_enough_for_threads():
    agree_in_both_precisions("x @ y", order=1, x=normal(130, 90), y=normal(90, 110))
    agree_in_both_precisions("x @ y", order=1, x=normal(3, 60, 90), y=normal(3, 90, 80))


@pytest.mark.parametrize("dtype", ["int64", "int32"])
def test_products_of_integers(dtype):
    agree("x @ y", x=np.arange(6, dtype=dtype).reshape(2, 3), y=np.arange(12, dtype=dtype).reshape(3, 4))


@pytest.mark.parametrize("line", ["x @ y", "x @ 2", "x[0, 0] @ y", "torch.matmul(x)"])
def test_products_that_both_refuse(line):
    both_refuse(line, x=normal(2, 3), y=normal(2, 3))


@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 3, 5), (0, 5), (2, 0, 5)])
@pytest.mark.parametrize(
    "line",
    [
        "F.linear(x, w)",
        "F.linear(x, w, b)",
        "F.linear(x, weight=w, bias=b)",
        "F.linear(x, w, bias=None)",
        "F.linear(x, w[0])",
        "F.linear(x, w[:0])",
    ],
)
def test_linear(line, shape):
    agree_in_both_precisions(line, x=normal(*shape), w=normal(4, 5), b=normal(4))


def test_linear_with_views():
    agree_in_both_precisions("F.linear(x.T, w.T, b[::2])", x=normal(5, 3), w=normal(5, 2), b=normal(4))


@pytest.mark.parametrize("line", ["F.linear(x, w.T)", "F.linear(x, w, b[:2])", "F.linear(x)", "F.linear(x, w[None])"])
def test_linear_that_both_refuse(line):
    both_refuse(line, x=normal(3, 5), w=normal(4, 5), b=normal(4))


A, B, C = (3, 4), (4, 5), (5, 2)
EQUATIONS = [
    ("ij->ij", A), ("ij->ji", A), ("ij->i", A), ("ij->j", A), ("ij->", A), ("ij", A), ("ji", A), ("ii->i", (3, 3)), ("ii->", (3, 3)), ("ii", (3, 3)), ("iij->j", (3, 3, 2)), ("iji->ij", (3, 2, 3)), ("iii->i", (2, 2, 2)), ("iijj->ij", (2, 2, 3, 3)),
    ("...->...", A), ("...ij->...ji", (2, 3, 4)), ("i...->...", A), ("...i->...", (2, 3, 4)), ("...", A), ("i...i->...", (3, 2, 3)), ("...ii->...i", (2, 3, 3)), ("i...->...i", (2, 3, 4)),
    ("ij,jk->ik", A, B), ("ij,jk", A, B), ("ij,jk->ki", A, B), ("ij,jk->", A, B), ("ij,jk->ijk", A, B), ("ij,ij->", A, A), ("ij,ij->ij", A, A), ("i,j->ij", (3,), (4,)), ("i,i->", (3,), (3,)), ("i,i", (3,), (3,)), ("ij,j->i", A, (4,)), ("i,ij->j", (3,), A),
    ("ij,kj->ik", A, (5, 4)), ("ji,jk->ik", (4, 3), B), ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)), ("bij,jk->bik", (2, 3, 4), B), ("...ij,...jk->...ik", (2, 3, 4), (2, 4, 5)), ("...ij,...jk->...ik", (6, 1, 3, 4), (2, 4, 5)), ("...ij,jk", (2, 3, 4), B), ("...i,...i->...", (2, 3), (2, 3)),
    ("...i,i->...", (2, 3), (3,)), ("bqd,bkd->bqk", (2, 3, 4), (2, 5, 4)), ("nchw,ochw->no", (2, 3, 2, 2), (4, 3, 2, 2)), ("ij,jk,kl->il", A, B, C), ("ij,jk,kl", A, B, C), ("i,j,k->ijk", (2,), (3,), (4,)), ("i,ij,j->", (3,), A, (4,)), ("a,b,ab,b->a", (3,), (4,), A, (4,)),
    ("ii,i->i", (3, 3), (3,)), ("ii,jj->ij", (3, 3), (2, 2)), ("ij,kl->", A, B), ("ij,ik->jk", A, (3, 2)), (",->", (), ()), (",i->i", (), (3,)), (" i j , j k -> i k ", A, B), ("Ij,jK->IK", A, B), ("zA,Ab", A, B), ("ij,jk->ik", (3, 0), (0, 5)), ("ij,jk->ik", (0, 4), B), ("ij,ij->ij", A, (1, 4)), ("ij,jk->ik", (3, 1), B), ("...j,...j->...", (2, 3), (3,)),
    ("ij...,jk...->ik...", (3, 4, 2), (4, 5, 2)), ("...a,...b->...", (2, 3), (2, 4)), ("i...,j...->ij...", (2, 3), (4, 3)),
]  # fmt: skip


@pytest.mark.parametrize("case", EQUATIONS, ids=str)
def test_einsum(case):
    equation, *shapes = case
    operands = {name: normal(*shape, seed=k) for k, (name, shape) in enumerate(zip("xyzw", shapes, strict=False))}
    agree_in_both_precisions(f"torch.einsum('{equation}', {', '.join(operands)})", **operands)


@pytest.mark.parametrize(
    "line",
    [
        "torch.einsum('ij,jk->ik', [x, y])",
        "torch.einsum('ij,ij->i', x, x)",
        "torch.einsum('ij,jk->ik', x.T.T, y.flip(0))",
        "torch.einsum('ij,kj->ik', x, y.T)",
    ],
)
def test_einsum_spellings(line):
    agree_in_both_precisions(line, x=normal(3, 4), y=normal(4, 5))


@pytest.mark.parametrize(
    "line",
    [
        "torch.einsum('ij,jk->ik', x)",
        "torch.einsum('ijk->i', x)",
        "torch.einsum('ij,jk->ik', x, x)",
        "torch.einsum('ij->k', x)",
        "torch.einsum('i1->i', x)",
        "torch.einsum('ij->ii', x)",
        "torch.einsum('ij->...i->j', x)",
        "torch.einsum('ii', x)",
        "torch.einsum('ij')",
        "torch.einsum('ij,->', x)",
        "torch.einsum('i.j', x)",
    ],
)
def test_einsum_that_both_refuse(line):
    both_refuse(line, x=normal(3, 4))


@pytest.mark.parametrize(
    ("line", "naming"),
    [("torch.matmul(x, y, out=x @ y)", "out"), ("torch.einsum(x, [0, 1], y, [1, 2], [0, 2])", "einsum")],
)
def test_what_is_not_offered_says_so(line, naming):
    only_we_refuse(line, naming, x=normal(3, 4), y=normal(4, 5))

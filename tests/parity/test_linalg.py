"""ops/linalg.py beside PyTorch: matmul, linear, einsum."""

from __future__ import annotations

import numpy as np
import pytest

from tests.parity.agreement import agree, agree_in_both_precisions, both_refuse, cases, lines, normal, only_we_refuse

PAIRS = """
    3 @ 3  2x3 @ 3  3 @ 3x4  2x3 @ 3x4  1x1 @ 1x1  5x2x3 @ 3x4  2x3 @ 5x3x4  5x2x3 @ 5x3x4  5x2x3 @ 3  3 @ 5x3x4
    1x2x3 @ 5x3x4  6x1x2x3 @ 5x3x4  6x5x2x3 @ 3  3 @ 6x5x3x4  6x5x2x3 @ 3x4  0x3 @ 3x4  2x0 @ 0x4  2x3 @ 3x0  0 @ 0
    0x2x3 @ 3x4  5x0x3 @ 5x3x2  2x0 @ 0  0 @ 0x3
"""


def shape(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split("x")))


@pytest.mark.parametrize("pair", cases(PAIRS))
def test_matrix_products(pair: str) -> None:
    left, _, right = pair.partition(" @ ")
    agree_in_both_precisions("x @ y", x=normal(*shape(left)), y=normal(*shape(right), seed=1))


@lines("""
    torch.matmul(x, y)  x.matmul(y)  x.T.T @ y  (y.T @ x.T).T  x[:, ::2] @ y[::2]  x.flip(0) @ y.flip(1)  x @ x.T
    (x @ y).sum()  x @ y[:, 0]
""")
def test_matrix_products_of_views(line: str) -> None:
    agree_in_both_precisions(line, x=normal(3, 4), y=normal(4, 5))


def test_a_product_large_enough_for_threads() -> None:
    agree_in_both_precisions("x @ y", order=1, x=normal(130, 90), y=normal(90, 110))
    agree_in_both_precisions("x @ y", order=1, x=normal(3, 60, 90), y=normal(3, 90, 80))


@pytest.mark.parametrize("dtype", ["int64", "int32"])
def test_products_of_integers(dtype: str) -> None:
    agree("x @ y", x=np.arange(6, dtype=dtype).reshape(2, 3), y=np.arange(12, dtype=dtype).reshape(3, 4))


@lines("x @ y  x @ 2  x[0, 0] @ y  torch.matmul(x)")
def test_products_that_both_refuse(line: str) -> None:
    both_refuse(line, x=normal(2, 3), y=normal(2, 3))


@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 3, 5), (0, 5), (2, 0, 5)])
@lines("""
    F.linear(x, w)  F.linear(x, w, b)  F.linear(x, weight=w, bias=b)  F.linear(x, w, bias=None)  F.linear(x, w[0])
    F.linear(x, w[:0])
""")
def test_linear(line: str, shape: tuple[int, ...]) -> None:
    agree_in_both_precisions(line, x=normal(*shape), w=normal(4, 5), b=normal(4))


def test_linear_with_views() -> None:
    agree_in_both_precisions("F.linear(x.T, w.T, b[::2])", x=normal(5, 3), w=normal(5, 2), b=normal(4))


@lines("F.linear(x, w.T)  F.linear(x, w, b[:2])  F.linear(x)  F.linear(x, w[None])")
def test_linear_that_both_refuse(line: str) -> None:
    both_refuse(line, x=normal(3, 5), w=normal(4, 5), b=normal(4))


SIZES = {"i": 3, "j": 4, "k": 5, "l": 2, "I": 3, "J": 4, "K": 5}  # of a letter's axis
EQUATIONS = """
    ij->ij  ij->ji  ij->i  ij->j  ij->  ij  ji  ii->i  ii->  ii  iij->j  iji->ij  iji->ji  iii->i  iijj->ij  ,->  ,i->i
    ij,jk->ik  ij,jk  ij,jk->ki  ij,jk->  ij,jk->ijk  ij,ij->  ij,ij->ij  i,j->ij  i,i->  i,i  ij,j->i  i,ij->j
    ij,kj->ik  ji,jk->ik  lij,ljk->lik  lij,jk->lik  ijkl,ljkl->il  ij,jk,kl->il  ij,jk,kl  i,j,k->ijk  i,ij,j->
    i,j,ij,j->i  ii,i->i  ii,jj->ij  ij,kl->  ij,ik->jk  IJ,JK->IK  kJ,Ji  iIj,Ij->
"""
ELLIPSES = [
    # the equation, and the axes that stand for ... in each operand
    ("...->...", [(3, 4)]),
    ("...", [(3, 4)]),
    ("...", [()]),
    ("...ij->...ji", [(2,)]),
    ("i...->...", [(4,)]),
    ("...i->...", [(2, 3)]),
    ("i...->...i", [(3, 4)]),
    ("i...i->...", [(2,)]),
    ("...ii->...i", [(2,)]),
    ("...ij,...jk->...ik", [(2,), (2,)]),
    ("...ij,...jk->...ik", [(6, 1), (2,)]),
    ("...ij,...jk->...ik", [(1,), (2,)]),
    ("...ij,jk", [(2,), ()]),
    ("...i,...i->...", [(2,), (2,)]),
    ("...i,...i->...", [(2,), ()]),
    ("...i,i->...", [(2,), ()]),
    ("ij...,jk...->ik...", [(2,), (2,)]),
    ("...i,...j->...", [(2,), (2,)]),
    ("i...,j...->ij...", [(3,), (3,)]),
]


def operands(equation: str, ellipses: list[tuple[int, ...]] | None = None) -> dict[str, np.ndarray]:
    arrays = {}
    for number, (name, term) in enumerate(zip("xyzw", equation.partition("->")[0].split(","), strict=False)):
        before, dots, after = term.partition("...")
        axes = ellipses[number] if dots and ellipses else ()
        arrays[name] = normal(*(SIZES[c] for c in before), *axes, *(SIZES[c] for c in after), seed=number)
    return arrays


@pytest.mark.parametrize("equation", cases(EQUATIONS))
def test_einsum(equation: str) -> None:
    arrays = operands(equation)
    agree_in_both_precisions(f"torch.einsum('{equation}', {', '.join(arrays)})", **arrays)


@pytest.mark.parametrize(("equation", "ellipses"), ELLIPSES)
def test_einsum_with_an_ellipsis(equation: str, ellipses: list[tuple[int, ...]]) -> None:
    arrays = operands(equation, ellipses)
    agree_in_both_precisions(f"torch.einsum('{equation}', {', '.join(arrays)})", **arrays)


def test_einsum_with_axes_of_length_0_and_1() -> None:
    agree("torch.einsum('ij,jk->ik', x, y)", x=normal(3, 0), y=normal(0, 5))
    agree("torch.einsum('ij,jk->ik', x, y)", x=normal(0, 4), y=normal(4, 5))
    agree("torch.einsum('ij,ij->ij', x, y)", x=normal(3, 4), y=normal(1, 4))
    agree("torch.einsum('ij,jk->ik', x, y)", x=normal(3, 1), y=normal(4, 5))
    agree("torch.einsum(' i j , j k -> i k ', x, y)", x=normal(3, 4), y=normal(4, 5))


@lines("""
    torch.einsum('ij,jk->ik', [x, y])  torch.einsum('ij,ij->i', x, x)  torch.einsum('ij,jk->ik', x.T.T, y.flip(0))
    torch.einsum('ij,kj->ik', x, y.T)
""")
def test_einsum_spellings(line: str) -> None:
    agree_in_both_precisions(line, x=normal(3, 4), y=normal(4, 5))


@lines("""
    torch.einsum('ij,jk->ik', x)  torch.einsum('ijk->i', x)  torch.einsum('ij,jk->ik', x, x)
    torch.einsum('ij->k', x)  torch.einsum('i1->i', x)  torch.einsum('ij->ii', x)  torch.einsum('ij->...i->j', x)
    torch.einsum('ii', x)  torch.einsum('ij')  torch.einsum('ij,->', x)  torch.einsum('i.j', x)
""")
def test_einsum_that_both_refuse(line: str) -> None:
    both_refuse(line, x=normal(3, 4))


@pytest.mark.parametrize(
    ("line", "naming"),
    [("torch.matmul(x, y, out=x @ y)", "out"), ("torch.einsum(x, [0, 1], y, [1, 2], [0, 2])", "einsum")],
)
def test_what_is_not_offered_says_so(line: str, naming: str) -> None:
    only_we_refuse(line, naming, x=normal(3, 4), y=normal(4, 5))

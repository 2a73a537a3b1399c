"""Products of matrices: matmul, the dense layer's linear map, einsum."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import kernels
from ..arguments import checked
from ..autograd import primitive
from .shape import expand_to, flatten, matrix_transpose, reshape, unsqueeze
from .support import as_tensor

if TYPE_CHECKING:
    from ..tensor import Tensor


@primitive(
    a=lambda g, b: matrix_product(g, matrix_transpose(b)),
    b=lambda g, a: matrix_product(matrix_transpose(a), g),
)
def matrix_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return kernels.matmul(a, b)  # (..., M, K) @ (..., K, N) -> (..., M, N)


def matmul(a: Any, b: Any) -> Tensor:
    """The matrix product a @ b, over broadcast batch axes; a 1-D operand is a row (a) or a column (b).

    a: (..., M, K), b: (..., K, N) -> (..., M, N). Raises ValueError where the shapes do not meet, and for 0-d operands.

    >>> import tinygrad_cnn as tg
    >>> tg.matmul(tg.Tensor([[1.0, 2.0]]), tg.Tensor([3.0, 4.0]))
    Tensor([11.])
    """
    a, b = as_tensor(a, "matmul"), as_tensor(b, "matmul")
    if not a.ndim or not b.ndim:
        raise ValueError(f"matmul: operands need at least one axis (a: {a.shape}, b: {b.shape}); use * for numbers")
    rows, columns = a.ndim > 1, b.ndim > 1
    if a.shape[-1] != b.shape[-2 if columns else 0]:
        raise ValueError(
            f"matmul: a has {a.shape[-1]} columns but b has {b.shape[-2 if columns else 0]} rows "
            f"(a: {a.shape}, b: {b.shape})"
        )
    if any(1 != m != n != 1 for m, n in zip(a.shape[-3::-1], b.shape[-3::-1], strict=False)):
        raise ValueError(
            f"matmul: batch axes {a.shape[:-2]} and {b.shape[:-2]} cannot be broadcast (a: {a.shape}, b: {b.shape})"
        )
    left, right = a if rows else unsqueeze(a, 0), b if columns else unsqueeze(b, 1)
    if left.ndim > 2 and right.ndim == 2:  # one large product instead of many small ones
        out = matrix_product(flatten(left, 0, -2), right)
        out = reshape(out, (*left.shape[:-1], right.shape[-1]))
    else:
        out = matrix_product(left, right)
    if rows and columns:
        return out
    return reshape(out, (*out.shape[:-2], *out.shape[-2:-1] * rows, *out.shape[-1:] * columns))


@primitive(
    x=lambda g, weight: matrix_product(g, weight),
    weight=lambda g, x: matrix_product(matrix_transpose(g), x),
    bias=lambda g: g,
)
def affine(x: np.ndarray, weight: np.ndarray, bias: Any) -> np.ndarray:
    out = kernels.matmul(x, weight.T)  # (N, I) @ (O, I).T -> (N, O)
    return np.add(out, bias, out=out) if out.dtype == np.result_type(out, bias) else out + bias


@checked
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x @ weight.T + bias, the dense layer.

    x: (..., I), weight: (O, I) or (I,), bias: (O,) or none -> (..., O) or (...). Raises ValueError where the sizes do
    not meet.

    >>> import tinygrad_cnn as tg
    >>> import tinygrad_cnn.functional as F
    >>> F.linear(tg.Tensor([[1.0, 2.0]]), tg.Tensor([[3.0, 4.0]]), tg.Tensor([0.5]))
    Tensor([[11.5]])
    """
    if not x.ndim or weight.ndim not in (1, 2) or x.shape[-1] != weight.shape[-1]:
        raise ValueError(
            f"linear: weight expects {weight.shape[-1] if weight.ndim else 'no'} input features but x has "
            f"{x.shape[-1] if x.ndim else 'none'} (x: {x.shape}, weight: {weight.shape})"
        )
    if bias is not None and bias.shape not in (weight.shape[:-1], (1,), ()):
        raise ValueError(f"linear: bias should have shape {weight.shape[:-1]} to fit the weight, got {bias.shape}")
    matrix = unsqueeze(weight, 0) if weight.ndim == 1 else weight
    rows = x if x.ndim == 2 else unsqueeze(x, 0) if x.ndim == 1 else flatten(x, 0, -2)
    out = matrix_product(rows, matrix.T) if bias is None else affine(rows, matrix, bias)
    shape = (*x.shape[:-1], *weight.shape[:-1])
    return out if out.shape == shape else reshape(out, shape)


def _operand_cotangent(
    g: Tensor,
    operands: tuple[Any, ...],
    operands_shape: tuple[tuple[int, ...], ...],
    index: int,
    equation: str,
) -> Tensor:
    """The einsum that gives an operand's cotangent: the result's letters and the others' in, its own out."""
    terms, out = equation.split("->")
    letters = terms.split(",")
    mine = letters[index]
    others = [operands[i] for i in range(len(operands)) if i != index]
    sources = [out, *(letters[i] for i in range(len(operands)) if i != index)]
    present = "".join(c for c in mine if any(c in s for s in sources))
    result = contract(g, *others, equation=",".join(sources) + "->" + present)
    # A letter that only this operand has was summed out: its cotangent is the same all along it.
    order = [present.index(c) if c in present else None for c in mine]
    shape = tuple(result.shape[o] if o is not None else 1 for o in order)
    return expand_to(reshape(result, shape), operands_shape[index])


@primitive(
    operands=lambda g, operands, operands_shape, index, equation: _operand_cotangent(
        g, operands, operands_shape, index, equation
    )
)
def contract(*operands: np.ndarray, equation: str) -> np.ndarray:
    return kernels.einsum(equation, *operands)


def einsum(equation: str, *operands: Any) -> Tensor:
    """The sum of products that an equation such as "ij,jk->ik" names, with "..." for broadcast axes.

    Without "->" the result has the letters that occur once, in alphabetical order. Raises ValueError where
    the equation and the operands' shapes do not meet, TypeError for an equation that is not a string.

    >>> import tinygrad_cnn as tg
    >>> tg.einsum("i,i->", tg.Tensor([1.0, 2.0]), tg.Tensor([3.0, 4.0]))
    Tensor(11.)
    """
    if not isinstance(equation, str):
        raise TypeError(f"einsum: the equation must be a str such as 'ij,jk->ik', got {type(equation).__name__}")
    if len(operands) == 1 and isinstance(operands[0], (tuple, list)):
        operands = tuple(operands[0])
    tensors = [as_tensor(x, "einsum") for x in operands]
    shapes = [x.shape for x in tensors]
    terms, arrow, out = equation.replace(" ", "").partition("->")
    if strange := set((terms + "," + out).replace("...", "")) - set(string.ascii_letters) - {","}:
        raise ValueError(f"einsum: {equation!r} may hold letters, commas, '...' and one '->', not {min(strange)!r}")
    letters = terms.split(",")
    if len(letters) != len(tensors):
        raise ValueError(f"einsum: {equation!r} names {len(letters)} operands, got {len(tensors)}")
    # "..." becomes letters of its own, so that the rule need not know it.
    spare = [c for c in "ZYXWVUTSRQPONMLKJIHGFEDCBA" if c not in equation]
    depth = 0
    for i, (term, x) in enumerate(zip(letters, tensors, strict=True)):
        named = len(term.replace("...", ""))
        if ("..." not in term and named != x.ndim) or named > x.ndim:
            raise ValueError(f"einsum: {term!r} in {equation!r} does not fit shape {x.shape} (shapes: {shapes})")
        batch = x.ndim - named if "..." in term else 0
        depth = max(depth, batch)
        letters[i] = term.replace("...", "".join(reversed(spare[:batch])))
    all_batch = "".join(reversed(spare[:depth]))
    if not arrow:
        joined = "".join(letters)
        out = all_batch + "".join(sorted({c for c in joined if joined.count(c) == 1 and c not in all_batch}))
    else:
        out = out.replace("...", all_batch)
    sizes: dict[str, int] = {}
    for term, x in zip(letters, tensors, strict=True):
        for c, n in zip(term, x.shape, strict=True):
            if sizes.setdefault(c, n) != n and n != 1 and sizes[c] != 1:
                raise ValueError(f"einsum: letter {c!r} is {sizes[c]} and {n} in {equation!r} (shapes: {shapes})")
            sizes[c] = n if n != 1 else sizes[c]
    if wrong := [c for c in out if out.count(c) > 1 or c not in sizes]:
        raise ValueError(
            f"einsum: the result's letter {wrong[0]!r} in {equation!r} occurs there twice or in no operand"
        )
    for i, (term, x) in enumerate(zip(letters, tensors, strict=True)):
        # einsum's gradient wants every operand at full size and each letter once: stretch, take diagonals.
        x = expand_to(x, tuple(sizes[c] for c in term))
        while len(set(term)) < len(term):
            c = next(c for c in term if term.count(c) > 1)
            first, second = term.index(c), term.index(c, term.index(c) + 1)
            x, term = _diagonal(x, first, second), term[:second] + term[second + 1 :]
        tensors[i], letters[i] = x, term
    return contract(*tensors, equation=",".join(letters) + "->" + out)


def _diagonal(x: Tensor, first: int, second: int) -> Tensor:
    """The elements whose two indices are equal, along axis `first`."""
    order = [first, second, *(i for i in range(x.ndim) if i not in (first, second))]
    along = np.arange(x.shape[first])
    diagonal = x.permute(*order)[along, along]  # the diagonal comes first
    back = list(range(1, diagonal.ndim))
    back.insert(first, 0)
    return diagonal.permute(*back)

"""Matrix products, cut into bands that threads share."""

from __future__ import annotations

import numpy as np

from .memory import empty
from .threads import hold_blas_to_one_thread, parallel_for

MULTIPLICATIONS_WORTH_SHARING = 1 << 20  # below, handing a product to another thread costs more than it saves
BANDS = 8
LONG_INNER = 16  # times the result's longer side


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a @ b. (..., M, K) @ (..., K, N) -> (..., M, N), batch axes broadcast."""
    rows, inner, columns = a.shape[-2], a.shape[-1], b.shape[-1]
    if a.dtype != b.dtype:
        dtype = np.result_type(a, b)
        a, b = a.astype(dtype, copy=False), b.astype(dtype, copy=False)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    if rows * inner * columns * int(np.prod(batch)) < MULTIPLICATIONS_WORTH_SHARING or a.dtype.kind != "f":
        hold_blas_to_one_thread()  # also here: the same product must give the same bits
        return np.matmul(a, b)
    out = empty((*batch, rows, columns), a.dtype)
    if batch:
        lefts = np.broadcast_to(a, (*batch, rows, inner)).reshape(-1, rows, inner)
        rights = np.broadcast_to(b, (*batch, inner, columns)).reshape(-1, inner, columns)
        outs = out.reshape(-1, rows, columns)
        parallel_for(lambda i: np.matmul(lefts[i], rights[i], out=outs[i]), len(outs))
        return out
    if rows > 1 and inner >= LONG_INNER * max(rows, columns):
        return _by_inner(a, b)
    # Cut the longer side of the result, at places that depend on the shape alone.
    by_rows = rows >= columns
    size = -(-max(rows, columns) // BANDS)

    def band(i: int) -> None:
        part = slice(i * size, (i + 1) * size)
        if by_rows:
            np.matmul(a[part], b, out=out[part])
        else:
            np.matmul(a, b[:, part], out=out[:, part])

    parallel_for(band, -(-max(rows, columns) // size))
    return out


def _by_inner(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a @ b for a small result of long sums, cut along the sums: no factor is read twice.

    The longer side of the result comes first: BLAS takes 8 x 16,384 x 128 in 0.6 ms so, and in 1.0 as it stands.
    """
    if a.shape[0] < b.shape[1]:
        return np.ascontiguousarray(_by_inner(b.T, a.T).T)
    size = -(-a.shape[1] // BANDS)
    sums = np.empty((-(-a.shape[1] // size), a.shape[0], b.shape[1]), a.dtype)

    def band(i: int) -> None:
        part = slice(i * size, (i + 1) * size)
        np.matmul(a[:, part], b[part], out=sums[i])

    parallel_for(band, len(sums))
    return np.add.reduce(sums, axis=0)


def einsum(equation: str, *operands: np.ndarray) -> np.ndarray:
    """np.einsum, by products of matrices where the equation allows it."""
    hold_blas_to_one_thread()
    return np.einsum(equation, *operands, optimize=len(operands) > 1)

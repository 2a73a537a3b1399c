"""Indexing beside PyTorch: reading and writing with ints, slices, None, Ellipsis, integer and boolean arrays."""

from __future__ import annotations

import numpy as np

from tests.parity.agreement import (
    agree,
    agree_in_both_precisions,
    both_refuse,
    cases,
    floats,
    lines,
    normal,
    only_we_refuse,
)

PLACES = """
    0  -1  1, 2  -1, -2, 0  0, 1, 1  :  1:  :2  ::2  1:3:2  :, 1  :, :, -1  :, 1:3  ::2, ::3  -2:  :-1  :0  5:  2:1
    1:100  None  :, None  None, 0  ..., None  0, None, :, None  ...  ..., 0  0, ...  ..., 1:, 0  1:, ..., ::2
    :, :, :  0, ..., 1  ()  ..., 1:2, None  True  slice(1, None)  slice(None), 1  i[0]
"""
ARRAYS = """
    i  k  :, i  :, k  i, i  i, 1  1, i  :, i[:2], i[:2]  i[:2], :, i[:2]  i, ..., 1  ..., i  k, 0  0, k
    i[:, None], i  k[:, :, None], i  i, None  None, i  i, 1:3  1:3, i  ::2, i, 1  [0, 2]  [0, 2], 1  [0, 1], [1, 2]
    [[0, 1], [3, 2]], :  [-1]  i[:0]  []  :, []  i[0], i[1]  i, i[0]  1, :, i  i[0], :, i  0, i, 1  i[:2], 1, i[:2]
    None, i, None, i  i, :, 1  :, i, ..., i
"""
MASKS = """
    m  n  m, 0  m, 1:  ~m  m & ~m  m, i[:2]  m, :, 0  ..., [True, False]  X > 0  m, ..., 1
    :, [True, False, True, False]  0, [True, False, False, True]  n, 0  n, :1  None, m  [True, False, True]  m, None
    n, None  n & (X[..., 0] > 0)
"""


def operands(line: str, i: list[int]) -> dict[str, np.ndarray]:
    """x and X, the indices i and k, and x's masks m and n."""
    masked = any(f"[{index}]" in line for index in cases(MASKS))
    x = normal(3, 4, 2) if masked else normal(4, 5, 6)
    masks = {"m": np.array([True, False, True]), "n": normal(3, 4, seed=5) > 0}
    return {"x": x, "X": x, "i": np.array(i), "k": np.array([[1, 0], [2, -1]]), **masks}


@lines("x[{index}]", index=PLACES + ARRAYS + MASKS)
def test_reading(line: str) -> None:
    agree_in_both_precisions(line, **operands(line, i=[0, 2, 2, -1]))


@lines("y = x * 1; y[{index}] = 7.0; y", index=PLACES + ARRAYS + MASKS)
def test_writing_a_number(line: str) -> None:
    agree_in_both_precisions(line, **operands(line, i=[0, 2, 2, -1]))


@lines("y = x * 1; y[{index}] = y[{index}].detach() * 2 + v; y", index=PLACES + ARRAYS + MASKS)
def test_writing_a_tensor(line: str) -> None:
    # No place twice: which of its values stays is not defined in PyTorch.
    agree_in_both_precisions(line, v=floats(0.5), **operands(line, i=[0, 2, 1, -1]))


@lines("""
    y = x * 1; y[1] = v; y  y = x * 1; y[:, 1:] = v[1:]; y  y = x * 1; y[...] = v; y
    y = x * 1; y[::2, ::2] = v[::2]; y  y = x * 1; y[i] = v; y  y = x * 1; y[m] = v; y
    y = x * 1; y[:, j] = v[:2]; y  y = x * 1; y[0] = 1; y[1] = v * 2; y[0] = y[1] + y[2]; y * y
    y = x * 1; z = y + 1; y[0] = 0; y.sum() + z  y = x * 1; y += v; y *= 3; y -= x; y /= 2; y
""")
def test_writing_values_with_a_gradient(line: str) -> None:
    agree(line, x=normal(3, 4), v=normal(4), i=np.array([0, 2]), j=np.array([0, 3]), m=np.array([True, False, True]))


def test_writing_converts_to_the_type_of_what_is_written_to() -> None:
    agree("y = x * 1; y[0] = v; y", x=normal(3, dtype="float32"), v=normal(1)[0:1].reshape(()))
    agree("y = x * 1; y[1] = 3; y", x=np.arange(3))
    agree("y = x * 1; y[0] = 2.7; y", x=np.arange(3))


@lines("x[None]  x[...]  x[()]  x[None, ..., None]  x[True]  x[X > 0]  x[X < 0]")
def test_reading_a_0d_tensor(line: str) -> None:
    agree(line, x=floats(1.5), X=floats(1.5))


def test_a_0d_tensor_has_no_element_0() -> None:
    both_refuse("x[0]", x=floats(1.5))


@lines("x[0:0]  x[:, 1]  x[i]  x[m]  x[None]  x[..., :2]")
def test_reading_nothing(line: str) -> None:
    agree(line, x=np.zeros((0, 3)), i=np.zeros(0, np.int64), m=np.zeros(0, bool))


def test_arrays_leave_their_axes_where_they_are() -> None:
    agree("x[1, :, i]", x=normal(3, 4, 5), i=np.array([0, 2]))
    agree("x[i, :, 1]", x=normal(3, 4, 5), i=np.array([0, 2]))
    agree("x[i, :, j]", x=normal(3, 4, 5), i=np.array([0, 2]), j=np.array([1, 4]))
    agree("x[i, :, 1, j]", x=normal(3, 4, 5, 6), i=np.array([0, 2]), j=np.array([1, 4]))
    agree("x[:, i, ..., j]", x=normal(3, 4, 5), i=np.array([0, 2]), j=np.array([1, 4]))
    agree("y = x * 1; y[1, :, i] = v; y", x=normal(3, 4, 5), v=normal(4, 2), i=np.array([0, 2]))


def test_uint8_is_refused_since_numpy_and_pytorch_disagree_on_it() -> None:
    only_we_refuse("x[i]", "uint8", x=normal(2, 3), i=np.array([1, 0], np.uint8))


def test_a_nested_list_is_refused_since_numpy_and_pytorch_disagree_on_it() -> None:
    only_we_refuse("x[[[0, 1], [1, 2]]]", "nested list", x=normal(3, 4))
    only_we_refuse("y = x * 1; y[[[0, 1], [1, 2]]] = 0; y", "nested list", x=normal(3, 4))


@lines("""
    x[X[:, 0].argmax()]  x[torch.tensor(1)]  x[torch.tensor([0, 1])]  x[i[0].item()]  x[i.to(int32)]
    x[X.argmax(0), torch.arange(4)]  [row.sum() for row in x]  x[-1][-1]  x.T[0]  x.T[i[:2]]  x.flip(0)[1:]
    x[i][i[:2]]
""")
def test_spellings_seen_in_the_wild(line: str) -> None:
    agree(line, x=normal(3, 4), X=normal(3, 4), i=np.array([0, 2, 2]))


@lines("""
    x[3]  x[-4]  x[0, 4]  x[0, 0, 0]  x[i]  x[m]  x[0.5]  x['a']  x[:, :, :]  x[[0, 5]]  x[x]
    y = x * 1; y[3] = 0; y  y = x * 1; y[0] = x; y  y = x * 1; y[m] = 0; y  x[i[:1], i[:2], i[:1]]
    x[[0, 1], [0, 1, 2]]
""")
def test_what_both_refuse(line: str) -> None:
    both_refuse(line, x=normal(3, 4), i=np.array([0, 3]), m=np.array([True, False]))

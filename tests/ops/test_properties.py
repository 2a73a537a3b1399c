"""Properties that hold for all shapes, geometries and indices: agreement with NumPy, adjoints, linearity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from tests.kernels.geometries import pairs, whole
from tinygrad_cnn import Tensor, ops
from tinygrad_cnn.ops.index import put, take

FLOAT64 = np.dtype(np.float64)
shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)
two_shapes = hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, min_side=0, max_side=3)


def leaf(array: np.ndarray) -> Tensor:
    return Tensor(array, requires_grad=True)


def vjp(function: Callable[..., Tensor], g: np.ndarray, *inputs: np.ndarray) -> list[np.ndarray]:
    """The cotangents of the inputs, given the result's."""
    leaves = [leaf(x) for x in inputs]
    found = tg.grad(function(*leaves), leaves, Tensor(g))
    assert all(v is not None and v.shape == x.shape for v, x in zip(found, leaves, strict=True))
    return [v.data for v in found if v is not None]


# -- broadcasting ---------------------------------------------------------------------------------------------

BINARY: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Any, Any], Any]]] = {
    "add": (tg.add, np.add), "sub": (tg.sub, np.subtract), "mul": (tg.mul, np.multiply), "div": (tg.div, np.divide),
    "pow": (tg.pow, np.power), "maximum": (tg.maximum, np.maximum), "minimum": (tg.minimum, np.minimum),
    "remainder": (tg.remainder, np.remainder), "floor_divide": (tg.floor_divide, np.floor_divide),
    "lt": (tg.lt, np.less), "eq": (tg.eq, np.equal), "where": (lambda a, b: tg.where(a > b, a, b), np.maximum),
}  # fmt: skip


@pytest.mark.parametrize("name", BINARY)
@given(both=two_shapes, seed=st.integers(0, 9), dtype=st.sampled_from([np.float32, np.float64]))
def test_operations_broadcast_as_numpys_do(name: str, both: Any, seed: int, dtype: Any) -> None:
    operation, numpys = BINARY[name]
    random = np.random.default_rng(seed)
    a, b = (np.asarray(random.uniform(0.5, 2, shape), dtype) for shape in both.input_shapes)
    out, expected = operation(Tensor(a), Tensor(b)), numpys(a, b)
    assert out.shape == both.result_shape
    assert out.dtype == expected.dtype
    np.testing.assert_array_equal(out.data, expected)


@given(both=two_shapes, seed=st.integers(0, 9))
def test_a_product_is_linear_in_each_factor_and_its_rules_are_the_adjoints(both: Any, seed: int) -> None:
    (a, b), g = (whole(s, FLOAT64, seed) for s in both.input_shapes), whole(both.result_shape, FLOAT64, seed + 1)
    in_a, in_b = vjp(tg.mul, g, a, b)
    assert np.vdot(a * b, g) == np.vdot(a, in_a) == np.vdot(b, in_b)


@given(both=two_shapes, seed=st.integers(0, 9))
def test_summing_to_a_shape_is_the_adjoint_of_broadcasting_from_it(both: Any, seed: int) -> None:
    small, large = both.input_shapes[0], both.result_shape
    x, g = whole(small, FLOAT64, seed), whole(large, FLOAT64, seed + 1)
    summed = Tensor(g).sum_to(small)
    assert summed.shape == small
    assert np.vdot(tg.broadcast_to(Tensor(x), large).data, g) == np.vdot(x, summed.data)
    np.testing.assert_array_equal(vjp(lambda x: tg.broadcast_to(x, large), g, x)[0], summed.data)
    np.testing.assert_array_equal(vjp(lambda g: g.sum_to(small), x, g)[0], np.broadcast_to(x, large))


# -- reductions and shapes --------------------------------------------------------------------------------------


@st.composite
def arrays_and_dims(draw: st.DrawFn) -> tuple[np.ndarray, Any]:
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=3))
    dims = draw(st.lists(st.integers(0, len(shape) - 1), unique=True, min_size=1))
    signed = tuple(d - len(shape) if draw(st.booleans()) else d for d in dims)
    return whole(shape, FLOAT64, draw(st.integers(0, 9))), signed


@given(arrays_and_dims(), st.booleans())
def test_reductions_are_numpys(array_and_dims: tuple[np.ndarray, Any], keepdim: bool) -> None:
    x, dim = array_and_dims
    for function, numpys in ((tg.sum, np.sum), (tg.mean, np.mean), (tg.amax, np.max), (tg.amin, np.min)):
        np.testing.assert_allclose(function(Tensor(x), dim, keepdim).data, numpys(x, axis=dim, keepdims=keepdim))
    np.testing.assert_allclose(tg.var(Tensor(x), dim, False, keepdim).data, np.var(x, axis=dim, keepdims=keepdim))
    for function, numpys in ((tg.any, np.any), (tg.all, np.all)):
        np.testing.assert_array_equal(function(Tensor(x), dim, keepdim).data, numpys(x, axis=dim, keepdims=keepdim))
    np.testing.assert_allclose(tg.prod(Tensor(x), dim[0], keepdim).data, np.prod(x, axis=dim[0], keepdims=keepdim))
    np.testing.assert_array_equal(tg.argmax(Tensor(x), dim[0]).data, np.argmax(x, axis=dim[0]))
    np.testing.assert_array_equal(tg.cumsum(Tensor(x), dim[0]).data, np.cumsum(x, axis=dim[0]))


@given(shape=shapes, data=st.data())
def test_moving_elements_is_undone_by_its_rule(shape: tuple[int, ...], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(shape))))
    flipped = tuple(i for i in range(len(shape)) if data.draw(st.booleans()))
    x, size = whole(shape, FLOAT64, 0), int(np.prod(shape))
    moves: list[tuple[Callable[[Tensor], Tensor], np.ndarray]] = [
        (lambda x: x.permute(*order) if order else x * 1, np.transpose(x, order)),
        (lambda x: x.flip(flipped), np.flip(x, flipped)),
        (lambda x: x.reshape(size), x.reshape(size)),
        (lambda x: x.flatten(), x.reshape(size)),
        (lambda x: x.unsqueeze(0), x[None]),
        (lambda x: x.squeeze(), np.squeeze(x)),
        (lambda x: tg.cat([x.reshape(size), x.reshape(size)])[:size].reshape(shape), x),
    ]
    for function, expected in moves:
        np.testing.assert_array_equal(function(Tensor(x)).data, expected)
        np.testing.assert_array_equal(vjp(function, expected, x)[0], x)


# -- indexing -------------------------------------------------------------------------------------------------


@st.composite
def arrays_and_indices(draw: st.DrawFn) -> tuple[np.ndarray, Any]:
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
    index = draw(
        st.one_of(
            hnp.basic_indices(shape, allow_newaxis=True),
            hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(min_dims=1, max_dims=2, max_side=4)),
            hnp.arrays(bool, shape),
            hnp.arrays(bool, shape[:1]),
        )
    )
    return whole(shape, FLOAT64, draw(st.integers(0, 9))), index


@given(arrays_and_indices())
def test_indexing_takes_what_numpy_takes_and_putting_is_its_adjoint(array_and_index: tuple[np.ndarray, Any]) -> None:
    x, index = array_and_index
    taken = Tensor(x)[index]
    np.testing.assert_array_equal(taken.data, x[index])
    g = whole(taken.shape, FLOAT64, 3)
    back = put(Tensor(g), index=index, shape=x.shape)
    assert np.vdot(x[index], g) == np.vdot(x, back.data)
    np.testing.assert_array_equal(vjp(lambda x: x[index], g, x)[0], back.data)
    np.testing.assert_array_equal(
        vjp(lambda g: put(g, index=index, shape=x.shape), x, g)[0], take(Tensor(x), index=index).data
    )


@given(arrays_and_indices())
def test_writing_at_an_index_is_linear_in_old_and_new(array_and_index: tuple[np.ndarray, Any]) -> None:
    x, index = array_and_index
    value = whole(np.shape(x[index]), FLOAT64, 3)
    expected = x.copy()
    expected[index] = value
    np.testing.assert_array_equal(tg.ops.setitem(Tensor(x), index, Tensor(value)).data, expected)
    y = Tensor(x)
    y[index] = Tensor(value)
    np.testing.assert_array_equal(y.data, expected)
    g = whole(x.shape, FLOAT64, 4)
    in_x, in_value = vjp(lambda x, v: tg.ops.setitem(x, index, v), g, x, value)
    assert np.vdot(expected, g) == np.vdot(x, in_x) + np.vdot(value, in_value)


# -- products -------------------------------------------------------------------------------------------------


@given(data=st.data())
def test_matmul_is_numpys_and_its_rules_are_the_adjoints(data: st.DataObject) -> None:
    both = data.draw(
        hnp.mutually_broadcastable_shapes(signature="(m?,k),(k,n?)->(m?,n?)", max_dims=2, min_side=0, max_side=3)
    )
    a, b = (whole(shape, FLOAT64, i) for i, shape in enumerate(both.input_shapes))
    out = Tensor(a) @ Tensor(b)
    np.testing.assert_array_equal(out.data, np.matmul(a, b))
    g = whole(out.shape, FLOAT64, 2)
    in_a, in_b = vjp(tg.matmul, g, a, b)
    assert np.vdot(out.data, g) == np.vdot(a, in_a) == np.vdot(b, in_b)


@given(data=st.data())
def test_einsum_is_numpys_for_equations_of_any_kind(data: st.DataObject) -> None:
    sizes = {letter: data.draw(st.integers(0, 3)) for letter in "abc"}
    terms = data.draw(st.lists(st.text("abc", max_size=3), min_size=1, max_size=3))
    present = sorted(set("".join(terms)))
    out = "".join(data.draw(st.lists(st.sampled_from(present), unique=True)) if present else [])
    equation = ",".join(terms) + ("->" + out if data.draw(st.booleans()) else "")
    operands = [whole(tuple(sizes[letter] for letter in term), FLOAT64, i) for i, term in enumerate(terms)]
    expected = np.einsum(equation, *operands)
    result = tg.einsum(equation, *map(Tensor, operands))
    np.testing.assert_array_equal(result.data, expected)
    g = whole(expected.shape, FLOAT64, 5)
    for operand, cotangent in zip(operands, vjp(lambda *x: tg.einsum(equation, *x), g, *operands), strict=True):
        assert np.vdot(expected, g) == np.vdot(operand, cotangent)


# -- windows ----------------------------------------------------------------------------------------------------


@st.composite
def poolings(draw: st.DrawFn) -> tuple[np.ndarray, dict[str, Any]]:
    kernel = draw(pairs(1, 3))
    options: dict[str, Any] = {
        "kernel_size": kernel if draw(st.booleans()) else kernel[0],
        "stride": draw(st.one_of(st.none(), st.integers(1, 3), pairs(1, 3))),
        "ceil_mode": draw(st.booleans()),
    }
    kernel = (kernel[0], kernel[0]) if isinstance(options["kernel_size"], int) else kernel
    options["padding"] = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    size = [max(1, k - 2 * p) + draw(st.integers(0, 5)) for k, p in zip(kernel, options["padding"], strict=True)]
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 2)), *size)
    return whole(shape[1:] if draw(st.booleans()) else shape, FLOAT64, draw(st.integers(0, 9))), options


def spans(length: int, kernel: int, stride: int, padding: int, ceil_mode: bool) -> list[tuple[int, int]]:
    """Where the windows start and end along an axis of the padded image, by walking along it."""
    found, start = [], 0
    while start + kernel <= length + 2 * padding:
        found.append((start, start + kernel))
        start += stride
    if ceil_mode and found[-1][1] < length + 2 * padding and start < length + padding:
        found.append((start, min(start + kernel, length + 2 * padding)))
    return found


def pooled(x: np.ndarray, options: dict[str, Any], fill: float, reduce: Callable[[np.ndarray], Any]) -> np.ndarray:
    kernel = options["kernel_size"] if isinstance(options["kernel_size"], tuple) else (options["kernel_size"],) * 2
    stride = options["stride"] or kernel
    stride = stride if isinstance(stride, tuple) else (stride, stride)
    padding = options["padding"]
    image = np.pad(x, [(0, 0)] * (x.ndim - 2) + [(p, p) for p in padding], constant_values=fill)
    rows, columns = (
        spans(*along, options["ceil_mode"]) for along in zip(x.shape[-2:], kernel, stride, padding, strict=True)
    )
    return np.array([[reduce(image[..., a:b, c:d]) for c, d in columns] for a, b in rows]).transpose(
        *range(2, x.ndim), 0, 1
    )


@given(poolings())
def test_max_pooling_is_the_largest_of_each_window(pooling: tuple[np.ndarray, dict[str, Any]]) -> None:
    x, options = pooling
    expected = pooled(x, options, -np.inf, lambda window: window.max((-2, -1)))
    np.testing.assert_array_equal(F.max_pool2d(Tensor(x), **options).data, expected)


@given(poolings(), st.booleans())
def test_average_pooling_counts_padding_or_not(pooling: tuple[np.ndarray, dict[str, Any]], counts: bool) -> None:
    x, options = pooling
    expected = pooled(x, options, 0.0 if counts else np.nan, lambda w: np.nanmean(w, (-2, -1)))
    out = F.avg_pool2d(Tensor(x), **options, count_include_pad=counts)
    np.testing.assert_allclose(out.data, expected, rtol=1e-14, atol=1e-14)


@given(poolings())
def test_average_pooling_is_linear_and_its_rule_the_adjoint(pooling: tuple[np.ndarray, dict[str, Any]]) -> None:
    x, options = pooling
    out = F.avg_pool2d(Tensor(x), **options)
    g = whole(out.shape, FLOAT64, 3)
    (in_x,) = vjp(lambda x: F.avg_pool2d(x, **options), g, x)
    assert np.vdot(out.data, g) == pytest.approx(np.vdot(x, in_x), abs=1e-9)


@given(st.integers(1, 7), st.integers(1, 7), st.integers(1, 9), st.integers(1, 9))
def test_adaptive_pooling_averages_the_windows_of_its_definition(h: int, w: int, rows: int, columns: int) -> None:
    x = whole((2, h, w), FLOAT64, 0)
    out = F.adaptive_avg_pool2d(Tensor(x), (rows, columns))
    for i, j in np.ndindex(rows, columns):
        window = x[:, i * h // rows : -(-(i + 1) * h // rows), j * w // columns : -(-(j + 1) * w // columns)]
        np.testing.assert_allclose(out.data[:, i, j], window.mean((1, 2)), rtol=1e-12, atol=1e-12)


@given(
    stride=pairs(1, 3),
    padding=pairs(0, 2),
    dilation=pairs(1, 3),
    kernel=pairs(1, 3),
    size=pairs(1, 4),
    extra=pairs(0, 2),
    groups=st.integers(1, 2),
)
def test_a_transposed_convolution_is_the_adjoint_of_the_convolution(
    stride: Any, padding: Any, dilation: Any, kernel: Any, size: Any, extra: Any, groups: int
) -> None:
    assume(all(e < max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)))
    geometry = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    x, weight = whole((1, 2 * groups, *size), FLOAT64, 0), whole((2 * groups, 1, *kernel), FLOAT64, 1)
    result = [
        (n - 1) * s - 2 * p + d * (k - 1) + e + 1
        for n, s, p, d, k, e in zip(size, stride, padding, dilation, kernel, extra, strict=True)
    ]
    assume(min(result) > 0)
    out = F.conv_transpose2d(Tensor(x), Tensor(weight), output_padding=extra, **geometry)
    assert out.shape == (1, groups, *result)
    g = whole(out.shape, FLOAT64, 2)
    back = F.conv2d(Tensor(g), Tensor(weight), **geometry).data
    assert np.vdot(out.data, g) == np.vdot(x, back[:, :, : size[0], : size[1]])


@given(shape=hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4), data=st.data())
def test_padding_is_numpys_in_every_mode(shape: tuple[int, ...], data: st.DataObject) -> None:
    mode = data.draw(st.sampled_from(["constant", "reflect", "replicate", "circular"]))
    widest = {"reflect": lambda n: n - 1, "circular": lambda n: n}.get(mode, lambda n: 3)
    widths = [(data.draw(st.integers(0, widest(n))), data.draw(st.integers(0, widest(n)))) for n in shape]
    x, flat = whole(shape, FLOAT64, 0), [n for pair in reversed(widths) for n in pair]
    numpys = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode]
    expected = np.pad(x, widths, mode=numpys)  # type: ignore[call-overload]
    np.testing.assert_array_equal(ops.pad(Tensor(x), flat, mode).data, expected)
    g = whole(expected.shape, FLOAT64, 1)
    (in_x,) = vjp(lambda x: ops.pad(x, flat, mode), g, x)
    assert np.vdot(expected, g) == np.vdot(x, in_x)

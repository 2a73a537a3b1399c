"""Tensors among other libraries' arrays, in copies and in other processes: what is shared, and what is refused."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import Tensor, nn

# -- as an array ----------------------------------------------------------------------------------------------


def test_asarray_shares_the_memory_and_array_copies_it() -> None:
    x = Tensor([1.0, 2.0])
    assert np.asarray(x) is x.data
    assert np.array(x, copy=None) is x.data
    assert np.array(x, copy=False) is x.data
    assert not np.shares_memory(np.array(x).data, x.data)
    assert np.asarray(x, dtype=np.float64).dtype == np.float64
    with pytest.raises(ValueError, match=r"[Uu]nable to avoid copy"):
        np.array(x, dtype=np.float64, copy=False)


def test_asarray_refuses_what_requires_grad() -> None:
    x = Tensor([1.0], requires_grad=True)
    for take in (np.asarray, np.array, lambda t: np.asarray(t, dtype=np.float64), lambda t: np.array([t, t])):
        for t in (x, x * 2, x[0]):
            with pytest.raises(RuntimeError, match=r"use tensor\.detach\(\)\.numpy\(\)"):
                take(t)


# -- DLPack ---------------------------------------------------------------------------------------------------

DTYPES = [np.float16, np.float32, np.float64, np.int8, np.int32, np.int64, np.uint8, np.bool_]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0, 2), (2, 3)])
def test_numpy_and_tensors_share_memory_by_dlpack_both_ways(dtype: Any, shape: tuple[int, ...]) -> None:
    x = Tensor(np.ones(shape, dtype))
    array = np.from_dlpack(x)  # type: ignore[arg-type]
    back = tg.from_dlpack(array if array.flags.writeable else x)
    assert (array.dtype, array.shape, back.dtype, back.shape) == (dtype, shape, dtype, shape)
    if x.numel():
        x.data[...] = 0
        assert not array.any()
        assert not back.data.any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_torch_and_tensors_share_memory_by_dlpack_both_ways(dtype: Any) -> None:
    torch = pytest.importorskip("torch")
    x = Tensor(np.ones((2, 3), dtype))
    theirs = torch.from_dlpack(x)
    theirs[0, 0] = 0
    assert not x.data[0, 0]
    ours = tg.from_dlpack(theirs[:, ::2].T)  # not contiguous
    assert np.shares_memory(ours.data, x.data)
    assert ours.tolist() == x.data[:, ::2].T.tolist()


def test_gradients_are_not_lost_by_dlpack() -> None:
    x = Tensor([1.0], requires_grad=True)
    for t in (x, x * 2):
        with pytest.raises(BufferError, match=r"this tensor requires grad; use tensor\.detach\(\)"):
            np.from_dlpack(t)  # type: ignore[arg-type]
    with pytest.raises(BufferError, match="requires grad"):
        tg.from_dlpack(x)
    assert np.from_dlpack(x.detach()) == 1  # type: ignore[arg-type]
    torch = pytest.importorskip("torch")
    with pytest.raises(BufferError):
        tg.from_dlpack(torch.ones(1, requires_grad=True))


def test_memory_that_must_not_be_written_is_not_given_away_by_dlpack() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    with pytest.raises(BufferError, match=r"a live graph needs this memory, .* use tensor\.detach\(\)\.clone\(\)"):
        np.from_dlpack(x.detach())  # type: ignore[arg-type]
    with pytest.raises(BufferError, match="read-only"):
        np.from_dlpack(Tensor([1.0]).expand(3))  # type: ignore[arg-type]
    del y
    assert np.from_dlpack(x.detach()).tolist() == [1.0, 2.0]  # type: ignore[arg-type]


def test_from_dlpack_takes_what_speaks_dlpack_and_holds_numbers() -> None:
    with pytest.raises(TypeError, match="from_dlpack: expected another library's tensor, got list"):
        tg.from_dlpack([1.0])
    with pytest.raises(TypeError, match=r"from_dlpack: expected numbers .*, got complex128"):
        tg.from_dlpack(np.ones(2, complex))
    torch = pytest.importorskip("torch")
    with pytest.raises(BufferError, match=r"from_dlpack: NumPy has no such type .* convert it to float32"):
        tg.from_dlpack(torch.ones(2, dtype=torch.bfloat16))


def test_memory_that_is_read_backwards_which_ends_a_process_with_torch_is_not_given_away_by_dlpack() -> None:
    backwards = Tensor([1.0, 2.0, 3.0])[::-1]
    for t in (backwards, tg.from_numpy(np.ones((2, 3))[:, ::-1]), Tensor([1.0, 2.0]).flip(0)):
        with pytest.raises(BufferError, match=r"reads memory backwards; use tensor\.contiguous\(\)"):
            np.from_dlpack(t)  # type: ignore[arg-type]
    torch = pytest.importorskip("torch")
    assert torch.from_dlpack(backwards.contiguous()).tolist() == [3.0, 2.0, 1.0]


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.1.0", reason="copy= is new in NumPy 2.1")
def test_a_copy_by_dlpack_may_be_of_any_memory() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    copy = np.from_dlpack(x.detach(), copy=True)  # type: ignore[arg-type]
    assert copy.tolist() == [1.0, 2.0]
    assert not np.shares_memory(copy, x.data)
    assert np.from_dlpack(y.detach()[::-1], copy=True).tolist() == [4.0, 1.0]  # type: ignore[arg-type]


def test_from_numpy_shares_the_memory_of_subclasses_too() -> None:
    matrix = np.ones((2, 2)).view(np.matrix)
    x = tg.from_numpy(matrix)
    matrix[0, 0] = 5
    assert type(x.data) is np.ndarray
    assert x.data[0, 0] == 5


# -- copies, and pickles as multiprocessing makes them --------------------------------------------------------


def pickled(x: Any) -> Any:
    return pickle.loads(pickle.dumps(x))


@pytest.mark.parametrize("through", [pickled, copy.deepcopy, copy.copy])
@pytest.mark.parametrize(
    "make",
    [
        lambda: Tensor([1.0, 2.0]),
        lambda: Tensor([1.0], requires_grad=True),
        lambda: Tensor([[1, 2]]),
        lambda: tg.zeros(0, 3),
        lambda: Tensor(np.float64(2)),
        lambda: nn.Parameter([1.0]),
        lambda: nn.Parameter([1.0], requires_grad=False),
        lambda: nn.Buffer([1.0], persistent=False),
    ],
)
def test_a_copy_is_of_the_same_class_with_the_same_values_and_attributes(
    through: Callable[[Any], Any], make: Callable[[], Tensor]
) -> None:
    x = make()
    x.note = ["mine"]  # type: ignore[attr-defined]
    y = through(x)
    assert type(y) is type(x)
    np.testing.assert_array_equal(y.data, x.data)
    assert (y.dtype, y.shape, y.requires_grad, y.is_leaf) == (x.dtype, x.shape, x.requires_grad, True)
    assert vars(y) == vars(x)
    assert np.shares_memory(y.data, x.data) == (through is copy.copy and x.numel() > 0)


def test_only_a_deep_copy_keeps_the_gradient_as_in_torch() -> None:
    x = Tensor([2.0], requires_grad=True)
    (x * x).backward()
    assert copy.deepcopy(x).grad.tolist() == [4.0]  # type: ignore[union-attr]
    assert pickled(x).grad is None
    assert copy.copy(x).grad is None


def test_a_result_is_pickled_as_a_leaf_as_in_torch() -> None:
    x = Tensor([2.0], requires_grad=True)
    y = pickled(x * x)
    assert (y.tolist(), y.requires_grad, y.is_leaf) == ([4.0], True, True)
    with pytest.raises(RuntimeError, match="only leaf tensors"):
        copy.deepcopy(x * x)


@pytest.mark.parametrize("through", [pickled, copy.deepcopy])
def test_a_copy_made_while_a_graph_is_alive_can_be_written(through: Callable[[Any], Any]) -> None:
    x = Tensor([2.0], requires_grad=True)
    y = x * x
    z = through(x)
    z.data[0] = 5.0
    y.backward()
    assert x.grad is not None
    assert x.grad.tolist() == [4.0]


class Tied(nn.Module):
    """Two layers with one weight, a buffer, a dict of layers, and the layers' weight once more in a list."""

    def __init__(self) -> None:
        self.first, self.second = nn.Linear(2, 2), nn.Linear(2, 2, bias=False)
        self.second.weight = self.first.weight
        self.shared = [self.first.weight]
        self.heads = {"age": nn.BatchNorm1d(2)}

    def forward(self, x: Tensor) -> Any:
        return self.heads["age"](self.second(self.first(x)))


def double(module: Any, inputs: Any, output: Tensor) -> Tensor:
    return output * 2


@pytest.mark.parametrize("through", [pickled, copy.deepcopy])
def test_a_copied_module_computes_the_same_and_is_its_own(through: Callable[[Any], Any]) -> None:
    model, x = Tied(), tg.randn(4, 2)
    model.first.register_forward_hook(double)
    alive = model(x)
    twin = through(model)
    assert twin.second.weight is twin.first.weight is twin.shared[0]
    assert len([*twin.parameters()]) == len([*model.parameters()])
    model.eval()
    twin.eval()
    np.testing.assert_array_equal(twin(x).data, model(x).data)
    twin(x).sum().backward()
    assert model.first.weight.grad is None
    twin.first.weight.data[...] = 0
    assert model.first.weight.data.any()
    alive.sum().backward()


def test_a_hook_that_a_copy_brought_is_not_replaced_by_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    relu = nn.ReLU()
    relu.register_forward_hook(double)
    copied = pickled(relu)
    monkeypatch.setattr(nn.hooks.RemovableHandle, "_ids", iter(range(1000)))  # as in another process
    brought = [*copied._forward_hooks]
    for _ in range(brought[0] + 2):
        copied.register_forward_hook(double)
    assert len(copied._forward_hooks) == brought[0] + 3


def test_optimisers_and_models_in_one_pickle_stay_together() -> None:
    model = nn.Linear(2, 1)
    optimizer = tg.optim.SGD(model.parameters(), lr=0.5)
    twin, twins_optimizer = pickled((model, optimizer))
    twin(tg.ones(1, 2)).sum().backward()
    before = twin.weight.data.copy()
    twins_optimizer.step()
    np.testing.assert_allclose(twin.weight.data, before - 0.5)


# -- in a notebook --------------------------------------------------------------------------------------------


def test_a_tensor_that_is_shown_in_part_says_its_shape() -> None:
    assert repr(tg.zeros(1000, 1000)).endswith(", shape=(1000, 1000))")
    assert "shape" not in repr(tg.zeros(10, 10))


def test_parameters_and_buffers_are_shown_under_their_own_names() -> None:
    assert repr(nn.Parameter([1.0])) == "Parameter([1.])"
    assert repr(nn.Parameter([1.0], requires_grad=False)) == "Parameter([1.], requires_grad=False)"
    assert repr(nn.Buffer([[1.0], [2.0]])) == "Buffer([[1.],\n        [2.]])"

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import optim


def parameters(*gradients: list | np.ndarray | None) -> list[tg.Tensor]:
    """Parameters with these gradients."""
    made = []
    for gradient in gradients:
        p = tg.Tensor(np.zeros(np.shape(gradient), np.float32), requires_grad=True)
        p.grad = None if gradient is None else tg.Tensor(gradient)
        made.append(p)
    return made


class TestClipGradNorm:
    def test_scales_all_gradients_together_and_returns_the_norm_they_had(self):
        x, y = parameters([3.0, 0.0], [[-4.0]])
        norm = optim.clip_grad_norm_([x, y], 1.0)
        assert norm.item() == 5.0
        assert norm.shape == ()
        assert norm.dtype == np.float32
        np.testing.assert_allclose(x.grad.data, [0.6, 0.0], rtol=1e-6)
        np.testing.assert_allclose(y.grad.data, [[-0.8]], rtol=1e-6)

    def test_leaves_gradients_within_the_norm_alone(self):
        (x,) = parameters([3.0, -4.0])
        optim.clip_grad_norm_([x], 5.1)
        assert x.grad.tolist() == [3.0, -4.0]

    @pytest.mark.parametrize(("order", "norm"), [(1.0, 7.0), (2.0, 5.0), (float("inf"), 4.0), (3, 91 ** (1 / 3))])
    def test_knows_the_norms_of_all_positive_orders(self, order: float, norm: float):
        assert optim.clip_grad_norm_(parameters([3.0], None, [-4.0]), 100.0, order).item() == pytest.approx(norm)

    @pytest.mark.parametrize("order", [0, -1.0, float("nan")])
    def test_refuses_other_orders(self, order: float):
        with pytest.raises(ValueError, match="norm_type must be positive or inf"):
            optim.clip_grad_norm_(parameters([3.0]), 1.0, order)

    def test_takes_a_single_tensor_or_any_iterable(self):
        x, y = parameters([3.0], [4.0])
        assert optim.clip_grad_norm_(x, 100.0).item() == 3.0
        assert optim.clip_grad_norm_((p for p in [x, y]), 100.0).item() == 5.0

    def test_of_no_gradients_is_zero(self):
        assert optim.clip_grad_norm_([], 1.0).item() == 0.0
        assert optim.clip_grad_norm_(parameters(None, np.zeros((0, 3), np.float32)), 1.0).item() == 0.0

    def test_sums_in_float64(self):
        (x,) = parameters(np.full(3_000_000, 1e-3, np.float32))
        assert optim.clip_grad_norm_([x], 100.0).item() == pytest.approx(3.0**0.5, rel=1e-7)
        (x,) = parameters(np.full(4, 1e30, np.float32))  # whose squares float32 cannot hold
        assert optim.clip_grad_norm_([x], 1e30).item() == pytest.approx(2e30, rel=1e-6)
        np.testing.assert_allclose(x.grad.data, np.full(4, 5e29), rtol=1e-6)

    def test_gives_the_same_bits_on_any_number_of_threads(self):
        array = np.random.default_rng(0).standard_normal(500_001).astype(np.float32)
        results = set()
        for threads in (1, 2, 4):
            tg.set_num_threads(threads)
            x, y = parameters(array, array[:7])
            norm = optim.clip_grad_norm_([x, y], 1.0)
            results.add((norm.item(), x.grad.data.tobytes(), y.grad.data.tobytes()))
        assert len(results) == 1

    def test_refuses_a_norm_that_is_not_finite_if_asked_to_and_then_changes_nothing(self):
        x, y = parameters([3.0], [float("nan")])
        with pytest.raises(RuntimeError, match="the norm of the gradients is nan"):
            optim.clip_grad_norm_([x, y], 1.0, error_if_nonfinite=True)
        assert x.grad.item() == 3.0

    def test_spreads_nan_otherwise_as_torch_does(self):
        x, y = parameters([3.0], [float("nan")])
        optim.clip_grad_norm_([x, y], 1.0)
        assert np.isnan(x.grad.item())

    def test_spares_an_array_that_a_graph_needs(self):
        (x,) = parameters([3.0, -4.0])
        array = x.grad.data
        array.flags.writeable = False
        optim.clip_grad_norm_([x], 1.0)
        np.testing.assert_allclose(x.grad.data, [0.6, -0.8], rtol=1e-6)
        assert array.tolist() == [3.0, -4.0]

    @pytest.mark.parametrize("order", [1.0, 2.0, 3.5, float("inf")])
    @pytest.mark.parametrize("max_norm", [0.0, 0.5, 1e6])
    def test_is_torchs(self, order: float, max_norm: float):
        torch = pytest.importorskip("torch")
        arrays = [np.random.default_rng(i).standard_normal((i, 3)).astype(np.float32) for i in range(1, 4)]
        ours, theirs = parameters(*arrays), [torch.zeros(a.shape, requires_grad=True) for a in arrays]
        for p, a in zip(theirs, arrays, strict=True):
            p.grad = torch.tensor(a)
        norm = optim.clip_grad_norm_(ours, max_norm, order).item()
        expected = torch.nn.utils.clip_grad_norm_(theirs, max_norm, order).item()
        assert norm == pytest.approx(expected, rel=1e-6)
        for p, q in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(p.grad.data, q.grad.numpy(), rtol=1e-5)


class TestClipGradValue:
    def test_clamps_each_element(self):
        x, y, z = parameters([3.0, -0.5], None, [[-2.0]])
        optim.clip_grad_value_([x, y, z], 1.0)
        assert x.grad.tolist() == [1.0, -0.5]
        assert y.grad is None
        assert z.grad.tolist() == [[-1.0]]

    def test_takes_a_single_tensor(self):
        (x,) = parameters([3.0])
        optim.clip_grad_value_(x, 2.0)
        assert x.grad.tolist() == [2.0]

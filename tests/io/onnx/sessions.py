"""Running ONNX models in tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn


def session(model: Any) -> Any:
    """ONNX Runtime with a model: a path, or bytes."""
    onnxruntime = pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run(model: Any, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    return list(session(model).run(None, dict(inputs)))


def agree(model: nn.Module, path: Any, *shape: int, batches: tuple[int, ...] = (1, 2, 7)) -> None:
    """Export the model with one example of a shape, and check what the file gives for other batches of noise."""
    tg.export_onnx(model, tg.zeros(1, *shape), path)
    exported = session(path)
    (entry,) = exported.get_inputs()
    assert entry.shape == ["batch", *shape]
    model.eval()
    for size in batches:
        x = np.random.default_rng(size).standard_normal((size, *shape)).astype(np.float32)
        with tg.no_grad():
            expected = model(tg.Tensor(x)).numpy()
        (got,) = exported.run(None, {entry.name: x})
        assert got.dtype == expected.dtype
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)

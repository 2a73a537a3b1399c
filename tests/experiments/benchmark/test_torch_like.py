"""Tasks of both frameworks: the same lines compute the same numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tinygrad_cnn as tg
from experiments.benchmark import torch_like
from experiments.benchmark.harness import agree, run_race, worker

SMALL = {
    "training_step": {"network": "AgeCNN", "batch": 2},
    "inference": {"network": "AgeCNN", "batch": 2},
    "convolution": {"x": (2, 4, 9, 9), "weight": (6, 2, 3, 3), "stride": 2, "padding": 1, "groups": 2},
    "max_pooling": {"x": (2, 3, 9, 9), "kernel_size": 3, "stride": 2, "padding": 1},
    "batch_norm": {"x": (4, 3, 5, 5)},
    "global_average_pooling": {"x": (2, 3, 5, 5)},
    "log_softmax": {"x": (5, 7)},
    "cross_entropy": {"x": (5, 7)},
    "optimizer_step": {"optimizer": "AdamW", "options": {"lr": 1e-3}},
    "chain": {"ops": 10},
}


@pytest.mark.parametrize("task", SMALL)
def test_both_frameworks_compute_the_same_whatever_the_layout(task):
    pytest.importorskip("torch")
    threads = tg.get_num_threads()
    both = {"layout": "channels_last", "fused": task in ("training_step", "optimizer_step")}
    ours, theirs, faster = (
        torch_like.make(task, framework, threads, **SMALL[task], **more).check()
        for framework, more in (("tinygrad_cnn", {}), ("torch", {}), ("torch", both))
    )
    assert agree(ours, theirs)
    assert agree(ours, faster)
    assert ours


def test_the_small_resnets_agree_too():
    torch = pytest.importorskip("torch")
    lib = torch_like.Framework("torch", tg.get_num_threads())
    parameters = sum(p.numel() for p in lib.network("small ResNet").parameters())
    assert 0.5e6 <= parameters <= 1e6
    arguments = {"network": "small ResNet", "batch": 1, "threads": torch.get_num_threads()}
    assert agree(*(torch_like.make("inference", name, **arguments).check() for name in ("tinygrad_cnn", "torch")))


def test_a_fingerprint_sees_the_order_of_elements():
    x = np.arange(6.0)
    assert not agree([torch_like.fingerprint(tg.Tensor(x))], [torch_like.fingerprint(tg.Tensor(x[::-1].copy()))])


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
def test_memory_that_a_step_adds_is_at_least_its_largest_activation():
    arguments = {"task": "training_memory", "framework": "tinygrad_cnn", "network": "AgeCNN", "batch": 8, "threads": 1}
    race = run_race([worker("ours", "torch_like:make", arguments)], rounds=1, seconds=0, threads=1, fresh=True)
    largest = 8 * 16 * 128 * 128 * 4  # bytes
    assert largest < race.costs["ours"][0] < 30 * largest

"""Whole training steps: the same bits on any number of threads, and memory that stays as large as it is."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from models.age_cnn import AgeCNN
from tinygrad_cnn import optim


class Training:
    """AgeCNN, made anew from a seed, with a batch of noise."""

    def __init__(self, seed: int, image_size: int = 32, batch: int = 5) -> None:
        tg.manual_seed(seed)
        self.model = AgeCNN(image_size)
        self.optimizer = optim.AdamW(self.model.parameters(), lr=1e-3)
        generator = np.random.default_rng(seed)
        self.images = tg.Tensor(generator.standard_normal((batch, 3, image_size, image_size), np.float32))
        self.ages = tg.Tensor(generator.standard_normal((batch, 1), np.float32))

    def step(self) -> None:
        self.optimizer.zero_grad()
        F.mse_loss(self.model(self.images), self.ages).backward()
        optim.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()

    def bits(self) -> bytes:
        """Of all weights, after two steps."""
        self.step()
        self.step()
        return b"".join(p.data.tobytes() for p in self.model.parameters())


def test_any_number_of_threads_gives_the_same_bits() -> None:
    results = set()
    for threads in (1, 2, 4):
        tg.set_num_threads(threads)
        results.add(Training(seed=0, image_size=64).bits())
    assert len(results) == 1


def test_trainings_in_several_threads_at_once_give_the_bits_that_each_gives_alone() -> None:
    tg.set_num_threads(3)
    alone = [Training(seed).bits() for seed in range(4)]
    trainings, together = [Training(seed) for seed in range(4)], {}
    threads = [
        threading.Thread(target=lambda i=i, training=training: together.update({i: training.bits()}))
        for i, training in enumerate(trainings)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert [together[i] for i in range(4)] == alone


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_stays_flat_over_300_steps() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    training = Training(seed=0, batch=8)
    for _ in range(20):
        training.step()
    before = resident()
    for _ in range(300):
        training.step()
    assert resident() - before < 4e6  # bytes; the smallest array that is recycled, kept in each step, would be 20 MB

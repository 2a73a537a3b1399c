"""Tasks of the other contenders."""

from __future__ import annotations

import pytest

import tinygrad_cnn as tg
from experiments.benchmark import others, torch_like
from experiments.benchmark.harness import agree


def test_hips_autograd_computes_the_same_chain():
    pytest.importorskip("autograd")
    ours = torch_like.make("chain", "tinygrad_cnn", tg.get_num_threads(), ops=10)
    assert agree(ours.check(), others.autograd_chain(1, ops=10).check())


def test_an_import_is_timed_in_a_fresh_interpreter():
    assert 0 < others.import_module(1, module="colorsys").step() < 1

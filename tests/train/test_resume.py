"""Checkpoints: what is written is read, or else known to be damaged."""

import numpy as np
import pytest

from tinygrad_cnn.train import Checkpoints
from tinygrad_cnn.train.resume import read_checkpoint, write_checkpoint


def state(step):
    return {
        "optimizer": {"state": {"0": {"step": step, "exp_avg": np.full((2, 3), step, np.float32)}}, "empty": {}},
        "counts": [np.array(step, np.int64), np.zeros(0, np.float64), np.array([True])],
        "rate": 0.1 + step,
        "generator": 2**100 + step,
        "name": "Zoë",
        "nothing": None,
        "best": float("inf"),
    }


def assert_same(state, other):
    assert type(state) is type(other)
    if isinstance(state, dict):
        assert list(state) == list(other)
        for key in state:
            assert_same(state[key], other[key])
    elif isinstance(state, list):
        for value, again in zip(state, other, strict=True):
            assert_same(value, again)
    elif isinstance(state, np.ndarray):
        np.testing.assert_array_equal(state, other, strict=True)
    else:
        assert state == other


def test_a_state_comes_back_to_the_bit(tmp_path):
    write_checkpoint(tmp_path / "c", state(3))
    assert_same(read_checkpoint(tmp_path / "c"), state(3))


def test_a_state_without_arrays_is_one_too(tmp_path):
    write_checkpoint(tmp_path / "c", {"epoch": 1})
    assert read_checkpoint(tmp_path / "c") == {"epoch": 1}


def test_a_single_wrong_bit_anywhere_is_found(tmp_path):
    path = tmp_path / "c"
    write_checkpoint(path, state(3))
    content = path.read_bytes()
    for place in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"damaged|no safetensors file"):
            read_checkpoint(path)


@pytest.mark.parametrize("left", [0, 7, 100, -1])
def test_a_file_that_was_cut_short_is_found(tmp_path, left):
    write_checkpoint(tmp_path / "c", state(3))
    (tmp_path / "c").write_bytes((tmp_path / "c").read_bytes()[:left])
    with pytest.raises(ValueError, match="no safetensors file"):
        read_checkpoint(tmp_path / "c")


def test_what_a_file_can_not_hold_is_an_error_before_anything_is_written(tmp_path):
    with pytest.raises(TypeError, match="holds json and arrays, not set"):
        Checkpoints(tmp_path).write({"names": {"a"}})
    assert not list(tmp_path.iterdir())


def test_two_are_kept_and_the_newest_counts(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    assert not checkpoints.exist()
    for step in range(5):
        checkpoints.write(state(step))
        assert_same(Checkpoints(tmp_path).latest()[0], state(step))
    assert len(list(tmp_path.iterdir())) == 2
    assert checkpoints.exist()


def test_the_one_before_stands_in_for_one_that_is_damaged_and_is_not_overwritten_next(tmp_path):
    first = Checkpoints(tmp_path)
    first.write(state(1))
    damaged, good = first.write(state(2)), tmp_path / "checkpoint-1.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\xff")
    resumed = Checkpoints(tmp_path)
    found, problems = resumed.latest()
    assert_same(found, state(1))
    assert [str(damaged) in problem for problem in problems] == [True]
    assert resumed.write(state(2)) == damaged
    assert_same(read_checkpoint(good)["state"], state(1))
    assert_same(Checkpoints(tmp_path).latest()[0], state(2))


def test_without_a_whole_one_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no checkpoint"):
        Checkpoints(tmp_path).latest()
    (tmp_path / "checkpoint-1.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match=r"checkpoint-1\.safetensors"):
        Checkpoints(tmp_path).latest()


def test_one_is_written_every_so_many_steps(tmp_path):
    checkpoints, written = Checkpoints(tmp_path, every=3), []
    for step in range(1, 8):
        checkpoints.step(lambda step=step: written.append(step) or {"step": step})
    assert written == [3, 6]


class Clock:
    now = 0.0

    def perf_counter(self):
        return self.now


@pytest.mark.parametrize("cost", [0.001, 0.2, 2.0, 50.0])
@pytest.mark.parametrize("step", [0.01, 7.0])
def test_or_as_often_as_takes_a_hundredth_of_the_time(tmp_path, monkeypatch, cost, step):
    clock = Clock()
    monkeypatch.setattr("tinygrad_cnn.train.resume.time", clock)
    monkeypatch.setattr(
        "tinygrad_cnn.train.resume.write_checkpoint", lambda *_: setattr(clock, "now", clock.now + cost)
    )
    checkpoints, finished = Checkpoints(tmp_path), []
    checkpoints.write({})  # as at the beginning of a training
    while clock.now < 200 * cost + 100:
        clock.now += step
        before = clock.now
        checkpoints.step(dict)
        if clock.now > before:
            finished.append(clock.now)
            assert (len(finished) + 1) * cost <= 0.01 * clock.now + cost / 99
    pauses = np.diff([cost, *finished]) - cost
    assert len(finished) >= 1
    assert pauses.min() >= 30
    assert pauses.max() <= max(30, 200 * cost) + 2 * step  # and it doesn't forget to


def test_a_clock_that_stands_still_or_a_slow_disk_cost_no_more(tmp_path, monkeypatch):
    clock = Clock()
    monkeypatch.setattr("tinygrad_cnn.train.resume.time", clock)
    checkpoints, written = Checkpoints(tmp_path), []
    for _ in range(1000):
        checkpoints.step(lambda: written.append(1) or {})
    assert not written


def test_removing_takes_both_and_nothing_else(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for _ in range(2):
        checkpoints.write({})
    (tmp_path / "best.safetensors").write_bytes(b"")
    checkpoints.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["best.safetensors"]

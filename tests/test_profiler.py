"""profile: counts done by hand, times that add up, a trace that Chrome can read."""

from __future__ import annotations

import gc
import json
import threading
import time
import weakref

import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from tinygrad_cnn import modes
from tinygrad_cnn.autograd import primitive
from tinygrad_cnn.modes import Event
from tinygrad_cnn.profiler import Cost, profile

SLEEP = 0.01  # seconds


@primitive(x=lambda g: slow(g))
def slow(x):
    """Its gradient runs it once more."""
    time.sleep(SLEEP)
    return x + 0


def costs_by_name(p: profile) -> dict[str, Cost]:
    return {cost.name: cost for cost in p.costs}


def test_calls_are_those_of_forward_passes():
    x = tg.ones(4, requires_grad=True)
    with profile() as p:
        y = x
        for _ in range(5):
            y = y * 2.0
        (y + 1.0).sum().backward()
    costs = costs_by_name(p)
    assert {name: cost.calls for name, cost in costs.items()} == {"mul": 5, "add": 1, "sum": 1}


def test_what_a_rule_runs_is_the_backward_part_of_its_own_primitive():
    x = tg.ones(4, requires_grad=True)
    with profile() as p:
        slow(slow(x)).sum().backward()
    cost = costs_by_name(p)["slow"]
    assert cost.calls == 2
    assert cost.forward_seconds >= 2 * SLEEP
    assert cost.backward_seconds >= 2 * SLEEP


def test_times_are_added_up_by_primitive_and_direction():
    x = tg.ones(1, requires_grad=True)
    y = tg.exp(x)
    with profile() as p:
        for run, seconds, rule_of in (
            (tg.ops.exp.primitive, 1.0, None),
            (tg.ops.exp.primitive, 2.0, None),
            (tg.ops.mul.primitive, 4.0, y._source),  # in the rule of exp
            (tg.ops.mul.primitive, 8.0, None),
        ):
            modes.observers[-1](Event(run, (x,), {}, y, seconds, rule_of))
    assert {name: cost[1:4] for name, cost in costs_by_name(p).items()} == {"exp": (2, 3.0, 4.0), "mul": (1, 8.0, 0)}
    assert [cost.name for cost in p.costs] == ["mul", "exp"]
    assert p.costs[1].seconds == 7.0
    assert p.total_seconds == 15.0
    assert "53.3 %" in p.table()
    assert "46.7 %" in p.table()


def test_a_convolutions_gradients_are_charged_to_the_convolution():
    x, w = tg.randn(2, 3, 8, 8, requires_grad=True), tg.randn(4, 3, 3, 3, requires_grad=True)
    with profile() as p:
        F.conv2d(x, w).sum().backward()
    assert "conv2d_weight" not in costs_by_name(p)
    assert costs_by_name(p)["conv2d"].backward_seconds > 0


def test_a_backward_pass_alone_is_measured_without_calls():
    y = slow(tg.ones(4, requires_grad=True)).sum()
    with profile() as p:
        y.backward()
    cost = costs_by_name(p)["slow"]
    assert (cost.calls, cost.forward_seconds) == (0, 0)
    assert cost.backward_seconds >= SLEEP


def test_bytes_are_those_read_and_made():
    a, b = tg.ones(10, 10), tg.ones(10)  # 400 and 40 bytes
    with profile() as p:
        a + b
    assert p.costs[0].bytes == 400 + 40 + 400


def test_a_view_moves_nothing():
    with profile() as p:
        tg.ones(10, 10).reshape(100)
    assert costs_by_name(p)["reshape"].bytes == 0


def test_primitives_of_one_name_are_told_apart():
    @primitive()
    def exp(x):
        return x

    with profile() as p:
        exp(tg.ones(2))
        tg.exp(tg.ones(2))
    assert [cost.name for cost in p.costs] == ["exp", "exp"]


def test_total_is_the_time_in_primitives_and_wall_that_of_the_block():
    with profile() as p:
        slow(tg.ones(2))
        time.sleep(3 * SLEEP)
    wall = p.wall_seconds
    assert p.total_seconds >= SLEEP
    assert p.total_seconds + 3 * SLEEP <= wall
    time.sleep(SLEEP)
    assert p.wall_seconds == wall  # the clock stands


def test_only_the_block_is_measured_even_when_it_raises():
    tg.ones(2) * 2.0
    p = profile()
    with pytest.raises(ValueError, match="add"), p:
        (tg.ones(2) + 2.0) + tg.ones(3)
    tg.ones(2) * 2.0
    assert [cost.name for cost in p.costs] == ["add"]


def test_profiles_may_be_nested():
    with profile() as outer:
        tg.ones(2) + 2.0
        with profile() as inner:
            tg.ones(2) * 2.0
    assert [cost.name for cost in inner.costs] == ["mul"]
    assert sorted(cost.name for cost in outer.costs) == ["add", "mul"]


def test_results_are_not_kept_alive():
    with profile() as p:
        y = tg.ones(100) * 2.0
        array = weakref.ref(y.data)
        del y
        gc.collect()
    assert array() is None
    assert p.costs[0].calls == 1


def test_the_table_shows_every_primitive_with_its_share():
    x = tg.ones(1000, 1000, requires_grad=True)
    with profile() as p:
        (slow(x) * x).sum().backward()
    lines = str(p).splitlines()
    names = [line.split()[0] for line in lines[3:6]]
    assert sorted(names) == ["mul", "slow", "sum"]
    assert lines[1].split() == ["primitive", "calls", "forward", "ms", "backward", "ms", "share", "moved", "GB/s"]
    shares = [float(line.split(" %")[0].split()[-1]) for line in lines[3:6]]
    assert sum(shares) == pytest.approx(100, abs=0.2)
    assert lines[-2].startswith("all primitives")
    assert "100.0 %" in lines[-2]
    assert len({len(line) for line in lines[:-1]}) == 1, "columns are aligned"


def test_the_table_of_an_empty_block_is_still_a_table():
    with profile() as p:
        pass
    assert p.costs == []
    assert p.total_seconds == 0
    assert "all primitives" in p.table()


def test_the_trace_holds_every_run_at_its_time_and_in_its_thread(tmp_path):
    x = tg.ones(3, 5, requires_grad=True)
    with profile() as p:
        y = slow(x)
        thread = threading.Thread(target=lambda: slow(tg.ones(2)), name="another")
        thread.start()
        thread.join()
        y.sum().backward()
    p.chrome_trace(tmp_path / "trace.json")
    trace = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    threads = {event["tid"]: event["args"]["name"] for event in trace if event["ph"] == "M"}
    runs = [event for event in trace if event["ph"] == "X"]
    first, second, *_, last = (run for run in runs if run["name"] == "slow")

    assert threads[first["tid"]] == "MainThread"
    assert threads[second["tid"]] == "another"
    assert (first["cat"], last["cat"]) == ("forward", "backward")
    assert last["args"]["gradient of"] == "slow"
    assert first["args"]["shape"] == [3, 5]
    assert first["args"]["bytes"] == 2 * x.data.nbytes
    assert 0 <= first["ts"] <= first["ts"] + first["dur"] <= second["ts"]
    assert second["ts"] + second["dur"] <= last["ts"]
    assert last["ts"] + last["dur"] <= 1e6 * p.wall_seconds
    assert all(run["dur"] >= 1e6 * SLEEP for run in (first, second, last))


def test_threads_that_follow_each_other_have_lines_of_their_own_in_the_trace(tmp_path):
    with profile() as p:
        for name in ("first", "second"):
            thread = threading.Thread(target=lambda: tg.ones(2) * 2.0, name=name)
            thread.start()
            thread.join()
    p.chrome_trace(tmp_path / "trace.json")
    trace = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    threads = {event["tid"]: event["args"]["name"] for event in trace if event["ph"] == "M"}
    assert [threads[event["tid"]] for event in trace if event["ph"] == "X"] == ["first", "second"]
    assert max(threads) < 2**32, "ui.perfetto.dev reads no longer numbers"


def test_a_profile_is_used_once():
    p = profile()
    with p:
        pass
    with pytest.raises(RuntimeError, match=r"has been used.*with tg\.profile\(\) as p"), p:
        pass


@pytest.mark.parametrize("ask", [str, profile.table, lambda p: p.wall_seconds, lambda p: p.chrome_trace("never.json")])
def test_a_profile_that_has_measured_nothing_says_what_to_do(ask):
    with pytest.raises(RuntimeError, match=r"profile: .*with tg\.profile\(\) as p|has not ended"):
        ask(profile())


def test_the_trace_waits_for_the_end_of_the_block(tmp_path):
    with profile() as p, pytest.raises(RuntimeError, match="has not ended"):
        p.chrome_trace(tmp_path / "trace.json")
    assert not (tmp_path / "trace.json").exists()


def test_results_are_the_same_bits_when_profiled():
    x = tg.Tensor(np.random.default_rng(0).standard_normal((2, 3, 9, 9)), requires_grad=True)

    def gradient():
        return tg.grad(F.max_pool2d(F.relu(x), 3, 2).sum(), x)[0].data

    plain = gradient()
    with profile():
        profiled = gradient()
    assert np.array_equal(plain, profiled)

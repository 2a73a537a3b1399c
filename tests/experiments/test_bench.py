"""The benchmark: who computes when, what is compared with what, and what is said of it."""

from __future__ import annotations

import inspect
import json
import os
import re
import time
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import tinygrad_cnn as tg
from experiments import bench
from experiments.benchmark import age_job, networks, report, rows, torch_like
from experiments.benchmark.figures import Figure, Spread, figures, ratios, spread
from experiments.benchmark.harness import Contender, Race, agree, run_race, worker
from experiments.benchmark.rows import CHANNELS_LAST, JAX, MS, OURS, ROWS, TORCH, Call, Goal, Row, Unit
from experiments.benchmark.worker import Task, turn

FAKES = '''
import os, sys, time
from experiments.benchmark.worker import Task

def make(threads, name="", log="", costs=(1.0,) * 9, numbers=(1.0,), at=None, does=""):
    """Costs as they were given; in its turn number `at`, counted from 0, it does something bad."""
    turns = iter(range(99))

    def note(what):
        with open(log, "a") as file:
            file.write(f"{name} {what} {os.getpid()}\\n")

    def step():
        note("begins")
        time.sleep(0.005)
        number = next(turns)
        if number == at and does == "exit":
            sys.stderr.write("first line\\nno more memory\\n")
            sys.stderr.flush()
            os._exit(3)
        if number == at and does == "raise":
            raise ArithmeticError("two is five")
        if number == at and does == "hang":
            time.sleep(60)
        note("ends")
        return costs[number]

    if does == "raise at the start":
        raise ArithmeticError("two is five")
    print("a library says hello")
    return Task(step, check=lambda: list(numbers), gives_cost=True)

def threads_told(threads, **_):
    """Its costs are the number of threads that libraries are told, or -1 where that differs among them."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    told = {int(os.environ[name]) for name in names} | {len(os.sched_getaffinity(0))}
    return Task(lambda: told.pop() if len(told) == 1 else -1, gives_cost=True)
'''


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Makes contenders of the module above; `fake.log()` gives what they wrote, as (name, what, process)."""
    (tmp_path / "fakes.py").write_text(FAKES)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    log = tmp_path / "log"

    def make(name: str, function: str = "make", **arguments: object) -> Contender:
        command = worker(name, "", {"threads": 1, "name": name, "log": str(log), **arguments}).command
        return Contender(name, (*command[:3], f"fakes:{function}", command[4]))

    make.log = lambda: [line.split() for line in log.read_text().splitlines()]
    return make


def race(*contenders: Contender, rounds: int = 3, fresh: bool = False, patience: float = 60) -> Race:
    return run_race(contenders, rounds, seconds=0.0, threads=1, fresh=fresh, patience=patience)


# -- races ----------------------------------------------------------------------------------------------------


def test_contenders_take_turns_in_the_same_order_each_round(fake):
    race(fake("A"), fake("B"), fake("C"))
    begun = [name for name, what, _ in fake.log() if what == "begins"]
    assert begun == ["A", "B", "C"] * 4  # one round to warm up, and three


def test_exactly_one_computes_at_a_time(fake):
    race(fake("A"), fake("B"))
    lines = fake.log()
    for begins, ends in zip(lines[::2], lines[1::2], strict=True):
        assert (begins[0], begins[1], ends[1]) == (ends[0], "begins", "ends")


def test_each_contender_has_one_process_of_its_own(fake):
    race(fake("A"), fake("B"))
    processes = {(name, process) for name, _, process in fake.log()}
    assert len(processes) == 2
    assert len({process for _, process in processes}) == 2
    assert str(os.getpid()) not in {process for _, process in processes}


def test_the_first_round_does_not_count(fake):
    result = race(fake("A", costs=[9.0, 1.0, 2.0, 3.0]), fake("B", costs=[8.0, 4.0, 5.0, 6.0]))
    assert result.costs == {"A": [1.0, 2.0, 3.0], "B": [4.0, 5.0, 6.0]}
    assert not result.failures


def test_a_contender_that_dies_is_reported_and_the_rest_go_on(fake):
    result = race(fake("A"), fake("B", at=2, does="exit"), fake("C"))
    assert result.failures == {"B": "died with exit status 3: no more memory"}
    assert {name: len(costs) for name, costs in result.costs.items()} == {"A": 3, "C": 3}
    begun = [name for name, what, _ in fake.log() if what == "begins"]
    assert begun == ["A", "B", "C"] * 3 + ["A", "C"]


@pytest.mark.parametrize("does", ["raise", "raise at the start"])
def test_an_exception_is_reported_and_the_rest_go_on(fake, does):
    result = race(fake("A", at=1, does=does), fake("B"))
    assert result.failures == {"A": "ArithmeticError: two is five"}
    assert list(result.costs) == ["B"]


def test_a_contender_that_hangs_is_ended(fake):
    started = time.perf_counter()
    result = race(fake("A"), fake("B", at=1, does="hang"), rounds=1, patience=2)
    assert result.failures == {"B": "no answer within 2 seconds"}
    assert result.costs == {"A": [1.0]}
    assert time.perf_counter() - started < 20


def test_a_command_that_is_no_worker_is_reported():
    result = race(Contender("A", ("false",)))
    assert result.failures == {"A": "died with exit status 1"}


@pytest.mark.parametrize("numbers", [[1.0, 2.0021], [1.0, float("nan")], [1.0], []])
def test_who_computes_something_else_does_not_take_part(fake, numbers):
    result = race(fake("A", numbers=[1.0, 2.0]), fake("B", numbers=numbers), fake("C", numbers=[1.0, 2.0019]))
    assert list(result.failures) == ["B"]
    assert result.failures["B"].startswith("computes ")
    assert result.failures["B"].endswith("where A computes 1, 2")
    assert list(result.costs) == ["A", "C"]
    assert "B" not in {name for name, _, _ in fake.log()}


def test_fresh_turns_are_each_in_a_new_process_and_all_count(fake):
    result = race(fake("A", costs=[5.0]), fake("B", costs=[6.0]), fresh=True)
    assert result.costs == {"A": [5.0] * 3, "B": [6.0] * 3}
    begun = [(name, process) for name, what, process in fake.log() if what == "begins"]
    assert [name for name, _ in begun] == ["A", "B"] * 3
    assert len({process for _, process in begun}) == 6


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs Linux")
def test_every_library_is_told_the_same_number_of_threads(fake):
    contender = fake("A", "threads_told")
    assert run_race([contender], rounds=1, seconds=0, threads=1, fresh=True).costs == {"A": [1]}
    assert run_race([contender], rounds=1, seconds=0, threads=5, fresh=True).costs == {"A": [-1]}, "the test can fail"


def test_numbers_agree_to_a_thousandth():
    assert agree([1.0, -2000.0], [1.0009, -2001.9])
    assert not agree([1.0, -2000.0], [1.0011, -2000.0])
    assert agree([0.0], [0.0])
    assert not agree([float("nan")], [float("nan")])


# -- turns ----------------------------------------------------------------------------------------------------


def test_a_turn_gives_the_median_cost_of_a_unit_of_work():
    result = turn(Task(lambda: time.sleep(0.01), work=10), seconds=0.1)
    assert 3 <= result["steps"] <= 10
    assert 0.001 <= result["cost"] < 0.002


def test_a_turn_counts_at_least_one_step_after_one_that_does_not_count():
    steps = []
    result = turn(Task(lambda: time.sleep(0.03 if steps.append(0) or len(steps) > 1 else 0.3)), seconds=0.0)
    assert len(steps) == 2
    assert result["steps"] == 1
    assert result["cost"] < 0.3


def test_a_step_may_give_its_cost_itself():
    assert turn(Task(lambda: 12.0, work=4, gives_cost=True), seconds=9)["cost"] == 3.0


# -- figures --------------------------------------------------------------------------------------------------


def test_ratios_are_the_rivals_cost_over_ours_round_by_round():
    assert ratios([1.0, 2.0, 4.0], [3.0, 2.0, 2.0]) == [3.0, 1.0, 0.5]


def test_the_spread_is_the_median_and_the_quartiles():
    assert spread([4.0, 1.0, 2.0, 3.0, 5.0]) == (3.0, 2.0, 4.0)


def a_row(*goals: Goal, **contenders: object) -> Row:
    calls = {name: Call("", {}, "numpy") for name in (OURS, TORCH, CHANNELS_LAST, JAX)}
    return Row("section", "name", "title", MS, calls, goals)


COSTS = {OURS: [1.0, 2.0, 1.0], TORCH: [3.0, 6.0, 2.0], CHANNELS_LAST: [2.0, 3.0, 2.0], JAX: [4.0, 4.0, 4.0]}


def test_a_goals_figure_is_against_its_best_rival_with_ratios_of_the_same_round():
    first, jax = figures(a_row(Goal(1.1, 1.5)), Race(COSTS))
    assert (first.rival, first.ratio.median, first.ours, first.theirs) == (CHANNELS_LAST, 2.0, 1.0, 2.0)
    assert first.ratio.low == 1.75  # of 1.5, 2, 2; not of medians
    assert (jax.rival, jax.ratio.median, jax.least) == (JAX, 4.0, None)


def test_each_goal_has_its_figure():
    found = figures(a_row(Goal(1.7, 2.2, (TORCH,)), Goal(1.3, 1.6, (CHANNELS_LAST,))), Race(COSTS))
    assert [(figure.rival, figure.ratio.median) for figure in found] == [
        (TORCH, 3.0), (CHANNELS_LAST, 2.0), (JAX, 4.0),
    ]  # fmt: skip


def test_without_our_costs_there_is_no_figure_and_without_a_rivals_the_other_rival_is_taken():
    assert figures(a_row(Goal(1.1)), Race({TORCH: [1.0]}, {OURS: "died"})) == []
    without = {name: costs for name, costs in COSTS.items() if name != CHANNELS_LAST}
    assert figures(a_row(Goal(1.1)), Race(without))[0].rival == TORCH
    assert figures(a_row(Goal(1.1)), Race({OURS: [1.0]})) == []


def a_figure(ratio: float, least: float | None = 1.0, aim: float | None = 2.0, **others: object) -> Figure:
    values = {"section": "Layers", "row": "conv", "title": "convolution", "unit": MS, "ours": 0.0123, "theirs": 0.0246,
              "rival": TORCH} | others  # fmt: skip
    return Figure(**values, ratio=Spread(ratio, ratio / 1.1, ratio * 1.1), least=least, aim=aim)


@pytest.mark.parametrize(
    ("ratio", "least", "aim", "verdict"),
    [
        (0.99, 1.0, 2.0, "below"),
        (1.0, 1.0, 2.0, "reached"),
        (2.0, 1.0, 2.0, "aim reached"),
        (5.0, 1.0, None, "reached"),
        (5.0, None, None, ""),
    ],
)
def test_the_verdict_compares_the_median_with_the_goal(ratio, least, aim, verdict):
    assert a_figure(ratio, least, aim).verdict == verdict


# -- the report -----------------------------------------------------------------------------------------------


def test_values_have_three_digits_and_rates_are_turned_round():
    rate = Unit("images/s", 1, rate=True)
    shown = [report.value(unit, cost) for unit, cost in ((MS, 0.0123456), (MS, 1.5), (MS, 0.000999), (rate, 1 / 4321))]
    assert shown == ["12.3 ms", "1,500 ms", "1.00 ms", "4,321 images/s"]


def test_the_table_is_markdown_whose_columns_line_up():
    found = [a_figure(1.5), a_figure(0.5, title="a long title", rival="another"), a_figure(2.0, section="Other")]
    first, second = (part.splitlines() for part in report.table(found).split("\n\n"))
    assert len({len(line) for line in first}) == 1
    assert len({tuple(re.finditer(r"\|", line)).__len__() for line in first + second}) == 1
    assert [cell.strip() for cell in first[2].strip("|").split("|")] == [
        "convolution", "12.3 ms", "PyTorch: 24.6 ms", "1.50x", "1.36x to 1.65x", "1.00x", "2.00x", "reached",
    ]  # fmt: skip
    assert first[3].startswith("| a long title |")
    assert "below" in first[3]
    assert second[0].startswith("| Other")


def test_the_chart_has_a_bar_for_each_figure_from_one_outwards(tmp_path):
    found = [a_figure(1.5), a_figure(0.5), a_figure(99.0, None, None, section="Other")]
    picture = report.chart(found, ["a machine"])
    bars = picture.axes[0].patches
    ends = [sorted((bar.get_x(), bar.get_x() + bar.get_width())) for bar in bars]
    assert ends == [[1, 1.5], [0.5, 1], [1, report.WIDEST]]
    assert [text for text in ("convolution", "0.50x", "99.0x", "Other") if text not in texts(picture)] == []
    picture.savefig(tmp_path / "bench.png")
    assert (tmp_path / "bench.png").stat().st_size > 10_000


def texts(picture) -> set[str]:
    return {text.get_text() for text in picture.axes[0].texts}


# -- rows and tasks -------------------------------------------------------------------------------------------


def test_rows_have_names_of_their_own():
    assert len({row.name for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_rows_goals_and_tasks_exist(row):
    for goal in row.goals:
        assert set(goal.against) <= set(row.contenders) - {row.ours} or goal.against == rows.FASTER
        assert set(goal.against) & set(row.contenders)
        assert goal.aim is None or goal.aim > goal.least
    for call in row.contenders.values():
        module, _, name = call.where.partition(":")
        given = {"threads": 2, **call.arguments} | ({"folder": "."} if row.faces else {})
        inspect.signature(getattr(import_module(f"experiments.benchmark.{module}"), name)).bind(**given)
        if module == "torch_like":
            rest = {key: given[key] for key in given.keys() - {"task", "framework", "threads", "layout", "fused"}}
            inspect.signature(torch_like.TASKS[given["task"]]).bind(None, **rest)


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


def test_hips_autograd_computes_the_same_chain():
    pytest.importorskip("autograd")
    from experiments.benchmark.others import autograd_chain

    ours = torch_like.make("chain", "tinygrad_cnn", tg.get_num_threads(), ops=10)
    assert agree(ours.check(), autograd_chain(1, ops=10).check())


def test_a_fingerprint_sees_the_order_of_elements():
    x = np.arange(6.0)
    assert not agree([torch_like.fingerprint(tg.Tensor(x))], [torch_like.fingerprint(tg.Tensor(x[::-1].copy()))])


def test_the_flops_of_a_training_step_are_those_counted_by_hand():
    conv1 = 2 * 128 * 128 * 16 * 3 * 9 * 2  # without its input's gradient
    conv2 = 2 * 64 * 64 * 32 * 16 * 9 * 3
    conv3 = 2 * 32 * 32 * 64 * 32 * 9 * 3
    dense = 2 * (64 * 16 * 16 * 128 + 128) * 3
    assert networks.age_cnn_training_flops(32) == 32 * (conv1 + conv2 + conv3 + dense)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
def test_memory_that_a_step_adds_is_at_least_its_largest_activation():
    task = torch_like.make("training_memory", "tinygrad_cnn", tg.get_num_threads(), network="AgeCNN", batch=8)
    largest = 8 * 16 * 128 * 128 * 4  # bytes
    assert largest < task.step() < 30 * largest


def test_an_import_is_timed_in_a_fresh_interpreter():
    from experiments.benchmark.others import import_module as task

    assert 0 < task(1, module="colorsys").step() < 1


def test_drawn_faces_are_decoded_by_both(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    assert "synthetic faces" in age_job.fill_with_faces(pictures, 3)
    threads = tg.get_num_threads()
    assert age_job.decode_and_cache(threads, str(pictures)).work == 3
    assert age_job.decode_and_cache(threads, str(pictures)).step() > 0
    assert age_job.plain_decoding(threads, str(pictures)).step() > 0


def test_given_faces_are_linked_evenly(tmp_path):
    source, folder = tmp_path / "source", tmp_path / "folder"
    (source / "deep").mkdir(parents=True)
    folder.mkdir()
    for i in range(9):
        (source / ("deep" if i % 2 else "") / f"{i}_0_0_1.jpg").touch()
    assert age_job.fill_with_faces(folder, 3, source) == "3 files of source"
    assert sorted(path.name for path in folder.iterdir()) == ["0_0_0_1.jpg", "4_0_0_1.jpg", "8_0_0_1.jpg"]
    with pytest.raises(ValueError, match=r"holds 9 pictures .*; 10 are needed"):
        age_job.fill_with_faces(folder, 10, source)


# -- the command ----------------------------------------------------------------------------------------------


def test_the_command_prints_a_table_and_shares_and_writes_json_and_chart(tmp_path, monkeypatch, capsys):
    call = Call("torch_like:make", {"task": "chain", "framework": "tinygrad_cnn", "ops": 10}, "numpy")
    missing = call._replace(needs="a_package_that_nobody_has")
    broken = call._replace(arguments={**call.arguments, "ops": "ten"})
    contenders = {OURS: call, "again": call, "missing": missing, "broken": broken}
    monkeypatch.setattr(
        bench, "ROWS", [Row("Section", "tiny", "a tiny row", MS, contenders, (Goal(0.001, None, ("again",)),))]
    )
    monkeypatch.setattr(bench, "PROFILED_STEPS", 1)
    monkeypatch.chdir(tmp_path)
    threads = tg.get_num_threads()
    try:
        status = bench.main(["--rounds", "2", "--quick", "--threads", "1", "--json", "bench.json"])
    finally:
        tg.set_num_threads(threads)
    printed = capsys.readouterr().out

    assert status == 1, "a contender failed"
    assert "a tiny row: broken failed: TypeError" in printed
    assert re.search(r"\| a tiny row \| +[\d.]+ ms \| again: [\d.]+ ms \|", printed)
    assert re.search(r"convolve +3 ", printed)
    assert (tmp_path / "bench.png").exists()
    result = json.loads((tmp_path / "bench.json").read_text())
    assert {len(values) for values in result["rows"][0]["rounds"].values()} == {2}
    assert list(result["rows"][0]["rounds"]) == [OURS, "again"]
    assert result["rows"][0]["figures"][0]["verdict"] == "reached"
    assert result["machine"]["threads"] == 1
    assert result["machine"]["versions"]["numpy"] == np.__version__
    assert result["primitives"][0]["name"] == "convolve"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--rows", "("], "no regular expression"),
        (["--rounds", "0"], "at least 1"),
        (["--threads", "4096"], "this process may use"),
    ],
)
def test_bad_options_are_refused(arguments, complaint, capsys):
    with pytest.raises(SystemExit) as exit_info:
        bench.main(arguments)
    assert exit_info.value.code == 2
    assert complaint in capsys.readouterr().err


def test_rows_that_do_not_exist_are_refused(capsys):
    assert bench.main(["--rows", "nonsense"]) == 2
    assert "no row is named like 'nonsense'" in capsys.readouterr().err


def test_rows_are_listed_by_name(capsys):
    assert bench.main(["--list", "--rows", "^infer"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["infer-32", "infer-1"]

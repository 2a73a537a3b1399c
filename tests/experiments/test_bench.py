"""bench.py: one command from contenders to table, chart and JSON."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_cnn as tg
from experiments import bench
from experiments.benchmark.rows import MS, OURS, Call, Goal, Row


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
    assert "not among the contenders: a_package_that_nobody_has" in printed
    assert re.search(r"\| a tiny row \| +[\d.]+ ms \| again: [\d.]+ ms \|", printed)
    assert re.search(r"conv2d +3 ", printed)
    assert (tmp_path / "bench.png").exists()
    result = json.loads((tmp_path / "bench.json").read_text())
    assert {len(values) for values in result["rows"][0]["rounds"].values()} == {2}
    assert list(result["rows"][0]["rounds"]) == [OURS, "again"]
    assert result["rows"][0]["figures"][0]["verdict"] == "reached"
    assert result["machine"]["threads"] == 1
    assert result["machine"]["versions"]["numpy"] == np.__version__
    assert result["primitives"][0]["name"] == "conv2d"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--rows", "("], "no regular expression"),
        (["--rounds", "0"], "at least 1"),
        (["--threads", "4096"], "this process may use"),
        (["--json", "no/such/bench.json"], "there is no folder no/such"),
        (["--json", "."], ". is a folder"),
        (["--chart", "bench.text"], "bench.text must end in one of .png, "),
    ],
)
def test_bad_options_are_refused(arguments, complaint, capsys):
    with pytest.raises(SystemExit) as exit_info:
        bench.main(arguments)
    assert exit_info.value.code == 2
    complaints = capsys.readouterr().err.splitlines()
    assert len(complaints) == 1
    assert complaint in complaints[0]


def test_rows_that_do_not_exist_are_refused(capsys):
    assert bench.main(["--rows", "nonsense"]) == 2
    assert "no row is named like 'nonsense'" in capsys.readouterr().err


def test_rows_are_listed_by_name(capsys):
    assert bench.main(["--list", "--rows", "^infer"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["infer-32", "infer-1"]


def test_what_is_not_installed_costs_its_rows_and_the_chart_and_no_more(tmp_path, monkeypatch, capsys):
    chain = Call("torch_like:make", {"task": "chain", "framework": "tinygrad_cnn", "ops": 10}, "numpy")
    faces = Call("age_job:bare_step", {}, "cv2")
    rows = [
        Row("Section", "tiny", "a tiny row", MS, {OURS: chain, "again": chain}, (Goal(1, None, ("again",)),)),
        Row("Section", "loop", "faces", MS, {"loop": faces, "bare": faces}, (), faces=True),
    ]
    monkeypatch.setattr(bench, "ROWS", rows)
    monkeypatch.setattr(bench, "PROFILED_STEPS", 1)
    for package in ("cv2", "matplotlib"):
        monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.chdir(tmp_path)
    assert bench.main(["--quick", "--rounds", "1", "--json", "bench.json"]) == 0
    printed = capsys.readouterr().out
    assert "not among the contenders: cv2" in printed
    assert "a tiny row" in printed
    assert "no chart, for matplotlib is not installed" in printed
    assert [path.name for path in tmp_path.iterdir()] == ["bench.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent to a group of processes")
def test_ctrl_c_is_answered_in_one_line_and_ends_every_process(tmp_path):
    command = [sys.executable, str(Path(bench.__file__)), "--rows", "^chain$", "--chart", str(tmp_path / "bench.png")]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert run.stderr is not None
    assert run.stderr.readline() == "chain of 1,000 small ops, forward and backward, per op ...\n"
    assert not select.select([run.stderr], [], [], 1.0)[0]  # contenders start
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does
    assert run.communicate(timeout=30)[1].split("\n") == ["", "bench.py: interrupted", ""]
    assert run.returncode == 130
    with pytest.raises(ProcessLookupError):
        os.killpg(run.pid, 0)

"""bench.py: one command from contenders to table, chart and JSON."""

from __future__ import annotations

import json
import re

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

"""The CPUs that a process may use, with control groups as files that a test writes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tinygrad_cnn.kernels.cpus import usable_cpus


@pytest.fixture(autouse=True)
def _affinity_of_eight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def cpus(root: Path, memberships: str, files: dict[str, str]) -> int:
    """Of a process with this /proc/self/cgroup, where these files are below /sys/fs/cgroup."""
    files = {"proc/self/cgroup": memberships} | {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return usable_cpus(str(root))


def test_without_control_groups_the_affinity_counts(tmp_path: Path) -> None:
    assert usable_cpus(str(tmp_path)) == 8
    assert cpus(tmp_path, "0::/\n", {}) == 8


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("200000 100000", 2), ("max 100000", 8), ("50000 100000", 1), ("350000 100000", 3), ("1600000 100000", 8)],
)
def test_a_quota_of_version_2_counts_in_whole_cpus_and_at_least_one(tmp_path: Path, quota: str, expected: int) -> None:
    assert cpus(tmp_path, "0::/\n", {"cpu.max": quota + "\n"}) == expected


@pytest.mark.parametrize(("quota", "expected"), [("300000", 3), ("-1", 8), ("1000", 1)])
@pytest.mark.parametrize("controllers", ["cpu", "cpu,cpuacct"])
def test_a_quota_of_version_1_counts(tmp_path: Path, controllers: str, quota: str, expected: int) -> None:
    files = {f"{controllers}/cpu.cfs_quota_us": quota + "\n", f"{controllers}/cpu.cfs_period_us": "100000\n"}
    assert cpus(tmp_path, f"5:memory:/a\n4:{controllers}:/\n", files) == expected


def test_the_smallest_quota_on_the_way_up_counts(tmp_path: Path) -> None:
    files = {"a/b/cpu.max": "max 100000", "a/cpu.max": "200000 100000", "cpu.max": "400000 100000"}
    assert cpus(tmp_path, "0::/a/b\n", files) == 2


def test_a_container_whose_own_group_is_the_top_one_is_understood(tmp_path: Path) -> None:
    files = {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}
    assert cpus(tmp_path, "3:cpu:/docker/0123\n0::/docker/0123\n", files) == 2


def test_a_quota_for_something_else_does_not_count(tmp_path: Path) -> None:
    files = {"cpuset/cpu.cfs_quota_us": "100000", "cpuset/cpu.cfs_period_us": "100000"}
    assert cpus(tmp_path, "3:cpuset:/\n", files) == 8


def test_files_that_make_no_sense_are_passed_over(tmp_path: Path) -> None:
    assert cpus(tmp_path, "0::/\n", {"cpu.max": "many\n"}) == 8
    assert cpus(tmp_path, "0::/\n", {"cpu.max": ""}) == 8


def test_a_system_without_affinities_counts_its_cpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert usable_cpus(str(tmp_path)) == 5

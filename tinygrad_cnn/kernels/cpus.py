"""How many CPUs this process may use, which in a container is seldom how many there are."""

from __future__ import annotations

import os
from collections.abc import Iterator

# The root is a parameter for the tests' sake. No pathlib: it would make `import tinygrad_cnn` slower by a tenth.


def usable_cpus(root: str = "/") -> int:
    """CPUs of this process's affinity, or fewer where a control group (Linux, version 1 or 2) has a smaller quota."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([cpus, *map(int, _quotas(root))]))


def _quotas(root: str) -> Iterator[float]:
    """CPUs' worth of time that each control group around this process may use, where it has a limit."""
    try:
        memberships = _read(os.path.join(root, "proc/self/cgroup")).splitlines()
    except OSError:  # another system
        return
    for line in memberships:  # "0::/path" (version 2) or "4:cpu,cpuacct:/path"
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = os.path.join(root, "sys/fs/cgroup", controllers)
        yield from _quota(top)  # in a container this is its own group, and often its path is not below
        while path.strip("/"):
            yield from _quota(top + path)
            path = os.path.dirname(path)


def _quota(folder: str) -> Iterator[float]:
    for files in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):  # versions 2 and 1
        try:
            quota, period = " ".join(_read(os.path.join(folder, name)) for name in files).split()
            if int(quota) > 0:  # -1: no limit
                yield int(quota) / int(period)
        except (OSError, ValueError):  # not there, or "max"
            continue


def _read(path: str) -> str:
    with open(path) as file:
        return file.read()

"""What the figures were taken on: processor, memory, versions."""

from __future__ import annotations

import os
import platform
import re
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PACKAGES = ("numpy", "opencv-python", "torch", "jax", "jaxlib", "autograd")


def machine(threads: int) -> dict[str, Any]:
    """Processor, cores, memory in bytes, system, versions, BLAS, the threads that each contender has, and the load."""
    import threadpoolctl

    import tinygrad_cnn as tg

    blas = [f"{pool['internal_api']} {pool['version']}" for pool in threadpoolctl.threadpool_info()]
    return {
        "processor": _processor(),
        "cores": tg.get_num_threads(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.machine()}",
        "threads": threads,
        "load_before": round(os.getloadavg()[0], 2),
        "numpy_blas": ", ".join(blas),
        "versions": {"python": platform.python_version(), "tinygrad_cnn": tg.__version__, **_versions()},
    }


def is_installed(package: str) -> bool:
    return find_spec(package) is not None


def _versions() -> dict[str, str]:
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _processor() -> str:
    try:
        models = re.findall(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        models = []
    return models[0] if models else platform.processor() or platform.machine()

"""These tests compare with PyTorch; where it is not installed, pytest does not even collect them."""

from __future__ import annotations

import importlib.util

if importlib.util.find_spec("torch") is None:
    collect_ignore_glob = ["*.py"]

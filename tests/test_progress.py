"""Bars: seen by who watches, and never in a file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tinygrad_cnn.progress import progress_bar

ROOT = Path(__file__).resolve().parents[1]
COUNTING = """
import time
from tinygrad_cnn.progress import progress_bar
with progress_bar("counting", 4, "images", {}) as bar:
    for _ in range(4):
        time.sleep(0.12)
        bar.update()
print("done", file=__import__("sys").stderr)
"""


def on_a_terminal(code):
    """What a program writes to its stderr, that being a terminal of 80 columns."""
    fcntl, pty, termios = (pytest.importorskip(name) for name in ("fcntl", "pty", "termios"))  # not on Windows
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, b"\x18\x00\x50\x00\x00\x00\x00\x00")
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, stderr=theirs, check=True)
    written = os.read(ours, 1 << 16).decode()
    os.close(theirs)
    os.close(ours)
    return written


def test_on_a_terminal_a_bar_counts_and_is_gone_when_all_is_done():
    before, *bars, nothing, after = on_a_terminal(COUNTING.format("done=0")).split("\r")[:-1]
    assert before == ""
    assert len(bars) >= 3
    assert all(bar.startswith("counting: ") and bar.endswith("images/s]") for bar in bars)
    assert nothing.strip() == ""
    assert after == "done"


def test_a_bar_may_wait_until_it_is_worth_reading():
    assert on_a_terminal(COUNTING.format("delay=5")) == "done\r\n"


def test_where_nobody_watches_there_is_none(capsys):
    with progress_bar("counting", 3, "images") as bar:
        bar.update()
    assert capsys.readouterr() == ("", "")

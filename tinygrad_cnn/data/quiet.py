"""stderr without what C libraries write there themselves.

libjpeg and libpng complain about a damaged picture past Python, without its name and as often as they like; whoever
reads the picture says it once, with the name.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

STDERR = 2  # its file descriptor

_lock = threading.Lock()
_inside = 0  # how many callers want quiet now
_kept: TextIO | None = None  # where the descriptor led before


@contextmanager
def quiet() -> Iterator[TextIO]:
    """While anybody is in here, what is written to file descriptor 2 is dropped.

    Gives the stream on which a progress bar is still seen. Threads may overlap.
    """
    global _inside, _kept
    with _lock:
        _inside += 1
        if _inside == 1:
            _kept = _redirect()
        shown = _kept if _kept is not None and _is_descriptor(sys.stderr) else sys.stderr
    try:
        yield shown
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0 and _kept is not None:
                os.dup2(_kept.fileno(), STDERR)
                _kept.close()
                _kept = None


def _redirect() -> TextIO | None:
    """Lead the descriptor to nowhere; where it led before, or None where there is none, as in a daemon."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()
    try:
        kept = open(os.dup(STDERR), "w", errors="backslashreplace")  # noqa: SIM115
    except OSError:
        return None
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, STDERR)
    os.close(nowhere)
    return kept


def _is_descriptor(stream: TextIO) -> bool:
    """Whether the stream writes to the descriptor; a notebook's or a test's goes elsewhere."""
    try:
        return stream.fileno() == STDERR
    except (OSError, ValueError, AttributeError):
        return False

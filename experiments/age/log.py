"""What a command says: lines for a reader, or with `--log-format json` one JSON object per line for a program.

Every object has these fields; what else it has depends on its event:

    time      when it was said, ISO 8601 with the zone
    level     info, warning or error; errors are on stderr, all else on stdout
    event     one of those below
    message   the text that a reader would have seen

    message      nothing else: most of what is said, and whatever else is printed
    setup        parts (faces in each), to_beat (the figure of one answer for everybody, in each part), parameters,
                 threads, folder
    epoch        the epoch's row of history.csv, epochs (how many there will be), best (whether none of
                 its image size was better)
    result       folder, data, trained_on, part, and the figures of metrics.json
    prediction   picture (its path), face (its number), x, y, width, height (its place in pixels), and what the network
                 tells of it: age_years, gender and gender_probability, ...
    no_face      picture
    unreadable   picture
    explained    picture, face (0 where none was found), x, y, width, height, file (the drawing), answer
    exported     file
    interrupted  nothing else: Ctrl-C
    failed       nothing else: the command can't be done, and ends with status 2
    crashed      traceback: a fault of the program, which ends with status 1
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import math
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, TextIO

OPTION = "--log-format"


def say(*lines: str, event: str = "message", **fields: Any) -> None:
    """Say some lines on stdout: one message, whose fields only a program gets to see."""
    if isinstance(sys.stdout, JsonLines):
        sys.stdout.put("\n".join(lines).strip("\n"), event, fields)
    else:
        print(*lines, sep="\n", flush=True)


def complain(line: str, event: str = "failed", **fields: Any) -> None:
    """Say on stderr what went wrong."""
    if isinstance(sys.stderr, JsonLines):
        sys.stderr.put(line, event, fields)
    else:
        print(line, file=sys.stderr, flush=True)


def in_the_format_of(arguments: Sequence[str]) -> contextlib.AbstractContextManager[None]:
    """Inside, everything is said as a command line's arguments ask for, also that they are wrong."""
    asked = f"{OPTION}=json" in arguments or (OPTION, "json") in itertools.pairwise(arguments)
    return as_json() if asked else contextlib.nullcontext()


@contextlib.contextmanager
def as_json() -> Iterator[None]:
    """Inside, every line on stdout and stderr is a JSON object, whoever writes it; warnings are too."""

    def warned(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        out.put(f"warning: {message}", "message", {})

    with contextlib.ExitStack() as restoring:
        out = restoring.enter_context(JsonLines(sys.stdout, "info"))
        err = restoring.enter_context(JsonLines(sys.stderr, "error"))
        restoring.enter_context(contextlib.redirect_stdout(out))
        restoring.enter_context(contextlib.redirect_stderr(err))
        restoring.enter_context(warnings.catch_warnings())
        warnings.showwarning = warned
        try:
            yield
        except Exception as error:
            err.put(f"{type(error).__name__}: {error}", "crashed", {"traceback": traceback.format_exc()})
            raise SystemExit(1) from error


class JsonLines(io.TextIOBase):
    """A stream that turns each line written to it into an object, and passes that on."""

    def __init__(self, stream: TextIO, level: str) -> None:
        self.stream, self.level, self._begun = stream, level, ""

    def write(self, text: str) -> int:
        *whole, self._begun = (self._begun + text).split("\n")
        for line in whole:
            if line.strip():
                self.put(line, "failed" if self.level == "error" else "message", {})
        return len(text)

    def fileno(self) -> int:
        return self.stream.fileno()

    def put(self, message: str, event: str, fields: dict[str, Any]) -> None:
        """Write one object; a message that begins with `warning: ` is one."""
        told = message.removeprefix("warning: ")
        level = "warning" if told != message or event == "interrupted" else self.level
        time = datetime.now().astimezone().isoformat(timespec="milliseconds")
        about = {"time": time, "level": level, "event": event, "message": told, **fields}
        self.stream.write(json.dumps(_finite(about)) + "\n")
        self.stream.flush()

    def close(self) -> None:
        if self._begun:
            self.write("\n")
        super().close()


def _finite(value: Any) -> Any:
    """The same, with null for what JSON has no number for."""
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

"""The folder of one training run: what was asked for, on which data, and what came of it.

Every file is written beside its place and then renamed into it, so that a reader, or a run that was cut short,
never leaves or meets half a file. One run at a time writes to a folder: it holds a lock on it, which ends with its
process.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import platform
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import checked
from ..files import FolderLock, make_folder, sweep, write_file
from ..io import save
from .resume import CHECKPOINTS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WEIGHTS = ("best.safetensors", "last.safetensors")


class RunFolder:
    """`path/` with `config.json, history.csv, metrics.json`, weights and pictures of one run.

    Makes the folder, or with `resume` goes on in it: its log grows. What it says it tells to `tell(*lines, **fields)`,
    which by default prints the lines. What a killed run has left half written there is deleted. Inside `with`, or until
    it is closed, no other run can have the folder. Raises BlockingIOError where another one has it, FileExistsError
    where it holds weights or checkpoints of an earlier run, which are never overwritten, FileNotFoundError where none
    is there to resume, and OSError where it can't be written.

    >>> import os, tempfile
    >>> from tinygrad_cnn.train import RunFolder
    >>> with tempfile.TemporaryDirectory() as folder, RunFolder(f"{folder}/first") as run:
    ...     run.say("it begins")
    ...     run.append_history({"epoch": 1, "val_loss": 0.5}).name
    ...     sorted(os.listdir(run.path))
    it begins
    'history.csv'
    ['history.csv', 'log.txt']
    """

    @checked
    def __init__(self, path: str | Path, resume: bool = False, tell: Callable[..., object] | None = None) -> None:
        self.path, self._tell = Path(path), tell or _print
        self.history: list[dict[str, Any]] = []
        self._log: list[str] = []
        if not resume:
            make_folder(self.path)
        self.close = weakref.finalize(self, FolderLock(self.path).close)
        try:
            sweep(self.path)
            if resume:
                log = self.path / "log.txt"
                self._log = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
            else:
                self._refuse_an_earlier_run()
                self.write("log.txt", "")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _refuse_an_earlier_run(self) -> None:
        for names, advice in ((CHECKPOINTS, f"--resume {self.path} goes on with it; or "), (WEIGHTS, "")):
            for name in names:
                if (self.path / name).exists():
                    raise FileExistsError(
                        f"{self.path} already holds a run ({name}); {advice}choose another folder or remove it"
                    )

    @checked
    def write(self, name: str, content: str | bytes) -> Path:
        """Write one file of the run, whole or not at all; gives its path. Raises ValueError for one elsewhere."""
        place = self._place(name)
        write_file(place, content.encode() if isinstance(content, str) else content)
        return place

    @checked
    def write_json(self, name: str, content: Mapping[str, Any]) -> Path:
        """Write `content` as indented json; what is no number (NaN, infinity) raises ValueError."""
        return self.write(name, json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n")

    def log(self, *lines: str) -> Path:
        """Add lines to `log.txt`."""
        self._log.extend(lines)
        return self.write("log.txt", "".join(f"{line}\n" for line in self._log))

    def say(self, *lines: str, **fields: Any) -> None:
        """Tell lines, and add them to `log.txt`; the fields are for who was given as `tell`."""
        self._tell(*lines, **fields)
        self.log(*lines)

    @checked
    def append_history(self, row: Mapping[str, Any]) -> Path:
        """Add one epoch to `history.csv`; every row has the first one's columns."""
        return self.write_history([*self.history, row])

    @checked
    def write_history(self, rows: Iterable[Mapping[str, Any]]) -> Path:
        """Make `history.csv` hold these epochs, whatever it held before."""
        self.history = [dict(row) for row in rows]
        if not self.history:
            (self.path / "history.csv").unlink(missing_ok=True)
            return self.path / "history.csv"
        table = io.StringIO()
        writer = csv.DictWriter(table, fieldnames=list(self.history[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.history)
        return self.write("history.csv", table.getvalue())

    @checked
    def write_weights(self, name: str, state: Mapping[str, np.ndarray], about: Mapping[str, str]) -> Path:
        """Write a model's state as safetensors, with `about` in the file's metadata."""
        place = self._place(name)
        save(state, place, metadata=about)
        return place

    def _place(self, name: str) -> Path:
        if Path(name).name != name or name in ("", ".."):
            raise ValueError(f"a file of a run lies in the run's folder; {name!r} does not")
        return self.path / name

    @checked
    def write_figure(self, name: str, figure: Figure) -> Path:
        """Write a matplotlib figure as png; its title is repeated in the file's own metadata."""
        picture = io.BytesIO()
        figure.savefig(picture, format="png", metadata={"Title": figure.get_suptitle()})
        return self.write(name, picture.getvalue())


def _print(*lines: str, **fields: Any) -> None:
    print(*lines, sep="\n", flush=True)


@checked
def fingerprint(names: Iterable[str]) -> dict[str, Any]:
    """How many files there are, and one hash (SHA-256) of all their names, whatever the order.

    >>> fingerprint(["b.jpg", "a.jpg"]) == fingerprint(["a.jpg", "b.jpg"])
    True
    """
    names = sorted(names)
    return {"count": len(names), "sha256_of_names": hashlib.sha256("\n".join(names).encode()).hexdigest()}


def environment() -> dict[str, Any]:
    """Versions of what a run's result depends on, its command line, and the commit, where there is one.

    The command line, behind `python`, does the same again in the same folder.

    >>> from tinygrad_cnn.train import environment
    >>> sorted(environment())
    ['command_line', 'cpu_count', 'git_commit', 'platform', 'versions']
    """
    from .. import __version__

    versions = {"python": platform.python_version(), "numpy": np.__version__, "tinygrad-cnn": __version__}
    for package in ("opencv-python", "opencv-python-headless"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "command_line": [_script(), *sys.argv[1:]],
        "versions": versions,
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "git_commit": _commit(),
    }


def _script() -> str:
    """The script that runs, as it can be called from here."""
    script = Path(sys.argv[0])
    return str(script.relative_to(Path.cwd()) if script.is_relative_to(Path.cwd()) else script)


def _commit() -> str | None:
    """The commit that this file belongs to, if any; ends in `+` where the source tree differs from it."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=here.parent, capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()

    here = Path(__file__).resolve()
    try:
        git("ls-files", "--error-unmatch", here.name)  # a copy installed inside another project's tree is not it
        return git("describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+")
    except (OSError, subprocess.SubprocessError):
        return None

"""Records: what is kept of a run that a page cites, and nothing of the machine or of a face."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILES = ("config.json", "history.csv", "metrics.json", "predictions.csv")  # pictures may show faces: none is copied
PLACES = {"data_dir": "path/to/UTKFace", "split_file": "path/to/split.csv", "cache_dir": "path/to/cache"}
NO_CHANGE = {*PLACES, "name", "out", "threads", "command", "live", "tensorboard", "log_format"}  # for the result
BEFORE_THEY_WERE = {
    "model": "AgeCNN",
    "task": "age",
    "head": "regression",
}  # in older records


@dataclass(frozen=True)
class Record:
    """One run: its settings, what it printed after each epoch, and its final errors."""

    name: str
    config: Mapping[str, Any]
    history: list[dict[str, str]]
    metrics: Mapping[str, Any]
    predictions: list[tuple[float, float]]  # true and predicted, in years; none in old records, nor of classes

    @property
    def settings(self) -> dict[str, Any]:
        return {**BEFORE_THEY_WERE, **self.config["settings"]}

    @property
    def command(self) -> str:
        return " ".join(["python", *self.config["command_line"]])

    @property
    def tells_age(self) -> bool:
        return "mae_years" in self.metrics

    @property
    def best(self) -> tuple[int, float]:
        """The best epoch of the last image size, and its validation error: in years, or the share of faces whose
        class was not seen."""
        errors = self.column("val_mae_years") if self.tells_age else [1 - a for a in self.column("val_accuracy")]
        sizes = [row.get("image_size") for row in self.history]
        error, epoch = min((error, i) for i, error in enumerate(errors, 1) if sizes[i - 1] == sizes[-1])
        return epoch, error

    @property
    def accuracies(self) -> dict[str, float]:
        """The share of the tested faces, 0 to 1, whose class was seen: by what was learned of them."""
        own = {} if self.tells_age else {self.settings["task"]: self.metrics["accuracy"]}
        parts = {name: part for name, part in self.metrics.items() if isinstance(part, Mapping)}
        return own | {name: part["accuracy"] for name, part in parts.items() if "confusion_matrix" in part}

    def column(self, name: str) -> list[float]:
        return [float(row[name]) for row in self.history]

    @property
    def minutes(self) -> float:
        """Of training and validating."""
        return sum(self.column("seconds")) / 60


def read_records(folder: Path) -> list[Record]:
    """The records that lie in the folders of `folder`, by name. Raises ValueError for a damaged one."""
    return [read_record(path.parent) for path in sorted(folder.glob("*/config.json"))]


def read_record(folder: Path) -> Record:
    try:
        config, metrics = (json.loads((folder / name).read_text()) for name in ("config.json", "metrics.json"))
        predictions = _rows(folder / "predictions.csv") if (folder / "predictions.csv").exists() else []
        ages = [row for row in predictions if "true_years" in row]
        pairs = [(float(row["true_years"]), float(row["predicted_years"])) for row in ages]
        record = Record(folder.name, config, _rows(folder / "history.csv"), metrics, pairs)
        _ = record.best, record.minutes, record.settings, record.command
        return record
    except (KeyError, ValueError, FileNotFoundError) as error:
        raise ValueError(f"{folder} holds no whole record: {type(error).__name__}: {error}") from error


def keep_record(run: Path, folder: Path) -> None:
    """Copy what `FILES` names from a finished run, with no path in it but placeholders. Not over another record."""
    read_record(run)
    folder.mkdir(parents=True)
    for name in FILES[1:]:
        if (run / name).exists():
            shutil.copyfile(run / name, folder / name)
    config = without_places(json.loads((run / "config.json").read_text()))
    (folder / "config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n")


def without_places(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a run without what it says about the machine's folders and its kernel."""
    settings, faces, words = dict(config["settings"]), dict(config["faces"]), list(config["command_line"])
    for name, place in PLACES.items():
        if settings.get(name):
            settings[name] = place
        words = _replaced(words, f"--{name.replace('_', '-')}", place)
    for name in ("name", "out"):
        settings[name] = None
        words = _replaced(words, f"--{name}", None)
    faces["source"] = faces["data"]
    faces["split"] = Path(str(faces["split"])).name
    system, *rest = config["platform"].split("-")
    machine = next((word for word in rest if re.fullmatch(r"x86_64|AMD64|aarch64|arm64", word)), "")
    return {
        **config,
        "settings": settings,
        "faces": faces,
        "command_line": ["experiments/utkface_age.py", *words[1:]],
        "platform": f"{system} {machine}".strip(),
    }


def changes(base: Record, other: Record) -> list[str]:
    """The settings in which `other` differs from `base`, in words."""
    names = [name for name in {**base.settings, **other.settings} if name not in NO_CHANGE]
    pairs = ((name, _words(base.settings.get(name)), _words(other.settings.get(name))) for name in names)
    return [f"{name.replace('_', '-')}: {before} → {after}" for name, before, after in pairs if before != after]


def _words(value: Any) -> str:
    if value is None or value is False or value == []:
        return "off"
    if isinstance(value, list):
        return ",".join(map(str, value))
    return "on" if value is True else str(value)


def _replaced(words: Iterable[str], option: str, value: str | None) -> list[str]:
    """A command line with another value for an option, or without it."""
    kept: list[str] = []
    given = iter(words)
    for word in given:
        if word == option or word.startswith(f"{option}="):
            if word == option:
                next(given, None)
            kept += [option, value] if value is not None else []
        else:
            kept.append(word)
    return kept


def _rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))

"""The run's page, `report.html`: written when training begins, after each epoch, and when the run is over."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Literal

import numpy as np

from experiments.age.faces import SYNTHETIC, Faces
from experiments.age.report import PART_NAMES, figures, first_filters
from experiments.age.tasks import by_subject
from tinygrad_cnn.train import AgeModel, Confusion, Pass, RunFolder
from tinygrad_cnn.viz.report import Classification, Outcome, Report, render

FILE = "report.html"
LARGEST = 160  # pixels: larger faces are shown smaller


class Page:
    """Keeps `report.html` up to date. Inside `with`, a run that ends by an error is shown as stopped.

    `to_beat` is the validation figure of one answer for everybody. An evaluation has 0 epochs and only a `finish`.
    Whatever goes wrong with the page costs the run one line, never the run itself.
    """

    def __init__(
        self, run: RunFolder, model: AgeModel, faces: Faces, epochs: int = 0, to_beat: float | None = None
    ) -> None:
        self.run, self.model, self.faces, self.epochs, self.to_beat = run, model, faces, epochs, to_beat
        self.started = datetime.now().astimezone()
        self.result: tuple[str, Pass] | None = None
        self.note = ""
        self._warned = False

    def __enter__(self) -> Page:
        self._write("running")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            reason = " ".join(str(error).split()) or type(error).__name__
            self._write("stopped", "interrupted" if isinstance(error, KeyboardInterrupt) else reason)

    def resumed(self) -> None:
        """Show the epochs that an interrupted run has behind it; the time that they took counts too."""
        self.started -= timedelta(seconds=sum(row["seconds"] for row in self.run.history))
        self._write("running")

    def after_epoch(self, val: Pass) -> None:
        """Show an epoch, and how the validation faces fared after it."""
        self.result = "val", val
        self._write("running")

    def finish(self, model: AgeModel, part: str, result: Pass, note: str = "") -> None:
        """Show the final model, and how the faces of `part` fared with it; `note` is a sentence on that."""
        self.model, self.result, self.note = model, (part, result), note
        self._write("finished")

    def _write(self, state: Literal["running", "finished", "stopped"], reason: str = "") -> None:
        try:
            self.run.write(FILE, render(self._report(state, reason)))
        except Exception as error:
            if not self._warned:
                what = " ".join(f"{type(error).__name__}: {error}".split())
                with contextlib.suppress(OSError):  # of the log: where another error is on its way, that one counts
                    self.run.say(f"warning: {FILE} could not be written: {what}")
            self._warned = True

    def _report(self, state: Literal["running", "finished", "stopped"], reason: str) -> Report:
        graph = self.run.path / "graph.svg"
        drawn = graph.read_text(encoding="utf-8") if graph.exists() else ""
        results = {} if self.result is None else by_subject(self.model.head, self.result[1])
        part = "" if self.result is None else self.result[0]
        trained = f", trained on {self.model.data}" if self.model.data != self.faces.kind else ""
        return Report(
            name=self.run.path.resolve().name,
            subject=f"{type(self.model.model).__name__} on {self.faces.kind}{trained}",
            state=state,
            started=self.started,
            written=datetime.now().astimezone(),
            epochs=self.epochs,
            history=self.run.history,
            baseline=self.to_beat,
            outcome=outcome(self.model, self.faces, part, results["age"]) if "age" in results else None,
            classes=[
                classification(subject, self.faces, part, result)
                for subject, result in results.items()
                if isinstance(result.errors, Confusion)
            ],
            filters=first_filters(self.model),
            graph=drawn if self.epochs else None,
            config=json.loads((self.run.path / "config.json").read_text(encoding="utf-8")),
            reason=reason,
            note=self.note,
            synthetic=self.faces.kind == SYNTHETIC,
        )


def outcome(model: AgeModel, faces: Faces, part: str, result: Pass) -> Outcome:
    """What the page shows of the ages in `part`; only the best and the worst faces are looked up."""
    about = Outcome(PART_NAMES[part], figures(result, model.median), result.true, result.predicted)
    return replace(about, images=_images(about, faces, part))


def classification(subject: str, faces: Faces, part: str, result: Pass) -> Classification:
    """What the page shows of the classes in `part`; only the faces of the surest answers are looked up."""
    metrics, true = result.errors.as_dict(), result.true.astype(int)
    about = Classification(subject.replace("_", " "), PART_NAMES[part], metrics, true, result.predicted)
    return replace(about, images=_images(about, faces, part))


def _images(about: Outcome | Classification, faces: Faces, part: str) -> dict[int, np.ndarray]:
    places = [place for places in about.extremes() for place in places]
    images = [smaller(image) for image in faces.images(part, np.array(places, int))]
    return dict(zip(places, images, strict=True))


def smaller(image: np.ndarray) -> np.ndarray:
    """The face, at most `LARGEST` pixels on a side."""
    import cv2

    if image.shape[0] <= LARGEST:
        return image
    return cv2.resize(image, (LARGEST, LARGEST), interpolation=cv2.INTER_AREA)

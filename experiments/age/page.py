"""The run's page, `report.html`: written when training begins, after each epoch, and when the run is over.

It tells of ages; of a model that tells none there is no page.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Literal

import numpy as np

from experiments.age.faces import SYNTHETIC, Faces
from experiments.age.report import PART_NAMES, figures, first_filters
from experiments.age.tasks import by_subject
from tinygrad_cnn.train import AgeModel, Pass, RunFolder
from tinygrad_cnn.viz.report import Outcome, Report, render

FILE = "report.html"
LARGEST = 160  # pixels: larger faces are shown smaller


class Page:
    """Keeps `report.html` up to date. Inside `with`, a run that ends by an error is shown as stopped.

    Whatever goes wrong with the page costs the run one line, never the run itself.
    """

    def __init__(self, run: RunFolder, model: AgeModel, faces: Faces, epochs: int, to_beat: float) -> None:
        self.run, self.model, self.faces, self.epochs, self.to_beat = run, model, faces, epochs, to_beat
        self.started = datetime.now().astimezone()
        self.result: tuple[str, Pass] | None = None
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

    def after_epoch(self, val: Pass) -> None:
        """Show an epoch, and how the validation faces fared after it."""
        self._show("val", val)
        self._write("running")

    def finish(self, model: AgeModel, part: str, result: Pass) -> None:
        """Show the final model, and how the faces of `part` fared with it."""
        self.model = model
        self._show(part, result)
        self._write("finished")

    def _show(self, part: str, result: Pass) -> None:
        if "age" in self.model.head.subjects:
            self.result = part, by_subject(self.model.head, result)["age"]

    def _write(self, state: Literal["running", "finished", "stopped"], reason: str = "") -> None:
        if "age" not in self.model.head.subjects:
            return
        try:
            self.run.write(FILE, render(self._report(state, reason)))
        except Exception as error:
            if not self._warned:
                what = " ".join(f"{type(error).__name__}: {error}".split())
                self.run.say(f"warning: {FILE} could not be written: {what}")
            self._warned = True

    def _report(self, state: Literal["running", "finished", "stopped"], reason: str) -> Report:
        graph = self.run.path / "graph.svg"
        config = json.loads((self.run.path / "config.json").read_text(encoding="utf-8"))
        return Report(
            name=self.run.path.resolve().name,
            subject=f"{type(self.model.model).__name__} on {self.faces.kind}",
            state=state,
            started=self.started,
            written=datetime.now().astimezone(),
            epochs=self.epochs,
            history=self.run.history,
            baseline=self.to_beat,
            outcome=None if self.result is None else outcome(self.model, self.faces, *self.result),
            filters=first_filters(self.model),
            graph=graph.read_text(encoding="utf-8") if graph.exists() else None,
            config=config,
            reason=reason,
            synthetic=self.faces.kind == SYNTHETIC,
        )


def outcome(model: AgeModel, faces: Faces, part: str, result: Pass) -> Outcome:
    """What the page shows of the faces of `part`; only the best and the worst are looked up."""
    about = Outcome(PART_NAMES[part], figures(result, model.median), result.true, result.predicted)
    best, worst = about.extremes()
    places = [*best, *worst]
    images = [smaller(image) for image in faces.images(part, np.array(places, int))]
    return replace(about, images=dict(zip(places, images, strict=True)))


def smaller(image: np.ndarray) -> np.ndarray:
    """The face, at most `LARGEST` pixels on a side."""
    import cv2

    if image.shape[0] <= LARGEST:
        return image
    return cv2.resize(image, (LARGEST, LARGEST), interpolation=cv2.INTER_AREA)

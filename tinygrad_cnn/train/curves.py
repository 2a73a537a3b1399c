"""Curves for TensorBoard: the figures of each epoch in event files, for `tensorboard --logdir runs`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..extras import optional_import

PARTS = {"train": "training", "val": "validation"}  # `loss/training` and `loss/validation` stand together


class Curves:
    """Scalars in `folder`, a point for each epoch, on the disk as soon as it is added.

    A folder may hold curves already. They go on: from the first epoch that is added, TensorBoard drops what was there.

    >>> import os, tempfile
    >>> from tinygrad_cnn.train import Curves
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     curves = Curves(folder)
    ...     curves.add({"epoch": 1, "train_loss": 0.5, "val_loss": 0.75})
    ...     curves.close()
    ...     len(os.listdir(folder))
    1
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._writer: Any = None

    def add(self, row: Mapping[str, Any]) -> None:
        """Add an epoch, a row of the run's history; what is no number in it is left out.

        Raises MissingExtra, and OSError where the folder can't be written.
        """
        with optional_import():
            from tensorboardX.event_file_writer import EventsWriter
            from tensorboardX.proto.event_pb2 import Event, SessionLog
            from tensorboardX.summary import scalar

        epoch = row["epoch"]
        try:
            if self._writer is None:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._writer = EventsWriter(str(self.folder / "events"), f".from-epoch-{epoch}")
                self._write(Event(step=epoch, session_log=SessionLog(status=SessionLog.START)))
            for name, value in row.items():
                if name != "epoch" and isinstance(value, (int, float)):
                    part, _, quantity = name.partition("_")
                    tag = f"{quantity}/{PARTS[part]}" if part in PARTS else name
                    self._write(Event(step=epoch, summary=scalar(tag, value)))
            self._writer.flush()
        except OSError as error:
            raise OSError(error.errno, error.strerror or str(error), str(self.folder)) from error

    def _write(self, event: Any) -> None:
        event.wall_time = time.time()
        self._writer.write_event(event)

    def close(self) -> None:
        """End the file; where nothing was added there is none."""
        if self._writer is not None:
            with contextlib.suppress(OSError):  # each epoch is on the disk, or has raised
                self._writer.close()

"""Event files for TensorBoard, read back record by record."""

import struct
from contextlib import closing

import pytest

from tinygrad_cnn.train import Curves

pytest.importorskip("tensorboardX")


def events(folder):
    """All events in the order of the files' names: TFRecords, each a length, its checksum, data and their checksum."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns):
        content = path.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            found.append(Event.FromString(content[12 : 12 + length]))
            content = content[16 + length :]
    return found


def scalars(folder):
    """Curve -> its points, as TensorBoard shows them: a start at some step drops what was there from it on."""
    curves = {}
    for event in events(folder):
        if event.session_log.status == event.session_log.START:
            for points in curves.values():
                points.update({step: None for step in points if step >= event.step})
        for value in event.summary.value:
            curves.setdefault(value.tag, {})[event.step] = pytest.approx(value.simple_value, rel=1e-6)
    return curves


def row(epoch, error):
    return {"epoch": epoch, "train_loss": error / 10, "val_loss": error / 5, "train_mae_years": error,
            "val_mae_years": error + 1, "learning_rate": 1e-3, "images_per_second": 150.5,
            "data": "UTKFace"}  # fmt: skip


def test_every_number_of_an_epoch_is_a_point_and_there_at_once(tmp_path):
    with closing(Curves(tmp_path / "new" / "folder")) as curves:
        for epoch in (1, 2):
            curves.add(row(epoch, 10.0 / epoch))
            assert scalars(tmp_path / "new" / "folder") == {
                "loss/training": {e: 1.0 / e for e in range(1, epoch + 1)},
                "loss/validation": {e: 2.0 / e for e in range(1, epoch + 1)},
                "mae_years/training": {e: 10.0 / e for e in range(1, epoch + 1)},
                "mae_years/validation": {e: 10.0 / e + 1 for e in range(1, epoch + 1)},
                "learning_rate": dict.fromkeys(range(1, epoch + 1), 1e-3),
                "images_per_second": dict.fromkeys(range(1, epoch + 1), 150.5),
            }


def test_a_run_that_goes_on_goes_on_in_the_same_curves(tmp_path):
    for first in (1, 3):  # the second run takes up after epoch 2 of 4
        with closing(Curves(tmp_path)) as curves:
            for epoch in range(first, 5):
                curves.add(row(epoch, float(10 * first + epoch)))
    assert scalars(tmp_path)["mae_years/training"] == {1: 11.0, 2: 12.0, 3: 33.0, 4: 34.0}
    assert len(list(tmp_path.iterdir())) == 2  # also when both began in the same second


def test_without_an_epoch_there_is_no_file(tmp_path):
    Curves(tmp_path / "none").close()
    assert not (tmp_path / "none").exists()

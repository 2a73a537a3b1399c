"""Tasks of the main job: pictures made ready, decoded, trained on."""

from __future__ import annotations

import pytest

import tinygrad_cnn as tg
from experiments.benchmark import age_job


def test_drawn_faces_are_decoded_by_both(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    assert "synthetic faces" in age_job.fill_with_faces(pictures, 3)
    threads = tg.get_num_threads()
    assert age_job.decode_and_cache(threads, str(pictures)).work == 3
    assert age_job.decode_and_cache(threads, str(pictures)).step() > 0
    assert age_job.plain_decoding(threads, str(pictures)).step() > 0
    assert age_job.plain_decoding(threads, str(pictures), "INTER_AREA").step() > 0


def test_given_faces_are_linked_evenly(tmp_path):
    source, folder = tmp_path / "source", tmp_path / "folder"
    (source / "deep").mkdir(parents=True)
    folder.mkdir()
    for i in range(9):
        (source / ("deep" if i % 2 else "") / f"{i}_0_0_1.jpg").touch()
    assert age_job.fill_with_faces(folder, 3, source) == "3 files of source"
    assert sorted(path.name for path in folder.iterdir()) == ["0_0_0_1.jpg", "4_0_0_1.jpg", "8_0_0_1.jpg"]
    with pytest.raises(ValueError, match=r"holds 9 pictures .*; 10 are needed"):
        age_job.fill_with_faces(folder, 10, source)


def test_an_epoch_of_the_main_job_takes_as_many_images_as_there_are_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr(age_job, "_draw_progress", lambda: None)
    monkeypatch.setattr(age_job, "IMAGE_SIZE", 16)
    age_job.fill_with_faces(tmp_path, 40)
    task = age_job.training_loop(tg.get_num_threads(), str(tmp_path))
    assert task.work == 40
    assert task.step().errors.count == 40
    bare = age_job.bare_step(tg.get_num_threads(), str(tmp_path))
    bare.step()
    assert bare.work == 32

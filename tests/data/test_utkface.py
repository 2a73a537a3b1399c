import errno
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tinygrad_cnn.data import DataLoader, KaggleUnreachable, UTKFace, read_image, utkface
from tinygrad_cnn.data.utkface import Label, parse_name

from .pictures import photo, write

NAMES = [
    "1_0_0_20161219140623097.jpg.chip.jpg",
    "26_1_2_20170116184024662.jpg.chip.jpg",
    "26_1_3_20170104235219494.jpg.chip.jpg",
    "61_1_20170109142408075.jpg.chip.jpg",
    "116_1_0_20170120134921760.jpg",
]


@pytest.fixture
def root(tmp_path):
    for i, name in enumerate(NAMES):
        write(tmp_path / "UTKFace" / name, photo(i))
    return tmp_path / "UTKFace"


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("26_1_2_20170116184024662.jpg.chip.jpg", (26, 1, 2)),
        ("26_1_2_20170116184024662.jpg", (26, 1, 2)),
        ("100_0_4_1.JPG", (100, 0, 4)),
        ("0_0_0_20170116184024662.jpg", (0, 0, 0)),
        ("130_0_0_20170116184024662.jpg", (130, 0, 0)),
        ("14_0_0_2017011022340900.jpg.chip.jpg", (14, 0, 0)),
        ("28_1_2_201701161846515488.jpg.chip.jpg", (28, 1, 2)),
        ("61_1_20170109142408075.jpg.chip.jpg", (61, None, None)),  # no race
        ("61_3_20170109150557335.jpg.chip.jpg", (61, None, None)),
        ("53__0_20170116184028385.jpg", (53, None, None)),
        ("24_0_1_20170116220224657 .jpg.chip.jpg", (24, None, None)),  # a stray space
        (" 24_0_1_20170116220224657.jpg.chip.jpg", (24, None, None)),
        ("55_0_0_20170116232725357jpg.chip.jpg", (55, None, None)),  # a missing dot
        ("44_1_4_20170116235150272.pg.chip.jpg", (44, None, None)),
        ("30_7_9_20170116232725357.jpg", (30, None, None)),
        ("30_-1_0_20170116232725357.jpg", (30, None, None)),
        ("30_female_0_20170116232725357.jpg", (30, None, None)),
        ("30_1_0_0_20170116232725357.jpg", (30, None, None)),  # a field too many
        ("30__1_0_20170116232725357.jpg", (30, None, None)),
        ("030_1_0_20170116232725357.jpg", (30, 1, 0)),
    ],
)
def test_a_name_tells_the_age_and_in_its_full_form_gender_and_race(name, label):
    assert parse_name(name) == Label(*label)


@pytest.mark.parametrize(
    "name",
    [
        "131_0_0_1.jpg",
        "1000_0_0_1.jpg",
        "999_0_0_1.jpg",
        "9" * 5000 + "_0_0_1.jpg",
        "26.5_0_0_1.jpg",
        "young_0_0_1.jpg",
        "-5_0_0_1.jpg",
        "face.jpg",
        "_1_2_3.jpg",
        "26.jpg",
        "2x_0_0_1.jpg",
        "٢٦_0_0_1.jpg",
    ],
)
def test_a_name_without_an_age_from_0_to_130_has_no_label(name):
    assert parse_name(name) is None


def test_reads_images_and_labels_in_the_order_of_the_names(root):
    faces = UTKFace(root, 32)
    assert len(faces) == 5
    assert [file.name for file in faces.files] == sorted(NAMES)
    assert faces.ages.tolist() == [116, 1, 26, 26, 61]
    assert faces.ages.dtype == np.float32
    assert faces.genders == [1, 0, 1, 1, None]
    assert faces.races == [0, 0, 2, 3, None]
    assert faces.skipped == []
    for i, file in enumerate(faces.files):
        image, age = faces[i]
        np.testing.assert_array_equal(image, read_image(file, 32))
        assert age == faces.ages[i]


def test_batches_and_single_images_agree(root):
    faces = UTKFace(root, 32)
    images, ages = faces.batch([4, 0, -1])
    assert ages.tolist() == [61, 116, 61]
    np.testing.assert_array_equal(images[0], faces[4][0])
    np.testing.assert_array_equal(images[0], faces[-1][0])
    with pytest.raises(IndexError):
        faces[5]


def test_is_loaded_as_tensors_with_ages_in_years(root):
    ((images, ages),) = DataLoader(UTKFace(root, 32))
    assert images.shape == (5, 3, 32, 32)
    assert ages.tolist() == [116, 1, 26, 26, 61]


def test_files_of_any_kind_are_skipped_with_a_reason(root):
    (root / "33_0_0_1.jpg").write_bytes(b"no picture")
    (root / "34_0_0_1.jpg").write_bytes(b"")
    (root / "35_0_0_1.jpg").mkdir()
    (root / "36_0_0_1.jpg").symlink_to(root / "nowhere")
    os.mkfifo(root / "37_0_0_1.jpg")
    (root / "38_0_0_1.jpg").symlink_to("38_0_0_1.jpg")
    write(root / "200_0_0_1.jpg", photo())
    write(root / "portrait.jpg", photo())
    (root / "README.txt").write_text("not an image, not listed")
    start = time.monotonic()
    for _ in range(2):
        faces = UTKFace(root, 32)
        assert sorted(NAMES) == [file.name for file in faces.files]
        assert {path.name: reason for path, reason in faces.skipped} == {
            "33_0_0_1.jpg": "neither a JPEG nor a PNG nor a WebP file",
            "34_0_0_1.jpg": "empty file",
            "35_0_0_1.jpg": "not a regular file",
            "36_0_0_1.jpg": "No such file or directory",
            "37_0_0_1.jpg": "not a regular file",
            "38_0_0_1.jpg": os.strerror(errno.ELOOP),
            "200_0_0_1.jpg": "no age from 0 to 130 at the start of its name",
            "portrait.jpg": "no age from 0 to 130 at the start of its name",
        }
    assert time.monotonic() - start < 5
    assert faces.batch(range(5))[0].max((1, 2, 3)).min() > 0  # none of the black rows


def test_the_archive_with_the_same_faces_in_three_folders_counts_each_name_once(root, tmp_path):
    for i, name in enumerate(NAMES[:3]):
        write(tmp_path / "crop_part1" / name, photo(i + 100))
    for i, name in enumerate(NAMES):
        write(tmp_path / "utkface_aligned_cropped" / "UTKFace" / name, photo(i + 200))
    write(tmp_path / "utkface_aligned_cropped" / "crop_part1" / "7_0_0_1.jpg", photo())
    faces = UTKFace(tmp_path, 32)
    assert [file.name for file in faces.files] == sorted([*NAMES, "7_0_0_1.jpg"])
    assert {file.parent for file in faces.files if file.name in NAMES} == {root}
    assert faces.skipped == []


def test_a_folder_that_cannot_be_read_is_skipped(root, monkeypatch):
    (root / "locked").mkdir()
    scandir = os.scandir

    def guarded(folder):
        if Path(folder).name == "locked":
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", guarded)
    faces = UTKFace(root, 32)
    assert len(faces) == 5
    assert faces.skipped == [(root / "locked", "Permission denied")]


def test_limit_takes_that_many_evenly_spread(root):
    assert UTKFace(root, 32, limit=3).ages.tolist() == [116, 26, 61]
    assert len(UTKFace(root, 32, limit=99)) == 5
    assert len(UTKFace(root, 32, limit=1)) == 1


def test_nothing_usable_says_what_was_looked_for_and_where(tmp_path):
    with pytest.raises(
        ValueError, match=r"no usable image \[age\]_\[gender\]_\[race\]_\[date\]\.jpg in .*" + tmp_path.name
    ):
        UTKFace(tmp_path)
    (tmp_path / "20_0_0_1.jpg").write_bytes(b"no picture")
    (tmp_path / "face.jpg").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"2 files were skipped, the first, face\.jpg: no age from 0 to 130"):
        UTKFace(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        UTKFace(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="file"):
        UTKFace(tmp_path / "file")


def test_bad_options_are_refused(root):
    with pytest.raises(ValueError, match="image_size must be at least 1 pixel, not 0"):
        UTKFace(root, 0)
    with pytest.raises(ValueError, match="limit must be at least 1 image, not 0"):
        UTKFace(root, limit=0)


def test_odd_names_survive_the_cache(tmp_path):
    odd = os.fsdecode(b"20_0_0_\xff\xfe.jpg")
    try:
        write(tmp_path / "faces" / odd, photo())
    except OSError:
        pytest.skip("this file system has no such names")
    for _ in range(2):
        assert UTKFace(tmp_path / "faces", 32).files[0].name == odd


def test_photo_groups_are_found_once_and_kept(root, monkeypatch):
    write(root / "77_0_0_1.jpg", photo(2)[:, ::-1])
    faces = UTKFace(root, 64)
    groups = faces.photo_groups()
    names = [file.name for file in faces.files]
    same = groups == groups[names.index("77_0_0_1.jpg")]
    assert [name for name, is_same in zip(names, same, strict=True) if is_same] == [NAMES[2], "77_0_0_1.jpg"]
    monkeypatch.setattr(utkface, "photo_groups", lambda _: pytest.fail("looked for again"))
    np.testing.assert_array_equal(UTKFace(root, 64).photo_groups(), groups)


class TestDownload:
    @pytest.fixture
    def kaggle_cache(self, tmp_path, monkeypatch):
        monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
        return tmp_path

    def test_says_when_kaggle_cannot_be_reached(self, kaggle_cache, monkeypatch):
        import requests

        def refuse(*_, **__):
            raise requests.ConnectionError("no route")

        monkeypatch.setattr(requests, "head", refuse)
        with pytest.raises(
            KaggleUnreachable, match=r"Kaggle can't be reached: no connection to www\.kaggle\.com"
        ) as caught:
            UTKFace.download()
        assert isinstance(caught.value, ConnectionError)

    def test_does_not_wait_for_an_answer_that_never_comes(self, kaggle_cache, monkeypatch):
        import requests

        monkeypatch.setattr(requests, "head", lambda *_, **__: time.sleep(3))
        monkeypatch.setattr(utkface, "KAGGLE_SECONDS", 0.1)
        start = time.monotonic()
        with pytest.raises(KaggleUnreachable, match=r"no answer within 0\.1 seconds"):
            UTKFace.download()
        assert time.monotonic() - start < 2

    @pytest.mark.parametrize("kind", ["HTTPError", "DataCorruptionError", "BackendError", "CredentialError"])
    def test_a_failure_during_the_download_is_told_too(self, kaggle_cache, monkeypatch, kind):
        import kagglehub
        import kagglehub.exceptions
        import requests

        def broken(handle):
            raise (getattr(requests, kind, None) or getattr(kagglehub.exceptions, kind))("403 Forbidden")

        monkeypatch.setattr(requests, "head", lambda *_, **__: None)
        monkeypatch.setattr(kagglehub, "dataset_download", broken)
        with pytest.raises(KaggleUnreachable, match="403 Forbidden"):
            UTKFace.download()

    def test_where_nobody_watches_the_download_is_quiet(self, kaggle_cache, monkeypatch, capsys):
        import kagglehub

        def chatty(handle):
            print("12%", file=sys.stderr)
            return str(kaggle_cache)

        monkeypatch.setattr(utkface, "_check_connection", lambda: None)
        monkeypatch.setattr(kagglehub, "dataset_download", chatty)
        assert UTKFace.download() == kaggle_cache
        assert capsys.readouterr() == ("", "")

    def test_what_was_downloaded_before_needs_no_connection(self, kaggle_cache, monkeypatch):
        import requests

        kept = kaggle_cache / "datasets" / "jangedoo" / "utkface-new"
        write(kept / "versions" / "1" / "UTKFace" / NAMES[0], photo())
        (kept / "1.complete").touch()
        monkeypatch.setattr(requests, "head", lambda *_, **__: pytest.fail("asked the network"))
        monkeypatch.setattr(requests.Session, "send", lambda *_, **__: pytest.fail("asked the network"))
        folder = UTKFace.download()
        assert folder == kept / "versions" / "1"
        assert len(UTKFace(folder, 32)) == 1

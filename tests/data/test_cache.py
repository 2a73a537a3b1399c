import errno
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from tinygrad_cnn.data import UnreadableImage, cache, cache_folder, read_image
from tinygrad_cnn.data.cache import SourceFile, cached_images

from .pictures import photo, write


def source(path):
    status = path.stat()
    return SourceFile(path, status.st_size, status.st_mtime_ns)


@pytest.fixture
def files(tmp_path):
    return [source(write(tmp_path / "faces" / f"{i}.jpg", photo(i))) for i in range(12)]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def decoded(monkeypatch):
    """The paths that are decoded while a test runs."""
    paths = []
    original = cache.read_image

    def watched(path, size):
        paths.append(path)
        return original(path, size)

    monkeypatch.setattr(cache, "read_image", watched)
    return paths


def test_holds_the_images_in_the_order_of_the_files(files, folder):
    images = cached_images(files, 40, folder).images
    assert images.shape == (12, 40, 40, 3)
    for file, image in zip(files, images, strict=True):
        np.testing.assert_array_equal(image, read_image(file.path, 40))


def test_is_made_of_many_blocks_by_many_threads(files, folder, monkeypatch):
    whole = cached_images(files, 40, folder / "whole")
    monkeypatch.setattr(cache, "BLOCK_BYTES", 40 * 40 * 3 * 5)
    monkeypatch.setattr(cache, "get_num_threads", lambda: 4)
    pieces = cached_images(files, 40, folder / "pieces")
    np.testing.assert_array_equal(pieces.images, whole.images)
    assert pieces.checksum == whole.checksum


def test_the_second_time_nothing_is_decoded(files, folder, decoded):
    first = cached_images(files, 40, folder)
    assert len(decoded) == len(files)
    second = cached_images(files, 40, folder)
    assert len(decoded) == len(files)
    assert isinstance(second.images, np.memmap)
    np.testing.assert_array_equal(first.images, second.images)


def test_another_size_or_a_changed_file_is_decoded_anew(files, folder, decoded):
    cached_images(files, 40, folder)
    cached_images(files, 41, folder)
    assert len(decoded) == 24
    write(files[3].path, photo(99))
    files[3] = source(files[3].path)
    changed = cached_images(files, 40, folder)
    assert len(decoded) == 36
    np.testing.assert_array_equal(changed.images[3], read_image(files[3].path, 40))
    cached_images(files[::-1], 40, folder)
    assert len(decoded) == 48
    os.utime(files[0].path)
    cached_images([source(files[0].path), *files[1:]], 40, folder)
    assert len(decoded) == 60


def test_the_same_files_elsewhere_are_the_same(files, folder, decoded, tmp_path):
    cached_images(files, 40, folder)
    (tmp_path / "faces").rename(tmp_path / "moved")
    cached_images([file._replace(path=tmp_path / "moved" / file.path.name) for file in files], 40, folder)
    assert len(decoded) == len(files)


def test_unreadable_files_are_black_rows_with_a_reason(files, folder):
    files[5].path.write_bytes(b"nonsense")
    for _ in range(2):  # built, and opened
        images = cached_images(files, 40, folder)
        assert images.unreadable == {5: "neither a JPEG nor a PNG nor a WebP file"}
        assert images.images[5].max() == 0
        assert images.images[6].max() > 0


def test_a_file_that_can_be_read_again_is_taken_in(files, folder, monkeypatch):
    with monkeypatch.context() as locked:
        original = cache.read_image

        def refuse(path, size):
            if path == files[5].path:
                raise UnreadableImage("Permission denied")
            return original(path, size)

        locked.setattr(cache, "read_image", refuse)
        assert cached_images(files, 40, folder).unreadable == {5: "Permission denied"}
    images = cached_images(files, 40, folder)
    assert images.unreadable == {}
    np.testing.assert_array_equal(images.images[5], read_image(files[5].path, 40))


def test_the_checksum_tells_contents_apart(files, folder):
    first = cached_images(files, 40, folder).checksum
    assert cached_images(files, 40, folder / "again").checksum == first
    assert cached_images(files[1:], 40, folder).checksum != first


def cut_short(images, description):
    with open(images, "r+b") as file:
        file.truncate(images.stat().st_size - 5000)


def zeroed(images, description):
    with open(images, "r+b") as file:
        file.seek(200)
        file.write(bytes(images.stat().st_size - 200))


def half_a_description(images, description):
    description.write_bytes(description.read_bytes()[:50])


def a_list_for_description(images, description):
    description.write_bytes(cache._sealed(b"[]"))


def without_a_checksum(images, description):
    content = json.loads(cache._unsealed(description.read_bytes()))
    del content["checksums"][0]
    description.write_bytes(cache._sealed(json.dumps(content).encode()))


@pytest.mark.parametrize("damage", [cut_short, zeroed, half_a_description, a_list_for_description, without_a_checksum])
def test_a_damaged_cache_is_built_anew_and_it_says_so(files, folder, damage):
    expected = np.array(cached_images(files, 40, folder).images)
    (images,), (description,) = folder.glob("*.npy"), folder.glob("*.json")
    damage(images, description)
    with pytest.warns(RuntimeWarning, match=f"{description.name} is damaged or outdated, and is built anew"):
        again = cached_images(files, 40, folder)
    np.testing.assert_array_equal(again.images, expected)


def test_one_whose_images_are_gone_is_built_anew(files, folder, decoded):
    (images,) = [cached_images(files, 40, folder).path]
    images.unlink()
    cached_images(files, 40, folder)
    assert len(decoded) == 2 * len(files)


def test_nothing_but_the_two_files_is_left_behind(files, folder):
    cached_images(files, 40, folder)
    assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".npy"]


def test_an_interruption_leaves_nothing_behind(files, folder, monkeypatch):
    def interrupted(path, size):
        raise KeyboardInterrupt

    monkeypatch.setattr(cache, "read_image", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cached_images(files, 40, folder)
    assert list(folder.iterdir()) == []


def test_a_full_disk_is_reported_with_the_folder_and_the_size(files, folder, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match=r"cannot write the image cache \(.* MB\): No space left") as caught:
        cached_images(files, 400, folder)
    assert caught.value.filename == str(folder)
    assert list(folder.iterdir()) == []


def test_a_disk_that_takes_a_part_at_a_time_gets_everything(files, folder, monkeypatch):
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, offset: pwrite(descriptor, data[:1000], offset))
    np.testing.assert_array_equal(cached_images(files, 40, folder).images[3], read_image(files[3].path, 40))


def test_a_file_where_the_folder_should_be_is_reported(files, folder):
    folder.write_text("")
    with pytest.raises(OSError, match="cannot write the image cache"):
        cached_images(files, 40, folder)


def test_threads_that_build_the_same_cache_agree(files, folder):
    results = []
    threads = [threading.Thread(target=lambda: results.append(cached_images(files, 40, folder))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    for result in results:
        np.testing.assert_array_equal(result.images[7], read_image(files[7].path, 40))
    assert len(list(folder.iterdir())) == 2


def test_processes_that_build_the_same_cache_agree(files, folder):
    program = (
        "import sys; from pathlib import Path; from tinygrad_cnn.data.cache import SourceFile, cached_images\n"
        "files = [SourceFile(path, 1, 1) for path in sorted(Path(sys.argv[1]).iterdir())]\n"
        "print(cached_images(files, 300, sys.argv[2]).checksum)"
    )
    command = [sys.executable, "-c", program, str(files[0].path.parent), str(folder)]
    root = Path(__file__).parents[2]
    runs = [subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [run.communicate(timeout=60)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert outputs[0] == outputs[1]
    assert len(list(folder.iterdir())) == 2


def test_rows_are_taken_as_copies_and_the_mapping_gives_its_memory_back(files, folder, monkeypatch):
    monkeypatch.setattr(cache, "RESIDENT_BYTES", 10_000)
    images = cached_images(files, 40, folder)
    expected = np.array(images.images)
    for _ in range(5):
        rows = np.random.default_rng(0).integers(12, size=8)
        taken = images.take(rows)
        np.testing.assert_array_equal(taken, expected[rows])
        taken[...] = 0
    np.testing.assert_array_equal(images.images, expected)


def test_a_derived_array_is_computed_once(files, folder):
    images = cached_images(files, 40, folder)
    calls = []

    def compute():
        calls.append(1)
        return np.arange(5)

    for _ in range(2):
        assert images.derived("numbers", compute).tolist() == [0, 1, 2, 3, 4]
    assert len(calls) == 1
    next(folder.glob("*numbers*")).write_bytes(b"")
    assert images.derived("numbers", compute).tolist() == [0, 1, 2, 3, 4]


def test_the_folder_is_the_argument_or_the_environment_s_or_below_home(monkeypatch):
    monkeypatch.setenv("TINYGRAD_CNN_CACHE", "/from/environment")
    assert cache_folder("/given") == Path("/given")
    assert cache_folder() == Path("/from/environment")
    monkeypatch.delenv("TINYGRAD_CNN_CACHE")
    monkeypatch.setenv("HOME", "/home/someone")
    assert cache_folder() == Path("/home/someone/.cache/tinygrad_cnn")
    assert cache_folder("~/faces") == Path("/home/someone/faces")


def test_no_bar_is_drawn_where_stderr_is_no_terminal(files, folder, capfd):
    cached_images(files, 40, folder)
    assert capfd.readouterr().err == ""

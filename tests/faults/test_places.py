"""Nothing that is read can write elsewhere, and nothing that is read can run."""

import os
import re
import stat
from pathlib import Path

import pytest

from experiments.utkface_age import main
from tests.runs import draw_photos, leave_out_pictures
from tinygrad_cnn import files

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [path for room in ("tinygrad_cnn", "models", "experiments") for path in sorted((ROOT / room).rglob("*.py"))]
RUNS_WHAT_IT_READS = re.compile(
    r"\b(import|from) (pickle|marshal|shelve|dill|joblib)\b|allow_pickle\s*=\s*True|torch\.load\(|yaml\.load\("
    r"|(?<![.\w])(?<!def )(eval|exec)\(|shell\s*=\s*True|extractall\(|unpack_archive\("
)


def test_no_source_unpickles_or_evaluates_what_it_reads():
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in SOURCES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if RUNS_WHAT_IT_READS.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("line", ["import pickle", "np.load(f, allow_pickle=True)", "x = eval(text)", "torch.load(f)"])
def test_the_search_finds_what_it_looks_for(line):
    assert RUNS_WHAT_IT_READS.search(line)


def test_only_what_a_dead_process_of_ours_left_is_swept_away(tmp_path):
    others = ["notes.tmp", ".notes.tmp", ".x.123.tmp", f"x.{32 * 'a'}.tmp", "best.safetensors"]
    for name in [*others, f".best.{32 * '0'}.tmp"]:
        (tmp_path / name).write_text("")
    with files.unfinished(tmp_path / "best") as file:
        files.sweep(tmp_path)
        assert Path(file.name).exists()
        assert not (tmp_path / f".best.{32 * '0'}.tmp").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)


def test_a_data_folder_of_wild_names_and_links_is_read_and_nothing_but_the_run_and_the_cache_is_written(
    tmp_path, monkeypatch, capsys
):
    data, outside = tmp_path / "data", tmp_path / "outside"
    folders = [data, outside, outside / "more", data / "..\n", data / "... " / "..\\..\\up"]
    for folder in folders:
        folder.mkdir(parents=True)
    draw_photos(data, 60, 16)
    photo = next(data.iterdir()).read_bytes()
    names = ["..\n.jpg", "..\\..\\outside\\x.jpg", "\r\x1b[2J.jpg", "..%2f..%2fx.jpg", "~.jpg"]
    for age, folder in enumerate(folders, 30):
        for name in names:
            (folder / f"{age}_{name}").write_bytes(photo)
    (data / "40_0_0_1.jpg").symlink_to(outside / f"31_{names[0]}")
    (data / "41_0_0_1.jpg").symlink_to("../outside/not there.jpg")
    (data / "42_0_0_1.jpg").symlink_to(outside, target_is_directory=True)
    (data / "to outside").symlink_to(outside, target_is_directory=True)
    (data / "around").symlink_to("..", target_is_directory=True)
    (data / f".x.{32 * '0'}.tmp").write_text("of somebody else")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINYGRAD_CNN_CACHE", str(tmp_path / "cache"))
    leave_out_pictures(monkeypatch.setattr)
    before = places(tmp_path)
    assert main(["--data-dir", "data", "--image-size", "16", "--epochs", "1", "--out", "run"]) == 0
    after = places(tmp_path)
    assert before.items() <= after.items()
    assert {name.split("/")[0] for name in after.keys() - before.keys()} == {"run", "cache"}
    assert "faces: 76 of UTKFace in data, 2 files skipped" in capsys.readouterr().out  # 15 of them have wild names


def places(root):
    """All that is below a folder, links not followed, with what a write to it would change."""
    found = {}
    for path in root.rglob("*"):
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else None
        found[str(path.relative_to(root))] = status.st_mode, status.st_mtime_ns, status.st_ino, content
    return found


def test_where_the_file_system_knows_no_locks_files_are_still_whole(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", none)
    files.write_file(tmp_path / "a", b"new")
    (tmp_path / f".best.{32 * '0'}.tmp").write_text("of somebody, perhaps")
    files.sweep(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    assert (tmp_path / "a").read_bytes() == b"new"
    first, second = files.FolderLock(tmp_path), files.FolderLock(tmp_path)
    first.close()
    second.close()


def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_name_afterwards(tmp_path, monkeypatch):
    fsync, replace, done = os.fsync, os.replace, []

    def synced(descriptor):
        done.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else os.fstat(descriptor).st_size)
        fsync(descriptor)

    def renamed(source, target):
        done.append("name")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    files.write_file(tmp_path / "a", b"seven b")
    assert done == [7, "name", "folder"]
    done.clear()
    files.make_folder(tmp_path / "b" / "c")
    files.make_folder(tmp_path / "b" / "c")
    assert done == ["folder", "folder"]

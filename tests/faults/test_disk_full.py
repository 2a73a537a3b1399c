"""A full disk: the last good file survives, nothing is left half written, one line says so, and the status is 1."""

import errno
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import tinygrad_cnn as tg
from experiments.utkface_age import main
from tinygrad_cnn import files
from tinygrad_cnn.train import Checkpoints

FEW = ["--image-size", "16", "--epochs", "2", "--batch-size", "8", "--threads", "1", "--checkpoint-every", "3"]
TARGETS = [
    "checkpoint-1.safetensors", "checkpoint-2.safetensors", "best.safetensors", "last.safetensors", "history.csv",
    "metrics.json", "predictions.csv", "config.json", "history.png", "graph.gv",
]  # fmt: skip


@pytest.fixture
def full(monkeypatch):
    """Makes the disk full for the files of a name."""

    def arrange(target, when):
        def refuse_to(happen, name_of):
            def happens(*arguments, **options):
                if target in name_of(arguments):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(name_of(arguments)))
                return happen(*arguments, **options)

            return happens

        def by_descriptor(arguments):
            return os.readlink(f"/proc/self/fd/{arguments[0]}")

        if when == "sync":
            monkeypatch.setattr(os, "fsync", refuse_to(os.fsync, by_descriptor))
        if when == "pwrite":
            monkeypatch.setattr(os, "pwrite", refuse_to(os.pwrite, by_descriptor))
        if when == "rename":
            monkeypatch.setattr(os, "replace", refuse_to(os.replace, lambda arguments: str(arguments[1])))
        if when == "open":
            monkeypatch.setattr(files, "open", refuse_to(open, lambda a: str(a[0])), raising=False)

    return arrange


@pytest.fixture
def command(tmp_path, monkeypatch, capsys, photos):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINYGRAD_CNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("tinygrad_cnn.train.RunFolder.write_figure", lambda run, name, _: run.write(name, b"picture"))

    def run(*arguments):
        try:
            status = main([*arguments])
        except SystemExit as stop:
            status = stop.code
        return status, capsys.readouterr()

    return run


pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="looks up files by their descriptors")


@pytest.mark.parametrize("target", TARGETS)
def test_for_any_file_of_a_run(command, full, photos, target):
    full(target, ("sync", "rename", "open")[len(target) % 3])
    status, said = command("--data-dir", str(photos), *FEW, "--out", "run")
    lines = said.err.splitlines()
    assert status == 1
    assert len(lines) == 1
    assert "No space left on device" in lines[0]
    assert not list(Path(".").rglob(".*.tmp"))
    for path in Path(".").rglob("*.safetensors"):
        tg.load(path)  # whole


def test_and_when_there_is_room_again_the_run_goes_on(command, full, photos, monkeypatch):
    full("last.safetensors", "sync")
    status, said = command("--data-dir", str(photos), *FEW, "--out", "run")
    assert status == 1
    assert "--resume run goes on from here" in said.err
    assert Checkpoints("run").exist()
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    assert command("--resume", "run")[0] == 0


@pytest.mark.parametrize("when", ["pwrite", "sync", "rename", "open"])
def test_for_the_cache(command, full, photos, when):
    full("px-", when)  # as its files are called
    status, said = command("--data-dir", str(photos), *FEW, "--out", "run")
    assert status == 1
    assert len(said.err.splitlines()) == 1
    assert "cannot write the image cache (0 MB): No space left on device" in said.err
    assert not list(Path("cache").iterdir())
    assert not Path("run").exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can mount")
def test_on_a_disk_that_is_really_full(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("may not mount")
    try:
        path = disk / "w.safetensors"
        tg.save({"a": np.ones(1000, np.float32)}, path)
        for size in (20_000, 1_000_000):
            with pytest.raises(OSError, match="No space left"):
                tg.save({"a": np.zeros(size, np.float32)}, path)
        assert [name.name for name in disk.iterdir()] == ["w.safetensors"]
        assert tg.load(path)["a"].sum() == 1000
    finally:
        subprocess.run(["umount", disk], check=True)

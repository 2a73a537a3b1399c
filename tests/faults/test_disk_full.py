"""A full disk: the last good file survives, nothing is left half written, one line says so, and the status is 1."""

import errno
import io
import json
import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import tinygrad_cnn as tg
from experiments.age import fit
from experiments.utkface_age import main
from models.age_cnn import AgeCNN
from tests.runs import assert_same_end, leave_out_pictures
from tinygrad_cnn import files
from tinygrad_cnn.train import AgeModel, Checkpoints, Regression

FEW = ["--image-size", "16", "--epochs", "2", "--batch-size", "8", "--threads", "1", "--checkpoint-every", "3"]
FEWEST = ["--limit", "24", "--image-size", "16", "--epochs", "1", "--batch-size", "16", "--threads", "1"]


class Disk:
    """Refuses to write once it is full; counts what is asked of it.

    `happens` are the ways to ask: open a new file, write to it by one call or the other, sync, rename, make a folder.
    """

    happens = ("open", "write", "pwrite", "sync", "rename", "folder")

    def __init__(self, monkeypatch):
        self.asked, self.is_full, self.why = 0, lambda happening, name: False, errno.ENOSPC
        disk, mkdir, pwrite, replace = self, os.mkdir, os.pwrite, os.replace

        class File(io.FileIO):
            def write(self, content):
                disk.ask("write", self.name)
                return super().write(content)

        def opened(path, mode, buffering=-1):
            if "x" not in mode:
                return open(path, mode, buffering)
            disk.ask("open", path)
            return File(path, mode.replace("b", ""))

        def by_descriptor(happening, usual):
            def happens(descriptor, *arguments):
                disk.ask(happening, os.readlink(f"/proc/self/fd/{descriptor}"))
                return usual(descriptor, *arguments)

            return happens

        def made(path, *arguments, **options):
            disk.ask("folder", path)
            mkdir(path, *arguments, **options)

        def renamed(source, target):
            disk.ask("rename", target)
            replace(source, target)

        monkeypatch.setattr(files, "open", opened, raising=False)
        monkeypatch.setattr(os, "fsync", by_descriptor("sync", lambda descriptor: None))
        monkeypatch.setattr(os, "pwrite", by_descriptor("pwrite", pwrite))
        monkeypatch.setattr(os, "replace", renamed)
        monkeypatch.setattr(os, "mkdir", made)

    def ask(self, happening, name):
        self.asked += 1
        if self.is_full(happening, os.fspath(name)):
            raise OSError(self.why, os.strerror(self.why), str(name))

    def fill(self, target, *happens):
        """It is full for files of a name, for these ways to ask or all."""
        self.is_full = lambda happening, name: target in name and happening in (happens or self.happens)

    def fill_after(self, asked):
        """It is full from then on, for everything."""
        self.asked, self.is_full = 0, lambda happening, name: self.asked > asked

    def clear(self):
        self.asked, self.is_full = 0, lambda happening, name: False


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


@pytest.fixture
def command(tmp_path, monkeypatch, capsys, photos):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINYGRAD_CNN_CACHE", str(tmp_path / "cache"))
    leave_out_pictures(monkeypatch.setattr)

    def run(*arguments):
        try:
            status = main([*arguments])
        except SystemExit as stop:
            status = stop.code
        return status, capsys.readouterr()

    return run


pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="looks up files by their descriptors")


def assert_whole(folder):
    """Every file is whole, and there are no others."""
    for path in folder.rglob("*.*"):
        assert not path.name.endswith(".tmp")
        if path.suffix == ".safetensors":
            tg.load(path)
        if path.suffix == ".json" and "px-" not in path.name:
            json.loads(path.read_text())
        if path.suffix in (".csv", ".txt"):
            assert path.read_text()[-1:] in ("\n", "")


def written(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def test_at_any_moment_of_a_run(command, disk, photos, monkeypatch):
    """The short form: every 13th of all the moments at which something is written."""
    fill_at_moments(command, disk, photos, monkeypatch, 13)


@pytest.mark.long
def test_at_each_moment_of_a_run(command, disk, photos, monkeypatch):
    fill_at_moments(command, disk, photos, monkeypatch, 1)


def fill_at_moments(command, disk, photos, monkeypatch, stride):
    """Fill the disk in the middle of a run; then there is room again, and the run that goes on ends like another."""
    monkeypatch.setattr(Checkpoints, "remove", lambda self: None)  # to be compared
    options = ["--data-dir", str(photos), *FEWEST]
    for folder in ("first", "whole"):  # what is imported in the first one writes too
        shutil.rmtree("cache", ignore_errors=True)
        disk.clear()
        assert command(*options, "--out", folder)[0] == 0
    last = disk.asked - 1  # the very last is a sync of the folder, which not every file system can: it may fail
    for moment in range(last - stride, -1, -stride):
        shutil.rmtree("cache")
        disk.fill_after(moment)
        status, said = command(*options, "--out", "run")
        assert status == 1, moment
        assert len(said.err.splitlines()) == 1, said.err
        assert "No space left on device" in said.err
        assert "Traceback" not in said.out + said.err
        assert_whole(Path("."))
        disk.clear()
        begun = Path("run/config.json").exists()
        assert begun or "--resume" not in said.err, moment
        assert "--resume run goes on from here" in said.err or not list(Path(".").glob("run/checkpoint*")), moment
        status, said = command(*(["--resume", "run"] if begun else [*options, "--out", "run"]))
        assert status == 0, (moment, said.err)
        assert_same_end("run", "whole")
        assert written("run") == written("whole")
        shutil.rmtree("run")
    print(f"{last} moments, one in {stride} tried")


@pytest.mark.parametrize("why", [errno.EROFS, errno.EIO, errno.EDQUOT, errno.EACCES])
def test_other_reasons_not_to_write_are_told_in_one_line_too(command, disk, photos, why):
    disk.why = why
    disk.fill("checkpoint-2")
    status, said = command("--data-dir", str(photos), *FEW, "--out", "run")
    assert status == 1
    (line,) = said.err.splitlines()
    assert f"run/checkpoint-2.safetensors: {os.strerror(why)}; --resume run goes on from here" in line
    assert_whole(Path("."))


@pytest.mark.parametrize("happening", ["pwrite", "sync", "rename", "open", "folder"])
def test_for_the_cache(command, disk, photos, happening):
    disk.fill("cache" if happening == "folder" else "px-", happening)  # as its files are called
    status, said = command("--data-dir", str(photos), *FEW, "--out", "run")
    assert status == 1
    assert len(said.err.splitlines()) == 1
    assert "cannot write the image cache (0 MB): No space left on device" in said.err
    assert not list(Path(".").glob("cache/*"))
    assert not Path("run").exists()


def test_for_the_page_which_costs_one_line_and_not_the_run(command, disk, photos):
    disk.fill("report.html")
    status, said = command("--data-dir", str(photos), *FEW, "--out", "run")
    assert (status, said.err) == (0, "")
    assert said.out.count("warning: report.html could not be written: OSError") == 1
    assert_whole(Path("run"))


def test_an_interruption_is_told_as_one_though_the_disk_is_full(command, disk, photos, monkeypatch):
    def interrupted(*_):
        disk.fill("run")
        raise KeyboardInterrupt

    monkeypatch.setattr("experiments.utkface_age.measure", interrupted)
    status, said = command("--data-dir", str(photos), *FEW, "--out", "run")
    assert (status, said.err) == (130, "")
    assert said.out.splitlines()[-1].startswith("interrupted; --resume run goes on from here")


def test_a_folder_that_is_deleted_meanwhile(command, photos, monkeypatch):
    usual = fit.Training.begin_epoch

    def begin_epoch(self, epoch):
        usual(self, epoch)
        if epoch == 2:
            shutil.rmtree("run")

    monkeypatch.setattr(fit.Training, "begin_epoch", begin_epoch)
    status, said = command("--data-dir", str(photos), *FEW, "--out", "run")
    assert status == 1
    (line,) = said.err.splitlines()
    assert line.endswith("there is no folder 'run' to write to; nothing is left of run to go on from")
    assert not Path("run").exists()


# -- the other commands -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "best.safetensors"
    model = AgeModel(AgeCNN(16), 16, Regression(30.0, 10.0), 30.0, "synthetic faces")
    tg.save(model.model.state_dict(), path, model.metadata())
    return path


COMMANDS = {
    "predict --annotate": (["predict", "{photo}", "--no-detect", "--annotate", "{out}"], "0001-"),
    "explain": (["explain", "{photo}", "--out", "{out}/why.png"], "why.png"),
    "export": (["export", "--out", "{out}/age.onnx"], "age.onnx"),
}


def called(name, photos, weights, out):
    arguments, file = COMMANDS[name]
    photo = sorted(photos.iterdir())[0]
    return [*(word.format(photo=photo, out=out) for word in arguments), "--weights", str(weights)], file


@pytest.mark.parametrize(
    ("name", "happening"),
    [("predict --annotate", "open"), ("predict --annotate", "write"), ("explain", "rename"), ("export", "sync")],
)
def test_for_what_another_command_writes(command, disk, photos, weights, name, happening):
    if name == "export":
        pytest.importorskip("onnx")
    Path("out").mkdir()
    arguments, file = called(name, photos, weights, "out")
    assert command(*arguments)[0] == 0
    (path,) = Path("out").iterdir()
    before = path.read_bytes()
    disk.fill(file, happening)
    status, said = command(*arguments)
    assert status == 1
    assert said.err.splitlines() == [f"utkface_age.py {arguments[0]}: {path}: No space left on device"]
    assert [path.read_bytes() for path in Path("out").iterdir()] == [before]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="has no device that is always full")
@pytest.mark.parametrize("form", ["csv", "json"])
def test_for_a_table_of_answers(command, photos, weights, form):
    """It is written row by row, so that what is done is not lost: not beside its place."""
    Path(f"ages.{form}").symlink_to("/dev/full")
    status, said = command("predict", str(photos), "--no-detect", "--weights", str(weights), "--out", f"ages.{form}")
    assert status == 1
    assert said.err.splitlines() == [f"utkface_age.py predict: ages.{form}: No space left on device"]


def test_for_the_curves(command, disk, photos):
    pytest.importorskip("tensorboardX")
    refused = []

    def once(happening, name):
        if "tfevents" in name:
            refused.append(name)
        return len(refused) == 1 and "tfevents" in name

    disk.is_full = once
    status, said = command("--data-dir", str(photos), *FEW, "--tensorboard", "--out", "run")
    assert status == 1
    (line,) = said.err.splitlines()
    assert "run/tensorboard: No space left on device; --resume run goes on from here" in line


@pytest.fixture
def mounted(tmp_path):
    """Gives a small file system of its own, and what unmounts or changes it."""
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root can mount")
    folder = tmp_path / "mounted"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("may not mount")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_on_a_disk_that_is_really_full(mounted):
    path = mounted / "w.safetensors"
    tg.save({"a": np.ones(1000, np.float32)}, path)
    for size in (20_000, 1_000_000):
        with pytest.raises(OSError, match="No space left"):
            tg.save({"a": np.zeros(size, np.float32)}, path)
    assert written(mounted) == ["w.safetensors"]
    assert tg.load(path)["a"].sum() == 1000


def test_on_a_file_system_that_is_read_only(command, mounted, photos, weights):
    subprocess.run(["mount", "-o", "remount,ro", mounted], check=True)
    commands = [
        (["--data-dir", str(photos), *FEW, "--out", f"{mounted}/run"], "run"),
        *(called(name, photos, weights, mounted) for name in COMMANDS if name != "export" or find_spec("onnx")),
        (["predict", str(photos), "--no-detect", "--weights", str(weights), "--out", f"{mounted}/a.csv"], "a.csv"),
    ]
    for arguments, file in commands:
        status, said = command(*arguments)
        (line,) = said.err.splitlines()
        assert (status, line.endswith("Read-only file system"), file in line) == (2, True, True), line

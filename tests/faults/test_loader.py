"""Threads that load: their errors arrive with the file's name, and they never keep anybody waiting."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from tinygrad_cnn.data import ArrayDataset, DataLoader, Dataset, LoadError
from tinygrad_cnn.data.cache import SourceFile, cached_images

ROOT = Path(__file__).resolve().parents[2]
COUNT = 64


class Slow(Dataset):
    """Pictures that take their time; `loading` is set while one is being loaded."""

    def __init__(self, seconds=0.05):
        self.seconds, self.loading, self.loaded = seconds, threading.Event(), 0

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        self.loading.set()
        time.sleep(self.seconds)
        self.loaded += 1
        return np.zeros((8, 8, 3), np.uint8), np.float32(index)


@pytest.fixture(autouse=True)
def _threads_end():
    yield
    for thread in loading():
        thread.join(60)
        assert not thread.is_alive()


def loading():
    """The threads that load or decode."""
    return [thread for thread in threading.enumerate() if thread.name.startswith(("DataLoader", "ThreadPoolExecutor"))]


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
@pytest.mark.parametrize("prefetch", [1, 20])
def test_ctrl_c_while_a_thread_loads_does_not_wait_for_the_epoch(prefetch):
    dataset = Slow()

    def press():
        dataset.loading.wait()
        os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    with pytest.raises(KeyboardInterrupt):
        for _ in DataLoader(dataset, batch_size=4, prefetch=prefetch):
            pass
    presser.join()
    assert dataset.loaded < COUNT // 2


@pytest.mark.parametrize("prefetch", [1, 2, 100])
@pytest.mark.parametrize("taken", [1, 2])
def test_an_iterator_that_is_closed_or_dropped_in_mid_epoch_ends_its_thread(prefetch, taken):
    dataset = Slow(0.001)
    for end in ("close", "drop"):
        batches = iter(DataLoader(dataset, batch_size=4, prefetch=prefetch))
        for _ in range(taken):
            next(batches)
        if end == "close":
            batches.close()
        del batches
        assert not loading()


def test_closing_again_and_again_at_any_time_never_hangs():
    generator = np.random.default_rng(0)
    loader = DataLoader(ArrayDataset(np.zeros((COUNT, 2, 2, 3), np.uint8), np.arange(COUNT)), 1, prefetch=1)
    for _ in range(200):
        batches = iter(loader)
        next(batches)
        time.sleep(generator.random() * 2e-4)
        batches.close()


@pytest.mark.parametrize("after", ["", "raise SystemExit(3)", "import os; os.kill(os.getpid(), 15)", "1 / 0"])
def test_a_program_that_ends_in_mid_epoch_ends(after):
    program = f"""
import numpy as np
from tinygrad_cnn.data import ArrayDataset, DataLoader
batches = iter(DataLoader(ArrayDataset(np.zeros((50, 64, 64, 3), np.uint8), np.arange(50)), batch_size=2))
next(batches)
{after}
"""
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.returncode == {"": 0, "raise SystemExit(3)": 3, "1 / 0": 1}.get(after, -signal.SIGTERM)
    assert ("ZeroDivisionError" in ended.stderr) if after == "1 / 0" else ended.stderr == ""


@pytest.mark.parametrize("error", [RuntimeError("odd"), MemoryError(), SystemExit(4)])
def test_whatever_a_picture_raises_arrives_and_the_thread_ends(error):
    class Spoilt(Slow):
        def __getitem__(self, index):
            if index == 9:
                raise error
            return super().__getitem__(index)

        def describe(self, index):
            return f"face-{index}.jpg"

    with pytest.raises((LoadError, SystemExit)) as raised:
        list(DataLoader(Spoilt(0), batch_size=4))
    if not isinstance(error, SystemExit):
        assert f"cannot load face-9.jpg: {type(error).__name__}" in str(raised.value)


def test_a_file_that_makes_the_decoder_fail_is_named_by_the_thread_that_decoded_it(tmp_path, monkeypatch):
    paths = [tmp_path / f"{i}.png" for i in range(9)]
    for path in paths:
        cv2.imwrite(str(path), np.zeros((4, 4, 3), np.uint8))
    usual = cached_images.__globals__["read_image"]

    def read(path, size):
        if path.name == "7.png":
            raise RuntimeError("of the decoder")
        return usual(path, size)

    monkeypatch.setattr("tinygrad_cnn.data.cache.read_image", read)
    with pytest.raises(LoadError, match=r"7\.png: RuntimeError: of the decoder"):
        cached_images([SourceFile(path, 1, 1) for path in paths], 4, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())

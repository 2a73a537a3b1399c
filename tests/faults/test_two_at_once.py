"""Two runs at once: a folder belongs to one of them, a cache to both, and a killed one holds nothing."""

import signal

from tests.runs import assert_same_end

LONG = ["--image-size", 16, "--epochs", 500, "--batch-size", 8, "--threads", 1]


def test_the_second_in_a_folder_is_refused_and_the_first_goes_on(start, photos, tmp_path, nursery):
    from tinygrad_cnn.train import RunFolder

    with RunFolder(tmp_path / "run"):
        for arguments in (["--data-dir", photos, *LONG, "--out", "run"],):
            run = start(tmp_path, *arguments)
            assert run.end() == 2
            assert run.said() == "utkface_age.py train: run: another run is writing there\n"
    (tmp_path / "link").symlink_to(tmp_path / "run")
    with RunFolder(tmp_path / "run"):
        run = start(tmp_path, "--data-dir", photos, *LONG, "--out", "link")
        assert run.end() == 2


def test_a_killed_one_holds_no_folder_and_a_moved_one_can_be_resumed(start, photos, tmp_path):
    few = ["--data-dir", photos, "--image-size", 16, "--epochs", 2, "--batch-size", 8, "--threads", 1]
    dies = {"at": "step", "count": 6}
    assert start(tmp_path, *few, "--checkpoint-every", 2, "--out", "run", dies=dies).end() == -signal.SIGKILL
    (tmp_path / "run").rename(tmp_path / "moved")
    run = start(tmp_path, "--resume", "moved")
    assert run.end() == 0, run.said()
    assert start(tmp_path, *few, "--out", "whole").end() == 0
    assert_same_end(tmp_path / "moved", tmp_path / "whole")

"""A run that is killed by SIGKILL at any moment, and resumed, ends with the bits of one that was left alone."""

import os
import shutil
import signal

import numpy as np
import pytest

from tests.runs import assert_same_end

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="looks up files by their descriptors")

EVERY = 2
SMALL = ["--image-size", 16, "--epochs", 2, "--batch-size", 8, "--checkpoint-every", EVERY]  # 4 steps in an epoch
FEW = [*SMALL, "--threads", 1]
KINDS = {
    "plain": FEW,
    "averaged": [*FEW, "--ema", "0.9", "--schedule", "cosine", "--augment", "full", "--optimizer", "sgd"],
    "dropout": [*FEW, "--optimizer", "adam", "--clip", 1],
    "two threads": [*SMALL, "--threads", 2, "--schedule", "constant", "--optimizer", "rmsprop"],
    "patient": [*FEW, "--epochs", 5, "--patience", 2, "--lr", "1e-30", "--schedule", "constant"],  # never better
    "many answers": [
        "--model", "AgeResNet", "--task", "multi", "--progressive", "32,34", "--ema", "0.9", "--flip-average",
        "--epochs", 2, "--batch-size", 16, "--threads", 1, "--checkpoint-every", EVERY,
    ],
}  # fmt: skip
MOMENTS = {
    "in the cache's images": ("plain", {"at": "pwrite", "count": 2}),
    "before the cache's description": ("plain", {"at": "rename", "file": r"px-.*\.json$"}),
    "before the first step": ("plain", {"at": "write", "file": "checkpoint-1"}),
    "in a step": ("averaged", {"at": "step", "count": 7}),
    "in the writing of a checkpoint": ("plain", {"at": "write", "file": "checkpoint-2", "count": 2}),
    "before a checkpoint is on the disk": ("averaged", {"at": "sync", "file": "checkpoint-1", "count": 2}),
    "after a checkpoint is renamed": ("plain", {"at": "renamed", "file": "checkpoint-2", "count": 2}),
    "before the best weights are renamed": ("averaged", {"at": "rename", "file": "best.safetensors"}),
    "in the writing of the report": ("plain", {"at": "write", "file": "report.html", "count": 2}),
    "in the writing of the predictions": ("plain", {"at": "write", "file": "predictions.csv"}),
    "between dropped out numbers": ("dropout", {"at": "step", "count": 3}),
    "with two threads at one rate": ("two threads", {"at": "step", "count": 5}),
    "with its patience half gone": ("patient", {"at": "step", "count": 10}),
    "between two sizes and three answers": ("many answers", {"at": "write", "file": "last.safetensors"}),
}


PARTS = ("step", "checkpoint", "cache", "report")  # as forks.py calls what a run does


def begin(start, folder, photos, kind, **how):
    """A new run of a kind in the folder `run` of `folder`."""
    return start(folder, "--data-dir", photos, *KINDS[kind], "--out", "run", dropout=kind == "dropout", **how)


def resume(start, folder, photos, kind, **how):
    """The run goes on, or, where it was killed before it had a folder, begins again."""
    if not (folder / "run" / "config.json").exists():
        return begin(start, folder, photos, kind, **how)
    return start(folder, "--resume", "run", dropout=kind == "dropout", **how)


@pytest.fixture(scope="module")
def whole(nursery, photos, tmp_path_factory):
    """Gives the folder of a run of a kind that was left alone."""
    folders = {}

    def run(start, kind):
        if kind not in folders:
            folders[kind] = tmp_path_factory.mktemp("whole")
            ended = begin(start, folders[kind], photos, kind)
            assert ended.end() == 0, ended.said()
        return folders[kind]

    return run


def steps(folder):
    return len((folder / "steps").read_text().splitlines()) if (folder / "steps").exists() else 0


def assert_as_if_never_killed(folder, undisturbed, again):
    """The same end, nothing left half written, and at most `again` steps done twice; gives how many were."""
    assert_same_end(folder / "run", undisturbed / "run")
    assert not list(folder.rglob(".*.tmp"))
    assert steps(folder) - steps(undisturbed) <= again
    return steps(folder) - steps(undisturbed)


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed(start, whole, photos, tmp_path, moment):
    kind, dies = MOMENTS[moment]
    assert begin(start, tmp_path, photos, kind, dies=dies).end() == -signal.SIGKILL
    assert list(tmp_path.rglob(".*.tmp")) or dies["at"] in ("step", "renamed"), "it died in the middle of a file"
    run = resume(start, tmp_path, photos, kind)
    assert run.end() == 0, run.said()
    assert_as_if_never_killed(tmp_path, whole(start, kind), EVERY)


def test_killed_after_every_third_step(start, whole, photos, tmp_path):
    lives = 1
    while resume(start, tmp_path, photos, "dropout", dies={"at": "step", "count": 3}).end():
        lives += 1
    assert lives == 4  # two of the three steps are in a checkpoint: 2, 4 and 6 of 8 are done when it dies
    assert_as_if_never_killed(tmp_path, whole(start, "dropout"), lives - 1)


def test_patience_counts_on(start, whole):
    said = (whole(start, "patient") / "said").read_text()
    assert "no better epoch than the 1. in 2: training ends here" in said
    assert steps(whole(start, "patient")) == 12


# -- a hundred at random ------------------------------------------------------------------------------------


def parts(folder):
    """What a run did: pairs of a part and how many seconds it took; None for what it died in, the innermost last."""
    done, under_way = [], []
    for line in (folder / "doing").read_text().splitlines():
        edge, part, time = line.split()
        if edge == "begin":
            under_way.append(len(done))
            done.append((part, float(time)))
        else:
            place = under_way.pop()
            done[place] = (part, float(time) - done[place][1])
    return [(part, None if place in under_way else seconds) for place, (part, seconds) in enumerate(done)]


@pytest.fixture(scope="module")
def timed(nursery, photos, tmp_path_factory):
    """Gives what a run of a kind does, with its pictures, and for how many seconds."""
    known = {}

    def parts_of(start, kind):
        if kind not in known:
            folder = tmp_path_factory.mktemp("timed")
            assert begin(start, folder, photos, kind, pictures=True).end() == 0
            known[kind] = parts(folder)
        return known[kind]

    return parts_of


@pytest.fixture(scope="module")
def deaths():
    """In which part of their work runs were killed, and how many steps were done again."""
    return []


@pytest.mark.long
@pytest.mark.parametrize("number", range(100))
def test_killed_at_any_moment(start, whole, timed, deaths, photos, tmp_path, number):
    part, kind = PARTS[number % 4], list(KINDS)[number // 4 % len(KINDS)]
    generator = np.random.default_rng(number)
    durations = [seconds for what, seconds in timed(start, kind) if what == part]
    count = int(generator.integers(len(durations)))
    seconds = durations[count] * generator.random()
    while not killed_in(part, begin(start, tmp_path, photos, kind, pictures=True, sent=kill(part, count, seconds))):
        shutil.rmtree(tmp_path)  # that part was over before
        seconds /= 2
    before = steps(tmp_path)
    run = resume(start, tmp_path, photos, kind, pictures=True)
    assert run.end() == 0, run.said()
    again = assert_as_if_never_killed(tmp_path, whole(start, kind), EVERY)
    deaths.append((part, again))
    print(
        f"{kind}: killed in part {part!r}, {seconds * 1e3:.1f} ms after it began, after {before} steps; {again} again"
    )


@pytest.mark.long
def test_each_part_was_hit(deaths):
    if len(deaths) < 100:
        pytest.skip("some of the hundred were not run")
    counts = {part: sum(hit == part for hit, _ in deaths) for part in PARTS}
    print(f"killed in {counts}; steps done again: at most {max(again for _, again in deaths)}")
    assert list(counts.values()) == [25] * 4


def kill(part, count, seconds):
    return {"part": part, "count": count + 1, "seconds": seconds}


def killed_in(part, run):
    """Whether the run was killed, and in that part of its work."""
    ended = run.end()
    assert ended in (0, -signal.SIGKILL), run.said()
    return ended != 0 and [what for what, seconds in parts(run.folder) if seconds is None][-1:] == [part]

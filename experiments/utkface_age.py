"""Learn a person's age, gender or both from a photograph of their face: UTKFace, and the networks in models/.

python experiments/utkface_age.py                                      trains, tests, and writes runs/<name>/
python experiments/utkface_age.py --resume runs/<name>                 goes on with a run that was interrupted
python experiments/utkface_age.py evaluate --weights W --data-dir D    tests on a folder of faces
python experiments/utkface_age.py predict PHOTO...                     prints what it sees in each face
python experiments/utkface_age.py explain PHOTO                        draws what in the face made the age
python experiments/utkface_age.py export --weights W --out age.onnx    writes the model for ONNX Runtime
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # where models/ and experiments/ are

import numpy as np

import tinygrad_cnn as tg
from experiments.age.explain import explain
from experiments.age.export import export
from experiments.age.faces import Faces, UserError, find_faces
from experiments.age.fit import fit
from experiments.age.live import open_window
from experiments.age.log import complain, in_the_format_of, say
from experiments.age.networks import MODELS, make_model
from experiments.age.options import parse, settings
from experiments.age.page import Page
from experiments.age.photo import predict
from experiments.age.report import said_to_beat, to_beat, write_report
from experiments.age.tasks import TASKS, make_head
from experiments.age.weights import default_weights, load_model
from tinygrad_cnn.data import LoadError, printable, to_float
from tinygrad_cnn.extras import MissingExtra, optional_import
from tinygrad_cnn.train import (
    AgeModel,
    Checkpoints,
    Curves,
    Pass,
    RunFolder,
    Stopped,
    environment,
    evaluate,
    load_age_model,
    sigterm_stops,
)
from tinygrad_cnn.viz.graph import svg

PACKAGES = {  # what a command needs that not every install has, beside OpenCV
    "train": ("tqdm", "matplotlib", "graphviz"),
    "evaluate": ("tqdm", "matplotlib"),
    "predict": ("tqdm",),
    "explain": ("tqdm", "matplotlib"),
    "export": ("onnx",),
}
FAILURES = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE)  # of the machine, not of who asked


class Failed(Exception):
    """A run came to an end by no fault of its user's; the message, one line, says why and how to go on."""


def train(options: argparse.Namespace) -> None:
    """Find the faces, train on one part of them, choose the best epoch by the second, test on the third.

    However it ends, it says how to go on: raises KeyboardInterrupt for Ctrl-C and SIGTERM, and Failed where the disk,
    the memory or a picture fails.
    """
    if options.tensorboard:
        with optional_import():
            import_module("tensorboardX")
    with begin(options, options.image_size, TASKS[options.task]) as (run, faces):
        try:
            learn(run, faces, options)
        except KeyboardInterrupt as interruption:
            interruption.args = (f"interrupted; {how_to_go_on(run)}; data: {faces.kind}",)
            raise
        except (OSError, MemoryError, LoadError) as error:
            raise Failed(f"{one_line(error)}; {how_to_go_on(run)}") from error


def how_to_go_on(run: RunFolder) -> str:
    """What to do with a run that did not come to its end."""
    if not (run.path / "config.json").exists():
        return f"nothing is left of {run.path} to go on from"
    last = run.path / "last.safetensors"
    weights = f"; the last weights are in {last}" if last.exists() else ""
    return f"--resume {run.path} goes on from here{weights}"


def learn(run: RunFolder, faces: Faces, options: argparse.Namespace) -> None:
    """Train, test, and write everything that came of it to the run's folder."""
    part = faces.test_part
    for needed in ("train", "val"):
        if not len(faces.parts[needed]):
            raise UserError(f"{len(faces.dataset)} faces leave none for {needed}: more are needed")
    ages = faces.ages("train")
    median = float(np.median(ages))

    tg.manual_seed(options.seed)
    head = make_head(options, ages)
    network = make_model(options, head)
    model = AgeModel(network, options.image_size, head, median, faces.kind, options.flip_average)
    lines = {part: to_beat(model, faces, part) for part in dict.fromkeys(["val", part])}
    sizes = ", ".join(f"{len(faces.parts[part]):,} {part}" for part in ("train", "val", "test"))
    count = sum(parameter.numel() for parameter in network.parameters())
    run.say(
        f"split ({faces.split_name}): {sizes}",
        f"to beat: {said_to_beat(model, lines)}",
        f"{options.model}: {count:,} parameters, {options.threads} threads",
        f"writing to {run.path}; its report.html shows how it goes",
        event="setup",
        parts={part: len(faces.parts[part]) for part in ("train", "val", "test")},
        to_beat=lines,
        parameters=count,
        threads=options.threads,
        folder=str(run.path),
    )
    draw_graph(run, model, faces)
    if options.live and (why := open_window(run.path)):
        run.say(f"no window: {why}; {run.path / 'history.png'} shows the same")
    with (
        Page(run, model, faces, options.epochs, lines["val"]) as page,
        contextlib.closing(Curves(run.path / "tensorboard")) as curves,
    ):

        def after_epoch(val: Pass) -> None:
            if options.tensorboard:
                curves.add(run.history[-1])
            page.after_epoch(val)

        best = fit(run, model, faces, options, lines["val"], after_epoch, page.resumed)
        model = load_age_model(run.path / "best.safetensors", MODELS)
        result = measure(model, faces, part, options.batch_size)
        run.say("", *write_report(run, model, faces, part, result, best=best), "")
        page.finish(model, part, result)
    tells_age, line = "age" in head.subjects, lines[part]
    guess = f"predicting the median: {line:.2f}" if tells_age else f"the commonest class: {line:.1%}"
    conclude(run, f"{part} {result.errors.words()} ({guess}); everything is in {run.path}; data: {faces.kind}")
    Checkpoints(run.path).remove()


def evaluate_folder(options: argparse.Namespace) -> None:
    """Measure trained weights on a folder of faces."""
    model = load_model(options.weights)
    with begin(options, model.image_size, model.head.subjects) as (run, faces):
        if not len(faces.parts[options.part]):
            raise UserError(f"{len(faces.dataset)} faces leave none for {options.part}: --part all takes them all")
        page = Page(run, model, faces)
        result = measure(model, faces, options.part, options.batch_size)
        run.say("", *write_report(run, model, faces, options.part, result, weights=str(options.weights)), "")
        note = "faces that the weights were trained on, if any are in this folder, flatter the figure; see --part"
        if options.part == "all":
            run.say(note)
        page.finish(model, options.part, result, f"F{note[1:]}." if options.part == "all" else "")
        trained = f", weights trained on {model.data}" if model.data != faces.kind else ""
        conclude(run, f"{result.errors.words()}; everything is in {run.path}; data: {faces.kind}{trained}")


def conclude(run: RunFolder, line: str) -> None:
    """Say what has come of a run."""
    metrics = json.loads((run.path / "metrics.json").read_text(encoding="utf-8"))
    run.say(line, event="result", folder=str(run.path), **metrics)


def export_model(options: argparse.Namespace) -> None:
    """Write a trained model as an ONNX file."""
    weights = options.weights or default_weights()
    model = load_model(weights)
    out = options.out or (weights.with_suffix(".onnx") if options.weights else Path(f"{weights.stem}.onnx"))
    export(model, out)
    told = ", ".join(subject.replace("_", " ") for subject in model.head.subjects)
    size = f"{model.image_size}x{model.image_size}"
    trained = f"{type(model.model).__name__} trained on {model.data}"
    say(f"{out}: {told} from uint8 RGB pictures of {size} pixels; {trained}", event="exported", file=str(out))


def measure(model: AgeModel, faces: Faces, part: str, batch_size: int) -> Pass:
    """What the model sees in the faces of a part, and how far off it is."""
    return evaluate(model.model, faces.loader(part, batch_size), model.head, f"{part} faces", flip=model.flip)


@contextlib.contextmanager
def begin(options: argparse.Namespace, image_size: int, subjects: tuple[str, ...]) -> Iterator[tuple[RunFolder, Faces]]:
    """A run's folder, which is its own inside the block, and its faces for a model of `subjects`.

    Where no faces can be had, no folder is left behind, unless it is that of a run that is resumed. What the run is
    stands in its config.json before the faces are looked for: a run that is killed meanwhile can be resumed too.
    """
    resumed = options.command == "train" and options.resume is not None
    with RunFolder(options.resume, resume=True, tell=say) if resumed else run_folder(options) as run:
        try:
            if not (resumed and (run.path / "config.json").exists()):
                started = datetime.now().astimezone().isoformat(timespec="seconds")
                run.write_json("config.json", {"settings": settings(options), "started": started, **environment()})
            faces = find_faces(options, image_size, run.say).for_subjects(subjects, run.say)
        except BaseException:
            if not resumed:
                for name in ("config.json", "log.txt"):
                    (run.path / name).unlink(missing_ok=True)
                with contextlib.suppress(OSError):  # the folder was there before, and holds something else
                    run.path.rmdir()
            raise
        record(run, faces)
        yield run, faces


def run_folder(options: argparse.Namespace) -> RunFolder:
    """The folder that the options name, made ready; named after the time where they don't."""
    if options.out is not None:
        return RunFolder(options.out, tell=say)
    if options.name is None:
        return RunFolder(_new_folder(Path("runs", f"{options.command}-{datetime.now():%Y%m%d-%H%M%S}")), tell=say)
    if Path(options.name).name != options.name or options.name in ("", ".."):
        raise UserError(f"--name is one folder below runs/, not {options.name!r}; --out takes any path")
    return RunFolder(Path("runs", options.name), tell=say)


def _new_folder(path: Path) -> Path:
    """The folder, made; where it is there already, as for two runs begun at once, the next of its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    folder, number = path, 1
    while True:
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            number += 1
            folder = path.with_name(f"{path.name}-{number}")


def record(run: RunFolder, faces: Faces) -> None:
    """Write which faces a run sees: into config.json, once, and the files that were skipped into its log."""
    config = json.loads((run.path / "config.json").read_text(encoding="utf-8"))
    if "faces" not in config:
        chosen = config["settings"]
        split = faces.split_name if chosen["split_file"] is None else "file"  # what was done, not asked for
        about = {"data": faces.kind, "faces": faces.identity()}
        run.write_json("config.json", {**about, **config, "settings": {**chosen, "split": split}})
        run.log(*(f"skipped {printable(path)}: {why}" for path, why in faces.skipped))


def draw_graph(run: RunFolder, model: AgeModel, faces: Faces) -> None:
    """Draw what autograd records for the loss of two faces: graph.gv, and graph.svg where graphviz's dot is."""
    images = tg.Tensor(to_float(faces.images("train", np.arange(len(faces.parts["train"]))[:2])))
    targets = tg.Tensor(faces.targets("train")[:2])
    title = f"{type(model.model).__name__} and its loss: {faces.kind}"
    # Run by draw, which leaves batch norm's statistics and dropout's random numbers as they were.
    graph = tg.draw(lambda x: model.head.loss(model.model(x), targets), images, model=model.model, title=title)
    run.write("graph.gv", graph.source)
    if shutil.which("dot"):
        try:
            run.write("graph.svg", svg(graph))
        except subprocess.CalledProcessError as error:
            run.say(f"no graph.svg: dot failed with status {error.returncode}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit status.

    0; 1 for what failed on the way, such as a full disk or a loss that became NaN; 2 for what can't be done as it was
    asked for; 130 after Ctrl-C and 143 after SIGTERM.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    with in_the_format_of(arguments):
        return run_command(parse(arguments))


def run_command(options: argparse.Namespace) -> int:
    """What `main` does with options that are good."""
    try:
        with sigterm_stops():
            require(options.command)
            tg.set_num_threads(options.threads)
            commands = {
                "train": train,
                "evaluate": evaluate_folder,
                "predict": predict,
                "explain": explain,
                "export": export_model,
            }
            return commands[options.command](options) or 0
    except KeyboardInterrupt as interruption:
        say(str(interruption) or "interrupted", event="interrupted")
        return 128 + (interruption.number if isinstance(interruption, Stopped) else signal.SIGINT)
    except (UserError, MissingExtra, OSError, FloatingPointError, MemoryError, Failed, LoadError) as error:
        complain(f"utkface_age.py {options.command}: {one_line(error)}")
        failed = isinstance(error, (Failed, FloatingPointError, LoadError, MemoryError))
        return 1 if failed or (isinstance(error, OSError) and error.errno in FAILURES) else 2


def require(command: str) -> None:
    """Import what the command will need, before it starts: MissingExtra, or UserError where OpenCV lacks a library.

    A damaged picture is reported by us, in one line; OpenCV's own warning about it would be a second.
    """
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    with optional_import():
        try:
            import cv2  # noqa: F401
        except ModuleNotFoundError:
            raise
        except ImportError as error:
            raise UserError(
                f"opencv-python can't be imported here ({error}); "
                "without a desktop's libraries: pip uninstall opencv-python, pip install opencv-python-headless"
            ) from error
        for package in PACKAGES.get(command, ()):
            import_module(package)


def one_line(error: BaseException) -> str:
    """What an error says, on one line."""
    if isinstance(error, MemoryError):
        return f"not enough memory: {error}"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{printable(error.filename)}: {error.strerror}"
    return " ".join(str(error).split())


if __name__ == "__main__":
    warnings.formatwarning = lambda message, *_: f"warning: {message}\n"
    sys.exit(main())

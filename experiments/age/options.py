"""The command line of `utkface_age.py`: its commands, their options and defaults."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import tinygrad_cnn as tg
from experiments.age.faces import SYNTHETIC_COUNT, UserError
from experiments.age.log import OPTION
from experiments.age.tasks import TASKS
from tinygrad_cnn.data.transforms import AUGMENTATIONS
from tinygrad_cnn.train import WEIGHTS, Checkpoints

COMMANDS = ("train", "evaluate", "predict", "explain", "export")
LEAST_TRAINED = 32  # pixels for AgeResNet: of less its last norms see one place, and nothing in a batch of one face
CLASSES = ("gender", "age_group")  # tasks that tell no age in years
HEAD_DEFAULTS: dict[str, dict[str, object]] = {
    "regression": {"loss": "smooth_l1"},
    "expected": {"sigma": 2.0, "l1_weight": 1.0},
}
MAY_CHANGE = (
    "resume", "threads", "checkpoint_every", "live", "tensorboard", "log_format", "data_dir", "cache_dir",
)  # when a run is resumed  # fmt: skip
PATHS = ("resume", "data_dir", "cache_dir", "split_file", "out")
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".pdf", ".svg", ".eps", ".ps")
TABLES = (".csv", ".json")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options; `command` among them is train where none is given. Exits with status 2 for a bad one."""
    command, rest = "train", list(arguments)
    if rest and rest[0] in COMMANDS:
        command = rest.pop(0)
    elif rest and not rest[0].startswith("-"):
        Parser(prog="utkface_age.py").error(f"no command {rest[0]!r}; there are {', '.join(COMMANDS)}")
    parser = Parser(prog=f"utkface_age.py {command}", allow_abbrev=False, formatter_class=Help)
    {"train": _train, "evaluate": _evaluate, "predict": _predict, "explain": _explain, "export": _export}[command](
        parser
    )
    parser.add_argument(OPTION, choices=("text", "json"), default="text",
                        help="text for a reader, or one JSON object per line (see experiments/age/log.py)")  # fmt: skip
    options = parser.parse_args(rest)
    options.command = command
    if command == "train":
        try:
            if options.resume is not None:
                return _resumed(parser, rest, options)
            _settle(options)
        except (UserError, ValueError, OSError) as error:
            parser.error(str(error))
    elif command == "predict" and options.camera is not None:
        for name in ("format", "out", "annotate"):
            if getattr(options, name) is not None:
                parser.error(f"--camera shows what it sees in a window: --{name} is for pictures")
    return options


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """The options as json has them: paths as strings, tuples as lists."""
    plain: dict[type, Callable[[Any], Any]] = {tuple: list, type(Path()): str}
    return {name: plain.get(type(value), lambda same: same)(value) for name, value in vars(options).items()}


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (--help lists the options)\n")


class Help(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps the description's lines and adds the defaults of the options that have one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        says_nothing = action.default is None or action.default is False
        return action.help if says_nothing else super()._get_help_string(action)


def _train(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Train a network on UTKFace, test it, and write all that came of it to a run folder.\n"
        "The other commands, each with --help: evaluate, predict, explain, export."
    )
    _faces(parser)
    group = _run_folder(parser)
    group.add_argument("--resume", type=_path, metavar="RUN",
                       help="go on with the interrupted run in this folder, with its own options")  # fmt: skip
    group.add_argument("--checkpoint-every", type=_positive_int, metavar="STEPS",
                       help="save what --resume needs after so many steps (default: in 1 %% of the time)")  # fmt: skip
    group = parser.add_argument_group("model")
    group.add_argument("--model", choices=("AgeCNN", "AgeResNet"), default="AgeCNN", help="see models/")
    group.add_argument("--task", choices=TASKS, default="age",
                       help="what to learn: age_group is the decade; multi is the three in one network"
                       " (neither for AgeCNN)")  # fmt: skip
    group.add_argument("--head", choices=HEAD_DEFAULTS,
                       help="for an age, regression: one output, the age; expected: a softmax over ages, whose mean is"
                       " the age (not for AgeCNN) (default: regression)")  # fmt: skip
    group.add_argument("--loss", choices=("smooth_l1", "l1", "mse"),
                       help="between standardised ages, for --head regression (default: smooth_l1)")  # fmt: skip
    group.add_argument("--sigma", type=_not_negative, metavar="YEARS",
                       help="for --head expected: how far the true age is smoothed over its neighbours"
                       " (default: 2)")  # fmt: skip
    group.add_argument("--l1-weight", type=_not_negative, metavar="X",
                       help="for --head expected: weight of the mean's error in years beside the cross-entropy"
                       " (default: 1)")  # fmt: skip
    group.add_argument("--image-size", type=_image_size, metavar="PIXELS", help="side of a face (default: 128)")
    group.add_argument("--progressive", type=_sizes, metavar="PIXELS,...",
                       help="train at growing sizes, each for as many epochs; the last is the image size,"
                       " whose epochs alone can be the best, and count for --patience"
                       " (not for AgeCNN)")  # fmt: skip
    group = parser.add_argument_group("training")
    group.add_argument("--epochs", type=_positive_int, default=10, metavar="N", help="passes over the faces")
    group.add_argument("--patience", type=_positive_int, metavar="N",
                       help="stop after N epochs without a better validation error")  # fmt: skip
    group.add_argument("--batch-size", type=_positive_int, default=32, metavar="N", help="faces per step")
    group.add_argument("--lr", type=_positive, default=1e-3, metavar="RATE", help="largest learning rate")
    group.add_argument("--schedule", choices=("onecycle", "cosine", "constant"), default="onecycle",
                       help="learning rate over the run: up and down, down after a warm-up, or unchanged")  # fmt: skip
    group.add_argument("--optimizer", choices=("adamw", "adam", "sgd", "rmsprop", "adagrad"), default="adamw",
                       help="sgd has momentum 0.9")  # fmt: skip
    group.add_argument("--weight-decay", type=_not_negative, metavar="X",
                       help="pull of the weights towards zero (default: 0.01 for adamw, else 0)")  # fmt: skip
    group.add_argument("--decay-all", action="store_true", help="weight decay pulls biases and norms as well")
    group.add_argument("--clip", type=_positive, metavar="NORM", help="longest gradient of all weights together")
    group.add_argument("--ema", type=_decay, metavar="DECAY",
                       help="validate and keep the weights' moving average, such as 0.999")  # fmt: skip
    group.add_argument("--augment", type=_augment, default="light", metavar="CHANGES",
                       help=f"random changes to the training faces, of {','.join(AUGMENTATIONS)}; light is flip,shift,"
                       " full all of them, and none none")  # fmt: skip
    group.add_argument("--no-augment", dest="augment", action="store_const", const=(), default=argparse.SUPPRESS,
                       help="the same as --augment none")  # fmt: skip
    group.add_argument("--flip-average", action="store_true",
                       help="a prediction is the mean of that for the face and that for its mirror image")  # fmt: skip
    group.add_argument("--live", action="store_true", help="also show the curves in a window, where there is a display")
    group.add_argument("--tensorboard", action="store_true",
                       help="also write the curves as TensorBoard's event files (needs tensorboardX)")  # fmt: skip
    group.add_argument("--seed", type=_count, default=0, metavar="N",
                       help="of the first weights, the order of the faces, and their augmentation")  # fmt: skip


def _settle(options: argparse.Namespace) -> None:
    """Fill in what one option leaves to another. Raises UserError for options that contradict each other."""
    if options.task in CLASSES and options.head is not None:
        raise UserError(f"--head has no meaning for --task {options.task}")
    if options.task not in CLASSES and options.head is None:
        options.head = "regression"
    if options.model == "AgeCNN":
        too_much = {"--progressive": options.progressive, "--head expected": options.head == "expected",
                    f"--task {options.task}": options.task not in ("age", "gender")}  # fmt: skip
        for wanted in [name for name, given in too_much.items() if given]:
            raise UserError(f"AgeCNN has one output and one image size: {wanted} takes another --model")
    for head, defaults in HEAD_DEFAULTS.items():
        for name, value in defaults.items():
            given = getattr(options, name) is not None
            if given and head != options.head:
                chosen = f"--head {options.head}" if options.head else f"--task {options.task}"
                raise UserError(f"--{name.replace('_', '-')} has no meaning for {chosen}")
            if not given and head == options.head:
                setattr(options, name, value)
    sizes = options.progressive or (options.image_size or 128,)
    if options.image_size not in (None, sizes[-1]):
        raise UserError(f"--image-size {options.image_size} is not the last size of --progressive: {sizes[-1]}")
    if len(sizes) > options.epochs:
        raise UserError(f"--progressive has {len(sizes)} sizes for --epochs {options.epochs}: each needs one")
    if options.model == "AgeResNet" and sizes[0] < LEAST_TRAINED:
        raise UserError(f"AgeResNet needs faces of at least {LEAST_TRAINED} pixels to train on, not {sizes[0]}")
    options.image_size = sizes[-1]


def _resumed(parser: argparse.ArgumentParser, arguments: list[str], options: argparse.Namespace) -> argparse.Namespace:
    """The options of the run that goes on: as it has them, but for those that may change.

    Raises UserError for another value of one that may not, FileNotFoundError or ValueError for a folder without a
    whole checkpoint, unless the run was cut short before its first one.
    """
    saved = _settings_of(options.resume)
    unset = object()
    given = parser.parse_args(arguments, argparse.Namespace(**dict.fromkeys(vars(options), unset)))
    changed = {name: value for name, value in settings(given).items() if value is not unset}
    for name, value in changed.items():
        if name not in MAY_CHANGE and value != saved.get(name):
            flag = name.replace("_", "-")
            raise UserError(
                f"--resume goes on with the run's own options: --{flag} was {saved.get(name)}, not {value}; only "
                + ", ".join(f"--{other.replace('_', '-')}" for other in MAY_CHANGE[1:]) + " may change"
            )  # fmt: skip
    settled = {**vars(options), **saved, **changed}
    paths = {name: Path(settled[name]) for name in PATHS if settled[name] is not None}
    return argparse.Namespace(**settled | paths)


def _settings_of(run: Path) -> dict[str, Any]:
    """The settings of an interrupted run: in its checkpoint, or in config.json where it had not begun to train."""
    checkpoints, config = Checkpoints(run), run / "config.json"
    begun = checkpoints.exist() or any((run / name).exists() for name in WEIGHTS)
    try:
        content = json.loads(config.read_text(encoding="utf-8")) if config.exists() and not begun else None
        return dict((content or checkpoints.latest()[0])["settings"])
    except (KeyError, TypeError) as error:
        raise UserError(f"{run} does not hold the settings of a run: {error!r}") from error


def _evaluate(parser: argparse.ArgumentParser) -> None:
    parser.description = "Test a trained model on a folder of faces that has the dataset's own file names."
    _weights(parser)
    _faces(parser)
    parser.add_argument("--part", choices=("all", "train", "val", "test"), default="all",
                        help="all the faces, those trained on among them, or one part of the split")  # fmt: skip
    parser.add_argument("--batch-size", type=_positive_int, default=64, metavar="N", help="faces at a time")
    _run_folder(parser)


def _predict(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Find the faces in photographs (JPEG, PNG or WebP) and print what a trained model sees in each.\n"
        "A table has the columns file, face, x, y, width, height and what the model tells, such as age_years."
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "images", nargs="*", type=_given, default=[], metavar="IMAGE", help="file, folder or pattern such as '*.jpg'"
    )
    source.add_argument("--camera", nargs="?", type=_count, const=0, metavar="NUMBER",
                        help="show what a camera sees instead, until q is pressed (the first: 0)")  # fmt: skip
    _weights(parser, required=False)
    _no_detect(parser)
    parser.add_argument("--format", choices=("csv", "json"),
                        help="print a table (default: as --out ends, else csv for folders and patterns)")  # fmt: skip
    parser.add_argument("--out", type=_table, metavar="FILE", help="write that there, instead of to stdout")
    parser.add_argument("--annotate", type=_path, metavar="DIR",
                        help="also write each picture there, with its faces and their answers")  # fmt: skip
    _threads(parser)


def _explain(parser: argparse.ArgumentParser) -> None:
    parser.description = "Draw what in one face of a photograph made a trained model answer as it does."
    parser.add_argument("image", type=_path, metavar="IMAGE", help="photograph (JPEG, PNG or WebP)")
    _weights(parser, required=False)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--face", type=_positive_int, metavar="NUMBER",
                       help="counted from the left, as predict does (default: the largest)")  # fmt: skip
    _no_detect(which)
    parser.add_argument("--out", type=_picture, metavar="FILE", help="write there (default: <IMAGE>-explained.png)")
    parser.add_argument("--subject", choices=("age", "gender", "age_group"), default=argparse.SUPPRESS,
                        help="what to explain (default: the first that the model tells)")  # fmt: skip
    parser.add_argument("--layer", metavar="NAME", help="for Grad-CAM (default: the last one that gives maps)")
    _threads(parser)


def _export(parser: argparse.ArgumentParser) -> None:
    parser.description = "Write a trained model, with all that reads pictures and answers, as one ONNX file."
    _weights(parser, required=False)
    parser.add_argument("--out", type=_onnx_file, metavar="FILE",
                        help="write there (default: <weights>.onnx, beside weights that --weights names)")  # fmt: skip
    _threads(parser)


def _weights(parser: argparse.ArgumentParser, required: bool = True) -> None:
    default = "" if required else " (default: the best in models/weights)"
    parser.add_argument("--weights", type=_path, required=required, metavar="FILE",
                        help=f"best.safetensors or last.safetensors of a run{default}")  # fmt: skip


def _no_detect(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--no-detect", dest="detect", action="store_false", default=True,
                        help="a picture is one face already, cut out as UTKFace's are")  # fmt: skip


def _faces(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("faces")
    group.add_argument("--data", choices=("auto", "utkface", "synthetic"), default="auto",
                       help="auto draws synthetic faces where UTKFace can't be had, utkface never does")  # fmt: skip
    group.add_argument("--data-dir", type=_path, metavar="DIR", help="local copy of UTKFace (default: from Kaggle)")
    group.add_argument("--split", choices=("grouped", "random"), default="grouped",
                       help="80/10/10 %% for train/val/test; grouped keeps copies of one photo together")  # fmt: skip
    group.add_argument("--split-file", type=_path, metavar="CSV",
                       help="split as a file with columns 'file' and 'split' says, instead")  # fmt: skip
    group.add_argument("--split-seed", type=_count, default=0, metavar="N", help="of the split, and of drawn faces")
    group.add_argument("--limit", type=_positive_int, metavar="N",
                       help=f"use N faces (default: all; {SYNTHETIC_COUNT:,} synthetic ones)")  # fmt: skip
    group.add_argument("--cache-dir", type=_path, metavar="DIR",
                       help="for decoded faces (default: $TINYGRAD_CNN_CACHE, else ~/.cache/tinygrad_cnn)")  # fmt: skip


def _run_folder(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    group = parser.add_argument_group("run")
    place = group.add_mutually_exclusive_group()
    place.add_argument("--name", metavar="NAME", help="write to runs/NAME (default: the time)")
    place.add_argument("--out", type=_path, metavar="DIR", help="write to DIR, instead of below runs/")
    _threads(group)
    return group


def _threads(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--threads", type=_positive_int, default=tg.get_num_threads(), metavar="N", help="to compute with"
    )


def _given(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def _path(text: str) -> Path:
    return Path(_given(text))


def _picture(text: str) -> Path:
    path = _path(text)
    if path.suffix.lower() not in PICTURES:
        raise argparse.ArgumentTypeError(f"must end in {', '.join(PICTURES)} (or in capitals), not {text!r}")
    return path


def _table(text: str) -> Path:
    path = _path(text)
    if path.suffix.lower() not in TABLES:
        raise argparse.ArgumentTypeError(f"must end in {', '.join(TABLES)}, not {text!r}")
    return path


def _onnx_file(text: str) -> Path:
    path = _path(text)
    if path.suffix.lower() != ".onnx":
        raise argparse.ArgumentTypeError(f"must end in .onnx, not {text!r}")
    return path


def _count(text: str) -> int:
    return _whole_number(text, 0)


def _positive_int(text: str) -> int:
    return _whole_number(text, 1)


def _image_size(text: str) -> int:
    return _whole_number(text, 16, 1024)


def _sizes(text: str) -> tuple[int, ...]:
    sizes = tuple(_image_size(size) for size in text.split(","))
    if list(sizes) != sorted(set(sizes)):
        raise argparse.ArgumentTypeError(f"must be growing sizes, such as 64,96,128, not {text!r}")
    return sizes


def _augment(text: str) -> tuple[str, ...]:
    names = {"none": (), "light": ("flip", "shift"), "full": AUGMENTATIONS}.get(text, tuple(text.split(",")))
    for name in names:
        if name not in AUGMENTATIONS:
            known = ",".join(AUGMENTATIONS)
            raise argparse.ArgumentTypeError(f"must be none, light, full or some of {known}, not {text!r}")
    return tuple(name for name in AUGMENTATIONS if name in names)


def _whole_number(text: str, least: int, most: int = 2**31 - 1) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        bounds = f"of at least {least}" if number < least and most == 2**31 - 1 else f"from {least} to {most}"
        raise argparse.ArgumentTypeError(f"must be a whole number {bounds}, not {text!r}")
    return number


def _positive(text: str) -> float:
    if not (number := _not_negative(text)):
        raise argparse.ArgumentTypeError("must be more than 0")
    return number


def _decay(text: str) -> float:
    if (number := _not_negative(text)) >= 1:
        raise argparse.ArgumentTypeError(f"must be less than 1, not {text!r}")
    return number


def _not_negative(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number of at least 0, not {text!r}")
    return number

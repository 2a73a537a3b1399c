"""Training as the command line asks for it: optimiser, schedule, epochs, and what is kept of them."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

import tinygrad_cnn as tg
from experiments.age.faces import Faces, UserError
from experiments.age.options import settings
from tinygrad_cnn import nn, optim, viz
from tinygrad_cnn.data.transforms import Compose, Resize, Transform, augmentation
from tinygrad_cnn.io import load
from tinygrad_cnn.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, OneCycleLR, SequentialLR
from tinygrad_cnn.train import (
    AgeModel,
    Checkpoints,
    EarlyStopping,
    Interrupted,
    Pass,
    RunFolder,
    evaluate,
    interrupts_wait,
    train_epoch,
)

OPTIMIZERS = {
    "adamw": optim.AdamW, "adam": optim.Adam, "sgd": optim.SGD, "rmsprop": optim.RMSprop, "adagrad": optim.Adagrad,
}  # fmt: skip
SGD_MOMENTUM = 0.9
ADAMW_DECAY = 0.01
WARM_UP = 0.05  # share of the steps, for the cosine schedule


class Training:
    """Everything that a step of the training changes; its `state_dict` is what a checkpoint holds."""

    def __init__(self, model: AgeModel, faces: Faces, options: argparse.Namespace) -> None:
        self.network, self.head = model.model, model.head
        self.loader = faces.loader("train", options.batch_size, shuffle=True, seed=options.seed)
        self.optimizer = make_optimizer(self.network, options)
        self.schedule = make_schedule(self.optimizer, options, len(self.loader) * options.epochs)
        self.average = None if options.ema is None else optim.EMA(self.network, options.ema)
        self.stopping = EarlyStopping(options.patience)
        self.best: dict[str, float] = {}  # the figures of the best epoch on the validation faces
        self.best_weights: dict[str, np.ndarray] = {}  # as best.safetensors has them
        self.begin_epoch(1)

    def begin_epoch(self, epoch: int) -> None:
        """Make `epoch`, counted from 1, the one that is under way."""
        self.epoch, self.so_far = epoch, Pass(self.head.errors())
        self.rate = self.optimizer.param_groups[0]["lr"]  # that of its first step
        self.loader.set_epoch(epoch - 1)

    def averaged(self) -> contextlib.AbstractContextManager[None]:
        """Inside, the network holds the average of its weights, where one is kept."""
        return contextlib.nullcontext() if self.average is None else self.average.applied()

    def state_dict(self) -> dict[str, Any]:
        """A copy of it all; what dropout draws from is a part of it."""
        own = {"epoch": self.epoch, "rate": self.rate, "best": self.best, "best_weights": self.best_weights}
        generator = tg.default_generator().bit_generator.state
        return {**own, "generator": generator, **{name: part.state_dict() for name, part in self._parts().items()}}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on, to the bit, where `state_dict` was called in a training with the same options.

        The optimiser's parameters may be numbered by strings, as json has them.
        """
        self.begin_epoch(state_dict["epoch"])
        self.rate, self.best = state_dict["rate"], state_dict["best"]
        self.best_weights = state_dict["best_weights"]
        tg.default_generator().bit_generator.state = state_dict["generator"]
        optimizer = state_dict["optimizer"]
        numbered = {int(number): state for number, state in optimizer["state"].items()}
        for name, part in self._parts().items():
            part.load_state_dict({**optimizer, "state": numbered} if part is self.optimizer else state_dict[name])

    def _parts(self) -> dict[str, Any]:
        parts = {
            "network": self.network,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
            "average": self.average,
            "stopping": self.stopping,
            "loader": self.loader,
            "so_far": self.so_far,
        }
        return {name: part for name, part in parts.items() if part is not None}


def fit(
    run: RunFolder,
    model: AgeModel,
    faces: Faces,
    options: argparse.Namespace,
    to_beat: float,
    after_epoch: Callable[[Pass], object],
    resumed: Callable[[], object],
) -> dict[str, float]:
    """Train for all epochs. The run gets a row of history, a picture and the last weights after each, and the best.

    Gives the best epoch and its figures on the validation faces. `to_beat` is the figure of one answer for everybody.
    With `--ema` it is the average that is validated and kept. With `--progressive` an epoch is validated at its own
    size, and compared with those of that size alone: so the best is one of the last size's, for which alone
    `--patience` counts. `after_epoch` is called with what came of the validation faces. Checkpoints are written before
    the first step, on the way, at the end, and at Ctrl-C or SIGTERM, which save the last weights too. Where the run has
    a checkpoint the training goes on from the latest, and `resumed` is called once the run has its history again;
    raises UserError where the checkpoint is of other faces or another version.
    """
    network, name = model.model, type(model.model).__name__
    val_loader = faces.loader("val", options.batch_size)
    training = Training(model, faces, options)
    checkpoints, sizes = Checkpoints(run.path, options.checkpoint_every), sizes_by_epoch(options)
    about = {"settings": settings(options), "faces": faces.identity()}

    def state() -> dict[str, Any]:
        return {**about, "history": run.history, **training.state_dict()}

    def keep(file: str) -> dict[str, np.ndarray]:
        begun = training.epoch if training.so_far.errors.count else training.epoch - 1
        with training.averaged():
            weights = network.state_dict()
        seen = replace(model, image_size=sizes[max(begun, 1) - 1])
        run.write_weights(file, weights, {**seen.metadata(), "epoch": str(begun)})
        return weights

    if checkpoints.exist():
        saved, problems = checkpoints.latest()
        go_on(training, saved, about["faces"])
        run.write_history(saved["history"])
        run.say(
            *(f"warning: {problem}; going on from the one before" for problem in problems),
            f"resumed in epoch {training.epoch}, after {training.loader.state_dict()['batch']} of its steps",
        )
        resumed()
    else:
        checkpoints.write(state())
    try:
        with interrupts_wait() as stop_if_interrupted:
            while training.epoch <= options.epochs:
                epoch, stopping = training.epoch, training.stopping
                size = sizes[epoch - 1]
                if size not in sizes[: epoch - 1]:
                    stopping.restart()
                elif stopping.is_over and size == sizes[-1]:
                    run.say(f"no better epoch than the {stopping.best}. in {options.patience}: training ends here")
                    break
                title = f"epoch {epoch:>{len(str(options.epochs))}}/{options.epochs}"
                title += f" at {size}x{size}" if options.progressive else ""
                smaller = resized(options, size)
                training.loader.transform = Compose([*smaller, augmentation(options.augment)])
                val_loader.transform = Compose(smaller)
                trained = train_epoch(
                    network,
                    training.loader,
                    model.head,
                    training.optimizer,
                    training.schedule,
                    title,
                    max_norm=options.clip,
                    average=training.average,
                    so_far=training.so_far,
                    after_step=lambda: checkpoints.step(state),
                )
                with training.averaged():
                    val = evaluate(network, val_loader, model.head, f"{title}, validating", flip=model.flip)
                run.append_history(
                    {
                        "epoch": epoch,
                        "train_loss": round(trained.loss, 6),
                        "val_loss": round(val.loss, 6),
                        **figures_of_both(trained, val),
                        "learning_rate": float(f"{training.rate:.6g}"),
                        "image_size": size,
                        "images_per_second": round(trained.images_per_second, 1),
                        "seconds": round(trained.seconds + val.seconds, 2),
                        "data": faces.kind,
                    }
                )
                improved = stopping.update(val.errors.error)
                if improved:
                    training.best = {f"val_{name}": value for name, value in val.errors.figures().items()}
                    training.best_weights = keep("best.safetensors")
                keep("last.safetensors")
                columns = {column: [row[column] for row in run.history] for column in run.history[0]}
                run.write_figure("history.png", viz.plot_history(columns, to_beat, f"{name} trained on {faces.kind}"))
                run.say(
                    f"{title}  loss {trained.loss:.4f}  {trained.errors.words(units=False)}  val {val.errors.words()}"
                    f"  {trained.images_per_second:,.0f} images/s  {trained.seconds + val.seconds:.0f} s"
                    + ("  best so far" if improved else ""),
                    event="epoch", **run.history[-1], epochs=options.epochs, best=improved,
                )  # fmt: skip
                after_epoch(val)
                training.begin_epoch(epoch + 1)
                stop_if_interrupted()
            checkpoints.write(state())
    except FloatingPointError as error:  # the step that failed has changed nothing
        last = run.path / "last.safetensors"
        if all(np.isfinite(array).all() for array in network.state_dict().values()):
            keep(last.name)
        good = f"The last good weights are in {last}" if last.exists() else "No weights are left that are finite"
        clip = "with --clip 1" if options.clip is None else f"a shorter --clip than {options.clip:g}"
        advice = f"train anew with a lower --lr than {options.lr:g}, or {clip}"
        raise FloatingPointError(f"{error}. {good}; {advice}") from error
    except Interrupted:  # and no other KeyboardInterrupt: one that did not wait may have come in the middle of a step
        checkpoints.write(state())
        keep("last.safetensors")
        raise
    mend(run, model, training)
    return {"epoch": training.stopping.best, **training.best}


def mend(run: RunFolder, model: AgeModel, training: Training) -> None:
    """Write the best weights again, which the training remembers, where their file was lost or damaged meanwhile."""
    try:
        load(run.path / "best.safetensors")
    except (FileNotFoundError, ValueError) as error:
        run.say(f"warning: {error}; it is written again")
        about = {**model.metadata(), "epoch": str(training.stopping.best)}
        run.write_weights("best.safetensors", training.best_weights, about)


def go_on(training: Training, saved: Mapping[str, Any], faces: Mapping[str, Any]) -> None:
    """Load a checkpoint's state; `faces` is what these faces are known by. Raises UserError where it does not fit."""
    before = saved.get("faces", {})
    others = [name for name in faces if name != "source" and faces[name] != before.get(name)]
    if others:
        raise UserError(
            f"these are not the faces that the run began with: {others[0]} is {faces[others[0]]}, "
            f"and was {before.get(others[0])}"
        )
    try:
        training.load_state_dict(saved)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise UserError(f"the run's checkpoint was written by another version: {error!r}") from error


def figures_of_both(trained: Pass, val: Pass) -> dict[str, float]:
    """The figures of an epoch, those of the training faces and of the validation faces in turn."""
    of_train, of_val = trained.errors.figures(), val.errors.figures()
    both = {name: (("train", of_train[name]), ("val", of_val[name])) for name in of_val}
    return {f"{part}_{name}": round(figure, 4) for name, pair in both.items() for part, figure in pair}


def sizes_by_epoch(options: argparse.Namespace) -> list[int]:
    """The side of the faces in each epoch, in pixels: each size of `--progressive` for as many epochs."""
    sizes = options.progressive or (options.image_size,)
    return [sizes[epoch * len(sizes) // options.epochs] for epoch in range(options.epochs)]


def resized(options: argparse.Namespace, size: int) -> list[Transform]:
    """What makes the faces, which are kept at the image size, smaller where they are to be."""
    return [Resize(size)] if size < options.image_size else []


def make_optimizer(model: nn.Module, options: argparse.Namespace) -> optim.Optimizer:
    """The optimiser that the options name; weight decay spares biases and norms unless they say otherwise."""
    decay = options.weight_decay
    if decay is None:
        decay = ADAMW_DECAY if options.optimizer == "adamw" else 0.0
    settings = {"lr": options.lr, "weight_decay": decay}
    if options.optimizer == "sgd":
        settings["momentum"] = SGD_MOMENTUM
    params = model.parameters()
    return OPTIMIZERS[options.optimizer](
        params if options.decay_all else optim.decay_weights_only(params, decay), **settings
    )


def make_schedule(optimizer: optim.Optimizer, options: argparse.Namespace, steps: int) -> LRScheduler | None:
    """The learning rate over so many steps, the largest being `options.lr`; None leaves it as it is."""
    if options.schedule == "onecycle":
        return OneCycleLR(optimizer, max_lr=options.lr, total_steps=steps, cycle_momentum=False)
    if options.schedule == "cosine":
        warm_up = max(1, round(WARM_UP * steps))
        rise = LinearLR(optimizer, start_factor=1 / warm_up, total_iters=warm_up)
        fall = CosineAnnealingLR(optimizer, T_max=max(1, steps - warm_up))
        return SequentialLR(optimizer, [rise, fall], milestones=[warm_up])
    return None

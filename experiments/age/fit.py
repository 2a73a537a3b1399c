"""Training as the command line asks for it: optimiser, schedule, epochs, and what is kept of them."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable
from typing import NamedTuple

from experiments.age.faces import Faces
from tinygrad_cnn import nn, optim, viz
from tinygrad_cnn.data.transforms import Compose, Resize, augmentation
from tinygrad_cnn.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, OneCycleLR, SequentialLR
from tinygrad_cnn.train import AgeModel, Pass, RunFolder, evaluate, train_epoch

OPTIMIZERS = {
    "adamw": optim.AdamW, "adam": optim.Adam, "sgd": optim.SGD, "rmsprop": optim.RMSprop, "adagrad": optim.Adagrad,
}  # fmt: skip
SGD_MOMENTUM = 0.9
ADAMW_DECAY = 0.01
WARM_UP = 0.05  # share of the steps, for the cosine schedule


class Best(NamedTuple):
    """The epoch, counted from 1, with the smallest error on the validation faces, and its figures on them."""

    epoch: int
    error: float  # see Errors.error
    figures: dict[str, float]

    def as_dict(self) -> dict[str, float]:
        return {"epoch": self.epoch, **{f"val_{name}": value for name, value in self.figures.items()}}


def fit(
    run: RunFolder,
    model: AgeModel,
    faces: Faces,
    options: argparse.Namespace,
    to_beat: float,
    after_epoch: Callable[[Pass], object],
) -> Best:
    """Train for all epochs. The run gets a row of history, a picture and the last weights after each, and the best.

    `to_beat` is the validation figure of one answer for everybody. With `--ema` it is the average that is
    validated and kept. `after_epoch` is called with what came of the validation faces. Ctrl-C saves the last weights
    first.
    """
    network, name = model.model, type(model.model).__name__
    train_loader = faces.loader("train", options.batch_size, shuffle=True, seed=options.seed)
    val_loader = faces.loader("val", options.batch_size)
    optimizer = make_optimizer(network, options)
    schedule = make_schedule(optimizer, options, len(train_loader) * options.epochs)
    average = None if options.ema is None else optim.EMA(network, options.ema)
    best = Best(0, float("inf"), {})
    epoch = 0

    def averaged() -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext() if average is None else average.applied()

    def keep(file: str) -> None:
        with averaged():
            run.write_weights(file, network.state_dict(), {**model.metadata(), "epoch": str(epoch)})

    try:
        for epoch, size in enumerate(sizes_by_epoch(options), 1):
            title = f"epoch {epoch:>{len(str(options.epochs))}}/{options.epochs}"
            rate = optimizer.param_groups[0]["lr"]
            train_loader.transform = training_transform(options, size)
            trained = train_epoch(
                network, train_loader, model.head, optimizer, schedule, title, max_norm=options.clip, average=average
            )
            with averaged():
                val = evaluate(network, val_loader, model.head, f"{title}, validating", flip=model.flip)
            run.append_history(
                {
                    "epoch": epoch,
                    "train_loss": round(trained.loss, 6),
                    "val_loss": round(val.loss, 6),
                    **figures_of_both(trained, val),
                    "learning_rate": float(f"{rate:.6g}"),
                    "image_size": size,
                    "images_per_second": round(trained.images_per_second, 1),
                    "seconds": round(trained.seconds + val.seconds, 2),
                    "data": faces.kind,
                }
            )
            improved = val.errors.error < best.error
            if improved:
                best = Best(epoch, val.errors.error, val.errors.figures())
                keep("best.safetensors")
            keep("last.safetensors")
            columns = {column: [row[column] for row in run.history] for column in run.history[0]}
            run.write_figure("history.png", viz.plot_history(columns, to_beat, f"{name} trained on {faces.kind}"))
            run.say(
                f"{title}  loss {trained.loss:.4f}  {trained.errors.words(units=False)}  val {val.errors.words()}"
                f"  {trained.images_per_second:,.0f} images/s  {trained.seconds + val.seconds:.0f} s"
                + ("  best so far" if improved else "")
            )
            after_epoch(val)
            if options.patience is not None and epoch - best.epoch >= options.patience:
                run.say(f"no better epoch than the {best.epoch}. in {options.patience}: training ends here")
                break
    except KeyboardInterrupt:
        keep("last.safetensors")
        raise
    return best


def figures_of_both(trained: Pass, val: Pass) -> dict[str, float]:
    """The figures of an epoch, those of the training faces and of the validation faces in turn."""
    of_train, of_val = trained.errors.figures(), val.errors.figures()
    both = {name: (("train", of_train[name]), ("val", of_val[name])) for name in of_val}
    return {f"{part}_{name}": round(figure, 4) for name, pair in both.items() for part, figure in pair}


def sizes_by_epoch(options: argparse.Namespace) -> list[int]:
    """The side of the training faces in each epoch, in pixels: each size of `--progressive` for as many epochs."""
    sizes = options.progressive or (options.image_size,)
    return [sizes[epoch * len(sizes) // options.epochs] for epoch in range(options.epochs)]


def training_transform(options: argparse.Namespace, size: int) -> Compose:
    """What the training faces go through: made smaller first, where they are to be, and then changed at random."""
    smaller = [Resize(size)] if size < options.image_size else []
    return Compose([*smaller, augmentation(options.augment)])


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

"""Training as the command line asks for it: optimiser, schedule, epochs, and what is kept of them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple

import tinygrad_cnn.functional as F
from experiments.age.faces import Faces
from tinygrad_cnn import nn, optim, viz
from tinygrad_cnn.data import transforms
from tinygrad_cnn.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, OneCycleLR, SequentialLR
from tinygrad_cnn.train import AgeModel, Pass, RunFolder, evaluate, train_epoch

LOSSES = {"mse": F.mse_loss, "l1": F.l1_loss, "smooth_l1": F.smooth_l1_loss}
AUGMENTATIONS = {
    "none": None,
    "light": transforms.RandomAffine(flip=0.5, shift=0.05),
    "full": transforms.default_augmentation(),
}
OPTIMIZERS = {
    "adamw": optim.AdamW, "adam": optim.Adam, "sgd": optim.SGD, "rmsprop": optim.RMSprop, "adagrad": optim.Adagrad,
}  # fmt: skip
SGD_MOMENTUM = 0.9
WARM_UP = 0.05  # share of the steps, for the cosine schedule


class Best(NamedTuple):
    """The epoch, counted from 1, with the smallest error on the validation faces."""

    epoch: int
    val_mae_years: float


def fit(
    run: RunFolder,
    model: AgeModel,
    faces: Faces,
    options: argparse.Namespace,
    to_beat: float,
    after_epoch: Callable[[Pass], object],
) -> Best:
    """Train for all epochs. The run gets a row of history, a picture and the last weights after each, and the best.

    `to_beat`, in years, is the validation error of predicting the median. Ctrl-C saves the last weights first.
    `after_epoch` is called with what came of the validation faces.
    """
    loss = LOSSES[options.loss]
    train_loader = faces.loader(
        "train", options.batch_size, AUGMENTATIONS[options.augment], shuffle=True, seed=options.seed
    )
    val_loader = faces.loader("val", options.batch_size)
    optimizer = make_optimizer(model.model, options)
    schedule = make_schedule(optimizer, options, len(train_loader) * options.epochs)
    best = Best(0, float("inf"))
    epoch = 0

    def keep(name: str) -> None:
        run.write_weights(name, model.model.state_dict(), {**model.metadata(), "epoch": str(epoch)})

    try:
        for epoch in range(1, options.epochs + 1):
            title = f"epoch {epoch:>{len(str(options.epochs))}}/{options.epochs}"
            rate = optimizer.param_groups[0]["lr"]
            trained = train_epoch(model.model, train_loader, model.scale, loss, optimizer, schedule, title)
            val = evaluate(model.model, val_loader, model.scale, loss, f"{title}, validating")
            run.append_history(
                {
                    "epoch": epoch,
                    "train_loss": round(trained.loss, 6),
                    "val_loss": round(val.loss, 6),
                    "train_mae_years": round(trained.errors.mae, 4),
                    "val_mae_years": round(val.errors.mae, 4),
                    "learning_rate": float(f"{rate:.6g}"),
                    "images_per_second": round(trained.images_per_second, 1),
                    "seconds": round(trained.seconds + val.seconds, 2),
                    "data": faces.kind,
                }
            )
            improved = val.errors.mae < best.val_mae_years
            if improved:
                best = Best(epoch, val.errors.mae)
                keep("best.safetensors")
            keep("last.safetensors")
            columns = {name: [row[name] for row in run.history] for name in run.history[0]}
            run.write_figure("history.png", viz.plot_history(columns, to_beat, f"AgeCNN trained on {faces.kind}"))
            run.say(
                f"{title}  loss {trained.loss:.4f}  MAE {trained.errors.mae:5.2f}  val MAE {val.errors.mae:5.2f} years"
                f"  {trained.images_per_second:,.0f} images/s  {trained.seconds + val.seconds:.0f} s"
                + ("  best so far" if improved else "")
            )
            after_epoch(val)
    except KeyboardInterrupt:
        keep("last.safetensors")
        raise
    return best


def make_optimizer(model: nn.Module, options: argparse.Namespace) -> optim.Optimizer:
    """The optimiser that the options name; what they leave open is its own default."""
    settings = {"lr": options.lr}
    if options.weight_decay is not None:
        settings["weight_decay"] = options.weight_decay
    if options.optimizer == "sgd":
        settings["momentum"] = SGD_MOMENTUM
    return OPTIMIZERS[options.optimizer](model.parameters(), **settings)


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

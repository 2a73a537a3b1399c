"""The `explain` command: one picture of what in a face made the network answer as it does."""

from __future__ import annotations

import argparse
import io
import textwrap
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.age.faces import UserError
from experiments.age.faces_in_photo import Box, cut_out, described, face_finder, whole
from experiments.age.log import say
from experiments.age.tasks import in_short
from experiments.age.weights import default_weights, load_model
from tinygrad_cnn import Tensor, cat, logsumexp, nn
from tinygrad_cnn.data import UnreadableImage, printable, read_image, to_float
from tinygrad_cnn.explain import UnknownLayer, feature_maps, grad_cam, occlusion, saliency, smooth_grad
from tinygrad_cnn.files import write_file
from tinygrad_cnn.train import AgeModel, Binary, Classes, Head, Several

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

SAMPLES = 50  # noisy copies for SmoothGrad


def explain(options: argparse.Namespace) -> None:
    """Run the command: draw what in one face of a photograph made the model answer as it does."""
    weights = options.weights or default_weights()
    model = load_model(weights)
    subject = getattr(options, "subject", model.head.subjects[0])
    if subject not in model.head.subjects:
        raise UserError(f"--subject: {weights} tells {', '.join(model.head.subjects)}, and no {subject}")
    out = options.out or Path(f"{options.image.stem}-explained.png")
    try:
        photo = read_image(options.image)
    except UnreadableImage as error:
        raise UserError(f"can't read {printable(options.image)}: {error}") from error
    if out.exists() and out.samefile(options.image):
        raise UserError(f"--out {out} would overwrite the picture itself")
    if out.is_dir():
        raise UserError(f"--out {out} is a folder")
    if not out.parent.is_dir():  # which the writing would say too, a minute later
        raise UserError(f"--out {out}: there is no folder {out.parent} to write to")
    number, box, which = chosen(photo, options)
    try:
        why = explanation(model, cut_out(photo, box, model.image_size), options.layer, subject)
    except UnknownLayer as error:
        raise UserError(f"--layer: {error}") from error
    picture = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a file name in letters that the font lacks
        plot_explanation(why, options.image.name, which).savefig(picture, format=out.suffix[1:])
    write_file(out, picture.getvalue())
    answer = f"{why.predicted:.1f} years" if subject == "age" else why.answer
    line = f"{answer}: {printable(out)} shows what in {printable(options.image)}{which} made {why.model} say so"
    about = {"picture": str(options.image), **described(number, box), "file": str(out), "answer": answer}
    say(f"{line}; trained on {model.data}", event="explained", **about)


def chosen(photo: np.ndarray, options: argparse.Namespace) -> tuple[int, Box, str]:
    """The face to explain, that of --face or the largest: its number, as `predict` counts, its box, and which it is.

    Where none is found it is the largest centred square, as number 0.
    """
    boxes = face_finder()(photo) if options.detect else whole(photo)
    if options.face is not None and options.face > len(boxes):
        found = {0: "no face", 1: "1 face"}.get(len(boxes), f"{len(boxes)} faces")
        raise UserError(f"--face {options.face}: {found} found in {printable(options.image)}")
    if not boxes:
        return 0, whole(photo)[0], " (no face found: its middle)"
    number = options.face or 1 + max(range(len(boxes)), key=lambda i: boxes[i].side)
    return number, boxes[number - 1], f", face {number} of {len(boxes)}" if len(boxes) > 1 else ""


@dataclass(frozen=True)
class Explanation:
    """What there is to say about one face; H and W are its height and width in pixels."""

    model: str
    data: str  # what the model was trained on
    face: np.ndarray  # uint8 RGB (H, W, 3)
    answer: str  # "31 years", "female, 93%"
    predicted: float  # the age in years, or the probability of the class
    scale: Scale  # of the maps
    layer: str  # that Grad-CAM looked at
    grad_cam: np.ndarray  # (h, w), by place of the layer
    saliency: np.ndarray  # (H, W), per unit of pixel value
    smooth_grad: np.ndarray  # (H, W), the same
    hidden: int  # side of the square that occlusion hides, in pixels
    occlusion: np.ndarray  # (H, W), by how much hiding changes the score
    maps: dict[str, np.ndarray]  # layer -> (K, h, w)


@dataclass(frozen=True)
class Scale:
    """What is explained: one number, and what it speaks for when it is larger and when it is smaller."""

    quantity: str  # "age"
    unit: str  # "years"
    more: str  # "older"
    less: str  # "younger"


YEARS = Scale("age", "years", "older", "younger")


class Score(nn.Module):
    """The number that is explained, `(N, 3, H, W) -> (N,)`: an age in years, or the log-odds of one class.

    log(p / (1 - p)) still tells faces apart where p is all but 1. A model that looks at the mirror image as well has
    the mean of both.
    """

    def __init__(self, model: AgeModel, subject: str, number: int = 0) -> None:
        self.network, self.flip, self.head = model.model, model.flip, model.head
        self.subject, self.number = subject, number

    def forward(self, x: Tensor) -> Tensor:
        scores = self.of(self.network(x))
        return (scores + self.of(self.network(x.flip(3)))) / 2 if self.flip else scores

    def of(self, outputs: Tensor) -> Tensor:
        """The same from the network's outputs `(N, outputs)`."""
        place = self.head.subjects.index(self.subject)
        own = self.head.split_outputs(outputs)[place] if isinstance(self.head, Several) else outputs
        head = one_of(self.head, self.subject)
        if isinstance(head, Binary):
            return own[:, 0] if self.number else -own[:, 0]
        if isinstance(head, Classes):
            others = cat([own[:, : self.number], own[:, self.number + 1 :]], 1)
            return own[:, self.number] - logsumexp(others, 1)
        return head.predict(own)


def one_of(head: Head, subject: str) -> Head:
    """The head that tells `subject`."""
    return head.heads[head.subjects.index(subject)] if isinstance(head, Several) else head


def explanation(model: AgeModel, face: np.ndarray, layer: str | None = None, subject: str | None = None) -> Explanation:
    """Ask the model about a face, uint8 RGB `(image_size, image_size, 3)`.

    `layer` is for Grad-CAM; `subject` is one of those of the model's head, by default its first. Raises UnknownLayer.
    """
    subject = subject or model.head.subjects[0]
    x = to_float(face[None])
    predicted = model.predict(face[None])
    if isinstance(model.head, Several):
        predicted = model.head.split(predicted)[model.head.subjects.index(subject)]
    head = one_of(model.head, subject)
    number, scale, answer = 0, YEARS, in_short(head, predicted)
    if isinstance(head, Classes):
        number = int(predicted.argmax())
        rest = head.names[1 - number] if len(head.names) == 2 else f"another {subject.replace('_', ' ')}"
        scale = Scale(f"log-odds of {head.names[number]}", "log-odds", head.names[number], rest)
        answer = f"{answer}, {predicted.max():.0%}"
    score, network, side = Score(model, subject, number), model.model, max(2, model.image_size // 8)
    maps = feature_maps(network, x)
    if layer is None:
        layer = next(reversed(maps), "")
    cam = grad_cam(network, x, layer, score.of)[0]
    if model.flip:
        cam = (cam + grad_cam(network, x[..., ::-1], layer, score.of)[0, :, ::-1]) / 2
    return Explanation(
        model=type(network).__name__,
        data=model.data,
        face=face,
        answer=answer,
        predicted=float(predicted.max()),
        scale=scale,
        layer=layer,
        grad_cam=cam,
        saliency=saliency(score, x)[0],
        smooth_grad=smooth_grad(score, x, samples=SAMPLES, generator=np.random.default_rng(0))[0],
        hidden=side,
        occlusion=occlusion(score, x, side, max(1, side // 3))[0],
        maps={name: features[0] for name, features in maps.items()},
    )


# -- the picture: lengths in inches, places from the upper left corner --------------------------------------

INK, FAINT = "#2b2f36", "#69727d"
WIDTH, MARGIN, GAP = 13.4, 0.45, 0.36
PANEL = (WIDTH - 2 * MARGIN - 4 * GAP) / 5  # side of one of the five pictures
PANELS_TOP, MAPS_TOP = 1.95, 5.75
SHOWN, NAME, SCALE = 8, 1.35, 0.52  # feature maps of a layer; room for its name on the left, its scale on the right
MAP = (WIDTH - 2 * MARGIN - NAME - SCALE) / SHOWN  # a feature map and the space after it
ROW = MAP + 0.18


def plot_explanation(why: Explanation, name: str, which: str = "") -> Figure:
    """The whole explanation on one page, with the maps of one layer of each resolution.

    `name` is the photograph's, and `which` tells which of its faces.
    """
    layers = _one_of_each_size(why.maps)
    page = _Page(MAPS_TOP + len(layers) * ROW + 0.2)
    height, width = why.face.shape[:2]
    page.write(MARGIN, 0.55, f"{why.model} sees {why.answer}", 21, weight="bold")
    shown = printable(name)
    shown = shown if len(shown) <= 50 else shown[:49] + "…"
    about = f"{shown}{which}, {_size(width, height)} pixels; the network was trained on {why.data}"
    page.write(MARGIN, 0.85, about, 10.5, FAINT)

    page.panel(0, "The face", "What the network is given.").imshow(why.face)
    scale = why.scale
    reacts = f"Where a small change of a pixel (black is -1, white 1) changes the {scale.quantity} most."
    per_pixel = f"{scale.unit} per unit of pixel value"
    page.heat(1, "Saliency", reacts, why.saliency, per_pixel)
    same = f"The same for {SAMPLES} noisy copies of the face together."
    page.heat(2, "SmoothGrad", same, why.smooth_grad, per_pixel)
    either_way = f"Red speaks for {scale.more}, blue for {scale.less}"
    finds = f"{either_way}: what the layer {why.layer} finds there."
    places = f"{scale.unit}, by place of {_size(*why.grad_cam.shape[::-1])}"
    page.overlay(3, "Grad-CAM", finds, why.face, why.grad_cam, places, "RdBu_r")
    hides = f"{either_way}: what a grey square there takes away or adds."
    square = f"{scale.unit}, with {_size(why.hidden, why.hidden)} pixels hidden"
    page.overlay(4, "Occlusion", hides, why.face, why.occlusion, square, "RdBu")

    page.write(MARGIN, MAPS_TOP - 0.55, "What the layers make of it", 12.5, weight="bold")
    order = (
        f"The last layer of each resolution, with up to {SHOWN} of its feature maps, "
        "those with the largest mean first; above each, its number."
    )
    page.write(MARGIN, MAPS_TOP - 0.31, order, 9.5, FAINT)
    for row, (layer, maps) in enumerate(layers.items()):
        page.feature_maps(MAPS_TOP + row * ROW, layer, maps)
    return page.figure


def _one_of_each_size(maps: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The last layer of each resolution: in a deep network, what a row of similar layers has come to."""
    last = {features.shape[1:]: name for name, features in maps.items()}
    return {name: maps[name] for name in last.values()}


def _size(width: int, height: int) -> str:
    return f"{width} × {height}"  # noqa: RUF001 - times, not x


class _Page:
    """A figure, and what is drawn on it."""

    def __init__(self, height: float) -> None:
        from matplotlib.figure import Figure

        self.figure, self.height = Figure(figsize=(WIDTH, height), dpi=130, facecolor="white"), height

    def write(self, left: float, top: float, text: str, size: float, colour: str = INK, **more: Any) -> None:
        place = (left / WIDTH, 1 - top / self.height)
        self.figure.text(*place, text, fontsize=size, color=colour, parse_math=False, **more)

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        place = (left / WIDTH, 1 - (top + height) / self.height, width / WIDTH, height / self.height)
        axes = self.figure.add_axes(place, xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        return axes

    def scale(self, colours: ScalarMappable, axes: Axes, label: str, **more: Any) -> None:
        """A colour bar that fills the axes."""
        from matplotlib.ticker import MaxNLocator

        bar = self.figure.colorbar(colours, cax=axes, ticks=MaxNLocator(4), format="{x:g}", **more)
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=8, colors=INK, length=2)
        bar.set_label(label, fontsize=8.5, color=INK)

    def panel(self, column: int, title: str, caption: str) -> Axes:
        """Where one of the five pictures goes, below its title and how to read it."""
        left = MARGIN + column * (PANEL + GAP)
        self.write(left, PANELS_TOP - 0.62, title, 12.5, weight="bold")
        self.write(left, PANELS_TOP - 0.52, textwrap.fill(caption, 36), 8.5, FAINT, va="top", linespacing=1.25)
        return self.axes(left, PANELS_TOP, PANEL, PANEL)

    def scale_below(self, column: int, colours: ScalarMappable, label: str, extend: str) -> None:
        axes = self.axes(MARGIN + column * (PANEL + GAP), PANELS_TOP + PANEL + 0.1, PANEL, 0.1)
        self.scale(colours, axes, label, orientation="horizontal", extend=extend)

    def heat(self, column: int, title: str, caption: str, values: np.ndarray, label: str) -> None:
        """A map of values from 0 up; the few largest share the lightest colour."""
        axes = self.panel(column, title, caption)
        image = axes.imshow(values, cmap="magma", vmin=0, vmax=float(np.percentile(values, 99.7)) or 1.0)
        self.scale_below(column, image, label, "max")

    def overlay(
        self, column: int, title: str, caption: str, face: np.ndarray, values: np.ndarray, label: str, colours: str
    ) -> None:
        """A map of values of either sign, laid over the face in pale grey."""
        import cv2
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        most = float(np.abs(values).max()) or 1.0
        scale = ScalarMappable(Normalize(-most, most), colours)
        smooth = cv2.resize(values, face.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        opacity = 0.9 * np.sqrt(np.abs(smooth) / most)[:, :, None]
        grey = 0.45 + 0.55 * face.mean(axis=2, keepdims=True) / 255
        mixed = opacity * scale.to_rgba(smooth)[:, :, :3] + (1 - opacity) * grey
        self.panel(column, title, caption).imshow(mixed.clip(0, 1))
        self.scale_below(column, scale, label, "neither")

    def feature_maps(self, top: float, layer: str, maps: np.ndarray) -> None:
        """One row: the layer's strongest maps, all on one scale."""
        count, height, width = maps.shape
        self.write(MARGIN, top + 0.46 * MAP, layer, min(11, 110 / len(layer)), weight="bold")
        self.write(MARGIN, top + 0.46 * MAP + 0.18, f"{count} maps, {_size(width, height)}", 8.5, FAINT)
        strongest = np.argsort(-np.abs(maps).mean(axis=(1, 2)), kind="stable")[:SHOWN]
        shown = maps[strongest]
        most = float(np.abs(shown).max()) or 1.0
        least, colours = (-most, "RdBu_r") if shown.min() < 0 else (0.0, "magma")
        for column, number in enumerate(strongest):
            axes = self.axes(MARGIN + NAME + column * MAP, top, MAP - 0.1, MAP - 0.1)
            image = axes.imshow(maps[number], cmap=colours, vmin=least, vmax=most)
            axes.set_title(str(number), fontsize=7.5, color=FAINT, pad=2)
        self.scale(image, self.axes(MARGIN + NAME + SHOWN * MAP, top, 0.1, MAP - 0.1), "activation")

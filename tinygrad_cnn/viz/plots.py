"""Pictures of a training run, each a function from plain numbers to a matplotlib Figure.

The figures are built without pyplot: no display is needed and no global state is touched.
`figure.savefig("x.png")` writes one, and a notebook shows it. All ages and errors are in years.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..arguments import checked
from ..extras import optional_import
from ..tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MODEL, TRAINING, BASELINE, INK = "#1f5fa8", "#8fb4dc", "#c8553d", "#2b2f36"
GOOD, FAIR, POOR = "#2e8b57", "#b7791f", "#c0392b"  # the error of one prediction: to 5, to 10, above
HISTORY = ("epoch", "train_loss", "val_loss")  # and one of these, for training and validation each:
MEASURES = {
    "mae_years": ("mean absolute error (years)", "best: {:.2f} years, epoch {}", "predicting the median: {:.2f}"),
    "accuracy": ("accuracy", "best: {:.1%}, epoch {}", "the commonest class: {:.1%}"),
}
LEGEND_BELOW: dict[str, Any] = {"loc": "outside lower center", "ncols": 4, "frameon": False, "fontsize": 9}


@checked
def plot_history(history: Mapping[str, Sequence[float]], baseline: float | None = None, title: str = "") -> Figure:
    """Loss and error, or accuracy, after each epoch, for the training and the validation faces.

    `history` holds columns of one length: `epoch, train_loss, val_loss`, and `train_mae_years, val_mae_years` or
    `train_accuracy, val_accuracy`. `baseline`, what one answer for everybody comes to, is drawn as a dashed line.
    The best epoch is marked. With a column `image_size`, in pixels, upright lines stand where the pictures grow, and
    the best is an epoch of the last size. What is not finite is left out. Raises ValueError where a column lacks, is
    shorter than the others, or holds nothing finite, and TypeError for rows in place of columns.

    >>> columns = {"epoch": [1, 2], "train_loss": [0.9, 0.6], "val_loss": [0.8, 0.7],
    ...            "train_mae_years": [14.0, 11.0], "val_mae_years": [13.0, 11.5]}
    >>> len(plot_history(columns, baseline=15.0).axes)
    2
    """
    measure = "accuracy" if "val_accuracy" in history else "mae_years"
    label, best_label, baseline_label = MEASURES[measure]
    needed = (*HISTORY, f"train_{measure}", f"val_{measure}")
    lengths = {name: len(history[name]) for name in (*needed, "image_size") if name in history}
    if not set(lengths) >= set(needed) or len(set(lengths.values())) != 1 or not lengths["epoch"]:
        raise ValueError(f"plot_history needs columns of one length, {', '.join(needed)}; it was given {lengths}")
    columns = {name: np.asarray(history[name], np.float64) for name in needed}
    columns = {name: np.where(np.isfinite(values), values, np.nan) for name, values in columns.items()}
    if empty := [name for name in needed if np.isnan(columns[name]).all()]:
        raise ValueError(f"plot_history needs finite values in every column; there are none in {', '.join(empty)}")
    epochs = np.asarray(history["epoch"])
    figure = _figure(10, 4.2, title)
    loss_axes, error_axes = figure.subplots(1, 2)
    marker = "o" if len(epochs) <= 30 else ""
    for axes, quantity in ((loss_axes, "loss"), (error_axes, measure)):
        for part, name, colour in (("train", "training", TRAINING), ("val", "validation", MODEL)):
            values = columns[f"{part}_{quantity}"]
            axes.plot(epochs, values, color=colour, marker=marker, markersize=4, linewidth=2, label=name)
        axes.set_xlabel("epoch")
        axes.set_xlim(min(epochs) - 0.5, max(epochs) + 0.5)
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    loss_axes.set_ylabel("loss")
    error_axes.set_ylabel(label)

    sizes = np.asarray(history.get("image_size", [0] * len(epochs)))
    values = np.where(sizes == sizes[-1], columns[f"val_{measure}"], np.nan)
    if np.isfinite(values).any():
        best = int(np.nanargmax(values) if measure == "accuracy" else np.nanargmin(values))
        error_axes.plot(
            epochs[best], values[best], "*", color=MODEL, markersize=15, markeredgecolor="white",
            label=best_label.format(values[best], epochs[best]),
        )  # fmt: skip
    if baseline is not None:
        error_axes.axhline(baseline, color=BASELINE, linestyle="--", label=baseline_label.format(baseline))
    for axes in (loss_axes, error_axes):
        axes.set_ylim(0, 1.08 * max(np.nanmax(line.get_ydata()) for line in axes.lines))
        _mark_growth(axes, epochs, sizes)
        _tidy(axes)
    figure.legend(*error_axes.get_legend_handles_labels(), **LEGEND_BELOW)
    return figure


def _mark_growth(axes: Axes, epochs: np.ndarray, sizes: np.ndarray) -> None:
    """An upright line before each epoch whose pictures are larger than before; every size stands at its first epoch."""
    grows = np.flatnonzero(np.diff(sizes)) + 1
    for first in grows:
        axes.axvline(epochs[first] - 0.5, color=INK, linewidth=0.8, linestyle=":")
    for first in (0, *grows) if len(grows) else ():
        axes.text(epochs[first] - 0.4, 1.0, f"{sizes[first]:g} px", transform=axes.get_xaxis_transform(),
                  va="bottom", fontsize=8, color=INK)  # fmt: skip


@checked
def plot_predictions(images: ArrayLike, true: ArrayLike, predicted: ArrayLike, title: str = "") -> Figure:
    """A grid of faces, each with its true and predicted age; the colour tells how close the prediction is.

    `images` are uint8 RGB `(N, H, W, 3)`, the ages `(N,)`. Raises ValueError for other images, and where there are
    not as many of each.

    >>> import numpy as np
    >>> from tinygrad_cnn.viz import plot_predictions
    >>> figure = plot_predictions(np.zeros((2, 8, 8, 3), np.uint8), true=[20, 60], predicted=[23.4, 48.0])
    >>> figure.axes[1].get_title().split("\\n")
    ['age 60', 'predicted 48']
    """
    images, (true, predicted) = _array(images), _ages(true, predicted)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise ValueError(f"images should be uint8 RGB (N, H, W, 3), got {images.dtype} {images.shape}")
    if len(images) != len(true):
        raise ValueError(f"there are {len(images)} images for {len(true)} ages")
    figure, grid = _grid(len(images), 6, 1.65, 1.95, title)
    for axes, image, age, guess in zip(grid, images, true, predicted, strict=False):
        error = abs(guess - age)
        colour = GOOD if error <= 5 else FAIR if error <= 10 else POOR
        axes.imshow(image, interpolation="bilinear")
        axes.set_title(f"age {age:.0f}\npredicted {round(guess)}", fontsize=9, color=colour, pad=4)
    figure.supxlabel(
        "ages in years; predictions are green up to 5 years off, ochre up to 10, red beyond", fontsize=9, color=INK
    )
    return figure


@checked
def plot_scatter(true: ArrayLike, predicted: ArrayLike, title: str = "") -> Figure:
    """Predicted against true age, both `(N,)` in years: a hexagon per few years, its colour the number of faces.

    Raises ValueError where there are not as many true as predicted ages, or none.

    >>> from tinygrad_cnn.viz import plot_scatter
    >>> plot_scatter(true=[20, 60], predicted=[23.4, 48.0]).axes[0].get_ylabel()
    'predicted age (years)'
    """
    with optional_import():
        from matplotlib.colors import LogNorm

    true, predicted = _ages(true, predicted)
    figure = _figure(7.2, 6.2, title)
    axes = figure.subplots()
    top = 10 * (1 + max(true.max(), predicted.max()) // 10)
    bottom = min(0.0, 10 * (predicted.min() // 10))
    axes.fill_between([bottom, top], [bottom - 5, top - 5], [bottom + 5, top + 5], color=GOOD, alpha=0.12,
                      linewidth=0, label="within 5 years")  # fmt: skip
    axes.plot([bottom, top], [bottom, top], color=INK, linewidth=1, linestyle="--", label="predicted = true")
    density = axes.hexbin(true, predicted, gridsize=45, extent=(bottom, top, bottom, top), mincnt=1,
                          cmap="viridis_r", norm=LogNorm(vmin=1), linewidths=0.1)  # fmt: skip
    most = max(2, int(np.asarray(density.get_array()).max(initial=1)))
    density.set_clim(1, most)
    scale = figure.colorbar(density, ax=axes, label="faces (log scale)", shrink=0.85, format="%d")
    scale.set_ticks([n * 10**k for k in range(6) for n in (1, 2, 5) if n * 10**k <= most], minor=False)
    scale.minorticks_off()
    axes.set(xlim=(bottom, top), ylim=(bottom, top), aspect="equal",
             xlabel="true age (years)", ylabel="predicted age (years)")  # fmt: skip
    _tidy(axes)
    figure.legend(**LEGEND_BELOW)
    return figure


@checked
def plot_error_by_age(true: ArrayLike, predicted: ArrayLike, median: float | None = None, title: str = "") -> Figure:
    """Mean absolute error for each decade of true age, beside that of always predicting `median`.

    Ages are `(N,)`, all in years.

    Raises ValueError where there are not as many true as predicted ages, or none.

    >>> from tinygrad_cnn.viz import plot_error_by_age
    >>> figure = plot_error_by_age(true=[20, 60, 61], predicted=[23.4, 48.0, 55.0], median=30)
    >>> [f"{bar.get_height():.1f}" for bar in figure.axes[0].patches[:2]]
    ['3.4', '9.0']
    """
    true, predicted = _ages(true, predicted)
    figure = _figure(9, 4.6, title)
    axes = figure.subplots()
    decades = np.unique(true // 10)
    inside = [true // 10 == decade for decade in decades]
    places = np.arange(len(decades))
    width = 0.8 if median is None else 0.4
    bars = axes.bar(
        places, [np.abs(predicted - true)[rows].mean() for rows in inside], width, color=MODEL, label="model"
    )
    axes.bar_label(bars, fmt="%.1f", fontsize=8, color=MODEL, padding=2)
    if median is not None:
        errors = [np.abs(median - true)[rows].mean() for rows in inside]
        axes.bar(places + width, errors, width, color=BASELINE, alpha=0.55,
                 label=f"predicting the median ({median:g} years)")  # fmt: skip
    axes.set_xticks(
        places + (width / 2 if median is not None else 0),
        [f"{10 * d:.0f}-{10 * d + 9:.0f}\n{rows.sum():,}" for d, rows in zip(decades, inside, strict=True)],
    )
    axes.set(xlabel="true age (years), and number of faces", ylabel="mean absolute error (years)")
    _tidy(axes)
    axes.grid(axis="x", visible=False)
    figure.legend(**LEGEND_BELOW)
    return figure


@checked
def plot_confusion(matrix: ArrayLike, names: Sequence[str], title: str = "") -> Figure:
    """Which class was taken for which: a row for each true class, coloured by the share of its faces.

    `matrix[i, j]` faces of the class `names[i]` were taken for `names[j]`. Raises ValueError for a matrix that is not
    square, has another size than `names`, or holds anything but counts.

    >>> figure = plot_confusion([[40, 10], [5, 45]], ["male", "female"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['40', '10', '5', '45']
    """
    matrix = np.asarray(matrix)
    count = len(names)
    if matrix.shape != (count, count) or not count:
        raise ValueError(f"{count} classes need a matrix of shape ({count}, {count}), not {matrix.shape}")
    if matrix.dtype.kind not in "iu" or matrix.min() < 0:
        raise ValueError("a confusion matrix holds numbers of faces: whole, and none below 0")
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = max(4.6, 0.62 * count)
    figure = _figure(side + 1.6, side + 0.9, title)
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        axes.text(column, row, f"{matrix[row, column]:,}", ha="center", va="center", fontsize=9,
                  color="white" if share > 0.55 else INK)  # fmt: skip
    axes.set_xticks(range(count), names, rotation=45 if count > 4 else 0)
    axes.set_yticks(range(count), [f"{name}\n{faces:,}" for name, faces in zip(names, matrix.sum(axis=1), strict=True)])
    axes.set(xlabel="predicted", ylabel="true, and number of faces")
    axes.spines[:].set_visible(False)
    axes.tick_params(labelsize=9, colors=INK, length=0)
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.85, format="{x:.0%}")
    return figure


@checked
def plot_filters(weight: ArrayLike, title: str = "") -> Figure:
    """A convolution's kernels `(O, I, H, W)` as small pictures, I being 1 (grey) or 3 (colour).

    Mid grey is a weight of zero; one scale holds for all, so that a weak filter looks weak.
    Raises ValueError for other shapes, and for weights that are no finite numbers.

    >>> import numpy as np
    >>> figure = plot_filters(np.random.default_rng(0).normal(size=(16, 3, 3, 3)))
    >>> sum(bool(axes.images) for axes in figure.axes)
    16
    """
    images = filter_images(weight)
    figure, grid = _grid(len(images), 8, 0.8, 0.8, title)
    for axes, image in zip(grid, images, strict=False):
        axes.imshow(image, interpolation="nearest")
    figure.supxlabel("mid grey is a weight of zero", fontsize=9, color=INK)
    return figure


def filter_images(weight: ArrayLike) -> np.ndarray:
    """Kernels `(O, I, H, W)` as uint8 RGB pictures `(O, H, W, 3)`, as `plot_filters` shows them.

    >>> filter_images([[[[-2.0, 0.0, 1.0]]]])[0, 0, :, 0]
    array([  0, 128, 191], dtype=uint8)
    """
    weight = _array(weight).astype(np.float64)
    if weight.ndim != 4 or weight.shape[1] not in (1, 3) or not weight.size:
        raise ValueError(
            f"filters to be shown have shape (O, I, H, W) with 1 or 3 input channels I, not {weight.shape}; "
            "of a deeper layer show one input channel: weight[:, i : i + 1]"
        )
    if not np.isfinite(weight).all():
        raise ValueError("filters to be shown must be finite numbers; these hold NaN or infinity")
    largest = np.abs(weight).max() or 1.0
    pictures = np.round(127.5 + 127.5 * weight / largest).astype(np.uint8).transpose(0, 2, 3, 1)  # (O, H, W, I)
    return np.repeat(pictures, 3, axis=3) if weight.shape[1] == 1 else pictures


def _array(values: ArrayLike) -> np.ndarray:
    """Plain numbers, also of a parameter or another tensor that requires grad."""
    return np.asarray(values.data if isinstance(values, Tensor) else values)


def _ages(true: ArrayLike, predicted: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 `(N,)`, checked."""
    true, predicted = (np.ravel(_array(ages)).astype(np.float64) for ages in (true, predicted))
    if len(true) != len(predicted) or not len(true):
        raise ValueError(f"each face needs its true and its predicted age, not {len(true)} and {len(predicted)} ages")
    if not (np.isfinite(true).all() and np.isfinite(predicted).all()):
        raise ValueError("ages must be finite numbers; these hold NaN or infinity")
    return true, predicted


def _grid(count: int, most: int, width: float, height: float, title: str) -> tuple[Figure, list[Axes]]:
    """A figure with room for `count` pictures, up to `most` side by side, each so many inches wide and high."""
    columns = min(most, count)
    rows = -(-count // columns)
    figure = _figure(width * max(columns, 4), height * rows + 0.9, title)
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in grid:
        axes.set_axis_off()
    return figure, grid


def _figure(width: float, height: float, title: str) -> Figure:
    """An empty figure, sizes in inches, that makes room for its labels, and that a notebook shows."""
    with optional_import():
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine

    class Picture(Figure):
        def _repr_png_(self) -> bytes:
            picture = io.BytesIO()
            self.savefig(picture, format="png")
            return picture.getvalue()

    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1)  # inches
    figure = Picture(figsize=(width, height), dpi=130, layout=layout, facecolor="white")
    if title:
        figure.suptitle(title, fontsize=12, color=INK, fontweight="bold")
    return figure


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9, colors=INK)
    axes.grid(color="#dfe3e8", linewidth=0.8)
    axes.set_axisbelow(True)

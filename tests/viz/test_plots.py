"""The plots hold the numbers that they were given, name their units, and need no display."""

import io
import subprocess
import sys

import numpy as np
import pytest

from tinygrad_cnn import viz

HISTORY = {
    "epoch": [1, 2, 3],
    "train_loss": [0.9, 0.6, 0.5],
    "val_loss": [0.8, 0.7, 0.75],
    "train_mae_years": [14.0, 11.0, 9.0],
    "val_mae_years": [13.0, 10.5, 10.75],
}


def labels(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def png(figure):
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def test_history_draws_the_columns_that_it_was_given():
    loss_axes, error_axes = viz.plot_history(HISTORY, baseline=15.0).axes
    drawn = [list(line.get_ydata()) for line in (*loss_axes.lines[:2], *error_axes.lines[:2])]
    assert drawn == [HISTORY[name] for name in ("train_loss", "val_loss", "train_mae_years", "val_mae_years")]
    assert error_axes.get_ylabel() == "mean absolute error (years)"


def test_history_marks_the_best_epoch_and_the_line_to_beat():
    figure = viz.plot_history(HISTORY, baseline=15.0)
    assert labels(figure) == ["training", "validation", "best: 10.50 years, epoch 2", "predicting the median: 15.00"]
    assert any(set(line.get_ydata()) == {15.0} for line in figure.axes[1].lines)
    assert figure.axes[1].get_ylim()[1] > 15


def test_history_works_after_the_first_epoch_and_without_a_baseline():
    figure = viz.plot_history({name: column[:1] for name, column in HISTORY.items()})
    assert "predicting the median" not in " ".join(labels(figure))
    low, high = figure.axes[0].get_xlim()
    assert [tick for tick in figure.axes[0].get_xticks() if low <= tick <= high] == [1]
    assert png(figure)


def test_predictions_show_each_face_with_both_ages_and_a_colour_for_the_error():
    images = np.arange(3 * 4 * 4 * 3, dtype=np.uint8).reshape(3, 4, 4, 3)
    figure = viz.plot_predictions(images, true=[20, 30, 40], predicted=[24.4, 39.6, 75.2], title="three faces")
    shown = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in shown] == [
        "age 20\npredicted 24", "age 30\npredicted 40", "age 40\npredicted 75",
    ]  # fmt: skip
    assert len({axes.title.get_color() for axes in shown}) == 3
    for axes, image in zip(shown, images, strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), image)
    assert figure.get_suptitle() == "three faces"


@pytest.mark.parametrize("count", [1, 5, 6, 7, 24])
def test_predictions_make_room_for_any_number_of_faces(count):
    figure = viz.plot_predictions(np.zeros((count, 8, 8, 3), np.uint8), np.arange(count), np.arange(count))
    assert sum(bool(axes.images) for axes in figure.axes) == count
    assert png(figure)


def test_scatter_counts_every_face_once():
    ages = np.random.default_rng(0).integers(0, 100, 500)
    axes, colours = viz.plot_scatter(ages, ages * 0.5 + 10).axes
    (hexagons,) = (c for c in axes.collections if c.get_array() is not None)
    assert hexagons.get_array().sum() == 500
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("true age (years)", "predicted age (years)")
    assert "faces" in colours.get_ylabel()


@pytest.mark.parametrize("predicted", [[40.0, 41.0], [-25.0, 160.0], [0.0, 0.0]])
def test_scatter_shows_predictions_however_far_off(predicted):
    figure = viz.plot_scatter([40, 41], predicted)
    low, high = figure.axes[0].get_ylim()
    assert low <= min(predicted) <= max(predicted) <= high
    assert figure.axes[0].get_xlim() == (low, high)
    assert png(figure)


def test_scatter_tells_crowds_from_single_faces():
    axes = viz.plot_scatter([30] * 200 + [70], [30] * 200 + [20]).axes[0]
    (hexagons,) = (c for c in axes.collections if c.get_array() is not None)
    assert sorted(hexagons.get_array()) == [1, 200]
    assert hexagons.get_clim() == (1, 200)


def test_error_by_age_has_a_bar_for_each_decade_beside_the_medians():
    axes = viz.plot_error_by_age(true=[2, 8, 25, 61], predicted=[4, 4, 30, 50], median=30).axes[0]
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([3, 5, 11, 25, 5, 31])
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0-9\n2", "20-29\n1", "60-69\n1"]
    assert axes.get_ylabel() == "mean absolute error (years)"


def test_error_by_age_does_without_a_median():
    figure = viz.plot_error_by_age(true=[2, 25], predicted=[4, 30])
    assert labels(figure) == ["model"]
    assert len(figure.axes[0].patches) == 2


def test_plots_need_neither_pyplot_nor_a_display():
    program = (
        "import sys, io; from tinygrad_cnn import viz;"
        "viz.plot_scatter([20, 30], [25, 28]).savefig(io.BytesIO());"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"

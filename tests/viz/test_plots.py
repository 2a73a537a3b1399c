"""The plots hold the numbers that they were given, name their units, and need no display."""

import io
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

import tinygrad_cnn as tg
from tinygrad_cnn import viz
from tinygrad_cnn.viz.plots import filter_images

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


def test_history_of_classes_draws_accuracy_and_marks_the_highest():
    columns = {name: HISTORY[name] for name in ("epoch", "train_loss", "val_loss")}
    accuracy = {"train_accuracy": [0.6, 0.7, 0.9], "val_accuracy": [0.55, 0.75, 0.7]}
    figure = viz.plot_history({**columns, **accuracy}, baseline=0.52)
    assert figure.axes[1].get_ylabel() == "accuracy"
    assert labels(figure) == ["training", "validation", "best: 75.0%, epoch 2", "the commonest class: 52.0%"]


def test_confusion_shows_counts_coloured_by_the_share_of_the_true_class():
    figure = viz.plot_confusion([[30, 10, 0], [0, 0, 0], [1, 0, 3000]], ["a", "b", "c"], "three")
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["30", "10", "0", "0", "0", "0", "1", "0", "3,000"]
    shares = axes.images[0].get_array()
    assert shares[0].tolist() == [0.75, 0.25, 0]
    assert not shares[1].any()
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["a\n40", "b\n0", "c\n3,001"]
    assert png(figure)


@pytest.mark.parametrize(
    ("matrix", "names", "message"),
    [
        ([[1, 2]], ["a", "b"], r"shape \(2, 2\), not \(1, 2\)"),
        ([], [], "0 classes"),
        ([[0.5]], ["a"], "whole"),
        ([[-1]], ["a"], "none below 0"),
    ],
)
def test_a_matrix_that_is_no_confusion_is_an_error(matrix, names, message):
    with pytest.raises(ValueError, match=message):
        viz.plot_confusion(matrix, names)


def test_history_marks_where_the_pictures_grow_and_the_best_epoch_of_the_last_size():
    figure = viz.plot_history({**HISTORY, "val_mae_years": [7.0, 10.75, 10.5], "image_size": [64, 96, 96]})
    assert "best: 10.50 years, epoch 3" in labels(figure)
    for axes in figure.axes:
        assert [list(line.get_xdata()) for line in axes.lines if line.get_linestyle() == ":"] == [[1.5, 1.5]]
        assert [text.get_text() for text in axes.texts] == ["64 px", "96 px"]


def test_history_of_one_size_marks_none():
    figure = viz.plot_history({**HISTORY, "image_size": [96, 96, 96]})
    assert not any(axes.texts for axes in figure.axes)
    assert "best: 10.50 years, epoch 2" in labels(figure)


def test_history_without_a_number_at_the_last_size_has_no_best_epoch():
    figure = viz.plot_history({**HISTORY, "val_mae_years": [7.0, 6.0, np.nan], "image_size": [64, 64, 96]})
    assert labels(figure) == ["training", "validation"]


def test_history_may_begin_at_any_epoch():
    figure = viz.plot_history({**HISTORY, "epoch": [11, 12, 13]})
    assert [axes.get_xlim() for axes in figure.axes] == [(10.5, 13.5)] * 2
    assert "best: 10.50 years, epoch 12" in labels(figure)


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
def test_history_leaves_out_what_is_not_finite(hole):
    loss_axes, error_axes = viz.plot_history(
        {**HISTORY, "train_loss": [hole, 0.6, 0.5], "val_mae_years": [13.0, hole, 10.75]}
    ).axes
    assert loss_axes.get_ylim() == pytest.approx((0, 1.08 * 0.8))
    assert error_axes.get_ylim() == pytest.approx((0, 1.08 * 14))
    assert "best: 10.75 years, epoch 3" in labels(error_axes.figure)


def test_a_history_of_rows_is_told_to_be_columns():
    with pytest.raises(TypeError, match="plot_history: history must be a dict, got"):
        viz.plot_history([{"epoch": 1, "train_loss": 0.9}])


def test_a_history_of_nothing_finite_is_an_error():
    with pytest.raises(ValueError, match=r"finite values in every column; there are none in train_loss, val_loss$"):
        viz.plot_history({**HISTORY, "train_loss": [np.nan] * 3, "val_loss": [np.inf, np.nan, np.inf]})


def test_predictions_up_to_5_years_off_are_green_and_up_to_10_ochre():
    off = [0.0, 5.0, -5.0, 5.1, -10.0, 10.1]
    figure = viz.plot_predictions(np.zeros((6, 4, 4, 3), np.uint8), np.full(6, 30.0), 30 + np.array(off))
    green, ochre, red = "#2e8b57", "#b7791f", "#c0392b"
    assert [axes.title.get_color() for axes in figure.axes] == [green, green, green, ochre, ochre, red]
    assert "green up to 5 years off, ochre up to 10, red beyond" in figure.get_supxlabel()


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


def test_filters_share_one_scale_on_which_zero_is_mid_grey():
    weight = np.zeros((3, 3, 2, 2))
    weight[0, 0], weight[1, 1] = 2.0, -1.0  # red excites the first, green inhibits the second
    figure = viz.plot_filters(weight, title="three filters")
    first, second, third = (axes.images[0].get_array() for axes in figure.axes if axes.images)
    assert first[0, 0].tolist() == [255, 128, 128]
    assert second[0, 0].tolist() == [128, 64, 128]
    assert third.min() == third.max() == 128
    assert figure.get_suptitle() == "three filters"


@pytest.mark.parametrize("shape", [(1, 3, 3, 3), (5, 1, 7, 7), (64, 3, 7, 7), (9, 3, 1, 5)])
def test_filters_are_shown_each_once(shape):
    figure = viz.plot_filters(np.random.default_rng(0).normal(size=shape))
    shown = [axes.images[0].get_array().shape for axes in figure.axes if axes.images]
    assert shown == [(*shape[2:], 3)] * shape[0]
    assert png(figure)


def test_filters_of_nothing_but_zeros_are_grey():
    figure = viz.plot_filters(np.zeros((2, 3, 3, 3)))
    assert {int(v) for axes in figure.axes for v in np.ravel(axes.images[0].get_array())} == {128}


@pytest.mark.parametrize("shape", [(16, 8, 3, 3), (16, 27), (0, 3, 3, 3), (3, 3, 3)])
def test_what_is_no_filter_of_a_picture_is_an_error(shape):
    with pytest.raises(ValueError, match="1 or 3 input channels"):
        viz.plot_filters(np.zeros(shape))


def test_filters_that_are_no_numbers_are_an_error():
    with pytest.raises(ValueError, match="finite"):
        viz.plot_filters(np.full((1, 3, 3, 3), np.nan))


@pytest.mark.parametrize("plot", [viz.plot_scatter, viz.plot_error_by_age])
@pytest.mark.parametrize(
    ("true", "predicted", "message"),
    [([20, 30], [20], "not 2 and 1"), ([], [], "not 0 and 0"), ([20], [np.nan], "NaN"), ([np.inf], [20], "infinity")],
)
def test_ages_that_do_not_go_together_are_an_error(plot, true, predicted, message):
    with pytest.raises(ValueError, match=message):
        plot(true, predicted)


def test_parameters_and_tensors_are_plotted_as_the_numbers_that_they_hold():
    kernels = tg.Tensor(np.linspace(-1, 1, 18).reshape(2, 1, 3, 3), requires_grad=True)
    shown = [axes.images[0].get_array() for axes in viz.plot_filters(kernels).axes]
    np.testing.assert_array_equal(shown, filter_images(kernels.data))
    ages, seen = tg.Tensor([20.0, 40.0]), tg.Tensor([25.0, 30.0], requires_grad=True)
    assert [bar.get_height() for bar in viz.plot_error_by_age(ages, seen).axes[0].patches] == [5, 10]


@pytest.mark.parametrize(
    "images", [np.zeros((1, 3, 8, 8), np.float32), np.zeros((1, 8, 8, 3)), np.zeros((8, 8, 3), np.uint8)]
)
def test_what_is_no_image_of_bytes_is_an_error(images):
    with pytest.raises(ValueError, match=r"should be uint8 RGB \(N, H, W, 3\), got"):
        viz.plot_predictions(images, [20], [30])


def test_each_image_needs_its_ages():
    with pytest.raises(ValueError, match="3 images for 2 ages"):
        viz.plot_predictions(np.zeros((3, 8, 8, 3), np.uint8), [20, 30], [20, 30])


def test_a_history_with_a_column_missing_short_or_empty_is_an_error():
    for wrong in ({"val_loss": [1.0]}, {name: [] for name in HISTORY}):
        with pytest.raises(ValueError, match="columns of one length"):
            viz.plot_history({**HISTORY, **wrong})
    with pytest.raises(ValueError, match="val_mae_years"):
        viz.plot_history({name: column for name, column in HISTORY.items() if name != "val_mae_years"})


@pytest.mark.parametrize(
    "figure",
    [
        lambda: viz.plot_history(HISTORY, 15.0, "a < b"),
        lambda: viz.plot_predictions(np.zeros((2, 8, 8, 3), np.uint8), [20, 30], [-0.4, 30]),
        lambda: viz.plot_scatter([20, 30], [25, 28]),
        lambda: viz.plot_error_by_age([20, 30], [25, 28], 25),
        lambda: viz.plot_filters(np.ones((4, 3, 3, 3))),
    ],
    ids=["history", "predictions", "scatter", "error by age", "filters"],
)
def test_every_plot_is_a_figure_that_can_be_saved_and_that_a_notebook_shows(figure):
    shown = figure()
    assert isinstance(shown, Figure)
    assert png(shown)
    assert shown._repr_png_().startswith(b"\x89PNG")


def test_plots_need_neither_pyplot_nor_a_display():
    program = (
        "import sys, io; from tinygrad_cnn import viz;"
        "viz.plot_scatter([20, 30], [25, 28]).savefig(io.BytesIO());"
        "viz.plot_filters([[[[1.0]]]]).savefig(io.BytesIO());"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"

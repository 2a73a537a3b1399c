"""Charts: every figure at its place, whatever the figures are."""

import re

import numpy as np
import pytest

from tinygrad_cnn.viz.report.charts import Axis, Line, bar, density, line_chart, step_of


def drawn(chart, kind):
    """The points of the path of a class, in per cent of the box, y upwards."""
    (path,) = re.findall(rf'<path class="{kind}" d="([^"]*)"', chart)
    return [(float(x), 100 - float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.-]+)", path)]


def areas(chart):
    """How many squares there are of each shade."""
    return {int(n): d.count("z") for n, d in re.findall(r'<path class="shade(\d)" d="([^"]*)"', chart)}


@pytest.mark.parametrize(("span", "count"), [(1, 5), (0.001, 4), (15.2, 4), (300, 8), (7e5, 3)])
def test_steps_are_round_and_few(span, count):
    step = step_of(span, count)
    assert span / step <= count + 1e-6
    assert f"{step:e}"[0] in "125"
    assert set(f"{step:e}"[1:].split("e")[0]) <= {".", "0"}


def test_a_line_goes_through_its_values():
    chart = line_chart("Error", "years", [Line("validation", "validation", [10.0, 5.0, 2.5])], epochs=3)
    points = drawn(chart, "line validation")
    np.testing.assert_allclose([x for x, _ in points], [100 / 6, 50, 500 / 6], atol=0.01)
    heights = np.array([y for _, y in points])
    np.testing.assert_allclose(heights / heights[0], [1, 0.5, 0.25], atol=0.001)
    assert heights[0] < 100


def test_a_run_that_is_not_over_leaves_room_to_the_right():
    chart = line_chart("Error", "years", [Line("validation", "validation", [10.0, 5.0])], epochs=10)
    assert [x for x, _ in drawn(chart, "line validation")] == [5, 15]


def test_the_level_lies_within_the_chart_and_in_the_legend():
    chart = line_chart("Error", "years", [Line("validation", "validation", [3.0])], 1, level=("median", 15.0))
    ((_, height),) = drawn(chart, "line median")
    assert 90 < height < 100
    assert "median 15.00" in chart


def test_the_best_epoch_is_ringed_and_named():
    lines = [Line("training", "training", [9.0, 6.0, 4.0]), Line("validation", "validation", [8.0, 6.5, 7.0])]
    chart = line_chart("Error", "years", lines, 3, mark=(1, 2))
    assert drawn(chart, "ring validation") == [drawn(chart, "line validation")[1]]
    assert "best 6.50, epoch 2" in chart


@pytest.mark.parametrize("hole", [float("nan"), float("inf")])
def test_a_value_that_is_no_number_leaves_a_gap(hole):
    chart = line_chart("Loss", "", [Line("training", "training", [1.0, hole, 2.0, 3.0])], epochs=4)
    (path,) = re.findall(r'<path class="line training" d="([^"]*)"', chart)
    assert (path.count("M"), path.count("L")) == (2, 1)
    assert "nan" not in path


@pytest.mark.parametrize("values", [[0.0], [0.0, 0.0], [1e-9], [1e12, 3.0], [-1.0]])
def test_any_values_can_be_drawn(values):
    assert line_chart("Loss", "", [Line("training", "training", values)], epochs=len(values))


def test_each_epoch_can_be_read_out_and_of_thousands_some():
    def chart(count):
        return line_chart("Loss", "", [Line("training", "training", [0.25] * count)], epochs=count)

    assert "<b>epoch 3</b>" in chart(3)
    assert "training 0.25" in chart(3)
    assert chart(3).count('class="strip"') == 3
    assert chart(5000).count('class="strip"') <= 200
    assert "<b>epoch 5000</b>" in chart(5000)


def test_a_chart_is_described_for_who_can_not_see_it():
    chart = line_chart("Error", "years", [Line("validation", "validation", [10.0, 5.5])], epochs=2)
    assert 'aria-label="Error, years, over 2 epochs. In the last: validation 5.50."' in chart


def test_every_face_is_in_one_square_of_the_density():
    chart = density(np.array([10.0, 10.0, 50.0]), np.array([11.0, 11.0, 20.0]))
    assert sum(areas(chart).values()) == 2
    assert len(areas(chart)) == 2  # two faces are darker than one


def test_the_shades_of_the_density_tell_few_faces_from_fewer_beside_a_crowd():
    ages = np.repeat([15.0, 45.0, 75.0], [1, 5, 500])
    assert areas(density(ages, ages)) == {1: 1, 2: 1, 6: 1}


def test_the_scale_of_the_density_covers_all_counts():
    ages = np.concatenate([np.full(n, 3.0 + 3 * i) for i, n in enumerate((1, 2, 5, 20, 100))])
    chart = density(ages, ages)
    assert sum(areas(chart).values()) == 5
    legend = re.findall(r'swatch shade\d"></i> ([\d-]+)', chart)
    numbers = [int(n) for entry in legend for n in entry.split("-")]
    assert (numbers[0], numbers[-1]) == (1, 100)
    assert numbers == sorted(numbers)


def test_the_band_along_the_diagonal_is_5_years_to_either_side():
    axis = Axis("", 0, 60, [])
    chart = density(np.array([3.0]), np.array([57.5]))
    (band,) = re.findall(r'<path class="near" d="([^"]*)"', chart)
    corners = [float(n) for n in re.findall(r"[\d.]+", band)]
    above, below = axis.place(5.0), 100 - axis.place(5.0)
    assert corners == pytest.approx([0, below, below, 0, 100, above, above, 100, 0], abs=0.01)


def test_the_diagonal_is_where_both_ages_are_equal():
    axis = Axis("", 0, 60, [])
    chart = density(np.array([3.0]), np.array([57.5]))
    (corner,) = re.findall(r'class="shade\d" d="M([\d.]+) ([\d.]+)h([\d.]+)', chart)
    left, top, side = map(float, corner)
    assert left <= axis.place(3.0) < left + side
    assert top < 100 - axis.place(57.5) <= top + side


@pytest.mark.parametrize(
    ("true", "predicted"),
    [([0], [0]), ([5], [-30]), ([1, 116], [300, 0]), ([10], [605.0]), ([1, 1], [1e5, -1e4]), ([40] * 9, [40] * 9)],
)
def test_predictions_however_far_off_are_drawn(true, predicted):
    chart = density(np.array(true, float), np.array(predicted, float))
    assert sum(areas(chart).values()) == len({*zip(true, predicted, strict=True)})
    assert all(
        -0.01 <= float(n) <= 100.01 for d in re.findall(r'd="([^"]*)"', chart) for n in re.findall(r"M([\d.-]+)", d)
    )


def test_bars_are_as_long_as_their_values():
    assert 'width="25.00%"' in bar(5, 20, "validation")
    assert 'width="0"' in bar(0, 0, "validation")

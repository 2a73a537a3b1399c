"""The page of a training run: there from the beginning, right at the end, and never in the run's way."""

import html
import json
import os
import re
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.age import fit, page
from experiments.age.faces import REAL, SYNTHETIC
from experiments.age.live import Window, open_window, show
from tinygrad_cnn.train import AgeErrors, evaluate
from tinygrad_cnn.viz.report import render

QUICK = ["--data", "synthetic", "--limit", "60", "--image-size", "16", "--out", "run"]


def state(text):
    return re.findall(r'data-state="(\w+)"', text)


def test_the_finished_page_has_the_figures_of_metrics_json(trained):
    text = (trained[0] / "report.html").read_text(encoding="utf-8")
    metrics = json.loads((trained[0] / "metrics.json").read_text())
    figures = dict(
        reversed(
            [(key, float(value)) for value, key in re.findall(r'value="([\d.e+-]+)" data-figure="([\w-]+)"', text)]
        )
    )
    assert state(text) == ["finished"]
    assert figures["mae_years"] == metrics["mae_years"]
    assert figures["rmse_years"] == metrics["rmse_years"]
    assert figures["share_within_5_years"] == metrics["share_within_5_years"]
    assert figures["median_mae_years"] == metrics["predicting_the_median"]["mae_years"]
    for decade, of in metrics["mae_years_by_decade"].items():
        assert figures[decade] == of["mae_years"]


def test_the_finished_page_shows_faces_filters_and_settings(trained):
    text = (trained[0] / "report.html").read_text(encoding="utf-8")
    assert text.count('alt="a face of age') == 16
    assert text.count('alt="filter ') == 16
    assert "<dt>image size</dt><dd>32</dd>" in text
    assert "20 test faces" in text


def test_the_command_that_is_shown_is_the_one_that_was_given(trained, script, small):
    text = (trained[0] / "report.html").read_text(encoding="utf-8")
    (shown,) = re.findall(r'<code class="command">(.*?)</code>', text)
    assert shlex.split(html.unescape(shown)) == ["python", str(script), *small, "--out", str(trained[0])]


@pytest.mark.parametrize(("kind", "said"), [(SYNTHETIC, False), (REAL, True)])
def test_only_real_faces_come_with_terms_of_use(command, monkeypatch, kind, said):
    write = page.Page._write

    def of_that_kind(self, *state):
        self.faces = replace(self.faces, kind=kind)
        write(self, *state)

    monkeypatch.setattr(page.Page, "_write", of_that_kind)
    assert command(*QUICK, "--epochs", 1).status == 0
    assert ("mind their terms of use" in Path("run/report.html").read_text(encoding="utf-8")) == said


def test_the_finished_page_shows_the_filters_of_the_best_epoch_and_not_of_the_last(command, monkeypatch):
    shown = []

    def watched(report):
        shown.append((report.state, report.filters.copy()))
        return render(report)

    monkeypatch.setattr(page, "render", watched)
    validated = []

    def worse_and_worse(*arguments, **options):
        result = evaluate(*arguments, **options)
        validated.append(result)
        result.errors = AgeErrors().update(result.true + 50.0 * len(validated), result.true)
        return result

    monkeypatch.setattr(fit, "evaluate", worse_and_worse)
    assert command(*QUICK, "--epochs", 2).status == 0
    (_, _), (_, first), (_, last), (state, final) = shown
    assert state == "finished"
    np.testing.assert_array_equal(final, first)
    assert not np.array_equal(final, last)


def test_the_page_is_written_at_the_start_after_each_epoch_and_at_the_end(command, monkeypatch):
    seen = []

    def watched(report):
        seen.append((report.state, len(report.history), report.outcome and report.outcome.faces_are))
        return render(report)

    monkeypatch.setattr(page, "render", watched)
    assert command(*QUICK, "--epochs", 2).status == 0
    assert seen == [
        ("running", 0, None),
        ("running", 1, "validation faces"),
        ("running", 2, "validation faces"),
        ("finished", 2, "test faces"),
    ]


def test_a_run_that_is_resumed_shows_at_once_the_epochs_behind_it_and_their_time(command, monkeypatch):
    begin_epoch = fit.Training.begin_epoch

    def interrupted(self, epoch):
        begin_epoch(self, epoch)
        if epoch == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fit.Training, "begin_epoch", interrupted)
        assert command(*QUICK, "--epochs", 2, "--checkpoint-every", 1).status == 130
    seen = []

    def watched(report):
        seconds = sum(row["seconds"] for row in report.history)
        seen.append((report.state, len(report.history)))
        assert (report.written - report.started).total_seconds() >= seconds
        return render(report)

    monkeypatch.setattr(page, "render", watched)
    outcome = command("--resume", "run")
    assert outcome.status == 0
    assert not [line for line in outcome.out if "warning" in line]
    assert seen == [("running", 0), ("running", 1), ("running", 2), ("finished", 2)]


def test_a_page_that_can_not_be_drawn_costs_one_line_and_not_the_run(command, monkeypatch):
    def broken(report):
        raise ZeroDivisionError("a bug\nin two lines")

    monkeypatch.setattr(page, "render", broken)
    outcome = command(*QUICK, "--epochs", 2)
    assert outcome.status == 0
    assert [line for line in outcome.out if "warning" in line] == [
        "warning: report.html could not be written: ZeroDivisionError: a bug in two lines"
    ]
    assert Path("run/metrics.json").exists()


def test_a_disk_that_is_full_for_the_page_costs_one_line_and_not_the_run(command, monkeypatch):
    move = os.replace

    def full(source, target):
        if str(target).endswith("report.html"):
            raise OSError(28, "No space left on device")
        move(source, target)

    monkeypatch.setattr(os, "replace", full)
    outcome = command(*QUICK, "--epochs", 1)
    assert outcome.status == 0
    assert sum("report.html could not be written" in line for line in outcome.out) == 1


def test_a_run_that_fails_leaves_a_page_that_says_why(command):
    outcome = command(*QUICK, "--epochs", 3, "--lr", "1e30")
    text = Path("run/report.html").read_text(encoding="utf-8")
    assert outcome.status == 1
    assert state(text) == ["stopped"]
    assert re.search(r"after 0 of 3 epochs: .*Try: a lower learning rate", text)
    assert 'http-equiv="refresh"' not in text


def test_a_run_that_is_interrupted_leaves_a_page_that_says_so(command, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("experiments.utkface_age.measure", interrupt)
    assert command(*QUICK, "--epochs", 1).status == 130
    assert "after 1 of 1 epoch: interrupted" in Path("run/report.html").read_text(encoding="utf-8")


def test_a_run_may_be_named_like_markup(command):
    assert command(*QUICK[:-1], "runs/<script>alert(1)<", "--epochs", 1).status == 0
    (text,) = (path.read_text(encoding="utf-8") for path in Path("runs").glob("*/report.html"))
    assert "<h1>&lt;script&gt;alert(1)&lt;</h1>" in text
    assert text.count("<script>") == 1


def test_faces_are_shown_smaller_than_they_are_used():
    assert page.smaller(np.zeros((300, 300, 3), np.uint8)).shape == (page.LARGEST, page.LARGEST, 3)
    assert page.smaller(np.zeros((32, 32, 3), np.uint8)).shape == (32, 32, 3)


# -- the window -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("backend", "why"), [("agg", "no display"), ("svg", "no display"), ("nonsense", "matplotlib")])
def test_without_a_display_there_is_a_reason_and_no_window(tmp_path, monkeypatch, backend, why):
    monkeypatch.setenv("MPLBACKEND", backend)
    reason = open_window(tmp_path)
    assert why in reason
    assert "\n" not in reason


def test_live_without_a_display_costs_one_line(command, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    outcome = command(*QUICK, "--epochs", 1, "--live")
    assert outcome.status == 0
    assert [line for line in outcome.out if line.startswith("no window: no display")] != []


def test_a_window_looks_for_a_newer_picture_until_it_is_closed(tmp_path, monkeypatch, capsys):
    """On a stand-in for a desktop, whose one timer ticks once before the window is closed."""
    from matplotlib import pyplot
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure, timers, said = Figure(), [], []

    class Timer:
        def __init__(self, interval):
            self.interval, self.callbacks, self.running = interval, [], False
            timers.append(self)

        def add_callback(self, callback):
            self.callbacks.append(callback)

        def start(self):
            self.running = True

    class Canvas(FigureCanvasAgg):
        required_interactive_framework = "desktop"

        def new_timer(self, interval):
            return Timer(interval)

    def opened(num, **_):
        assert num == "run: training"
        Canvas(figure)
        return figure

    def until_closed():
        said.append(capsys.readouterr().out)
        (timer,) = timers
        assert timer.running
        (tick,) = timer.callbacks
        tick()

    monkeypatch.setattr(pyplot, "figure", opened)
    monkeypatch.setattr(pyplot, "show", until_closed)
    folder = tmp_path / "run"
    folder.mkdir()
    Figure(figsize=(3, 1), dpi=50).savefig(folder / "history.png")
    show(folder)
    assert said == ["open\n"]  # before it waits for the window to be closed
    assert timers[0].interval == 1000  # milliseconds
    assert [image.get_array().shape[:2] for axes in figure.axes for image in axes.images] == [(50, 150)]


def test_the_window_shows_the_newest_picture(tmp_path):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure()
    FigureCanvasAgg(figure)
    window = Window(figure, tmp_path)
    window.look()
    assert [text.get_text() for text in window.axes.texts] == ["the first epoch is under way"]
    for epoch, width in enumerate((3, 4), 1):
        Figure(figsize=(width, 1), dpi=50).savefig(tmp_path / "history.png")
        os.utime(tmp_path / "history.png", ns=(epoch, epoch))
        window.look()
        (image,) = window.axes.images
        assert image.get_array().shape[:2] == (50, 50 * width)
        assert not window.axes.texts

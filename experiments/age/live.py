"""A window with a run's curves that grow as it trains.

The window lives in a process of its own: it answers the mouse while the training computes, the training never
waits for it, and it stays until its reader closes it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

PICTURE = "history.png"
EVERY = 1000  # milliseconds between two looks for a newer picture


def open_window(folder: Path) -> str:
    """Open a window on the run in `folder`. Gives '', or in one line why there is none."""
    process = subprocess.Popen(
        [sys.executable, __file__, str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # Ctrl-C ends the training, not the window
    )
    assert process.stdout is not None
    with process.stdout:
        answer = process.stdout.readline().strip()
    if answer == "open":
        return ""
    process.wait()
    return answer or "matplotlib could not open one"


def show(folder: Path) -> None:
    """Say `open`, or why not, in one line; then show the run's curves until the window is closed."""
    try:
        from matplotlib import pyplot
    except ImportError as error:
        print(f"matplotlib can't be imported: {error}", flush=True)
        return
    try:
        figure = pyplot.figure(figsize=(10, 4.2), num=f"{folder.resolve().name}: training")
    except Exception as error:  # each toolkit has its own
        print(f"no display: {' '.join(str(error).split())}", flush=True)
        return
    if figure.canvas.required_interactive_framework is None:
        print(f"no display (matplotlib draws with {pyplot.get_backend()})", flush=True)
        return
    print("open", flush=True)
    window = Window(figure, folder)
    timer = figure.canvas.new_timer(interval=EVERY)
    timer.add_callback(window.look)
    timer.start()
    pyplot.show()


class Window:
    """A matplotlib figure that shows the latest picture of a run."""

    def __init__(self, figure: Any, folder: Path) -> None:
        self.figure, self.path = figure, folder / PICTURE
        self.seen = 0
        self.axes = figure.add_axes((0, 0, 1, 1))
        self.axes.set_axis_off()
        self.axes.text(0.5, 0.5, "the first epoch is under way", ha="center", transform=self.axes.transAxes)

    def look(self) -> None:
        """Show the picture, if there is a newer one than that shown."""
        try:
            changed = self.path.stat().st_mtime_ns
        except FileNotFoundError:
            return
        if changed != self.seen:
            from matplotlib.image import imread

            self.seen = changed
            self.axes.clear()
            self.axes.set_axis_off()
            self.axes.imshow(imread(self.path))
            self.figure.canvas.draw_idle()


if __name__ == "__main__":
    show(Path(sys.argv[1]))

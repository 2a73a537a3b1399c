"""The drawing's colours, each a pair: on a light page, on a dark one.

No two colours are the same on the light page, so that a finished svg can be given its dark colours by style rules on
the light ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable

Color = tuple[str, str]  # on a light page, on a dark one

PAGE: Color = ("#ffffff", "#0d1117")
INK: Color = ("#1f2328", "#e6edf3")
MUTED: Color = ("#59636e", "#9aa4b0")
ARROW: Color = ("#8a94a1", "#6e7a88")

FILL_AND_BORDER: dict[str, tuple[Color, Color]] = {  # of each kind of box
    "operation": (("#fdfdfe", "#1b222c"), ("#7d8896", "#7b8794")),
    "backward": (("#eee8fb", "#262040"), ("#8d74c9", "#8b78c8")),
    "parameter": (("#fdf0d9", "#33280f"), ("#cf9a3c", "#b98a35")),
    "leaf": (("#fdf0da", "#33280f"), ("#cf9a3d", "#b98a35")),
    "input": (("#e2effb", "#12283d"), ("#4f8fc4", "#4d8fc9")),
    "output": (("#e1f3e4", "#12301b"), ("#4b9a5c", "#4aa360")),
    "constant": (("#f4f4f2", "#1d1f22"), ("#b3b3ad", "#565b62")),
    "module": (("#e3e8ee", "#2a323d"), ("#5f6b79", "#8f9baa")),
}
AROUND: dict[str, tuple[Color, Color]] = {  # of the clusters: modules at even and odd levels, sweeps
    "even": (("#f6f8fa", "#11161d"), ("#d3dae2", "#303946")),
    "odd": (("#edf1f5", "#171d26"), ("#c9d1da", "#3a4450")),
    "sweep": (("#f8f6fe", "#15131f"), ("#cfc4ea", "#3a3359")),
}

RAMP: tuple[Color, ...] = (  # from the smallest figure to the largest, in even steps of OKLab
    ("#fff7ea", "#1c222b"),
    ("#fee3c2", "#3c2838"),
    ("#fdd09a", "#5b2b45"),
    ("#f9b775", "#863b47"),
    ("#f3965d", "#b34a44"),
    ("#eb7444", "#d2704b"),
    ("#d5563a", "#f0964f"),
    ("#b83b36", "#f9bd81"),
    ("#9c1c31", "#ffe3b0"),
)
NOT_FINITE: Color = ("#c12fc1", "#e57be5")
MIDDLE_INK: Color = ("#1f2329", "#0d1118")
DEEP_INK: Color = ("#fffffe", "#0d1119")


def ink_on(fill: Color) -> Color:
    """What text is legible on a colour of the ramp, on both pages."""
    level = RAMP.index(fill) if fill in RAMP else len(RAMP)
    return INK if level < 5 else MIDDLE_INK if level == 5 else DEEP_INK


class Scale:
    """Maps figures to the ramp: their logarithms, or themselves from 0."""

    def __init__(self, figures: list[float], logarithmic: bool) -> None:
        shown = [figure for figure in figures if math.isfinite(figure) and (figure > 0 or not logarithmic)]
        self.logarithmic = logarithmic
        self.low = (min(shown, default=1.0)) if logarithmic else 0.0
        self.high = max(shown, default=1.0)

    def color(self, figure: float) -> Color:
        if not math.isfinite(figure):
            return NOT_FINITE
        return RAMP[round(self._position(figure) * (len(RAMP) - 1))]

    def _position(self, figure: float) -> float:
        """From 0 to 1."""
        if self.high <= self.low or figure <= self.low:
            return 0.0
        if self.logarithmic:
            return math.log(figure / self.low) / math.log(self.high / self.low)
        return figure / self.high

    def ticks(self) -> tuple[float, float, float]:
        """The figures at the ramp's beginning, middle and end."""
        return self.low, math.sqrt(self.low * self.high) if self.logarithmic else self.high / 2, self.high


def pick(theme: str) -> Callable[[Color], str]:
    """Which of a pair's colours a drawing is made with."""
    return lambda color: color[theme == "dark"]


def every_color() -> list[Color]:
    around = [color for both in (*FILL_AND_BORDER.values(), *AROUND.values()) for color in both]
    return [PAGE, INK, MUTED, ARROW, *around, *RAMP, NOT_FINITE, MIDDLE_INK, DEEP_INK]


def dark_style(scope: str) -> str:
    """Style rules that turn a light svg inside `scope` dark for readers who prefer that."""
    rule = '{scope} [{what}="{light}"]{{{what}:{dark}}}'
    rules = [
        rule.format(scope=scope, what=what, light=light, dark=dark)
        for light, dark in every_color()
        for what in ("fill", "stroke")
    ]
    return f"@media (prefers-color-scheme:dark){{{''.join(rules)}}}"

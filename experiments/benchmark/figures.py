"""From the costs of a race to its figures: ratios of the same round, their median and their spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from .harness import Race
from .rows import Row, Unit


class Spread(NamedTuple):
    """The median and the quartiles: half of the values lie between `low` and `high`."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    low, median, high = np.percentile(values, [25, 50, 75])
    return Spread(float(median), float(low), float(high))


def ratios(ours: Sequence[float], rival: Sequence[float]) -> list[float]:
    """The rival's cost over ours, round by round: 2 is twice as good."""
    return [theirs / mine for mine, theirs in zip(ours, rival, strict=True)]


@dataclass(frozen=True)
class Figure:
    """One line of the report: our cost of a unit of work against a rival's. Without a goal, `least` is None."""

    section: str
    row: str
    title: str
    unit: Unit
    ours: float  # costs
    theirs: float
    rival: str
    ratio: Spread
    least: float | None = None
    aim: float | None = None

    @property
    def verdict(self) -> str:
        if self.least is None:
            return ""
        if self.ratio.median < self.least:
            return "below"
        return "aim reached" if self.aim is not None and self.ratio.median >= self.aim else "reached"

    def as_dict(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "unit": self.unit.name,
            "ours": self.unit.of(self.ours),
            "theirs": self.unit.of(self.theirs),
            "ratio": self.ratio._asdict(),
            "verdict": self.verdict,
        }


def figures(row: Row, race: Race) -> list[Figure]:
    """A figure for each goal, against the best of its rivals, then one for each contender that no goal names."""
    ours = race.costs.get(row.ours)
    if not ours:
        return []
    medians = {name: spread(costs).median for name, costs in race.costs.items() if costs}

    def figure(rival: str, least: float | None = None, aim: float | None = None) -> Figure:
        ratio = spread(ratios(ours, race.costs[rival]))
        own = medians[row.ours]
        return Figure(row.section, row.name, row.title, row.unit, own, medians[rival], rival, ratio, least, aim)

    found = []
    named = {row.ours}
    for goal in row.goals:
        present = [name for name in goal.against if name in medians]
        if present:
            found.append(figure(min(present, key=medians.__getitem__), goal.least, goal.aim))
        named.update(goal.against)
    return found + [figure(name) for name in medians if name not in named]

"""The way of each value: where its arrow shows the value's shape, and where it forks.

An arrow that goes two ways inside a cluster forks at a point in there: it comes in once, and no branch of it has to
find its own way in, which would lead through other clusters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .recorded import BESIDE, Arrow, Box, Graph
from .regions import Region, around


@dataclass(eq=False)
class Point:
    """A place that a value passes: its shape, or a dot where the arrow forks."""

    source: Box
    value: Any
    region: Region | None
    shape: tuple[int, ...] | None  # None: a dot


def clusters(box: Box) -> list[Region]:
    """The clusters around a box, the innermost first."""
    return around(box.region)[box.kind == "module" :]


class Ways:
    """The points of all values in a graph, and what each arrow starts at."""

    def __init__(self, graph: Graph) -> None:
        self.points: list[Point] = []
        self._shapes: dict[Any, Point] = {}  # of values
        self._inside: dict[tuple[Any, Region | None], Point] = {}  # a value's point in a region
        values: dict[Any, list[Arrow]] = {}
        for arrow in graph.arrows:
            if arrow.source.kind not in BESIDE:
                values.setdefault(arrow.value, []).append(arrow)
        for value, arrows in values.items():
            source, shape, forks = arrows[0].source, arrows[0].shape, _forks(arrows)
            to_boxes = [arrow for arrow in arrows if arrow.target.kind != "output"]
            if source.kind in ("operation", "backward", "module") and to_boxes and shape is not None:
                if forks and all(forks[0] in clusters(arrow.target) for arrow in arrows):
                    region: Region | None = forks.pop(0)
                else:
                    paths = [clusters(source), *(clusters(arrow.target) for arrow in to_boxes)]
                    region = next((region for region in paths[0] if all(region in path for path in paths)), None)
                self._shapes[value] = self._add(Point(source, value, region, shape))
            for fork in forks:
                self._add(Point(source, value, fork, None))

    def _add(self, point: Point) -> Point:
        self.points.append(point)
        self._inside[point.value, point.region] = point
        return point

    def start(self, end: Arrow | Point) -> tuple[Box | Point, int]:
        """What the arrow into a box or a point starts at, and how many clusters it enters on its way from there."""
        path = clusters(end.target) if isinstance(end, Arrow) else around(end.region)
        before = path[isinstance(end, Point) :]
        start: Box | Point | None = None
        if not (isinstance(end, Point) and end.shape is not None):
            found = (self._inside.get((end.value, region)) for region in before)
            start = next(filter(None, found), self._shapes.get(end.value))
        at = clusters(end.source) if start is None else around(start.region)
        return start or end.source, len(set(path) - set(at))


def _forks(arrows: Sequence[Arrow]) -> list[Region]:
    """The regions into which a value comes from outside, and in which it goes two ways; the outermost first."""
    home = clusters(arrows[0].source)
    ways: dict[Region, set[Region | Box]] = {}
    for arrow in arrows:
        towards: Region | Box = arrow.target
        for region in clusters(arrow.target):
            if region in home:
                break
            ways.setdefault(region, set()).add(towards)
            towards = region
    return sorted((region for region, parts in ways.items() if len(parts) > 1), key=lambda region: region.level)

"""Folding: every region of one level becomes a single box, whatever is in it."""

from __future__ import annotations

from .recorded import Arrow, Box, Graph
from .regions import Region


def fold(graph: Graph, depth: int) -> Graph:
    """`graph` with its regions of level `depth` as boxes; 0 folds the outermost ones.

    Arrows inside a box are gone, and so are those of a parameter that two runs of a module share: nothing flows
    from the one to the other.
    """
    folded: dict[Region, Box] = {}
    boxes: dict[Box, Box] = {}  # each box -> itself, or the box into which it is folded
    for box in graph.boxes:
        region = box.region
        while region is not None and region.level > depth:
            region = region.parent
        if region is None or region.level < depth:
            boxes[box] = box
            continue
        if region not in folded:
            folded[region] = Box("module", "", "", None, region)
        folded[region].stands_for += box.stands_for
        boxes[box] = folded[region]
    arrows: list[Arrow] = []
    drawn: set[Arrow] = set()
    for arrow in graph.arrows:
        source, target = boxes[arrow.source], boxes[arrow.target]
        if source is arrow.source and target is arrow.target:
            arrows.append(arrow)
        elif source is not target and (source is arrow.source or arrow.source.kind != "parameter"):
            moved = Arrow(source, target, arrow.value, arrow.shape)
            if moved not in drawn:
                drawn.add(moved)
                arrows.append(moved)
    return Graph(list(dict.fromkeys(boxes.values())), arrows)

"""What `draw` gives: a graphviz.Digraph that a notebook shows, with or without graphviz's `dot`."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from typing import Any

import graphviz

from .files import svg, why_not


class Drawing(graphviz.Digraph):
    """A Digraph that knows its theme."""

    theme = "auto"

    def _repr_mimebundle_(
        self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None, **_: Any
    ) -> dict[str, str]:
        """Its picture; where there is no `dot`, or that fails, its text below a line that says so."""
        try:
            return {"image/svg+xml": svg(self, self.theme)}
        except (graphviz.ExecutableNotFound, subprocess.CalledProcessError) as error:
            return {"text/plain": f"There is no picture: {why_not(error)}\n\n{self.source}"}

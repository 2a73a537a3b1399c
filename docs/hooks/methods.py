"""Writes the table of Tensor's methods that are operations under another name, where a page asks for it."""

from __future__ import annotations

import inspect
from typing import Any

from tinygrad_cnn import Tensor, ops

MARK = "<!-- methods -->"
MARKDOWN = {"|": "\\|", "*": "\\*", "][": "]\\["}  # as they are to be read


def on_page_markdown(markdown: str, **_: Any) -> str:
    return markdown.replace(MARK, table()) if MARK in markdown else markdown


def table() -> str:
    """A row for each such method, with the first line of what it does."""
    rows = ["| method | operation | what it gives |", "| --- | --- | --- |"]
    for name in filter(lambda name: not name.startswith("_"), dir(Tensor)):
        method = inspect.getattr_static(Tensor, name)
        function = method.fget if isinstance(method, property) else method
        if not getattr(function, "__module__", "").startswith("tinygrad_cnn.ops."):
            continue
        public = function.__name__ in ops.__all__
        operation = f"[{function.__name__}][{function.__module__}.{function.__name__}]" if public else ""
        first = (inspect.getdoc(function) or "").partition("\n")[0]
        for mark, written in MARKDOWN.items():
            first = first.replace(mark, written)
        rows.append(f"| `{name}` | {operation} | {first} |")
    return "\n".join(rows)

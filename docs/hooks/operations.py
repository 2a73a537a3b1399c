"""Lists the operations by the file that they are written in, where a page asks for it."""

from __future__ import annotations

from typing import Any

from tinygrad_cnn import ops

MARK = "<!-- operations -->"
SECTION = """
## {room}

::: tinygrad_cnn.ops.{room}
    options:
      show_root_heading: false
      show_root_toc_entry: false
      heading_level: 3
      members: [{names}]
"""


def on_page_markdown(markdown: str, **_: Any) -> str:
    return markdown.replace(MARK, sections()) if MARK in markdown else markdown


def sections() -> str:
    names_in: dict[str, list[str]] = {}
    for name in ops.__all__:
        names_in.setdefault(getattr(ops, name).__module__.rpartition(".")[2], []).append(name)
    return "".join(SECTION.format(room=room, names=", ".join(names_in[room])) for room in sorted(names_in))

"""Docstrings are plain text with `>>>` examples: Markdown gets those fenced. Attributes without one are left out."""

from __future__ import annotations

import re
from typing import Any

from griffe import Class, Extension, Object

EXAMPLE = re.compile(r"^(>>> .*(?:\n(?!\n).*)*)", flags=re.MULTILINE)  # to the next empty line


class FencedExamples(Extension):
    """Makes a block of code of each example; in the text around them, `x[i][j]` is no link."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        if obj.docstring:
            parts = EXAMPLE.split(obj.docstring.value)  # text and examples in turn
            parts[::2] = [text.replace("][", "]\\[") for text in parts[::2]]
            parts[1::2] = [f"```pycon\n{example}\n```" for example in parts[1::2]]
            obj.docstring.value = "".join(parts)

    def on_class(self, *, cls: Class, **_: Any) -> None:
        """Leave out what instances hold and nothing is said of: arguments, most of them, under their names."""
        for name, member in [*cls.members.items()]:
            if member.is_attribute and not member.docstring and member.labels == {"instance-attribute"}:
                del cls.members[name]

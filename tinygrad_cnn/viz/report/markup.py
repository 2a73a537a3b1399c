"""Markup that is escaped by construction: a string is text, and only what `tag` gives is markup."""

from __future__ import annotations

import base64
import html
from typing import Any

import numpy as np

from ...extras import optional_import

WITHOUT_END = {"img", "link", "meta"}


class Html(str):
    """Finished markup, which is not escaped again."""


def tag(name: str, /, *content: Any, **attributes: Any) -> Html:
    """One element. Strings in `content` are escaped; lists are taken apart; None is left out.

    An attribute's `_` becomes `-` (a trailing one, as in `class_`, is dropped). False and None leave the
    attribute out, True gives its bare name.

    >>> tag("p", "1 < 2", tag("b", "!"), class_="note", aria_label='say "hi"', hidden=True)
    '<p class="note" aria-label="say &quot;hi&quot;" hidden>1 &lt; 2<b>!</b></p>'
    """
    texts = [name]
    for key, value in attributes.items():
        key = key.rstrip("_").replace("_", "-")
        if value is True:
            texts.append(key)
        elif value is not None and value is not False:
            texts.append(f'{key}="{html.escape(str(value))}"')
    start = f"<{' '.join(texts)}>"
    return Html(start if name in WITHOUT_END else f"{start}{together(*content)}</{name}>")


def together(*content: Any) -> Html:
    """Elements and texts one after the other, as `tag` takes them."""
    return Html("".join(map(_markup, content)))


def _markup(content: Any) -> str:
    if content is None:
        return ""
    if isinstance(content, Html):
        return content
    if isinstance(content, (list, tuple)):
        return together(*content)
    return html.escape(str(content))


def picture(image: np.ndarray, kind: str = "jpeg") -> str:
    """A uint8 RGB image `(H, W, 3)` as a data URI, `kind` being jpeg or png."""
    with optional_import():
        import cv2

    _, content = cv2.imencode(f".{kind}", image[:, :, ::-1])
    return f"data:image/{kind};base64,{base64.b64encode(content.tobytes()).decode()}"

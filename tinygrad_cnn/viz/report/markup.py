"""Markup that is escaped by construction: a string is text, and only what `tag` gives is markup."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
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


def table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[Any]], class_: str = "") -> Html:
    """A table whose first column names its rows; one that is too wide scrolls within itself."""
    head = tag("tr", [tag("th", name, scope="col") for name in heads])
    body = [tag("tr", tag("th", first, scope="row"), [tag("td", cell) for cell in cells]) for first, *cells in rows]
    content = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", body), class_=class_ or None)
    return tag("div", content, class_="scroll", role="region", aria_label=caption, tabindex=0)


def picture(image: np.ndarray, kind: str = "jpeg") -> str:
    """A uint8 RGB image `(H, W, 3)` as a data URI, `kind` being jpeg or png."""
    with optional_import():
        import cv2

    _, content = cv2.imencode(f".{kind}", image[:, :, ::-1])
    return f"data:image/{kind};base64,{base64.b64encode(content.tobytes()).decode()}"


def shown_face(image: np.ndarray, alt: str, words: Sequence[str], verdict: str, kind: str) -> Html:
    """A face over what there is to say of it; the verdict has the colour of its kind: good, fair or poor."""
    caption = tag("figcaption", [tag("span", word) for word in words], tag("b", verdict, class_=kind))
    return tag("li", tag("figure", tag("img", src=picture(image), alt=alt), caption))


def row_of_faces(title: str, faces: Sequence[Html]) -> Html:
    return tag("div", tag("h3", title), tag("ul", faces, class_="faces"))

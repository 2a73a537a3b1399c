"""A progress bar: on stderr where that is a terminal, in the page where that is a notebook, and else nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, TextIO

from .extras import optional_import

if TYPE_CHECKING:
    from tqdm.std import tqdm


def progress_bar(
    title: str,
    total: int | None,
    unit: str,
    done: int = 0,
    delay: float = 0.0,
    shown: bool = True,
    file: TextIO | None = None,
) -> tqdm[NoReturn]:
    """A bar for `total` things called `unit`, of which `done` are done; `.update(n)` says that n more are.

    `total` is None where nobody knows it, and `file` another stream than stderr. The bar appears after `delay` seconds,
    for what is often over before anyone could read it, and not unless `shown`.
    """
    with optional_import():
        from tqdm.auto import tqdm

    disable = None if shown else True  # None: unless there is a terminal or a notebook
    return tqdm(
        desc=title, total=total, initial=done, unit=f" {unit}", leave=False, disable=disable, delay=delay, file=file
    )

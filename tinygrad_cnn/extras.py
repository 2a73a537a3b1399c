"""What a plain install leaves out: the packages that only some parts need, and the extra that brings each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

EXTRA_OF = {  # by the name that is imported
    "cv2": "faces",
    "kagglehub": "faces",
    "tqdm": "faces",
    "matplotlib": "plots",
    "graphviz": "graph",
    "tensorboardX": "tensorboard",
    "onnx": "onnx",
}


class MissingExtra(ModuleNotFoundError):
    """A package that this part needs is not installed; the message, one line, says how to get it."""


@contextmanager
def optional_import() -> Iterator[None]:
    """Around an import of one of the packages above: raises MissingExtra where it is not installed.

    >>> from tinygrad_cnn.extras import optional_import
    >>> with optional_import():
    ...     import graphviz
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRA_OF:
            raise
        needed = f'{package} is not installed: pip install "tinygrad-cnn[{EXTRA_OF[package]}]"'
        raise MissingExtra(needed, name=package) from None

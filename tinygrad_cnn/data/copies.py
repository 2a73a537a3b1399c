"""Which images show the same photo: exact copies, near copies, and mirrored ones.

A perceptual hash finds candidates: the signs of random projections of an image's outlines agree for images that
look alike, so that sorting by a hash brings copies together (Charikar, "Similarity estimation techniques from
rounding algorithms", 2002). Each candidate is then compared properly. The time grows with N log N.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..arguments import checked
from ..extras import optional_import
from ..progress import progress_bar
from .dataset import Dataset

Floats = npt.NDArray[np.float32]

SIDE = 24  # pixels of the grey thumbnails that are compared
GREY_ALIKE = 0.96  # correlation of the greys of two copies: tone and composition agree
OUTLINE_ALIKE = 0.93  # correlation of the outlines: the photo agrees though its light or its crop changed

_HASHES = 48
_HASH_BITS = 28
_NEIGHBOURS = 8


@checked
def photo_groups(dataset: Dataset) -> npt.NDArray[np.int64]:
    """For each image the number of its photo, int64 `(N,)`: images with the same number are copies of each other.

    `dataset` holds uint8 images (H, W, 3). Groups are numbered in the order of their first image.
    Shows a bar where it takes more than a second. Raises TypeError for other images.

    >>> import numpy as np
    >>> from tinygrad_cnn.data import ArrayDataset, photo_groups
    >>> photos = np.random.default_rng(0).integers(256, size=(3, 32, 32, 3)).astype(np.uint8)
    >>> mirrored = photos[:1, :, ::-1]
    >>> photo_groups(ArrayDataset(np.concatenate([photos, mirrored]), np.zeros(4)))
    array([0, 1, 2, 0])
    """
    if not len(dataset):
        return np.zeros(0, np.int64)
    thumbnails = _thumbnails(dataset)
    both = np.concatenate([thumbnails, thumbnails[:, :, ::-1]])
    greys, outlines = _unit(both - both.mean((1, 2), keepdims=True)), _outlines(_shrunk(both, 2))
    pairs = _candidates(_outlines(_shrunk(both, 3)))
    alike = np.zeros(len(pairs), bool)
    for start in range(0, len(pairs), 4096):
        i, j = pairs[start : start + 4096].T
        alike[start : start + 4096] = ((greys[i] * greys[j]).sum(1) > GREY_ALIKE) | (
            (outlines[i] * outlines[j]).sum(1) > OUTLINE_ALIKE
        )
    return _components(len(thumbnails), pairs[alike] % len(thumbnails))


def _thumbnails(dataset: Dataset) -> Floats:
    with optional_import():
        import cv2

    thumbnails = np.empty((len(dataset), SIDE, SIDE), np.float32)
    with progress_bar("looking for copies", len(dataset), "images", delay=1) as bar:
        for start in range(0, len(dataset), 256):
            images, _ = dataset.batch(np.arange(start, min(start + 256, len(dataset))))
            if images.dtype != np.uint8:
                raise TypeError(f"photo_groups: needs uint8 images (H, W, 3), not {images.dtype}")
            for thumbnail, image in zip(thumbnails[start:], images, strict=False):
                grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
                thumbnail[...] = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
            bar.update(len(images))
    return thumbnails


def _shrunk(greys: Floats, factor: int) -> Floats:
    """Means over squares of factor x factor pixels."""
    side = SIDE // factor
    return greys.reshape(-1, side, factor, side, factor).mean((2, 4))


def _outlines(greys: Floats) -> Floats:
    """The differences between neighbouring pixels, as unit vectors."""
    across = np.diff(greys, axis=2)[:, 1:]
    down = np.diff(greys, axis=1)[:, :, 1:]
    return _unit(np.stack([across, down], axis=1))


def _unit(values: Floats) -> Floats:
    rows = values.reshape(len(values), -1)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


def _candidates(features: Floats) -> npt.NDArray[np.int64]:
    """Pairs (M, 2) of rows that share one of the hashes and are neighbours when sorted by it."""
    generator = np.random.default_rng(0)
    powers = 1 << np.arange(_HASH_BITS)
    count = len(features)
    codes = []
    with progress_bar("comparing them", _HASHES, "hashes", delay=1) as bar:
        for _ in range(_HASHES):
            directions = generator.standard_normal((features.shape[1], _HASH_BITS), np.float32)
            hashes = (features @ directions > 0) @ powers
            order = np.argsort(hashes, kind="stable")
            hashes = hashes[order]
            for step in range(1, _NEIGHBOURS + 1):
                same = hashes[step:] == hashes[:-step]
                codes.append(order[:-step][same] * count + order[step:][same])
            bar.update()
    pairs = np.unique(np.concatenate(codes))
    return np.stack([pairs // count, pairs % count], axis=1)


def _components(count: int, pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Number the connected components of a graph with `count` nodes, by their smallest node (union-find)."""
    parent = list(range(count))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = node = parent[parent[node]]
        return node

    for i, j in pairs.tolist():
        low, high = sorted((root(i), root(j)))
        parent[high] = low
    roots = [root(node) for node in range(count)]
    return np.unique(roots, return_inverse=True)[1].astype(np.int64)

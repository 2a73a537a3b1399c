"""Random changes to a batch of uint8 images (N, H, W, C), and the one place where images become floats.

A transform is called as ``transform(batch, generator)`` and returns a new batch: the generator holds all the
randomness, each image gets its own draw, and the batch that came in is left as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..arguments import checked
from ..extras import optional_import

Images = npt.NDArray[np.uint8]
Transform = Callable[[Images, np.random.Generator], Images]

# to_float gives (image / 255 - MEAN) / STD, the same for each colour: black is -1 and white is 1.
MEAN = 0.5
STD = 0.5


@checked
def to_float(images: Images) -> npt.NDArray[np.float32]:
    """uint8 (N, H, W, C) in 0..255 to float32 (N, C, H, W) in -1..1: ``(images / 255 - MEAN) / STD``.

    >>> import numpy as np
    >>> from tinygrad_cnn.data.transforms import to_float
    >>> to_float(np.full((1, 2, 2, 3), 255, np.uint8)).shape
    (1, 3, 2, 2)
    """
    _check_batch("to_float", images)
    count, height, width, channels = images.shape
    out = np.empty((count, channels, height, width), np.float32)
    for planes, image in zip(out, images, strict=True):  # one image at a time stays in cache
        np.multiply(np.ascontiguousarray(image.transpose(2, 0, 1)), np.float32(1 / (255 * STD)), out=planes)
        planes -= np.float32(MEAN / STD)
    return out


class Compose:
    """Transforms one after the other.

    >>> from tinygrad_cnn.data.transforms import Compose, RandomErase, RandomFlip
    >>> Compose([RandomFlip(0.5), RandomErase(0.25)])
    Compose([RandomFlip(probability=0.5), RandomErase(probability=0.25, smallest=0.02, largest=0.15)])
    """

    @checked
    def __init__(self, transforms: Sequence[Transform]) -> None:
        self.transforms = list(transforms)

    @checked
    def __call__(self, batch: Images, generator: np.random.Generator) -> Images:
        for transform in self.transforms:
            batch = transform(batch, generator)
        return batch

    def __repr__(self) -> str:
        return f"Compose({self.transforms!r})"


@checked
@dataclass(frozen=True)
class RandomAffine:
    """Flip, shift, rotate and scale in a single resampling of each image, its edges mirrored outwards.

    `flip` is the probability of a left-right flip; `shift` the largest move each way, as a fraction of the
    image's width and height; `rotate` the largest angle in degrees; `scale` the largest enlargement or
    reduction: 0.1 draws factors from 1/1.1 to 1.1. Raises ValueError for one out of its range.

    >>> import numpy as np
    >>> from tinygrad_cnn.data.transforms import RandomAffine
    >>> images = np.zeros((2, 8, 8, 3), np.uint8)
    >>> RandomAffine(rotate=10, scale=0.1)(images, np.random.default_rng(0)).shape
    (2, 8, 8, 3)
    """

    flip: float = 0.0
    shift: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0

    def __post_init__(self) -> None:
        _check_range("RandomAffine: flip", self.flip, 0, 1)
        _check_range("RandomAffine: shift", self.shift, 0, 1)
        _check_range("RandomAffine: rotate", self.rotate, 0, 180)
        _check_range("RandomAffine: scale", self.scale, 0, 10)

    @checked
    def __call__(self, batch: Images, generator: np.random.Generator) -> Images:
        with optional_import():
            import cv2

        _check_batch("RandomAffine", batch)
        height, width = batch.shape[1:3]
        draws = generator.random((len(batch), 5))  # the same number of draws whatever the options
        mirrored = np.where(draws[:, 0] < self.flip, -1.0, 1.0)
        x_shift, y_shift, turn, zoom = (2 * draws[:, 1:] - 1).T
        angle = np.radians(self.rotate * turn)
        factor = (1 + self.scale) ** zoom
        # Each matrix leads from a pixel of the result back to its source, about the image's centre.
        cos, sin = np.cos(angle) / factor, np.sin(angle) / factor
        x_centre, y_centre = (width - 1) / 2, (height - 1) / 2
        x_offset = x_centre - mirrored * (cos * x_centre + sin * y_centre) + self.shift * width * x_shift
        y_offset = y_centre + sin * x_centre - cos * y_centre + self.shift * height * y_shift
        matrices = np.stack([mirrored * cos, mirrored * sin, x_offset, -sin, cos, y_offset], axis=1)
        out = np.empty(batch.shape, np.uint8)
        for result, image, matrix in zip(out, batch, matrices.reshape(-1, 2, 3), strict=True):
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            cv2.warpAffine(image, matrix, (width, height), dst=result, flags=flags, borderMode=cv2.BORDER_REFLECT_101)
        return out


@checked
@dataclass(frozen=True)
class RandomFlip:
    """Left-right flip with the given probability.

    >>> import numpy as np
    >>> from tinygrad_cnn.data.transforms import RandomFlip
    >>> image = np.array([10, 20, 30], np.uint8).reshape(1, 1, 3, 1)
    >>> RandomFlip(1.0)(image, np.random.default_rng(0)).ravel()
    array([30, 20, 10], dtype=uint8)
    """

    probability: float = 0.5

    def __post_init__(self) -> None:
        _check_range("RandomFlip: probability", self.probability, 0, 1)

    @checked
    def __call__(self, batch: Images, generator: np.random.Generator) -> Images:
        with optional_import():
            import cv2

        _check_batch("RandomFlip", batch)
        out = batch.copy()
        for i in np.flatnonzero(generator.random(len(batch)) < self.probability):
            cv2.flip(batch[i], 1, dst=out[i])
        return out


class RandomShift(RandomAffine):
    """Move by up to `fraction` of the width and the height, each way.

    >>> from tinygrad_cnn.data.transforms import RandomShift
    >>> RandomShift(0.1)
    RandomShift(flip=0.0, shift=0.1, rotate=0.0, scale=0.0)
    """

    def __init__(self, fraction: float) -> None:
        super().__init__(shift=fraction)


class RandomRotation(RandomAffine):
    """Turn about the centre by up to `degrees`, either way.

    >>> from tinygrad_cnn.data.transforms import RandomRotation
    >>> RandomRotation(10)
    RandomRotation(flip=0.0, shift=0.0, rotate=10, scale=0.0)
    """

    def __init__(self, degrees: float) -> None:
        super().__init__(rotate=degrees)


class RandomScale(RandomAffine):
    """Enlarge or reduce about the centre by a factor between 1 / (1 + change) and 1 + change.

    >>> from tinygrad_cnn.data.transforms import RandomScale
    >>> RandomScale(0.1)
    RandomScale(flip=0.0, shift=0.0, rotate=0.0, scale=0.1)
    """

    def __init__(self, change: float) -> None:
        super().__init__(scale=change)


@checked
@dataclass(frozen=True)
class RandomCrop:
    """A window of `size` by `size` pixels at a random place. Raises ValueError for smaller images.

    >>> import numpy as np
    >>> from tinygrad_cnn.data.transforms import RandomCrop
    >>> RandomCrop(6)(np.zeros((2, 8, 8, 3), np.uint8), np.random.default_rng(0)).shape
    (2, 6, 6, 3)
    """

    size: int

    @checked
    def __call__(self, batch: Images, generator: np.random.Generator) -> Images:
        _check_batch("RandomCrop", batch)
        count, height, width, channels = batch.shape
        if not 1 <= self.size <= min(height, width):
            raise ValueError(f"RandomCrop: size {self.size} must be from 1 to the image's {height}x{width}")
        tops = generator.integers(height - self.size + 1, size=count)
        lefts = generator.integers(width - self.size + 1, size=count)
        out = np.empty((count, self.size, self.size, channels), np.uint8)
        for result, image, top, left in zip(out, batch, tops, lefts, strict=True):
            result[...] = image[top : top + self.size, left : left + self.size]
        return out


@checked
@dataclass(frozen=True)
class ColourJitter:
    """Brightness, contrast and colour in one lookup table per image.

    Each value is a largest relative change: brightness 0.2 multiplies by 0.8 to 1.2, contrast 0.2 stretches
    by as much about mid grey, colour 0.1 multiplies each channel by its own factor from 0.9 to 1.1.

    >>> import numpy as np
    >>> from tinygrad_cnn.data.transforms import ColourJitter
    >>> ColourJitter(contrast=0.2)(np.full((1, 4, 4, 3), 200, np.uint8), np.random.default_rng(0))[0, 0, 0]
    array([204, 204, 204], dtype=uint8)
    """

    brightness: float = 0.0
    contrast: float = 0.0
    colour: float = 0.0

    def __post_init__(self) -> None:
        for name in ("brightness", "contrast", "colour"):
            _check_range(f"ColourJitter: {name}", getattr(self, name), 0, 1)

    @checked
    def __call__(self, batch: Images, generator: np.random.Generator) -> Images:
        with optional_import():
            import cv2

        _check_batch("ColourJitter", batch)
        count, _, _, channels = batch.shape
        draws = 2 * generator.random((count, 1, 2 + channels)) - 1
        stretch = 1 + self.contrast * draws[..., :1]
        gain = (1 + self.brightness * draws[..., 1:2]) * (1 + self.colour * draws[..., 2:])
        levels = np.arange(256.0)[:, None]
        values = ((levels - 127.5) * stretch + 127.5) * gain  # (N, 256, C)
        tables = np.rint(np.clip(values, 0, 255)).astype(np.uint8)[:, :, None]
        out = np.empty(batch.shape, np.uint8)
        for result, image, table in zip(out, batch, tables, strict=True):
            cv2.LUT(image, table, dst=result)
        return out


class RandomBrightness(ColourJitter):
    """Multiply by a factor between 1 - change and 1 + change.

    >>> from tinygrad_cnn.data.transforms import RandomBrightness
    >>> RandomBrightness(0.2)
    RandomBrightness(brightness=0.2, contrast=0.0, colour=0.0)
    """

    def __init__(self, change: float) -> None:
        super().__init__(brightness=change)


class RandomContrast(ColourJitter):
    """Stretch about mid grey by a factor between 1 - change and 1 + change.

    >>> from tinygrad_cnn.data.transforms import RandomContrast
    >>> RandomContrast(0.2)
    RandomContrast(brightness=0.0, contrast=0.2, colour=0.0)
    """

    def __init__(self, change: float) -> None:
        super().__init__(contrast=change)


class RandomColour(ColourJitter):
    """Multiply each channel by its own factor between 1 - change and 1 + change.

    >>> from tinygrad_cnn.data.transforms import RandomColour
    >>> RandomColour(0.1)
    RandomColour(brightness=0.0, contrast=0.0, colour=0.1)
    """

    def __init__(self, change: float) -> None:
        super().__init__(colour=change)


@checked
@dataclass(frozen=True)
class RandomErase:
    """Paint a grey rectangle over a part of the image, with the given probability.

    Zhong et al., "Random erasing data augmentation" (2017), with one grey for all.

    Its area is between `smallest` and `largest` of the image's, its sides' ratio between 1:2 and 2:1.

    >>> import numpy as np
    >>> from tinygrad_cnn.data.transforms import RandomErase
    >>> erased = RandomErase(1.0)(np.zeros((1, 20, 20, 3), np.uint8), np.random.default_rng(0))
    >>> erased.max(), bool(0.02 <= (erased == 128).mean() <= 0.15)
    (np.uint8(128), True)
    """

    probability: float = 0.5
    smallest: float = 0.02
    largest: float = 0.15

    def __post_init__(self) -> None:
        _check_range("RandomErase: probability", self.probability, 0, 1)
        _check_range("RandomErase: smallest", self.smallest, 0, self.largest)
        _check_range("RandomErase: largest", self.largest, 0, 1)

    @checked
    def __call__(self, batch: Images, generator: np.random.Generator) -> Images:
        _check_batch("RandomErase", batch)
        height, width = batch.shape[1:3]
        erase, area, ratio, top, left = generator.random((len(batch), 5)).T
        area = self.smallest + (self.largest - self.smallest) * area
        stretch = np.sqrt(2 ** (2 * ratio - 1))
        heights = np.minimum(np.rint(height * np.sqrt(area) * stretch), height).astype(int)
        widths = np.minimum(np.rint(width * np.sqrt(area) / stretch), width).astype(int)
        tops = (top * (height - heights + 1)).astype(int)
        lefts = (left * (width - widths + 1)).astype(int)
        out = batch.copy()
        for i in np.flatnonzero(erase < self.probability):
            out[i, tops[i] : tops[i] + heights[i], lefts[i] : lefts[i] + widths[i]] = 128
        return out


@checked
@dataclass(frozen=True)
class Resize:
    """Each image at `size` by `size` pixels; where that is less, each pixel is the mean of the area that it covers.

    >>> import numpy as np
    >>> from tinygrad_cnn.data.transforms import Resize
    >>> image = np.array([[0, 100], [100, 200]], np.uint8).reshape(1, 2, 2, 1)
    >>> Resize(1)(image, np.random.default_rng(0)).ravel()
    array([100], dtype=uint8)
    """

    size: int

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"Resize: size must be at least 1 pixel, not {self.size}")

    @checked
    def __call__(self, batch: Images, generator: np.random.Generator) -> Images:
        with optional_import():
            import cv2

        _check_batch("Resize", batch)
        out = np.empty((len(batch), self.size, self.size, batch.shape[3]), np.uint8)
        for result, image in zip(out, batch, strict=True):
            cv2.resize(image, (self.size, self.size), dst=result, interpolation=cv2.INTER_AREA)
        return out


AUGMENTATIONS = ("flip", "shift", "rotate", "scale", "colour", "erase")


@checked
def augmentation(names: Sequence[str] = AUGMENTATIONS) -> Compose:
    """Random changes by name, of a size that suits faces: flips, small moves and turns, a little light, a grey patch.

    Raises ValueError for a name that is none of those in AUGMENTATIONS, TypeError for a single string.

    >>> from tinygrad_cnn.data import augmentation
    >>> augmentation(["flip", "shift"])
    Compose([RandomAffine(flip=0.5, shift=0.05, rotate=0.0, scale=0.0)])
    """
    unknown = [name for name in names if name not in AUGMENTATIONS]
    if unknown:
        raise ValueError(f"augmentation: no change is called {unknown[0]!r}; there are {', '.join(AUGMENTATIONS)}")
    moves = {name: size for name, size in _MOVES.items() if name in names}
    transforms: list[Transform] = [RandomAffine(**moves)] if moves else []
    if "colour" in names:
        transforms.append(ColourJitter(brightness=0.2, contrast=0.2, colour=0.05))
    if "erase" in names:
        transforms.append(RandomErase(probability=0.25))
    return Compose(transforms)


_MOVES = {"flip": 0.5, "shift": 0.05, "rotate": 10.0, "scale": 0.1}


def _check_batch(name: str, batch: Images) -> None:
    if batch.dtype != np.uint8 or batch.ndim != 4:
        raise TypeError(f"{name}: needs uint8 images (N, H, W, C), not {batch.dtype} {batch.shape}")


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} must be between {low} and {high}, not {value}")

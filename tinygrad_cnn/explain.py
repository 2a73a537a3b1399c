"""What in a picture made the network say that? Five answers, each a few lines of autograd or of forward hooks.

Pictures are floats `(N, C, H, W)`, what comes back are arrays. `score(outputs)` picks what is to be explained out of
the model's outputs, one number for each picture: an age in years, or `lambda logits: logits[:, 3]` for one of several
classes. Without it the model must give one number for each picture. The maps are in the score's units.

The model runs in evaluation mode and is left as it was: its mode, its parameters and their gradients, its hooks.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast

import numpy as np

from .arguments import checked
from .autograd import grad
from .modes import Event, enable_grad, no_grad, observe
from .nn import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d, Module
from .progress import progress_bar
from .random import default_generator
from .tensor import Tensor

__all__ = ["UnknownLayer", "feature_maps", "grad_cam", "occlusion", "saliency", "smooth_grad"]

Score = Callable[[Any], Tensor]
BATCH = 32  # pictures at a time, where one picture is looked at many times
POOLING = (AdaptiveAvgPool2d, AvgPool2d, MaxPool2d)


class UnknownLayer(ValueError):
    """No layer of this name gives feature maps, or the score is not computed from them; the message says which."""


@checked
def saliency(model: Module, x: Tensor | np.ndarray, score: Score | None = None) -> np.ndarray:
    """How strongly the score reacts to each pixel, `(N, H, W)`: max over c of |dS / dx_c|.

    In units of the score per unit of pixel value. Simonyan, Vedaldi and Zisserman, "Deep inside convolutional
    networks" (2014), section 3.1.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import explain
    >>> explain.saliency(tg.nn.Flatten(), tg.ones(1, 3, 2, 2), score=lambda x: 5 * x[:, 1] - 7 * x[:, 4])
    array([[[7., 5.],
            [0., 0.]]], dtype=float32)
    """
    with _evaluating(model):
        return np.abs(_input_gradient(model, _pictures(x), score)).max(axis=1)


@checked
def smooth_grad(
    model: Module,
    x: Tensor | np.ndarray,
    score: Score | None = None,
    *,
    noise: float = 0.15,
    samples: int = 50,
    generator: np.random.Generator | None = None,
) -> np.ndarray:
    """The saliency of a picture's noisy copies together, `(N, H, W)`: max over c of |mean over e of dS/dx_c at x + e|.

    e is drawn from N(0, sigma^2), sigma being `noise` times the picture's range of values. What changes its sign from
    one copy to the next, as ReLUs switch on and off, cancels out. Units are those of `saliency`. Smilkov et al.,
    "SmoothGrad: removing noise by adding noise" (2017), section 3. Raises ValueError for fewer than one sample and
    for noise below 0.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import explain
    >>> explain.smooth_grad(tg.nn.Flatten(), tg.ones(1, 1, 2, 2), score=lambda x: 5 * x[:, 1] - 7 * x[:, 2])
    array([[[0., 5.],
            [7., 0.]]], dtype=float32)
    """
    if samples < 1 or not noise >= 0:
        raise ValueError(f"smooth_grad: samples must be at least 1 and noise at least 0, not {samples} and {noise}")
    pictures = _pictures(x)
    generator = generator or default_generator()
    gradients = np.zeros_like(pictures)
    with _evaluating(model), progress_bar("SmoothGrad", len(pictures) * samples, "copies", delay=1) as bar:
        for picture, gradient in zip(pictures, gradients, strict=True):
            sigma = noise * np.ptp(picture)
            for start in range(0, samples, BATCH):
                shape = (min(BATCH, samples - start), *picture.shape)
                copies = picture + sigma * generator.standard_normal(shape, picture.dtype)
                gradient += _input_gradient(model, copies, score).sum(axis=0)
                bar.update(len(copies))
    return np.abs(gradients / samples).max(axis=1)


@checked
def grad_cam(model: Module, x: Tensor | np.ndarray, layer: str | None = None, score: Score | None = None) -> np.ndarray:
    """Which places of a layer speak for a higher score, and which for a lower one, `(N, h, w)` on the layer's grid.

    L = sum over k of alpha_k A_k, with alpha_k = mean over places of dS / dA_k, where A_k is the layer's k-th feature
    map: Selvaraju et al., "Grad-CAM" (2017), equations 1 and 2. They keep L's positive part, for what speaks against
    one class speaks for another. A number such as an age has evidence both ways, so here the sign stays: what is
    positive raises the score.

    In the score's units, L is what each place adds to it, to first order, with a feature's mean effect for its effect
    there. Behind global average pooling the two are the same. Dense layers, as in AgeCNN, tell places apart, and then
    L says more about the kind of feature than about the place.

    `layer` names a module, as `feature_maps` does (default: the last one there). Raises UnknownLayer.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import explain, nn
    >>> model = nn.Sequential(nn.Identity(), nn.Flatten())
    >>> explain.grad_cam(model, tg.Tensor([[[[0.0, 1.0], [2.0, -3.0]]]]), layer="0", score=lambda x: x.sum(1))
    array([[[ 0.,  1.],
            [ 2., -3.]]], dtype=float32)
    """
    with _evaluating(model):
        images = Tensor(_pictures(x), requires_grad=True)
        maps, outputs = _watch(model, images, layer)
        if not maps:
            known = ", ".join(_watch(model, images)[0]) or "none"
            named = "" if layer is None else f" {layer!r}"
            raise UnknownLayer(f"no layer{named} gives feature maps; those that do: {known}")
        name, features = maps.popitem()  # (N, K, h, w)
        scores = _one_number_each(outputs, len(images), score)
        (gradient,) = grad(scores.sum(), features, allow_unused=True)
        if gradient is None:
            raise UnknownLayer(f"the score is not computed from the feature maps of the layer {name!r}; name another")
    alpha = gradient.data.mean(axis=(2, 3), keepdims=True)
    return (alpha * features.data).sum(axis=1)


@checked
def occlusion(
    model: Module,
    x: Tensor | np.ndarray,
    size: int,
    stride: int,
    score: Score | None = None,
    *,
    fill: float = 0.0,
) -> np.ndarray:
    """How the score changes when a part of the picture is hidden, `(N, H, W)`, in the score's units.

    A square of `size` pixels, all of the value `fill` (0 is the grey that `to_float` gives for 127.5), moves over the
    picture by `stride` pixels. Each pixel shows the mean of S(picture with square) - S(picture) over the squares that
    hid it: negative where hiding lowers the score. Zeiler and Fergus, "Visualizing and understanding convolutional
    networks" (2014), section 4.2. Raises ValueError unless 1 <= stride <= size <= the picture's height and width.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import explain
    >>> explain.occlusion(tg.nn.Flatten(), tg.ones(1, 1, 2, 2), size=1, stride=1, score=lambda x: 5 * x[:, 1])
    array([[[ 0., -5.],
            [ 0.,  0.]]], dtype=float32)
    """
    pictures = _pictures(x)
    height, width = pictures.shape[2:]
    if not 1 <= stride <= size <= min(height, width):
        raise ValueError(
            f"occlusion: expected 1 <= stride <= size <= {min(height, width)} for pictures of {height}x{width} pixels, "
            f"got size {size} and stride {stride}"
        )
    places = [(top, left) for top in _starts(height, size, stride) for left in _starts(width, size, stride)]
    squares = [np.s_[..., top : top + size, left : left + size] for top, left in places]
    hidden = np.zeros((height, width))  # how often a pixel was
    for square in squares:
        hidden[square] += 1
    changes = np.zeros((len(pictures), height, width))
    bar = progress_bar("occlusion", len(pictures) * len(squares), "squares", delay=1)
    with _evaluating(model), no_grad(), bar:
        for picture, change in zip(pictures, changes, strict=True):
            seen = _score(model, picture[None], score)
            for start in range(0, len(squares), BATCH):
                batch = squares[start : start + BATCH]
                copies = np.repeat(picture[None], len(batch), axis=0)
                for copy, square in zip(copies, batch, strict=True):
                    copy[square] = fill
                for square, value in zip(batch, _score(model, copies, score) - seen, strict=True):
                    change[square] += value
                bar.update(len(batch))
    return (changes / hidden).astype(pictures.dtype)


@checked
def feature_maps(model: Module, x: Tensor | np.ndarray) -> dict[str, np.ndarray]:
    """What the layers make of the pictures: a module's dotted name -> its feature maps `(N, K, h, w)`.

    The modules come in the order in which they ended. Each shows its output, after the ReLU that took it in if there
    is one. Left out: poolings, modules that pass another's output on, and outputs that are no maps or have a single
    place. Of a module that runs more than once, the last run is shown.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import explain, nn
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 1))
    >>> {name: maps.shape for name, maps in explain.feature_maps(model, tg.ones(1, 3, 4, 4)).items()}
    {'0': (1, 8, 2, 2)}
    """
    with _evaluating(model), no_grad():
        maps, _ = _watch(model, Tensor(_pictures(x)))
    return {name: features.data for name, features in maps.items()}


def _watch(model: Module, images: Tensor, only: str | None = None) -> tuple[dict[str, Tensor], Any]:
    """The feature maps of one module, or of all that `feature_maps` is about, and the model's outputs."""
    maps: dict[str, Tensor] = {}

    def keep(name: str, module: Module, inputs: tuple[Any, ...], output: Any) -> None:
        is_new = isinstance(output, Tensor) and not any(output is known for known in maps.values())
        if is_new and output.ndim == 4 and output.shape[2] * output.shape[3] > 1:
            maps.pop(name, None)
            maps[name] = output

    def follow(event: Event) -> None:
        if event.primitive.name == "relu":
            maps.update({name: event.out for name, features in maps.items() if features is event.inputs[0]})

    with contextlib.ExitStack() as watching:
        for name, module in model.named_modules():
            if not isinstance(module, POOLING) if only is None else name == only:
                watching.enter_context(module.register_forward_hook(partial(keep, name)))
        watching.enter_context(observe(follow))
        return maps, model(images)


@contextlib.contextmanager
def _evaluating(model: Module) -> Iterator[None]:
    """Evaluation mode, and gradients wherever this is called; afterwards all is as it was."""
    before = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with enable_grad():
            yield
    finally:
        for module, training in before:
            module.training = training


def _pictures(x: Tensor | np.ndarray) -> np.ndarray:
    pictures = x.data if isinstance(x, Tensor) else np.asarray(x)
    if pictures.dtype.kind != "f" or pictures.ndim != 4:
        raise ValueError(f"expected pictures as floats (N, C, H, W), got {pictures.dtype} {pictures.shape}")
    return pictures


def _one_number_each(outputs: Any, count: int, score: Score | None) -> Tensor:
    scores = outputs if score is None else score(outputs)
    if not isinstance(scores, Tensor) or scores.numel() != count:
        got = f"shape {scores.shape}" if isinstance(scores, Tensor) else type(scores).__name__
        raise ValueError(
            f"what is explained must be one number for each of {count} pictures, got {got}: "
            "pick one, as in score=lambda outputs: outputs[:, 0]"
        )
    return scores.reshape(-1)


def _score(model: Module, pictures: np.ndarray, score: Score | None) -> np.ndarray:
    return _one_number_each(model(Tensor(pictures)), len(pictures), score).data


def _input_gradient(model: Module, pictures: np.ndarray, score: Score | None) -> np.ndarray:
    """dS / dx for each picture, `(N, C, H, W)`; each score depends on its own picture alone."""
    images = Tensor(pictures, requires_grad=True)
    scores = _one_number_each(model(images), len(images), score)
    return cast(Tensor, grad(scores.sum(), images)[0]).data


def _starts(length: int, size: int, stride: int) -> list[int]:
    """Where the squares begin along one axis; the last one ends at the edge."""
    return sorted({*range(0, length - size, stride), length - size})

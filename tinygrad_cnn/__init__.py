"""tinygrad_cnn: a NumPy autograd framework small enough to read in an evening.

A `Tensor` records what is computed with it; `backward()` walks the record back. Names and behaviour are
PyTorch's wherever PyTorch has the thing. Start reading at `autograd.py`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from . import autograd, functional, kernels, nn, ops, optim
from .autograd import Primitive, grad, primitive
from .creation import (
    arange,
    eye,
    from_dlpack,
    from_numpy,
    full,
    linspace,
    ones,
    ones_like,
    rand,
    randn,
    tensor,
    zeros,
    zeros_like,
)  # fmt: skip
from .gradcheck import gradcheck
from .kernels import get_num_threads, set_num_threads
from .modes import Event, enable_grad, is_grad_enabled, no_grad, observe
from .nn import summary
from .ops import *  # noqa: F403
from .random import default_generator, manual_seed
from .tensor import Tensor

if TYPE_CHECKING:
    from . import anomaly, data, explain, io, profiler, train, viz
    from .anomaly import detect_anomaly
    from .io import export_onnx, load, save
    from .profiler import profile
    from .viz import draw
else:  # what not every program needs is imported when it is first asked for (PEP 562)
    _rooms = {"anomaly", "data", "explain", "io", "profiler", "train", "viz"}
    _rooms_of = {"detect_anomaly": "anomaly", "draw": "viz", "profile": "profiler"}
    _rooms_of |= dict.fromkeys(("export_onnx", "load", "save"), "io")

    def __getattr__(name: str) -> object:
        if name in _rooms_of:
            return getattr(__getattr__(_rooms_of[name]), name)
        if name in _rooms:
            return import_module(f".{name}", __name__)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *_rooms, *_rooms_of})


__all__ = [  # without which a type checker takes what is imported here for private
    "Event",
    "Primitive",
    "Tensor",
    "anomaly",
    "arange",
    "autograd",
    "data",
    "default_generator",
    "detect_anomaly",
    "draw",
    "enable_grad",
    "explain",
    "export_onnx",
    "eye",
    "from_dlpack",
    "from_numpy",
    "full",
    "functional",
    "get_num_threads",
    "grad",
    "gradcheck",
    "io",
    "is_grad_enabled",
    "kernels",
    "linspace",
    "load",
    "manual_seed",
    "nn",
    "no_grad",
    "observe",
    "ones",
    "ones_like",
    "ops",
    "optim",
    "primitive",
    "profile",
    "profiler",
    "rand",
    "randn",
    "save",
    "set_num_threads",
    "summary",
    "tensor",
    "train",
    "viz",
    "zeros",
    "zeros_like",
]
__all__ += ops.__all__

__version__ = "0.1.0"

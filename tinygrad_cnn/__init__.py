"""tinygrad_cnn: a NumPy autograd framework small enough to read in an evening.

A `Tensor` records what is computed with it; `backward()` walks the record back. Names and behaviour are
PyTorch's wherever PyTorch has the thing. Start reading at `autograd.py`.
"""

from . import autograd, functional, kernels, nn, ops, optim
from .autograd import Primitive, grad, primitive
from .creation import (
    arange,
    eye,
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
from .io import load, save
from .kernels import get_num_threads, set_num_threads
from .modes import Event, enable_grad, is_grad_enabled, no_grad, observe
from .nn import summary
from .ops import *  # noqa: F403
from .profiler import profile
from .random import default_generator, manual_seed
from .tensor import Tensor
from .viz.graph import draw

__version__ = "0.1.0"

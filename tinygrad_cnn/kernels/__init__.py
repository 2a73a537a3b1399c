"""Array in, array out: the loops behind convolution, pooling, products and the larger element-wise functions.

Nothing here knows of Tensor or of gradients; a second device would be a second set of these functions.
"""

from .average_pool import average_windows, spread_average
from .conv import conv2d, conv2d_input
from .conv_weight import conv2d_weight, sum_channels
from .elementwise import dropout, erf, relu, sigmoid, sign, where_positive
from .im2col import Geometry
from .layer_norm import normalize_rows, normalize_rows_input, normalize_rows_sums
from .losses import loss_slopes, losses, pick, place, sum_losses
from .matmul import einsum, matmul
from .max_pool import largest_of_windows, max_windows, spread_windows, take_windows
from .norm import channel_statistics, channel_sums, normalize_channels, normalize_input, scale_and_shift
from .softmax import cross_entropy, cross_entropy_input, log_softmax, log_softmax_input, softmax, softmax_input
from .threads import get_num_threads, parallel_for, set_num_threads
from .windows import Windows

__all__ = [
    "Geometry",
    "Windows",
    "average_windows",
    "channel_statistics",
    "channel_sums",
    "conv2d",
    "conv2d_input",
    "conv2d_weight",
    "cross_entropy",
    "cross_entropy_input",
    "dropout",
    "einsum",
    "erf",
    "get_num_threads",
    "largest_of_windows",
    "log_softmax",
    "log_softmax_input",
    "loss_slopes",
    "losses",
    "matmul",
    "max_windows",
    "normalize_channels",
    "normalize_input",
    "normalize_rows",
    "normalize_rows_input",
    "normalize_rows_sums",
    "parallel_for",
    "pick",
    "place",
    "relu",
    "scale_and_shift",
    "set_num_threads",
    "sigmoid",
    "sign",
    "softmax",
    "softmax_input",
    "spread_average",
    "spread_windows",
    "sum_channels",
    "sum_losses",
    "take_windows",
    "where_positive",
]

"""What goes wrong is said in full: the operation, the argument, the shapes that met, what would fit.

Below, each call stands above the error that it raises ("..." for any text).
"""

from __future__ import annotations

import builtins
import re

import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from tinygrad_cnn import Tensor

NAMES = {
    "tg": tg,
    "F": F,
    "Tensor": Tensor,
    "z": tg.zeros,
    "image": tg.zeros(8, 4, 5, 5),
    "weight": tg.zeros(16, 4, 3, 3),
}

BROADCASTING = """
z(2, 3) + z(4)
    ValueError: add: operands could not be broadcast together ...(a: (2, 3), b: (4,))
z(2, 3) * z(4).numpy()
    ValueError: mul: ...(a: (2, 3), b: (4,))
z(2, 3).maximum(z(4))
    ValueError: maximum: ...(a: (2, 3), b: (4,))
z(2, 3) < z(4)
    ValueError: lt: ...(a: (2, 3), b: (4,))
tg.where(z(2, 3) > 0, z(4), 1.0)
    ValueError: where: ...(condition: (2, 3), a: (4,), b: ())
z(2, 3).expand(3, 3)
    ValueError: expand: (2, 3) cannot be broadcast to (3, 3); only axes of length 1
z(2, 3).expand(-1, 2, 3)
    ValueError: expand: a new axis needs a size of at least 0, got (-1, 2, 3)
tg.broadcast_to(z(2, 3), (2,))
    ValueError: broadcast_to: (2, 3) cannot be broadcast to (2,)
"""

PRODUCTS = """
z(2, 3) @ z(2, 3)
    ValueError: matmul: a has 3 columns but b has 2 rows (a: (2, 3), b: (2, 3))
z(2) @ z(3)
    ValueError: matmul: a has 2 columns but b has 3 rows (a: (2,), b: (3,))
z(2, 3, 4) @ z(3, 4, 5)
    ValueError: matmul: batch axes (2,) and (3,) cannot be broadcast (a: (2, 3, 4), b: (3, 4, 5))
Tensor(1.0) @ z(2)
    ValueError: matmul: operands need at least one axis (a: (), b: (2,)); use *
F.linear(z(2, 3), z(4, 5))
    ValueError: linear: weight expects 5 input features but x has 3 (x: (2, 3), weight: (4, 5))
F.linear(z(2, 3), z(4, 3), z(5))
    ValueError: linear: bias should have shape (4,) to fit the weight, got (5,)
tg.einsum("ij,jk->ik", z(2, 3), z(4, 5))
    ValueError: einsum: letter 'j' is 3 and 4 in 'ij,jk->ik' (shapes: [(2, 3), (4, 5)])
tg.einsum("ij,jk", z(2, 3))
    ValueError: einsum: 'ij,jk' names 2 operands, got 1
tg.einsum("ij", z(2))
    ValueError: einsum: 'ij' in 'ij' does not fit shape (2,)
tg.einsum("i1->i", z(2, 2))
    ValueError: einsum: 'i1->i' may hold letters, commas, '...' and one '->', not '1'
tg.einsum("ij->ik", z(2, 2))
    ValueError: einsum: the result's letter 'k' in 'ij->ik' occurs there twice or in no
tg.einsum(z(2), "i")
    TypeError: einsum: the equation must be a str such as 'ij,jk->ik', got Tensor
"""

CONVOLUTION = """
F.conv2d(z(8, 4, 32, 32), z(16, 3, 3, 3))
    ValueError: conv2d: weight expects 3 input channels but x has 4 (x: (8, 4, 32, 32), weight: (16, 3, 3, 3))
F.conv2d(image, weight, groups=2)
    ValueError: conv2d: weight expects 8 input channels but x has 4 (x: (8, 4, 5, 5), weight: (16, 4, 3, 3), ...
F.conv2d(image, z(15, 2, 3, 3), groups=2)
    ValueError: conv2d: 15 output channels cannot be split into 2 groups
F.conv2d(z(8, 4, 2, 2), weight)
    ValueError: conv2d: the kernel, (3, 3)...(x: (8, 4, 2, 2), weight: (16, 4, 3, 3))
F.conv2d(z(4, 5), weight)
    ValueError: conv2d: x should be (N, C, H, W) or (C, H, W), got shape (4, 5)
F.conv2d(image, z(16, 4, 3))
    ValueError: conv2d: weight should have 4 axes...got shape (16, 4, 3)
F.conv2d(image, weight, z(4))
    ValueError: conv2d: bias should have shape (16,), one for each output channel, got (4,)
F.conv2d(image, weight, stride=0)
    ValueError: conv2d: stride must be at least 1, got 0
F.conv2d(image, weight, padding=(0, -1))
    ValueError: conv2d: padding must be at least 0, got (0, -1)
F.conv2d(image, weight, dilation=1.5)
    TypeError: conv2d: dilation must be an int or a pair of ints, got 1.5
F.conv2d(image, weight, stride=(1, 2, 3))
    TypeError: conv2d: stride must be an int or a pair of ints, got (1, 2, 3)
F.conv2d(image, weight, groups=0)
    ValueError: conv2d: groups must be a positive int, got 0
F.conv2d(image, weight, padding="full")
    ValueError: conv2d: padding must be an int, a pair, 'same' or 'valid', got 'full'
F.conv2d(image, weight, stride=2, padding="same")
    ValueError: conv2d: padding='same' needs stride 1, got 2
F.conv2d(image.long(), weight)
    TypeError: conv2d: x should hold floats, got int64; convert it with .float()
F.conv2d("image", weight)
    TypeError: conv2d: x must be a Tensor, got 'image'
F.conv_transpose2d(image, z(3, 4, 3, 3))
    ValueError: conv_transpose2d: weight expects 3 input channels but x has 4 (x: (8, 4, 5, 5), weight: (3, 4, 3, 3))
F.conv_transpose2d(z(1, 3, 5, 5), z(3, 4, 3, 3), groups=2)
    ValueError: conv_transpose2d: 3 input channels cannot be split into 2 groups (x: (1, 3, 5, 5), weight: (3, 4, ...
F.conv_transpose2d(image, z(4, 1, 3, 3), output_padding=1)
    ValueError: ...output_padding (1, 1) must be smaller than stride
F.conv_transpose2d(z(1, 4, 1, 1), z(4, 1, 1, 1), padding=3)
    ValueError: ...the result would have size (-5, -5); use less
"""

POOLING = """
F.max_pool2d(z(1, 1, 2, 2), 3)
    ValueError: max_pool2d: kernel_size (3, 3) reaches beyond the padded image (x: (1, 1, 2, 2), padding: (0, 0))
F.avg_pool2d(image, 3, padding=2)
    ValueError: avg_pool2d: padding (2, 2) should be at most half of kernel_size (3, 3)
F.max_pool2d(z(8, 8), 2)
    ValueError: max_pool2d: x should be (N, C, H, W) or (C, H, W), got shape (8, 8)
F.max_pool2d(z(1, 1, 0, 4), 2, padding=1)
    ValueError: ...only the batch axis of x may be empty, got shape (1, 1, 0, 4)
F.max_pool2d(image, 0)
    ValueError: max_pool2d: kernel_size must be at least 1, got 0
F.max_pool2d(image > 0, 2)
    TypeError: max_pool2d: x should hold numbers, got bool
F.max_pool2d(image, 2, return_indices=True)
    NotImplementedError: max_pool2d: return_indices is not offered
F.avg_pool2d(image, 2, divisor_override=0)
    ValueError: avg_pool2d: divisor_override must not be 0
F.avg_pool2d(image.long(), 2)
    TypeError: avg_pool2d: x should hold floats, got int64; convert it with .float()
F.adaptive_avg_pool2d(image, -1)
    ValueError: adaptive_avg_pool2d: output_size must be at least 0
F.adaptive_avg_pool2d(image, (1, 2, 3))
    TypeError: adaptive_avg_pool2d: output_size must be an int or a pair, got (1, 2, 3)
F.adaptive_avg_pool2d(z(8, 8), 1)
    ValueError: adaptive_avg_pool2d: x should be (N, C, H, W) or (C, H, W)
"""

AXES = """
z(2, 3).sum(2)
    IndexError: sum: dim 2 is out of range for shape (2, 3); it must lie in [-2, 1]
z(2, 3).mean((0, 0))
    ValueError: mean: dim (0, 0) names an axis of shape (2, 3) twice
z(2, 3).amax("a")
    TypeError: amax: dim must be an int, a tuple of ints or None, got 'a'
z(3).softmax(1)
    IndexError: softmax: dim 1 is out of range for shape (3,)
z(2, 3).transpose(0, 2)
    IndexError: transpose: dim 2 is out of range for shape (2, 3)
z(2, 3).permute(0)
    ValueError: permute: shape (2, 3) has 2 axes but 1 were named: (0,)
z(2, 3).permute(0, 0)
    ValueError: permute: dim (0, 0) names an axis of shape (2, 3) twice
z(2, 3).unsqueeze(3)
    IndexError: unsqueeze: dim 3 is out of range [-3, 2] for shape (2, 3)
z(2, 3).flatten(1, 0)
    ValueError: flatten: start_dim 1 lies behind end_dim 0 in shape (2, 3)
z(2).mT
    ValueError: mT: needs at least two axes, the shape is (2,)
z(0).amax()
    IndexError: amax: axis 0 of shape (0,) is empty, so it has no extreme
z(2, 0).max(1)
    IndexError: max: axis 1 of shape (2, 0) is empty, so it has no extreme
z(0).argmin()
    IndexError: argmin: axis 0 of shape (0,) is empty, so it has no extreme
z(3).norm("nuc")
    NotImplementedError: norm: the nuclear norm 'nuc' is not offered
z(3).norm("x")
    ValueError: norm: p must be a number, 'fro' or None, got 'x'
"""

SHAPES = """
z(2, 3).reshape(4)
    ValueError: reshape: (2, 3) has 6 elements, which do not fit into (4,)
z(2, 3).reshape(-1, 4)
    ValueError: reshape: (2, 3) has 6 elements, which do not fit into (-1, 4)
z(2, 3).reshape(-1, -1)
    ValueError: reshape: (2, 3) has 6 elements, which do not fit into (-1, -1)
z(2, 3).view(1.5)
    TypeError: ...expected ints, got (1.5,)
tg.cat([])
    ValueError: cat: expected at least one tensor, got none
tg.cat([z(2, 3), z(3, 2)])
    ValueError: cat: all sizes but that of dim 0 must agree, got shapes [(2, 3), (3, 2)]
tg.cat([Tensor(1.0)])
    ValueError: cat: 0-d tensors cannot be joined (shapes: [()]); use stack
tg.stack([z(2), z(3)])
    ValueError: stack: expected tensors of one shape, got [(2,), (3,)]
tg.stack([])
    ValueError: stack: expected tensors of one shape, got none
tg.stack([z(2, 3), z(2, 3)], 4)
    IndexError: stack: dim 4 is out of range [-3, 2] for shape (2, 3)
z(5).split(0)
    ValueError: split: the size of a piece must be positive, got 0
z(5).split([2, 2])
    ValueError: split: sections [2, 2] must add up to 5, the size of dim 0 of (5,)
z(5).chunk(0)
    ValueError: chunk: the number of chunks must be positive, got 0
tg.pad(z(3), (1,))
    ValueError: pad: expected pairs (before, after) for at most 1 axes, got (1,)
tg.pad(z(3), (3, 3), "reflect")
    ValueError: pad: mode 'reflect' can pad an axis of length 3 by at most 2, got (3, 3)
tg.pad(z(3), (4, 0), "circular")
    ValueError: pad: mode 'circular' can pad an axis of length 3 by at most 3
tg.pad(z(3), (1, 1), "wrap")
    NotImplementedError: pad: mode must be constant, reflect, replicate or circular, got 'wrap'
tg.pad(z(3), (-2, -2))
    ValueError: pad: (-2, -2) crops more than shape (3,) has
tg.pad(z(3), (1, 1), "reflect", 2.0)
    ValueError: pad: mode 'reflect' takes no value, got 2.0
"""

INDEXING = """
z(3)[5]
    IndexError: x[index]: index 5 is out of bounds for axis 0 with size 3 (x: (3,))
z(3)[0, 0]
    IndexError: x[index]: too many indices...(x: (3,))
z(3)[1.0]
    IndexError: x[index]: only integers, slices...(x: (3,))
z(3)[z(2)]
    IndexError: x[index]: an index array must hold integers or bools, not float32...(x: (3,))
z(3)[[True, False]]
    IndexError: x[index]: boolean index did not match...(x: (3,))
tg.ops.setitem(z(3), 5, 1.0)
    IndexError: x[index] = value: index 5 is out of bounds...(x: (3,))
tg.ops.setitem(z(3), slice(0, 2), z(3))
    ValueError: ...could not broadcast...from shape (3,) into shape (2,) (x: (3,), value: (3,))
z(3).gather(0, z(2))
    ValueError: gather: index must be integers whose shape fits inside (3,) apart from dim 0
z(3).gather(0, Tensor([5]))
    IndexError: gather: index must lie in [0, 3) along dim 0
z(3).gather(0, Tensor([-1]))
    IndexError: gather: index must lie in [0, 3) along dim 0
tg.ops.take_along_dim(z(3), z(3), 0)
    ValueError: take_along_dim: indices must be integers with as many axes as x (3,), got float32 of shape (3,)
tg.ops.take_along_dim(z(2, 3), Tensor([0]), 0)
    ValueError: take_along_dim: indices must be integers with as many axes as x (2, 3), got int64 of shape (1,)
"""

LOSSES = """
F.mse_loss(z(3), z(4))
    ValueError: mse_loss: x (3,) and target (4,) do not have one shape
F.mse_loss(z(3), z(3), reduction="avg")
    ValueError: mse_loss: reduction must be 'mean', 'sum' or 'none', got 'avg'
F.nll_loss(z(2, 3), Tensor([0, 5]))
    IndexError: nll_loss: target 5 is out of range for 3 classes
F.nll_loss(z(2, 3), z(2))
    TypeError: nll_loss: class indices should be integers, got float32
F.nll_loss(z(2, 3), Tensor([0]))
    ValueError: nll_loss: x of shape (2, 3) needs a target of shape (2,), got (1,)
F.cross_entropy(z(2, 3), Tensor([0, 1]), z(4))
    ValueError: cross_entropy: weight should have shape (3,), got (4,)
F.cross_entropy(z(2, 3), z(2, 4))
    ValueError: cross_entropy: probabilities should have x's shape (2, 3), got (2, 4)
F.cross_entropy(z(2, 3), Tensor([0, 1]), label_smoothing=2.0)
    ValueError: cross_entropy: label_smoothing must lie in [0, 1], got 2.0
F.binary_cross_entropy(z(3) + 2, z(3))
    ValueError: binary_cross_entropy: probabilities must lie in [0, 1]; for logits use ...
F.binary_cross_entropy(z(3), z(4))
    ValueError: ...x and target should have one shape, got (3,) and (4,)
F.smooth_l1_loss(z(3), z(3), beta=-1.0)
    ValueError: smooth_l1_loss: beta must not be negative, got -1.0
F.huber_loss(z(3), z(3), delta=0.0)
    ValueError: huber_loss: delta must be positive, got 0.0
"""

LAYERS = """
F.batch_norm(z(1, 3), None, None, training=True)
    ValueError: ...training needs more than one value per channel...(1, 3)
F.batch_norm(z(4, 3), None, None)
    ValueError: batch_norm: running_mean and running_var are needed when not training
F.batch_norm(z(4, 3), z(2), z(2))
    ValueError: batch_norm: running_mean should have shape (3,) to fit x (4, 3), got (2,)
F.layer_norm(z(4, 3), (4,))
    ValueError: layer_norm: x of shape (4, 3) should end in normalized_shape (4,)
F.layer_norm(z(4, 3), (3,), z(4))
    ValueError: layer_norm: weight should have shape (3,), got (4,)
F.dropout(z(3), 1.5)
    ValueError: dropout: p is a probability and must lie in [0, 1], got 1.5
F.gelu(z(3), "fast")
    ValueError: gelu: approximate must be 'none' or 'tanh', got 'fast'
"""

KINDS = """
F.relu(None)
    TypeError: relu: expected a Tensor, an array or a number, got NoneType
tg.exp([1.0])
    TypeError: exp: expected a Tensor, an array or a number, got list
z(3) + "a"
    TypeError: add: expected a Tensor, an array or a number, got str
z(3).to("complex64")
    TypeError: to: a tensor holds floats, integers or bools, not complex64
z(3).clamp()
    TypeError: clamp: at least one of min and max must be given
Tensor([1, 2]) ** (-1)
    ValueError: pow: Integers to negative integer powers are not allowed. (a: (2,), b: ())
z(3) & z(3)
    TypeError: bitwise_and: ...
"""

FAMILIES = {
    "broadcasting": BROADCASTING,
    "products": PRODUCTS,
    "convolution": CONVOLUTION,
    "pooling": POOLING,
    "axes": AXES,
    "shapes": SHAPES,
    "indexing": INDEXING,
    "losses": LOSSES,
    "layers": LAYERS,
    "kinds": KINDS,
}
CASES = [
    pytest.param(call, error.strip(), id=f"{family}: {call}")
    for family, table in FAMILIES.items()
    for call, error in zip(table.strip().splitlines()[::2], table.strip().splitlines()[1::2], strict=True)
]


@pytest.mark.parametrize(("call", "error"), CASES)
def test_the_message_says_it_in_full(call: str, error: str) -> None:
    kind, message = error.split(": ", 1)
    pattern = "^" + re.escape(message).replace(re.escape("..."), ".*")
    with pytest.raises(getattr(builtins, kind), match=pattern):
        eval(call, NAMES)


def test_a_loss_that_would_meet_every_output_with_every_target_warns() -> None:
    with pytest.warns(UserWarning, match=r"mse_loss: x \(2, 1\) and target \(2,\) are broadcast to \(2, 2\)"):
        F.mse_loss(tg.zeros(2, 1), tg.zeros(2))

"""One valid call of every public function, and the values that stand in for each of its arguments in turn."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

CALLS = """
tg.add(x, y)
tg.sub(x, y)
tg.mul(x, y)
tg.div(x, y)
tg.floor_divide(x, y)
tg.remainder(x, y)
tg.pow(p, y)
tg.maximum(x, y)
tg.minimum(x, y)
tg.exp(x)
tg.log(p)
tg.log1p(p)
tg.expm1(x)
tg.sqrt(p)
tg.rsqrt(p)
tg.square(x)
tg.abs(x)
tg.sign(x)
tg.reciprocal(p)
tg.sin(x)
tg.cos(x)
tg.tanh(x)
tg.sigmoid(x)
tg.erf(x)
tg.neg(x)
tg.clamp(x, -1.0, 1.0)
tg.where(m, x, y)
tg.sum(x, dim=1, keepdim=True)
tg.mean(x, dim=1, keepdim=True)
tg.var(x, dim=1, correction=1, keepdim=True)
tg.std(x, dim=1, correction=1, keepdim=True)
tg.prod(x, dim=1, keepdim=True)
tg.amax(x, dim=1, keepdim=True)
tg.amin(x, dim=1, keepdim=True)
tg.max(x, dim=1, keepdim=True)
tg.min(x, dim=1, keepdim=True)
tg.argmax(x, dim=1, keepdim=True)
tg.argmin(x, dim=1, keepdim=True)
tg.logsumexp(x, dim=1, keepdim=True)
tg.cumsum(x, dim=1)
tg.reshape(x, (4, 3))
x.view(4, 3)
tg.flatten(x, start_dim=0, end_dim=1)
tg.squeeze(x, dim=0)
tg.unsqueeze(x, dim=0)
tg.transpose(x, 0, 1)
tg.permute(x, (1, 0))
tg.flip(x, (0,))
x.expand(2, 3, 4)
tg.broadcast_to(x, (2, 3, 4))
tg.cat([x, y], dim=0)
tg.stack([x, y], dim=0)
tg.split(x, 2, dim=1)
tg.matmul(x, w)
tg.einsum('ij,jk->ik', x, w)
x.masked_fill(m, 2.0)
tg.gather(x, 1, g)
tg.norm(x, p=2, dim=1, keepdim=True)
tg.zeros(2, 3)
tg.ones(2, 3)
tg.full((2, 3), 1.5)
tg.arange(0, 5, 1)
tg.linspace(0.0, 1.0, 5)
tg.eye(3, 4)
tg.tensor([1.0, 2.0])
tg.zeros_like(x)
tg.ones_like(x)
F.relu(x)
F.leaky_relu(x, 0.1)
F.elu(x, 1.0)
F.gelu(x, approximate='none')
F.silu(x)
F.softplus(x, 1.0, 20.0)
F.sigmoid(x)
F.tanh(x)
F.softmax(x, dim=1)
F.log_softmax(x, dim=1)
F.dropout(x, p=0.0, training=True)
F.linear(x, v, b)
F.pad(c, (1, 1, 1, 1), mode='constant', value=0.0)
F.pad(c, (1, 1, 1, 1), mode='reflect')
F.pad(c, (1, 1, 1, 1), mode='replicate')
F.pad(c, (1, 1, 1, 1), mode='circular')
F.conv2d(c, k, kb, stride=1, padding=1, dilation=1, groups=1)
F.conv_transpose2d(c, t, tb, stride=2, padding=1, output_padding=1, groups=1, dilation=1)
F.max_pool2d(c, 2, stride=2, padding=1, dilation=1, ceil_mode=False)
F.avg_pool2d(c, 2, stride=2, padding=1, ceil_mode=False, count_include_pad=True)
F.adaptive_avg_pool2d(c, (2, 2))
F.batch_norm(c, rm, rv, nw, nb, training=False, momentum=0.1, eps=1e-05)
F.batch_norm(c, None, None, nw, nb, training=True, momentum=0.1, eps=1e-05)
F.layer_norm(x, (4,), b4, b4, eps=1e-05)
F.mse_loss(x, y, reduction='mean')
F.l1_loss(x, y, reduction='mean')
F.smooth_l1_loss(x, y, reduction='mean', beta=1.0)
F.huber_loss(x, y, reduction='mean', delta=1.0)
F.cross_entropy(x, i, weight=b4, ignore_index=-100, reduction='mean', label_smoothing=0.1)
F.cross_entropy(x, q, reduction='mean', label_smoothing=0.1)
F.nll_loss(x, i, weight=b4, ignore_index=-100, reduction='mean')
F.binary_cross_entropy(q, q, weight=y, reduction='mean')
F.binary_cross_entropy_with_logits(x, q, weight=y, reduction='mean', pos_weight=b4)
x[1, 2]
x[g]
x[m]
x[:, 1:3]
x + y
x @ w
x ** 2.0
x // y
x % y
abs(x)
nn.Linear(4, 3)(x)
nn.Conv2d(2, 4, 3, stride=1, padding=1, dilation=1, groups=1, bias=True)(c)
nn.ConvTranspose2d(2, 4, 3, stride=1, padding=1, output_padding=0, groups=1, bias=True, dilation=1)(c)
nn.MaxPool2d(2, stride=2, padding=1, dilation=1)(c)
nn.AvgPool2d(2, stride=2, padding=1)(c)
nn.AdaptiveAvgPool2d((2, 2))(c)
nn.BatchNorm2d(2, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)(c)
nn.BatchNorm1d(4)(x)
nn.LayerNorm((4,), eps=1e-05, elementwise_affine=True)(x)
nn.Dropout(0.0)(x)
nn.Dropout2d(0.0)(c)
nn.Flatten(1, -1)(c)
nn.Identity()(x)
nn.Sequential(nn.Identity())(x)
nn.ModuleList([nn.Identity()])
nn.LeakyReLU(0.1)(x)
nn.ELU(1.0)(x)
nn.Softmax(dim=1)(x)
nn.CrossEntropyLoss(weight=b4, ignore_index=-100, reduction='mean', label_smoothing=0.1)(x, i)
nn.SmoothL1Loss(reduction='mean', beta=1.0)(x, y)
nn.HuberLoss(reduction='mean', delta=1.0)(x, y)
nn.BCEWithLogitsLoss(pos_weight=b4)(x, q)
nn.init.uniform_(x, 0.0, 0.0)
nn.init.normal_(x, 0.0, 0.0)
nn.init.constant_(x, 2.0)
nn.init.kaiming_uniform_(k, a=0.0, mode='fan_in', nonlinearity='leaky_relu')
nn.init.xavier_uniform_(k, gain=1.0)
optim.SGD([P], lr=0.1, momentum=0.9, dampening=0.0, weight_decay=0.0, nesterov=False)
optim.Adam([P], lr=0.1, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0, amsgrad=False)
optim.AdamW([P], lr=0.1, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.01)
optim.RMSprop([P], lr=0.01, alpha=0.99, eps=1e-08, weight_decay=0, momentum=0, centered=False)
optim.Adagrad([P], lr=0.01, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=1e-10)
nn.utils.clip_grad_norm_([P], 1.0, norm_type=2.0)
nn.utils.clip_grad_value_([P], 1.0)
tg.eq(x, y)
tg.ne(x, y)
tg.lt(x, y)
tg.le(x, y)
tg.gt(x, y)
tg.ge(x, y)
tg.logical_and(m, m)
tg.logical_or(m, m)
tg.logical_xor(m, m)
tg.logical_not(m)
tg.bitwise_and(m, m)
tg.bitwise_or(m, m)
tg.bitwise_xor(m, m)
tg.bitwise_not(m)
tg.isnan(x)
tg.isinf(x)
tg.isfinite(x)
tg.floor(x)
tg.ceil(x)
tg.round(x)
tg.any(m, dim=1, keepdim=True)
tg.all(m, dim=1, keepdim=True)
tg.chunk(x, 2, dim=1)
tg.clone(x)
tg.take_along_dim(x, g, dim=1)
tg.softmax(x, dim=1)
x.T
F.dropout2d(c, p=0.0, training=True)
nn.GELU(approximate='none')(x)
nn.Softplus(1.0, 20.0)(x)
nn.LogSoftmax(dim=1)(x)
nn.ReLU()(x)
nn.SiLU()(x)
nn.Sigmoid()(x)
nn.Tanh()(x)
nn.MSELoss(reduction='mean')(x, y)
nn.L1Loss(reduction='mean')(x, y)
nn.NLLLoss(weight=b4, ignore_index=-100, reduction='mean')(x, i)
nn.BCELoss(weight=y, reduction='mean')(q, q)
nn.ModuleDict({'a': nn.Identity()})
nn.init.trunc_normal_(x, 0.0, 1.0, -2.0, 2.0)
nn.init.ones_(x)
nn.init.zeros_(x)
nn.init.eye_(x)
nn.init.dirac_(k, 1)
nn.init.calculate_gain('leaky_relu', 0.1)
nn.init.xavier_normal_(k, gain=1.0)
nn.init.kaiming_normal_(k, a=0.0, mode='fan_in', nonlinearity='leaky_relu')
nn.init.orthogonal_(x, gain=1.0)
nn.init.sparse_(x, 0.5, std=0.01)
nn.utils.parameters_to_vector([x, y])
nn.utils.vector_to_parameters(tg.zeros(24), [x, y])
optim.lr_scheduler.StepLR(O, 2, gamma=0.1)
optim.lr_scheduler.MultiStepLR(O, [1, 2], gamma=0.1)
optim.lr_scheduler.ExponentialLR(O, 0.9)
optim.lr_scheduler.ConstantLR(O, 0.5, 5)
optim.lr_scheduler.LinearLR(O, 0.5, 1.0, 5)
optim.lr_scheduler.CosineAnnealingLR(O, 5, 0.0)
optim.lr_scheduler.OneCycleLR(O, 0.1, total_steps=5, pct_start=0.3)
optim.lr_scheduler.ReduceLROnPlateau(O, 'min', 0.1, 10)
optim.lr_scheduler.LambdaLR(O, abs)
optim.lr_scheduler.SequentialLR(O, [optim.lr_scheduler.StepLR(O, 2)], [])
tg.manual_seed(0)
tg.set_num_threads(1)
tg.rand(2, 3)
tg.randn(2, 3)
tg.from_numpy(a)
x.to(INT64)
x.type_as(y)
x.where(m, y)
x.split(2, dim=1)
x.permute(1, 0)
""".strip().splitlines()

BAD = [
    *("None", "'x'", "-1", "0", "1", "2", "3", "-5", "99", "1.5", "0.0", "-0.5", "nan", "inf", "True", "10**15", "1j"),
    *("[]", "()", "(0,)", "(0,0)", "(-1,)", "(1,1)", "(1,2,3)", "(5,5)", "[1.0,2.0]", "[x]", "{}", "slice(None)"),
    *("e0", "e03", "e30", "no_rows", "c0", "s", "it", "bt", "dt", "nt", "t3", "t13"),
    *("object()", "'none'", "'sum'", "INT64"),
]


def arrays() -> dict[str, np.ndarray]:
    """The arguments, by the names that they have in the calls: images are c, a kernel is k, class indices are i ..."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    def positive(*shape: int) -> np.ndarray:
        return rng.random(shape).astype(np.float32) + 0.5

    q = positive(3, 4)
    return {
        "x": normal(3, 4),
        "y": normal(3, 4) + 3,
        "p": positive(3, 4),
        "q": q / q.sum(1, keepdims=True),
        "m": rng.random((3, 4)) > 0.5,
        "w": normal(4, 2),
        "v": normal(2, 4),
        "b": normal(2),
        "b4": positive(4),
        "g": np.array([[0, 1, 2, 1], [2, 1, 0, 0], [1, 1, 2, 0]]),
        "i": np.array([0, 3, 1]),
        "c": normal(2, 2, 6, 5),
        "k": normal(4, 2, 3, 3),
        "kb": normal(4),
        "t": normal(2, 4, 3, 3),
        "tb": normal(4),
        "rm": np.zeros(2, np.float32),
        "rv": np.ones(2, np.float32),
        "nw": positive(2),
        "nb": positive(2),
        # bad ones: empty, of no axes, of other types and shapes, of no numbers
        "e0": np.zeros(0, np.float32),
        "e03": np.zeros((0, 4), np.float32),
        "e30": np.zeros((3, 0), np.float32),
        "no_rows": np.zeros((0, 2, 6, 5), np.float32),
        "c0": np.zeros((2, 2, 0, 5), np.float32),
        "s": np.array(1.5, np.float32),
        "it": np.arange(12).reshape(3, 4),
        "bt": np.ones((3, 4), bool),
        "dt": rng.standard_normal((3, 4)),
        "nt": np.full((3, 4), math.nan, np.float32),
        "t3": np.ones(3, np.float32),
        "t13": np.ones((2, 3, 4), np.float32),
    }


def namespace(library: Any, functional: Any, nn: Any, optim: Any, int64: Any) -> dict[str, Any]:
    """What the calls' names mean, anew: with one library's tensors and functions."""
    tensors = {name: library.tensor(array) for name, array in arrays().items()}
    parameter = library.tensor(arrays()["x"], requires_grad=True)
    parameter.grad = library.tensor(arrays()["y"])
    constants = {"nan": math.nan, "inf": math.inf, "INT64": int64}
    optimizer = optim.SGD([library.tensor(arrays()["x"], requires_grad=True)], lr=0.1, momentum=0.9)
    rooms = {"tg": library, "F": functional, "nn": nn, "optim": optim}
    return {**tensors, **constants, **rooms, "P": parameter, "O": optimizer, "a": arrays()["x"]}


def variants(call: str) -> Iterator[str]:
    """The call with each bad value in place of each of its arguments."""
    tree = ast.parse(call, mode="eval")
    bad_values = [ast.parse(value, mode="eval").body for value in BAD]
    for holder, name, old in list(_spots(tree)):
        for bad in bad_values:
            _put(holder, name, bad)
            yield ast.unparse(tree)
        _put(holder, name, old)


def _spots(tree: ast.AST) -> Iterator[tuple[Any, str | int, ast.expr]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from ((node.args, place, old) for place, old in enumerate(node.args))
            yield from ((keyword, "value", keyword.value) for keyword in node.keywords)
        elif isinstance(node, ast.BinOp):
            yield from ((node, side, getattr(node, side)) for side in ("left", "right"))
        elif isinstance(node, ast.Subscript):
            yield node, "slice", node.slice


def _put(holder: Any, name: str | int, value: ast.expr) -> None:
    if isinstance(name, int):
        holder[name] = value
    else:
        setattr(holder, name, value)


OPERATORS = {"Add": "add", "MatMult": "matmul", "Pow": "pow", "FloorDiv": "floor_divide", "Mod": "remainder"}


def functions_of(call: str) -> set[str]:
    """The names of the functions, the layers' classes and the operators that are called."""
    names = set()
    for node in ast.walk(ast.parse(call, mode="eval")):
        if isinstance(node, ast.BinOp):
            names.add(OPERATORS[type(node.op).__name__])
        elif isinstance(node, ast.Subscript):
            names.add("x[index]")
        elif isinstance(node, ast.Call) and isinstance(node.func, (ast.Attribute, ast.Name)):
            names.add(node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id)
    return names

"""One valid call of every public function beside the operations: the engine, modules, optimisers, data, training."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import tinygrad_cnn as tg
from tests.misuse.calls import arrays
from tinygrad_cnn import data, explain, io, nn, optim, train, viz
from tinygrad_cnn.data import splits, transforms

CALLS = """
tg.grad(L, [P], grad_outputs=None, retain_graph=True, create_graph=False, allow_unused=False)
L.backward(None, retain_graph=True, create_graph=False)
tg.gradcheck(square, [Q], order=1, eps=1e-06, atol=1e-05, rtol=0.001)
tg.no_grad(square)
tg.enable_grad(square)
enter(tg.observe(square))
enter(tg.detect_anomaly())
tg.is_grad_enabled()
tg.get_num_threads()
tg.default_generator()
tg.primitive(x=rule)
tg.summary(net, (2, 6, 5), batch_size=1)
tg.draw(L, model=None, title='', depth=None, color_by=None, constants=False, theme='auto', file=None)
tg.draw(net, c, depth=1)
tg.save(state, path, metadata=None)
tg.load(saved)
io.load_metadata(saved)
tg.export_onnx(net, c, path, input_names=None, output_names=None, metadata=None)
enter(tg.profile())
profiled.chrome_trace(path)
tg.Tensor(a, requires_grad=False, dtype=None)
tg.from_dlpack(a)
x.size(0)
x.requires_grad_(True)
x.copy_(y)
x.fill_(2.0)
x.zero_()
x.item
x.tolist()
x.numpy()
x.numel()
x.dim()
x.detach()
x.contiguous()
x.float()
x.double()
x.long()
x.bool()
x.mT
nn.Parameter(a, requires_grad=True)
nn.Buffer(a, persistent=True)
nn.Module().add_module('name', net)
nn.Module().register_parameter('name', nn.Parameter(a))
nn.Module().register_buffer('name', x, persistent=True)
net.register_forward_hook(square)
net.register_forward_pre_hook(square)
net.apply(square)
net.get_submodule('0')
net.load_state_dict(state, strict=True)
net.state_dict()
net.train(True)
net.eval()
net.float()
net.double()
net.requires_grad_(True)
net.zero_grad(set_to_none=True)
list(net.parameters(recurse=True))
list(net.named_parameters('net', recurse=True))
list(net.buffers(recurse=True))
list(net.named_buffers('net', recurse=True))
list(net.modules())
list(net.named_modules(remove_duplicate=True))
list(net.children())
list(net.named_children())
net.append(nn.Identity())
net.extend([nn.Identity()])
nn.ModuleList([net]).insert(0, nn.Identity())
nn.ModuleDict({'a': net}).update({'b': net})
nn.ModuleDict({'a': net}).keys()
nn.ModuleDict({'a': net}).values()
nn.ModuleDict({'a': net}).items()
O.step(None)
O.zero_grad(set_to_none=True)
O.add_param_group({'params': [tg.zeros(2, requires_grad=True)], 'lr': 0.1})
O.load_state_dict(O.state_dict())
A.load_state_dict(A.state_dict())
S.load_state_dict(S.state_dict())
S.step()
S.get_last_lr()
R.step(1.0)
R.load_state_dict(R.state_dict())
optim.decay_weights_only([P], 0.1)
optim.EMA(net, 0.99)
E.update()
enter(E.applied())
E.load_state_dict(E.state_dict())
data.ArrayDataset(images, ages)
data.Dataset().describe(3)
faces.batch([1, 2])
faces.describe(3)
data.Subset(faces, [7, 2])
data.Subset(faces, [7, 2]).batch([1])
data.Relabelled(faces, ages)
data.DataLoader(faces, batch_size=4, shuffle=True, seed=0, drop_last=False, transform=None, prefetch=2)
loader.set_epoch(1, 0)
loader.load_state_dict({'seed': 0, 'epoch': 1, 'batch': 0})
data.SyntheticFaces(2, size=16, seed=0)
drawn.cue_boxes(1)
drawn.traits(1)
drawn.batch([0])
data.UTKFace(folder, image_size=16, cache_dir=cache, limit=4, progress=False)
data.cache_folder(cache)
data.photo_groups(faces)
data.printable('a')
data.read_image(picture, 8)
data.to_float(images)
data.augmentation(['flip', 'shift'])
splits.random(faces, seed=0)
splits.by_photo(faces, seed=0)
splits.from_file(photos, csv)
transforms.Compose([transforms.RandomFlip(0.5)])(images, rng)
transforms.RandomAffine(flip=0.5, shift=0.1, rotate=10.0, scale=0.1)(images, rng)
transforms.RandomFlip(0.5)(images, rng)
transforms.RandomShift(0.1)(images, rng)
transforms.RandomRotation(10.0)(images, rng)
transforms.RandomScale(0.1)(images, rng)
transforms.RandomCrop(8)(images, rng)
transforms.ColourJitter(brightness=0.1, contrast=0.1, colour=0.1)(images, rng)
transforms.RandomBrightness(0.1)(images, rng)
transforms.RandomContrast(0.1)(images, rng)
transforms.RandomColour(0.1)(images, rng)
transforms.RandomErase(0.5, smallest=0.02, largest=0.15)(images, rng)
transforms.Resize(8)(images, rng)
train.train_epoch(net, loader, head, A, None, 'title', max_norm=1.0, average=None, so_far=None, after_step=None)
train.evaluate(net, loader, head, 'title', flip=False)
train.Regression(33.0, 20.0)
train.Regression.of(ages)
train.Regression(33.0, 20.0).loss(out, age)
train.Regression(33.0, 20.0).predict(out)
train.ExpectedAge(oldest=9, sigma=2.0, l1_weight=1.0)
train.ExpectedAge(oldest=9).targets(ages)
train.ExpectedAge(oldest=3).loss(x, age3)
train.ExpectedAge(oldest=3).predict(x)
train.Classes('season', ('warm', 'cold', 'wet', 'dry'))
train.Classes('season', ('warm', 'cold', 'wet', 'dry')).loss(x, i)
train.Classes('season', ('warm', 'cold', 'wet', 'dry')).predict(x)
train.Binary('coin', ('heads', 'tails'))
train.Binary('coin', ('heads', 'tails')).loss(out, coin)
train.Binary('coin', ('heads', 'tails')).predict(out)
train.Several((train.ExpectedAge(oldest=2), train.Binary('coin', ('heads', 'tails'))), (1.0, 2.0))
train.Several((train.ExpectedAge(oldest=2), train.Binary('coin', ('heads', 'tails'))), (1.0, 2.0)).loss(x, both)
train.Several((train.ExpectedAge(oldest=2), train.Binary('coin', ('heads', 'tails'))), (1.0, 2.0)).predict(x)
train.Several((train.ExpectedAge(oldest=2), train.Binary('coin', ('heads', 'tails'))), (1.0, 2.0)).split_outputs(x)
train.AgeErrors().update([23.0, 31.0], [20, 35])
train.Confusion(('cat', 'dog')).update([[0.9, 0.1]], [0])
counted.errors.words(units=True)
train.Pass(train.AgeErrors()).add(0.5, ages, ages)
train.Pass(train.AgeErrors()).load_state_dict(counted.state_dict())
train.AgeModel(net, 6, head, 29.0, 'faces', False).metadata()
model.see(c)
train.flip_average(net, c)
model.predict(small)
train.load_age_model(trained, {'Sequential': network})
train.load_head({'head': 'expected', 'oldest_years': '9'})
train.fingerprint(['a.jpg'])
train.environment()
enter(train.interrupts_wait())
enter(train.sigterm_stops())
train.EarlyStopping(patience=3)
train.EarlyStopping(patience=3).update(1.5)
train.EarlyStopping(3).load_state_dict(train.EarlyStopping(3).state_dict())
train.Checkpoints(new_folder, every=3)
train.Checkpoints(new_folder).write({'a': 1})
train.Checkpoints(new_folder).step(dict)
run.write('a.txt', 'text')
run.write_json('a.json', {'a': 1})
run.log('line')
run.say('line')
run.append_history({'epoch': 1})
run.write_history([{'epoch': 1}])
run.write_weights('a.safetensors', state, {'a': 'b'})
run.write_figure('a.png', figure)
viz.plot_history(history, 15.0, 'title')
viz.plot_predictions(images, ages, ages, 'title')
viz.plot_scatter(ages, ages, 'title')
viz.plot_error_by_age(ages, ages, 29.0, 'title')
viz.plot_confusion([[40, 10], [5, 45]], ['male', 'female'], 'title')
viz.plot_filters(k[:, :1], 'title')
explain.saliency(net, c, None)
explain.smooth_grad(net, c, None, noise=0.1, samples=2, generator=rng)
explain.grad_cam(net, c, '0', None)
explain.occlusion(net, c, 3, 2, None, fill=0.0)
explain.feature_maps(net, c)
""".strip().splitlines()


def square(*inputs: Any) -> Any:
    return inputs[0] * inputs[0] if len(inputs) == 1 and isinstance(inputs[0], tg.Tensor) else None


def enter(context: Any) -> None:
    with context:
        pass


def network(*_: Any) -> nn.Module:
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36, 1))


class Names(dict[str, Any]):
    """What the calls' names mean, each made when it is first asked for. Files lie in the current folder."""

    def __missing__(self, name: str) -> Any:
        if name in NAMES:
            value = NAMES[name](self)
        elif name in ARRAYS:
            value = tg.tensor(ARRAYS[name])
        else:
            raise KeyError(name)
        self[name] = value
        return value


ARRAYS = arrays()
NAMES: dict[str, Callable[[Names], Any]] = {
    **{room.__name__.rpartition(".")[2]: lambda _, room=room: room for room in (data, explain, io, nn, optim, train)},
    **{room.__name__.rpartition(".")[2]: lambda _, room=room: room for room in (splits, transforms, viz)},
    "tg": lambda _: tg,
    "nan": lambda _: math.nan,
    "inf": lambda _: math.inf,
    "INT64": lambda _: np.int64,
    "a": lambda _: ARRAYS["x"].copy(),
    "square": lambda _: square,
    "rule": lambda _: lambda g: g,
    "enter": lambda _: enter,
    "network": lambda _: network,
    # the engine
    "P": lambda _: tg.tensor(ARRAYS["x"], requires_grad=True),
    "Q": lambda _: tg.tensor(ARRAYS["t3"], requires_grad=True),
    "L": lambda names: (names["P"] * names["P"]).sum(),
    "profiled": lambda names: profiled(),
    # modules, optimisers, schedules
    "net": lambda _: network(),
    "state": lambda names: names["net"].state_dict(),
    "O": lambda names: stepped(optim.SGD([names["P"]], lr=0.1, momentum=0.9)),
    "A": lambda names: optim.Adam(names["net"].parameters()),
    "S": lambda names: optim.lr_scheduler.StepLR(names["O"], 2),
    "R": lambda names: optim.lr_scheduler.ReduceLROnPlateau(names["O"]),
    "E": lambda names: optim.EMA(names["net"]),
    # files
    "path": lambda _: "file",
    "saved": lambda names: saved("saved.safetensors", names["state"]),
    "trained": lambda names: saved("trained.safetensors", names["state"], names["model"].metadata()),
    "new_folder": lambda _: new_folder(),
    "cache": lambda _: "cache",
    # data
    "images": lambda _: np.random.default_rng(0).integers(256, size=(10, 16, 16, 3)).astype(np.uint8),
    "small": lambda names: np.ascontiguousarray(names["images"][:, :6, :5, :2]),
    "ages": lambda _: np.arange(10, dtype=np.float32),
    "faces": lambda names: data.ArrayDataset(names["images"], names["ages"]),
    "rng": lambda _: np.random.default_rng(0),
    "picture": lambda _: picture("picture.png"),
    "folder": lambda _: photos_in("photos"),
    "photos": lambda names: data.UTKFace(names["folder"], 16, "cache", progress=False),
    "csv": lambda _: text("split.csv", "file,split\n1_0_0_0.png,train\n"),
    "drawn": lambda _: data.SyntheticFaces(2, 16),
    # training
    "floats": lambda _: data.ArrayDataset(ARRAYS["c"], np.array([20.0, 30.0], np.float32)),
    "loader": lambda names: data.DataLoader(names["floats"], 2, prefetch=0),
    "head": lambda _: train.Regression(33.0, 20.0),
    "model": lambda names: train.AgeModel(names["net"], 6, names["head"], 29.0, "faces"),
    "counted": lambda names: counted(names["ages"]),
    "out": lambda _: tg.tensor(ARRAYS["x"][:, :1]),
    "age": lambda _: tg.tensor([20.0, 30.0, 40.0]),
    "age3": lambda _: tg.tensor([0.0, 1.0, 3.0]),
    "coin": lambda _: tg.tensor([0.0, 1.0, 1.0]),
    "both": lambda _: tg.tensor([[0.0, 1.0], [1.0, 1.0], [2.0, 0.0]]),
    "run": lambda _: train.RunFolder(new_folder(), tell=lambda *_, **__: None),
    "figure": lambda _: FIGURE,
    "history": lambda _: {name: [1.0, 2.0] for name in HISTORY},
}
FIGURE = viz.plot_scatter([20.0, 30.0], [25.0, 30.0])
HISTORY = ("epoch", "train_loss", "val_loss", "train_mae_years", "val_mae_years")


def profiled() -> tg.profile:
    with tg.profile() as result:
        tg.ones(2) + 1
    return result


def stepped(optimizer: optim.Optimizer) -> optim.Optimizer:
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = tg.ones_like(p)
    optimizer.step()
    return optimizer


def saved(name: str, state: dict[str, np.ndarray], about: dict[str, str] | None = None) -> str:
    tg.save(state, name, about)
    return name


def new_folder() -> str:
    return tempfile.mkdtemp(dir=".")


def text(name: str, content: str) -> str:
    Path(name).write_text(content)
    return name


def picture(name: str, seed: int = 0) -> str:
    cv2.imwrite(name, np.random.default_rng(seed).integers(256, size=(20, 20, 3)).astype(np.uint8))
    return name


def photos_in(folder: str) -> str:
    if not Path(folder).exists():
        Path(folder).mkdir()
        for age in range(1, 6):
            picture(f"{folder}/{age}_0_0_0.png", age)
    return folder


def counted(ages: np.ndarray) -> train.Pass:
    result = train.Pass(train.AgeErrors())
    result.add(0.5, ages, ages)
    return result

"""What the graph tests draw, and how they read a drawing's text back."""

from __future__ import annotations

import html
import re

import numpy as np

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from tinygrad_cnn import nn


def zeros(*shape):
    return tg.Tensor(np.zeros(shape, np.float32))


def small_network():
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))


class Net(nn.Module):
    """The README's first example."""

    def __init__(self):
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.out = nn.Linear(64, 1)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv(x)), 2)
        return self.out(x.flatten(1))


class Recurrent(nn.Module):
    """One layer applied three times, one once."""

    def __init__(self):
        self.cell, self.head = nn.Linear(4, 4), nn.Linear(4, 1)

    def forward(self, x):
        for _ in range(3):
            x = tg.tanh(self.cell(x))
        return self.head(x)


class Block(nn.Module):
    def __init__(self, channels):
        self.conv1, self.norm1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        self.conv2, self.norm2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)

    def forward(self, x):
        return F.relu(x + self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x))))))


class Residual(nn.Module):
    def __init__(self, blocks, channels=4):
        self.stem = nn.Conv2d(3, channels, 3, stride=2, padding=1)
        self.blocks = nn.Sequential(*[Block(channels) for _ in range(blocks)])
        self.head = nn.Linear(channels, 10)

    def forward(self, x):
        return self.head(self.blocks(F.relu(self.stem(x))).mean((2, 3)))


class Shortcut(nn.Module):
    """A residual block that halves the picture, beside a convolution that does the same."""

    def __init__(self, inputs, outputs):
        self.conv1, self.norm1 = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.BatchNorm2d(outputs)
        self.conv2, self.norm2 = nn.Conv2d(outputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=2), nn.BatchNorm2d(outputs))

    def forward(self, x):
        return F.relu(self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x))))) + self.shortcut(x))


def shortcuts():
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), Shortcut(4, 8), Shortcut(8, 8))


def gradient_penalty(network):
    x = tg.ones(5, 4, requires_grad=True)
    (gradient,) = tg.grad(network(x).sum(), x, create_graph=True)
    return (gradient.square().sum(1).sqrt() - 1).square().mean()


# -- reading a drawing back ---------------------------------------------------------------------------------------


def _lines(label):
    """An HTML-like label's text, line by line."""
    text = html.unescape(re.sub("<[^>]*>", "", label.replace("<br/>", "\n")))
    return tuple(" ".join(line.split()) for line in text.splitlines() if line.strip())


def _labelled(drawing, letter):
    return dict(re.findall(rf"^\s*({letter}\d+) \[label=<(.*)>(?: \w+=.*)?\]$", drawing.source, flags=re.MULTILINE))


def boxes(drawing):
    """Each box's lines of text, by its identity, in order."""
    return {identity: _lines(label) for identity, label in _labelled(drawing, "v").items()}


def texts(drawing):
    return list(boxes(drawing).values())


def names(drawing):
    return [lines[0].split()[0] for lines in texts(drawing)]


def arrows(drawing):
    """Pairs of box identities: an arrow that starts at a shape starts at the box that gives it."""
    source = drawing.source
    drawn = [line for line in source.splitlines() if " -> " in line and "style=invis" not in line]
    pairs = [tuple(re.match(r"\s*(\w+) -> (\w+)", line).groups()) for line in drawn]
    giver = {end: start for start, end in pairs if not end.startswith("v")}  # of shapes and forks

    def origin(start):
        return origin(giver[start]) if start in giver else start

    return [(origin(start), end) for start, end in pairs if end.startswith("v")]


def shapes(drawing):
    """The shapes on the arrows, in order."""
    return [text.strip('"') for text in re.findall(r'^\s*s\d+ \[label=("[^"]*"|\w+)', drawing.source, re.MULTILINE)]


def forks(drawing):
    """The dots where an arrow forks."""
    return re.findall(r"^\s*(f\d+) \[", drawing.source, re.MULTILINE)


def clusters(drawing):
    """Of each box, the titles of the clusters around it, outermost first."""
    title = {identity: " ".join(_lines(label)) for identity, label in _labelled(drawing, "t").items()}
    around, found = [], {}
    for line in drawing.source.splitlines():
        if match := re.search(r"subgraph cluster_(t\d+)", line):
            around.append(title[match[1]])
        elif line.strip() == "}" and around:
            around.pop()
        elif match := re.match(r"\s*(v\d+) \[", line):
            found[match[1]] = tuple(around)
    return found


def inside(drawing):
    """The text of each box's first line -> the titles of the clusters around it."""
    around = clusters(drawing)
    return {lines[0]: around[identity] for identity, lines in boxes(drawing).items()}


def fills(drawing):
    """Each box's fill colour, by its first line."""
    fill = dict(re.findall(r'^\s*(v\d+) \[label=<.*> color="[^"]*" fillcolor="([^"]*)"', drawing.source, re.MULTILINE))
    return {lines[0]: fill[identity] for identity, lines in boxes(drawing).items()}

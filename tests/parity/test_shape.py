"""ops/shape.py beside PyTorch: shapes, axes, joining, parting, gathering, padding."""

from __future__ import annotations

import numpy as np
import pytest

from tests.parity.agreement import agree, agree_in_both_precisions, both_refuse, floats, lines, normal, only_we_refuse


@lines("""
    x.reshape(4, 6)  x.reshape((6, 4))  x.reshape(-1)  x.reshape(2, -1)  x.reshape([3, 8])  x.reshape(shape=(4, -1))
    torch.reshape(x, (8, 3))  torch.reshape(x, shape=(-1,))  x.view(-1, 3)  x.view((2, 12))  x.view(24)
    x.permute(2, 0, 1).reshape(4, -1)  x.reshape(1, 24, 1, 1)  x.flatten()  x.flatten(1)  x.flatten(0, 1)
    x.flatten(start_dim=1)  x.flatten(start_dim=-2, end_dim=-1)  torch.flatten(x, 1)  x.permute(2, 0, 1).flatten(1)
    x.unsqueeze(0)  x.unsqueeze(-1)  x.unsqueeze(dim=1)  torch.unsqueeze(x, 3)  x.unsqueeze(-4)
    x.unsqueeze(1).squeeze(1)  x.unsqueeze(0).unsqueeze(-1).squeeze()  x.squeeze()  x.squeeze(0)  x[:1].squeeze(0)
    x[:1].squeeze(dim=0)  torch.squeeze(x[:1])  x[:1, :1].squeeze((0, 1))  x[:1].squeeze(-3)
    torch.squeeze(x, dim=(0, 1))  x.permute(2, 0, 1)  x.permute((0, 2, 1))  x.permute(-1, 0, -2)
    torch.permute(x, (1, 2, 0))  torch.permute(x, dims=(0, 2, 1))  x.permute(dims=(0, 2, 1))  x.permute([2, 1, 0])
    x.transpose(0, 1)  x.transpose(-1, 0)  torch.transpose(x, 1, 2)  torch.transpose(x, dim0=0, dim1=2)
    x.transpose(dim0=1, dim1=1)  x[0].T  x.mT  x[0, 0].T  x[0].mT  x.flip(0)  x.flip(0, 1)  x.flip((0, -1))
    x.flip([2])  torch.flip(x, (1,))  torch.flip(x, dims=[0, 1, 2])  x.flip(dims=(1,))  x.flip(())
    x.unsqueeze(0).expand(5, 2, 3, 4)  x[:1].expand(3, -1, -1)  x[:1].expand((3, 3, 4))  x.expand(2, 3, 4)
    x[:, :1].expand(2, 5, 4)  x[:, :1].expand(7, 2, 5, 4)  x.expand(2, 2, -1, 4)  x.expand(size=(1, 2, 3, 4))
    x[:1].broadcast_to((3, 3, 4))  torch.broadcast_to(x[:, :1], (2, 5, 4))  torch.broadcast_to(x, size=(6, 2, 3, 4))
    x[:1, :1].expand(0, 1, 4)
""")
def test_shapes_and_axes(line: str) -> None:
    agree_in_both_precisions(line, x=normal(2, 3, 4))


@lines("""
    x.reshape(())  x.reshape(1)  x.reshape(1, 1)  x.flatten()  x.squeeze()  x.squeeze(0)  x.unsqueeze(0)
    x.unsqueeze(-1)  x.permute(())  x.transpose(0, 0)  x.transpose(0, -1)  x.expand(3)  x.expand(2, 3)  x.view(-1)
    x.flip(())  x.flip(0)  x.expand(())
""")
def test_shapes_of_a_0d_tensor(line: str) -> None:
    agree(line, x=floats(1.5))


@lines("""
    x.reshape(3, 0)  x.reshape(0)  x.flatten()  x.reshape(-1, 3)  x.view(0, 2, 5)  x.flatten(0)  x.T
    x.permute(1, 0)  x.flip(0)  x.unsqueeze(0)  x.squeeze()  x.expand(2, 0, 3)  x.reshape(-1)
""")
def test_shapes_of_nothing(line: str) -> None:
    agree(line, x=np.zeros((0, 3)))


@lines("""
    x.reshape(5, 5)  x.reshape(-1, 5)  x.reshape(-1, -1)  x.reshape(-2, 12)  x.view(7)  x.flatten(2, 1)
    x.flatten(3)  x.unsqueeze(4)  x.unsqueeze(-5)  x.squeeze(3)  x.permute(0, 1)  x.permute(0, 1, 1)
    x.permute(0, 1, 3)  x.transpose(0, 3)  x.transpose(0)  x.flip(3)  x.flip(0, 0)  x.expand(2, 3)
    x.expand(3, 3, 4)  x.expand(-1, 2, 3, 4)  x.expand(2, 3, 5)  x.broadcast_to((2, 3, 4, 1))  x[0, 0].mT
    x.reshape(2.0, 12)  x.reshape('a')  x.unsqueeze()  x.unsqueeze(0.5)
""")
def test_shapes_that_both_refuse(line: str) -> None:
    both_refuse(line, x=normal(2, 3, 4))


# -- joining and parting --------------------------------------------------------------------------------


@lines("""
    torch.cat([x, y])  torch.cat((x, y), 0)  torch.cat([x, y, x], dim=0)  torch.cat([x[:2], y], dim=1)
    torch.cat([x[:2], y], -1)  torch.cat([x])  torch.cat([x[:0], y])  torch.cat([x.T, y.T], dim=1)
    torch.cat(tensors=[x, y], dim=0)  torch.cat([x, torch.tensor([])])  torch.cat([torch.tensor([]), x], 1)
    torch.cat([x, y * 2]).sum(0)  torch.stack([x[:2], y])  torch.stack((x[:2], y), 1)
    torch.stack([x[:2], y], dim=-1)  torch.stack([x[0, 0], y[0, 0]])  torch.stack([x, x], -2)
    torch.stack(tensors=[y], dim=2)  torch.split(x, 2)  x.split(1)  x.split(3, dim=1)  torch.split(x, [1, 2])
    x.split([1, 0, 3], dim=1)  x.split((2, 2), -1)  torch.split(x, split_size_or_sections=2, dim=-1)  x.split(10)
    x.split(2, 1)[0]  x.chunk(2)  torch.chunk(x, 3, dim=1)  x.chunk(chunks=5)  x.chunk(2, -1)[1]
    torch.chunk(x, 3, 1)
""")
def test_joining_and_parting(line: str) -> None:
    agree_in_both_precisions(line, x=normal(3, 4), y=normal(2, 4))


def test_joining_and_parting_nothing() -> None:
    agree("torch.cat([x, y], 0)", x=np.zeros((0, 3)), y=normal(2, 3))
    agree("x.split(2)", x=np.zeros((0, 3)))
    agree("x.split(2, 1)", x=np.zeros((0, 3)))
    agree("x.chunk(2)", x=np.zeros((0, 3)))
    agree("x.split([])", x=np.zeros((0, 3)))
    agree("x.split([0, 0])", x=np.zeros((0, 3)))


@pytest.mark.parametrize(
    ("x", "y"),
    [("float32", "float64"), ("int64", "float32"), ("int32", "int64"), ("bool", "float32"), ("uint8", "int64")],
)
@lines("torch.cat([x, y])  torch.stack([x, y])")
def test_joining_types(line: str, x: str, y: str) -> None:
    agree(line, x=np.array([0, 1]).astype(x), y=np.array([1, 0]).astype(y))


@lines("""
    torch.cat([])  torch.cat([x, y])  torch.cat([x, x], 2)  torch.cat([x[0, 0], x[0, 0]])  torch.stack([x, y])
    torch.stack([])  torch.stack([x], 3)  x.split(-1)  x.split([1, 1])  x.split([4, -1])  x.chunk(0)  x.split(0)
    torch.cat([x, 1.0])  torch.cat(x, 0, 1, 2)  torch.cat([x, x[0]])
""")
def test_joining_that_both_refuse(line: str) -> None:
    both_refuse(line, x=normal(3, 4), y=normal(3, 5))


# -- gathering ------------------------------------------------------------------------------------------


@lines("""
    x.gather(0, i)  torch.gather(x, 1, i)  x.gather(dim=-1, index=i)  x.gather(-2, i[:1])  x.gather(0, i[:, :1])
    x.gather(1, i[:0])  x.T.gather(1, i.T)
""")
def test_gathering(line: str) -> None:
    agree_in_both_precisions(line, x=normal(3, 3), i=np.array([[0, 2], [1, 1], [2, 0]]))


def test_gathering_from_a_0d_tensor() -> None:
    agree("x.gather(0, i)", x=floats(2.0), i=np.array(0))
    agree("x.gather(0, i)", x=floats([2.0, 3.0]), i=np.array([1, 1, 0, 1]))


@lines("""
    x.gather(0, i)  x.gather(2, j)  x.gather(0, j.double())  x.gather(1, j[0])  x.gather(1, j - 5)
""")
def test_gathering_that_both_refuse(line: str) -> None:
    both_refuse(line, x=normal(2, 3), i=np.array([[2, 0]]), j=np.array([[0, 1], [1, 0]]))


# -- padding --------------------------------------------------------------------------------------------


@lines("""
    F.pad(x, (1, 2))  F.pad(x, (1, 2, 3, 0))  F.pad(x, [0, 0, 1, 1])  F.pad(x, (1, 1), value=7.0)
    F.pad(x, (1, 1), 'constant', -2)  F.pad(x, (-1, 2))  F.pad(x, (0, -2, 1, -1), value=1)
    F.pad(x, pad=(1, 1, 1, 1, 1, 1), mode='constant', value=0.5)  F.pad(x, (0, 0))  F.pad(x, ())
    F.pad(x, (1, 0), value=-inf)  F.pad(x, (2, 2, 1, 1, 0, 1))  F.pad(x, (1, 2), mode='reflect')
    F.pad(x, (2, 0, 1, 2), mode='reflect')  F.pad(x, (3, 3), 'replicate')  F.pad(x, (5, 1, 0, 4), mode='replicate')
    F.pad(x, (1, 2), mode='circular')  F.pad(x, (4, 4, 3, 2), mode='circular')
    F.pad(x, (2, 1, 0, 0), mode='circular')  F.pad(x, (1, -1), mode='circular')  F.pad(x, (-1, 1), mode='reflect')
    F.pad(x, (-1, -1), mode='replicate')  F.pad(x, (3, -1), mode='reflect')
    F.pad(x[..., :1], (4, -1), mode='replicate')  F.pad(x.transpose(1, 2), (1, 1), mode='reflect')
""")
def test_padding(line: str) -> None:
    agree_in_both_precisions(line, x=normal(2, 3, 4))


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_padding_images(mode: str) -> None:
    agree_in_both_precisions(f"F.pad(x, (1, 2, 2, 1), mode='{mode}')", x=normal(2, 3, 4, 5))


@lines("""
    F.pad(x, (1,))  F.pad(x, (1, 1, 1, 1, 1, 1, 1, 1))  F.pad(x, (4, 0), mode='reflect')
    F.pad(x, (5, 0), mode='circular')  F.pad(x, (-5, 0))  F.pad(x, (1, 1), mode='mirror')  F.pad(x, (-2, -3))
    F.pad(x, (0, 4), mode='reflect')  F.pad(x, (1, 1), mode='reflect', value=1.0)
""")
def test_padding_that_both_refuse(line: str) -> None:
    both_refuse(line, x=normal(2, 3, 4))


@pytest.mark.parametrize(
    ("line", "naming"),
    [
        ("x.gather(0, i, sparse_grad=True)", "sparse_grad"),
        ("x.split(split_size=2)", "split_size"),
        ("torch.cat([x, x], out=torch.zeros(4, 3))", "out"),
        ("x.flatten(0, 1).view(float32)", "view|reshape"),
    ],
)
def test_what_is_not_offered_says_so(line: str, naming: str) -> None:
    only_we_refuse(line, naming, x=normal(2, 3), i=np.array([[0, 1, 0]]))

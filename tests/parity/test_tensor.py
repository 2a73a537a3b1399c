"""tensor.py and creation.py beside PyTorch: making tensors, what they are, and the sweep's own functions."""

from __future__ import annotations

from tests.parity.agreement import agree, both_refuse, lines, normal


@lines("""
    torch.zeros(2, 3)  torch.zeros((2, 3))  torch.zeros([2])  torch.zeros(())  torch.zeros(0, 3)
    torch.zeros(2, dtype=float64)  torch.ones(3)  torch.ones((1, 2), dtype=int64)  torch.full((2, 3), 7.0)
    torch.full((2,), 7)  torch.full((2,), True)  torch.full((), 2.5)  torch.full(size=(2,), fill_value=1.5)
    torch.full((2,), 7, dtype=float64)  torch.eye(3)  torch.eye(2, 3)  torch.eye(n=2, m=2)  torch.arange(5)
    torch.arange(2, 5)  torch.arange(1, 10, 3)  torch.arange(5, 0, -2)  torch.arange(0.0, 1.0, 0.25)
    torch.arange(3.0)  torch.arange(0, 3, 1, dtype=float32)  torch.arange(4, dtype=float64)  torch.arange(0)
    torch.linspace(0, 1, 5)  torch.linspace(-1, 1, steps=4)  torch.linspace(2, 2, 1)
    torch.linspace(start=0, end=3, steps=0)  torch.zeros_like(x)  torch.ones_like(x)
    torch.ones_like(torch.arange(3))  torch.tensor(3)  torch.tensor(3.5)  torch.tensor(True)  torch.tensor([1, 2])
    torch.tensor([1.0, 2.0])  torch.tensor([[1, 2], [3, 4]])  torch.tensor([1, 2.5])  torch.tensor([True, False])
    torch.tensor([])  torch.tensor([[]])  torch.tensor([1, 2], dtype=float32)  torch.tensor(1.5, dtype=float64)
    torch.tensor([1.7], dtype=int64)  torch.tensor([0, 1], dtype=torch.tensor(True).dtype)
    torch.tensor(((1.0,), (2.0,)))  torch.zeros(2, requires_grad=True).requires_grad  torch.tensor([x[0, 0], 2.0])
    torch.tensor([x[0, 0].item(), 2.0])  torch.tensor([x[0, 0].numpy()[()], 2.0])  torch.tensor(x[0, 0].numpy()[()])
    torch.tensor([[1], [2.5]])  torch.tensor([1.0], requires_grad=True)
    torch.tensor(data=[1.0], dtype=float64, requires_grad=True)  torch.rand(2, 3).shape  torch.randn((4,)).shape
    torch.rand(2).requires_grad  torch.rand(0, 3).shape  torch.rand(()).shape
""")
def test_creation(line: str) -> None:
    agree(line, order=0, x=normal(2, 3))


@lines("""
    x.shape[0]  x.size(0)  x.size(-1)  x.size()[1]  tuple(x.size())  x.size(dim=1)  x.ndim  x.dim()  x.numel()
    len(x)  x.requires_grad  x.is_leaf  (x * 2).is_leaf  (x * 2).requires_grad  x.detach().requires_grad
    x[0, 0].item()  x.tolist()  x[0].tolist()  x[0, 0].tolist()  (x > 0).tolist()  (x[0, 0] > 100).item()
    float(x[0, 0])  int(x[0, 0] * 10)  bool(x[0, 0] > 0)  bool(x[:1, :1])  x.sum().item()  list(x.shape)
    (x > 0).sum().item()  x.detach().numpy().shape  x.detach().numpy().sum()  [float(v) for v in x[0]]  x.grad
    x.detach().is_leaf  x.shape == (2, 3)  f'{x[0, 0]:.3f}'  f'{x.sum().item():.2f}'  2 in torch.tensor([1, 2])
    7 in torch.tensor([1, 2])  [1, 2, 3][torch.tensor(1)]  x.dtype == float64  torch.arange(3).dtype == int64
    hash(x) == hash(x)  (x == x).all().item()  x.size(0) * x.size(1)  torch.is_grad_enabled()
    [list(row.shape) for row in x]  all([True, x[0, 0] == x[0, 0]])  max(torch.tensor(1), torch.tensor(2)).item()
    sum(torch.arange(4)).item()  x.T.shape[0]  range(torch.tensor(3))
""")
def test_what_a_tensor_tells(line: str) -> None:
    agree(line, order=0, x=normal(2, 3))


@lines("""
    x.item()  len(x.sum())  bool(x)  float(x)  iter(x.sum())  x.numpy()  torch.arange(3).requires_grad_()
    (x * 2).requires_grad_(False)  torch.tensor('a')  torch.tensor([[1], [2, 3]])  torch.zeros(-1)  torch.zeros(1.5)
    torch.tensor(None)  x.size(5)  torch.tensor([1], requires_grad=True)  torch.from_numpy([1.0])  x.backward()
    x.sum().backward(torch.ones(2))  torch.arange(3).sum().backward()  x.detach().sum().backward()
    y = (x * x).sum(); y.backward(); y.backward(); y  torch.autograd.grad(x.sum(), torch.ones(2))  x += 1; x
    x[0] = 1; x  int([1, 2][x[0, 0]])  torch.autograd.grad((x * 2).sum(), torch.ones(2, requires_grad=True))
    torch.autograd.grad(x * 2, x)  torch.full((2,))  torch.arange()  torch.eye(-1)  torch.linspace(0, 1)
""")
def test_what_both_refuse(line: str) -> None:
    both_refuse(line, order=1, x=normal(2, 3))

"""Tasks of the other contenders: NumPy's matrix product, JAX, HIPS autograd, and imports in fresh interpreters."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

import numpy as np

from . import networks
from .worker import Task


def matrix_product(threads: int) -> Task:
    """NumPy's float32 product on all cores, at the size that is fastest here: the machine's peak. A unit is a flop.

    `threads` was told to BLAS through the environment.
    """

    def product(n: int) -> Task:
        a, b = np.random.default_rng(0).standard_normal((2, n, n), np.float32)
        out = np.empty((n, n), np.float32)
        return Task(lambda: np.matmul(a, b, out=out), 2.0 * n**3)

    def seconds_per_flop(task: Task) -> float:
        best = float("inf")
        for _ in range(4):
            started = time.perf_counter()
            task.step()
            best = min(best, time.perf_counter() - started)
        return best / task.work

    return min((product(n) for n in (768, 1024, 1536, 2048, 3072)), key=seconds_per_flop)


def import_module(threads: int, module: str) -> Task:
    """Seconds for the import statement alone, in a fresh interpreter that finds the bytecode of an earlier one."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    program = f"import time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"

    def step() -> float:
        command = [sys.executable, "-c", program]
        return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)

    step()
    return Task(step, gives_cost=True)


def autograd_chain(threads: int, ops: int) -> Task:
    """As `chain` in torch_like.py."""
    import autograd.numpy as anp
    from autograd import grad

    factor, term = np.full(16, 0.999, np.float32), np.full(16, 0.001, np.float32)

    def function(x: Any) -> Any:
        for _ in range(ops // 2):
            x = x * factor + term
        return anp.sum(x)

    gradient, x = grad(function), np.ones(16, np.float32)

    def check() -> list[float]:
        return [float(np.linalg.norm(gradient(x).astype(np.float64) * np.linspace(1, 2, 16)))]

    return Task(lambda: gradient(x), ops, check)


def jax_training_step(threads: int, batch: int) -> Task:
    """AgeCNN's training step as one compiled function, with AdamW as PyTorch defines it (Loshchilov & Hutter, 2019)."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    rate = networks.LEARNING_RATES["AgeCNN"]
    weights = {name: jnp.asarray(a) for name, a in networks.first_weights(networks.AGE_CNN_SHAPES.items()).items()}
    images, targets = map(jnp.asarray, networks.batch("AgeCNN", batch))

    def loss_of(w: dict[str, Any]) -> Any:
        x = images
        for layer in ("conv1", "conv2", "conv3"):
            x = lax.conv_general_dilated(x, w[f"{layer}.weight"], (1, 1), "SAME")
            x = jnp.maximum(x + w[f"{layer}.bias"][:, None, None], 0)
            x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
        x = jnp.maximum(x.reshape(batch, -1) @ w["fc1.weight"].T + w["fc1.bias"], 0)
        return jnp.mean((x @ w["fc2.weight"].T + w["fc2.bias"] - targets) ** 2)

    def adamw(w: Any, g: Any, mean: Any, square: Any, step: Any) -> tuple[Any, Any, Any]:
        mean, square = 0.9 * mean + 0.1 * g, 0.999 * square + 0.001 * g * g
        size = (mean / (1 - 0.9**step)) / (jnp.sqrt(square / (1 - 0.999**step)) + 1e-8)
        return w * (1 - rate * 1e-2) - rate * size, mean, square

    def update(w: Any, means: Any, squares: Any, step: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(w)
        new = {name: adamw(w[name], gradients[name], means[name], squares[name], step) for name in w}
        return loss, *({name: values[i] for name, values in new.items()} for i in range(3)), step + 1

    compiled = jax.jit(update, donate_argnums=(0, 1, 2))
    zeros = [{name: jnp.zeros_like(a) for name, a in weights.items()} for _ in range(2)]
    state: list[Any] = [weights, *zeros, jnp.asarray(1.0)]

    def step() -> float:
        loss, *state[:] = compiled(*state)
        return float(loss)

    return Task(step, check=lambda: [step() for _ in range(3)])

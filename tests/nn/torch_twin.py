"""A network of ours and the same in PyTorch, written with its functions, on the same weights."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from snnjax.config.schema import Config, ModelConfig
from snnjax.config.split import split
from snnjax.nn import noise
from snnjax.nn.randomness import Randomness
from snnjax.shapes import Problem
from snnjax.step import Batch, Network, apply, init_state, mean_loss

OUTPUTS = 4
Forward = Callable[..., Any]
"""Maps PyTorch, parameters, running moments, inputs and whether to train to outputs."""


def assert_as_in_pytorch(forward: Forward, features: int, *, training: bool, **model: Any) -> None:
    """Compare outputs, loss, gradients and running moments after one pass over 24 rows.

    To float32 rounding: as close to PyTorch's float64 numbers as its own float32 ones are. The
    factor 4 allows for another order of summation, 1e-6 for numbers PyTorch hits exactly.
    """
    torch = pytest.importorskip("torch", reason="PyTorch is an oracle, in the `oracles` extra")
    ours = run_ours(features, training=training, **model)
    theirs, exact = (
        run_torch(torch, forward, ours["start"], training=training, dtype=dtype)
        for dtype in (torch.float32, torch.float64)
    )
    for name in ("outputs", "loss", "gradients", "moments"):
        triples = zip(*(jax.tree.leaves(run[name]) for run in (ours, theirs, exact)), strict=True)
        for number, other, wanted in triples:
            # What is much smaller than the numbers it was made of has their rounding errors.
            size = max(np.abs(wanted).max(), 1e-2)
            error = np.abs(np.asarray(number, np.float64) - wanted).max() / size
            assert error <= max(4 * np.abs(other - wanted).max() / size, 1e-6), name


def run_ours(features: int, *, training: bool, **model: Any) -> dict[str, Any]:
    """Run our network from parameters that are all different from their initial values."""
    program, member = split(Config(model=ModelConfig(**{"dropout": 0.0} | model)))
    problem = Problem("classification", features, OUTPUTS)
    draw = np.random.default_rng(0)
    init = jax.jit(init_state, static_argnums=(0, 1))
    params, extra = init(program, problem, member).network
    params = jax.tree.map(lambda a: a + jnp.float32(0.1) * draw.normal(size=a.shape), params)
    params = jax.tree.map(lambda a: a.astype(jnp.float32), params)
    batch = Batch(
        jnp.asarray(draw.normal(size=(24, features)), jnp.float32),
        jnp.asarray(draw.integers(0, OUTPUTS, 24)),
        jnp.ones(24, bool),
    )
    randomness = Randomness(noise.make_key(jnp.uint32(0)), batch.mask) if training else None

    @jax.jit
    def forward_and_back(params: Any, extra: Any) -> dict[str, Any]:
        gradient = jax.value_and_grad(mean_loss, 2, has_aux=True)
        arguments = (program, problem, params, extra, batch, member, randomness)
        (loss, (_, after)), gradients = gradient(*arguments)
        outputs, _ = apply(program, problem, Network(params, extra), batch.inputs, randomness)
        moments = moments_in(after)
        return {"outputs": outputs, "loss": loss, "gradients": gradients, "moments": moments}

    return {"start": (params, extra, batch), **forward_and_back(params, extra)}


def run_torch(
    torch: Any, forward: Forward, start: Any, *, training: bool, dtype: Any
) -> dict[str, Any]:
    """Run the twin from the same parameters."""
    params, extra, batch = start
    tensor = partial(torch.tensor, dtype=dtype)
    weights = jax.tree.map(lambda a: tensor(np.asarray(a)).requires_grad_(), params)
    moments = jax.tree.map(lambda a: tensor(np.asarray(a)), extra)
    outputs = forward(torch, weights, moments, tensor(np.asarray(batch.inputs)), training)
    targets = torch.tensor(np.asarray(batch.targets)).long()
    loss = torch.nn.functional.cross_entropy(outputs, targets)
    loss.backward()
    return {
        "outputs": outputs.detach().numpy(),
        "loss": loss.detach().numpy(),
        "gradients": jax.tree.map(lambda w: w.grad.numpy(), weights),
        "moments": [moment.numpy() for moment in moments_in(moments)],
    }


def moments_in(extra: Any) -> list[Any]:
    """List the running moments in a network's state, whatever else lies there."""
    paths = jax.tree_util.tree_leaves_with_path(extra)
    return [leaf for path, leaf in paths if path[-1].key in ("mean", "variance")]


def part(tree: Any, *keys: Any) -> Any:
    """Return what lies below some keys; nothing where the tree ends before."""
    for key in keys:
        tree = tree.get(key, {})
    return tree


def affine(params: Any, x: Any) -> Any:
    """Return x @ kernel + bias."""
    return x @ params["kernel"] + params["bias"]


def batch_norm(torch: Any, params: Any, moments: Any, x: Any, training: bool) -> Any:
    """Normalise as PyTorch does, whose momentum 0.1 is what it does not keep; none if none."""
    if "norm" not in params:
        return x
    norm, running = params["norm"], [moments["norm"][name] for name in ("mean", "variance")]
    return torch.nn.functional.batch_norm(
        x, *running, norm["scale"], norm["shift"], training, 0.1, 1e-5
    )


def hidden(
    torch: Any, params: Any, moments: Any, x: Any, training: bool, activation: str = "relu"
) -> Any:
    """Compute one of our hidden layers."""
    x = batch_norm(torch, params, moments, affine(params["linear"], x), training)
    return getattr(torch.nn.functional, activation)(x)

"""How far our networks are from PyTorch's on copied weights: outputs, loss, gradients, moments.

    python benchmarks/equality.py [--depth 8] [--width 256] [--rows 128]

Outputs are those of evaluation; loss, gradients and running moments those of one training step
without dropout. Differences are largest ones, from PyTorch's float64, absolute and as a share of
the largest number of the same array; beside them are those of PyTorch's own float32. Needs the
`oracles` extra.
"""

import argparse
import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

Arrays = Mapping[tuple[str | int, ...], np.ndarray]
KINDS = ("outputs", "loss", "gradients", "moments")
# An array of float64 whose largest number is smaller than this share of all others' is 0.
_ZERO = 1e-12
WITHOUT_DROPOUT = {"dropout": 0.0, "conv_dropout": 0.0}
PRESETS = Path(__file__).resolve().parents[1] / "conf/model"


class Difference(NamedTuple):
    """The largest difference of arrays, absolute and relative to the size of an array."""

    absolute: float
    relative: float


def models() -> list[str]:
    """List the models that there are presets and PyTorch networks of."""
    names = sorted(path.stem for path in PRESETS.glob("*.yaml"))
    return [name for name in names if name != "mlp"]


def preset(name: str, **choices: Any) -> Any:
    """Return the configuration of a model as `conf/model` has it."""
    import yaml

    from snnjax.config.schema import ModelConfig

    content = yaml.safe_load((PRESETS / f"{name}.yaml").read_text())
    return ModelConfig(**content | choices)


def compare(name: str, depth: int = 8, width: int = 256, rows: int = 128, seed: int = 0) -> dict:
    """Compare one model with PyTorch.

    Returns:
        For each of `KINDS`, ours against PyTorch's float64, and PyTorch's float32 against it.
    """
    import torch
    from torch_models import copy_weights, make_network

    config = preset(name, depth=depth, width=width, **WITHOUT_DROPOUT)
    random = np.random.default_rng(seed)
    features, outputs = 8 * 8 if name.startswith("cnn") else 16, 26
    inputs = random.normal(size=(rows, features)).astype(np.float32)
    labels = random.integers(0, outputs, rows)
    network, ours = ours_of(config, inputs, labels, outputs, seed)
    twin = copy_weights(network, make_network(config, features, outputs))
    exact = copy.deepcopy(twin).double()
    theirs = theirs_of(twin, torch.tensor(inputs), torch.tensor(labels))
    wanted = theirs_of(exact, torch.tensor(inputs).double(), torch.tensor(labels))
    return {
        kind: (difference(ours[kind], wanted[kind]), difference(theirs[kind], wanted[kind]))
        for kind in KINDS
        if wanted[kind]
    }


def ours_of(
    config: Any, inputs: np.ndarray, labels: np.ndarray, outputs: int, seed: int
) -> tuple[Any, dict[str, Arrays]]:
    """Return a network with numbers of its own in every place, and what it computes."""
    import jax
    import jax.numpy as jnp

    from snnjax.config.optimization import SgdConfig
    from snnjax.config.schema import TrainingConfig
    from snnjax.config.split import Program
    from snnjax.nn import noise
    from snnjax.nn.randomness import Randomness
    from snnjax.shapes import Problem
    from snnjax.step import Batch, Network, apply, init_state, mean_loss

    program = Program(config, SgdConfig(), TrainingConfig())
    problem = Problem("classification", inputs.shape[1], outputs)
    random = np.random.default_rng(seed)

    def draw(path: Any, leaf: Any) -> jax.Array:
        if leaf.ndim > 1:
            numbers = random.normal(0, np.prod(leaf.shape[:-1]) ** -0.5, leaf.shape)
        elif path[-1].key in ("bias", "shift", "mean"):
            numbers = random.normal(0, 0.1, leaf.shape)
        else:
            numbers = random.uniform(0.9, 1.1, leaf.shape)
        return jnp.asarray(numbers, jnp.float32)

    shapes = jax.eval_shape(lambda: init_state(program, problem, {"seed": 0})).network
    network: Network = jax.tree.map_with_path(draw, shapes)
    mask = jnp.ones(len(inputs), bool)
    batch = Batch(jnp.asarray(inputs), jnp.asarray(labels, jnp.int32), mask)
    randomness = Randomness(noise.make_key(jnp.uint32(seed)), mask)
    step = jax.jit(jax.value_and_grad(mean_loss, 2, has_aux=True), static_argnums=(0, 1))
    (loss, (_, extra)), gradients = step(program, problem, *network, batch, {}, randomness)
    logits, _ = apply(program, problem, network, batch.inputs, None)
    return network, {
        "outputs": {(): np.asarray(logits)},
        "loss": {(): np.asarray(loss)},
        "gradients": flat(gradients),
        "moments": flat(extra),
    }


def theirs_of(model: Any, inputs: Any, labels: Any) -> dict[str, Arrays]:
    """Return what a PyTorch model computes, at the precision of its weights."""
    import torch
    from torch_models import tensors

    logits = model.eval()(inputs).detach().numpy()
    loss = torch.nn.functional.cross_entropy(model.train()(inputs), labels)
    loss.backward()
    moments = [(path, t) for path, t in tensors(model) if path[-1] in ("mean", "variance")]
    return {
        "outputs": {(): logits},
        "loss": {(): loss.detach().numpy()},
        "gradients": {path: t.numpy() for path, t in tensors(model, lambda p: p.grad)},
        "moments": {path: t.numpy() for path, t in moments},
    }


def flat(tree: Any) -> Arrays:
    """Return the leaves of nested dictionaries by their paths."""
    import jax

    leaves, _ = jax.tree.flatten_with_path(tree)
    return {tuple(part.key for part in path): np.asarray(leaf) for path, leaf in leaves}


def difference(some: Arrays, others: Arrays) -> Difference:
    """Return the largest difference between arrays of the same paths.

    Relative to the largest number of its array, or to the largest of all where an array is 0 but
    for rounding, such as the gradients of biases before batch normalisation.
    """
    if some.keys() != others.keys():
        raise KeyError(f"not in both: {sorted(map(str, some.keys() ^ others.keys()))}")
    off = {path: float(np.abs(some[path] - others[path]).max()) for path in some}
    sizes = {path: float(np.abs(others[path]).max()) for path in some}
    largest = max(sizes.values())
    shares = [
        off[path] / (size if size > _ZERO * largest else largest) for path, size in sizes.items()
    ]
    return Difference(max(off.values()), max(shares))


def main() -> None:
    from tables import markdown

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--depth", type=int, default=8)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--rows", type=int, default=128)
    arguments = parser.parse_args()
    body = []
    for name in models():
        for kind, (ours, theirs) in compare(name, **vars(arguments)).items():
            numbers = [f"{number:.1e}" for number in (*ours, *theirs)]
            body.append([name if kind == "outputs" else "", kind, *numbers])
    head = ("model", "of", "absolute", "relative", "PyTorch float32: absolute", "relative")
    print(markdown(head, body))


if __name__ == "__main__":
    main()

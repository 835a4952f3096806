"""What rounding does to the mean and the variance of a SELU network's activations.

    python benchmarks/precision.py --out benchmarks/results/precision.json

32 layers of 256 units at initialisation, 512 rows of N(0, 1) inputs, several seeds: the same
weights and inputs in float64, float32 and bfloat16 products. The differences to float64 are the
largest of the seeds, at some layers and over all.
"""

import argparse
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from machine import describe

from snnjax.config.schema import ModelConfig
from snnjax.nn.mlp import MLP
from snnjax.nn.products import precision_of_products, types_of

LAYERS, UNITS, ROWS, SEEDS = 32, 256, 512, 8
SHOWN = (1, 8, 16, 32)


def moments(precision: str, seed: int) -> np.ndarray:
    """Return mean and variance after every layer, (LAYERS, 2)."""
    config = ModelConfig(depth=LAYERS, width=UNITS, dropout=0.0)
    with types_of(precision), precision_of_products(precision):

        @jax.jit
        def by_layer(seed: jax.Array) -> jax.Array:
            keys = jax.random.split(jax.random.key(seed))
            x = jax.random.normal(keys[0], (ROWS, UNITS), jnp.float32).astype(float)
            found = []
            for layer in MLP(config, UNITS, 2, keys[1]).hidden:
                x = layer(x, None)
                found.append(jnp.stack([x.mean(), x.var()]))
            return jnp.stack(found)

        return np.asarray(by_layer(np.uint32(seed)), np.float64)


def measure() -> dict:
    """Compare both precisions with float64."""
    exact = np.stack([moments("float64", seed) for seed in range(SEEDS)])
    table = {"float64": {"mean": span(exact[..., 0]), "variance": span(exact[..., 1])}}
    for precision in ("float32", "bf16"):
        rounded = np.stack([moments(precision, seed) for seed in range(SEEDS)])
        apart = np.abs(rounded - exact).max(0)
        table[precision] = {
            "largest_difference": dict(
                zip(("mean", "variance"), digits(apart.max(0)), strict=True)
            ),
            "by_layer": {str(n): digits(apart[n - 1]) for n in SHOWN},
        }
    return table


def span(values: np.ndarray) -> list[float]:
    """Return the smallest and the largest."""
    return digits(np.array([values.min(), values.max()]))


def digits(values: np.ndarray) -> list[float]:
    return [float(f"{value:.3g}") for value in values]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    sizes = {"layers": LAYERS, "units": UNITS, "rows": ROWS, "seeds": SEEDS}
    text = json.dumps({"machine": describe(), "network": sizes, "moments": measure()}, indent=2)
    print(text)
    if given.out is not None:
        given.out.write_text(text + "\n")

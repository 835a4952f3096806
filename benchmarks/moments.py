"""Predicted moments and gradients against those of networks drawn at random, depth 32, width 256.

taskset -c 1 python benchmarks/moments.py --out benchmarks/results/moments.json
python benchmarks/moments.py --show --out benchmarks/results/moments.json    # prints the table

Every network is drawn anew for each seed, together with its inputs, N(0, 1), and the weights of
the sum of outputs whose gradient is taken. A unit's mean and variance are over seeds, rows and
units; the gradient is that by net inputs. Dropout is off.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from machine import cpu_name, versions
from tables import markdown

DEPTH, WIDTH, FEATURES, OUTPUTS, ROWS = 32, 256, 256, 10, 32
CASES = {
    "SELU, LeCun normal": {"activation": "selu", "init": "lecun_normal"},
    "ReLU, He normal": {"activation": "relu", "init": "he_normal"},
    "tanh, Glorot uniform": {"activation": "tanh", "init": "glorot_uniform"},
    "sigmoid, normal(0, 1)": {"activation": "sigmoid", "init": "normal"},
}
SHOWN = (1, 2, 4, 8, 16, 32)


def config_of(case: str) -> Any:
    from snnjax.config.schema import ModelConfig

    return ModelConfig(name="mlp", depth=DEPTH, width=WIDTH, dropout=0.0, **CASES[case])


def measurement(case: str) -> Callable[[int], tuple[Any, Any, Any]]:
    """Return what measures one seed: mean, mean square and gradient of every layer."""
    import jax
    import jax.numpy as jnp

    from snnjax.nn.mlp import MLP

    config = config_of(case)

    def one(seed: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        keys = jax.random.split(jax.random.key(seed), 3)
        network = MLP(config, FEATURES, OUTPUTS, keys[0])
        x = jax.random.normal(keys[1], (ROWS, FEATURES))
        readout = jax.random.normal(keys[2], (ROWS, OUTPUTS))

        def cost(added: jax.Array) -> tuple[jax.Array, list[jax.Array]]:
            y, layers = x, []
            for layer, more in zip(network.hidden, added, strict=True):
                y = layer.unit(layer.linear(y) + more)
                layers.append(y)
            return (network.output(y) * readout).sum(), layers

        zeros = jnp.zeros((DEPTH, ROWS, WIDTH))
        gradients, layers = jax.grad(cost, has_aux=True)(zeros)
        y = jnp.stack(layers)
        return y.mean((1, 2)), (y**2).mean((1, 2)), (gradients**2).mean((1, 2))

    compiled = jax.jit(one)
    return lambda seed: compiled(jnp.uint32(seed))


def measure(case: str, seeds: int) -> dict[str, Any]:
    """Return a row of results: for every layer what is predicted and what is measured."""
    import numpy as np

    from snnjax.theory.depth.forecast import forecast
    from snnjax.theory.depth.network import Ends

    began = time.perf_counter()
    predicted = forecast(config_of(case), Ends(FEATURES, OUTPUTS), training=False)
    seconds = time.perf_counter() - began
    assert predicted is not None
    run = measurement(case)
    found = np.array([[np.asarray(part, np.float64) for part in run(n)] for n in range(seeds)])
    mean, square, gradient = found.mean(0)
    errors = found.std(0, ddof=1) / seeds**0.5
    layers = []
    for number, layer in enumerate(predicted):
        assert layer.backward is not None
        assert layer.finite is not None
        layers.append(
            {
                "layer": number + 1,
                "mean": [layer.after.mean, float(mean[number]), float(errors[0, number])],
                "variance": [
                    layer.after.variance,
                    layer.finite.moments.variance,
                    float(square[number] - mean[number] ** 2),
                    float(errors[1, number]),
                ],
                "gradient": [
                    layer.backward.gradient,
                    float(gradient[number]),
                    float(errors[2, number]),
                ],
            }
        )
    return {"seeds": seeds, "prediction_seconds": round(seconds, 3), "layers": layers}


def table_of(rows: dict[str, Any]) -> str:
    """Return predicted against measured, a few layers of each network."""
    head = ["network", "layer", "mean", "measured", "variance", "at width 256", "measured"]
    body = []
    for name, row in rows.items():
        for one in (row["layers"][number - 1] for number in SHOWN):
            mean, variance, gradient = one["mean"], one["variance"], one["gradient"]
            body.append(
                [
                    *(
                        name,
                        str(one["layer"]),
                        f"{round(mean[0], 4) + 0.0:.4f}",
                        _with_error(mean[1:]),
                    ),
                    *(f"{variance[0]:.4g}", f"{variance[1]:.4g}", _with_error(variance[2:])),
                    *(f"{gradient[0]:.3e}", _with_error(gradient[1:])),
                ]
            )
    return markdown([*head, "gradient", "measured"], body)


def _with_error(pair: list[float]) -> str:
    return f"{pair[0]:.4g} +- {pair[1]:.1g}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--show", action="store_true", help="only print what --out holds")
    parser.add_argument("--out", type=Path, required=True, help="JSON file, replaced")
    arguments = parser.parse_args()
    if arguments.show:
        if not arguments.out.exists():
            sys.exit(f"--out {arguments.out}: no such file, nothing was measured yet")
        print(table_of(json.loads(arguments.out.read_text())["tables"]["moments"]))
        return 0
    os.environ["JAX_PLATFORMS"] = "cpu"
    machine = {"cpu": cpu_name(), "cores": 1, "device": "cpu", "versions": versions()}
    machine["date"] = time.strftime("%Y-%m-%d")
    rows = {}
    for case in CASES:
        rows[case] = measure(case, arguments.seeds)
        print(case, flush=True)
    content = {"machine": machine, "tables": {"moments": rows}}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(content, indent=1) + "\n")
    print("\n" + table_of(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())

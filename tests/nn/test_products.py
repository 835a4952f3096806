"""The product of a layer and its gradient against float64, in both precisions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from snnjax.config.schema import ModelConfig
from snnjax.nn import noise
from snnjax.nn.mlp import MLP
from snnjax.nn.products import precision_of_products, product, transposed
from snnjax.nn.randomness import Randomness


def rounded(x: np.ndarray, precision: str) -> np.ndarray:
    """Return `x` in float64, by way of bfloat16 where that is asked for."""
    return np.asarray(jnp.asarray(x, jnp.bfloat16) if precision == "bf16" else x, np.float64)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("fan_in", [3, 64, 600])
@pytest.mark.parametrize("axis", [0, 1])
def test_all_three_products_are_float32_sums_of_rounded_operands(precision, fan_in, axis):
    rng = np.random.default_rng(0)
    shapes = ((32, fan_in), (fan_in, 20), (32, 20))
    x, kernel, upstream = (rng.normal(size=shape).astype(np.float32) for shape in shapes)

    def traced(x, kernel):
        with precision_of_products(precision):
            return product(x, kernel) if axis == 1 else product(x.T, kernel, axis=0).T

    value, pull = jax.vjp(jax.jit(traced), x, kernel)
    a, b, g = (rounded(operand, precision) for operand in (x, kernel, upstream))
    for got, expected in zip((value, *pull(upstream)), (a @ b, g @ b.T, a.T @ g), strict=True):
        assert got.dtype == jnp.float32
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-4)


def test_precision_ends_with_its_block():
    x = jnp.full((1, 1), 1 + 2**-12, jnp.float32)
    with precision_of_products("bf16"):
        assert product(x, x) == 1
    assert product(x, x) > 1


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (12, 16), (33, 11)])
def test_transposed_is_the_transpose(shape):
    x = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape)
    np.testing.assert_array_equal(transposed(jnp.asarray(x)), x.T)


def test_linear_networks_with_dropout_in_bf16():
    """Where nothing but a transpose follows a product, it may not be folded into the product.

    XLA has settled on bfloat16 by then, and has no such kernel on a CPU.
    """
    config = ModelConfig(name="mlp", depth=2, width=6, activation="identity", dropout=0.2)
    x = jnp.asarray(np.random.default_rng(1).normal(size=(16, 5)), jnp.float32)
    randomness = Randomness(noise.make_key(np.uint32(11)), jnp.ones(16, bool))
    model = MLP(config, 5, 3, jax.random.key(2))

    @jax.jit
    def outputs(x):
        with precision_of_products("bf16"):
            return model(x, randomness)

    np.testing.assert_allclose(outputs(x), model(x, randomness), rtol=0, atol=0.1)

"""Decompositions beside one another: the same numbers as JAX's own, and no program that hangs."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from snnjax import decompositions

MATRICES = np.random.default_rng(0).normal(size=(5, 12, 7)).astype(np.float32)


def test_one_matrix_and_many_are_decomposed_as_numpy_does():
    expected = np.linalg.svd(MATRICES, compute_uv=False)
    together = jax.jit(jax.vmap(decompositions.singular_values))(MATRICES)
    np.testing.assert_allclose(together, expected, rtol=1e-5)
    np.testing.assert_allclose(decompositions.singular_values(MATRICES[0]), expected[0], rtol=1e-5)
    u, values, v = jax.vmap(decompositions.svd)(MATRICES[:, :7])
    np.testing.assert_allclose(
        jnp.einsum("nij,nj,njk->nik", u, values, v), MATRICES[:, :7], atol=1e-5
    )
    q, r = jax.vmap(decompositions.qr)(MATRICES)
    np.testing.assert_allclose(q @ r, MATRICES, atol=1e-5)
    unit = jnp.einsum("nij,nik->njk", q, q)
    np.testing.assert_allclose(unit, np.broadcast_to(np.eye(7), unit.shape), atol=1e-5)


SIDE_BY_SIDE = """
import faulthandler, threading
import jax, jax.numpy as jnp
from snnjax import decompositions

faulthandler.dump_traceback_later(120, exit=True)

def work(x, w):
    total = 0
    for i in range(1, 17):
        y = jnp.tanh(x * i) @ w
        y = jnp.tanh(y.sum(0)[None] + y) @ w
        total += jax.vmap(decompositions.singular_values)(y).sum()
    return total

x = jax.random.normal(jax.random.key(0), (8, 64, 64))
w = jax.random.normal(jax.random.key(1), (64, 64))
program = jax.jit(work).lower(x, w).compile()

def run():
    for _ in range(100):
        program(x, w).block_until_ready()

threads = [threading.Thread(target=run, daemon=True) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


@pytest.mark.slow
def test_programs_side_by_side_do_not_wait_for_each_other():
    done = subprocess.run([sys.executable, "-c", SIDE_BY_SIDE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]

"""The gradient noise scale against NumPy's gradients of parts, and where the truth is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import make_dataset, slow_but
from stage import plain, quickly, set_up
from written_out import Network

from snnjax.config.schema import Config, ModelConfig, TrainingConfig
from snnjax.diagnostics.gradient_noise import noise
from snnjax.nn.randomness import Randomness
from snnjax.step import Batch, mean_loss


def of_parts(gradients, counts):
    """Estimate noise from gradients of parts, (parts, numbers), as McCandlish et al. do.

    Their Eq. A.2 with parts of several sizes: the expected square of a part's gradient is
    |G|^2 + tr(Sigma) / size.
    """
    gradients, counts = np.asarray(gradients, np.float64), np.asarray(counts, np.float64)
    count = counts.sum()
    whole = (counts[:, None] * gradients).sum(0) / count
    large, small = (whole**2).sum(), (counts * (gradients**2).sum(1)).sum() / count
    few = count / len(counts)
    trace = (small - large) / (1 / few - 1 / count)
    return trace, large - trace / count


def linear_gradients(stage, size):
    """Return for each of ten parts of the rows the gradient of a network without layers."""
    x, labels = (own[:size] for own in stage.rows())
    logits = Network(Config().model, stage.params | {"hidden": {}}).outputs(x).real
    errors = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    errors[np.arange(len(x)), labels] -= 1
    each = np.concatenate([(x[:, :, None] * errors[:, None, :]).reshape(len(x), -1), errors], 1)
    parts = [part for number in range(10) if len(part := each[number::10])]
    return [part.mean(0) for part in parts], [len(part) for part in parts]


@pytest.mark.parametrize("validation", slow_but([53, 300, 7, 10, 11], 0, 2))
def test_against_gradients_written_out(validation):
    """Of parts of several sizes, and of fewer rows than parts."""
    data = make_dataset(rows=600, counts=(200, validation, 47))
    stage = set_up(plain(depth=0), data)
    seen = stage.see(noise, rows=300)
    trace, square = of_parts(*linear_gradients(stage, 300))
    assert seen["noise_trace"] == pytest.approx(trace, rel=1e-4)
    assert seen["gradient_square"] == pytest.approx(square, rel=1e-3, abs=1e-5)
    if square > 1e-3:
        assert seen["noise_scale"] == pytest.approx(trace / square, rel=1e-3)
    else:
        assert np.isnan(seen["noise_scale"]) == (square < 0)


@pytest.mark.slow
def test_the_number_of_probe_rows_does_not_matter_where_there_are_fewer():
    """In a population the longest split decides it: alone a member must have the same numbers."""
    stage = set_up(plain(depth=1))
    one, other = stage.see(noise, rows=56), stage.see(noise, rows=300)
    for name, value in one.items():
        np.testing.assert_allclose(value, other[name], rtol=1e-4)


@pytest.mark.slow
def test_deep_networks():
    """Against JAX's gradients of the loss, part by part."""
    stage = set_up(plain(depth=2, activation="tanh"))
    x, labels = stage.rows()

    def gradient(x, labels):
        batch = Batch(x, labels, jnp.ones(len(x), bool))

        def mean(params):
            extra, randomness = stage.state.train.network.extra, Randomness(None, batch.mask)
            return mean_loss(
                stage.program, stage.problem, params, extra, batch, stage.member, randomness
            )[0]

        leaves = jax.tree.leaves(jax.grad(mean)(stage.params))
        return jnp.concatenate([leaf.ravel() for leaf in leaves])

    parts = [(x[n::10], labels[n::10]) for n in range(10)]
    found = quickly(lambda parts: [gradient(*part) for part in parts], parts)
    trace, square = of_parts(found, [len(own) for own, _ in parts])
    seen = stage.see(noise)
    assert seen["noise_trace"] == pytest.approx(trace, rel=1e-3)
    assert seen["gradient_square"] == pytest.approx(square, rel=1e-3)


@pytest.mark.slow
def test_it_is_right_on_the_average():
    """Of a linear model, from gradients of all rows: their covariance and their mean.

    Rows are drawn anew 60 times; the means of both estimates lie within four of their deviations.
    """
    everything = make_dataset(rows=20_000, counts=(200, 19_000, 100))
    config = Config(model=ModelConfig(depth=0, dropout=0), training=TrainingConfig(batch_size=32))
    stage = set_up(config, everything)
    x, labels = stage.rows()
    logits = x @ stage.params["output"]["kernel"] + stage.params["output"]["bias"]
    errors = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    errors[np.arange(len(x)), labels] -= 1
    each = np.concatenate([(x[:, :, None] * errors[:, None, :]).reshape(len(x), -1), errors], 1)
    trace, square = each.var(0).sum(), (each.mean(0) ** 2).sum()
    found, program = [], None
    for seed in range(60):
        rows = np.random.default_rng(seed).permutation(everything.rows["validation"])
        indices = np.asarray(stage.arrays.table.indices).copy()
        first = int(stage.arrays.view.first["validation"])
        indices[first : first + len(rows)] = rows

        def look(state, indices):
            table = stage.arrays.table._replace(indices=indices)
            scene = stage.scene(state, 300)
            scene.arrays = stage.arrays._replace(table=table)
            return noise(type(scene)(
                stage.program, stage.problem, stage.member, state, scene.arrays, 300
            ))  # fmt: skip

        program = program or jax.jit(look)
        seen = program(stage.state, indices)
        found.append([float(seen["noise_trace"]), float(seen["gradient_square"])])
    found = np.array(found)
    deviation = found.std(0, ddof=1) / np.sqrt(len(found))
    assert (np.abs(found.mean(0) - [trace, square]) < 4 * deviation).all()
    assert deviation[0] < 0.05 * trace
    assert deviation[1] < 0.2 * square

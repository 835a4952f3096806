"""Monte-Carlo dropout: equal to a loop in float64, and to the law of all masks enumerated."""

import json
from dataclasses import replace
from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import QUIET, make_dataset, slow_but
from scipy.special import expit, softmax, xlogy
from scipy.stats import norm

from snnjax.arrays import Arrays, lay_out
from snnjax.config.schema import Config, DataConfig, ModelConfig, TrainingConfig
from snnjax.config.split import split
from snnjax.constants import ALPHA_PRIME
from snnjax.data.dataset import SPLITS
from snnjax.data.load import load
from snnjax.experiment import run
from snnjax.monte_carlo import predict, score
from snnjax.nn import noise
from snnjax.nn.padding import Used
from snnjax.nn.randomness import Randomness
from snnjax.shapes import Problem
from snnjax.step import MONTE_CARLO_STREAM, Network, apply, init_state

FEATURES, CLASSES = 6, 4
# The chance that a right implementation fails one of the statistical tests, over all numbers in it.
SIGNIFICANCE = 1e-6
jitted = jax.jit(predict, static_argnums=(0, 1))
one_pass = jax.jit(apply, static_argnums=(0, 1))


def make(task="classification", rows=9, rate=0.2, **choices):
    """Draw a network whose rate is a number of its state, so that rates share a program."""
    model = ModelConfig(**{"name": "mlp", "depth": 2, "width": 16, "dropout": 0.2} | choices)
    program, member = split(Config(model=model))
    problem = Problem(task, FEATURES, CLASSES)
    member = jax.tree.map(jnp.asarray, member)
    shapes = jax.eval_shape(lambda: init_state(program, problem, member)).network
    random = np.random.default_rng(0)

    def draw(leaf):
        mean, deviation = (0, leaf.shape[0] ** -0.5) if leaf.ndim == 2 else (1, 0.2)
        return jnp.asarray(random.normal(mean, deviation, leaf.shape), jnp.float32)

    network = Network(jax.tree.map(draw, shapes.params), jax.tree.map(draw, shapes.extra))
    x = 2 * random.normal(size=(rows, FEATURES)).astype(np.float32)
    return program, problem, with_rate(network, rate), jnp.asarray(x)


def with_rate(network, rate):
    """Set the rates in a network's state, and random slopes to their usual range."""
    scalars = {"rate": rate, "low": 1 / 8, "high": 1 / 3}

    def one(path, leaf):
        names = [str(getattr(key, "key", key)) for key in path]
        (value,) = [scalars[name] for name in names if name in scalars] or [leaf]
        return jnp.asarray(value, jnp.float32)

    return Network(network.params, jax.tree_util.tree_map_with_path(one, network.extra))


def key_of(seed=0):
    return noise.make_key(jnp.uint32(seed))


def entropy_of(p):
    return -xlogy(p, p).sum(-1)


def binary_entropy(p):
    return -xlogy(p, p) - xlogy(1 - p, 1 - p)


def in_a_loop(program, problem, network, x, passes, key):
    """Keep every pass, and compute in float64."""
    several = [
        one_pass(program, problem, network, x, Randomness(noise.fold(key, number)))[0]
        for number in range(passes)
    ]
    outputs = np.stack([np.asarray(some, np.float64) for some in several])
    if problem.task == "regression":
        return outputs.mean(0), outputs.std(0)
    if problem.task == "multilabel":
        p = expit(outputs)
        entropy = binary_entropy(p.mean(0))
        return p.mean(0), p.std(0), entropy, entropy - binary_entropy(p).mean(0)
    p = softmax(outputs, axis=-1)
    entropy = entropy_of(p.mean(0))
    return p.mean(0), p.std(0), entropy, entropy - entropy_of(p).mean(0)


@pytest.mark.parametrize("passes", [1, 2, 37])
@pytest.mark.parametrize(
    ("task", "choices"),
    [
        ("classification", {}),
        ("classification", {"norm": "batch", "dropout_kind": "ordinary", "activation": "relu"}),
        ("regression", {}),
        ("multilabel", {}),
    ],
)
def test_it_is_a_loop_over_passes(task, choices, passes):
    arguments = *make(task, **choices), passes, key_of()
    predictions = jitted(*arguments)
    expected = in_a_loop(*arguments)
    for ours, exact in zip(predictions, expected, strict=False):
        np.testing.assert_allclose(ours, exact, rtol=1e-5, atol=2e-6)
    assert len([each for each in predictions[:4] if each is not None]) == len(expected)
    if task == "classification":
        np.testing.assert_allclose(predictions.logits, np.log(expected[0]), rtol=1e-4, atol=1e-5)
    if passes == 1:
        np.testing.assert_array_equal(predictions.spread, 0)


def test_large_predictions_keep_their_spread():
    """Where a sum of squares in float32 would have no digit of it left."""
    *rest, network, x = make("regression")
    params = {**network.params, "output": {**network.params["output"]}}
    params["output"]["bias"] = params["output"]["bias"] + 1e4
    spread = jitted(*rest, network, x, 50, key_of()).spread
    far = jitted(*rest, Network(params, network.extra), x, 50, key_of()).spread
    np.testing.assert_allclose(far, spread, rtol=0.01)


@pytest.mark.parametrize("choices", [{"dropout": 0.0}, {"rate": 0.0}], ids=["no rate", "rate 0"])
def test_without_dropout_the_passes_agree_with_the_evaluation(choices):
    program, problem, network, x = make(**choices)
    predictions = jitted(program, problem, network, x, 20, key_of())
    probabilities = jax.nn.softmax(one_pass(program, problem, network, x, None)[0])
    np.testing.assert_allclose(predictions.mean, probabilities, rtol=2e-6, atol=1e-7)
    entropy = entropy_of(np.asarray(probabilities))
    np.testing.assert_allclose(predictions.entropy, entropy, rtol=1e-5, atol=1e-6)
    assert predictions.spread.max() <= 1e-7
    assert predictions.information.max() <= 1e-6


def test_batch_norm_takes_its_running_moments():
    """A row's passes do not depend on the rows beside it, and do on the moments."""
    program, problem, network, x = make(norm="batch")
    together = jitted(program, problem, network, x, 10, key_of())
    first = jitted(program, problem, network, x.at[2:].multiply(5), 10, key_of())
    for whole, part in zip(together, first, strict=True):
        np.testing.assert_allclose(whole[:2], part[:2], rtol=1e-5, atol=1e-6)
        assert not np.allclose(whole[2:], part[2:])
    moved = jax.tree.map(lambda leaf: leaf + 0.3 if leaf.ndim else leaf, network.extra)
    other = jitted(program, problem, Network(network.params, moved), x, 10, key_of())
    assert not np.allclose(other.mean, together.mean)


@pytest.mark.parametrize("rate", [0.05, 0.5, 0.9])
def test_entropies_stay_in_their_bounds(rate):
    program, problem, network, x = make(rate=rate, rows=200)
    predictions = jitted(program, problem, network, x * 10, 30, key_of())
    entropy, information = np.asarray(predictions.entropy), np.asarray(predictions.information)
    assert ((entropy >= 0) & (entropy <= np.log(CLASSES) + 1e-6)).all()
    assert ((information >= 0) & (information <= entropy)).all()
    assert information.max() > 0.01
    np.testing.assert_allclose(predictions.mean.sum(1), 1, rtol=1e-5)


def test_passes_are_drawn_anew_and_those_of_few_are_the_first_of_many():
    arguments = make()
    one, again, other = (jitted(*arguments, 5, key_of(seed)).mean for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, other)
    passes = [jitted(*arguments, number, key_of()).mean for number in (1, 2)]
    second = 2 * passes[1] - passes[0]
    np.testing.assert_allclose(second.sum(1), 1, rtol=1e-5)
    assert not np.allclose(second, passes[0])


def test_members_may_be_mapped_with_rates_passes_and_keys_of_their_own():
    program, problem, network, x = make()
    passes, keys = jnp.array([3, 8, 5]), jnp.stack([key_of(seed) for seed in range(3)])
    networks = [with_rate(network, rate) for rate in (0.05, 0.2, 0.6)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *networks)
    mapped = jax.jit(jax.vmap(partial(predict, program, problem), in_axes=(0, None, 0, 0)))
    together = mapped(stacked, x, passes, keys)
    for number, one in enumerate(networks):
        alone = jitted(program, problem, one, x, passes[number], keys[number])
        for whole, part in zip(together, alone, strict=True):
            np.testing.assert_allclose(whole[number], part, rtol=1e-5, atol=1e-6)


def test_classes_that_are_padding_have_no_probability_and_change_nothing():
    program, problem, network, x = make()
    padded = Problem("classification", FEATURES, CLASSES + 3, is_padded=True)
    used = Used(jnp.int32(FEATURES), jnp.int32(CLASSES))
    _, member = split(Config())
    member = jax.tree.map(jnp.asarray, member) | {"model.dropout": jnp.float32(0.2)}
    wide = init_state(program, padded, member, used).network
    output = {name: leaf[..., :CLASSES] for name, leaf in wide.params["output"].items()}
    narrow = Network({**wide.params, "output": output}, network.extra)
    ours = jitted(program, padded, wide, x, 12, key_of(), used)
    alone = jitted(program, problem, narrow, x, 12, key_of())
    np.testing.assert_array_equal(ours.mean[:, CLASSES:], 0)
    np.testing.assert_allclose(ours.mean[:, :CLASSES], alone.mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours.entropy, alone.entropy, rtol=1e-5)
    np.testing.assert_allclose(ours.information, alone.information, rtol=1e-4, atol=1e-6)


def all_masks(network, x, rate):
    """Return the probability of every mask of one SELU layer, and its class probabilities."""
    hidden = {
        k: np.asarray(v, np.float64) for k, v in network.params["hidden"][0]["linear"].items()
    }
    output = {k: np.asarray(v, np.float64) for k, v in network.params["output"].items()}
    z = np.asarray(x, np.float64) @ hidden["kernel"] + hidden["bias"]
    y = 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(np.minimum(z, 0)))
    a = ((1 - rate) * (1 + rate * ALPHA_PRIME**2)) ** -0.5
    masks = np.array(list(product([False, True], repeat=y.shape[1])))
    dropped = a * np.where(masks[:, None, :], y, ALPHA_PRIME) - a * rate * ALPHA_PRIME
    weights = np.prod(np.where(masks, 1 - rate, rate), axis=1)
    return weights, softmax(dropped @ output["kernel"] + output["bias"], axis=-1)


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.5])
def test_many_passes_approach_the_law_of_all_masks(rate):
    """Means, variances, mean entropies and information against the 32 masks of five units.

    Each estimate is a mean over independent passes, or a function of means, so that its standard
    error follows from the enumeration: by the delta method, from its influence function.
    """
    passes = 20_000
    program, problem, network, x = make(depth=1, width=5, rate=rate, rows=6)
    weights, p = all_masks(network, x, rate)
    ours = jitted(program, problem, network, x, passes, key_of(7))

    def expect(values):
        return np.tensordot(weights, values, 1)

    mean, entropy = expect(p), entropy_of(p)
    squares = (p - mean) ** 2
    information = entropy_of(mean) - expect(entropy)
    influence = -xlogy(p - mean, mean).sum(-1) - (entropy - expect(entropy))
    most = norm.isf(SIGNIFICANCE / (2 * mean.size + information.size) / 2)
    # The mean's error enters variance and information to the second order as well.
    second = most**2 * expect(squares) / passes
    compared = [
        (ours.mean, mean, p - mean, 0),
        (np.asarray(ours.spread) ** 2, expect(squares), squares - expect(squares), second),
        (ours.information, information, influence, (second / mean).sum(-1) / 2),
    ]
    for estimate, exact, deviation, further in compared:
        error = np.sqrt(expect(deviation**2) / passes)
        allowed = most * error + further + 1e-6  # rounding
        assert (np.abs(np.asarray(estimate, np.float64) - exact) <= allowed).all()


@pytest.mark.parametrize("choices", [{"dropout": 0.0}, {"dropout_kind": "ordinary"}])
def test_rows_given_in_parts_have_the_masks_they_have_together(choices):
    assert_alike_in_parts(*make(activation="rrelu", init="he_normal", **choices))


def test_images_given_in_parts_have_the_slopes_they_have_together():
    """Every position of an image has a slope of its own."""
    program, member = split(
        Config(
            model=ModelConfig(
                name="cnn", depth=1, width=8, activation="rrelu", init="he_normal", dropout=0
            )
        )
    )
    problem, member = Problem("classification", 64, CLASSES), jax.tree.map(jnp.asarray, member)
    network = init_state(program, problem, member).network
    x = jnp.asarray(np.random.default_rng(0).normal(size=(9, 64)), jnp.float32)
    assert_alike_in_parts(program, problem, network, x)


def assert_alike_in_parts(program, problem, network, x):
    together = jitted(program, problem, network, x, 7, key_of())
    assert together.spread.max() > 0.01
    for start in (0, 4):
        rows = slice(start, start + 5)
        part = jitted(program, problem, network, x[rows], 7, key_of(), None, start)
        for whole, some in zip(together, part, strict=True):
            np.testing.assert_allclose(some, whole[rows], rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize(("task", "size"), [("multilabel", 60.0), ("classification", 300.0)])
def test_what_rounds_to_probability_0_has_a_finite_loss(task, size):
    """Labels that far outputs miss: the loss of the passes' mean is about that of the outputs."""
    program, problem, network, x = make(task, rate=0.0, dropout=0.0)
    output = network.params["output"]
    params = {**network.params, "output": {**output, "bias": output["bias"].at[0].set(size)}}
    told = jitted(program, problem, Network(params, network.extra), x, 3, key_of())
    outputs, _ = one_pass(program, problem, Network(params, network.extra), x, None)
    assert np.isfinite(told.logits).all()
    if task == "multilabel":
        np.testing.assert_allclose(told.logits, outputs, rtol=1e-5, atol=1e-5)
    else:
        expected = outputs - jax.scipy.special.logsumexp(outputs, axis=1, keepdims=True)
        np.testing.assert_allclose(told.logits, expected, rtol=1e-5, atol=1e-4)


def trained(name, folder):
    """Train a network and return its metrics."""
    config = Config(
        data=DataConfig(name),
        model=ModelConfig(depth=2, width=16, dropout=0.1),
        training=TrainingConfig(epochs=2, monte_carlo=20),
        logging=QUIET,
    )
    run(config, folder)
    return json.loads((folder / "result.json").read_text())["metrics"]


def test_missing_labels_take_no_part(tmp_path):
    """Two labels of three rows are missing; entropies are means over those that are known."""
    program, problem, network, x = make("multilabel", rows=3)
    targets = np.array([[0, 1, np.nan, 1], [1, 1, 0, 0], [np.nan, 0, 0, 1]], np.float32)
    data = replace(
        make_dataset(
            rows=3, features=FEATURES, classes=CLASSES, counts=(1, 1, 1), task="regression"
        ),
        task="multilabel",
        features=np.asarray(x),
        targets=targets,
        rows={part: np.arange(3, dtype=np.int32) for part in SPLITS},
        tasks=tuple("abcd"),
    )
    layout = lay_out(data)
    program = replace(program, training=replace(program.training, monte_carlo=6))
    member = {"seed": jnp.uint32(0)}
    arrays = Arrays(layout.table, layout.views[0])
    sums = score(program, problem, network, member, arrays, 0, 3, jnp.int32(0), 3)
    told = predict(program, problem, network, x, 6, noise.fold(key_of(), MONTE_CARLO_STREAM))
    known = ~np.isnan(targets)
    p = np.where(targets == 1, told.mean, 1 - np.asarray(told.mean))
    assert float(sums["count"]) == known.sum() == 10
    assert float(sums["loss"]) == pytest.approx(-np.log(p[known]).sum(), rel=1e-5)
    for name in ("entropy", "information"):
        expected = np.asarray(getattr(told, name))[known].sum()
        assert float(sums[name]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", slow_but(["sklearn_digits", "sklearn_diabetes"], 1))
def test_a_run_reports_it(name, tmp_path, monkeypatch):
    """Of validation and test rows, whatever the size of the parts they are scored in."""
    metrics = trained(name, tmp_path / "a")
    assert not any(key.startswith("monte_carlo") for key in metrics["train"])
    monkeypatch.setattr("snnjax.monte_carlo._ROWS", 50)
    monkeypatch.setattr("snnjax.programs._SCORED_ROWS", 70)
    other = trained(name, tmp_path / "b")
    for part in ("validation", "test"):
        single = {key for key in metrics[part] if not key.startswith("monte_carlo")} - {"roc_auc"}
        assert {f"monte_carlo_{key}" for key in single} < metrics[part].keys()
        assert metrics[part] == pytest.approx(other[part], rel=1e-5)
        assert metrics[part]["monte_carlo_loss"] != metrics[part]["loss"]
    if name == "sklearn_digits":
        information, entropy = (
            metrics["test"][f"monte_carlo_{key}"] for key in ("information", "entropy")
        )
        assert 0 < information < entropy < np.log(10)


def test_a_run_reports_the_passes_of_its_network(tmp_path):
    """Few rows, scored at once: the sums are those of `predict`."""
    data = load(DataConfig("sklearn_digits"))
    config = Config(
        model=ModelConfig(depth=1, width=8, dropout=0.2),
        training=TrainingConfig(epochs=1, monte_carlo=9),
    )
    program, numbers = split(config)
    layout = lay_out(data)
    problem, member = layout.problem, jax.tree.map(jnp.asarray, numbers)
    arrays = Arrays(layout.table, layout.views[0])
    network = init_state(program, problem, member).network
    first, count = arrays.view.first["test"], arrays.view.rows["test"]
    sums = jax.jit(score, static_argnums=(0, 1, 8))(
        program, problem, network, member, arrays, first, count, jnp.int32(0), 512
    )
    rows = data.rows["test"]
    x = (data.features[rows].astype(np.float32) - data.shift) * data.scale
    key = noise.fold(noise.make_key(jnp.uint32(0)), MONTE_CARLO_STREAM)
    told = predict(program, problem, network, jnp.asarray(x), 9, key)
    labels = data.targets[rows]
    picked = np.asarray(told.mean)[np.arange(len(rows)), labels]
    assert float(sums["count"]) == len(rows)
    assert float(sums["loss"]) == pytest.approx(-np.log(picked).sum(), rel=1e-5)
    assert float(sums["entropy"]) == pytest.approx(float(told.entropy.sum()), rel=1e-5)
    assert float(sums["information"]) == pytest.approx(float(told.information.sum()), rel=1e-4)
    assert float(sums["correct"].sum()) == (np.asarray(told.mean).argmax(1) == labels).sum()

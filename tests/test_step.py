"""One step: loss, gradients and SGD trajectories equal PyTorch's on copied weights."""

import copy
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import make_dataset, slow_but
from scipy.special import logsumexp

from snnjax import step as step_module
from snnjax.config.optimization import NadamConfig, SgdConfig
from snnjax.config.schema import Config, ModelConfig
from snnjax.config.split import split
from snnjax.optim.losses import cross_entropy
from snnjax.shapes import Problem
from snnjax.step import (
    Batch,
    apply,
    eval_step,
    init_state,
    leading_class,
    mean_loss,
    parameter_count,
    train_step,
)

CASES = {
    "snn": {"activation": "selu", "init": "lecun_normal"},
    "msra": {"activation": "relu", "init": "he_normal"},
}


def make(task="classification", optimizer=None, mask=None, **model):
    config = Config(
        model=ModelConfig(**{"depth": 8, "width": 32, "dropout": 0.0} | model),
        optimizer=optimizer or SgdConfig(learning_rate=0.05),
    )
    data = make_dataset(64, 12, 3, (64, 0, 0), task=task)
    program, member = split(config)
    problem = Problem(task, 12, 3)
    mask = np.ones(64, bool) if mask is None else mask
    batch = Batch(jnp.asarray(data.features), jnp.asarray(data.targets), jnp.asarray(mask))
    return program, problem, member, init_state(program, problem, member), batch


def linears(params):
    hidden = params["hidden"]
    return [*(hidden[i]["linear"] for i in range(len(hidden))), params["output"]]


def torch_twin(torch, params, activation):
    """Build the same network in PyTorch with copied weights."""
    layers = []
    for layer in linears(params):
        linear = torch.nn.Linear(*layer["kernel"].shape)
        linear.weight.data = torch.tensor(np.asarray(layer["kernel"]).T)
        linear.bias.data = torch.tensor(np.asarray(layer["bias"]))
        layers += [linear, torch.nn.SELU() if activation == "selu" else torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def torch_loss(torch, task, model, batch):
    targets, dtype = np.asarray(batch.targets), next(model.parameters()).dtype
    outputs = model(torch.tensor(np.asarray(batch.inputs), dtype=dtype))
    if task == "classification":
        return torch.nn.functional.cross_entropy(outputs, torch.tensor(targets).long())
    return torch.nn.functional.mse_loss(outputs, torch.tensor(targets, dtype=dtype))


TASKS = ("classification", "regression")


@pytest.mark.parametrize(
    ("task", "name", "depth"),
    slow_but([*product(TASKS, CASES, (1, 8, 20))], 1, 4, 8),
)
def test_loss_and_gradients_equal_pytorch(task, name, depth):
    """To float32 rounding: as close to PyTorch's float64 gradients as its own float32 ones are.

    The factor 4 allows for another order of summation, 1e-6 for gradients PyTorch hits exactly.
    """
    torch = pytest.importorskip("torch", reason="PyTorch is an oracle, in the `oracles` extra")
    program, problem, member, state, batch = make(task, depth=depth, **CASES[name])
    params, extra = state.network
    twin = torch_twin(torch, params, CASES[name]["activation"])
    exact = copy.deepcopy(twin).double()
    losses = [torch_loss(torch, task, model, batch) for model in (twin, exact)]
    for loss in losses:
        loss.backward()
    gradient = jax.jit(jax.value_and_grad(mean_loss, 2, has_aux=True), static_argnums=(0, 1))
    (loss, _), gradients = gradient(program, problem, params, extra, batch, member, None)
    assert float(loss) == pytest.approx(losses[1].item(), rel=1e-6)
    for ours, theirs, wanted in zip(
        flat(gradients), torch_gradients(torch, twin), torch_gradients(torch, exact), strict=True
    ):
        size = np.abs(wanted).max()
        error = np.abs(ours - wanted).max() / size
        assert error <= max(4 * np.abs(theirs - wanted).max() / size, 1e-6)


def flat(params):
    layers = linears(params)
    return [np.asarray(layer[name], np.float64) for layer in layers for name in ("kernel", "bias")]


def torch_gradients(torch, model):
    linears = [layer for layer in model if isinstance(layer, torch.nn.Linear)]
    pairs = [(linear.weight.grad.T, linear.bias.grad) for linear in linears]
    return [tensor.double().numpy() for pair in pairs for tensor in pair]


@pytest.mark.parametrize(
    ("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)], ids=str
)
def test_fifty_sgd_steps_equal_pytorch(momentum, nesterov):
    torch = pytest.importorskip("torch", reason="PyTorch is an oracle, in the `oracles` extra")
    optimizer = SgdConfig(learning_rate=0.02, momentum=momentum, nesterov=nesterov)
    program, problem, member, state, batch = make(optimizer=optimizer, depth=3)
    twin = torch_twin(torch, state.network.params, "selu")
    theirs = torch.optim.SGD(twin.parameters(), 0.02, momentum=momentum, nesterov=nesterov)
    step = jax.jit(train_step, static_argnums=(0, 1))
    for _ in range(50):
        theirs.zero_grad()
        loss = torch_loss(torch, "classification", twin, batch)
        loss.backward()
        theirs.step()
        state, sums = step(program, problem, member, state, batch)
        np.testing.assert_allclose(sums["loss"] / sums["count"], loss.item(), rtol=2e-4)


def test_nadam_equals_its_formula():
    """Dozat 2016 with constant momentum, written out in float64 on the same gradients."""
    config = NadamConfig(learning_rate=1e-3)
    program, problem, member, state, batch = make(optimizer=config, depth=2)
    gradient = jax.jit(jax.grad(mean_loss, 2, has_aux=True), static_argnums=(0, 1))
    step = jax.jit(train_step, static_argnums=(0, 1))
    first = second = 0.0
    for t in range(1, 21):
        before = np.concatenate([leaf.ravel() for leaf in flat(state.network.params)])
        gradients, _ = gradient(program, problem, *state.network, batch, member, None)
        g = np.concatenate([leaf.ravel() for leaf in flat(gradients)])
        first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g**2
        ahead = 0.9 * first / (1 - 0.9 ** (t + 1)) + 0.1 * g / (1 - 0.9**t)
        expected = before - 1e-3 * ahead / (np.sqrt(second / (1 - 0.999**t)) + 1e-7)
        state, _ = step(program, problem, member, state, batch)
        ours = np.concatenate([leaf.ravel() for leaf in flat(state.network.params)])
        # Rounded at the size of the weights; a step is 1e-3.
        np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_cross_entropy_and_its_gradient_with_absent_classes_and_large_logits():
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=40, size=(50, 7)).astype(np.float32)
    logits[:, 5:] = -np.inf  # classes that are padding
    labels = rng.integers(0, 5, 50)
    losses, pull = jax.vjp(lambda x: cross_entropy(x, jnp.asarray(labels)), jnp.asarray(logits))
    exact = np.float64(logits)
    expected = logsumexp(exact, axis=1) - exact[np.arange(50), labels]
    np.testing.assert_allclose(losses, expected, rtol=1e-6, atol=1e-5)
    softmax = np.exp(exact - logsumexp(exact, axis=1, keepdims=True))
    (gradient,) = pull(jnp.ones(50))
    np.testing.assert_allclose(gradient, softmax - np.eye(7)[labels], rtol=1e-5, atol=1e-6)


def test_the_leading_class_is_the_first_of_those_that_tie():
    logits = np.random.default_rng(0).integers(-2, 3, (500, 6)).astype(np.float32)
    logits[:, 4:] = -np.inf
    np.testing.assert_array_equal(leading_class(jnp.asarray(logits)), logits.argmax(1))


def test_masked_rows_take_no_part():
    mask = np.arange(64) < 40
    program, problem, member, state, batch = make(mask=mask)
    part = jax.tree.map(lambda leaf: leaf[:40], batch)
    new, sums = train_step(program, problem, member, state, batch)
    new_part, sums_part = train_step(program, problem, member, state, part)
    assert float(sums["count"]) == 40
    np.testing.assert_allclose(sums["loss"], sums_part["loss"], rtol=1e-6)
    for a, b in zip(jax.tree.leaves(new.network), jax.tree.leaves(new_part.network), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("classes", [2, 3, 26])
@pytest.mark.parametrize("spread", [1.0, 30.0, 300.0])
def test_scores_are_log_odds_and_do_not_saturate(classes, spread):
    """Against float64; probabilities in float32 would all be 1 from a lead of 17 on."""
    logits = spread * np.random.default_rng(classes).normal(size=(500, classes))
    logits = logits.astype(np.float32).astype(np.float64)
    expected = np.stack(
        [z - logsumexp(np.delete(logits, c, 1), axis=1) for c, z in enumerate(logits.T)], 1
    )
    ours = np.asarray(step_module._margins(jnp.asarray(logits, jnp.float32)))
    np.testing.assert_allclose(ours, expected, rtol=2e-6, atol=2e-6 * max(1.0, spread))
    assert len(np.unique(ours[:, 0])) > 490


def test_evaluation_scores_the_networks_own_logits():
    program, problem, member, state, batch = make()
    _, scores = eval_step(program, problem, state.network, batch, member)
    logits, _ = apply(program, problem, state.network, batch.inputs, None)
    np.testing.assert_array_equal(scores, step_module._margins(logits))


def test_every_step_draws_new_masks_from_the_members_seed():
    """With a vanishing learning rate only the masks can change the loss of the same batch."""
    program, problem, member, state, batch = make(
        optimizer=SgdConfig(learning_rate=1e-30), dropout=0.2
    )
    step = jax.jit(train_step, static_argnums=(0, 1))
    first, sums = step(program, problem, member, state, batch)
    _, repeated = step(program, problem, member, state, batch)
    _, following = step(program, problem, member, first, batch)
    other_seed = {**member, "seed": np.uint32(1)}
    _, other = step(program, problem, other_seed, state, batch)
    losses = {float(s["loss"]) for s in (sums, following, other)}
    assert len(losses) == 3
    assert float(repeated["loss"]) == float(sums["loss"])


def test_seeds_draw_their_own_weights():
    one, other = (make()[3].network.params for _ in range(2))
    np.testing.assert_array_equal(one["output"]["kernel"], other["output"]["kernel"])
    program, problem, member, *_ = make()
    other = init_state(program, problem, {**member, "seed": np.uint32(1)}).network.params
    for layer in range(8):
        ours, theirs = (net["hidden"][layer]["linear"]["kernel"] for net in (one, other))
        # Two of a thousand numbers among the 2**23 that can be drawn may well be the same.
        assert np.isin(ours, theirs).mean() < 0.01


def test_parameters_are_counted():
    program, problem, _, state, _ = make()
    sizes = [leaf.size for leaf in jax.tree.leaves(state.network.params)]
    assert parameter_count(program, problem) == sum(sizes) == (12 + 1) * 32 + 7 * 33 * 32 + 33 * 3

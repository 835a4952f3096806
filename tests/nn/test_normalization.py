"""Normalisations against PyTorch: outputs, all gradients, running moments; padding, layouts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from snnjax.config.schema import ModelConfig
from snnjax.nn.normalization import moments_of_rows
from snnjax.registry import NORMALIZATIONS, resolve

WIDTH, ROWS = 7, 24
EPSILON = 1e-3  # larger than usual, so that forgetting it shows


def make(name, width=WIDTH, used=None, traced=None, **numbers):
    config = {**vars(ModelConfig(norm=name, **numbers)), **(traced or {})}
    return resolve("normalization", name)(config.get, width, width if used is None else used)


def draw(rows=ROWS, width=WIDTH, seed=0):
    """Units of different means and deviations."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, width)) * random.uniform(0.1, 3, width)
    return (x + random.normal(size=width)).astype(np.float32)


def with_parameters(norm, seed=5):
    """Replace scale and shift by numbers of no particular value."""
    random = np.random.default_rng(seed)
    for _, parameter in nnx.iter_graph(norm):
        if isinstance(parameter, nnx.Param):
            numbers = random.uniform(0.5, 2, parameter[...].shape)
            parameter[...] = jnp.asarray(numbers, jnp.float32)
    return norm


def gradients(norm, x, upstream, axis=1, mask=None):
    """Return the output and the gradients in the parameters and in x, rows first."""
    graph, params, rest = nnx.split(norm, nnx.Param, ...)
    params, rest = nnx.to_pure_dict(params), nnx.to_pure_dict(rest)

    def apply(params, x):
        copy = nnx.merge(graph, params, rest)
        y = copy(x if axis else x.T, axis, mask)
        return y if axis else y.T

    y, pull = jax.vjp(apply, params, jnp.asarray(x))
    of_params, of_x = pull(jnp.asarray(upstream))
    return np.asarray(y), of_params, np.asarray(of_x)


def torch_twin(norm, make_theirs):
    """Build PyTorch's module in float64 with the parameters of `norm`."""
    torch = pytest.importorskip("torch", reason="PyTorch is an oracle, in the `oracles` extra")
    theirs = make_theirs(torch.nn).double()
    theirs.weight.data = torch.tensor(np.asarray(norm.scale[...], np.float64))
    if hasattr(norm, "shift"):
        theirs.bias.data = torch.tensor(np.asarray(norm.shift[...], np.float64))
    return torch, theirs


def compare(torch, theirs, ours, x, upstream):
    """Compare (output, gradients) of ours with theirs."""
    tensor = torch.tensor(np.float64(x), requires_grad=True)
    expected = theirs(tensor)
    expected.backward(torch.tensor(np.float64(upstream)))
    y, of_params, of_x = ours
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-5, atol=2e-6)
    np.testing.assert_allclose(of_x, tensor.grad.numpy(), rtol=1e-5, atol=5e-6)
    np.testing.assert_allclose(of_params["scale"], theirs.weight.grad.numpy(), rtol=1e-5, atol=1e-5)
    if "shift" in of_params:
        np.testing.assert_allclose(
            of_params["shift"], theirs.bias.grad.numpy(), rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("momentum", [0.9, 0.5, 0.0])
def test_batch_norm_equals_pytorch_over_several_steps(axis, momentum):
    """The last batch is short: its padding, here absurd numbers, must not count."""
    norm = with_parameters(make("batch", norm_momentum=momentum, norm_epsilon=EPSILON))
    torch, theirs = torch_twin(
        norm, lambda nn: nn.BatchNorm1d(WIDTH, eps=EPSILON, momentum=1 - momentum)
    )
    for step, count in enumerate([ROWS, ROWS, ROWS, 5]):
        x, upstream = draw(seed=step), draw(seed=100 + step)
        x[count:], upstream[count:] = 1e6, 0
        mask = jnp.arange(ROWS) < count
        y, of_params, of_x = gradients(norm, x, upstream, axis, mask)
        theirs.zero_grad()
        compare(torch, theirs, (y[:count], of_params, of_x[:count]), x[:count], upstream[:count])
        assert not of_x[count:].any()
        norm(jnp.asarray(x if axis else x.T), axis, mask)  # moves the running moments
        np.testing.assert_allclose(norm.mean[...], theirs.running_mean, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(norm.variance[...], theirs.running_var, rtol=1e-5)
    theirs.eval().zero_grad()
    x, upstream = draw(seed=50), draw(seed=51)
    before = np.asarray(norm.mean[...])
    compare(torch, theirs, gradients(norm, x, upstream, axis), x, upstream)
    norm(jnp.asarray(x if axis else x.T), axis)
    np.testing.assert_array_equal(norm.mean[...], before)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("layer", lambda nn: nn.LayerNorm(WIDTH, eps=EPSILON)),
        ("rms", lambda nn: nn.RMSNorm(WIDTH, eps=EPSILON)),
    ],
)
def test_norms_of_rows_equal_pytorch(name, theirs, axis):
    norm = with_parameters(make(name, norm_epsilon=EPSILON))
    torch, theirs = torch_twin(norm, theirs)
    x, upstream = draw(), draw(seed=1)
    compare(torch, theirs, gradients(norm, x, upstream, axis), x, upstream)
    theirs.zero_grad()
    mask = jnp.ones(ROWS, bool)  # in training the same
    compare(torch, theirs, gradients(norm, x, upstream, axis, mask), x, upstream)


def test_batch_norm_of_a_batch_gives_mean_0_and_variance_1():
    x, mask = draw(), jnp.arange(ROWS) < 20
    y = np.asarray(make("batch", norm_epsilon=1e-12)(jnp.asarray(x), 1, mask), np.float64)[:20]
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(y.var(0), 1, rtol=1e-5)


def test_a_single_row_leaves_the_running_variance_a_number():
    """Its unbiased variance would be 0 / 0, and is taken for 0."""
    norm = make("batch", norm_momentum=0.75)
    y = norm(jnp.asarray(draw()), 1, jnp.arange(ROWS) < 1)
    np.testing.assert_array_equal(y[0], 0)
    np.testing.assert_array_equal(norm.variance[...], 0.75)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", ["layer", "rms"])
def test_units_that_are_padding_do_not_count(name, axis):
    """Their number is traced; whatever stands in them changes nothing."""
    alone = with_parameters(make(name, WIDTH))
    x, upstream = draw(), draw(seed=1)
    padded = make(name, WIDTH + 3, used=jnp.int32(WIDTH))
    padded.scale[...] = padded.scale[...].at[:WIDTH].set(alone.scale[...])
    if name == "layer":
        padded.shift[...] = padded.shift[...].at[:WIDTH].set(alone.shift[...])
    wide = np.concatenate([x, np.full((ROWS, 3), 9, np.float32)], 1)
    wide_upstream = np.concatenate([upstream, np.zeros((ROWS, 3), np.float32)], 1)
    expected = gradients(alone, x, upstream, axis)
    y, of_params, of_x = gradients(padded, wide, wide_upstream, axis)
    np.testing.assert_allclose(y[:, :WIDTH], expected[0], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(of_x[:, :WIDTH], expected[2], rtol=1e-5, atol=1e-6)
    assert not of_x[:, WIDTH:].any()
    for key, gradient in expected[1].items():
        np.testing.assert_allclose(of_params[key][:WIDTH], gradient, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NORMALIZATIONS)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_the_type_is_kept_and_moments_are_float32(name, dtype):
    """A bfloat16 batch has the moments of its float32 copy, and its own normalised rows rounded."""
    x, mask = jnp.asarray(draw() + 30, dtype), jnp.arange(ROWS) < 20
    norm, twin = make(name), make(name)
    for training in (mask, None):
        y, exact = norm(x, 1, training), twin(x.astype(jnp.float32), 1, training)
        assert y.dtype == dtype
        close = 2**-8 if dtype == jnp.bfloat16 else 0
        np.testing.assert_allclose(np.float32(y), np.float32(exact), rtol=close, atol=0)
    if name == "batch":
        assert norm.variance[...].dtype == jnp.float32
        np.testing.assert_array_equal(norm.variance[...], twin.variance[...])


@pytest.mark.parametrize("name", ["none", "weight"])
def test_what_passes_through_is_left_alone(name):
    x = jnp.asarray(draw())
    assert make(name)(x, 1, jnp.ones(ROWS, bool)) is x
    assert not jax.tree.leaves(nnx.split(make(name), nnx.Param, ...)[1])


@pytest.mark.parametrize("name", ["batch", "layer", "rms"])
def test_mapping_over_the_numbers_equals_a_loop(name):
    x, mask = jnp.asarray(draw()), jnp.ones(ROWS, bool)
    numbers = {"norm_epsilon": jnp.array([1e-5, 0.1, 2.0])}
    if name == "batch":
        numbers["norm_momentum"] = jnp.array([0.0, 0.5, 0.99])

    def run(numbers):
        norm = make(name, traced=numbers)
        return norm(x, 1, mask), norm(x, 1)

    mapped = jax.vmap(run)(numbers)
    for member in range(3):
        alone = run({key: float(values[member]) for key, values in numbers.items()})
        for several, one in zip(mapped, alone, strict=True):
            np.testing.assert_allclose(several[member], one, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("axis", [0, 1])
def test_moments_of_rows_equal_numpys(axis):
    x = draw()
    mean, variance = moments_of_rows(
        jnp.asarray(x if axis else x.T), axis, jnp.arange(ROWS) % 3 > 0
    )
    valid = np.float64(x[np.arange(ROWS) % 3 > 0])
    np.testing.assert_allclose(mean, valid.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(variance, valid.var(0), rtol=1e-5)

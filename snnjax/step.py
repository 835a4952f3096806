"""One network, one batch: initial state, training step, evaluation step; nothing is mapped."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from snnjax.config.optimization import momentum_key
from snnjax.config.split import IN_MEMBER, Program
from snnjax.metrics import average_loss, class_counts, label_counts
from snnjax.nn import noise
from snnjax.nn.numbers import Value, is_off
from snnjax.nn.padding import Used, clear
from snnjax.nn.products import precision_of_products, types_of
from snnjax.nn.randomness import Randomness
from snnjax.optim.clipping import clip
from snnjax.optim.losses import losses_of
from snnjax.optim.optimizers import make_optimizer
from snnjax.optim.regularization import add_noise, decay, penalty, project
from snnjax.optim.schedules import UNKNOWN_PACE, Pace, momentum_of, rate_factor
from snnjax.registry import resolve
from snnjax.shapes import Problem

Member = dict[str, Any]
Tree = Any

# Below a run's seed threefry draws the weights, and `noise` the rest: for dropout it has a stream
# per step, for shuffling, Monte-Carlo dropout and endless data these, which no step reaches.
SHUFFLE_STREAM, MONTE_CARLO_STREAM, DATA_STREAM = 2**32 - 1, 2**32 - 2, 2**32 - 3
GRADIENT_STREAM = 2**31 - 1


class Network(NamedTuple):
    """The trained part: parameters, and state that is updated without gradients."""

    params: Tree
    extra: Tree


class TrainState(NamedTuple):
    """Everything a step changes."""

    network: Network
    opt_state: Tree
    step: jax.Array


class Batch(NamedTuple):
    """Rows on their way through the network.

    Attributes:
        inputs: (rows, features) float32, scaled.
        targets: (rows,) int32 or (rows, outputs) float32, NaN for missing labels.
        mask: (rows,) bool, False for the padding of a last, shorter batch.
        weights: What rows, (rows,), or labels, (rows, outputs), weigh in the mean loss; None if all
            weigh the same.
    """

    inputs: jax.Array
    targets: jax.Array
    mask: jax.Array
    weights: jax.Array | None = None


def init_state(
    program: Program,
    problem: Problem,
    member: Member,
    used: Used | None = None,
    rows: Callable[[], Batch] | None = None,
) -> TrainState:
    """Draw a network and start its optimizer.

    Args:
        program: What is compiled.
        problem: The shapes.
        member: Its numbers.
        used: What is not padding at both ends of the network; None if there is no padding.
        rows: Gives training rows to networks whose initial weights depend on data.
    """
    key = jax.random.key(member["seed"], impl="threefry2x32")
    value = numbers_of(program.model, "model", member)
    model: Any = _build(program, problem, key, value, used)
    if rows is not None and getattr(model, "begins_from_data", False):
        batch = rows()
        model.adapt(batch.inputs, batch.mask)
    _, params, extra = _split(model)
    network = Network(nnx.to_pure_dict(params), nnx.to_pure_dict(extra))
    settings = numbers_of(program.optimizer, "optimizer", member)
    opt_state = make_optimizer(program.optimizer, settings).init(network.params)
    return TrainState(network, opt_state, jnp.zeros((), jnp.uint32))


def train_step(
    program: Program,
    problem: Problem,
    member: Member,
    state: TrainState,
    batch: Batch,
    used: Used | None = None,
    pace: Pace = UNKNOWN_PACE,
) -> tuple[TrainState, dict[str, jax.Array]]:
    """Take one optimizer step on the mean loss of a batch.

    Args:
        program: What is compiled.
        problem: The shapes.
        member: Its numbers.
        state: Before the step.
        batch: The rows.
        used: What is not padding at both ends of the network; None if there is no padding.
        pace: Where the step lies in the training, for the schedule of the learning rate.

    Returns:
        The new state, and the batch's sums before the step, dropout on; of a step whose gradient
        is limited or whose rate has a schedule what `metrics.summarize` makes metrics of, too.
    """
    params, step = state.network.params, state.step
    key = noise.fold(noise.make_key(member["seed"]), step)
    randomness = Randomness(key, batch.mask)
    (_, (sums, extra)), gradients = jax.value_and_grad(mean_loss, argnums=2, has_aux=True)(
        program, problem, params, state.network.extra, batch, member, randomness, used
    )
    regularization = numbers_of(program.regularization, "regularization", member)
    gradients = add_noise(regularization, gradients, _noise_key(member, step), step)
    gradients, clipping = clip(numbers_of(program.clip, "clip", member), gradients, params)
    settings = _settings(program, member, step, pace)
    optimizer = make_optimizer(program.optimizer, settings)
    updates, opt_state = optimizer.update(gradients, state.opt_state, params)
    updated = optax.apply_updates(params, updates)
    updated = decay(regularization, settings("learning_rate"), params, updated)
    updated = project(regularization, updated)
    sums |= clipping
    if program.schedule.name != "constant":
        sums |= {"learning_rate": settings("learning_rate"), "steps": jnp.ones(())}
    return TrainState(Network(updated, extra), opt_state, step + 1), sums


def mean_loss(
    program: Program,
    problem: Problem,
    params: Tree,
    extra: Tree,
    batch: Batch,
    member: Member,
    randomness: Randomness | None,
    used: Used | None = None,
) -> tuple[jax.Array, tuple[dict[str, jax.Array], Tree]]:
    """Return what is minimised: the mean loss over a batch's valid rows, and the penalties.

    Of several labels per row it is the mean over those that are not missing; where rows or labels
    have weights, the weighted mean.

    Beside it the batch's sums, which know nothing of penalties, and the network's extra state.
    """
    network = Network(params, extra)
    outputs, extra = apply(program, problem, network, batch.inputs, randomness, used)
    loss = numbers_of(program.loss, "loss", member)
    sums = batch_sums(program, problem, loss, outputs, batch, used, is_training=True)
    regularization = numbers_of(program.regularization, "regularization", member)
    mean = average_loss(sums)
    return mean + penalty(regularization, params), (sums, extra)


@partial(jax.jit, static_argnums=(0, 1), inline=True)  # traced once, wherever it is called
def eval_step(
    program: Program,
    problem: Problem,
    network: Network,
    batch: Batch,
    member: Member,
    used: Used | None = None,
) -> tuple[dict[str, jax.Array], jax.Array]:
    """Evaluate a batch without dropout.

    Returns:
        The batch's sums, and its scores, (rows, outputs): predictions, or for each class its
        margin over the others, log p - log(1 - p), which ranks rows as the probability does.
    """
    outputs, _ = apply(program, problem, network, batch.inputs, None, used)
    return judge(program, problem, outputs, batch, member, used)


def judge(
    program: Program,
    problem: Problem,
    outputs: jax.Array,
    batch: Batch,
    member: Member,
    used: Used | None = None,
) -> tuple[dict[str, jax.Array], jax.Array]:
    """Compare the (rows, outputs) outputs for a batch with its targets: see `eval_step`."""
    loss = numbers_of(program.loss, "loss", member)
    sums = batch_sums(program, problem, loss, outputs, batch, used, is_training=False)
    if problem.task == "regression":
        errors = jnp.where(batch.mask[:, None], outputs - batch.targets, 0)
        return sums | {"squared_error": (errors**2).sum(0)}, outputs
    if problem.task == "multilabel":
        return sums | label_counts(batch.targets, outputs, batch.mask), outputs
    counts = class_counts(batch.targets, leading_class(outputs), batch.mask, problem.outputs)
    return sums | counts, _margins(outputs)


def leading_class(logits: jax.Array) -> jax.Array:
    """Return the first class with the largest logit; four times as fast on a CPU as argmax."""
    classes = jnp.arange(logits.shape[1])[None, :]
    leads = logits == logits.max(1, keepdims=True)
    # A row with NaN has no largest logit; the last class is as good as any.
    return jnp.where(leads, classes, logits.shape[1] - 1).min(1)


def _margins(logits: jax.Array) -> jax.Array:
    """Return log p - log(1 - p) of every class, from (rows, classes) logits to the same shape.

    Softmax probabilities round to 1 once a logit leads by 17, and rows that differ then tie. The
    leading class is therefore compared with the log-sum-exp of the others; of all other classes
    p is at most 1/2, and log(1 - p) is well-conditioned.
    """
    log_p = jax.nn.log_softmax(logits)
    leads = jnp.arange(logits.shape[1])[None, :] == leading_class(logits)[:, None]
    others = jax.nn.logsumexp(jnp.where(leads, -jnp.inf, logits), axis=1, keepdims=True)
    rest = jnp.log1p(-jnp.exp(jnp.where(leads, -1.0, log_p)))
    return jnp.where(leads, logits - others, log_p - rest)


def apply(
    program: Program,
    problem: Problem,
    network: Network,
    inputs: jax.Array,
    randomness: Randomness | None,
    used: Used | None = None,
) -> tuple[jax.Array, Tree]:
    """Run the network: (rows, features) to (rows, outputs) and the updated extra state.

    Classes that are padding get the logit -inf, probability 0.
    """
    model = nnx.merge(_abstract(program, problem)[0], network.params, network.extra)
    with precision_of_products(program.training.precision):
        outputs = model(inputs, randomness)
    if used is not None and problem.task == "classification":
        outputs = clear(outputs, used.outputs, 1, -jnp.inf)
    return outputs, nnx.to_pure_dict(_split(model)[2])


def can_pad(program: Program) -> bool:
    """Tell whether a program's network knows of padding, so that data sets can share it.

    Gradient noise would be drawn for the padding too, Muon scales by the size of a kernel (any
    other optimizer of optax may), and adaptive clipping measures vectors whole, which conic
    networks pad.
    """
    if program.optimizer.name in ("muon", "optax") or not is_off(program.regularization.noise):
        return False
    if program.clip.adaptive is not None and program.model.form == "conic":
        return False
    claim = getattr(resolve("model", program.model.name), "can_pad", None)
    return claim is not None and bool(claim(program.model))


def parameter_count(program: Program, problem: Problem) -> int:
    """Count the parameters of a program's network."""
    return sum(leaf.size for leaf in jax.tree.leaves(_abstract(program, problem)[1]))


@lru_cache
def _abstract(program: Program, problem: Problem) -> tuple[nnx.GraphDef, Tree]:
    """Return the network's structure and the shapes of its parameters."""

    def build() -> nnx.Module:
        constant = numbers_of(program.model, "model", {})
        zero = jnp.zeros(())

        def value(name: str) -> Any:
            return zero if (number := constant(name)) is IN_MEMBER else number

        size = jnp.zeros((), jnp.int32)
        used = Used(size, size) if problem.is_padded else None
        return _build(program, problem, jax.random.key(0), value, used)

    with types_of(program.training.precision):
        graph, params, _ = _split(nnx.eval_shape(build))
    return graph, params


def _build(
    program: Program, problem: Problem, key: jax.Array, value: Value, used: Used | None
) -> nnx.Module:
    """Construct the network; one that knows nothing of padding is never asked to pad."""
    build = resolve("model", program.model.name)
    padding = {} if used is None else {"used": used}
    return build(program.model, problem.features, problem.outputs, key, value, **padding)


def _split(model: nnx.Module) -> tuple[nnx.GraphDef, nnx.State, nnx.State]:
    """Take a network apart: structure, parameters, everything else."""
    graph, params, *rest = nnx.split(model, nnx.Param, ...)
    return graph, params, rest[0]


def _settings(program: Program, member: Member, step: jax.Array, pace: Pace) -> Value:
    """Return the optimizer's numbers at a step, as its schedule has them."""
    given = numbers_of(program.optimizer, "optimizer", member)
    schedule = program.schedule
    numbers = numbers_of(schedule, "schedule", member)
    changed = {"learning_rate": given("learning_rate") * rate_factor(schedule, numbers, step, pace)}
    if (momentum := momentum_of(schedule, numbers, step, pace)) is not None:
        changed[momentum_key(program.optimizer)] = momentum
    return lambda name: changed[name] if name in changed else given(name)


def _noise_key(member: Member, step: jax.Array) -> jax.Array:
    """Return the key of a step's gradient noise; the weights were drawn from the seed's own."""
    key = jax.random.key(member["seed"], impl="threefry2x32")
    return jax.random.fold_in(jax.random.fold_in(key, GRADIENT_STREAM), step)


def numbers_of(config: Any, prefix: str, member: Member) -> Callable[[str], Any]:
    """Return the values of a section: a member's where members may differ, else the program's.

    Args:
        config: A section of the program.
        prefix: Its key.
        member: The numbers of a member by their dotted keys.
    """

    def value(name: str) -> Any:
        key = f"{prefix}.{name}"
        return member[key] if key in member else getattr(config, name)

    return value


def batch_sums(
    program: Program,
    problem: Problem,
    loss: Value,
    outputs: jax.Array,
    batch: Batch,
    used: Used | None,
    *,
    is_training: bool,
) -> dict[str, jax.Array]:
    """Add up a batch's loss, its valid rows (or labels) and, for classes, its hits.

    A `weight` is there where rows weigh differently, and in training on labels, of which a batch
    may have none.
    """
    classes = problem.outputs if used is None else used.outputs
    smoothing = loss("label_smoothing") if is_training else 0.0
    losses = losses_of(
        program.loss.name, problem.task, outputs, batch.targets, classes, loss, smoothing
    )
    mask, weights = batch.mask, batch.weights
    if losses.ndim == 2:
        mask = mask[:, None] & ~jnp.isnan(batch.targets)
    sums = {
        "loss": jnp.where(mask, losses, 0).sum(),
        "count": mask.sum().astype(float),
    }
    if weights is not None:
        weights = jnp.where(mask, weights if weights.ndim == mask.ndim else weights[:, None], 0)
        sums |= {"loss": (weights * losses).sum(), "weight": weights.sum()}
    elif is_training and losses.ndim == 2:
        sums["weight"] = sums["count"]
    if losses.ndim == 2:
        is_right = (outputs > 0) == (batch.targets > 0.5)
        sums["hits"] = (mask & is_right).sum().astype(float)
    if problem.task == "classification":
        hits = batch.mask & (leading_class(outputs) == batch.targets)
        sums["hits"] = hits.sum().astype(float)
    return sums

"""How networks are optimised: optimizers, schedules, clipping, regularisation, losses."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from snnjax.config.declare import Arguments, arguments, number, option

MOMENTUM_NAMES = ("momentum", "b1", "beta")
"""What optimizers call their momentum, for schedules that move it."""


def _rate(default: float) -> float:
    return number(default, above=0)


def _decay(default: float) -> float:
    """Declare a factor of a moving average, in [0, 1)."""
    return number(default, low=0, below=1)


@dataclass(frozen=True)
class SgdConfig:
    """Stochastic gradient descent, plain or with (Nesterov) momentum."""

    name: Literal["sgd"] = option("sgd")
    learning_rate: float = _rate(0.01)
    momentum: float = number(0.0, low=0, below=1, off=0.0)
    nesterov: bool = option(False)


@dataclass(frozen=True)
class AdagradConfig:
    """AdaGrad (Duchi et al. 2011); epsilon lies below the root, as in Keras."""

    name: Literal["adagrad"] = option("adagrad")
    learning_rate: float = _rate(0.01)
    initial_accumulator_value: float = number(0.1, low=0)
    eps: float = number(1e-7, above=0)


@dataclass(frozen=True)
class RmspropConfig:
    """RMSProp (Tieleman & Hinton 2012), centred on request.

    `eps_in_sqrt` adds epsilon below the root, as Keras does, instead of beside it. The learning
    rate is part of the velocity, as in Keras; with a constant rate it is PyTorch's step too.
    """

    name: Literal["rmsprop"] = option("rmsprop")
    learning_rate: float = _rate(1e-3)
    decay: float = _decay(0.9)
    eps: float = number(1e-7, above=0)
    eps_in_sqrt: bool = option(False)
    centered: bool = option(False)
    momentum: float = number(0.0, low=0, below=1, off=0.0)


@dataclass(frozen=True)
class AdamConfig:
    """Adam (Kingma & Ba 2015)."""

    name: Literal["adam"] = option("adam")
    learning_rate: float = _rate(1e-3)
    b1: float = _decay(0.9)
    b2: float = _decay(0.999)
    eps: float = number(1e-8, above=0)


@dataclass(frozen=True)
class AdamwConfig:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019).

    As in PyTorch every parameter decays, biases too; `regularization.decay` leaves those alone.
    """

    name: Literal["adamw"] = option("adamw")
    learning_rate: float = _rate(1e-3)
    b1: float = _decay(0.9)
    b2: float = _decay(0.999)
    eps: float = number(1e-8, above=0)
    weight_decay: float = number(1e-2, low=0)


@dataclass(frozen=True)
class NadamConfig:
    """Adam with Nesterov momentum (Dozat 2016).

    `momentum_decay` warms the momentum up, b1 (1 - 0.96^(t * momentum_decay) / 2), as PyTorch does
    with 0.004 and Keras with 1; 0 keeps it constant.
    """

    name: Literal["nadam"] = option("nadam")
    learning_rate: float = _rate(1e-3)
    b1: float = _decay(0.9)
    b2: float = _decay(0.999)
    eps: float = number(1e-7, above=0)
    momentum_decay: float = number(0.0, low=0, off=0.0)


@dataclass(frozen=True)
class AdamaxConfig:
    """Adam by the largest gradient instead of the mean square (Kingma & Ba 2015)."""

    name: Literal["adamax"] = option("adamax")
    learning_rate: float = _rate(1e-3)
    b1: float = _decay(0.9)
    b2: float = _decay(0.999)
    eps: float = number(1e-8, above=0)


@dataclass(frozen=True)
class AdadeltaConfig:
    """Adadelta (Zeiler 2012)."""

    name: Literal["adadelta"] = option("adadelta")
    learning_rate: float = _rate(1.0)
    rho: float = _decay(0.95)
    eps: float = number(1e-6, above=0)


@dataclass(frozen=True)
class LionConfig:
    """Lion, the sign of a momentum (Chen et al. 2023), with decoupled decay of all parameters."""

    name: Literal["lion"] = option("lion")
    learning_rate: float = _rate(1e-4)
    b1: float = _decay(0.9)
    b2: float = _decay(0.99)
    weight_decay: float = number(0.0, low=0)


@dataclass(frozen=True)
class MuonConfig:
    """Muon (Jordan et al. 2024): the momentum of every kernel made orthogonal, the rest by AdamW.

    The current choice of second-order kind: it whitens the update of a layer, costs a few products
    of its size, and has no state that evaluation would have to know of. As in optax the momentum
    is corrected for its beginning, and the update has sqrt(max(1, fan_out / fan_in)) as a factor.
    """

    name: Literal["muon"] = option("muon")
    learning_rate: float = _rate(1e-3)
    beta: float = _decay(0.95)
    eps: float = number(1e-8, above=0)
    weight_decay: float = number(0.0, low=0)
    adam_b1: float = _decay(0.9)
    adam_b2: float = _decay(0.999)
    nesterov: bool = option(True)


@dataclass(frozen=True)
class OptaxConfig:
    """Any optimizer of optax by the name of its function, with arguments by their names.

    Decimal numbers among the arguments may differ between the members of a population; whole
    numbers, true, false, null and text are compiled in. What is not given has optax's default.
    """

    name: Literal["optax"] = option("optax")
    function: str = option("yogi")
    learning_rate: float = _rate(1e-3)
    arguments: Arguments = arguments()


OptimizerConfig: TypeAlias = (
    SgdConfig
    | AdagradConfig
    | RmspropConfig
    | AdamConfig
    | AdamwConfig
    | NadamConfig
    | AdamaxConfig
    | AdadeltaConfig
    | LionConfig
    | MuonConfig
    | OptaxConfig
)


def momentum_key(optimizer: OptimizerConfig) -> str:
    """Return the key of an optimizer's momentum, an empty string if it has none."""
    if isinstance(optimizer, OptaxConfig):
        named = (f"arguments.{name}" for name in MOMENTUM_NAMES if name in optimizer.arguments)
    else:
        named = (name for name in MOMENTUM_NAMES if hasattr(optimizer, name))
    return next(named, "")


Unit = Literal["steps", "epochs"]
_MOST = 1e9


def _duration(default: float) -> float:
    return number(default, above=0, high=_MOST)


@dataclass(frozen=True)
class ConstantConfig:
    """The learning rate as it is."""

    name: Literal["constant"] = option("constant")


@dataclass(frozen=True)
class PowerConfig:
    """Inverse time: divided by (1 + t / time)^power."""

    name: Literal["power"] = option("power")
    unit: Unit = option("epochs")
    time: float = _duration(20.0)
    power: float = number(1.0, low=0)


@dataclass(frozen=True)
class ExponentialConfig:
    """Multiplied by `factor` once every `time`, smoothly."""

    name: Literal["exponential"] = option("exponential")
    unit: Unit = option("epochs")
    time: float = _duration(20.0)
    factor: float = number(0.1, above=0)


@dataclass(frozen=True)
class PiecewiseConfig:
    """Multiplied by a factor of its own from each of up to three times on."""

    name: Literal["piecewise"] = option("piecewise")
    unit: Unit = option("epochs")
    time_1: float = _duration(30.0)
    factor_1: float = number(0.1, above=0)
    time_2: float = _duration(60.0)
    factor_2: float = number(0.1, above=0)
    time_3: float = _duration(_MOST)
    factor_3: float = number(0.1, above=0)


@dataclass(frozen=True)
class PlateauConfig:
    """Multiplied by `factor` where the monitored metric has not improved for `patience` epochs.

    An improvement is one by more than `threshold` times the best value; after a cut `cooldown`
    epochs are not counted, and the rate never falls below `minimum` times its first value.
    """

    name: Literal["plateau"] = option("plateau")
    factor: float = number(0.5, above=0, below=1)
    patience: int = number(5, low=0, high=1_000_000)
    threshold: float = number(1e-4, low=0)
    minimum: float = number(0.0, low=0, high=1)
    cooldown: int = number(0, low=0, high=1_000_000)


@dataclass(frozen=True)
class OneCycleConfig:
    """1cycle (Smith 2018): up to the learning rate and down to next to nothing.

    By cosines: from 1 / `divisor` of the rate up to it during the share `rise` of the training,
    then down to 1 / (`divisor` * `final_divisor`). Momentum (or b1, or beta) goes from
    `high_momentum` to `low_momentum` and back.
    """

    name: Literal["onecycle"] = option("onecycle")
    rise: float = number(0.3, above=0, below=1)
    divisor: float = number(25.0, low=1)
    final_divisor: float = number(1e4, low=1)
    low_momentum: float = _decay(0.85)
    high_momentum: float = _decay(0.95)


@dataclass(frozen=True)
class CosineConfig:
    """Linear warm-up, then cosine decay to `minimum` of the rate, restarted every `time`.

    Each period is `stretch` times as long as the one before; without `time` there is one, to the
    end of the training (Loshchilov & Hutter 2017).
    """

    name: Literal["cosine"] = option("cosine")
    unit: Unit = option("epochs")
    warmup: float = number(0.0, low=0, high=_MOST)
    time: float | None = number(None, above=0, high=_MOST, off=None)
    stretch: float = number(1.0, low=1, off=1.0)
    minimum: float = number(0.0, low=0, high=1)


@dataclass(frozen=True)
class LinearConfig:
    """Linear warm-up, then linearly down to `minimum` of the rate at the end of the training."""

    name: Literal["linear"] = option("linear")
    unit: Unit = option("epochs")
    warmup: float = number(0.0, low=0, high=_MOST)
    minimum: float = number(0.0, low=0, high=1)


ScheduleConfig: TypeAlias = (
    ConstantConfig
    | PowerConfig
    | ExponentialConfig
    | PiecewiseConfig
    | PlateauConfig
    | OneCycleConfig
    | CosineConfig
    | LinearConfig
)


@dataclass(frozen=True)
class ClipConfig:
    """Limits to the gradient, applied in this order: each is off while it is null.

    `value` limits every element, `norm` the norm of all together, `layer_norm` that of every
    array, `adaptive` that of every unit relative to its weights (AGC, Brock et al. 2021).
    """

    value: float | None = number(None, above=0, off=None)
    norm: float | None = number(None, above=0, off=None)
    layer_norm: float | None = number(None, above=0, off=None)
    adaptive: float | None = number(None, above=0, off=None)


@dataclass(frozen=True)
class RegularizationConfig:
    """What keeps weights small: in the loss, beside the step, or after it; biases are left alone.

    `l1` and `l2` add l1 * sum |w| and l2 * sum w^2 to the loss; `decay` multiplies the weights by
    1 - learning rate * decay beside the step; `max_norm` projects the weights that lead into each
    unit back to that length; `noise` adds N(0, noise / (1 + step)^0.55) to gradients (Neelakantan
    et al. 2015).
    """

    l1: float = number(0.0, low=0, off=0.0)
    l2: float = number(0.0, low=0, off=0.0)
    decay: float = number(0.0, low=0, off=0.0)
    max_norm: float | None = number(None, above=0, off=None)
    noise: float = number(0.0, low=0, off=0.0)


@dataclass(frozen=True)
class LossConfig:
    """What is minimised; `default` is cross-entropy for classes and squared error for regression.

    `quadratic` is the squared error of softmax outputs (Glorot & Bengio 2010); `huber` is squared
    up to `huber_delta` and linear beyond; `sigmoid` is cross-entropy of every label, averaged over
    those that are not missing. `class_weights` weigh rows by their class in training, `balanced` by
    its share of the training rows.
    """

    name: Literal["default", "cross_entropy", "quadratic", "squared_error", "huber", "sigmoid"] = (
        option("default")
    )
    label_smoothing: float = number(0.0, low=0, below=1, off=0.0)
    huber_delta: float = number(1.0, above=0, only={"name": ["huber"]})
    class_weights: Literal["balanced"] | tuple[float, ...] | None = number(
        None, low=0, role="static"
    )
